#!/usr/bin/env python3
"""Steps: what a person did in one go is undone in one go; what is gone comes back."""

import sys

from world import run_tests

START = {"position": {"x": 0, "y": 0, "z": 0}}


def at(x):
    return {"position": {"x": x, "y": 0, "z": 0}}


def place(worker, entity):
    return worker.entities.get(entity, {}).get("Transform", {}).get("position", {}).get("x")


def drag(renderer, entity, step, first, last):
    """A batch for each place on the way, as a page sends them."""
    for x in range(first, last + 1):
        renderer.accepted(renderer.set(entity, "Transform", at(x), step=step))


def test_a_drag_is_one_step(world):
    """Twenty places on the way: one undo, one redo; also after the worker was killed."""
    worker = world.worker("a")
    ana = world.renderer(worker, "Ana")
    ana.accepted(ana.add("lamp", {"Transform": START}))
    drag(ana, "lamp", "drag 1", 1, 20)
    done = ana.accepted(ana.say("Undo", {}))
    assert (done["undone"], done["skips"]) == ("drag 1", []), done
    ana.await_shown("lamp", "Transform", START)
    done = ana.accepted(ana.say("Redo", {}))
    assert done["redone"] == "drag 1", done
    ana.await_shown("lamp", "Transform", at(20))
    drag(ana, "lamp", "drag 2", 30, 33)
    worker.kill()
    worker.start()
    world.wait(lambda: ana.ready, "she is back")
    drag(ana, "lamp", "drag 2", 34, 36)
    ana.accepted(ana.say("Undo", {}))
    ana.await_shown("lamp", "Transform", at(20))
    ana.accepted(ana.say("Undo", {}))
    ana.await_shown("lamp", "Transform", START)
    done = ana.accepted(ana.say("Undo", {}))
    assert "@" in done["undone"], ("without a step: the stamp", done)
    empty = ana.answer(ana.say("Undo", {}))
    assert (empty["ok"], empty["code"], empty["skips"]) == (False, "not-found", []), empty
    out, _ = world.run("log", "--store", worker.store, "--json")
    assert '"step":"drag 2"' in out and '"step":"drag 1"' in out, out[-2000:]


def test_two_tabs_and_somebody_else(world):
    """Interleaved steps of one person go whole, one after the other; what somebody else has
    taken over is left alone, and the answer says what and why."""
    worker = world.worker("a")
    left, right = world.renderer(worker, "Ana"), world.renderer(worker, "Ana")
    ben = world.renderer(worker, "Ben")
    for entity in ("a", "b", "c"):
        left.accepted(left.add(entity, {"Transform": START}, step="begin"))
    for entity in ("a", "b", "c"):
        right.await_shown(entity, "Transform", START)
        ben.await_shown(entity, "Transform", START)
    for x in range(1, 6):
        left.accepted(left.set("a", "Transform", at(x), step="l"))
        right.accepted(right.set("b", "Transform", at(x), step="r"))
        left.accepted(left.set("c", "Transform", at(x), step="l"))
    ben.await_shown("c", "Transform", at(5))
    ben.accepted(ben.set("c", "Transform", at(77)))
    left.await_shown("c", "Transform", at(77))
    done = right.accepted(right.say("Undo", {}))
    assert done["undone"] == "l", "the one with the newest batch"
    assert done["skips"] == [{"entityId": "c", "component": "Transform", "field": "position",
                              "reason": "somebody has written it since"}], done
    world.wait(lambda: (place(worker, "a"), place(worker, "b"), place(worker, "c")) == (0, 5, 77), "l is undone")
    assert left.accepted(left.say("Undo", {}))["undone"] == "r"
    world.wait(lambda: place(worker, "b") == 0, "r is undone")
    done = left.accepted(left.say("Undo", {}))
    assert done["undone"] == "begin" and [s["entityId"] for s in done["skips"]] == ["c"], done
    world.wait(lambda: set(worker.entities) == {"c"}, "what Ben has edited stays")


def test_restore(world):
    """Ben removes what Ana edits: one event brings it back with her edits; what was never
    there is said to be unknown."""
    worker = world.worker("a")
    ana, ben = world.renderer(worker, "Ana"), world.renderer(worker, "Ben")
    ana.accepted(ana.add("house", {"Transform": START, "Name": {"value": "House"}}))
    ben.await_shown("house", "Transform", START)
    ana.accepted(ana.set("house", "Transform", at(4)))
    ben.accepted(ben.remove("house"))
    world.wait(lambda: "house" not in ana.model, "she is told")
    refused = ana.answer(ana.set("house", "Transform", at(5)))
    assert refused["code"] == "not-found", refused
    done = ana.accepted(ana.say("Restore", {"entityId": "house"}, step="back"))
    assert done["stamp"], done
    for renderer in (ana, ben):
        renderer.await_shown("house", "Transform", at(4))
        renderer.await_shown("house", "Name", {"value": "House"})
    again = ana.accepted(ana.say("Restore", {"entityId": "house"}))
    assert "stamp" not in again, ("it is there", again)
    unknown = ana.answer(ana.say("Restore", {"entityId": "tree"}))
    assert unknown["code"] == "not-found" and "history" in unknown["error"], unknown
    assert ana.accepted(ana.say("Undo", {}))["undone"] == "back"
    world.wait(lambda: "house" not in ben.model, "undone")


if __name__ == "__main__":
    sys.exit(run_tests("steps", dict(globals())))
