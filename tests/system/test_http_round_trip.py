#!/usr/bin/env python3
"""Real scenes through the HTTP interfaces: content server -> worker -> builder server ->
worker, and builder server -> worker -> builder server. What nobody edited is as it was.

Usage: [EVERY=1] [SEED=N] test_http_round_trip.py [TEST]

SCENESYNC_SHARED names the folder of real scenes. Each run takes one of three of them, others with each seed;
EVERY=1 takes all.
"""

import copy
import json
import os
import sys
import time

from content import deploy, get_manifest, in_server_spelling, project_id, put_manifest
from world import ROOT, Skip, canonical, run_tests, shared

PLACE = {"position": {"x": 7.25, "y": 1.5, "z": 3}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
         "scale": {"x": 1, "y": 1, "z": 1}}
FILES = {"state": "scene-state-definition.json", "builder": "builder.json", "composite": "main.composite"}
EVERY = int(os.environ.get("EVERY", "3"))
SEED = int(os.environ.get("SEED") or time.time())
SERVER_WRITES = {"updated_at", "created_at", "eth_address", "id"}


def samples(form):
    return sorted((ROOT / "docs/scenes").glob({"state": "*.scene-state-definition.json", "builder": "*.builder.json",
                                               "composite": "*.composite.json"}[form]))


def real(form):
    folder = shared("data", form)
    found = {"state": folder.glob("*.scene-state-definition.json"), "builder": folder.glob("*.json"),
             "composite": folder.glob("**/*.composite.json")}[form]
    files = sorted(p for p in found if "invalid__" not in p.name)
    assert files, folder
    print(f"repeat: EVERY={EVERY} SEED={SEED} tests/system/test_http_round_trip.py")
    return files[SEED % EVERY::EVERY]


def without_carry(value):
    """A scene without what the project puts beside it: the fields `scenesync`."""
    if isinstance(value, dict):
        return {k: without_carry(v) for k, v in value.items() if k != "scenesync"}
    if isinstance(value, list):
        return [without_carry(v) for v in value]
    return value


def plain(scene):
    """A scene as it is compared: without our own field, without what a server writes into a
    project's row, its project in the server's spelling."""
    kept = without_carry(scene)
    if isinstance(kept, dict) and "project" in kept and "scene" in kept:
        kept = in_server_spelling(kept)
        kept["project"] = {k: v for k, v in kept["project"].items() if k not in SERVER_WRITES and v is not None}
    return canonical(kept)


def same(a, b):
    return plain(a) == plain(b)


def where(a, b, path=""):
    """The first places in which two values differ."""
    if type(a) is not type(b):
        return [f"{path}: {str(a)[:80]} != {str(b)[:80]}"]
    if isinstance(a, dict):
        return [d for k in sorted(set(a) | set(b)) for d in
                (where(a[k], b[k], f"{path}.{k}") if k in a and k in b else [f"{path}.{k}: only in one"])][:5]
    if isinstance(a, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in where(x, y, f"{path}[{i}]")][:5]
    return [] if a == b else [f"{path}: {str(a)[:80]} != {str(b)[:80]}"]


def expect_same(a, b, what):
    a, b = plain(a), plain(b)
    assert a == b, (what, where(a, b))


def await_state(world, worker):
    world.wait(lambda: worker.status["state"] == "editing", f"{worker.name} has the scene")


def exported(worker, form):
    answer = worker.call("GET", f"/v1/export?format={form}")
    assert answer.status == 200, answer
    return json.loads(answer.body)


def load_edit_save_load(world, form, files):
    """Deployed as a file; loaded; exported: equal. Edited and saved to the builder server;
    loaded from there by a new worker: equal to what was edited, in the format it came in."""
    servers = world.servers()
    for number, path in enumerate(files):
        scene = f"{number},7"
        world.scene = scene
        content = path.read_bytes()
        name = FILES[form]
        deploy(servers, [scene], {name: content})
        worker = world.worker(f"a{number}", "--project", project_id(scene), servers=servers, scene=scene, listen=False)
        await_state(world, worker)
        expect_same(exported(worker, form), json.loads(content), (path.name, "loaded"))
        ana = world.renderer(worker, "ana")
        assert set(ana.model) == {e["id"] for e in json.loads(worker.snapshot)["entities"]}, path
        transform = "core::Transform" if form == "composite" else "Transform"
        entity = next((e for e, c in ana.model.items() if isinstance(c.get(transform), dict)), None)
        if entity is not None:
            whole = dict(ana.model[entity][transform], position=PLACE["position"])
            ana.accepted(ana.set(entity, transform, whole))
            assert not same(exported(worker, form), json.loads(content)), path
        edited = exported(worker, form)
        expect_edit(edited, json.loads(content), form, path)
        result = worker.post("/v1/save")
        assert result["ok"], (path, result)
        snapshot = worker.snapshot
        ana.close()
        worker.stop()
        deploy(servers, [scene], {"scene.json": b"{}"},
               metadata={"source": {"version": 1, "origin": "builder", "projectId": project_id(scene)}})
        again = world.worker(f"b{number}", servers=servers, scene=scene, listen=False)
        await_state(world, again)
        expect_same(exported(again, form), edited, (path.name, "loaded again"))
        expect_same(in_order(again.snapshot, form), in_order(snapshot, form), (path.name, "snapshot"))
        again.stop()


def in_order(snapshot, form):
    """A snapshot; of a manifest its entities by id: a manifest gives them no order."""
    state = json.loads(snapshot)
    if form == "builder":
        state["entities"].sort(key=lambda e: e["id"])
    return state


def expect_edit(edited, was, form, path):
    """Nothing but positions differs."""
    differences = where(plain(edited), plain(was))
    assert all("position" in d or "conflicts" in d for d in differences), (path.name, differences)


def builder_worker_builder(world, files):
    """Put at the builder server; loaded; saved: what is there is what was put, but for what
    the server writes itself; then with an edit."""
    servers = world.servers()
    for number, path in enumerate(files):
        scene = f"{number},9"
        world.scene = scene
        project = project_id(scene)
        manifest = in_server_spelling(json.loads(path.read_bytes()))
        answer = put_manifest(servers, project, manifest)
        assert answer.status == 200 and answer.json["ok"], (path, answer)
        stored = get_manifest(servers, project)
        deploy(servers, [scene], {"scene.json": b"{}"},
               metadata={"source": {"version": 1, "origin": "builder", "projectId": project}})
        worker = world.worker(f"c{number}", servers=servers, scene=scene, listen=False)
        await_state(world, worker)
        result = worker.post("/v1/save")
        assert result["ok"], (path, result)
        expect_same(get_manifest(servers, project), stored, path.name)
        expect_same(stored, manifest, (path.name, "as put"))
        ana = world.renderer(worker, "ana")
        entity = next((e for e, c in ana.model.items() if "Transform" in c), None)
        if entity is not None:
            ana.accepted(ana.set(entity, "Transform", dict(ana.model[entity]["Transform"], position=PLACE["position"])))
            result = worker.post("/v1/save")
            assert result["ok"], (path, result)
            now = get_manifest(servers, project)
            wanted = moved(stored, entity, PLACE["position"])
            expect_same(now, wanted, (path.name, "edited"))
        ana.close()
        worker.stop()


def moved(manifest, entity, position):
    """The manifest with this entity's transform at another place. Some entities name components that are not there."""
    wanted = copy.deepcopy(manifest)
    scene = wanted["scene"].get("sdk6") or wanted["scene"]
    for component in scene["entities"][entity]["components"]:
        if scene["components"].get(component, {}).get("type") == "Transform":
            scene["components"][component]["data"]["position"] = position
    return wanted


def test_samples_state(world):
    load_edit_save_load(world, "state", samples("state"))


def test_samples_builder(world):
    load_edit_save_load(world, "builder", samples("builder"))


def test_samples_composite(world):
    load_edit_save_load(world, "composite", samples("composite"))


def test_samples_builder_worker_builder(world):
    builder_worker_builder(world, samples("builder"))


def test_real_state(world):
    load_edit_save_load(world, "state", real("state"))


def test_real_builder(world):
    load_edit_save_load(world, "builder", real("builder"))


def test_real_composite(world):
    load_edit_save_load(world, "composite", real("composite"))


def test_real_builder_worker_builder(world):
    builder_worker_builder(world, real("builder"))


def test_recorded_events(world):
    """The events that an editor in the world sent: done as they stand."""
    path = shared("data", "state", "biw-state-events.json")
    events = json.loads(path.read_bytes())
    worker = world.worker("a")
    await_state(world, worker)
    ana = world.renderer(worker, "ana")
    wanted = {}
    edits = 0
    for event in events:
        kind, payload = event["payload"]["type"], event["payload"]["payload"]
        if kind not in ("AddEntity", "RemoveEntity", "SetComponent", "RemoveComponent"):
            continue
        number = ana.say(kind, payload)
        ana.accepted(number)
        edits += 1
        wanted = copy.deepcopy(ana.model)
    if not edits:
        raise Skip(f"{path} holds no edits")
    world.wait(lambda: worker.entities == ana.model, lambda: f"one scene: {worker.entities} {wanted}")


if __name__ == "__main__":
    sys.exit(run_tests("http_round_trip", dict(globals())))
