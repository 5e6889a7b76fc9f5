#!/usr/bin/env python3
"""Loading, saving and bringing over, with servers that fail: a node with the loader and the
saver of an edition worker (worker_box.c) in a process of its own.

Usage: SCENESYNC=build/debug/scenesync test_load_save.py [TEST]...
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from fake_servers import FakeServers, cid
from harness import WAIT, await_until, run_tests

BOX = str(Path(os.environ.get("BUILD_DIR", "build/debug")) / "tests/worker_box")
SCENE = "0,0"
PROJECT = "7f0c1b9e-90a4-4c1e-8a5c-0f1f1a2b3c4d"
QUICK = ("--retry", "50")
PATIENT = ("--ask", "100000")  # its peer is there, and may be slow to say so


class Box:
    """A worker_box that runs."""

    def __init__(self, bench, *arguments, scene=SCENE):
        environment = dict(os.environ, SCENESYNC_STATE_DIR=str(bench.folder / "state"))
        self.process = subprocess.Popen([BOX, "--scene", scene, *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)
        self.events = queue.Queue()
        self.seen = []
        self.errors = None
        threading.Thread(target=self.read, daemon=True).start()
        bench.nodes.append(self)

    def read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put({"event": "ended"})

    def wait(self, kind, **wanted):
        """The next event of this kind with these members."""
        end = time.monotonic() + WAIT
        while True:
            try:
                event = self.events.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind} {wanted}: {self.told}") from None
            self.seen.append(event)
            if event["event"] == kind and all(event.get(k) == v for k, v in wanted.items()):
                return event
            assert event["event"] != "ended", f"ended without {kind} {wanted}: {self.told}"

    @property
    def told(self):
        return [e for e in self.seen if e["event"] not in ("look", "export", "edited")][-8:]

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line, kind):
        self.tell(line)
        return self.wait(kind)

    def set(self, entity, field, value, component="Transform"):
        event = self.ask(f"set {entity} {component} {field} {json.dumps(value)}", "edited")
        assert event["error"] == "", event

    def remove(self, entity):
        assert self.ask(f"remove {entity}", "edited")["error"] == ""

    @property
    def look(self):
        return self.ask("look", "look")

    @property
    def scene(self):
        return self.ask("export", "export")["scene"]

    @property
    def entities(self):
        return {e["id"]: {c["type"]: c["value"] for c in e["components"]} for e in self.scene["entities"]}

    def save(self, word="save"):
        return self.ask(word, "done")

    def quit(self):
        self.tell("quit")
        assert self.process.wait(timeout=WAIT) == 0, self.process.returncode

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=WAIT)


def state(**entities):
    """A state file: {id: fields of its transform}."""
    return json.dumps({"schemaVersion": 1, "entities": [
        {"id": e, "components": [{"type": "Transform", "value": v}]} for e, v in entities.items()]}).encode()


def manifest(coords=None, **entities):
    project = {"id": PROJECT, "title": "t", "description": "", "scene_id": PROJECT, "rows": 1, "cols": 1}
    if coords:
        project["creation_coords"] = coords
    scene = {"id": PROJECT, "entities": {}, "components": {}, "assets": {}, "ground": None}
    for e, value in entities.items():
        scene["entities"][e] = {"id": e, "components": [f"t-{e}"], "name": e}
        scene["components"][f"t-{e}"] = {"id": f"t-{e}", "type": "Transform", "data": value}
    return {"version": 10, "project": project, "scene": scene}


def content(servers):
    return ("--content", servers.url)


def both(servers):
    return ("--content", servers.url, "--builder", servers.url)


def listening(bench, *arguments):
    box = Box(bench, "--listen", "tcp://127.0.0.1:0", *arguments)
    box.url = box.wait("listening")["url"]
    return box


# ---- loading ----


def test_definition_file_is_loaded(bench):
    servers = FakeServers()
    servers.deploy(SCENE, {"models/a.glb": b"x", "Scene-State-Definition.JSON": state(lamp={"x": 1}),
                           "builder.json": b"{}"})
    a, b = (Box(bench, *content(servers)) for _ in range(2))
    for box in (a, b):
        box.wait("ready")
        box.wait("settled")
        assert box.look["from"] == "content"
        assert box.entities == {"lamp": {"Transform": {"x": 1}}}
    assert (a.look["lineage"], a.look["now"]) == (b.look["lineage"], b.look["now"])


def test_composite_and_builder_files_are_loaded(bench):
    servers = FakeServers()
    composite = {"version": 1, "components": [{"name": "core::Transform", "data": {"512": {"json": {"parent": 0}}}}]}
    servers.deploy("1,1", {"assets/scene/main.composite": json.dumps(composite).encode()})
    servers.deploy("2,2", {"builder.json": json.dumps(manifest(lamp={"x": 4})).encode(),
                           "main.composite": json.dumps(composite).encode()})
    box = Box(bench, *content(servers), scene="1,1")
    box.wait("ready")
    assert list(box.entities) == ["512"]
    box = Box(bench, *content(servers), scene="2,2")
    box.wait("ready")
    assert box.entities["lamp"]["Transform"] == {"x": 4}


def test_nothing_deployed_is_an_empty_scene(bench):
    servers = FakeServers()
    box = Box(bench, *content(servers))
    box.wait("ready")
    assert box.entities == {} and box.look["from"] == "empty"
    servers.fail["active"] = (404, b'{"error":"no such scene"}')
    box = Box(bench, *content(servers))
    box.wait("ready")
    assert box.look["from"] == "empty"


def test_server_that_is_down_is_tried_again(bench):
    servers = FakeServers()
    port = servers.port
    servers.close()
    box = Box(bench, "--content", f"http://127.0.0.1:{port}", *QUICK)
    first = box.wait("loading", failing=True)
    assert "content server" in first["text"] and "next try" in first["text"], first
    second = box.wait("loading", failing=True)
    assert second["retryMs"] > 0
    servers = FakeServers(port)
    servers.deploy(SCENE, {"scene-state-definition.json": state(lamp={"x": 2})})
    box.wait("ready")
    assert box.entities == {"lamp": {"Transform": {"x": 2}}}


def refuses(bench, servers, words):
    """It keeps saying this and does not become ready; then it is well again."""
    box = Box(bench, *both(servers), *QUICK)
    for _ in range(2):
        event = box.wait("loading", failing=True)
        assert words in event["text"], (words, event)
    assert not any(e["event"] == "ready" for e in box.seen)
    servers.fail.clear()
    box.wait("ready")
    assert box.entities == {"lamp": {"Transform": {"x": 1}}}
    box.quit()


def test_errors_never_begin_an_empty_scene(bench):
    servers = FakeServers()
    servers.deploy(SCENE, {"scene-state-definition.json": state(lamp={"x": 1})})
    for failure, words in [
            (500, "500"), (503, "503"), ((404, b"<html>"), "is it a content server"), ((200, b"<html>"), "content server"),
            ((200, b"{}"), "list of entities"), ((200, b'[{"type":"scene","pointers":["5,5"]}]'), "another place"),
            ((200, b'[{"type":"profile","id":"a","pointers":["0,0"]}]'), "no scene"),
            ((200, b'[{"type":"scene","id":"a","pointers":["0,0"]}]'), "content"),
            ((200, b"[" * 100000), "content server")]:
        servers.fail["active"] = failure
        refuses(bench, servers, words)
    good = state(lamp={"x": 1})
    for failure, words in [((200, good + b" "), "not those of"), (404, "404"), (500, "500")]:
        servers.fail["contents"] = failure
        refuses(bench, servers, words)


def test_file_that_is_no_scene_is_an_error(bench):
    servers = FakeServers()
    servers.deploy(SCENE, {"scene-state-definition.json": b'{"schemaVersion":7,"entities":[]}'})
    box = Box(bench, *content(servers), *QUICK)
    assert "schemaVersion" in box.wait("loading", failing=True)["text"]
    servers.deploy(SCENE, {"scene-state-definition.json": state(lamp={"x": 1})})
    box.wait("ready")


def test_hash_that_cannot_be_checked_is_refused(bench):
    servers = FakeServers()
    entity = servers.deploy(SCENE, {"scene-state-definition.json": state(lamp={"x": 1})})
    good = entity["content"][0]["hash"]
    entity["content"][0]["hash"] = "../../v1/manifests"
    box = Box(bench, *content(servers), *QUICK)
    assert "no hash" in box.wait("loading", failing=True)["text"]
    assert servers.count("contents") == 0 and servers.count("other") == 0
    entity["content"][0]["hash"] = good
    box.wait("ready")


def test_builder_project_of_the_deployed_scene(bench):
    servers = FakeServers()
    servers.deploy(SCENE, {"scene-state-definition.json": state(lamp={"x": 1})}, project=PROJECT)
    servers.manifests[PROJECT] = manifest(lamp={"x": 7})
    box = Box(bench, *both(servers))
    box.wait("ready")
    assert box.entities["lamp"]["Transform"] == {"x": 7}
    look = box.look
    assert (look["from"], look["project"]) == ("builder", PROJECT)


def test_refused_project_falls_back_a_failing_one_does_not(bench):
    servers = FakeServers()
    servers.deploy(SCENE, {"scene-state-definition.json": state(lamp={"x": 1})}, project=PROJECT)
    servers.manifests[PROJECT] = manifest(lamp={"x": 7})
    servers.fail["get"] = 401
    box = Box(bench, *both(servers))
    assert "does not show" in box.wait("ready")["text"]
    assert box.entities["lamp"]["Transform"] == {"x": 1}
    servers.fail["get"] = 500
    box = Box(bench, *both(servers), *QUICK)
    assert "builder server" in box.wait("loading", failing=True)["text"]
    servers.fail.clear()
    box.wait("ready")
    assert box.entities["lamp"]["Transform"] == {"x": 7}


def test_project_made_for_the_place(bench):
    servers = FakeServers()
    servers.manifests[PROJECT] = manifest(coords=SCENE, lamp={"x": 9})
    box = Box(bench, *both(servers))
    box.wait("ready")
    assert box.entities["lamp"]["Transform"] == {"x": 9}


def test_bus_comes_first(bench):
    servers = FakeServers()
    servers.deploy(SCENE, {"scene-state-definition.json": state(lamp={"x": 1})})
    a = listening(bench, *content(servers))
    a.wait("ready")
    a.set("lamp", "x", 5)
    asked = servers.count("contents")
    b = Box(bench, "--peer", a.url, *content(servers), *PATIENT)
    b.wait("ready")
    assert b.look["from"] == "bus", b.told
    assert b.entities["lamp"]["Transform"] == {"x": 5}
    assert servers.count("contents") == asked


def test_store_is_served_while_servers_are_down(bench):
    servers = FakeServers()
    servers.deploy(SCENE, {"scene-state-definition.json": state(lamp={"x": 1})})
    store = bench.path("store")
    box = Box(bench, "--store", store, *content(servers))
    box.wait("ready")
    box.set("lamp", "x", 3)
    box.quit()
    servers.fail["active"] = 503
    box = Box(bench, "--store", store, *content(servers), *QUICK)
    box.wait("ready")
    assert box.entities["lamp"]["Transform"] == {"x": 3}
    box.wait("note", failing=True)
    assert not box.look["settled"]
    servers.fail.clear()
    assert box.wait("note", failing=False)["text"] == "the servers answer"
    box.wait("settled")


# ---- saving ----


def saving(bench, servers, *arguments):
    box = Box(bench, *both(servers), "--autosave", "0", *QUICK, *arguments)
    box.wait("settled")
    return box


def with_project():
    servers = FakeServers()
    servers.deploy(SCENE, {"scene-state-definition.json": state(lamp={"x": 1})}, project=PROJECT)
    servers.manifests[PROJECT] = manifest(lamp={"x": 7})
    return servers


def test_saved_names_its_version(bench):
    servers = with_project()
    box = saving(bench, servers)
    assert box.look["state"] == "saved"  # as it was loaded
    box.set("lamp", "x", 8)
    assert box.look["state"] == "unsaved"
    assert box.save("save x-identity-auth-chain-0: {\"type\":\"SIGNER\"}")["ok"]
    look = box.look
    assert look["state"] == "saved" and look["mine"]
    assert look["version"] == ",".join(f"{a}:{t}" for a, t in sorted(look["now"].items()))
    name, path, headers, body = servers.last("put")
    assert path == f"/v1/projects/{PROJECT}/manifest" and headers["Content-Type"] == "application/json"
    assert headers["x-identity-auth-chain-0"] == '{"type":"SIGNER"}'
    scene = json.loads(body)["manifest"]["scene"]
    assert scene["components"]["t-lamp"]["data"] == {"x": 8}
    assert scene["scenesync"]["lineage"] == look["lineage"] and scene["scenesync"]["version"] == look["now"]
    puts = servers.count("put")
    assert box.save()["ok"] and servers.count("put") == puts, "nothing new is not sent again"
    box.quit()
    again = saving(bench, servers)
    assert again.entities["lamp"]["Transform"] == {"x": 8}
    again.set("lamp", "x", 9)
    assert again.save()["ok"]
    carry = servers.manifests[PROJECT]["scene"]["scenesync"]
    assert [a["lineage"] for a in carry["ancestors"]] == [look["lineage"]]


def test_what_was_only_loaded_is_not_saved_by_itself(bench):
    servers = FakeServers()
    servers.deploy(SCENE, {"scene-state-definition.json": state(lamp={"x": 1})}, project=PROJECT)
    box = Box(bench, *both(servers), "--autosave", "20")
    box.wait("settled")
    assert box.look["state"] == "saved"
    assert box.ask("leave 5000", "left")["saved"] is True
    box = Box(bench, *both(servers), "--autosave", "20")
    box.wait("settled")
    time.sleep(0.2)  # ten times what an autosave would wait
    assert servers.count("put") == 0
    assert box.save()["ok"] and servers.count("put") == 1, "asked for, it is"
    box.set("lamp", "x", 2)
    box.wait("save", ok=True)


def test_autosave_comes_at_intervals(bench):
    servers = with_project()
    box = Box(bench, *both(servers), "--autosave", "300")
    box.wait("settled")
    begin = time.monotonic()
    for i in range(20):
        box.set("lamp", "x", i)
        time.sleep(0.05)
    box.wait("save", ok=True)
    await_until(lambda: box.look["state"] == "saved", "saved")
    passed = time.monotonic() - begin
    puts = servers.count("put")
    assert 1 <= puts <= passed / 0.3 + 1, (puts, passed)
    assert servers.manifests[PROJECT]["scene"]["components"]["t-lamp"]["data"] == {"x": 19}


def test_failures_are_tried_again_and_told(bench):
    servers = with_project()
    box = Box(bench, *both(servers), "--autosave", "50", *QUICK)
    box.wait("settled")
    servers.fail["put"] = 503
    box.set("lamp", "x", 8)
    failed = box.wait("save", ok=False)
    assert "503" in failed["error"] and failed["retryMs"] > 0, failed
    box.wait("save", ok=False)
    assert box.look["state"] == "failing"
    servers.fail["put"] = (200, b'{"ok":false,"error":"disk full"}')
    assert "disk full" in box.wait("save", ok=False)["error"] or "disk full" in box.wait("save", ok=False)["error"]
    servers.fail["put"] = (200, b"")
    box.wait("save", ok=False)
    servers.fail.clear()
    box.wait("save", ok=True)
    assert box.look["state"] == "saved" and box.look["error"] == ""


def test_refused_headers_are_dropped(bench):
    servers = with_project()

    def check(request):
        return None if request.headers.get("x-identity-auth-chain-0") == "good" else 401
    servers.fail["put"] = check
    box = Box(bench, *both(servers), "--autosave", "50", *QUICK)
    box.wait("settled")
    box.set("lamp", "x", 8)
    failed = box.wait("save", ok=False)
    assert failed["refused"] and failed["retryMs"] == 0, failed
    puts = servers.count("put")
    assert not box.look["mine"], "who is refused does not save for others"
    assert not box.save("save x-identity-auth-chain-0: bad")["ok"]
    assert servers.count("put") == puts + 1
    assert box.save("save x-identity-auth-chain-0: good")["ok"]
    box.set("lamp", "x", 9)
    box.wait("save", ok=True)  # by itself, with the headers kept
    assert servers.last("put")[2]["x-identity-auth-chain-0"] == "good"


def test_too_large_is_said_and_not_sent(bench):
    servers = with_project()
    box = Box(bench, *both(servers), "--autosave", "50", *QUICK)
    box.wait("settled")
    for i in range(100):
        box.set(f"big{i}", "text", "x" * 60000, component="Note")
    while "no more than 5242880" not in (failed := box.wait("save", ok=False))["error"]:
        pass
    puts = servers.count("put")
    assert box.look["state"] == "failing"
    assert not box.save()["ok"] and servers.count("put") == puts
    for i in range(40):
        box.remove(f"big{i}")
    box.wait("save", ok=True)
    assert box.look["state"] == "saved"


def test_slow_server_does_not_hold_who_leaves(bench):
    servers = with_project()
    box = saving(bench, servers)
    servers.delay["put"] = 150
    box.set("lamp", "x", 8)
    begin = time.monotonic()
    assert box.ask("leave 500", "left")["saved"] is False
    box.quit()
    assert time.monotonic() - begin < 100, "it did not wait for the server"
    servers.delay.clear()
    servers.fail.clear()
    box = saving(bench, servers)
    box.set("lamp", "x", 9)
    assert box.ask("leave 110000", "left")["saved"] is True
    assert servers.manifests[PROJECT]["scene"]["components"]["t-lamp"]["data"] == {"x": 9}


def test_one_of_two_saves_and_the_other_takes_over(bench):
    servers = with_project()
    a = listening(bench, *both(servers), "--autosave", "100")
    a.wait("settled")
    b = Box(bench, "--peer", a.url, "--listen", "tcp://127.0.0.1:0", *both(servers), "--autosave", "100")
    b.wait("settled")
    await_until(lambda: {a.look["saver"], b.look["saver"]} == {min(a.look["actor"], b.look["actor"])}, "one saves")
    saver, other = (a, b) if a.look["mine"] else (b, a)
    other.set("lamp", "x", 20)
    saver.wait("save", ok=True)
    # A look just after the edit may come before whoever saves has heard of it: the version counts.
    last = lambda: [e for e in other.seen if e["event"] == "save"][-1:]  # noqa: E731
    await_until(lambda: other.look["state"] == "saved" and last() and last()[0]["version"] == other.look["now"],
                "the other learns that all is saved")
    assert last()[0]["by"] == saver.look["actor"]
    saver.kill()
    other.set("lamp", "x", 21)
    await_until(lambda: servers.manifests[PROJECT]["scene"]["components"]["t-lamp"]["data"] == {"x": 21}, "taken over")
    assert other.look["mine"]


def test_files_are_written_whole(bench):
    servers = FakeServers()
    for name in ("saved.json", "builder.json", "main.composite"):
        path = bench.path(name)
        box = Box(bench, *content(servers), "--save", path, "--autosave", "50")
        box.wait("settled")
        box.set("7", "x", 5, component="core::Transform")
        box.wait("save", ok=True)
        look = box.look
        box.quit()
        saved = json.loads(path.read_text())
        carry = saved.get("scenesync") or saved["scene"]["scenesync"]
        assert carry["version"] == look["now"], name
        assert bench.verb("import", f"store-{name}", path).code == 0
        assert not list(bench.folder.glob(f"{name}.*")), "nothing is left beside it"


def test_file_that_cannot_be_written_is_said(bench):
    servers = FakeServers()
    box = Box(bench, *content(servers), "--save", bench.path("no/such/folder/x.json"), "--autosave", "50", *QUICK)
    box.wait("settled")
    box.set("7", "x", 5)
    assert "No such file" in box.wait("save", ok=False)["error"]
    bench.path("no/such/folder").mkdir(parents=True)
    box.wait("save", ok=True)


def test_foreign_manifest_is_not_replaced(bench):
    servers = with_project()
    box = Box(bench, *both(servers), "--autosave", "50", *QUICK)
    box.wait("settled")
    servers.manifests[PROJECT] = manifest(lamp={"x": 100}, chair={"x": 1})  # by another program
    box.set("lamp", "x", 8)
    failed = box.wait("save", ok=False)
    assert "another edition or program" in failed["error"] and failed["refused"], failed
    assert servers.count("put") == 0
    assert not box.save()["ok"]
    assert box.ask("leave 50", "left")["saved"] is False
    assert box.save("force")["ok"]
    assert "chair" not in servers.manifests[PROJECT]["scene"]["entities"]


def test_edits_that_have_not_come_here_are_not_saved_over(bench):
    """Another worker of this edition saved, and is gone before its last edits came here."""
    servers = with_project()
    store = bench.path("store")
    box = Box(bench, "--store", store, *both(servers), "--autosave", "50")
    box.wait("settled")
    box.set("lamp", "x", 8)
    box.wait("save", ok=True)
    box.quit()
    version = servers.manifests[PROJECT]["scene"]["scenesync"]["version"]
    version["ff" * 16] = 99
    # A peer that is asked in vain: or the store would be brought over to what is saved.
    box = Box(bench, "--store", store, "--builder", servers.url, "--project", PROJECT, "--autosave", "50",
              "--peer", "tcp://127.0.0.1:9", "--ask", "100", *QUICK)
    box.wait("ready")
    box.set("lamp", "x", 9)
    failed = box.save()
    assert not failed["ok"] and "not come here yet" in failed["error"], failed
    assert not box.look["mine"], "who has those edits may save"
    assert servers.manifests[PROJECT]["scene"]["components"]["t-lamp"]["data"] == {"x": 8}
    del version["ff" * 16]
    box.set("lamp", "x", 10)
    assert box.save()["ok"]
    assert servers.manifests[PROJECT]["scene"]["components"]["t-lamp"]["data"] == {"x": 10}


def test_leaving_does_not_wait_for_a_put(bench):
    """The node can be closed while the server takes its time."""
    servers = with_project()
    box = saving(bench, servers)
    servers.delay["put"] = 150
    box.set("lamp", "x", 8)
    box.tell("save")
    servers.wait("get")
    begin = time.monotonic()
    box.quit()
    assert time.monotonic() - begin < 100, "it did not wait for the server"


def test_project_in_the_spelling_of_files(bench):
    servers = FakeServers()
    file = manifest(lamp={"x": 1})
    file["project"] = {"id": PROJECT, "title": "t", "description": "d", "sceneId": PROJECT, "isPublic": False,
                       "layout": {"rows": 2, "cols": 3}, "ethAddress": None, "userId": 5, "mood": "odd"}
    servers.deploy(SCENE, {"builder.json": json.dumps(file).encode()}, project=PROJECT)
    box = saving(bench, servers)
    box.set("lamp", "x", 2)
    assert box.save()["ok"]
    stored = servers.manifests[PROJECT]
    assert set(stored["project"]) <= {"id", "title", "description", "scene_id", "rows", "cols", "is_public",
                                      "eth_address"}, stored["project"]
    assert (stored["project"]["rows"], stored["project"]["cols"]) == (2, 3)
    stored["project"]["title"] = "edited at the server"
    box.quit()
    path = bench.path("builder.json")
    again = saving(bench, servers, "--save", path)
    again.set("lamp", "x", 3)
    assert again.save()["ok"]
    saved = json.loads(path.read_text())["project"]
    assert saved == dict(file["project"], title="edited at the server"), saved


# ---- bringing over ----


def published(servers, project=PROJECT):
    """What is saved is deployed."""
    text = json.dumps(servers.manifests[project]).encode()
    servers.deploy(SCENE, {"builder.json": text})


def old_store(bench, servers):
    """A store whose edits were saved up to a point, and some that were not."""
    store = bench.path("old")
    box = Box(bench, "--store", store, *both(servers), "--autosave", "0", "--who", "ana")
    box.wait("settled")
    box.set("lamp", "x", 10)
    assert box.save()["ok"]
    published(servers)
    servers.fail["put"] = 503
    box.set("lamp", "y", 11)
    box.set("vase", "x", 12)
    box.set("chair", "x", 13)
    box.remove("rug")
    box.quit()
    servers.fail.clear()
    return store


def scene_to_leave():
    servers = FakeServers()
    servers.deploy(SCENE, {"builder.json": json.dumps(manifest(lamp={"x": 1}, rug={"x": 2}, chair={"x": 3})).encode()},
                   project=PROJECT)
    return servers


def test_old_store_with_unsaved_edits_is_brought_over(bench):
    servers = scene_to_leave()
    store = old_store(bench, servers)
    b = listening(bench, "--store", bench.path("new"), *content(servers), "--who", "ben")
    b.wait("ready")
    assert "y" not in b.entities["lamp"]["Transform"]
    b.set("chair", "x", 99)
    b.set("lamp", "z", 5)
    a = Box(bench, "--store", store, "--peer", b.url, *both(servers), "--who", "ana", "--autosave", "0", *PATIENT)
    a.wait("rebase")
    done = a.wait("rebased")
    assert [(c["kind"], c["entity"], c["field"], c["author"], c["theirAuthor"]) for c in done["clashes"]] == [
        ("overwritten", "chair", "x", "ana", "ben")], done
    await_until(lambda: a.entities == b.entities, "they show the same")
    shown = b.entities
    assert shown["lamp"]["Transform"] == {"x": 10, "y": 11, "z": 5}
    assert shown["vase"]["Transform"] == {"x": 12} and shown["chair"]["Transform"] == {"x": 13}
    assert "rug" not in shown
    archive = Path(done["archive"])
    assert archive.name == "old.archive-1" and json.loads(Path(str(archive) + ".json").read_text()) == done
    assert bench.verb("status", archive, "--json").json[0]["lineage"] == done["from"]
    a.quit()
    log = bench.verb("log", store, "--json").json
    assert any(entry.get("who") == "ana" for entry in log), log
    again = Box(bench, "--store", store, "--peer", b.url, *content(servers), *PATIENT)
    again.wait("settled")
    assert not any(e["event"] == "rebase" for e in again.seen)


def test_old_store_is_brought_over_to_what_is_deployed(bench):
    servers = scene_to_leave()
    store = old_store(bench, servers)
    # Somebody else went on, saved, published and left.
    b = Box(bench, *content(servers), "--builder", servers.url, "--project", PROJECT, "--autosave", "0")
    b.wait("settled")
    b.set("lamp", "z", 5)
    assert b.save()["ok"]
    b.quit()
    published(servers)
    a = Box(bench, "--store", store, *content(servers), "--who", "ana")
    a.wait("ready")
    a.wait("rebased")
    a.wait("ready")
    a.wait("settled")
    assert a.entities["lamp"]["Transform"] == {"x": 10, "y": 11, "z": 5}
    assert "rug" not in a.entities and a.entities["vase"]["Transform"] == {"x": 12}


def test_store_that_is_ahead_goes_on(bench):
    servers = scene_to_leave()
    store = old_store(bench, servers)
    a = Box(bench, "--store", store, *content(servers))
    a.wait("settled")
    assert not any(e["event"] == "rebase" for e in a.seen)
    assert a.entities["vase"]["Transform"] == {"x": 12}


def test_living_edition_is_met_while_running(bench):
    servers = scene_to_leave()
    store = old_store(bench, servers)
    a = listening(bench, "--store", store, *content(servers), "--who", "ana")
    a.wait("settled")
    b = Box(bench, *content(servers))
    b.wait("settled")
    lineage = b.look["lineage"]
    b.quit()
    b = Box(bench, "--store", bench.path("new"), *content(servers))  # it did not hear of the edition that lives
    b.wait("settled")
    assert b.look["lineage"] == lineage
    b.set("lamp", "z", 5)
    b.quit()
    b = Box(bench, "--store", bench.path("new"), "--listen", "tcp://127.0.0.1:0", "--peer", a.url, *content(servers))
    a.wait("rebased")
    await_until(lambda: a.look["lineage"] == lineage and a.entities == b.entities, "one edition")
    assert a.entities["lamp"]["Transform"] == {"x": 10, "y": 11, "z": 5}


def test_unrelated_scenes_are_kept_apart(bench):
    servers = scene_to_leave()
    store = old_store(bench, servers)
    servers.deploy(SCENE, {"scene-state-definition.json": state(other={"x": 1})})
    a = Box(bench, "--store", store, *content(servers))
    note = a.wait("note", failing=True)
    assert "import --onto" in note["text"], note
    a.wait("settled")
    assert a.entities["vase"]["Transform"] == {"x": 12}


if __name__ == "__main__":
    sys.exit(run_tests("load_save", globals()))
