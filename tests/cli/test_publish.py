#!/usr/bin/env python3
"""Publishing over HTTP: to the embedded servers, and to one that does what servers should not."""

import base64
import hashlib
import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from harness import PROGRAM, WAIT, await_until, run_tests

ADDRESS = "0x" + "1a" * 20
SCENES = Path(__file__).parents[2] / "docs" / "scenes"
PNG = b"\x89PNG\r\n\x1a\n" + b"picture" * 10


def cid(content):
    digest = b"\x01\x55\x12\x20" + hashlib.sha256(content).digest()
    return "b" + base64.b32encode(digest).decode().lower().rstrip("=")


def chain(text):
    return [{"type": "SIGNER", "payload": ADDRESS, "signature": ""},
            {"type": "ECDSA_SIGNED_ENTITY", "payload": text, "signature": "0x" + "ab" * 65}]


class Servers:
    """The embedded content and builder servers."""

    def __init__(self, bench):
        self.process = subprocess.Popen(
            [PROGRAM, "servers", "--http", "127.0.0.1:0", "--dir", str(bench.path("servers")), "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        bench.nodes.append(self)
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                self.url = event["http"]
                return
        raise AssertionError(self.process.stderr.read().decode())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=WAIT)
        return self.process.returncode


class Fake:
    """A server whose answers a test chooses; what it is sent is kept."""

    def __init__(self, bench):
        fake = self
        self.files = {}        # hash -> bytes, at the content server
        self.storage = {}      # hash -> bytes, at the builder
        self.assets = []
        self.active = []       # entities
        self.deployed = []     # (fields, {hash: bytes})
        self.calls = []
        self.unlinked = []
        self.answer = None     # (status, body) of a deployment
        self.drop_answer = False
        self.break_path = None

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def reply(self, body, status=200):
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                fake.get(self, urlsplit(self.path))

            def do_POST(self):
                fake.post(self, urlsplit(self.path), self.rfile.read(int(self.headers["Content-Length"])))

            def do_DELETE(self):
                fake.unlinked.append((self.path, self.headers.get("x-identity-auth-chain-0")))
                self.reply({"ok": True})

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def get(self, request, url):
        self.calls.append(f"GET {url.path}")
        if self.break_path and url.path.startswith(self.break_path):
            return request.reply(b"<html>oh no</html>", 503)
        name = url.path.rsplit("/", 1)[1]
        if url.path.startswith("/content/contents/") and name in self.files:
            return request.reply(self.files[name])
        if url.path.startswith("/v1/storage/contents/") and name in self.storage:
            return request.reply(self.storage[name])
        if url.path == "/v1/assets":
            wanted = parse_qs(url.query)["id"]
            return request.reply({"ok": True, "data": [a for a in self.assets if a["id"] in wanted]})
        if url.path == "/content/available-content":
            return request.reply([{"cid": c, "available": c in self.files} for c in parse_qs(url.query)["cid"]])
        return request.reply({"error": "not found"}, 404)

    def post(self, request, url, body):
        self.calls.append(f"POST {url.path}")
        if self.break_path and url.path.startswith(self.break_path):
            return request.reply(b"<html>oh no</html>", 503)
        if url.path == "/content/entities/active":
            pointers = json.loads(body)["pointers"]
            return request.reply([e for e in self.active if pointers[0] in e["pointers"]])
        assert url.path == "/content/entities", url.path
        if self.answer is not None:
            return request.reply(self.answer[1], self.answer[0])
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        fields, files = {}, {}
        for part in BytesParser().parsebytes(head + body).get_payload():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if part.get_filename() is None:
                fields[name] = content.decode()
            else:
                files[name] = content
        self.deployed.append((fields, files))
        for name, content in files.items():
            assert name == cid(content), name
            self.files[name] = content
        entity = json.loads(self.files[fields["entityId"]])
        entity["id"] = fields["entityId"]
        self.active = [e for e in self.active if not set(e["pointers"]) & set(entity["pointers"])] + [entity]
        if self.drop_answer:
            request.connection.close()
            return None
        return request.reply({"creationTimestamp": 1763884800000})


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAIT) as answer:
        return json.loads(answer.read())


def get(url):
    with urllib.request.urlopen(url, timeout=WAIT) as answer:
        return answer.read()


def prepare(bench, store, url, *arguments, code=0):
    result = bench.verb("publish", store, "--scene", "0,0", "--content", url, "--json", *arguments, code=code)
    return result.json[0]["prepared"] if code == 0 else result


def confirm(bench, store, url, prepared, *arguments, code=0, links=None):
    bench.write("chain.json", chain(prepared["sign"]) if links is None else links)
    result = bench.verb("publish", store, "--content", url, "--confirm", prepared["id"], "--auth-chain",
                        bench.path("chain.json"), "--json", *arguments, code=code)
    return result.json[0]["published"] if code == 0 else result


def model_scene(bench, store, **assets):
    """A state whose entities show these assets, or files by their name (src)."""
    entities = []
    for name, value in assets.items():
        entities.append({"id": name, "components": [{"type": "GLTFShape", "value": value}]})
    path = bench.write(f"{store}.json", {"schemaVersion": 1, "entities": entities})
    bench.verb("import", store, path)


def test_deployed_scenes_are_what_they_were(bench):
    """Every sample: deployed, listed as active, its files byte for byte, read by a new store as it was."""
    servers = Servers(bench)
    for number, path in enumerate(sorted(SCENES.glob("*.json"))):
        store = f"s{number}"
        bench.verb("import", store, path)
        prepared = prepare(bench, store, servers.url, "--builder", servers.url, "--title", f"Scene {number}")
        published = confirm(bench, store, servers.url, prepared, "--builder", servers.url)
        assert published["entityId"] == prepared["sign"] and not published["already"], published
        [entity] = post(f"{servers.url}/content/entities/active", {"pointers": ["0,0"]})
        assert entity["id"] == prepared["entityId"] and entity["pointers"] == prepared["pointers"]
        assert entity["metadata"]["display"]["title"] == f"Scene {number}"
        files = {}
        for file in entity["content"]:
            files[file["file"]] = get(f"{servers.url}/content/contents/{file['hash']}")
        told = {f["file"]: (f["hash"], f["size"]) for f in prepared["files"]}
        assert {n: (cid(c), len(c)) for n, c in files.items() if len(c) < 262144}.items() <= told.items()
        assert set(files) == set(told)
        assert json.loads(files["scene.json"]) == entity["metadata"]
        assert files["bin/game.js"] == bench.verb("codegen", store).out, path
        state = bench.path("loaded.json")
        state.write_bytes(files["scene-state-definition.json"])
        status = bench.status(store)
        carried = json.loads(state.read_text())["scenesync"]
        assert carried["lineage"] == status["lineage"] and carried["version"] == prepared["version"]
        bench.verb("import", f"n{number}", state)
        before, after = bench.export(store, "--format", "state"), bench.export(f"n{number}", "--format", "state")
        assert before["entities"] == after["entities"], path
        assert bench.verb("codegen", f"n{number}").out == files["bin/game.js"], path


def test_again_and_unpublish(bench):
    servers = Servers(bench)
    bench.verb("import", "a", SCENES / "courtyard.builder.json")
    first = prepare(bench, "a", servers.url)
    assert first["replaces"] is None
    confirm(bench, "a", servers.url, first)
    again = confirm(bench, "a", servers.url, first, links=[])
    assert again["already"] and again["uploaded"] == 0, again
    bench.verb("add", "a", "lamp")
    second = prepare(bench, "a", servers.url)
    assert second["replaces"] == first["entityId"]
    published = confirm(bench, "a", servers.url, second)
    assert 1 < published["uploaded"] < len(second["files"]) + 1, published  # scene.json is there already
    empty = bench.command("unpublish", "--scene", "0,0", "--content", servers.url, "--folder",
                          bench.path("up"), "--json").json[0]["prepared"]
    assert empty["kind"] == "unpublish" and empty["replaces"] == second["entityId"]
    [entity] = post(f"{servers.url}/content/entities/active", {"pointers": ["0,0"]})
    assert entity["id"] == second["entityId"]  # prepared only
    bench.write("chain.json", chain(empty["sign"]))
    arguments = ["--content", servers.url, "--folder", bench.path("up"), "--confirm", empty["id"],
                 "--auth-chain", bench.path("chain.json")]
    assert bench.command("publish", "--store", bench.path("a"), *arguments, "--as-prepared").code == 1
    assert bench.command("unpublish", *arguments).code == 0
    [entity] = post(f"{servers.url}/content/entities/active", {"pointers": ["0,0"]})
    assert entity["metadata"]["source"]["isEmpty"] is True
    assert {f["file"] for f in entity["content"]} == {"bin/game.js", "scene.json"}
    assert b"already" in bench.command("unpublish", *arguments).out
    result = bench.command("unpublish", "--scene", "5,5", "--content", servers.url, "--folder", bench.path("up"))
    assert result.code == 1 and b"nothing is published at 5,5" in result.err


def test_without_a_signature(bench):
    """A server that verifies none takes it; another is not even asked."""
    servers, fake = Servers(bench), Fake(bench)
    bench.verb("import", "a", SCENES / "courtyard.builder.json")
    result = bench.verb("publish", "a", "--scene", "0,0", "--content", servers.url, "--json").json[0]
    assert result["unsigned"] is True
    done = bench.verb("publish", "a", "--content", servers.url, "--confirm", result["prepared"]["id"], "--json").json[0]
    assert done["published"]["entityId"] == result["prepared"]["entityId"]
    assert servers.stop() == 0
    result = bench.verb("publish", "a", "--scene", "0,0", "--content", fake.url, "--json").json[0]
    assert "unsigned" not in result
    refused = bench.verb("publish", "a", "--content", fake.url, "--confirm", result["prepared"]["id"], code=1)
    assert b"an auth chain" in refused.err, refused.err
    assert not fake.deployed


def test_models_and_pictures(bench):
    """Files of assets from both servers; what is wrong or missing is told; what is deployed is kept."""
    fake = Fake(bench)
    glb, texture, other, kept = b"glTF" * 100, b"texture", b"other", b"kept"
    fake.files = {cid(glb): glb, cid(kept): kept, cid(texture): texture, cid(b"right"): b"wrong bytes"}
    fake.storage = {cid(other): other}
    fake.assets = [{"id": "floor", "name": "Floor", "model": "F/floor.glb",
                    "contents": {"F/floor.glb": cid(glb), "F/item.ts": cid(b"source"), "F/other.png": cid(other),
                                 "F/forged.png": cid(b"right"), "F/gone.png": cid(b"gone"),
                                 "../../escape": cid(glb), "F/odd.png": "no hash"}},
                   {"id": "bare", "model": "bare.glb"}]
    fake.active = [{"id": cid(b"old"), "type": "scene", "pointers": ["0,0", "0,1"], "timestamp": 5,
                    "content": [{"file": "Models/Lamp.glb", "hash": cid(kept)},
                                {"file": "models/lamp.png", "hash": cid(texture)},
                                {"file": "unused/x.glb", "hash": cid(kept)},
                                {"file": "bin/game.js", "hash": cid(b"code")}],
                    "metadata": {"owner": "Ana", "scene": {"base": "0,1", "parcels": ["0,0", "0,1"]},
                                 "display": {"title": "Old"}}}]
    model_scene(bench, "a", a={"assetId": "floor"}, b={"assetId": "floor"}, c={"src": "models/lamp.glb"},
                d={"assetId": "nobody-knows"}, f={"assetId": "bare"}, e={"src": "models/nowhere.glb"})
    bench.path("t.png").write_bytes(PNG)
    prepared = prepare(bench, "a", fake.url, "--builder", fake.url, "--thumbnail", bench.path("t.png"))
    names = {f["file"]: f["hash"] for f in prepared["files"]}
    assert names["models/F/floor.glb"] == cid(glb) and names["models/F/other.png"] == cid(other)
    assert names["Models/Lamp.glb"] == cid(kept) and names["models/lamp.png"] == cid(texture)
    assert names["thumbnail.png"] == cid(PNG)
    assert not {"unused/x.glb", "models/F/item.ts"} & set(names), names
    missing = {m["file"] for m in prepared["missing"]}
    assert missing == {"models/F/forged.png", "models/F/gone.png", "../../escape", "models/F/odd.png",
                       "nobody-knows", "models/nowhere.glb", "bare.glb"}, missing
    assert prepared["pointers"] == ["0,0", "0,1"]
    assert not fake.deployed
    confirm(bench, "a", fake.url, prepared, "--builder", fake.url, "--header", "x-identity-auth-chain-0: signed")
    [(fields, files)] = fake.deployed
    assert fields["entityId"] == prepared["sign"]
    assert [fields[f"authChain[{i}][{k}]"] for i in range(2) for k in ("type", "payload", "signature")] == [
        link[k] for link in chain(prepared["sign"]) for k in ("type", "payload", "signature")]
    assert cid(glb) not in files and cid(other) in files and prepared["sign"] in files  # only what is not there
    entity = json.loads(files[prepared["sign"]])
    assert entity["metadata"]["owner"] == "Ana" and entity["metadata"]["scene"]["base"] == "0,1"
    assert entity["metadata"]["display"] == {"title": "Old", "navmapThumbnail": "thumbnail.png"}
    assert b'"src":"models/F/floor.glb"' in fake.files[names["bin/game.js"]]
    assert fake.unlinked == [("/v1/projects/0,0/coords", "signed")]


def test_changes_in_between(bench):
    fake = Fake(bench)
    model_scene(bench, "a", a={"visible": True})
    prepared = prepare(bench, "a", fake.url)
    bench.verb("add", "a", "lamp")
    result = confirm(bench, "a", fake.url, prepared, code=1)
    assert b"has changed since" in result.err and not fake.deployed
    fake.active = [{"id": cid(b"else"), "pointers": ["0,0"], "timestamp": 1, "content": []}]
    result = confirm(bench, "a", fake.url, prepared, "--as-prepared", code=1)
    assert b"another scene was deployed" in result.err and not fake.deployed
    fake.active = []
    confirm(bench, "a", fake.url, prepared, "--as-prepared")
    assert b"lamp" not in fake.files[dict((f["file"], f["hash"]) for f in prepared["files"])["scene-state-definition.json"]]
    # Time is up.
    late = prepare(bench, "a", fake.url)
    path = bench.path("a") / "publish" / late["id"] / "prepared.json"
    path.write_text(path.read_text().replace(str(late["expires"]), "1000"))
    assert b"too old" in confirm(bench, "a", fake.url, late, code=1).err
    # Somebody has been at the files.
    other = prepare(bench, "a", fake.url)
    code = next(f["hash"] for f in other["files"] if f["file"] == "bin/game.js")
    fake.files.pop(code, None)
    (path.parents[1] / other["id"] / code).write_bytes(b"evil()")
    assert b"is not what it was" in confirm(bench, "a", fake.url, other, code=1).err
    assert len(fake.deployed) == 1
    result = bench.verb("publish", "a", "--content", fake.url, "--confirm", "0123456789abcdef", "--auth-chain",
                        bench.path("chain.json"), code=1)
    assert b"no preparation" in result.err


def test_wrong_chains(bench):
    fake = Fake(bench)
    model_scene(bench, "a", a={"visible": True})
    prepared = prepare(bench, "a", fake.url)
    wrong = [[], {}, 7, chain("bafother"), chain(prepared["sign"])[:1], list(reversed(chain(prepared["sign"])))]
    for links in wrong:
        confirm(bench, "a", fake.url, prepared, code=1, links=links)
    fake.answer = (400, {"errors": ["The provided Eth Address does not have access"]})
    result = confirm(bench, "a", fake.url, prepared, code=1)
    assert b"does not have access" in result.err and not fake.deployed
    fake.answer = (503, b"later")
    assert b"503" in confirm(bench, "a", fake.url, prepared, code=1).err
    fake.answer = None
    confirm(bench, "a", fake.url, prepared)  # the preparation is as it was
    assert len(fake.deployed) == 1


def test_a_lost_answer(bench):
    """The server deploys, its answer is lost: confirming again finds it done."""
    fake = Fake(bench)
    model_scene(bench, "a", a={"visible": True})
    prepared = prepare(bench, "a", fake.url)
    fake.drop_answer = True
    confirm(bench, "a", fake.url, prepared, "--builder", fake.url, code=1)
    assert len(fake.deployed) == 1 and not fake.unlinked
    again = confirm(bench, "a", fake.url, prepared, "--builder", fake.url)
    assert again["already"] and len(fake.deployed) == 1 and len(fake.unlinked) == 1
    assert confirm(bench, "a", fake.url, prepared, "--builder", fake.url)["already"]
    assert len(fake.unlinked) == 1


def test_limits_and_mistakes(bench):
    fake = Fake(bench)
    model_scene(bench, "a", a={"assetId": "big"})
    many = {f"{i}.png": cid(b"x") for i in range(250)}
    fake.files[cid(b"x")] = b"x"
    fake.assets = [{"id": "big", "model": "0.png", "contents": many}]
    result = prepare(bench, "a", fake.url, "--builder", fake.url, code=1)
    assert b"files" in result.err and b"allowed" in result.err, result.err
    assert prepare(bench, "a", fake.url, "--builder", fake.url, "--parcels", "0,0;0,1")["missing"] == []
    heavy = [bytes([i]) * 250000 for i in range(80)]
    fake.files.update({cid(h): h for h in heavy})
    fake.assets = [{"id": "big", "model": "0.png", "contents": {f"{i}.bin": cid(h) for i, h in enumerate(heavy)}}]
    result = prepare(bench, "a", fake.url, "--builder", fake.url, code=1)
    assert b"15728640 are allowed" in result.err, result.err
    for parcels, words in {"0,1": b"not among", "0,0;2,2": b"next to each other", "x": b"no parcel"}.items():
        assert words in prepare(bench, "a", fake.url, "--parcels", parcels, code=1).err
    bench.write("t.png", "no picture")
    assert b"no PNG" in prepare(bench, "a", fake.url, "--thumbnail", bench.path("t.png"), code=1).err
    assert bench.verb("publish", "a", "--scene", "here", "--content", fake.url, code=1)
    assert bench.verb("publish", "a", "--content", fake.url, code=2)
    assert bench.verb("publish", "a", "--scene", "0,0", "--content", fake.url, "--auth-chain", bench.path("t.png"), code=2)
    assert bench.verb("publish", "a", "--scene", "0,0", "--content", fake.url, "--header", "none", code=2)
    kept = list((bench.path("a") / "publish").iterdir())
    assert len(kept) == 1, kept  # the one that was good
    assert not fake.deployed


def test_servers_that_fail(bench):
    fake = Fake(bench)
    model_scene(bench, "a", a={"assetId": "x"})
    prepare(bench, "a", "http://127.0.0.1:1", code=1)
    fake.break_path = "/content/entities/active"
    assert b"503" in prepare(bench, "a", fake.url, code=1).err
    fake.break_path = "/v1/assets"
    prepared = prepare(bench, "a", fake.url, "--builder", fake.url)
    assert any("503" in w for w in prepared["warnings"]) and prepared["missing"], prepared
    fake.break_path = "/content/available-content"
    confirm(bench, "a", fake.url, prepared, code=1)
    fake.break_path = None
    for rubbish in ({}, [7], [{"id": 1}], [{"id": "x", "pointers": ["9,9"]}], [{"id": "x", "pointers": 7}]):
        posted, fake.post = fake.post, lambda request, url, body: request.reply(rubbish)
        result = prepare(bench, "a", fake.url, code=1)
        assert b"content server" in result.err, (rubbish, result.err)
        fake.post = posted
    assert not fake.deployed


def test_while_a_node_holds_the_store(bench):
    fake = Fake(bench)
    model_scene(bench, "a", a={"visible": True})
    node = bench.node("a")
    prepared = prepare(bench, "a", fake.url)
    confirm(bench, "a", fake.url, prepared)
    bench.verb("add", "a", "lamp")
    prepared = prepare(bench, "a", fake.url)
    bench.verb("add", "a", "lamp2")
    assert b"has changed" in confirm(bench, "a", fake.url, prepared, code=1).err
    assert node.stop() == 0
    assert len(fake.deployed) == 1


def test_the_place_is_the_scenes_name(bench):
    fake = Fake(bench)
    bench.write("s.json", {"schemaVersion": 1, "entities": []})
    bench.verb("import", "a", bench.path("s.json"), "--scene", "-3,14")
    for node in (None, bench.node("a")):
        told = bench.verb("publish", "a", "--content", fake.url, "--json").json[0]["prepared"]
        assert told["pointers"] == ["-3,14"], told
    bench.verb("import", "b", bench.path("s.json"), "--scene", "Village")
    assert b"--scene X,Y" in bench.verb("publish", "b", "--content", fake.url, code=2).err


class Worker(Servers):
    """An edition worker that is asked over HTTP."""

    def __init__(self, bench, *arguments):
        self.process = subprocess.Popen(
            [PROGRAM, "worker", "--scene", "0,0", "--store", str(bench.path("w")), "--http", "127.0.0.1:0",
             "--listen", "tcp://127.0.0.1:0", "--no-discover", "--json", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        bench.nodes.append(self)
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                self.url = event["http"]
                return
        raise AssertionError(self.process.stderr.read().decode())

    def ask(self, path, body, token):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"Authorization": f"Bearer {token}"} if token else {})
        try:
            with urllib.request.urlopen(request, timeout=WAIT) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read())


def test_through_a_worker(bench):
    """Roles are asked for at each step; a living scene is published as it was prepared, or not at all."""
    fake = Fake(bench)
    tokens = {}
    for role in ("edit", "publish", "admin"):
        tokens[role] = bench.command("access", "add", "--file", bench.path("access.json"), role, "--role",
                                     role).out.decode().strip()
    worker = Worker(bench, "--content", fake.url, "--access", bench.path("access.json"))
    await_until(lambda: bench.command("add", "--store", bench.path("w"), "lamp").code == 0, "the scene is there")
    for token in (None, "ss1_forged", tokens["edit"]):
        for path in ("/v1/publish", "/v1/unpublish"):
            status, answer = worker.ask(path, {}, token)
            assert status in (401, 403) and not answer["ok"], (path, status, answer)
    assert worker.ask("/v1/unpublish", {}, tokens["publish"])[0] == 403
    status, answer = worker.ask("/v1/publish", {"title": "Lamp", "parcels": "0,0;1,0"}, tokens["publish"])
    prepared = answer["prepared"]
    assert status == 200 and prepared["pointers"] == ["0,0", "1,0"], answer
    bench.verb("add", "w", "table")
    wish = {"confirm": prepared["id"], "authChain": chain(prepared["sign"])}
    status, answer = worker.ask("/v1/publish", wish, tokens["publish"])
    assert status == 409 and "changed" in answer["error"], answer
    assert worker.ask("/v1/publish", {**wish, "asPrepared": True}, tokens["edit"])[0] == 403
    assert not fake.deployed
    status, answer = worker.ask("/v1/publish", {**wish, "asPrepared": True}, tokens["publish"])
    assert status == 200 and answer["published"]["entityId"] == prepared["sign"], answer
    state = next(f["hash"] for f in prepared["files"] if f["file"] == "scene-state-definition.json")
    assert b"lamp" in fake.files[state] and b"table" not in fake.files[state]
    for wish in ({"confirm": 7}, {"confirm": "x", "authChain": 7}, {"screenshot": "%%"}, {"parcels": "9,9"}):
        status, answer = worker.ask("/v1/publish", wish, tokens["admin"])
        assert status in (400, 404) and not answer["ok"], (wish, status, answer)
    status, answer = worker.ask("/v1/unpublish", {}, tokens["admin"])
    assert status == 200 and answer["prepared"]["kind"] == "unpublish"
    assert len(fake.deployed) == 1
    assert worker.stop() == 0


if __name__ == "__main__":
    sys.exit(run_tests("publish", dict(globals())))
