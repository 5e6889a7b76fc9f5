#!/usr/bin/env python3
"""A store with unsaved edits comes back after its scene was published and loaded anew: it is
rebased, nothing is lost, what clashes is listed, the old store is kept."""

import json
import random
import sys
import time

from content import active, auth_chain, deploy_state, lamp_scene
from world import Skip, run_tests


def place(x):
    return {"position": {"x": x, "y": 0, "z": 0}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
            "scale": {"x": 1, "y": 1, "z": 1}}


def publish(worker):
    """Publish what the worker shows."""
    prepared = worker.post("/v1/publish", {"title": "Lamps"})["prepared"]
    done = worker.post("/v1/publish", {"confirm": prepared["id"], "authChain": auth_chain(prepared["sign"])})
    assert done["ok"], done


class Story:
    """`old` was cut off, and edited on; then all left but the servers, where the scene is
    published as the others had it."""

    def __init__(self, world):
        self.world = world
        self.servers = world.servers()
        deploy_state(self.servers, world.scene, lamp_scene())
        self.way = world.recorder(self.servers)
        main = world.worker("main", servers=self.servers, role="publish")
        ana = world.renderer(main, "ana")
        relay = world.relay(main)
        self.old = world.worker("old", "--no-discover", servers=self.way, peers=[relay.url], listen=False)
        ben = world.renderer(self.old, "ben")
        ana.accepted(ana.set("lamp0", "Name", {"value": "before", "builderValue": "lamp0"}))
        world.await_equal(main, self.old)
        relay.cut()
        self.way.shut = True
        # What only the old store holds, and nobody else will ever have written:
        ben.accepted(ben.set("lamp1", "Transform", place(101)))
        ben.accepted(ben.add("bens", {"Transform": place(102), "Name": {"value": "Ben's"}}))
        ben.accepted(ben.remove("lamp2"))
        ben.accepted(ben.set("lamp3", "Transform", place(103)))   # Cem will write it too
        ben.accepted(ben.set("lamp4", "Transform", place(104)))   # Cem will remove it
        ben.close()
        self.old.kill()
        ana.accepted(ana.set("lamp5", "Transform", place(105)))
        self.old_lineage = main.status["lineage"]
        publish(main)
        ana.close()
        main.stop()
        self.new = world.worker("new", servers=self.servers, role="edit")
        cem = world.renderer(self.new, "cem")
        assert self.new.status["lineage"] != self.old_lineage
        assert cem.model["lamp5"]["Transform"] == place(105)
        cem.accepted(cem.set("lamp3", "Transform", place(203)))
        cem.accepted(cem.remove("lamp4"))
        cem.accepted(cem.set("lamp6", "Transform", place(206)))
        self.cem = cem
        self.way.shut = False

    def come_back(self, **more):
        """The old store, with the way to the others open again."""
        arguments = self.old.arguments
        at = arguments.index("--peer") + 1
        if self.new.running:
            arguments[at] = self.new.url
        else:  # nobody is known any more; else it would wait for them, they might be alive
            del arguments[at - 1:at + 1]
        return self.old.start(**more)

    def await_rebased(self, lineage):
        def there():
            status = self.old.status
            return status["lineage"] == lineage and status["state"] == "editing"
        self.world.wait(there, lambda: f"the old store lives on under the new lineage: {self.old.status}")

    def await_listed(self):
        """What is told of the clash about lamp3, and all else that is listed then (lists come a little later)."""
        def there():
            listed = self.new.call("GET", "/v1/conflicts").body.decode() + self.report()
            shown = self.new.entities["lamp3"]["Transform"]["position"]["x"]
            return listed if str(203 if shown == 103 else 103) in listed else None
        return self.world.wait(there, lambda: f"what does not show is listed: {self.report()}")

    def archives(self):
        return sorted(p for p in self.world.folder.glob("old.archive-*") if p.is_dir())

    def check(self, entities, listed):
        """Nothing of what ben did is lost, and nothing of what cem did."""
        assert entities["lamp1"]["Transform"] == place(101)
        assert entities["bens"]["Name"]["value"] == "Ben's" and entities["bens"]["Transform"] == place(102)
        assert "lamp2" not in entities
        assert entities["lamp0"]["Name"]["value"] == "before"
        assert entities["lamp5"]["Transform"] == place(105)
        assert entities["lamp6"]["Transform"] == place(206)
        shown = entities["lamp3"]["Transform"]["position"]["x"]
        assert shown in (103, 203), shown
        assert str(203 if shown == 103 else 103) in listed, ("the one that does not show is listed", listed)
        assert "lamp4" in entities or "104" in listed, listed

    def report(self):
        reports = [p for p in self.world.folder.glob("old.archive-*.json")]
        return "".join(p.read_text() for p in reports)


def test_onto_a_living_edition(world):
    """The scene lives on elsewhere: the old store's edits come there."""
    story = Story(world)
    story.come_back()
    story.await_rebased(story.new.status["lineage"])
    world.await_equal(story.old, story.new)
    story.check(story.new.entities, story.await_listed())
    assert len(story.archives()) == 1, story.archives()
    world.wait(lambda: story.cem.model == story.new.entities, "cem sees what ben had done")
    archived = world.run("export", "--store", story.archives()[0])[0]
    assert "101" in archived and json.loads(archived)["entities"]


def test_onto_what_is_deployed(world):
    """Nobody edits any more, the published scene is all there is: the edits come on top."""
    story = Story(world)
    story.cem.close()
    saved = story.new.entities
    story.new.kill()
    story.come_back()
    world.wait(lambda: story.old.status["lineage"] != story.old_lineage,
               lambda: f"rebased on what is deployed: {story.old.status}")
    world.wait(lambda: story.old.status["state"] == "editing", "it is served")
    entities = story.old.entities
    assert entities["lamp1"]["Transform"] == place(101) and "bens" in entities and "lamp2" not in entities
    assert entities["lamp3"]["Transform"] == place(103) and entities["lamp4"]["Transform"] == place(104)
    assert entities["lamp5"]["Transform"] == place(105) and saved["lamp6"] != entities["lamp6"]
    assert len(story.archives()) == 1, story.archives()


def test_killed_in_the_middle(world):
    """kill -9 at any moment of it, again and again: it ends all the same, once."""
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"rebase: seed {seed}")
    chance = random.Random(seed)
    story = Story(world)
    lineage = story.new.status["lineage"]
    middle = 0
    begun = world.path("old.rebasing")

    after = 0.02
    while not story.archives() or (middle < 3 and after < 3):
        assert after < 90, "it never gets anywhere"
        left_over = begun.exists()
        story.come_back(wait=False)
        until = time.monotonic() + after * chance.uniform(0.8, 1.2)
        # What a kill left goes first. Once the new store is seen it is killed at any moment
        # of a time that grows from kill to kill, so that it ends at last.
        while time.monotonic() < until and begun.exists() == left_over:
            time.sleep(0.0005)
            left_over = left_over and begun.exists()
        if begun.exists() and not left_over:
            time.sleep(chance.uniform(0, 0.03 * 1.4 ** middle))
            middle += 1
        story.old.kill()
        after *= 1.3
    if middle == 0:  # who kills was not there while it happened
        raise Skip("it was never in the middle: this machine is too busy to see it")
    print(f"rebase: killed {story.old.starts - 1} times, {middle} of them in the middle")
    story.come_back()
    story.await_rebased(lineage)
    world.await_equal(story.old, story.new)
    story.check(story.new.entities, story.await_listed())
    assert len(story.archives()) == 1, story.archives()
    world.run("verify", "--store", story.archives()[0])
    story.old.stop()
    world.run("verify", "--store", story.old.store)


def test_edits_while_it_is_rebased(world):
    """Somebody edits at the worker that comes back, from its first moment on: kept."""
    story = Story(world)
    story.come_back()
    dan = world.renderer(story.old, "dan")
    numbers = []
    end = time.monotonic() + 4
    count = 0
    while time.monotonic() < end or not numbers:
        if dan.ready:
            count += 1
            numbers.append((dan.add(f"dans{count}", {"Name": {"value": f"Dan's {count}"}}), f"dans{count}"))
        world.run_for(0.1)
    story.await_rebased(story.new.status["lineage"])
    world.wait(lambda: dan.ready and not dan.open_ids, "all is answered")
    world.await_equal(story.old, story.new)
    entities = story.new.entities
    accepted = [entity for number, entity in numbers if dan.answers.get(number, {}).get("ok")]
    assert accepted, "dan could edit"
    lost = [entity for entity in accepted if entity not in entities]
    assert not lost, (lost, len(accepted))


def test_nothing_unsaved(world):
    """A store that holds nothing beyond what was published just goes on with the new scene."""
    servers = world.servers()
    deploy_state(servers, world.scene, lamp_scene())
    old = world.worker("old", servers=servers, role="publish")
    ana = world.renderer(old, "ana")
    ana.accepted(ana.set("lamp1", "Transform", place(101)))
    publish(old)
    ana.close()
    old.stop()
    new = world.worker("new", servers=servers)
    world.renderer(new, "ben")
    old.arguments += ["--peer", new.url]
    old.start()
    world.wait(lambda: old.status["lineage"] == new.status["lineage"], lambda: f"one lineage: {old.status}")
    world.await_equal(old, new)
    assert new.entities["lamp1"]["Transform"] == place(101)
    assert active(servers, world.scene)


if __name__ == "__main__":
    sys.exit(run_tests("rebase", dict(globals())))
