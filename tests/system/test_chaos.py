#!/usr/bin/env python3
"""Four workers for one scene, three people at each, everything failing around them.

Usage: test_chaos.py [--seconds 40] [--seed N] [--every 5]

People edit 20 times a second. A worker is killed with -9 every few seconds and started
again, content and builder servers are killed and started again, one peer link loses 20 % of
all messages, another is cut for a while. In the end all workers and renderers are equal, and
every edit that was answered "accepted" is accounted for (ledger.py).
"""

import argparse
import http.client
import json
import random
import sys
import time

from content import deploy_state, from_manifest, get_manifest, lamp_scene, project_id
from ledger import Ledger, stamp_of, text
from world import call, run_tests

RATE = 20.0          # edits a second of each person
SIGHT = 0.5          # seconds between two looks at what a worker holds
STATE_WANTED = 2.0   # seconds without a state after a crash
STATE_LIMIT = 60.0   # the same, before it is a failure
PROJECT = project_id("chaos")


class Person:
    """One who edits: a renderer and what was promised to it."""

    def __init__(self, world, worker, name, seed):
        self.worker = worker
        self.random = random.Random(f"{seed}/{name}")
        self.renderer = world.renderer(worker, name, ready=False)
        self.name = name
        self.number = int(name[1:]) + 1  # what it writes is what no template has
        self.count = 0
        self.claims = []  # [id, entity, component, field, value, actor or None]
        self.next_at = 0.0

    def act(self, now):
        """Do one thing to the scene, if it is time."""
        if now < self.next_at or not self.renderer.ready:
            return
        self.next_at = max(self.next_at + 1 / RATE, now)
        self.count += 1
        unique = self.number * 100000 + self.count
        chance = self.random.random()
        model = self.renderer.model
        if chance < 0.05 or not model:
            self.add(unique)
            return
        entity = self.random.choice(sorted(model))
        if chance < 0.08 and len(model) > 20:
            self.renderer.remove(entity)
        elif chance < 0.10:
            self.renderer.say("Undo" if chance < 0.095 else "Redo", {})
        elif chance < 0.25:
            self.change(entity, "Name", "value", f"name {unique}")
        elif chance < 0.45:
            self.change(entity, "Transform", "scale", {"x": unique, "y": 1, "z": 1})
        else:
            self.change(entity, "Transform", "position", {"x": unique, "y": 0.5, "z": self.count % 16})

    def add(self, unique):
        entity = f"e{unique}"
        place = {"x": unique, "y": 0, "z": 0}
        done = self.renderer.add(entity, {"Transform": {"position": place}, "Name": {"value": f"name {unique}"}})
        self.claims.append((done, entity, "Transform", "position", place))
        self.claims.append((done, entity, "Name", "value", f"name {unique}"))

    def change(self, entity, component, field, value):
        whole = dict(self.renderer.model[entity].get(component) or {})
        whole[field] = value
        self.claims.append((self.renderer.set(entity, component, whole), entity, component, field, value))


class Chaos:
    def __init__(self, world, options):
        self.world = world
        self.options = options
        self.random = random.Random(options.seed)
        self.servers = world.servers()
        deploy_state(self.servers, world.scene, lamp_scene(24))
        first = world.worker("w0", "--autosave", "5", "--project", PROJECT, servers=self.servers)
        world.wait(lambda: first.status["state"] == "editing", "the first has the scene")
        way = world.relay(first)
        self.way = way
        self.workers = [
            first,
            world.worker("w1", "--autosave", "5", "--project", PROJECT, "--fault", "drop=0.2",
                         servers=self.servers, peers=[first]),
            world.worker("w2", "--autosave", "5", "--project", PROJECT, servers=self.servers, peers=[first]),
            world.worker("w3", "--autosave", "5", "--project", PROJECT, "--no-discover",
                         servers=self.servers, peers=[way.url], listen=False),
        ]
        self.sightings = {}
        self.to_sight = list(self.workers)
        self.people = [Person(world, w, f"p{3 * i + k}", options.seed)
                       for i, w in enumerate(self.workers) for k in range(3)]
        world.wait(lambda: all(p.renderer.ready for p in self.people), "all have the state")

    def trouble(self):
        """(time, what to do) over the whole run, in order."""
        seconds, every = self.options.seconds, self.options.every
        plan = [(t * every, self.kill_worker) for t in range(1, int(seconds / every + 0.5))]
        plan += [(seconds * 0.3, self.servers_die), (seconds * 0.4, self.servers_come)]
        plan += [(seconds * 0.55, self.way.cut), (seconds * 0.65, self.way.mend)]
        plan += [(seconds * 0.8, self.servers_die), (seconds * 0.83, self.servers_come)]
        return sorted(plan, key=lambda step: step[0])

    def kill_worker(self):
        worker = self.random.choice(self.workers)
        worker.kill()
        worker.start(wait=False)

    def servers_die(self):
        self.servers.kill()

    def servers_come(self):
        self.servers.start(wait=False)

    def sight(self):
        """Ask one worker what it holds now; if it answers."""
        self.to_sight.append(self.to_sight.pop(0))
        try:
            answer = call(self.to_sight[0].http, "GET", "/v1/status", timeout=1)
            status = answer.json if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return
        if status:
            self.sightings.setdefault(status["worker"], []).append(status["version"])

    def edit(self):
        began = time.monotonic()
        plan = self.trouble()
        next_sight = began
        while (now := time.monotonic()) < began + self.options.seconds:
            while plan and plan[0][0] <= now - began:
                plan.pop(0)[1]()
            for person in self.people:
                person.act(now)
            if now >= next_sight:
                next_sight = now + SIGHT / len(self.workers)
                self.sight()
            self.world.pump(0.005)
        for _, step in plan:
            step()
        self.ended = time.monotonic()

    # ---- in the end ----

    def await_peace(self):
        world = self.world
        for worker in self.workers:
            worker.await_ready()
        world.wait(lambda: all(p.renderer.ready for p in self.people), "all have a state again")
        world.wait(lambda: all(p.renderer.ready and not p.renderer.open_ids for p in self.people),
                   lambda: f"all edits are answered: {[(p.name, len(p.renderer.open_ids)) for p in self.people]}")
        world.await_equal(*self.workers)
        print(f"chaos: all equal {time.monotonic() - self.ended:.2f} s after the last edit")
        snapshots = {w.snapshot for w in self.workers}
        assert len(snapshots) == 1, "equal marks, unequal snapshots"
        self.final = self.workers[0].entities
        for person in self.people:
            world.wait(lambda: person.renderer.model == self.final, lambda: self.wrong_picture(person))

    def wrong_picture(self, person):
        renderer = person.renderer
        wrong = [e for e in {**renderer.model, **self.final} if renderer.model.get(e) != self.final.get(e)]
        story = "\n  ".join(map(str, renderer.story.get(wrong[0], [])))
        return (f"{person.name} shows the scene: {difference(renderer.model, self.final)}; of {wrong[0]} it said and "
                f"heard:\n  {story}")

    def saved(self):
        """The scene as the builder server has it, saved now."""
        self.world.wait(lambda: self.servers.ready, "the servers are there")
        result = self.workers[2].post("/v1/save")
        assert result["ok"], result
        assert result["version"] == self.workers[2].status["version"]
        manifest = from_manifest(get_manifest(self.servers, PROJECT))
        assert set(manifest) == set(self.final), difference(manifest, self.final)
        return manifest

    def account(self, saved):
        """Every accepted edit: how did it end? `saved`: the scene, if it was saved."""
        actors = [w.status["worker"] for w in self.workers]
        versions = [w.status["version"] for w in self.workers]
        listed = [c for p in self.people for c in p.renderer.heard("Conflict")]
        for worker in self.workers:
            worker.stop()
        histories = {}
        for worker, actor in zip(self.workers, actors):
            self.world.run("verify", "--store", worker.store)
            histories[actor] = [json.loads(line) for line in
                                self.world.run("log", "--store", worker.store, "--json")[0].splitlines()]
            listed += [json.loads(line) for line in
                       self.world.run("conflicts", "--store", worker.store, "--json")[0].splitlines()]
        self.histories = histories
        ledger = Ledger(histories, saved or self.final, listed, self.sightings)
        counts, lost = {}, []
        for person in self.people:
            answers = person.renderer.answers
            latest = {}  # (entity, component, field, stamp) -> the last claim that went into it
            for claim in person.claims:
                answer = answers.get(claim[0])
                if answer and answer["ok"] and "stamp" in answer:
                    latest[claim[1:4] + (answer["stamp"],)] = claim
            for claim in person.claims:
                number, *what = claim
                answer = answers.get(number)
                if answer is None or not answer["ok"]:
                    end = "unanswered" if answer is None else f"refused ({answer['code']})"
                    counts[end] = counts.get(end, 0) + 1
                    continue
                end = ledger.account(*what)
                if end is None and "stamp" in answer and latest[tuple(claim[1:4]) + (answer["stamp"],)] is not claim:
                    end = "gathered"
                if "stamp" in answer:
                    when, actor = stamp_of(answer["stamp"])
                    assert all(v.get(actor, 0) >= when for v in versions), ("not in every version", claim, answer)
                counts[end or "LOST"] = counts.get(end or "LOST", 0) + 1
                if end is None:
                    lost.append((person.name, claim, answer))
        print(f"chaos: {counts}")
        for one in lost[:10]:
            print("LOST", one, "final:", text(self.final.get(one[1][1])))
            print("    " + "\n    ".join(ledger.story(*one[1][1:4])))
        assert not lost, f"{len(lost)} accepted edits are nowhere"
        assert counts.get("shown", 0) > 0 and counts.get("overwritten", 0) > 0, counts


def test_ledger(world):
    """The ledger finds what is lost: histories of two replicas, written by hand."""
    def edit(stamp, field, value, entity="lamp", **more):
        return {"event": "edit", "first": stamp, "last": stamp,
                "operations": [dict({"kind": "set", "entity": entity, "component": "Name", "field": field,
                                     "value": value}, **more)]}
    end = {"event": "end", "complete": True}
    one, two, three = edit("1@a", "value", "one"), edit("2@b", "value", "two"), edit("3@a", "value", "three")
    gone = {"event": "edit", "first": "4@b", "last": "4@b", "operations": [{"kind": "remove", "entity": "door"}]}
    what = ("lamp", "Name", "value")

    def account(a, b, final, listed, *claim, sightings=None):
        return Ledger({"a": [*reversed(a), end], "b": [*reversed(b), end]}, final, listed, sightings).account(*claim)
    final = {"lamp": {"Name": {"value": "two"}}}
    assert account([one, two], [one, two], final, [], *what, "two") == "shown"
    assert account([one, two], [one, two], final, [], *what, "one") == "overwritten"
    # b had not seen it, and nobody was told: lost.
    assert account([one, two], [two], final, [], *what, "one") is None
    assert account([one, two], [two, one], final, [], *what, "one") is None
    conflict = {"entityId": "lamp", "component": "Name", "field": "value", "value": "one"}
    assert account([one, two], [two], final, [conflict], *what, "one") == "listed"
    printed = {"entity": "lamp", "component": "Name", "field": "value", "hidden": {"value": "one", "stamp": "1@a"}}
    assert account([one, two], [two], final, [printed], *what, "one") == "listed"
    # It came with an answer, which lists no operations; but b says what it replaced.
    said = edit("2@b", "value", "two", was="one")
    assert account([one, said], [said], final, [], *what, "one") == "overwritten"
    # Or that it dropped it, though another was shown: it came and was hidden at once.
    hidden = edit("2@b", "value", "two", was="other", dropped=[{"stamp": "1@a", "value": "one", "shown": False}])
    assert account([one, hidden], [hidden], final, [], *what, "one") == "overwritten"
    # Or it was asked before what it held.
    for version, wanted in (({"a": 1, "b": 1}, "overwritten"), ({"a": 1, "b": 2}, None), ({"b": 1}, None)):
        assert account([one, two], [two], final, [], *what, "one", sightings={"b": [version]}) == wanted, version
    # Another field, another entity: no excuse.
    assert account([one, edit("2@b", "color", "two")], [one, edit("2@b", "color", "two")], {}, [], *what, "one") is None
    assert account([one, gone], [one, gone], {}, [], *what, "one") is None
    assert account([edit("1@a", "value", "one", "door"), gone], [gone], {}, [], "door", "Name", "value", "one") == "removed"
    # Whoever wrote it had seen the remove: that is no excuse either.
    late = edit("5@a", "value", "one", "door")
    assert account([gone, late], [gone], {}, [], "door", "Name", "value", "one") is None
    # An unanswered one in between is proof as well as any.
    assert account([one, three], [two], final, [], *what, "one") == "overwritten"


def difference(a, b):
    """In what two scenes differ, shortly."""
    found = [f"{e}: {text(a.get(e))} not {text(b.get(e))}" for e in sorted(set(a) | set(b)) if a.get(e) != b.get(e)]
    return f"{len(found)} entities; " + "; ".join(found[:3])


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--every", type=float, default=5, help="seconds from kill to kill")
    return parser.parse_args()


def main():
    chosen = options()

    def test_four_workers(world):
        print(f"repeat: tests/system/test_chaos.py --seconds {chosen.seconds:g} --seed {chosen.seed} "
              f"--every {chosen.every:g}", flush=True)
        chaos = Chaos(world, chosen)
        chaos.edit()
        chaos.await_peace()
        chaos.account(chaos.saved())
        waits = sorted(w for p in chaos.people for w in p.renderer.waits)
        assert waits, "nobody lost a worker"
        print(f"chaos: {len(waits)} times somebody lost the link; without a state for at most {waits[-1]:.2f} s "
              f"(wanted {STATE_WANTED:.0f}), median {waits[len(waits) // 2]:.2f} s; "
              f"{sum(w.starts - 1 for w in chaos.workers)} kills, "
              f"{sum(p.count for p in chaos.people)} edits")
        assert waits[-1] < STATE_LIMIT, waits[-5:]

    return run_tests("chaos", {"test_ledger": test_ledger, "test_four_workers": test_four_workers}, wanted=())


if __name__ == "__main__":
    sys.exit(main())
