#!/usr/bin/env python3
"""Host x Origin x token x method x path at the doors of worker, kernel and running worker: whoever
lacks any one thing does not get through. Made from the servers' own tables of routes (route_list);
a route that this file does not know fails it.

CELLS=2000 tries so many (0: all); SEED repeats a choice.
"""

import json
import os
import posixpath
import random
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from content import cid_of, deploy, lamp_scene
from world import PROGRAM, WAIT, Skip, run_tests

HERE = Path(__file__).resolve().parent
LIST = Path(os.environ.get("BUILD_DIR", HERE.parent.parent / "build/release")) / "tests/route_list"
CELLS = int(os.environ.get("CELLS", "1200"))  # of each server
SEED = int(os.environ.get("SEED", "1"))
ROLES = ("none", "view", "edit", "publish", "admin")
LISTED = "https://editor.example"
SECRETS = (b"lamp1", b"Lamp 1", b"a-lamp", b"models/lamp", b'"entities"', b"actor")

# What is known of each route: method, path, role. A new one is thought about, and then put here.
KNOWN = {
    "worker": {("GET", "/v1/health", "none"), ("GET", "/v1/status", "view"), ("GET", "/v1/snapshot", "view"),
               ("GET", "/v1/export", "view"), ("GET", "/v1/code", "view"), ("GET", "/v1/conflicts", "view"),
               ("GET", "/v1/history", "view"), ("GET", "/metrics", "view"),
               ("POST", "/v1/save", "edit"), ("POST", "/v1/publish", "publish"), ("POST", "/v1/unpublish", "admin"),
               ("GET", "/", "none"), ("GET", "/status", "none"), ("GET", "/page/*", "none"),
               ("GET", "/v1/info", "view"), ("GET", "/v1/contents/*", "view"), ("GET", "/v1/kernel", "view"),
               ("POST", "/v1/play", "edit"), ("POST", "/v1/stop", "edit"), ("WS", "/renderer", "view")},
    "kernel": {("GET", "/v1/health", "none"), ("GET", "/scenes", "view"), ("GET", "/scenes/*", "view"),
               ("POST", "/scenes/*/edit", "edit"), ("POST", "/scenes/*/play", "edit"), ("POST", "/scenes/*/stop", "edit")},
    "play": {("GET", "/v1/health", "none"), ("GET", "/v1/status", "view"), ("GET", "/v1/snapshot", "view"),
             ("GET", "/v1/code", "view"), ("GET", "/", "none"), ("GET", "/status", "none"), ("GET", "/page/*", "none"),
             ("GET", "/v1/info", "view"), ("GET", "/v1/contents/*", "view"), ("GET", "/v1/kernel", "view"),
             ("POST", "/v1/play", "edit"), ("POST", "/v1/stop", "edit"), ("WS", "/renderer", "view")},
}
LAMP = b"glTF, as far as anybody looks"  # the file of the scene's models
# A path that each pattern stands for.
SAMPLES = {"/page/*": "/page/licenses.txt", "/v1/contents/*": f"/v1/contents/{cid_of(LAMP)}"}


def sample(pattern):
    return SAMPLES.get(pattern, pattern.replace("*", "0,0"))


def deploy_lamps(servers, pointer):
    deploy(servers, [pointer], {"scene-state-definition.json": json.dumps(lamp_scene()).encode(), "models/lamp.glb": LAMP})


def routes_of(server):
    listed = json.loads(subprocess.run([str(LIST)], capture_output=True, check=True).stdout)
    return [tuple(r) for r in listed[server]]


class Door:
    """A server, and everything somebody could try at it."""

    def __init__(self, server, http, tokens):
        self.server, self.tokens = server, tokens
        self.port = urlsplit(http).port
        self.routes = routes_of(server)
        assert set(self.routes) == KNOWN[server], f"not in the matrix: {set(self.routes) ^ KNOWN[server]}"
        own = f"127.0.0.1:{self.port}"
        self.hosts = {own: True, f"localhost:{self.port}": True, f"LOCALHOST:{self.port}": True, "evil.example": False,
                      f"evil.example:{self.port}": False, f"127.0.0.1:{self.port % 60000 + 1}": False,
                      f"localhost.evil.example:{self.port}": False, f"127.0.0.1.evil.example:{self.port}": False,
                      f"{own}@evil.example": False, None: False, "": False}
        self.origins = {None: True, f"http://{own}": True, LISTED: True, "https://evil.example": False, "null": False,
                        f"https://{own}": False, f"http://127.0.0.1:{self.port % 60000 + 1}": False,
                        f"http://{own}.evil.example": False, "https://editor.example.evil.example": False,
                        "file://": False, f"{LISTED}:444": False}
        paths = [sample(r[1]) for r in self.routes]
        twisted = []
        for path in paths:
            twisted += [path + "/", "/" + path, path.replace("/", "//", 2)[1:] if path.count("/") > 1 else "//" + path,
                        path + "%00", path + "/..", "/x/.." + path, path.replace("v1", "V1").replace("scenes", "SCENES"),
                        path[:-1] + "%" + format(ord(path[-1]), "02x") + "%0d%0aHost:%20x", path + ";a", "http://evil.example" + path]
        self.paths = sorted(set(paths)) + sorted(set(twisted) - set(paths)) + ["/", "/etc/passwd", "/../../etc/passwd", "*"]
        self.methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "WS"]

    def role_needed(self, method, path):
        """The role that a well-formed call takes; None: there is no such call."""
        method = "GET" if method == "HEAD" else method
        for m, p, role in self.routes:
            if m == method and sample(p) == path:
                return ROLES.index(role)
        return None

    def meant(self, path):
        """The path as a server may understand it: decoded, without empty and dotted parts."""
        path = unquote(path.split("?")[0].split("#")[0])
        path = path[:-1] if path.endswith("/\0") else path  # the library drops a NUL there
        return "/" + posixpath.normpath("/" + path).lstrip("/")

    def tolerated(self, host, origin, token, method, path):
        """It is another spelling of what this caller may do anyway."""
        return self.allowed(host, origin, token, method, self.meant(path))

    def allowed(self, host, origin, token, method, path):
        needed = self.role_needed(method, path)
        return (needed is not None and self.hosts[host] and self.origins[origin]
                and ROLES.index(self.tokens[token]) >= needed)

    def all_cells(self):
        return [(h, o, t, m, p) for h in self.hosts for o in self.origins for t in self.tokens for m in self.methods for p in self.paths]

    def cells(self):
        """Those that lack one thing, which are most likely to get through, and others by lot."""
        everything = self.all_cells()
        if CELLS == 0:
            return everything
        good_host = next(iter(self.hosts))
        good_token = max(self.tokens, key=lambda t: ROLES.index(self.tokens[t]))
        near = []
        for m, p, _ in self.routes:
            p = sample(p)
            near += [(h, None, good_token, m, p) for h in self.hosts]
            near += [(good_host, o, good_token, m, p) for o in self.origins]
            near += [(good_host, None, t, m, p) for t in self.tokens]
            near += [(good_host, None, good_token, x, p) for x in self.methods]
        near += [(good_host, None, good_token, "GET", p) for p in self.paths]
        near = sorted(set(near), key=repr)
        lot = random.Random(SEED)
        return near + lot.sample(everything, max(0, min(CELLS - len(near), len(everything))))

    def ask(self, host, origin, token, method, path):
        """The answer as bytes."""
        lines = [f"{'GET' if method == 'WS' else method} {path} HTTP/1.1"]
        if host is not None:
            lines.append(f"Host: {host}")
        if origin is not None:
            lines.append(f"Origin: {origin}")
        if token:
            lines.append(f"Authorization: {token}")
        if method == "WS":
            lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        else:
            lines.append("Connection: close")
            if method in ("POST", "PUT", "PATCH"):
                lines += ["Content-Length: 2", "", "{}"]
        text = "\r\n".join(lines) + ("" if lines[-1] == "{}" else "\r\n\r\n")
        data = b""
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            s.settimeout(WAIT)
            try:
                s.sendall(text.encode())
                while more := s.recv(65536):
                    data += more
                    if method == "WS" and b"\r\n\r\n" in data:
                        break
            except ConnectionError:
                pass
        return data


def through(data, door, cell):
    """Did it get anything?"""
    _, origin, _, method, path = cell
    head = data.split(b"\r\n\r\n")[0].lower()
    status = int(data.split()[1]) if data.startswith(b"HTTP/1.1 ") else 0
    if b"access-control-allow-origin" in head and not (origin in door.origins and door.origins[origin] and origin):
        return f"its page may read it: {head!r}"
    if any(s in data for s in SECRETS):
        return f"it is told something: {data[:300]!r}"
    if status == 101 or (200 <= status < 300 and method != "OPTIONS"):
        return f"status {status}"
    return None


CHANGES = {"POST"}  # what is allowed and changes something is not done; nor is it told by other spellings


def attack(door):
    tried = refused = let_in = 0
    for cell in door.cells():
        ok = door.allowed(*cell)
        if door.tolerated(*cell) and (cell[3] in CHANGES or not ok):
            continue
        tried += 1
        data = door.ask(*cell)
        got = through(data, door, cell)
        if ok:
            assert data.startswith((b"HTTP/1.1 2", b"HTTP/1.1 101")), (door.server, cell, data[:300])
            let_in += 1
        else:
            assert got is None, (door.server, cell, got)
            refused += 1
    print(f"{door.server}: {tried} cells, {refused} refused, {let_in} rightly let in, 0 through (seed {SEED}; all: {len(door.all_cells())})")
    assert refused >= 500 and let_in >= 20, (refused, let_in)


def people(world):
    """An access file, and what may be shown: {Authorization: the role it gives}."""
    path = world.path("access.json")
    tokens = {None: "none", "Bearer ss1_none": "none", "Basic cm9vdDpyb290": "none", "Bearer ": "none"}
    for role in ROLES[1:]:
        out, _ = world.run("access", "add", "--file", path, role.capitalize(), "--role", role, "--json")
        token = json.loads(out)["token"]
        tokens[f"Bearer {token}"] = role
        tokens[f"Bearer {token[:-1]}{'A' if token[-1] != 'A' else 'B'}"] = "none"
    access = json.loads(path.read_text())
    out, _ = world.run("access", "add", "--file", path, "Past", "--role", "admin", "--json")
    tokens[f"Bearer {json.loads(out)['token']}"] = "none"
    access = json.loads(path.read_text())
    for person in access["people"]:
        if person["name"] == "Past":
            person["expires"] = "2020-01-01T00:00:00Z"
    path.write_text(json.dumps(access))
    return path, tokens


def admin_of(tokens):
    return next(t for t, r in tokens.items() if r == "admin").removeprefix("Bearer ")


def test_worker(world):
    path, tokens = people(world)
    servers = world.servers()
    deploy_lamps(servers, world.scene)
    worker = world.worker("a", "--access", path, "--origin", LISTED, servers=servers, role="none")
    worker.token = admin_of(tokens)
    world.wait(lambda: worker.status["state"] == "editing", "the scene is there")
    before = worker.mark, worker.snapshot
    attack(Door("worker", worker.http, tokens))
    assert (worker.mark, worker.snapshot) == before, "something changed"
    assert all(worker.status["refused"][k] > 0 for k in ("host", "origin", "token")), worker.status["refused"]


def test_worker_without_access_file(world):
    """Callers on this machine may edit: then Host and Origin are all that keeps pages out."""
    servers = world.servers()
    deploy_lamps(servers, world.scene)
    worker = world.worker("a", "--origin", LISTED, servers=servers, role=None)
    world.wait(lambda: worker.status["state"] == "editing", "the scene is there")
    before = worker.mark, worker.snapshot
    attack(Door("worker", worker.http, {None: "edit", "Bearer ss1_none": "none", "Basic cm9vdDpyb290": "none"}))
    assert (worker.mark, worker.snapshot) == before, "something changed"


def test_kernel(world):
    path, tokens = people(world)
    servers = world.servers()
    deploy_lamps(servers, world.scene)
    kernel = world.kernel("k", "--access", path, "--origin", LISTED, servers=servers)
    kernel.token = admin_of(tokens)
    kernel.post(f"/scenes/{world.scene}/edit")

    def scenes():
        return sorted((s["scene"], s["state"]) for s in kernel.get("/scenes")["scenes"])
    world.wait(lambda: scenes() == [(world.scene, "editing")], lambda: f"the scene is edited: {scenes()}")
    before = scenes()
    attack(Door("kernel", kernel.http, tokens))
    assert scenes() == before, (before, scenes())


def test_running_worker(world):
    from world import Process
    path, tokens = people(world)
    code = world.write("game.js", "module.exports.onStart = function () {};\n")
    servers = world.servers()
    deploy_lamps(servers, world.scene)
    play = Process(world, "play", "play", ["--code", code, "--http", "127.0.0.1:0", "--json", "--access", path,
                                           "--origin", LISTED, "--scene", world.scene, "--content", servers.http]).start()
    play.token = admin_of(tokens)
    world.wait(lambda: play.call("GET", "/v1/snapshot").status == 200, "the code has run")
    attack(Door("play", play.http, tokens))


if __name__ == "__main__":
    if not LIST.exists():
        print(f"{LIST} is not built")
        sys.exit(77)
    sys.exit(run_tests("matrix", dict(globals())))
