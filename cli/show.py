"""Replicas of one scene, edited at once, cut off, killed, and in the end the same.

Started by ./run, which has the help. It uses only the public commands; every figure that
is shown comes from `scenesync status --json`.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

NAMES = ["ann", "bob", "cyn", "dan", "eve", "fay", "gus", "hal"]
EDIT_PAUSE = 0.12  # seconds between the edits of one person
SETTLE_SECONDS = 30  # all must be equal so long after the last edit


class Replica:
    """One store, and the node that runs on it now and then."""

    def __init__(self, show, number):
        self.show = show
        self.name = NAMES[number]
        self.store = show.dir / f"replica-{number + 1}"
        self.snapshot = show.dir / f"snapshot-{number + 1}.json"
        self.log_path = show.dir / f"replica-{number + 1}.log"
        self.url = "tcp://127.0.0.1:0"
        self.node = None
        self.state = "new"
        self.status = {}

    def verb(self, verb, *arguments, check=True):
        """Run a verb on the store; its output. What it says goes to the log."""
        command = [self.show.program, verb, "--store", str(self.store), *arguments]
        with open(self.log_path, "a") as log:
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True)
        if check and result.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed; see {self.log_path}")
        return result.stdout if result.returncode == 0 else None

    def start(self, peers, online=True):
        """Start the node and wait until it can be reached."""
        command = [self.show.program, "node", "--store", str(self.store), "--json"]
        if online:
            command += ["--listen", self.url]
            for peer in peers:
                command += ["--peer", peer]
        log = open(self.log_path, "a")
        self.node = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        awaited = "listening" if online else "opened"
        for line in self.node.stdout:
            log.write(line)
            event = json.loads(line)
            if event["event"] == awaited:
                self.url = event.get("url", self.url)
                break
        else:
            raise SystemExit(f"the node of {self.name} did not start; see {self.log_path}")
        threading.Thread(target=self.keep_log, args=(self.node, log), daemon=True).start()
        self.state = "running" if online else "cut off"

    @staticmethod
    def keep_log(node, log):
        for line in node.stdout:
            log.write(line)
            log.flush()
        log.close()

    def stop(self, number=signal.SIGTERM):
        self.node.send_signal(number)
        self.node.wait()
        self.node = None

    def look(self):
        """Read the status; an old one stays where none can be had."""
        text = self.verb("status", "--json", check=False)
        if text:
            self.status = json.loads(text)


class Person(threading.Thread):
    """Edits one replica until told to stop: moves, scales, adds, removes, undoes."""

    def __init__(self, replica, entities, transform, seed):
        super().__init__(daemon=True)
        self.replica = replica
        self.entities = entities
        self.transform = transform
        self.random = random.Random(seed)
        self.own = []
        self.count = 0
        self.labels = 0

    def run(self):
        while not self.replica.show.quiet.wait(EDIT_PAUSE):
            self.edit(self.random.random())

    def place(self):
        return json.dumps({axis: round(self.random.uniform(0, 64), 2) for axis in "xyz"})

    def edit(self, dice):
        verb = lambda *words: self.replica.verb(*words, "--as", self.replica.name, check=False)
        # Everybody likes the same few things, so that they meet.
        favourite = self.random.choice(self.entities[:12])
        anything = self.random.choice(self.entities)
        if self.replica.show.apart and dice < 0.3:
            # Everybody labels the same things in the same order: apart, they clash.
            thing = self.entities[12 + self.labels % max(1, len(self.entities) - 12)] if len(
                self.entities) > 12 else favourite
            self.labels += 1
            verb("set", thing, "Label.text", json.dumps(f"seen by {self.replica.name}"))
        elif dice < 0.45:
            verb("set", favourite, f"{self.transform}.position", self.place())
        elif dice < 0.65:
            verb("set", anything, f"{self.transform}.scale", self.place())
        elif dice < 0.80:
            self.count += 1
            name = f"{self.replica.name}-{self.count}"
            verb("add", name)
            verb("set", name, f"{self.transform}.position", self.place())
            self.own.append(name)
        elif dice < 0.88 and len(self.own) > 1:
            verb("move", self.random.choice(self.own), "--parent", favourite)
        elif dice < 0.92 and len(self.own) > 3:
            verb("remove", self.own.pop(0))
        elif dice < 0.94:
            verb("remove", anything)
        else:
            verb("undo")


class Show:
    def __init__(self, options):
        self.program = options.program
        self.dir = Path(options.dir or options.default_dir).resolve()
        self.scene = options.scene or self.sample(options.scenes)
        self.seconds = options.seconds
        self.quiet = threading.Event()
        self.apart = False  # is a replica cut off or killed?
        self.live = sys.stdout.isatty()
        self.drawn = 0
        if self.dir.exists():
            shutil.rmtree(self.dir)
        self.dir.mkdir(parents=True)
        self.replicas = [Replica(self, i) for i in range(options.replicas)]
        self.begun = time.monotonic()

    @staticmethod
    def sample(folder):
        """The largest sample scene."""
        scenes = [p for p in Path(folder).glob("*.json") if p.is_file()]
        if not scenes:
            raise SystemExit(f"no sample scene in {folder}; name one: ./run --demo SCENE.json")
        return str(max(scenes, key=lambda p: p.stat().st_size))

    def say(self, text):
        self.erase()
        print(f"{time.monotonic() - self.begun:5.1f} s  {text}", flush=True)

    def erase(self):
        if self.live and self.drawn:
            sys.stdout.write(f"\x1b[{self.drawn}A\x1b[J")
        self.drawn = 0

    def table(self):
        """One line per replica; redrawn in place on a terminal."""
        lines = [
            f"{'replica':9} {'state':9} {'entities':>8} {'fields':>7} {'version':>8} "
            f"{'digest':10} {'conflicts':>9} {'lag':>5}"
        ]
        for replica in self.replicas:
            s = replica.status
            times = list(s.get("version", {}).values())
            lines.append(
                f"{replica.name:9} {replica.state:9} {s.get('entities', '-'):>8} "
                f"{s.get('fields', '-'):>7} {max(times, default='-'):>8} "
                f"{s.get('digest', '-')[:8]:10} {s.get('conflicts', '-'):>9} "
                f"{s.get('lag', '-') if replica.state == 'running' else '-':>5}"
            )
        self.erase()
        print("\n".join(lines), flush=True)
        self.drawn = len(lines)

    def look(self):
        threads = [threading.Thread(target=r.look) for r in self.replicas]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def watch(self, until, every=0.5):
        """Show the table until `until()` holds or is so many seconds from the beginning."""
        shown = -1e9
        while not (until() if callable(until) else time.monotonic() - self.begun >= until):
            self.look()
            pause = every if self.live else 2.0
            if time.monotonic() - shown >= pause:
                self.table()
                shown = time.monotonic()
            time.sleep(0.1)
        self.look()
        self.table()
        if not self.live:
            self.drawn = 0

    def equal(self):
        seen = {json.dumps([r.status.get("version"), r.status.get("digest")]) for r in self.replicas}
        return len(seen) == 1 and all(r.status for r in self.replicas)

    def open(self):
        """The first replica imports the scene; the others start empty and get it from it."""
        first = self.replicas[0]
        first.verb("import", self.scene)
        first.start([])
        for replica in self.replicas[1:]:
            replica.start([first.url])
        self.say(f"{len(self.replicas)} replicas of {self.scene}; one imported it, the others join it")
        deadline = time.monotonic() + SETTLE_SECONDS
        self.watch(lambda: self.equal() or time.monotonic() > deadline)
        if not self.equal():
            raise SystemExit(f"the replicas did not find each other; logs are in {self.dir}")

    def people(self):
        """One person at each replica, who knows what is there."""
        scene = json.loads(self.replicas[0].verb("export", "--format", "state"))
        entities = [e["id"] for e in scene["entities"]]
        types = [c["type"] for e in scene["entities"] for c in e["components"]]
        transform = next((t for t in types if t.split("::")[-1] == "Transform"), "Transform")
        if len(entities) < 2:
            entities += ["lamp", "table"]
        random.Random(1).shuffle(entities)
        return [Person(r, entities, transform, i + 1) for i, r in enumerate(self.replicas)]

    def play(self):
        at = lambda share: time.monotonic() - self.begun + self.seconds * share
        cut, killed = self.replicas[1], self.replicas[-1]
        others = lambda one: [r.url for r in self.replicas if r is not one]
        plan = [at(0.18), at(0.50), at(0.62), at(0.76), at(1.0)]
        people = self.people()
        for person in people:
            person.start()
        self.say("people edit at all of them at once")
        self.watch(plan[0])

        self.apart = True
        cut.stop()
        cut.start([], online=False)
        self.say(f"{cut.name} is cut off from the network, and goes on editing")
        self.watch(plan[1])
        cut.stop()
        cut.start(others(cut))
        self.apart = False
        self.say(f"{cut.name} is back")
        self.watch(plan[2])

        killed.stop(signal.SIGKILL)
        killed.state = "killed"
        self.say(f"the node of {killed.name} is killed with -9")
        self.watch(plan[3])
        killed.start(others(killed))
        self.say(f"{killed.name} is back")
        self.watch(plan[4])

        self.quiet.set()
        for person in people:
            person.join()

    def settle(self):
        self.say("nobody edits any more")
        deadline = time.monotonic() + SETTLE_SECONDS
        self.watch(lambda: self.equal() or time.monotonic() > deadline)
        self.say("all versions and digests are equal" if self.equal() else "they are NOT equal")
        self.table()
        self.drawn = 0  # this one stays

    def close(self):
        """Snapshots and a last check of the stores; are all snapshots the same bytes?"""
        for replica in self.replicas:
            replica.verb("export", "--format", "state", "--output", str(replica.snapshot))
        for replica in self.replicas:
            replica.stop()
            replica.verb("verify")
        same = len({r.snapshot.read_bytes() for r in self.replicas}) == 1
        print()
        print("The snapshots are the same, byte for byte:" if same else "The snapshots DIFFER:")
        for replica in self.replicas:
            print(f"  {replica.snapshot}")
        print(f"Stores and logs are beside them. Concurrent edits that do not show, and by whom:\n"
              f"  {self.program} conflicts --store {self.replicas[0].store}")
        return same

    def abandon(self):
        for replica in self.replicas:
            if replica.node is not None:
                replica.node.kill()


def main():
    parser = argparse.ArgumentParser(add_help=False, usage="./run --help tells more")
    parser.add_argument("--program", required=True)
    parser.add_argument("--scenes", required=True)
    parser.add_argument("--default-dir", required=True)
    parser.add_argument("--dir")
    parser.add_argument("--replicas", type=int, default=3, choices=range(2, 9))
    parser.add_argument("--seconds", type=float, default=32)
    parser.add_argument("scene", nargs="?")
    options = parser.parse_args()
    if options.seconds < 12:
        parser.error("--seconds takes 12 or more")
    show = Show(options)
    try:
        show.open()
        show.play()
        show.settle()
        return 0 if show.close() else 1
    except KeyboardInterrupt:
        return 1
    finally:
        show.abandon()


if __name__ == "__main__":
    sys.exit(main())
