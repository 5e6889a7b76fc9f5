#!/usr/bin/env python3
"""The embedded content and Builder servers over real HTTP: every call, every refusal, kill -9."""

import base64
import hashlib
import http.client
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

from harness import PROGRAM, WAIT, Skip, await_until, canonical, own_url, run_tests, shared

ANA = "0x" + "aA" * 20
BEN = "0x" + "bB" * 20
ID = "116570f2-8bdc-4887-a0fd-11ed8d5c8f20"
OTHER = "216570f2-8bdc-4887-a0fd-11ed8d5c8f20"
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
JPEG = b"\xff\xd8\xff" + b"picture"


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def cid(content, chunk=262144):
    """CIDv1, raw leaves, from the specifications (UnixFS, DAG-PB)."""
    def multihash(block):
        return b"\x12\x20" + hashlib.sha256(block).digest()

    level = [(b"\x01\x55" + multihash(content[i:i + chunk]), len(content[i:i + chunk]), len(content[i:i + chunk]))
             for i in range(0, max(1, len(content)), chunk)]
    while len(level) > 1:
        above = []
        for i in range(0, len(level), 174):
            links = level[i:i + 174]
            node = b""
            for name, _, dag_size in links:
                link = b"\x0a" + varint(len(name)) + name + b"\x12\0\x18" + varint(dag_size)
                node += b"\x12" + varint(len(link)) + link
            size = sum(link[1] for link in links)
            data = b"\x08\x02\x18" + varint(size) + b"".join(b"\x20" + varint(link[1]) for link in links)
            node += b"\x0a" + varint(len(data)) + data
            above.append((b"\x01\x70" + multihash(node), size, len(node) + sum(link[2] for link in links)))
        level = above
    return "b" + base64.b32encode(level[0][0]).decode().lower().rstrip("=")


def multipart(parts, boundary="----ForTheTest"):
    """[(name, file name or None, content)] as a body and its type."""
    body = b""
    for name, file_name, content in parts:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        body += f'; filename="{file_name}"'.encode() if file_name else b""
        body += b"\r\n\r\n" + (content if isinstance(content, bytes) else content.encode()) + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def iso(seconds_from_now):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + seconds_from_now))


def chain(signed, owner=ANA, ephemeral=True, expires=3600):
    links = [{"type": "SIGNER", "payload": owner, "signature": ""}]
    if ephemeral:
        links.append({"type": "ECDSA_EPHEMERAL", "signature": "0x1234", "payload":
                      f"Decentraland Login\nEphemeral address: {BEN}\nExpiration: {iso(expires)}"})
    return links + [{"type": "ECDSA_SIGNED_ENTITY", "payload": signed, "signature": "0xabcd"}]


def signed_headers(method, path, owner=ANA, links=None, **more):
    links = links or chain(f"{method.lower()}:{path}", owner, **more)
    return {f"x-identity-auth-chain-{i}": json.dumps(link) for i, link in enumerate(links)}


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Servers:
    def __init__(self, bench, name="servers", *arguments, http="127.0.0.1:0", limit=None, under=(), environment=None):
        self.dir = bench.path(name)
        self.process = subprocess.Popen(
            [*under, PROGRAM, "servers", "--dir", str(self.dir), "--http", http, "--json", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None)
        bench.nodes.append(self)
        self.events = []
        self.url = None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == "ready":
                self.url = self.events[-1]["http"]
                break
        assert self.url, self.process.stderr.read().decode()
        self.host, _, port = self.url.removeprefix("http://").rpartition(":")
        self.port = int(port)

    def call(self, method, path, body=None, headers=None, host=None):
        connection = http.client.HTTPConnection(host or self.host, self.port, timeout=WAIT)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection.request(method, path, body=body, headers=headers or {})
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def ask(self, *pointers):
        answer = self.call("POST", "/content/entities/active", {"pointers": list(pointers)})
        assert answer.status == 200, answer.body
        return answer.json

    def deploy(self, package, **more):
        body, kind = package.form()
        return self.call("POST", "/content/entities", body, {"Content-Type": kind}, **more)

    def put(self, path, body, headers=None, **more):
        return self.call("PUT", path, body, headers, **more)

    def manifest(self, project=ID, headers=None, host=None):
        """Follow the redirect, as clients do."""
        answer = self.call("GET", f"/v1/projects/{project}/manifest", headers=headers, host=host)
        if answer.status == 301:
            answer = self.call("GET", answer.headers["location"], host=host)
        return answer

    def listing(self):
        """All files and what is in them."""
        return {str(path.relative_to(self.dir)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(self.dir.rglob("*")) if path.is_file()}

    def refuses(self, status, answer_of, says=""):
        """It answers so, with a reason, and not a file has changed."""
        before = self.listing()
        answer = answer_of()
        assert answer.status == status, (answer.status, answer.body[:300])
        assert answer.json["ok"] is False and says in answer.json["error"], answer.body[:300]
        assert self.listing() == before, "files changed"
        return answer

    def kill(self):
        self.process.kill()
        self.process.communicate(timeout=WAIT)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=WAIT)
        self.errors = self.process.stderr.read().decode()
        assert code == 0 and "Sanitizer" not in self.errors, (code, self.errors)


class Package:
    """A scene to be deployed."""

    def __init__(self, pointers=("0,0",), files=None, age=0, **entity):
        self.files = files if files is not None else {"bin/game.js": b"// nothing", "scene.json": b"{}"}
        self.entity = {
            "version": "v3", "type": "scene", "pointers": list(pointers), "timestamp": int((time.time() - age) * 1000),
            "content": [{"file": name, "hash": cid(content)} for name, content in self.files.items()],
            "metadata": {"main": "bin/game.js", "display": {"title": "ünïcode \U0001f600"},
                         "scene": {"base": pointers[0], "parcels": list(pointers)}},
        }
        self.entity.update(entity)
        self.uploads = {cid(content): content for content in self.files.values()}
        self.links = None
        self.seal()

    def seal(self):
        self.text = json.dumps(self.entity).encode()
        self.id = cid(self.text)
        return self

    def form(self):
        links = self.links if self.links is not None else chain(self.id)
        parts = [("entityId", None, self.id)]
        for i, link in enumerate(links):
            parts += [(f"authChain[{i}][{key}]", None, link[key]) for key in link]
        files = {self.id: self.text, **self.uploads}
        return multipart(parts + [(name, name, content) for name, content in files.items()])


def project(**more):
    return {"id": ID, "title": "t", "description": "d", "scene_id": OTHER, "cols": 1, "rows": 1, **more}


def manifest(number=0, **more):
    return {"manifest": {"version": 10, "project": project(**more),
                         "scene": {"entities": {"e": {"id": "e", "number": number}}, "components": {}, "extra": None}}}


# ---- the content server ----

def test_deploy_and_ask(bench):
    servers = Servers(bench)
    package = Package(["0,0", "0,1"], {"bin/game.js": b"x", "models/big.glb": bytes(range(256)) * 3000, "empty": b""})
    answer = servers.deploy(package)
    assert answer.status == 200, answer.body
    assert abs(answer.json["creationTimestamp"] - time.time() * 1000) < 60000
    expected = dict(package.entity, id=package.id)
    for round in range(2):
        assert canonical(servers.ask("0,0")) == canonical([expected])
        assert servers.ask("0,1", "0,0", "7,7", "nonsense") == servers.ask("0,0")
        assert servers.call("POST", "/content/entities/active", {"ids": [package.id, "x"]}).json == servers.ask("0,0")
        assert servers.get("/content/entities/scene?pointer=0%2C1").json == servers.ask("0,0")
        assert servers.get(f"/content/entities/scene?pointer=9,9&id={package.id}").json == servers.ask("0,0")
        for name, content in package.files.items():
            answer = servers.get(f"/content/contents/{cid(content)}")
            assert answer.status == 200 and answer.body == content, name
            assert answer.headers["content-type"] == "application/octet-stream"
            assert "immutable" in answer.headers["cache-control"]
        head = servers.call("HEAD", f"/content/contents/{cid(b'x')}")
        assert head.status == 200 and head.headers["content-length"] == "1" and head.body == b""
        assert servers.get(f"/v1/storage/contents/{package.id}").body == package.text
        servers.stop()
        servers = Servers(bench)
    assert servers.get("/about").json["healthy"] is True
    assert servers.get("/content/status").json["entities"] == 1
    assert servers.get("/v1/health").json["ok"] is True


def test_available_content(bench):
    servers = Servers(bench)
    package = Package()
    servers.deploy(package)
    names = [package.id, cid(b"// nothing"), cid(b"something else"), "nonsense", ".."]
    answer = servers.get("/content/available-content?" + "&".join(f"cid={name}" for name in names))
    assert answer.json == [{"cid": n, "available": i < 2} for i, n in enumerate(names)], answer.body
    many = "&".join(f"cid={cid(str(i).encode())}" for i in range(90))
    answer = servers.get("/content/available-content?" + many)
    assert answer.status == 200 and len(answer.json) == 90
    servers.refuses(400, lambda: servers.get("/content/available-content"))


def test_a_newer_entity_replaces(bench):
    servers = Servers(bench)
    wide = Package(["0,0", "0,1", "0,2"], age=60)
    narrow = Package(["0,1"], {"f": b"new"}, age=30)
    assert servers.deploy(wide).status == 200
    assert servers.deploy(narrow).status == 200
    assert [e["id"] for e in servers.ask("0,0", "0,1", "0,2")] == [narrow.id]
    assert servers.call("POST", "/content/entities/active", {"ids": [wide.id]}).json == []
    servers.refuses(400, lambda: servers.deploy(Package(["0,2"], age=90)), "newer entity")
    again = servers.deploy(wide)
    assert again.status == 200, "what is there already is no error"
    assert [e["id"] for e in servers.ask("0,0", "0,1", "0,2")] == [narrow.id]
    same = Package(["0,1"], {"f": b"other"}, timestamp=narrow.entity["timestamp"])
    winner = max(same.id, narrow.id)
    assert servers.deploy(same).status == (200 if winner == same.id else 400)
    assert [e["id"] for e in servers.ask("0,1")] == [winner]


def test_questions_that_are_refused(bench):
    servers = Servers(bench)
    for body in ["", "{", "[]", "{}", '{"pointers":[]}', '{"pointers":"0,0"}', '{"pointers":[5]}',
                 '{"pointers":["0,0"],"ids":["x"]}', json.dumps({"pointers": [f"{i},0" for i in range(201)]}),
                 json.dumps({"ids": ["x" * 129]}), '{"pointers":["\\ud800"]}', "[" * 500]:
        servers.refuses(400, lambda: servers.call("POST", "/content/entities/active", body))
    assert servers.ask(*[f"{i},0" for i in range(200)]) == []
    servers.refuses(400, lambda: servers.get("/content/entities/scene"))
    servers.refuses(404, lambda: servers.get(f"/content/contents/{cid(b'nobody')}"))
    servers.refuses(404, lambda: servers.get("/content/nothing"))
    servers.refuses(404, lambda: servers.get("/"))
    servers.refuses(405, lambda: servers.call("DELETE", "/content/entities"))
    servers.refuses(405, lambda: servers.put("/content/contents/x", "y"))


def test_deployments_that_are_refused(bench):
    servers = Servers(bench)
    assert servers.deploy(Package(["9,9"])).status == 200

    def change(says="", status=400, change_package=None, **entity):
        package = Package(**entity)
        if change_package:
            change_package(package)
        servers.refuses(status, lambda: servers.deploy(package), says)

    change("version", version="v4")
    change("type", type="profile")
    change("timestamp", timestamp="now")
    change("older than 20 minutes", age=21 * 60)
    change("15 minutes in the future", age=-16 * 60)
    change("not a pointer", pointers=["0,0"], metadata={"main": "m", "scene": {"base": "0,0", "parcels": ["0,0", "0,1"]}})
    change("metadata", metadata=None)
    change("parcel", pointers=["0,0", "0,0"])
    change("parcel", pointers=["a,b"])
    change("content", content=None)
    change("CID", content=[{"file": "f", "hash": "../../../etc/passwd"}])
    change("neither here nor uploaded", files={"f": b"new"}, change_package=lambda p: p.uploads.clear())
    change("does not name it", change_package=lambda p: p.uploads.update({cid(b"more"): b"more"}))
    change("another hash", change_package=lambda p: p.uploads.update({cid(b"{}"): b"[]"}))
    change("named by its hash", change_package=lambda p: p.uploads.update({"scene.json": b"{}"}))
    change("two links", change_package=lambda p: setattr(p, "links", []))
    change("begin with SIGNER", change_package=lambda p: setattr(p, "links", chain(p.id)[1:]))
    change("something else", change_package=lambda p: setattr(p, "links", chain("other")))
    change("expired", change_package=lambda p: setattr(p, "links", chain(p.id, expires=-60)))
    change("address", change_package=lambda p: setattr(p, "links", chain(p.id, owner="0x123")))
    change("two links", change_package=lambda p: setattr(p, "links", chain(p.id)[:1]))
    body, kind = Package().form()
    post = lambda body, kind: servers.call("POST", "/content/entities", body, {"Content-Type": kind} if kind else {})
    servers.refuses(400, lambda: post(body, "application/json"), "multipart")
    servers.refuses(400, lambda: post(body, None), "multipart")
    servers.refuses(400, lambda: post(body[:-10], kind), "boundary")
    servers.refuses(400, lambda: post(b"", kind))
    servers.refuses(400, lambda: post(os.urandom(3000), kind))
    half, _ = multipart([("entityId", None, Package().id)])
    servers.refuses(400, lambda: post(half, kind), "not among the uploads")
    for bad in ["", "x", "../" * 20]:
        named, _ = multipart([("entityId", None, bad)])
        servers.refuses(400, lambda: post(named, kind), "entityId")
    twice, _ = multipart([("entityId", None, Package().id)] * 2)
    servers.refuses(400, lambda: post(twice, kind), "twice")
    assert servers.ask("0,0") == [] and len(servers.ask("9,9")) == 1


def test_size_limits(bench):
    servers = Servers(bench, "servers", "--body-max", 20 << 20)
    full = Package(["0,0"], {"f": b"\0" * (15 << 20)})
    assert servers.deploy(full).status == 200
    servers.refuses(400, lambda: servers.deploy(Package(["1,0"], {"f": b"\0" * (15 << 20), "g": b"1"})), "15 MB each")
    two = Package(["1,0", "1,1"], {"f": b"\0" * (15 << 20), "g": b"1"})
    del two.uploads[cid(b"\0" * (15 << 20))]  # is there already
    assert servers.deploy(two).status == 200
    servers.refuses(413, lambda: servers.deploy(Package(["2,0", "2,1"], {"f": b"\1" * (21 << 20)})))


def test_old_entities_with_any_age(bench):
    servers = Servers(bench, "servers", "--any-age")
    real = json.loads(shared("data/scene-json/entity/ADR-79-builder-deployed-entity.json").read_text())
    package = Package(list(real["pointers"]), timestamp=real["timestamp"], metadata=real["metadata"])
    assert servers.deploy(package).status == 200
    [entity] = servers.ask("-47,-99")
    assert entity["metadata"] == real["metadata"] and entity["timestamp"] == real["timestamp"]


# ---- the Builder server ----

def builder_files():
    """The manifests of the shared data, projects in the server's spelling."""
    names = {"isPublic": "is_public", "sceneId": "scene_id", "ethAddress": "eth_address", "createdAt": "created_at",
             "updatedAt": "updated_at", "isTemplate": "is_template", "templateStatus": "template_status"}
    for path in sorted(shared("data/builder").glob("*.json")):
        text = json.loads(path.read_text())
        known = {names.get(key, key): value for key, value in text["project"].items() if key not in ("layout", "userId")}
        known.update(text["project"].get("layout", {}))
        for key in ("created_at", "updated_at"):
            known[key] = str(known[key])
        yield path, dict(text, project=known)


def test_manifests_round_trip(bench):
    servers = Servers(bench)
    count = 0
    for path, given in builder_files():
        place = given["project"]["id"]
        answer = servers.put(f"/v1/projects/{place}/manifest", {"manifest": given})
        assert answer.status == 200, (path, answer.body[:300])
        assert answer.json["ok"] is True and answer.json["data"]["id"] == place
        assert canonical(servers.manifest(place).json) == canonical(given), path
        count += 1
    assert count >= 15
    before = servers.listing()
    servers.stop()
    servers = Servers(bench)
    assert servers.listing() == before
    path, given = list(builder_files())[-1]
    assert canonical(servers.manifest(given["project"]["id"]).json) == canonical(given)


def test_projects_are_put(bench):
    servers = Servers(bench)
    path = f"/v1/projects/{ID}/manifest"
    head = signed_headers("PUT", f"/projects/{ID}/manifest")
    first = servers.put(path, manifest(1, id=OTHER, eth_address=BEN, creation_coords="3,-4"), head)
    assert first.status == 200
    row = first.json["data"]
    assert row["id"] == ID and row["eth_address"] == ANA.lower() and row["creation_coords"] == "3,-4"
    second = servers.put(path, manifest(2), head).json["data"]
    assert second["created_at"] == row["created_at"] and second["creation_coords"] == "3,-4"
    got = servers.manifest().json
    assert got["project"] == project(id=ID, eth_address=ANA.lower()) and got["scene"] == manifest(2)["manifest"]["scene"]
    assert servers.get(f"/v1/projects/{ID}").json["data"] == second
    assert servers.get(f"/v1/projects/{ID.upper()}").json["data"] == second
    assert servers.get("/v1/projects").json == {"ok": True, "data": [second]}
    assert servers.get("/v1/manifests?creation_coords_eq=3,-4").json["data"] == [got]
    assert servers.get("/v1/manifests?creation_coords_eq=3%2C-4").json["data"] == [got]
    assert servers.get("/v1/manifests?creation_coords_eq=3,4").json["data"] == []
    answer = servers.put(f"/v1/projects/{ID}", {"project": project(title="renamed")}, signed_headers("PUT", f"/projects/{ID}"))
    assert answer.json["data"]["title"] == "renamed" and servers.manifest().json["project"]["title"] == "t"
    unlink = servers.call("DELETE", "/v1/projects/3,-4/coords", headers=signed_headers("DELETE", "/projects/3,-4/coords"))
    assert unlink.json["ok"] and servers.get("/v1/manifests?creation_coords_eq=3,-4").json["data"] == []
    gone = servers.call("DELETE", path, headers=signed_headers("DELETE", f"/projects/{ID}/manifest"))
    assert gone.json == {"ok": True, "data": True}
    assert servers.manifest().status == 404 and servers.get(f"/v1/projects/{ID}").status == 200
    gone = servers.call("DELETE", f"/v1/projects/{ID}", headers=signed_headers("DELETE", f"/projects/{ID}"))
    assert gone.status == 200 and servers.get(f"/v1/projects/{ID}").status == 404
    assert servers.get("/v1/projects").json["data"] == []


def test_manifests_that_are_refused(bench):
    servers = Servers(bench)
    assert servers.put(f"/v1/projects/{ID}/manifest", manifest()).status == 200

    def refused(body, says="", status=400, place=ID):
        servers.refuses(status, lambda: servers.put(f"/v1/projects/{place}/manifest", body), says)

    def without(key):
        body = manifest()
        del body["manifest"]["project"][key]
        return body

    for key in ("id", "title", "description", "scene_id", "cols", "rows"):
        refused(without(key), f"project.{key} is required")
    refused(manifest(isPublic=True), "is_public")
    refused(manifest(more=1), "no property more")
    refused(manifest(**{"x" + "\u00fc" * 40: 1}), "no property x\u00fc")
    refused(manifest(cols="1"), "must be a number")
    refused(manifest(creation_coords=None), "creation_coords")
    refused({"manifest": dict(manifest()["manifest"], more=1)}, "no other property")
    refused({"manifest": dict(manifest()["manifest"], scene={})}, "entities")
    refused({"manifest": dict(manifest()["manifest"], scene={"sdk6": None, "sdk7": None})}, "entities")
    refused({"manifest": []}, "manifest")
    refused({}, "manifest")
    refused("{", "line 1")
    refused('{"manifest":{},"manifest":{}}', "")
    refused(b"\xff\xfe", "")
    refused("", "")
    refused(manifest(), "UUID", place="x")
    refused(manifest(description="x" * (5 << 20)), "5 MB", status=413)
    assert servers.put(f"/v1/projects/{ID}/manifest", manifest(description="x" * ((5 << 20) - 1000))).status == 200
    servers.refuses(400, lambda: servers.put(f"/v1/projects/{ID}", {"manifest": {}}), "project")
    servers.refuses(400, lambda: servers.put(f"/v1/projects/{ID}", {"project": {"id": ID}}), "required")
    servers.refuses(400, lambda: servers.get("/v1/manifests"))
    servers.refuses(400, lambda: servers.get("/v1/manifests?creation_coords_eq=here"))
    servers.refuses(404, lambda: servers.get(f"/v1/projects/{OTHER}/manifest"))
    servers.refuses(404, lambda: servers.call("DELETE", f"/v1/projects/{OTHER}"))
    servers.refuses(404, lambda: servers.get("/v1/nothing"))
    servers.refuses(405, lambda: servers.call("POST", f"/v1/projects/{ID}/manifest", "{}"))
    servers.refuses(405, lambda: servers.call("POST", "/v1/manifests", "{}"))


def test_owners(bench):
    servers = Servers(bench)
    place = f"/projects/{ID}/manifest"
    put = lambda headers: servers.put("/v1" + place, manifest(), headers)
    assert put(None).status == 200, "local"
    assert put(signed_headers("PUT", place)).json["data"]["eth_address"] == ANA.lower()
    servers.refuses(401, lambda: put(None), "somebody else")
    servers.refuses(401, lambda: put(signed_headers("PUT", place, BEN)), "somebody else")
    servers.refuses(401, lambda: servers.manifest(headers=signed_headers("GET", place, BEN)), "somebody else")
    for verb, path in [("DELETE", f"/projects/{ID}"), ("DELETE", place), ("PUT", f"/projects/{ID}/crdt")]:
        servers.refuses(401, lambda: servers.call(verb, "/v1" + path, "x", signed_headers(verb, path, BEN)), "somebody else")
    body, kind = multipart([("thumbnail", "t.png", PNG)])
    servers.refuses(401, lambda: servers.call("POST", f"/v1/projects/{ID}/media", body, dict(
        signed_headers("POST", f"/projects/{ID}/media", BEN), **{"Content-Type": kind})), "somebody else")
    assert servers.get("/v1/projects", headers=signed_headers("GET", "/projects", BEN)).json["data"] == []
    assert len(servers.get("/v1/projects", headers=signed_headers("GET", "/projects")).json["data"]) == 1
    assert servers.manifest(headers=signed_headers("GET", place)).status == 200
    servers.stop()
    servers = Servers(bench)
    servers.refuses(401, lambda: put(signed_headers("PUT", place, BEN)), "somebody else")


def test_auth_chains(bench):
    servers = Servers(bench)
    place = f"/projects/{ID}/manifest"
    put = lambda headers: servers.put("/v1" + place, manifest(), headers)
    now = str(int(time.time() * 1000))

    def stamped(timestamp, metadata="{}", signed=None):
        links = chain(signed or f"put:{place}:{timestamp}:{metadata}".lower())
        return dict(signed_headers("PUT", place, links=links),
                    **{"x-identity-timestamp": timestamp, "x-identity-metadata": metadata})

    assert put(signed_headers("PUT", place)).status == 200
    assert put(signed_headers("PUT", "/v1" + place)).status == 200
    assert put(signed_headers("PUT", place, ephemeral=False)).status == 200
    assert put(stamped(now, '{"intent":"X"}')).status == 200
    late = str(int(now) - 31 * 60000)
    good = signed_headers("PUT", place)
    for says, headers in [
        ("something else", signed_headers("GET", place)),
        ("something else", signed_headers("PUT", f"/projects/{OTHER}/manifest")),
        ("30 minutes", stamped(late)),
        ("something else", stamped(now, signed=f"put:{place}")),
        ("something else", stamped(now, "{}", f"put:{place}:{late}:{{}}")),
        ("expired", signed_headers("PUT", place, expires=-5)),
        ("two links", {k: v for k, v in good.items() if k.endswith("0")}),
        ("gap", {k: v for k, v in good.items() if not k.endswith("1")}),
        ("no JSON", dict(good, **{"x-identity-auth-chain-0": "SIGNER"})),
        ("`type`", dict(good, **{"x-identity-auth-chain-0": "{}"})),
        ("`type`", dict(good, **{"x-identity-auth-chain-0": "5"})),
        ("middle", dict(good, **{"x-identity-auth-chain-3": good["x-identity-auth-chain-1"]})),
        ("gap", dict(good, **{"x-identity-auth-chain-4": good["x-identity-auth-chain-1"]})),
        ("address", signed_headers("PUT", place, "0x12")),
    ]:
        servers.refuses(401, lambda: put(headers), says)


def test_pictures(bench):
    servers = Servers(bench)
    servers.put(f"/v1/projects/{ID}/manifest", manifest(thumbnail="old"))

    def post(parts):
        body, kind = multipart(parts)
        return servers.call("POST", f"/v1/projects/{ID}/media", body, {"Content-Type": kind})

    servers.refuses(404, lambda: servers.get(f"/v1/projects/{ID}/media/thumbnail"))
    assert post([("thumbnail", "x.png", PNG), ("north", "n.jpg", JPEG)]).json["ok"] is True
    answer = servers.get(f"/v1/projects/{ID}/media/thumbnail.png")
    assert answer.body == PNG and answer.headers["content-type"] == "image/png"
    assert servers.get(f"/v1/projects/{ID}/media/north").body == JPEG
    assert servers.get(f"/v1/projects/{ID}").json["data"]["thumbnail"] == "thumbnail.png"
    assert post([("thumbnail", "x.jpg", JPEG)]).status == 200
    assert servers.get(f"/v1/projects/{ID}/media/thumbnail").body == JPEG
    assert servers.get(f"/v1/projects/{ID}").json["data"]["thumbnail"] == "thumbnail.jpeg"
    servers.refuses(400, lambda: post([("thumbnail", "x.svg", b"<svg/>")]), "png or jpeg")
    servers.refuses(400, lambda: post([("north", "x.png", PNG), ("face", "x.png", PNG)]), "thumbnail")
    servers.refuses(400, lambda: post([]), "no picture")
    servers.refuses(413, lambda: post([("north", "x.png", PNG + b"\0" * (5 << 20))]))
    servers.refuses(404, lambda: servers.get(f"/v1/projects/{ID}/media/lock"))
    servers.refuses(404, lambda: servers.get(f"/v1/projects/{ID}/media/south"))
    assert servers.call("DELETE", f"/v1/projects/{ID}").status == 200
    assert list((servers.dir / "media").iterdir()) == []


def test_main_crdt(bench):
    servers = Servers(bench)
    path = f"/v1/projects/{ID}/crdt"
    servers.refuses(404, lambda: servers.put(path, b"x"))
    servers.put(f"/v1/projects/{ID}/manifest", manifest())
    servers.refuses(404, lambda: servers.get(path))
    content = os.urandom(100000)
    assert servers.put(path, content).json["ok"] is True
    assert servers.get(path).body == content
    body, kind = multipart([("crdt", "main.crdt", b"\0\1")])
    assert servers.put(path, body, {"Content-Type": kind}).status == 200
    assert servers.get(path).body == b"\0\1"
    servers.refuses(413, lambda: servers.put(path, b"\0" * ((16 << 20) + 1)))


def test_assets(bench):
    servers = Servers(bench)
    assert servers.get("/v1/assetPacks?owner=default").json == {"ok": True, "data": []}
    assert servers.get("/v1/assets?id=a").json == {"ok": True, "data": []}
    (servers.dir / "assets.json").write_text(json.dumps([{"id": "a", "name": "A"}, {"id": "b"}, 5]))
    (servers.dir / "assetPacks.json").write_text(json.dumps([{"id": "p"}]))
    assert servers.get("/v1/assets?id=a&id=c").json["data"] == [{"id": "a", "name": "A"}]
    assert servers.get("/v1/assets").json["data"] == []
    assert servers.get("/v1/assetPacks").json["data"] == [{"id": "p"}]
    (servers.dir / "assets.json").write_text("{")
    servers.refuses(500, lambda: servers.get("/v1/assets?id=a"))


# ---- both ----

def test_paths_that_lead_elsewhere(bench):
    servers = Servers(bench)
    secret = bench.write("secret", "the hidden words")
    for path in ["/content/contents/../../secret", "/content/contents/..%2f..%2fsecret", f"/content/contents/%2e%2e/{secret}",
                 "/content/contents//etc/passwd", "/v1/storage/contents/..%2flock", "/content/contents/%00",
                 "/v1/storage/projects/..%2f..%2fsecret/manifest.json", "/v1/projects/..%2fsecret/crdt"]:
        connection = http.client.HTTPConnection(servers.host, servers.port, timeout=WAIT)
        connection.putrequest("GET", path, skip_host=False)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        assert response.status in (400, 403, 404), (path, response.status)
        assert b"hidden" not in body, (path, body)
        connection.close()


def other_address():
    """An address of this machine that is not its loopback."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return probe.getsockname()[0]
    except OSError:
        raise Skip("this machine has no other address than its loopback")
    finally:
        probe.close()


def test_other_machines(bench):
    host = other_address()
    if host.startswith("127."):
        raise Skip("this machine has no other address than its loopback")
    place = f"/projects/{ID}/manifest"
    head = signed_headers("PUT", place)
    closed = Servers(bench, "closed", http="0.0.0.0:0")
    closed.refuses(403, lambda: closed.deploy(Package(), host=host), "--open")
    closed.refuses(403, lambda: closed.put("/v1" + place, manifest(), head, host=host), "--open")
    closed.refuses(401, lambda: closed.get("/v1/projects", host=host), "sign")
    assert closed.call("POST", "/content/entities/active", {"pointers": ["0,0"]}, host=host).json == []
    opened = Servers(bench, "open", "--open", http="0.0.0.0:0")
    assert opened.deploy(Package(), host=host).status == 200
    opened.refuses(401, lambda: opened.put("/v1" + place, manifest(), host=host), "sign")
    assert opened.put("/v1" + place, manifest(), head, host=host).status == 200
    assert opened.manifest(headers=signed_headers("GET", place), host=host).status == 200
    opened.refuses(403, lambda: opened.get(f"/v1/storage/projects/{ID}/manifest.json", host=host))
    opened.refuses(403, lambda: opened.get(f"/v1/storage/projects/{ID}/manifest.json?key={'0' * 32}", host=host))
    opened.refuses(401, lambda: opened.manifest(headers=signed_headers("GET", place, BEN), host=host))


def test_restart_at_the_same_address(bench):
    servers = Servers(bench, http=own_url().removeprefix("tcp://"))  # nobody takes it in between
    assert servers.deploy(Package()).status == 200
    open_connection = http.client.HTTPConnection(servers.host, servers.port, timeout=WAIT)
    open_connection.request("GET", "/about")
    open_connection.getresponse().read()
    for round in range(3):
        port = servers.port
        servers.kill()
        servers = Servers(bench, http=f"127.0.0.1:{port}")
        assert servers.port == port and len(servers.ask("0,0")) == 1


def test_nobody_reads_what_it_says(bench):
    """Lines about writes fill the pipe; callers are answered all the same."""
    servers = Servers(bench)
    path = "/v1/projects/" + "x" * 900
    for _ in range(200):
        assert servers.put(path, "{}").status == 400
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(json.loads(line) for line in servers.process.stdout))
    reader.start()
    # Once there is room again, it tells how many lines were lost.
    end = time.monotonic() + WAIT
    while not any(line["event"] == "missed" for line in lines) and time.monotonic() < end:
        servers.put(path, "{}")
    servers.stop()
    reader.join()
    said = sum(line.get("count", 1) if line["event"] == "missed" else 1 for line in lines)
    assert any(line["event"] == "missed" and line["count"] > 10 for line in lines), len(lines)
    assert said >= 200 and {line["event"] for line in lines} == {"refused", "missed"}


def test_one_server_a_folder(bench):
    servers = Servers(bench)
    result = bench.command("servers", "--dir", servers.dir, "--http", "127.0.0.1:0")
    assert result.code == 1 and b"another server" in result.err
    result = bench.command("servers", "--dir", bench.path("x"), "--http", f"127.0.0.1:{servers.port}")
    assert result.code == 1, "the address is in use"
    result = bench.command("servers", "--http", "127.0.0.1:0")
    assert result.code == 2
    servers.stop()


def test_seeds(bench):
    builder = shared("data/builder/v7-Tile1M_01.builder.json")
    state = shared("data/state/Tile1M_01.scene-state-definition.json")
    composite = shared("data/composite/scenes/Cozy-House-Template.composite.json")
    wide = json.loads(builder.read_text())
    wide["project"]["layout"] = {"rows": 2, "cols": 3}
    wide_file = bench.write("wide.json", wide)
    seeds = ["--project", f"{ID}={builder}", "--deploy", f"0,0={builder}", "--deploy", f"5,5={state}",
             "--deploy", f"-6,6={composite}", "--deploy", f"10,10={wide_file}"]
    servers = Servers(bench, "servers", *seeds)
    assert [e["event"] for e in servers.events] == ["project"] + ["deployed"] * 4 + ["ready"]
    for pointer, path, name in [("0,0", builder, "builder.json"), ("5,5", state, "scene-state-definition.json"),
                                ("-6,6", composite, "main.composite")]:
        [entity] = servers.ask(pointer)
        files = {f["file"]: f["hash"] for f in entity["content"]}
        assert servers.get(f"/content/contents/{files[name]}").body == path.read_bytes()
        assert json.loads(servers.get(f"/content/contents/{files['scene.json']}").body) == entity["metadata"]
    [entity] = servers.ask("11,12")
    assert sorted(entity["pointers"]) == sorted(f"{x},{y}" for x in (10, 11) for y in (10, 11, 12))
    assert entity["metadata"]["source"]["layout"] == {"rows": 2, "cols": 3}
    given = json.loads(builder.read_text())
    stored = servers.manifest().json
    assert stored["project"]["scene_id"] == given["project"]["sceneId"] and canonical(stored["scene"]) == canonical(given["scene"])
    before = servers.listing()
    servers.stop()
    servers = Servers(bench, "servers", *seeds)
    assert servers.listing() == before and len(servers.events) == 1, "what is there stays"
    servers.stop()
    broken = bench.write("broken.json", '{"schemaVersion":1,\n "entities":5}')
    for seed, says in [(("--deploy", f"1,1={broken}"), "line 2"), (("--deploy", f"here={state}"), "X,Y"),
                       (("--deploy", "1,1=/nowhere"), "No such file"), (("--project", f"{ID[:-1]}={builder}"), "UUID"),
                       (("--project", f"{OTHER}={state}"), "manifest")]:
        result = bench.command("servers", "--dir", servers.dir, *seed)
        assert result.code == 1 and says in result.err.decode(), (seed, result.err)
    assert bench.command("servers", "--dir", servers.dir, "--deploy", "1,1").code == 2
    assert servers.listing() == before


def test_a_full_disk(bench):
    for number, arguments in enumerate([dict(limit=30000), dict()]):
        more = [] if arguments else ["--size-max", 30000]
        servers = Servers(bench, f"full{number}", *more, **arguments)
        assert servers.deploy(Package()).status == 200
        assert servers.put(f"/v1/projects/{ID}/manifest", manifest(1)).status == 200
        large = Package(["1,1"], {"a": b"small", "b": os.urandom(40000)})
        servers.refuses(507, lambda: servers.deploy(large))
        servers.refuses(507, lambda: servers.put(f"/v1/projects/{ID}/manifest", manifest(2, description="x" * 40000)))
        servers.refuses(507, lambda: servers.put(f"/v1/projects/{OTHER}/manifest", manifest(2, description="x" * 40000)))
        servers.refuses(507, lambda: servers.put(f"/v1/projects/{ID}/crdt", b"\0" * 40000))
        assert servers.ask("1,1") == [] and servers.manifest().json["scene"]["entities"]["e"]["number"] == 1
        assert servers.deploy(Package(["2,2"])).status == 200, "it goes on"
        servers.stop()


def test_synced_before_it_is_answered(bench):
    """Each file is synced before it is renamed, its folder after that, and then comes the answer."""
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    trace = bench.path("trace")
    under = ["strace", "-f", "-o", str(trace), "-e", "trace=openat,renameat,fsync,sendto,write,close"]
    if subprocess.run([*under, "true"], capture_output=True).returncode != 0:
        raise Skip("strace may not be used here")
    servers = Servers(bench, under=under, environment=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    tracer = servers.process.pid  # ends when what it traces does
    traced = int(Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split()[0])
    try:
        place = f"/v1/projects/{ID}/manifest"
        body, kind = multipart([("thumbnail", "x.png", PNG)])
        assert servers.deploy(Package()).status == 200
        assert servers.put(place, manifest()).status == 200
        assert servers.put(f"/v1/projects/{ID}/crdt", b"x").status == 200
        assert servers.call("POST", f"/v1/projects/{ID}/media", body, {"Content-Type": kind}).status == 200
    finally:
        os.kill(traced, signal.SIGTERM)
    servers.process.communicate(timeout=WAIT)
    dirty, unsynced, renames, answers = {}, set(), 0, 0
    for line in trace.read_text(errors="replace").splitlines():
        call = re.search(r"(openat|renameat|fsync|sendto|write|close)\((.*)", line)
        if not call:
            continue
        name, rest = call.groups()
        opened = re.search(r'^(\d+), "(\d+)", O_WRONLY.* = (\d+)$', rest) if name == "openat" else None
        if opened:
            dirty[opened.group(2)] = opened.group(3)
        elif name == "fsync":
            number = rest.split(")")[0]
            dirty = {file: fd for file, fd in dirty.items() if fd != number}
            unsynced.discard(number)
        elif name == "renameat":
            file, folder = re.search(r'"(\d+)", (\d+),', rest).groups()
            assert file not in dirty, f"renamed before it was synced: {line}"
            unsynced.add(folder)
            renames += 1
        elif "HTTP/1.1 2" in rest:
            assert not dirty and not unsynced, f"answered too early: {line}"
            answers += 1
    assert renames == 8 and answers == 4, (renames, answers)


class Writer(threading.Thread):
    """Deploys and puts until the server is gone; remembers what was answered."""

    def __init__(self, servers, name, seed):
        super().__init__()
        self.servers, self.number, self.random = servers, name, random.Random(seed)
        self.project = str(uuid.UUID(int=name + 1))
        self.deployed = []  # (pointer, package), acknowledged
        self.acknowledged = self.sent = 0
        self.failure = None

    def run(self):
        count = 0
        while True:
            count += 1
            try:
                if self.random.random() < 0.5:
                    pointer = f"{self.number},{count}"
                    package = Package([pointer], {"f": self.random.randbytes(self.random.choice([10, 5000, 300000]))})
                    answer = self.servers.deploy(package)
                    self.deployed.append((pointer, package))
                else:
                    self.sent += 1
                    body = manifest(self.sent, description="x" * self.random.choice([10, 100000]))
                    answer = self.servers.put(f"/v1/projects/{self.project}/manifest", body)
                    self.acknowledged = self.sent
                if answer.status != 200:
                    self.failure = answer.body
                    return
            except (OSError, http.client.HTTPException):
                return


def test_kill_minus_nine(bench):
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    print(f"seed {seed}: SEED={seed} SCENESYNC={PROGRAM} tests/cli/test_servers.py test_kill_minus_nine")
    chance = random.Random(seed)
    everything = []
    total = 0
    for round in range(int(os.environ.get("ROUNDS", 8))):
        servers = Servers(bench)
        for writer in everything:
            if writer.sent:
                answer = servers.manifest(writer.project)
                if writer.acknowledged == 0 and answer.status == 404:
                    continue
                assert answer.status == 200, (writer.acknowledged, answer.body)
                got = answer.json["scene"]["entities"]["e"]["number"]
                assert writer.acknowledged <= got <= writer.sent, (writer.acknowledged, got, writer.sent)
            for pointer, package in writer.deployed:
                [entity] = servers.ask(pointer)
                assert entity["id"] == package.id
                for content in package.files.values():
                    assert servers.get(f"/content/contents/{cid(content)}").body == content
        assert list((servers.dir / "tmp").iterdir()) == []
        names = {file["hash"] for path in (servers.dir / "entities").iterdir()
                 for file in json.loads((servers.dir / "contents" / path.stem).read_text())["content"]}
        stored = {path.name for path in (servers.dir / "contents").iterdir()}
        assert stored == names | {path.stem for path in (servers.dir / "entities").iterdir()}, "leftovers"
        writers = [Writer(servers, round * 3 + i, chance.random()) for i in range(3)]
        for writer in writers:
            writer.start()
        time.sleep(chance.uniform(0.05, 0.6))  # the moment of the kill is what is random here,
        await_until(lambda: any(w.failure for w in writers) or sum(len(w.deployed) + w.acknowledged for w in writers) >= 3,
                    "something is acknowledged")  # once there is something to lose
        servers.kill()
        for writer in writers:
            writer.join()
            assert writer.failure is None, writer.failure
            total += len(writer.deployed) + writer.acknowledged
        everything += writers
    assert total > 20, total
    print(f"{total} writes were acknowledged in {round + 1} lives, all are there")


def test_many_put_at_once(bench):
    servers = Servers(bench)
    failures = []
    last = {}

    def work(number):
        for i in range(15):
            answer = servers.put(f"/v1/projects/{ID}/manifest", manifest(number * 100 + i, description="y" * 50000))
            got = servers.manifest()
            if answer.status != 200 or got.status != 200 or len(got.json["project"]["description"]) != 50000:
                failures.append((answer.status, got.status))
            answer = servers.deploy(Package([f"{number},{i}"]))
            if answer.status != 200:
                failures.append(answer.body)
        last[number] = number * 100 + 14

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    assert servers.manifest().json["scene"]["entities"]["e"]["number"] in last.values()
    assert len(servers.ask(*[f"{n},{i}" for n in range(8) for i in range(15)])) == 120
    servers.stop()


if __name__ == "__main__":
    sys.exit(run_tests("servers", globals()))
