#!/usr/bin/env python3
"""Workers on a network that fails: each in a network namespace, with people who edit.

Usage: test_partitions.py [--rounds 10] [--seed N] [--workers 4]

Each round does one kind of harm while people edit, then heals it: all workers must be equal
again, wanted within 2 s (printed; it fails after 60). Kinds: a partition, one way cut, a slow
way, loss with repetition and damage and jitter, a node that is killed while it is cut off, an
address that changes under who sits behind it (NAT), a firewall that drops what comes, a clock
set forth or back. In the end every edit that was answered "accepted" is accounted for.
"""

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))
from content import deploy_state, lamp_scene  # noqa: E402
from network import Net, require  # noqa: E402
from test_chaos import Chaos, Person  # noqa: E402
from world import Process, run_tests  # noqa: E402

HARM = 2.0          # seconds that people edit in trouble
EQUAL_WANTED = 2.0  # seconds from healing to equal
EQUAL_LIMIT = 60.0
PORT = 7700


class Live(Chaos):
    """Chaos's people and its account of what became of their edits, on a network that fails."""

    def __init__(self, world, options):
        self.world = world
        self.options = options
        self.random = random.Random(options.seed)
        world.build(options.workers, options.seed)
        self.switch = world.switch
        key = world.path("scene.key")
        world.run("key", "--output", key)
        servers = Process(world, "servers", "servers",
                          ["--http", "127.0.0.1:0", "--dir", world.path("servers"), "--json"])
        servers.prefix = ["ip", "netns", "exec", world.places[0].name]
        servers.start()
        self.workers = []
        for index, place in enumerate(world.places):
            arguments = ["--key", key]
            # The last sits behind a NAT: it calls others, and nobody can call it.
            if index < options.workers - 1:
                arguments += ["--listen", f"tcp://{place.address}:{PORT}"]
            if index == 0:
                with place.inside():
                    deploy_state(servers, world.scene, lamp_scene(24))
                arguments += ["--content", servers.http]
            else:
                arguments += ["--peer", f"tcp://{world.places[0].address}:{PORT}"]
            worker = world.placed_worker(index, *arguments)
            self.workers.append(worker.start())
            world.wait(lambda: worker.status["state"] == "editing", f"{worker.name} has the scene")
        self.clocks_set = 0
        self.sightings = {}
        self.to_sight = list(self.workers)
        self.people = [Person(world, w, f"p{2 * i + k}", options.seed)
                       for i, w in enumerate(self.workers) for k in range(2)]
        world.wait(lambda: all(p.renderer.ready for p in self.people), "all have the state")
        self.kinds = [self.partition, self.one_way, self.slow, self.lossy, self.killed_apart, self.new_address,
                      self.firewall]
        if world.faketime:
            self.kinds.append(self.clock)
        else:
            print("partitions: clocks are left alone: no libfaketime here (Debian package faketime)")

    # ---- harm: begins it, gives what ends it ----

    def some(self):
        """A few of the workers, not all."""
        count = self.random.randrange(1, len(self.workers))
        return sorted(self.random.sample(range(len(self.workers)), count))

    def cut_off(self, inside):
        for a in range(len(self.workers)):
            for b in range(len(self.workers)):
                if (a in inside) != (b in inside):
                    self.switch.way(a, b, cut=1)

    def partition(self):
        inside = self.some()
        self.cut_off(inside)
        return f"partition: {inside} apart", self.switch.mend

    def one_way(self):
        one = self.random.randrange(len(self.workers))
        if self.random.random() < 0.5:
            self.switch.way(one, "*", cut=1)
            return f"nobody hears {one}", self.switch.mend
        self.switch.way("*", one, cut=1)
        return f"{one} hears nobody", self.switch.mend

    def slow(self):
        one = self.random.randrange(len(self.workers))
        for ends in ((one, "*"), ("*", one)):
            self.switch.way(*ends, rate=256, delay=150)
        return f"slow: {one} has 256 kbit/s and 150 ms", self.switch.mend

    def lossy(self):
        self.switch.way(loss=10, twice=3, damage=0.5, delay=20, jitter=15)
        return "lossy: 10 % lost, 3 % twice, 0.5 % damaged, 20±15 ms", self.switch.mend

    def killed_apart(self):
        one = self.random.randrange(len(self.workers))
        self.cut_off([one])
        worker = self.workers[one]

        def heal():
            worker.kill()
            worker.start(wait=False)
            self.switch.mend()
        return f"{one} apart and killed", heal

    def new_address(self):
        place = self.world.places[-1]
        place.move(f"10.66.0.{self.random.choice([n for n in range(100, 250) if str(n) != place.address[8:]])}")
        return f"{place.index} is {place.address} now", lambda: None

    def firewall(self):
        place = self.random.choice(self.world.places)
        rule = ["INPUT", "-i", "sim0", "-p", "tcp", "-j", "DROP"]
        done = place.run("iptables", "-A", *rule)
        if done.returncode != 0:
            return f"firewall: not here ({done.stderr.strip()[:60]})", lambda: None
        return f"firewall: {place.index} drops what comes", lambda: place.run("iptables", "-D", *rule)

    def clock(self):
        worker = self.random.choice(self.workers)
        offset = self.random.choice(["+10y", "-5y", "+3600", "-3600", "-1d"])
        worker.set_clock(offset)
        self.clocks_set += 1
        return f"{worker.name}'s clock is off by {offset}", lambda: worker.set_clock("+0")

    # ---- rounds ----

    def edit_for(self, seconds):
        end = time.monotonic() + seconds
        next_sight = 0.0
        while (now := time.monotonic()) < end:
            for person in self.people:
                person.act(now)
            if now >= next_sight:
                next_sight = now + 0.25
                self.sight()
            self.world.pump(0.005)

    def sight(self):
        """Ask one worker what it holds now; if it answers."""
        self.to_sight.append(self.to_sight.pop(0))
        worker = self.to_sight[0]
        try:
            answer = worker.call("GET", "/v1/status", timeout=1)
        except OSError:
            return
        if answer.status == 200:
            status = answer.json
            self.sightings.setdefault(status["worker"], []).append(status["version"])

    def round(self, number):
        what, heal = self.kinds[number % len(self.kinds)]()
        self.edit_for(HARM)
        heal()
        healed = time.monotonic()
        for worker in self.workers:
            worker.await_ready()
        self.world.await_equal(*self.workers, seconds=EQUAL_LIMIT)
        took = time.monotonic() - healed
        self.world.wait(lambda: all(p.renderer.ready for p in self.people), "all have a state again")
        print(f"partitions: {number + 1}: {what}: equal after {took:.2f} s", flush=True)
        return took

    def run(self):
        self.edit_for(1.0)
        took = sorted(self.round(number) for number in range(self.options.rounds))
        self.ended = time.monotonic()
        late = sum(t > EQUAL_WANTED for t in took)
        print(f"partitions: {len(took)} healed, equal after {took[len(took) // 2]:.2f} s in the median, {took[-1]:.2f} s "
              f"at most; {late} took longer than {EQUAL_WANTED:.0f} s; packets: {self.switch.count()}")
        self.await_peace()
        self.account(None)
        if self.clocks_set:
            self.check_clocks()

    def check_clocks(self):
        """Did the clocks go wrong indeed? Batches tell the time of who made them."""
        odd = sum(abs(line["time"] / 1000 - time.time()) > 3000 for lines in self.histories.values()
                  for line in lines if line["event"] == "edit")
        assert odd > 0, "no clock was off"
        print(f"partitions: {odd} batches tell a time that is none")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--workers", type=int, default=4, choices=range(3, 9))
    return parser.parse_args()


def main():
    chosen = options()

    def test_people_edit_on(world):
        require()
        print(f"repeat: tests/live/test_partitions.py --rounds {chosen.rounds} --seed {chosen.seed} "
              f"--workers {chosen.workers}", flush=True)
        Live(world, chosen).run()

    return run_tests("partitions", {"test_people_edit_on": test_people_edit_on}, wanted=(), kind=Net)


if __name__ == "__main__":
    sys.exit(main())
