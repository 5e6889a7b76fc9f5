#!/usr/bin/env python3
"""Each arrow of the decision record, over real processes and real sockets.

docs/ARCHITECTURE.md has the table: arrow, message, test.
"""

import json
import sys
import time

from content import (SIGNER, active, auth_chain, deploy_state, fetch, from_manifest, get_manifest, lamp_scene,
                     project_id, signed_fetch)
from world import call, run_tests, shown

HERE = {"position": {"x": 3, "y": 1, "z": 4}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
        "scale": {"x": 1, "y": 1, "z": 1}}


def deployed(world, count=12):
    """Servers where the lamps are deployed at the scene's parcel."""
    servers = world.servers()
    deploy_state(servers, world.scene, lamp_scene(count))
    return servers


def kernel_scene(kernel, scene):
    """What a kernel says of a scene."""
    found = kernel.get("/scenes")
    return next((s for s in found["scenes"] if s["scene"] == scene), None)


# ---- the chosen option: the new worker owns the state ----

def test_user_to_worker_kill_worker(world):
    """user -> worker: kill worker. The running worker is gone when the edition begins."""
    kernel = world.kernel("kernel", servers=deployed(world))
    kernel.post(f"/scenes/{world.scene}/play")
    running = world.wait(lambda: (s := kernel_scene(kernel, world.scene)) and s["state"] == "running" and s,
                         "the scene runs")
    shown_by = world.renderer(running["http"], "player")
    assert shown_by.welcome["state"] == "running"
    kernel.post(f"/scenes/{world.scene}/edit")
    world.wait(lambda: not alive(running["pid"]), "the running worker is gone")
    edition = world.wait(lambda: (s := kernel_scene(kernel, world.scene)) and s["state"] == "editing" and s,
                         "the scene is edited")
    assert edition["pid"] != running["pid"]
    world.wait(lambda: shown_by.ready and shown_by.state == "editing", "the renderer is at the new worker")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rsplit(b")", 1)[1].split()[0] != b"Z"
    except FileNotFoundError:
        return False


def test_user_to_new_worker_create_for_edition(world):
    """user -> new worker: create for edition (scene xy)."""
    kernel = world.kernel("kernel", servers=deployed(world))
    made = kernel.post(f"/scenes/{world.scene}/edit")
    assert made["ok"], made
    edition = world.wait(lambda: (s := kernel_scene(kernel, world.scene)) and s["state"] == "editing" and s,
                         "the scene is edited")
    assert alive(edition["pid"])
    status = call(edition["http"], "GET", "/v1/status").json
    assert status["scene"] == world.scene
    assert world.renderer(edition["http"], "ana").model == shown(lamp_scene())


def test_new_worker_to_content_server_get_json(world):
    """new worker -> content server: get JSON (scene xy)."""
    way = world.recorder(deployed(world))
    worker = world.worker("a", servers=way)
    world.renderer(worker)
    asked = way.asked("POST", "/content/entities/active")
    assert asked and json.loads(asked[0].body) == {"pointers": [world.scene]}, way.calls
    wanted = next(c["hash"] for c in json.loads(asked[0].answer)[0]["content"]
                  if c["file"] == "scene-state-definition.json")
    assert way.asked("GET", f"/content/contents/{wanted}"), way.calls


def test_content_server_to_new_worker_answer(world):
    """content server -> new worker: the scene; and a file that is not what its hash says is
    not taken, but asked for again."""
    way = world.recorder(deployed(world))
    spoiled = []

    def spoil(asked):
        if asked.path.startswith("/content/contents/") and not spoiled:
            spoiled.append(asked.path)
            return asked.answer.replace(b"Lamp 3", b"Lamp X")
        return asked.answer
    way.change = spoil
    worker = world.worker("a", servers=way)
    ana = world.renderer(worker)
    assert spoiled and len(way.asked("GET", spoiled[0])) >= 2, way.calls
    assert ana.model == shown(lamp_scene())
    assert worker.entities == shown(lamp_scene())


def test_new_worker_to_renderer_initial_state(world):
    """new worker -> renderer: the initial state, in the order of the snapshot; then
    InitMessagesFinished."""
    worker = world.worker("a", servers=deployed(world))
    ana = world.renderer(worker, "ana")
    assert ana.welcome["protocol"] == 1 and ana.welcome["scene"] == world.scene
    assert ana.welcome["you"]["name"] == "ana" and ana.welcome["you"]["role"] == "edit"
    assert ana.model == worker.entities == shown(lamp_scene())
    assert list(ana.model) == [e["id"] for e in json.loads(worker.snapshot)["entities"]]


def test_renderer_to_new_worker_update_msg(world):
    """renderer -> new worker: update-msg. Accepted means on disk: it is there after kill -9."""
    worker = world.worker("a", servers=deployed(world))
    ana = world.renderer(worker, "ana")
    ben = world.renderer(worker, "ben")
    answer = ana.accepted(ana.set("lamp1", "Transform", HERE))
    worker.kill()
    worker.start()
    world.wait(lambda: ana.ready and ben.ready, "both have the state again")
    for renderer in (ana, ben):
        assert renderer.model["lamp1"]["Transform"] == HERE
    assert answer["stamp"].split("@")[1] == worker.status["worker"]


def test_renderer_to_p2p_update_msg(world):
    """renderer -> p2p: update-msg (through the worker): any replica of the scene gets it."""
    worker = world.worker("a", servers=deployed(world))
    ana = world.renderer(worker, "ana")
    node = world.node("plain", peers=[worker])
    world.wait(lambda: node.has("synced"), "the plain node has the scene")
    ana.accepted(ana.set("lamp1", "Transform", HERE))
    world.wait(lambda: node.entities().get("lamp1", {}).get("Transform") == HERE, "the plain node has the update")


def test_p2p_to_new_worker_update_msg(world):
    """p2p -> new worker: update-msg. What any replica says reaches the renderers."""
    worker = world.worker("a", servers=deployed(world))
    ana = world.renderer(worker, "ana")
    node = world.node("plain", peers=[worker])
    world.wait(lambda: node.has("synced"), "the plain node has the scene")
    node.verb("set", "lamp2", "Transform.position", '{"x":9,"y":9,"z":9}', "--as", "ben")
    world.wait(lambda: ana.model["lamp2"]["Transform"]["position"]["x"] == 9, "ana sees it")
    told = [c for c in ana.changes if c["payload"]["payload"]["entityId"] == "lamp2"][-1]
    assert told["author"]["name"] == "ben", told
    node.verb("remove", "lamp3", "--as", "ben")
    world.wait(lambda: "lamp3" not in ana.model, "ana sees it go")


# ---- what holds of the other options ----

def test_edition_beacon_on_joining(world):
    """p2p -> worker: edition beacon {scene xy}. A second worker joins the living edition; it
    does not begin another from the content server."""
    way = world.recorder(deployed(world))
    first = world.worker("a", servers=way)
    ana = world.renderer(first, "ana")
    ana.accepted(ana.set("lamp1", "Transform", HERE))
    deploy_state(way, world.scene, lamp_scene(3))  # what is deployed is another scene by now
    way.calls.clear()
    second = world.worker("b", servers=way, peers=[first])
    ben = world.renderer(second, "ben")
    ben.await_shown("lamp1", "Transform", HERE)
    world.wait(lambda: ben.model == ana.model, "they show one scene")
    assert second.status["lineage"] == first.status["lineage"]
    assert not way.asked("GET", "/content/contents/"), way.calls
    world.await_equal(first, second)


def test_changes_if_allowed(world):
    """user -> renderer: perform changes (if allowed). Who may only look is refused, and is
    shown again what is true."""
    worker = world.worker("a", servers=deployed(world), role="view")
    ana = world.renderer(worker, "ana")
    before = worker.mark
    answer = ana.answer(ana.set("lamp1", "Transform", HERE))
    assert (answer["ok"], answer["code"]) == (False, "forbidden"), answer
    ana.await_shown("lamp1", "Transform", shown(lamp_scene())["lamp1"]["Transform"])
    assert worker.mark == before
    assert sum(worker.status["refused"].values()) > 0, worker.status["refused"]


def test_worker_to_p2p_broadcast(world):
    """worker -> p2p: broadcast. Renderers of all workers see one scene."""
    servers = deployed(world)
    first = world.worker("a", servers=servers)
    world.renderer(first)
    others = [world.worker(name, servers=servers, peers=[first]) for name in ("b", "c")]
    renderers = [world.renderer(w) for w in (first, *others)]
    for i, renderer in enumerate(renderers):
        renderer.accepted(renderer.add(f"new{i}", {"Transform": HERE, "Name": {"value": f"New {i}"}}))
        renderer.accepted(renderer.remove(f"lamp{i}"))
    world.await_equal(first, *others)
    wanted = first.entities
    assert {"new0", "new1", "new2"} <= set(wanted) and "lamp0" not in wanted
    for renderer in renderers:
        world.wait(lambda: renderer.model == wanted, f"{renderer.name} shows the scene")


def test_receiving_while_nobody_edits_here(world):
    """p2p -> worker, whether anybody is here or not: a worker without renderers follows."""
    servers = deployed(world)
    first = world.worker("a", servers=servers)
    ana = world.renderer(first, "ana")
    second = world.worker("b", servers=servers, peers=[first])
    ana.accepted(ana.set("lamp4", "Transform", HERE))
    world.await_equal(first, second)
    assert second.status["renderers"] == 0
    world.renderer(second, "ben").await_shown("lamp4", "Transform", HERE)


def test_presence(world):
    """Who is here, over all workers: comes, selects, leaves at once; a worker that died is
    gone with its people."""
    servers = deployed(world)
    first = world.worker("a", servers=servers)
    ana = world.renderer(first, "ana")
    second = world.worker("b", servers=servers, peers=[first])
    ben = world.renderer(second, "ben")
    cem = world.renderer(second, "cem")

    def others(renderer):
        return {p["name"] for p in renderer.people.values()} - {renderer.name}
    world.wait(lambda: others(ana) == {"ben", "cem"}, lambda: f"ana sees both: {ana.people}")
    world.wait(lambda: others(ben) >= {"ana"}, lambda: f"ben sees ana: {ben.people}")
    ben.say("Presence", {"selection": ["lamp1"], "camera": {"position": {"x": 1, "y": 2, "z": 3},
                                                         "rotation": {"x": 0, "y": 0, "z": 0, "w": 1}}})
    world.wait(lambda: any(p["name"] == "ben" and p.get("selection") == ["lamp1"] for p in ana.people.values()),
               lambda: f"ana sees what ben selects: {ana.people}")
    cem.close()
    began = time.monotonic()
    world.wait(lambda: others(ana) == {"ben"}, "cem has left")
    print(f"presence: a leave was seen after {time.monotonic() - began:.2f} s (wanted: at once)")
    second.kill()
    ben.close()
    began = time.monotonic()
    world.wait(lambda: others(ana) == set(), "ben is gone with his worker")
    print(f"presence: a death was seen after {time.monotonic() - began:.2f} s (wanted: 3 s)")


def test_save(world):
    """user -> renderer: save; renderer -> worker: save; worker: serialize, store (PUT manifest)."""
    servers = deployed(world)
    way = world.recorder(servers)
    project = project_id("courtyard")
    worker = world.worker("a", "--project", project, servers=way)
    ana = world.renderer(worker, "ana")
    ana.accepted(ana.set("lamp1", "Transform", HERE))
    signed = signed_fetch("put", f"/projects/{project}/manifest")
    ana.say("SaveSceneState", {"headers": signed})
    result = world.wait(lambda: ana.heard("SaveResult"), "a save result")[-1]
    status = worker.status
    assert result["ok"] and result["version"] == status["version"], (result, status)
    assert result["lineage"] == status["lineage"], (result, status)
    manifest = get_manifest(servers, project, signed=True)
    assert from_manifest(manifest)["lamp1"]["Transform"] == HERE
    assert manifest["project"]["eth_address"].lower() == SIGNER
    puts = [{k.lower(): v for k, v in put.headers.items()}
            for put in way.asked("PUT", f"/v1/projects/{project}/manifest")]
    assert any({k: heads.get(k) for k in signed} == signed for heads in puts), puts
    world.wait(lambda: worker.status["save"]["state"] == "saved", lambda: f"it is saved: {worker.status['save']}")


def test_generate_code_and_store(world):
    """worker: generate code, and store it: the same bytes from every worker; deployed with
    the scene where it is published."""
    servers = deployed(world)
    first = world.worker("a", servers=servers, role="publish")
    ana = world.renderer(first, "ana")
    ana.accepted(ana.set("lamp1", "Transform", HERE))
    second = world.worker("b", servers=servers, peers=[first])
    world.renderer(second, "ben")
    world.await_equal(first, second)
    code = first.call("GET", "/v1/code").body
    assert code.startswith(b"dcl.subscribe('sceneStart'"), code[:80]
    assert second.call("GET", "/v1/code").body == code
    prepared = first.post("/v1/publish", {"title": "Lamps"})["prepared"]
    assert "bin/game.js" in [f["file"] for f in prepared["files"]], prepared
    before = active(servers, world.scene)
    assert active(servers, world.scene)["id"] == before["id"], "prepare deploys nothing"
    done = first.post("/v1/publish", {"confirm": prepared["id"], "authChain": auth_chain(prepared["sign"])})
    assert done["ok"], done
    now = active(servers, world.scene)
    assert now["id"] == prepared["entityId"] != before["id"]
    files = {c["file"]: c["hash"] for c in now["content"]}
    assert fetch(servers, files["bin/game.js"]) == code
    assert shown(json.loads(fetch(servers, files["scene-state-definition.json"]))) == first.entities


def test_play_and_stop(world):
    """Play: the edition is saved and ends, the running worker shows what the code builds;
    stop: the edition is there again, with all that was edited."""
    kernel = world.kernel("kernel", servers=deployed(world))
    kernel.post(f"/scenes/{world.scene}/edit")
    edition = world.wait(lambda: (s := kernel_scene(kernel, world.scene)) and s["state"] == "editing" and s, "edited")
    ana = world.renderer(edition["http"], "ana")
    ana.accepted(ana.set("lamp1", "Transform", HERE))
    edited = dict(shown(lamp_scene()))
    edited["lamp1"] = dict(edited["lamp1"], Transform=HERE)
    kernel.post(f"/scenes/{world.scene}/play")
    world.wait(lambda: ana.ready and ana.state == "running", "ana is at the running worker")
    assert ana.model == edited, "the running worker builds what the snapshot shows"
    refused = ana.answer(ana.set("lamp1", "Transform", HERE))
    assert not refused["ok"], refused
    kernel.post(f"/scenes/{world.scene}/stop")
    world.wait(lambda: ana.ready and ana.state in ("editing", "loading"), "ana is at the edition again")
    assert ana.model == edited


if __name__ == "__main__":
    sys.exit(run_tests("arrows", dict(globals())))
