#!/usr/bin/env python3
"""What a page asks of the world outside through its worker: what the scene is, the files of its models,
play and stop."""

import http.server
import json
import subprocess
import sys
import threading

from content import active, cid_of, deploy, lamp_scene
from world import ROOT, call, run_tests

LAMP = b"glTF" + bytes(range(256)) * 40
PICTURE = b"\x89PNG\r\n\x1a\n" + b"wood" * 30
PAGE = b"<!doctype html><script>alert(1)</script>"
VILLAGE = ROOT / "docs/scenes"


def deploy_lamps(servers, pointer, **more):
    return deploy(servers, [pointer, pointer.split(",")[0] + ",1"], {
        "scene-state-definition.json": json.dumps(lamp_scene()).encode(), "models/lamp.glb": LAMP, "Models/wood.PNG": PICTURE,
        "models/odd.bin": PAGE, "bin/secret.js": b"let secret;"}, **more)


def info_of(world, worker):
    """What it tells once the scene is there, and the servers have been asked."""
    world.wait(lambda: worker.status["state"] == "editing", "the scene is there")
    world.wait(lambda: (worker.get("/v1/info")["models"] or {}).get("files"), "it knows the files")
    return worker.get("/v1/info")


def contents(process, content, **more):
    return process.call("GET", f"/v1/contents/{cid_of(content)}", **more)


def test_a_scene_and_its_files(world):
    servers = world.servers()
    deploy_lamps(servers, world.scene)
    worker = world.worker("a", servers=servers)
    info = info_of(world, worker)
    assert info["title"] == "Courtyard" and info["base"] == {"x": 0, "y": 0}, info
    assert info["parcels"] == [{"x": 0, "y": 0}, {"x": 0, "y": 1}], info
    assert (info["canPlay"], info["canSave"], info["canPublish"]) == (False, True, True), info
    assert info["models"] == {"assets": {}, "files": {
        "models/lamp.glb": cid_of(LAMP), "Models/wood.PNG": cid_of(PICTURE), "models/odd.bin": cid_of(PAGE)}}, info
    for content, kind in ((LAMP, "model/gltf-binary"), (PICTURE, "image/png"), (PAGE, "application/octet-stream")):
        for _ in range(2):  # the second time from memory
            answer = contents(worker, content)
            assert answer.status == 200 and answer.body == content, answer
            head = {k.lower(): v for k, v in answer.headers.items()}
            assert head["content-type"] == kind and "immutable" in head["cache-control"], head
            assert head["x-content-type-options"] == "nosniff" and "default-src 'none'" in head["content-security-policy"], head


def test_only_what_the_scene_names(world):
    """It is no way to other files of the servers."""
    servers = world.servers()
    deploy_lamps(servers, world.scene)
    other = deploy(servers, ["5,5"], {"scene-state-definition.json": b'{"schemaVersion":1,"entities":[]}', "other.glb": b"glTF other"})
    worker = world.worker("a", servers=servers)
    hashes = [other["id"], active(servers, world.scene)["id"], cid_of(b"glTF other"), cid_of(b"let secret;"), cid_of(b"nobody has it")]
    hashes += ["0,0", "..%2f..%2fetc%2fpasswd", "Qm", "bafkrei" + "a" * 52, "b" * 200]
    for name in hashes:
        answer = worker.call("GET", f"/v1/contents/{name}")
        assert answer.status in (404, 414, 431), (name, answer)
    assert contents(worker, LAMP).status == 200, "who asks for much can still have the rest"


def test_models_of_the_samples(world):
    """The village as ./run deploys it: every asset that is shown has its file, and it is a GLB."""
    servers = world.servers("servers", "--deploy", f"{world.scene}={VILLAGE}/village.builder.json", "--files", VILLAGE / "models")
    worker = world.worker("a", servers=servers)
    info = info_of(world, worker)
    assert info["title"] == "Village" and len(info["parcels"]) == 64, info
    assert len(info["models"]["assets"]) == 24, info["models"]["assets"].keys()
    for asset, known in info["models"]["assets"].items():
        name = known["files"][known["model"]]
        assert info["models"]["files"][f"{asset}/{known['model']}"] == name
        answer = worker.call("GET", f"/v1/contents/{name}")
        assert answer.status == 200 and answer.body[:4] == b"glTF" and cid_of(answer.body) == name, answer
        length = int.from_bytes(answer.body[12:16], "little")
        model = json.loads(answer.body[20:20 + length])
        [mesh] = model["meshes"]
        for accessor in model["accessors"]:
            assert accessor["count"] > 0
        assert 1 <= len(mesh["primitives"]) <= 2 and int.from_bytes(answer.body[8:12], "little") == len(answer.body)


def test_the_samples_are_what_makes_them(world):
    """The committed scenes and models are what docs/scenes/make.py makes, byte for byte."""
    made = world.path("made")
    made.mkdir()
    subprocess.run([sys.executable, VILLAGE / "make.py", made], check=True)
    names = sorted(p.relative_to(made) for p in made.rglob("*") if p.is_file())
    committed = sorted(p.relative_to(VILLAGE) for p in VILLAGE.rglob("*") if p.suffix in (".json", ".glb"))
    assert names == committed, set(names) ^ set(committed)
    for name in names:
        assert (made / name).read_bytes() == (VILLAGE / name).read_bytes(), f"{name}: docs/scenes/make.py makes another"


def test_files_beside_other_scenes(world):
    """By path, where a scene names them so; a folder that is none is refused."""
    models = VILLAGE / "models"
    servers = world.servers("servers", "--deploy", f"{world.scene}={VILLAGE}/courtyard.composite.json",
                            "--deploy", f"9,9={VILLAGE}/courtyard.builder.json", "--files", f"{models}/")
    worker = world.worker("a", servers=servers)
    files = info_of(world, worker)["models"]["files"]
    assert files == {f"models/{name}.glb": cid_of((models / f"{name}.glb").read_bytes()) for name in ("stone_ground", "cart")}, files
    assert contents(worker, (models / "cart.glb").read_bytes()).status == 200
    assert len(active(servers, "9,9")["content"]) == 2 + 3, "three assets"
    out, errors = world.run("servers", "--dir", world.path("s"), "--files", world.path("nowhere"), code=1)
    assert "no folder" in (errors if isinstance(errors, str) else errors.decode()), errors


class Liar:
    """A content server with one scene, that gives for every file what a test says, or nothing."""

    def __init__(self, entity, give):
        liar = self
        self.give = give
        self.files = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def reply(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # it is too much for whoever asked

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.reply(200, json.dumps([entity]).encode())

            def do_GET(self):
                name = self.path.rsplit("/", 1)[1]
                state = next(c["hash"] for c in entity["content"] if c["file"].endswith(".json"))
                if name == state:
                    return self.reply(200, STATE)
                liar.files += 1
                return self.reply(*liar.give)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


STATE = json.dumps(lamp_scene()).encode()


def test_servers_that_lie_or_fail(world):
    """Bytes that are not what the hash says go to nobody, and are not kept; later it may be right."""
    entity = {"id": cid_of(b"entity"), "type": "scene", "pointers": [world.scene], "timestamp": 1, "metadata": 7,
              "content": [{"file": "scene-state-definition.json", "hash": cid_of(STATE)}, {"file": "a.glb", "hash": cid_of(LAMP)},
                          {"file": "b.glb", "hash": "not a hash"}, {"file": 5}]}
    liar = Liar(entity, (200, LAMP[:-1]))
    try:
        worker = world.worker("a", "--content", liar.http)
        answer = contents(worker, LAMP)
        assert answer.status == 502 and LAMP[:40] not in answer.body, answer
        for give, status in (((200, b""), 502), ((500, b"oh"), 502), ((404, b"{}"), 404), ((200, bytes(33 << 20)), 413)):
            liar.give = give
            assert contents(worker, LAMP).status == status, give[0]
        liar.give = (200, LAMP)
        assert contents(worker, LAMP).body == LAMP
        asked = liar.files
        assert contents(worker, LAMP).body == LAMP and liar.files == asked, "it is kept"
        assert worker.get("/v1/info")["models"]["files"] == {"a.glb": cid_of(LAMP)}
    finally:
        liar.close()
    assert worker.get("/v1/info")["ok"], "a server that is gone is no reason to say nothing"


def test_play_and_stop_through_the_worker(world):
    """The kernel is asked with the caller's own token; what runs shows the same models."""
    path, tokens = world.path("access.json"), {}
    for role in ("view", "edit"):
        out, _ = world.run("access", "add", "--file", path, role, "--role", role, "--json")
        tokens[role] = json.loads(out)["token"]
    servers = world.servers()
    deploy_lamps(servers, world.scene)
    kernel = world.kernel("k", "--access", path, servers=servers)
    kernel.token = tokens["edit"]
    at = kernel.post(f"/scenes/{world.scene}/edit")["http"]

    def ask(method, what, role="edit", by_parameter=False):
        token = tokens.get(role)
        return call(at, method, f"/v1/{what}" + (f"?token={token}" if by_parameter else ""), b"" if method == "POST" else None,
                    token=None if by_parameter else token)

    def is_state(state):
        def holds():
            try:
                told = ask("GET", "kernel", "view")
            except OSError:
                return False
            return told.status == 200 and told.json["kernel"]["state"] == state
        return holds
    world.wait(is_state("editing"), "it is edited")
    world.wait(lambda: (ask("GET", "info").json["models"] or {}).get("files"), "it knows the files")
    info = ask("GET", "info").json
    assert info["canPlay"]
    for role, status in (("none", 401), ("view", 403)):
        for what in ("play", "stop"):
            assert ask("POST", what, role).status == status, (what, role)
    assert is_state("editing")()
    asked = ask("POST", "play", by_parameter=True)
    assert asked.status == 202 and asked.json["scene"] == world.scene, asked
    world.wait(is_state("running"), "it runs")
    running = ask("GET", "info").json
    assert running["models"] == info["models"] and running["title"] == info["title"]
    assert (running["canPlay"], running["canSave"], running["canPublish"]) == (True, False, False)
    assert call(at, "GET", f"/v1/contents/{cid_of(LAMP)}", token=tokens["view"]).body == LAMP
    assert ask("POST", "play").status == 202, "asked for what is there already"
    assert ask("POST", "stop", "view").status == 403
    assert ask("POST", "stop").status == 202
    world.wait(is_state("editing"), "it is edited again")


def test_without_a_kernel(world):
    worker = world.worker("a")
    assert worker.get("/v1/kernel") == {"kernel": None, "ok": True}
    assert worker.get("/v1/info")["canPlay"] is False
    for what in ("play", "stop"):
        answer = worker.call("POST", f"/v1/{what}", {})
        assert answer.status == 409 and "no kernel" in answer.json["error"], answer
    gone = world.worker("b", "--kernel", "http://127.0.0.1:9")
    answer = gone.call("POST", "/v1/play", {})
    assert answer.status == 502 and "does not answer" in answer.json["error"], answer
    assert gone.call("GET", "/v1/kernel").status == 502


if __name__ == "__main__":
    sys.exit(run_tests("outside", dict(globals())))
