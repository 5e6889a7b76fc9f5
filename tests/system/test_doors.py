#!/usr/bin/env python3
"""Who may not, cannot: each is tried, refused, changes nothing and is told nothing."""

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from urllib.parse import urlsplit

from content import deploy_state, lamp_scene
from world import WAIT, Skip, call, run_tests, shown

MOVED = {"position": {"x": 3, "y": 1, "z": 4}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
         "scale": {"x": 1, "y": 1, "z": 1}}
SECRETS = (b"lamp1", b"Lamp 1", b"a-lamp", b"models/lamp")


class Guarded:
    """A worker with an access file, and what must stay as it is."""

    def __init__(self, world, role="none", **more):
        self.world = world
        self.file = world.path("access.json")
        self.admin = self.person("Root", "admin")
        servers = world.servers()
        deploy_state(servers, world.scene, lamp_scene())
        self.worker = world.worker("a", "--access", self.file, *more.pop("arguments", ()),
                                   servers=servers, role=role, **more)
        self.worker.token = self.admin
        self.world.wait(lambda: self.worker.status["state"] == "editing", "the scene is there")
        self.before = self.worker.mark

    def person(self, name, role, *more):
        """Put somebody into the access file; their token."""
        out, _ = self.world.run("access", "add", "--file", self.file, name, "--role", role, *more, "--json")
        return json.loads(out)["token"]

    def expire(self, name):
        """What has run out is not made, it comes to be: by hand."""
        access = json.loads(self.file.read_text())
        for person in access["people"]:
            if person["name"] == name:
                person["expires"] = "2020-01-01T00:00:00Z"
        new = self.world.path("access.new")
        new.write_text(json.dumps(access))
        new.chmod(self.file.stat().st_mode & 0o777)
        new.replace(self.file)  # whole at any moment

    def set_role(self, name, role):
        if role == "none":
            self.world.run("access", "remove", "--file", self.file, name)
        else:
            self.world.run("access", "role", "--file", self.file, name, role)

    def unchanged(self):
        assert self.worker.mark == self.before, (self.worker.mark, self.before)


def refused(world, where, *statuses, **more):
    """This renderer is not let in, and learns nothing."""
    renderer = world.renderer(where, ready=False, reconnect=False, **more)
    world.wait(lambda: renderer.socket.closed or renderer.socket.status, "an answer")
    world.wait(lambda: renderer.socket.closed, "it is closed")
    assert renderer.socket.status in statuses, (renderer.socket.status, renderer.socket.refusal)
    tells_nothing(renderer.socket.refusal)
    assert renderer.model == {} and renderer.events == []


def tells_nothing(text):
    found = [s for s in SECRETS if s in text]
    assert not found, (found, text[:500])


def all_edits(renderer):
    """One of each kind of edit; the ids."""
    return [
        renderer.add("new", {"Transform": MOVED}), renderer.set("lamp1", "Transform", MOVED),
        renderer.say("RemoveComponent", {"entityId": "lamp2", "componentId": 300}), renderer.remove("lamp3"),
        renderer.say("Undo", {}), renderer.say("Redo", {}), renderer.say("SaveSceneState", {}),
        renderer.say("SaveProjectInfo", {"title": "mine", "description": "", "screenshot": ""}),
        renderer.say("PublishSceneState", {"title": "mine"}),
    ]


def test_view_only(world):
    """Who may look sees all, and every kind of edit is refused and undone at the sender."""
    guarded = Guarded(world)
    eve = world.renderer(guarded.worker, "eve", token=guarded.person("Eve", "view"))
    assert eve.welcome["you"]["name"] == "Eve" and eve.role == "view"
    before = shown(lamp_scene())
    assert eve.model == before
    for number in all_edits(eve):
        answer = eve.answer(number)
        assert (answer["ok"], answer["code"]) == (False, "forbidden"), (eve.sent[number], answer)
    world.wait(lambda: eve.model == before, lambda: f"eve is shown what is true: {eve.model}")
    token = {"Authorization": eve.headers[0][1]}
    for method, path in (("POST", "/v1/save"), ("POST", "/v1/publish"), ("POST", "/v1/unpublish")):
        answer = guarded.worker.call(method, path, {}, token=None, headers=token)
        assert answer.status == 403, (path, answer)
    guarded.unchanged()
    assert sum(guarded.worker.status["refused"].values()) >= 9, guarded.worker.status["refused"]


def test_edit_does_not_publish(world):
    """Who may edit may save, not publish; who may publish may not unpublish."""
    guarded = Guarded(world)
    editor, publisher = guarded.person("Ed", "edit"), guarded.person("Pia", "publish")
    assert guarded.worker.call("POST", "/v1/publish", {}, token=editor).status == 403
    assert guarded.worker.call("POST", "/v1/unpublish", {}, token=publisher).status == 403
    ed = world.renderer(guarded.worker, "ed", token=editor)
    answer = ed.answer(ed.say("PublishSceneState", {"title": "mine"}))
    assert (answer["ok"], answer["code"]) == (False, "forbidden"), answer
    guarded.unchanged()


def test_tokens(world):
    """No token, an expired one, forged ones: not let in, told nothing; the loopback does not
    help who shows a wrong one."""
    guarded = Guarded(world, role="edit")
    good = guarded.person("Ana", "edit")
    other = guarded.person("Ben", "view")
    expired = guarded.person("Old", "edit", "--expires", "1")
    guarded.expire("Old")
    kind, number, secret = good.split("_", 2)
    flipped = secret[:-5] + ("A" if secret[-5] != "A" else "B") + secret[-4:]
    forged = ["x", good[:-1], good + "A", f"{kind}_{number}_{flipped}",
              f"{kind}_{number}_{other.split('_', 2)[2]}", f"{kind}__{secret}", "ss1_", "ss1_" + "A" * 4000,
              f"{kind}_{number}_", " ", "%00", "null"]
    for token in [expired, *forged]:
        refused(world, guarded.worker, 401, token=token)
        for path in ("/v1/status", "/v1/snapshot", "/v1/export?format=state", "/v1/code", "/v1/conflicts"):
            answer = guarded.worker.call("GET", path, token=token)
            assert answer.status == 401, (token, path, answer)
            tells_nothing(answer.body)
        for path in ("/v1/save", "/v1/publish", "/v1/unpublish"):
            assert guarded.worker.call("POST", path, {}, token=token).status == 401, (token, path)
    for token in (expired, good + "A" * 4000):
        refused(world, guarded.worker, 401, 414, query="token=" + token)
    # One that runs out while the link is open closes it.
    leaving = world.renderer(guarded.worker, "leaving", token=guarded.person("Leaving", "edit"), reconnect=False)
    guarded.expire("Leaving")
    world.wait(lambda: leaving.socket.closed, "who ran out is shown out")
    assert leaving.socket.close_code == 1008, leaving.socket.close_code
    assert world.renderer(guarded.worker, "ana", token=good).role == "edit"
    assert world.renderer(guarded.worker, "ana2", query=f"token={good}").role == "edit"
    guarded.unchanged()


def test_closed_for_all_others(world):
    """Without an access file and a flag nobody gets in from another address, and with
    --loopback-role none nobody at all."""
    worker = world.worker("a", role="none")
    refused(world, worker, 401)
    assert worker.call("GET", "/v1/status").status == 401
    assert worker.call("GET", "/v1/health").status == 200
    address = own_address()
    open_worker = world.worker("b", "--host", address, role="admin", http="0.0.0.0:0")
    outside = f"http://{address}:{urlsplit(open_worker.http).port}"
    assert call(outside, "GET", "/v1/health").status == 200
    assert call(outside, "GET", "/v1/status").status == 401
    refused(world, outside, 401)


def own_address():
    """An address of this machine that is not the loopback."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address = probe.getsockname()[0]
    except OSError as error:
        raise Skip(f"this machine has no address but the loopback ({error})") from None
    finally:
        probe.close()
    if address.startswith("127."):
        raise Skip("this machine has no address but the loopback")
    return address


def test_foreign_pages(world):
    """A page of another site (Origin) and a name that was bound to this address by another
    (Host): refused at worker, kernel and servers; own and allowed ones are served."""
    guarded = Guarded(world, role="admin", arguments=("--origin", "https://ours.example", "--host", "ours.example"))
    worker = guarded.worker
    worker.token = None
    kernel = world.kernel("kernel")
    servers = world.processes[0]
    port = urlsplit(worker.http).port
    for origin in ("https://evil.example", "http://127.0.0.1.evil.example", f"http://127.0.0.1:{port + 1}", "null",
                   "https://ours.example.evil.example"):
        refused(world, worker, 403, headers=[("Origin", origin)])
        for place, method, path in ((worker, "GET", "/v1/snapshot"), (worker, "POST", "/v1/save"),
                                    (kernel, "POST", f"/scenes/{world.scene}/edit"), (kernel, "GET", "/scenes"),
                                    (servers, "POST", "/content/entities/active")):
            answer = place.call(method, path, {} if method == "POST" else None, token=None, headers={"Origin": origin})
            assert answer.status == 403, (place.name, origin, path, answer)
            tells_nothing(answer.body)
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", ""):
        refused(world, worker, 400, 403, 421, host=host or "x@127.0.0.1")
        for place, path in ((worker, "/v1/snapshot"), (kernel, "/scenes"), (servers, "/content/contents/x")):
            answer = place.call("GET", path, token=None, headers={"Host": host or "x@127.0.0.1"})
            assert answer.status in (400, 403, 421), (place.name, host, path, answer)
            tells_nothing(answer.body)
    assert not kernel.get("/scenes")["scenes"]
    for headers in ([("Origin", worker.http)], [("Origin", "https://ours.example")]):
        assert world.renderer(worker, headers=headers).ready
    assert world.renderer(worker, host=f"localhost:{port}").ready
    refused(world, worker, 401, host="ours.example")  # a proxy's name: not somebody at this machine
    assert world.renderer(worker, host="ours.example", token=guarded.admin).ready
    guarded.worker.token = guarded.admin
    guarded.unchanged()


def test_role_changes_at_once(world):
    """A role that is changed counts at the next message of an open link; one that is taken
    away closes it."""
    guarded = Guarded(world)
    ana = world.renderer(guarded.worker, "ana", token=guarded.person("Ana", "edit"), reconnect=False)
    ana.accepted(ana.set("lamp1", "Transform", MOVED))
    guarded.set_role("Ana", "view")
    world.wait(lambda: ana.role == "view", "ana is told that she may only look")
    mark = guarded.worker.mark
    answer = ana.answer(ana.remove("lamp2"))
    assert (answer["ok"], answer["code"]) == (False, "forbidden"), answer
    assert guarded.worker.mark == mark
    guarded.set_role("Ana", "edit")
    world.wait(lambda: ana.role == "edit", "ana may edit again")
    ana.accepted(ana.remove("lamp2"))
    guarded.set_role("Ana", "none")
    world.wait(lambda: ana.socket.closed, "ana is shown out")
    assert ana.socket.close_code == 1008, (ana.socket.close_code, ana.socket.closed)


def test_a_spoiled_access_file_lets_nobody_in(world):
    guarded = Guarded(world)
    token = guarded.person("Ana", "edit")
    assert guarded.worker.call("GET", "/v1/status", token=token).status == 200
    good = guarded.file.read_text()
    for bad in ("", "{", good.replace('"version"', '"versio"'), "[]", good + "x"):
        guarded.file.write_text(bad)
        world.wait(lambda: guarded.worker.call("GET", "/v1/status", token=token).status == 401,
                   f"nobody is let in: {bad[:40]!r}")
        assert guarded.worker.call("GET", "/v1/status", token=None).status == 401
    assert str(guarded.file) in guarded.worker.errors(), "who runs the worker is told why"
    guarded.file.write_text(good)
    world.wait(lambda: guarded.worker.call("GET", "/v1/status", token=token).status == 200, "all is well again")
    guarded.unchanged()


# ---- peers ----

class Tap:
    """Both ways of a relay, kept."""

    def __init__(self, world, worker):
        self.relay = world.relay(worker)
        self.bytes = bytearray()
        carry = self.relay.carry

        def tapped(source, target):
            class Ear:
                @staticmethod
                def recv(size):
                    data = source.recv(size)
                    self.bytes += data
                    return data

                shutdown = source.shutdown
            carry(Ear, target)
        self.relay.carry = tapped
        self.url = self.relay.url


def key_file(world, name):
    path = world.path(name)
    world.run("key", "-o", path)
    return path


def test_peers_without_the_key(world):
    """A peer without the scene's key, or with another, is not heard and hears nothing; what
    goes over the wire says nothing. The same with the key works."""
    servers = world.servers()
    deploy_state(servers, world.scene, lamp_scene())
    key, other = key_file(world, "key"), key_file(world, "other-key")
    worker = world.worker("a", "--key", key, servers=servers)
    ana = world.renderer(worker, "ana")
    tap = Tap(world, worker)
    for name, arguments in (("none", ()), ("wrong", ("--key", other))):
        node = world.node(name, "--scene", world.scene, "--no-discover", *arguments, peers=[tap.url])
        node.verb("add", "intruder")
        ana.accepted(ana.set("lamp1", "Name", {"value": f"renamed {name}"}))
        world.wait(lambda: node.has("unreachable"), "it is told that it is not answered")
        world.run_for(1.5)  # a beacon later all is as it was
        before = worker.mark
        assert set(node.entities()) == {"intruder"}, (name, node.entities())
        assert "intruder" not in worker.entities and worker.mark == before
        assert not any(p["connected"] and p["actor"] for p in worker.status["peers"] if p.get("heard")), worker.status
        node.stop()
    tells_nothing(bytes(tap.bytes))
    friend = world.node("friend", "--key", key, "--no-discover", peers=[tap.url])
    world.wait(lambda: friend.has("synced"), "a peer with the key is heard")
    assert friend.entities() == worker.entities
    world.wait(lambda: len(tap.bytes) > 2000, "they have spoken")
    tells_nothing(bytes(tap.bytes))
    # Without a key the same wire tells all: this test can fail.
    plain = world.worker("plain", servers=servers)
    # (A whole scene is packed on its way, but a single edit lies open.)
    ana = world.renderer(plain)
    tap = Tap(world, plain)
    node = world.node("reader", "--no-discover", peers=[tap.url])
    world.wait(lambda: node.has("synced"), "the plain node has the scene")
    edits = 0

    def read():
        # (What is edited before it has subscribed comes with an answer, which is packed too.)
        nonlocal edits
        edits += 1
        ana.accepted(ana.set("lamp1", "Name", {"value": f"read by all {edits}"}))
        world.run_for(0.1)
        return b"lamp1" in tap.bytes and b"read by all" in tap.bytes
    world.wait(read, "an edit is read on the wire")


def certificates(world, name):
    """A CA and a certificate of it, made here: {option: file}."""
    folder = world.path(name)
    os.makedirs(folder)

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "2", "-subj", f"/CN={name} CA")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=127.0.0.1")
    openssl("x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "own.pem", "-days", "2")
    return {"--tls-cert": folder / "own.pem", "--tls-key": folder / "own.key", "--tls-ca": folder / "ca.pem",
            "--tls-name": "127.0.0.1"}


def flat(options):
    return [x for pair in options.items() for x in pair]


def test_peers_with_a_wrong_certificate(world):
    """A peer whose certificate another signed, or without any, is not heard and hears nothing."""
    servers = world.servers()
    deploy_state(servers, world.scene, lamp_scene())
    ours, theirs = certificates(world, "ours"), certificates(world, "theirs")
    worker = world.worker("a", *flat(ours), "--listen", "tls+tcp://127.0.0.1:0", servers=servers, listen=False)
    ana = world.renderer(worker, "ana")
    plain_url = worker.url.replace("tls+tcp", "tcp")
    before = worker.mark
    half = dict(theirs, **{"--tls-ca": ours["--tls-ca"]})  # trusts us, is not trusted
    for name, url, arguments in (("stranger", worker.url, flat(theirs)), ("half", worker.url, flat(half)),
                                 ("plain", plain_url, ())):
        node = node_over(world, name, url, arguments)
        node.verb("add", "intruder")
        world.wait(lambda: node.has("unreachable"), "it is told that it is not let in")
        assert set(node.entities()) == {"intruder"}, (name, node.entities())
        assert worker.mark == before, name
        node.stop()
    friend = node_over(world, "friend", worker.url, flat(ours), scene=False)
    world.wait(lambda: friend.has("synced"), "a peer with our certificate is heard")
    assert friend.entities() == worker.entities
    ana.accepted(ana.set("lamp1", "Transform", MOVED))
    world.wait(lambda: friend.entities()["lamp1"]["Transform"] == MOVED, "it follows")


def node_over(world, name, url, arguments, scene=True):
    """A plain node that dials this URL with these options; it listens nowhere."""
    more = ["--scene", world.scene] if scene else []
    return world.node(name, "--no-discover", *more, *arguments, peers=[url], listen=False)


# ---- hostile bytes ----

def raw(place, data, seconds=WAIT):
    """Send these bytes to a process; what comes back until it closes or says enough."""
    parts = urlsplit(place.http)
    with socket.create_connection((parts.hostname, parts.port), timeout=seconds) as link:
        try:
            link.sendall(data)
        except OSError:
            pass  # it may stop reading what is too much
        answer = b""
        try:
            while more := link.recv(65536):
                answer += more
                if status_of(answer) and (b"\r\n\r\n" in answer):
                    break
        except OSError:
            pass
    return answer


def status_of(answer):
    return int(answer.split()[1]) if answer.startswith(b"HTTP/") else None


def request(place, line, *headers):
    host = urlsplit(place.http).netloc
    return "\r\n".join([line, f"Host: {host}", *headers, "", ""]).encode()


def test_limits(world):
    """Bodies, headers and messages that are too large are refused; the worker goes on."""
    guarded = Guarded(world, role="admin")
    worker = guarded.worker
    big = b"{" + b" " * (2 << 20) + b"}"
    answer = raw(worker, request(worker, "POST /v1/save HTTP/1.1", f"Content-Length: {len(big)}",
                                 "Content-Type: application/json") + big)
    assert status_of(answer) == 413, answer[:200]
    answer = raw(worker, request(worker, "POST /v1/save HTTP/1.1", "Content-Length: 99999999999999999999"))
    assert status_of(answer) in (400, 413), answer[:200]
    answer = raw(worker, request(worker, "GET /v1/health HTTP/1.1", "X-Long: " + "a" * 70000))
    assert status_of(answer) in (400, 413, 431, None), answer[:200]
    answer = raw(worker, request(worker, "GET /v1/health HTTP/1.1", *[f"X-{i}: {'b' * 500}" for i in range(200)]))
    assert status_of(answer) in (400, 413, 431, None), answer[:200]
    answer = raw(worker, request(worker, "GET /" + "a" * 60000 + " HTTP/1.1"))
    assert status_of(answer) in (400, 404, 413, 414, 431, None), answer[:200]
    for text in (json.dumps({"x": "y" * (2 << 20)}), "[" * 100000):
        renderer = world.renderer(worker, reconnect=False)
        renderer.socket.send(text)
        world.wait(lambda: renderer.socket.closed or any(not a["ok"] for a in renderer.heard("Answer")),
                   "too much is refused or closed")
        renderer.close()
    ana = world.renderer(worker, "ana")
    many = [ana.event("AddEntity", {"entityId": f"many{i}"}) for i in range(1001)]
    ana.socket.send(json.dumps(many))
    world.wait(lambda: ana.socket.closed or any(not a["ok"] for a in ana.heard("Answer")), "1,001 events are refused")
    guarded.unchanged()
    ben = world.renderer(worker, "ben")
    ben.accepted(ben.set("lamp1", "Transform", MOVED))


def test_nonsense(world):
    """What is no event is refused with a reason; it changes nothing and breaks nothing."""
    guarded = Guarded(world, role="admin")
    worker = guarded.worker
    ana = world.renderer(worker, "ana")
    bad = ["", "x", "{}", "[]", "null", "[[]]", '"x"', "1", '{"eventType":"stateEvent"}', '{"eventType":7,"payload":{}}',
           '{"eventType":"stateEvent","payload":{"type":"SetComponent"}}',
           '{"eventType":"stateEvent","payload":{"type":"Explode","payload":{}}}',
           '{"eventType":"stateEvent","payload":{"type":"AddEntity","payload":{"entityId":7}}}',
           '{"eventType":"stateEvent","payload":{"type":"AddEntity","payload":{"entityId":""}}}',
           '{"eventType":"stateEvent","payload":{"type":"SetComponent","payload":{"entityId":"lamp1","componentId":1}}}',
           '{"eventType":"stateEvent","payload":{"type":"SetComponent","payload":{"entityId":"lamp1","componentId":{},"data":1}}}',
           '{"eventType":"stateEvent","payload":{"type":"AddEntity","payload":{"entityId":"a","components":7}}}',
           '{"eventType":"stateEvent","payload":{"type":"AddEntity","payload":{"entityId":"' + "n" * 70000 + '"}}}',
           '{"eventType":"stateEvent","payload":{"type":"SetComponent","payload":{"entityId":"lamp1","componentId":1,"data":' + "[" * 500 + "]" * 500 + "}}}",
           '{"eventType":"stateEvent","payload":{"type":"AddEntity","payload":{"entityId":"\\ud800"}}}',
           '{"a":1,"a":2}', '{"id":{},"eventType":"stateEvent"}', "\ufeff{}", '{"x":1e999}']
    for text in bad:
        ana.socket.send(text)
        if ana.socket.closed:
            break
    ana.socket.send(b"\x00\x01\xff", 2)
    known = ana.connects
    world.wait(lambda: len([a for a in ana.heard("Answer") if not a["ok"]]) >= len(bad) - 3 or ana.connects > known,
               lambda: f"nonsense is answered: {ana.heard('Answer')}")
    for answer in ana.heard("Answer"):
        assert answer["ok"] or (answer["code"] and answer["error"]), answer
    guarded.unchanged()
    ben = world.renderer(worker, "ben")
    ben.accepted(ben.set("lamp1", "Transform", MOVED))


def test_paths_do_not_escape(world):
    """Paths that climb out of a folder find nothing: at worker, kernel and servers."""
    servers = world.servers()
    deploy_state(servers, world.scene, lamp_scene())
    worker = world.worker("a", servers=servers)
    kernel = world.kernel("kernel", servers=servers)
    world.write("treasure", "SECRET-TREASURE")
    climbs = ["/../treasure", "/../../../../../../etc/passwd", "/%2e%2e/treasure", "/..%2ftreasure", "/%2e%2e%2ftreasure",
              "/.%2e/treasure", "//etc/passwd", "/\\..\\treasure", "/..%5ctreasure", "/%252e%252e/treasure", "/a%00/../treasure",
              "/./../treasure", "/....//treasure", "/%c0%ae%c0%ae/treasure", str(world.path("treasure"))]
    for place, bases in ((worker, ("", "/v1", "/v1/export")), (kernel, ("", "/scenes", "/scenes/0,0")),
                         (servers, ("", "/content", "/content/contents", "/v1/projects", "/v1/storage/contents"))):
        for base in bases:
            for climb in climbs:
                for method in ("GET", "PUT", "DELETE"):
                    answer = raw(place, request(place, f"{method} {base}{climb} HTTP/1.1", "Content-Length: 0"))
                    assert status_of(answer) not in (200, 201), (place.name, method, base + climb, answer[:300])
                    assert b"SECRET" not in answer and b"root:" not in answer, (place.name, base + climb)
        assert place.running
    for scene in ("../x", "..%2fx", "%2e%2e", "a", "1", "1,", "1,2,3", "9999999999,0", "0,0%00", "-", "1e3,0"):
        answer = raw(kernel, request(kernel, f"POST /scenes/{scene}/edit HTTP/1.1", "Content-Length: 0"))
        assert status_of(answer) not in (200, 201, 202), (scene, answer[:300])
    assert world.path("treasure").read_text() == "SECRET-TREASURE"
    assert worker.call("GET", "/v1/health").status == 200


def test_slow_senders_hold_nobody_up(world):
    """Two hundred who send half a request and wait: others are served."""
    worker = world.worker("a")
    parts = urlsplit(worker.http)
    links = []
    try:
        for _ in range(200):
            link = socket.create_connection((parts.hostname, parts.port))
            link.sendall(b"POST /v1/save HTTP/1.1\r\nHost: " + parts.netloc.encode() + b"\r\nContent-Le")
            links.append(link)
        began = time.monotonic()
        assert worker.call("GET", "/v1/health").status == 200
        ana = world.renderer(worker, "ana")
        ana.accepted(ana.add("thing"))
        print(f"doors: served in {time.monotonic() - began:.2f} s beside 200 half requests")
    finally:
        for link in links:
            link.close()


def test_undo_at_the_end(world):
    """Undos that wait when the worker is told to leave: it leaves, as always."""
    worker = world.worker("a")
    ana = world.renderer(worker, "ana")
    last = [ana.set(f"thing{i % 50}", "Name", {"value": str(i)}) for i in range(500)][-1]
    ana.accepted(last)
    ana.socket.send(json.dumps([{"eventType": "stateEvent", "payload": {"type": "Undo", "payload": {}}}] * 300))
    world.wait(lambda: not ana.socket.out, "it is sent")
    worker.stop()


def test_https(world):
    """With a certificate the worker speaks TLS alone: renderers by wss, plain text gets nothing."""
    files = certificates(world, "web")
    worker = world.worker("a", "--http-cert", files["--tls-cert"], "--http-key", files["--tls-key"])
    assert worker.http.startswith("https://"), worker.http
    trust = ssl.create_default_context(cafile=files["--tls-ca"])
    trust.check_hostname = False  # the certificate has no subjectAltName
    host = worker.http.removeprefix("https://")
    upgrade = (f"GET /renderer HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()
    place = host.rsplit(":", 1)
    with socket.create_connection(place, WAIT) as plain, trust.wrap_socket(plain) as link:
        link.sendall(upgrade)
        assert link.recv(4096).startswith(b"HTTP/1.1 101")
    with socket.create_connection(place, WAIT) as link:
        link.sendall(upgrade)
        try:
            assert b" 101 " not in link.recv(4096)
        except ConnectionResetError:
            pass


def test_wrong_words(world):
    """What can never work is said at once, with what to do; nothing keeps trying."""
    worker = world.worker("a", listen=False)
    port = urlsplit(worker.http).port
    held = ["--scene", world.scene, "--store", worker.store]
    new = ["--scene", world.scene, "--store", world.path("new")]
    for arguments, code, words in (
            ([*new, "--content", "127.0.0.1:6969"], 2, "--content takes http://HOST:PORT"),
            ([*new, "--builder", "ftp://x"], 2, "--builder takes http://HOST:PORT"),
            ([*new, "--origin", "evil"], 2, "--origin takes http"),
            ([*new, "--loopback-role", "king"], 2, "view"),
            ([*new, "--tick", "0"], 2, "milliseconds"),
            ([*new, "--peer", "http://x"], 1, "tcp://HOST:PORT"),
            ([*new, "--http", f"127.0.0.1:{port}"], 1, "in use"),
            (["--store", world.path("new")], 2, "--scene X,Y is missing"),
            (["--scene", "zero", "--store", world.path("zero")], 2, "X,Y"),
            (["--scene", "7,7", "--store", world.path("new")], 1, "0,0"),
            (held, 1, "process")):
        out, err = world.run("worker", *arguments, code=code)
        assert words in err and len(err.splitlines()) <= 4, (arguments, err)


if __name__ == "__main__":
    sys.exit(run_tests("doors", dict(globals())))
