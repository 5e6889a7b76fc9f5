#!/usr/bin/env python3
"""The kernel: edit, play and stop; workers that crash, hang and are left behind."""

import json
import os
import re
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))
from content import deploy, deploy_state, signed_fetch  # noqa: E402
from world import call, run_tests, shown  # noqa: E402

SCENE = "0,0"
TRANSFORM = {"position": {"x": 1, "y": 2, "z": 3}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
             "scale": {"x": 1, "y": 1, "z": 1}}
STATE = {"schemaVersion": 1, "entities": [
    {"id": f"lamp{i}", "components": [{"type": "GLTFShape", "value": {"assetId": "lamp"}},
                                      {"type": "Transform", "value": TRANSFORM}]} for i in range(5)]}


def started(world, *arguments, name="kernel", deployed=True):
    """A kernel, with STATE deployed at the scene's place."""
    if not deployed:
        return world.kernel(name, *arguments)
    servers = next((p for p in world.processes if p.name == "servers"), None)
    if servers is None:
        servers = world.servers()
        deploy_state(servers, SCENE, STATE)
    return world.kernel(name, *arguments, servers=servers)


def scene(kernel, name=SCENE):
    answer = kernel.call("GET", f"/scenes/{name}")
    return answer.json if answer.status == 200 else None


def until(world, kernel, what, name=SCENE, **wanted):
    """Wait until the kernel says this of the scene."""
    def holds():
        found = scene(kernel, name)
        return found and all(found.get(k) == v for k, v in wanted.items()) and found
    return world.wait(holds, lambda: f"{what}: {scene(kernel, name)}\n{logged(world, name)}")


def logged(world, name=SCENE):
    log = world.path("kernel") / "scenes" / name / "log"
    return log.read_text()[-2000:] if log.exists() else ""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(world, pid):
    world.wait(lambda: not alive(pid), f"process {pid} is gone")


def test_edit_play_stop(world):
    """One worker at a time, at one address, from edit to play and back."""
    kernel = started(world)
    edited = kernel.post(f"/scenes/{SCENE}/edit")
    assert edited["ok"] and edited["state"] == "editing" and alive(edited["pid"]), edited
    ana = world.renderer(edited["http"], "ana")
    assert ana.model == shown(STATE), ana.model
    ana.accepted(ana.set("lamp1", "Transform", dict(TRANSFORM, position={"x": 9, "y": 9, "z": 9})))
    until(world, kernel, "ana is seen", editors=["ana"], entities=5)
    began = time.monotonic()
    played = kernel.post(f"/scenes/{SCENE}/play")
    print(f"edit -> play: {time.monotonic() - began:.2f} s")
    assert played["state"] == "running" and played["http"] == edited["http"], played
    assert played["saved"] is True, played
    assert not alive(edited["pid"])
    world.wait(lambda: ana.ready and ana.state == "running", "ana is at the running worker")
    assert ana.model["lamp1"]["Transform"]["position"] == {"x": 9, "y": 9, "z": 9}, ana.model
    assert len(ana.model) == 5
    began = time.monotonic()
    stopped = kernel.post(f"/scenes/{SCENE}/stop")
    print(f"play -> edit: {time.monotonic() - began:.2f} s")
    assert stopped["state"] == "editing" and stopped["http"] == edited["http"], stopped
    assert not alive(played["pid"])
    world.wait(lambda: ana.ready and ana.state != "running", "ana is at the edition again")
    assert ana.model["lamp1"]["Transform"]["position"] == {"x": 9, "y": 9, "z": 9}, ana.model
    ended = kernel.post(f"/scenes/{SCENE}/stop")
    assert ended["state"] == "stopped" and "pid" not in ended, ended
    gone(world, stopped["pid"])
    assert kernel.post(f"/scenes/{SCENE}/stop")["state"] == "stopped"
    assert ana.waits and max(ana.waits) < 60, ana.waits
    print(f"a renderer waited {', '.join(f'{w:.2f}' for w in ana.waits)} s for a state")


def test_play_without_an_edition(world):
    """The code is that of the deployed scene: its bin/game.js, or made of its scene file."""
    kernel = started(world)
    played = kernel.post(f"/scenes/{SCENE}/play")
    assert played["state"] == "running"
    ana = world.renderer(played["http"], "ana")
    assert ana.model == shown(STATE), ana.model
    assert kernel.post(f"/scenes/{SCENE}/stop")["state"] == "stopped"
    nothing = kernel.post("/scenes/7,7/play")
    assert world.renderer(nothing["http"], "ben").model == {}
    servers = world.processes[0]
    deploy(servers, ["1,-1"], {"bin/game.js": b"dcl.addEntity('own');"})
    own = kernel.post("/scenes/1,-1/play")
    assert list(world.renderer(own["http"], "cyn").model) == ["own"]


def test_play_of_an_old_edition(world):
    """Nobody edits now: the code is made of what the store holds."""
    kernel = started(world)
    edited = kernel.post(f"/scenes/{SCENE}/edit")
    ana = world.renderer(edited["http"], "ana", reconnect=False)
    ana.accepted(ana.remove("lamp0"))
    kernel.post(f"/scenes/{SCENE}/stop")
    played = kernel.post(f"/scenes/{SCENE}/play")
    assert sorted(world.renderer(played["http"], "ben").model) == ["lamp1", "lamp2", "lamp3", "lamp4"]
    assert kernel.post(f"/scenes/{SCENE}/stop")["state"] == "stopped"


def test_requests_are_idempotent_and_one_after_the_other(world):
    kernel = started(world)
    answers = []
    def ask(what):
        answers.append((what, kernel.call("POST", f"/scenes/{SCENE}/{what}", {})))
    for what in ("edit", "edit", "edit"):
        first = kernel.post(f"/scenes/{SCENE}/{what}")
    assert first["pid"] == kernel.post(f"/scenes/{SCENE}/edit")["pid"]
    threads = [threading.Thread(target=ask, args=(w,)) for w in ("play", "edit", "play", "stop", "edit", "play") * 2]
    for thread in threads:
        thread.start()
    pids = set()
    while any(t.is_alive() for t in threads):
        found = [s for s in kernel.get("/scenes")["scenes"] if "pid" in s]
        assert len(found) <= 1
        pids |= {s["pid"] for s in found}
    for thread in threads:
        thread.join()
    assert all(a.status == 200 for _, a in answers), answers
    wanted = {"play": ["running"], "edit": ["editing"], "stop": ["editing", "stopped"]}
    assert all(a.json["state"] in wanted[w] for w, a in answers), answers
    last = kernel.post(f"/scenes/{SCENE}/edit")
    assert all(not alive(p) for p in pids if p != last["pid"]), "one at a time"
    threads = [threading.Thread(target=ask, args=("play",)) for _ in range(40)]
    answers.clear()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {a.status for _, a in answers} <= {200, 503}, answers
    assert scene(kernel)["state"] == "running"


def test_a_crash_is_a_moment(world):
    """kill -9: the next worker serves the store within a second; other scenes notice nothing."""
    kernel = started(world)
    edited = kernel.post(f"/scenes/{SCENE}/edit")
    other = kernel.post("/scenes/5,5/play")
    ana = world.renderer(edited["http"], "ana")
    ana.accepted(ana.remove("lamp0"))
    os.kill(edited["pid"], signal.SIGKILL)
    world.wait(lambda: len(ana.waits) == 1, "ana has the state again")
    print(f"after kill -9 a renderer waited {ana.waits[0]:.2f} s (wanted: 1)")
    assert sorted(ana.model) == ["lamp1", "lamp2", "lamp3", "lamp4"], ana.model
    found = until(world, kernel, "it says so", state="editing", restarts=1)
    assert "signal 9" in found["trouble"] and found["pid"] != edited["pid"], found
    assert found["http"] == edited["http"]
    assert scene(kernel, "5,5")["pid"] == other["pid"], "the other scene runs on"
    os.kill(other["pid"], signal.SIGKILL)
    until(world, kernel, "the running worker is there again", name="5,5", state="running", restarts=1)


def test_stop_saves(world):
    """Whoever stops the edition just after an edit finds it at the builder server."""
    kernel = started(world)
    edited = kernel.post(f"/scenes/{SCENE}/edit")
    ana = world.renderer(edited["http"], "ana", reconnect=False)
    ana.accepted(ana.remove("lamp0"))
    kernel.post(f"/scenes/{SCENE}/stop")
    servers = world.processes[0]
    project, = servers.get("/v1/projects", headers=signed_fetch("GET", "/projects"))["data"]
    path = f"/projects/{project['id']}/manifest"
    answer = servers.call("GET", f"/v1{path}", headers=signed_fetch("GET", path))
    if answer.status == 301:
        answer = servers.call("GET", urlsplit(answer.headers["Location"]).path)
    saved = answer.json["scene"].get("sdk6") or answer.json["scene"]
    assert len(saved["entities"]) == 4, saved["entities"]


def test_two_kernels_edit_one_scene(world):
    """Their workers meet over TCP; one is killed and comes back, and meets the other again."""
    first = started(world)
    one = first.post(f"/scenes/{SCENE}/edit")
    second = world.kernel("second", "--peer", one["url"], servers=world.processes[0])
    two = second.post(f"/scenes/{SCENE}/edit")
    ana, ben = world.renderer(one["http"], "ana"), world.renderer(two["http"], "ben")
    place = lambda x: dict(TRANSFORM, position={"x": x, "y": 0, "z": 0})
    ana.accepted(ana.set("lamp1", "Transform", place(7)))
    ben.await_shown("lamp1", "Transform", place(7))
    os.kill(one["pid"], signal.SIGKILL)
    ben.accepted(ben.set("lamp2", "Transform", place(8)))
    ana.await_shown("lamp2", "Transform", place(8))
    os.kill(two["pid"], signal.SIGKILL)
    ana.accepted(ana.set("lamp3", "Transform", place(9)))
    ben.await_shown("lamp3", "Transform", place(9))
    until(world, first, "no more crashes", state="editing", restarts=1)


def test_who_crashes_again_and_again(world):
    """The wait grows; what is asked meanwhile gets an answer."""
    kernel = started(world)
    pids = []
    kernel.post(f"/scenes/{SCENE}/edit")
    began = time.monotonic()
    for crash in range(1, 5):
        pid = until(world, kernel, "up again", state="editing", restarts=crash - 1)["pid"]
        assert pid not in pids
        pids.append(pid)
        os.kill(pid, signal.SIGKILL)
    until(world, kernel, "up again", state="editing", restarts=4)
    assert time.monotonic() - began >= 2.5, "0, 0.1, 0.5 and 2 s lie between them"
    # Its store is no store any more: it cannot start at all.
    kernel.post(f"/scenes/{SCENE}/stop")
    store = world.path("kernel") / "scenes" / SCENE / "store"
    (store / "data.mdb").write_bytes(b"no store" * 1000)
    answer = kernel.call("POST", f"/scenes/{SCENE}/edit", {})
    assert answer.status == 502 and "tried again" in answer.json["error"], answer
    assert scene(kernel)["restarts"] >= 3
    assert kernel.post(f"/scenes/{SCENE}/stop")["state"] == "stopped"


def test_a_worker_that_hangs_is_replaced(world):
    kernel = started(world)
    edited = kernel.post(f"/scenes/{SCENE}/edit")
    other = kernel.post("/scenes/5,5/play")
    os.kill(edited["pid"], signal.SIGSTOP)
    began = time.monotonic()
    until(world, kernel, "another worker", state="editing", restarts=1)
    took = time.monotonic() - began
    print(f"a worker that hung was replaced after {took:.1f} s (wanted: 10)")
    assert took >= 8 and not alive(edited["pid"])
    assert scene(kernel, "5,5")["pid"] == other["pid"]


def test_the_kernel_ends(world):
    """SIGTERM: all workers save and leave; the next kernel goes on, at the same addresses."""
    kernel = started(world)
    edited = kernel.post(f"/scenes/{SCENE}/edit")
    other = kernel.post("/scenes/5,5/play")
    ana = world.renderer(edited["http"], "ana")
    ana.accepted(ana.remove("lamp0"))
    kernel.stop()
    assert not alive(edited["pid"]) and not alive(other["pid"])
    kernel.start()
    found = until(world, kernel, "it is edited again", state="editing")
    assert found["http"] == edited["http"] and found["url"] == edited["url"], (found, edited)
    until(world, kernel, "it runs again", name="5,5", state="running", http=other["http"])
    world.wait(lambda: ana.ready and "lamp0" not in ana.model and len(ana.model) == 4, "ana has the state again")
    kernel.post(f"/scenes/{SCENE}/stop")
    kernel.stop()
    kernel.start()
    assert scene(kernel)["state"] == "stopped"


def test_the_kernel_is_killed(world):
    """kill -9: nobody is left behind, and there are never two workers."""
    kernel = started(world)
    edited = kernel.post(f"/scenes/{SCENE}/edit")
    ana = world.renderer(edited["http"], "ana")
    ana.accepted(ana.remove("lamp0"))
    os.kill(edited["pid"], signal.SIGSTOP)  # it cannot leave by itself
    kernel.kill()
    kernel.start()
    assert not alive(edited["pid"]), "the next kernel ended it before it began"
    found = until(world, kernel, "it is edited again", state="editing")
    assert found["pid"] != edited["pid"] and found["http"] == edited["http"]
    world.wait(lambda: ana.ready and len(ana.model) == 4, "ana has the state again")
    kernel.kill()
    gone(world, found["pid"])  # this one could: its kernel died
    second = world.kernel("other")
    refused = world.run("kernel", "--dir", world.path("other"), code=None)
    assert "another kernel runs" in refused[1], refused
    second.stop()


def test_what_is_asked_is_checked(world):
    kernel = started(world, deployed=False)
    for method, path, status in (
            ("GET", "/v1/health", 200), ("GET", "/scenes", 200), ("GET", "/scenes/0,0", 404),
            ("GET", "/scenes/0,0/edit", 405), ("POST", "/scenes/0,0", 405), ("POST", "/scenes/0,0/x", 404),
            ("POST", "/scenes/0,0/stop", 404), ("POST", "/scenes/a,b/edit", 404), ("POST", "/scenes/0,0/edit/x", 404),
            ("POST", "/scenes/..%2f..%2fx/edit", 404), ("POST", "/scenes/00,0/edit", 404), ("GET", "/", 404),
            ("DELETE", "/scenes/0,0", 405)):
        answer = kernel.call(method, path, {} if method == "POST" else None)
        assert answer.status in (status, 400), (method, path, answer)
    assert kernel.get("/scenes")["scenes"] == []
    file = world.path("access.json")
    tokens = {role: world.run("access", "add", "--file", file, role, "--role", role)[0].split()[-1]
              for role in ("view", "edit")}
    guarded = started(world, "--access", file, "--loopback-role", "none", name="guarded", deployed=False)
    assert guarded.call("GET", "/v1/health").status == 200
    for token, get, post in ((None, 401, 401), ("wrong", 401, 401), (tokens["view"], 200, 403), (tokens["edit"], 200, 200)):
        assert guarded.call("GET", "/scenes", token=token).status == get
        assert guarded.call("POST", "/scenes/0,0/play", {}, token=token).status == post, token
    url = guarded.call("GET", "/scenes/0,0", token=tokens["view"]).json["http"]
    assert call(url, "GET", "/v1/status").status == 401
    assert call(url, "GET", "/v1/status", token=tokens["view"]).status == 200
    pid = guarded.call("GET", "/scenes/0,0", token=tokens["view"]).json["pid"]
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except PermissionError:
        return  # not even who started it may look
    master = re.search(rb"SCENESYNC_MASTER_TOKEN=([^\0]*)", environ)
    assert master and master[1] == b"", "the worker has wiped what its kernel gave it"


def test_no_content_server(world):
    """It is down: play says so, and what was goes on."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        kernel = world.kernel("kernel", "--content", nobody)
        answer = kernel.call("POST", f"/scenes/{SCENE}/play", {})
        assert answer.status == 502 and "no code to play" in answer.json["error"], answer
        assert scene(kernel)["state"] == "stopped"
        assert kernel.post(f"/scenes/{SCENE}/edit")["state"] == "editing"


def test_a_port_that_was_taken(world):
    """Somebody else listens where the scene used to be: it moves, and says where."""
    kernel = started(world, deployed=False)
    first = kernel.post(f"/scenes/{SCENE}/play")
    kernel.post(f"/scenes/{SCENE}/stop")
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", urlsplit(first["http"]).port))
        thief.listen()
        second = kernel.post(f"/scenes/{SCENE}/play")
        assert second["http"] != first["http"]
        assert call(second["http"], "GET", "/v1/health").status == 200
    assert kernel.post(f"/scenes/{SCENE}/stop")["state"] == "stopped"
    assert kernel.post(f"/scenes/{SCENE}/play")["http"] == second["http"], "it stays there"


def test_more_scenes_than_there_is_room_for(world):
    """Who is stopped makes room, and is known again when asked for."""
    kernel = started(world, deployed=False)
    names = [f"{i},-{i}" for i in range(1, 71)]
    for name in names:
        kernel.post(f"/scenes/{name}/play")
        kernel.post(f"/scenes/{name}/stop")
    assert len(kernel.get("/scenes")["scenes"]) == 64
    assert kernel.post(f"/scenes/{names[0]}/play")["state"] == "running"


def test_the_log_is_bounded(world):
    """What workers print is kept, up to a limit."""
    kernel = started(world, deployed=False)
    kernel.post(f"/scenes/{SCENE}/play")
    log = world.path("kernel") / "scenes" / SCENE / "log"
    world.wait(lambda: b'"event":"ready"' in log.read_bytes(), "what it printed is there")
    kernel.post(f"/scenes/{SCENE}/stop")
    log.write_bytes(b"x" * (5 << 20))
    kernel.post(f"/scenes/{SCENE}/play")
    assert log.stat().st_size < 1 << 20 and log.with_name("log.1").exists()


if __name__ == "__main__":
    sys.exit(run_tests("kernel", dict(globals())))
