#!/usr/bin/env python3
"""kill -9 for edition workers at work: what was answered "accepted" is there afterwards.

Usage: test_kill_worker.py [--kills 200] [--seed N] [--workers 3]

Each worker works on a store of its own. Three people edit at it as fast as they are answered: each owns two
entities, and writes ever higher numbers into their fields. At random moments (while it starts, too) the
worker is killed and started again on its store. When the people have the state again, every field must show
at least the number that was last accepted, and none that was never sent. In the end every store is verified.
"""

import argparse
import random
import shutil
import sys
import time

from content import deploy_state, lamp_scene
from world import run_tests

OPEN_MAX = 12      # edits on their way, of each person
LIFE_MAX = 0.25    # seconds from the first accepted edit of a life to the kill, at most
ENTITIES = 2


class Person:
    """A renderer, and what was promised to it: {entity: number}."""

    def __init__(self, world, worker, name):
        self.renderer = world.renderer(worker, name)
        self.entities = [f"{name}-{i}" for i in range(ENTITIES)]
        self.accepted, self.sent, self.claims, self.count = {}, {}, {}, 0

    def act(self):
        """Say one thing more, if it is not busy."""
        r = self.renderer
        if not r.ready or len(r.open_ids) >= OPEN_MAX:
            return
        self.count += 1
        entity = self.entities[self.count % ENTITIES]
        value = {"position": {"x": self.count, "y": 0, "z": 0}}
        if entity not in r.model:
            done = r.add(entity, {"Transform": value})
        else:
            done = r.set(entity, "Transform", dict(r.model[entity]["Transform"], **value))
        self.sent[entity] = self.count
        self.claims[done] = (entity, self.count)

    def count_answers(self):
        """What was accepted since the last look."""
        told = [number for number in self.claims if number in self.renderer.answers]
        for number in told:
            entity, value = self.claims.pop(number)
            if self.renderer.answers[number]["ok"]:
                self.accepted[entity] = max(value, self.accepted.get(entity, 0))
        return len(told)

    def shown(self, entity):
        transform = self.renderer.model.get(entity, {}).get("Transform")
        return int(transform["position"]["x"]) if transform else 0

    def check(self):
        """After a kill: what the worker shows, now that it is there again."""
        for entity, promised in self.accepted.items():
            assert self.shown(entity) >= promised, (
                f"{entity}: {promised} was accepted, {self.shown(entity)} is there")
        for entity in self.entities:
            assert self.shown(entity) <= self.sent.get(entity, 0), (entity, self.shown(entity), self.sent)
        self.claims.clear()  # who knows what became of those


class Victim:
    """One worker and its people; killed and started again, again and again."""

    def __init__(self, world, number, servers, seed):
        self.random = random.Random(f"{seed}/{number}")
        self.worker = world.worker(f"w{number}", servers=servers, listen=False)
        world.wait(lambda: self.worker.status["state"] == "editing", "the scene is there")
        self.people = [Person(world, self.worker, f"p{number}{i}") for i in range(3)]
        self.kills, self.answers, self.waiting = 0, 0, False
        self.kill_at = time.monotonic() + LIFE_MAX

    def kill(self, now):
        self.answers += sum(p.count_answers() for p in self.people)
        self.worker.kill()
        for person in self.people:  # what it said before it died
            person.renderer.step(True)
            self.answers += person.count_answers()
            if person.renderer.linked:
                person.renderer.lose()
        self.kills += 1
        self.worker.start(wait=False)
        self.waiting = True
        # One in five is not even let start.
        self.kill_at = now + self.random.uniform(0, 0.06) if self.random.random() < 0.2 else None

    def step(self, now):
        if self.waiting and all(p.renderer.ready for p in self.people):
            for person in self.people:
                person.check()
            self.waiting = False
            self.kill_at = now + self.random.uniform(0.005, LIFE_MAX)
        if self.kill_at is not None and now >= self.kill_at:
            self.kill(now)
        elif not self.waiting:
            for person in self.people:
                person.act()
                self.answers += person.count_answers()


def test_a_loss_is_seen(world):
    """The check fires: a store that is an older copy shows less than was accepted."""
    servers = world.servers()
    deploy_state(servers, world.scene, lamp_scene(2))
    victim = Victim(world, 0, servers, 1)
    person, worker = victim.people[0], victim.worker

    def edit():
        person.act()
        return person.count_answers()
    world.wait(edit, "an edit is accepted")
    world.wait(lambda: not person.renderer.open_ids, "all are answered")
    worker.stop()
    shutil.copytree(worker.store, world.path("older"))
    worker.start()
    world.wait(lambda: person.renderer.ready, "the worker is there")
    person.claims.clear()
    before = dict(person.accepted)
    world.wait(lambda: edit() and all(person.accepted.get(e, 0) > before.get(e, 0) for e in person.entities),
               "both entities have later edits")
    worker.kill()
    person.renderer.lose()
    shutil.rmtree(worker.store)
    shutil.copytree(world.path("older"), worker.store)
    worker.start()
    world.wait(lambda: person.renderer.ready, "the worker is there")
    try:
        person.check()
    except AssertionError as told:
        assert "was accepted" in str(told), told
        return
    raise AssertionError("an older store went unnoticed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    chosen = parser.parse_args()

    def test_accepted_edits_stay(world):
        print(f"repeat: tests/system/test_kill_worker.py --kills {chosen.kills} --seed {chosen.seed} "
              f"--workers {chosen.workers}", flush=True)
        servers = world.servers()
        deploy_state(servers, world.scene, lamp_scene(4))
        victims = [Victim(world, i, servers, chosen.seed) for i in range(chosen.workers)]
        began = stuck = time.monotonic()
        kills = 0
        while kills < chosen.kills or any(v.waiting for v in victims):
            now = time.monotonic()
            for victim in victims:
                if kills >= chosen.kills and victim.kill_at is not None:
                    victim.kill_at = None  # the last ones start in peace
                victim.step(now)
            world.pump(0.002)
            if sum(v.kills for v in victims) != kills:
                kills, stuck = sum(v.kills for v in victims), now
            assert now - stuck < 120, f"after {kills} kills: {[(v.worker.name, v.worker.errors()) for v in victims]}"
        for victim in victims:
            victim.worker.stop()
            world.run("verify", "--store", victim.worker.store)
        answers = sum(v.answers for v in victims)
        assert answers > kills, answers
        print(f"kill_worker: {kills} kills, {answers} edits accepted, none lost; "
              f"{time.monotonic() - began:.1f} s")

    return run_tests("kill_worker", {"test_a_loss_is_seen": test_a_loss_is_seen,
                                     "test_accepted_edits_stay": test_accepted_edits_stay}, wanted=())


if __name__ == "__main__":
    sys.exit(main())
