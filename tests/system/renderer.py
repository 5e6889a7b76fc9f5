"""A scripted renderer: it shows a scene, edits it, and keeps a log of what it was promised.

Sockets never block: World.pump reads and writes all of them in one loop, so that tests of
many renderers are one thread, and what happens in them can be told in order.
"""

import base64
import hashlib
import json
import os
import socket
import struct
import time
from urllib.parse import quote, urlsplit

COMPONENTS = {1: "Transform", 22: "NFTShape", 54: "GLTFShape", 204: "Script", 300: "Name",
              301: "LockedOnEdit", 302: "VisibleOnEdit"}
NUMBERS = {name: number for number, name in COMPONENTS.items()}
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    """The client's side of RFC 6455, as far as it is needed: whole text messages."""

    def __init__(self, url, headers=(), host=None):
        parts = urlsplit(url)
        self.key = base64.b64encode(os.urandom(16)).decode()
        path = parts.path + ("?" + parts.query if parts.query else "")
        lines = [f"GET {path} HTTP/1.1", f"Host: {host or parts.netloc}", "Upgrade: websocket",
                 "Connection: Upgrade", f"Sec-WebSocket-Key: {self.key}", "Sec-WebSocket-Version: 13",
                 *(f"{name}: {value}" for name, value in headers), "", ""]
        self.out = bytearray("\r\n".join(lines).encode())
        self.input = bytearray()
        self.received = 0
        self.status = None  # of the HTTP answer; 101 when it is open
        self.refusal = b""  # what came beside another status
        self.close_code = None
        self.closed = None  # the reason, once it is closed
        self.parts = bytearray()
        self.pongs = 0
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex((parts.hostname, parts.port))

    def fileno(self):
        return self.socket.fileno()

    def send(self, text, kind=TEXT):
        payload = text if isinstance(text, bytes) else text.encode()
        size = len(payload)
        head = bytes([0x80 | kind])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += struct.pack("!BH", 0x80 | 126, size)
        else:
            head += struct.pack("!BQ", 0x80 | 127, size)
        mask = os.urandom(4)
        masked = int.from_bytes(payload, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        self.out += head + mask + masked.to_bytes(size, "big")
        self.write()

    def write(self):
        """Hand on what waits; True if that was all."""
        if self.closed:
            self.out.clear()
            return True
        try:
            while self.out:
                del self.out[:self.socket.send(self.out)]
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno == 107:  # ENOTCONN: still connecting
                return False
            self.end(str(error))
        return True

    def read(self):
        """The text messages that have come."""
        try:
            while not self.closed:
                data = self.socket.recv(262144)
                if not data:
                    self.end("the other side closed")
                self.received += len(data)
                self.input += data
                if len(data) < 262144:
                    break
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self.end(str(error))
        if self.status is None:
            self.shake_hands()
        if self.status != 101:
            return []
        return self.frames()

    def shake_hands(self):
        end = self.input.find(b"\r\n\r\n")
        if end < 0:
            return
        lines = bytes(self.input[:end]).decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        if self.status != 101:
            self.refusal = bytes(self.input)
            return
        wanted = hashlib.sha1((self.key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        answer = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
        assert answer["sec-websocket-accept"] == base64.b64encode(wanted).decode(), lines
        del self.input[:end + 4]

    def frames(self):
        found, at, data = [], 0, self.input
        while len(data) - at >= 2:
            first, second = data[at], data[at + 1]
            size, head = second & 127, 2
            assert not second & 128 and not first & 0x70, "a server neither masks nor extends"
            if size == 126:
                if len(data) - at < 4:
                    break
                size, head = struct.unpack_from("!H", data, at + 2)[0], 4
            elif size == 127:
                if len(data) - at < 10:
                    break
                size, head = struct.unpack_from("!Q", data, at + 2)[0], 10
            if len(data) - at < head + size:
                break
            payload = bytes(data[at + head:at + head + size])
            at += head + size
            kind = first & 15
            if kind == CLOSE:
                self.close_code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
                self.end(payload[2:].decode() or f"code {self.close_code}")
                break
            if kind == PING:
                self.send(payload, PONG)
            elif kind == PONG:
                self.pongs += 1
            elif kind in (0, TEXT):
                self.parts += payload
                if first & 128:
                    found.append(self.parts.decode())
                    self.parts = bytearray()
        del data[:at]
        return found

    def end(self, reason):
        """It is of no more use; who watches its descriptor closes it."""
        self.closed = self.closed or reason or "closed"

    def say_goodbye(self):
        if self.status == 101 and not self.closed:
            self.send(struct.pack("!H", 1000), CLOSE)
        self.end("closed here")


def component_name(event):
    """How the scene spells the component that an event is about."""
    number = event["componentId"]
    return event.get("component") or COMPONENTS.get(number, number)


class Renderer:
    """Shows the scene of one worker; `model` is {entity: {component: value}}."""

    def __init__(self, world, url, name=None, token=None, reconnect=True, headers=(), host=None, query=""):
        self.world = world
        self.url = url
        self.name = name or f"renderer{len(world.renderers)}"
        self.headers = [*headers, *([("Authorization", f"Bearer {token}")] if token else [])]
        self.host = host
        self.query = f"name={quote(self.name)}" + (f"&{query}" if query else "")
        self.reconnect = reconnect
        self.reading = True
        self.model = {}      # what it shows
        self.stamps = {}     # (entity, component) -> the stamp told with it
        self.people = {}     # id -> entry
        self.sent = {}       # id -> (type, payload): edits, all of them
        self.open_ids = set()  # of those sent over this link and not answered yet
        self.answers = {}    # id -> payload of the Answer
        self.answered_at = {}
        self.events = []     # all that is no change of the scene: payloads with eventType
        self.changes = []    # stateEvents of others, in order
        self.story = {}      # entity -> the last things said and heard of it, for when a test fails
        self.states = []
        self.waits = []      # seconds from losing the link to having the state again
        self.role = None
        self.began = time.monotonic()
        self.next_id = 0
        self.ready = False
        self.lost_at = None
        self.retry_at = None
        self.connects = 0
        self.socket = None
        self.connect()

    # ---- the link ----

    def connect(self):
        base = self.url() if callable(self.url) else self.url
        self.retry_at = None
        self.ready = False
        self.welcome = None
        self.open_ids.clear()
        self.connects += 1
        parts = urlsplit(base)
        self.socket = WebSocket(f"ws://{parts.netloc}/renderer?{self.query}", self.headers, self.host)
        self.world.register(self)

    def step(self, readable):
        """What the loop calls when something may be done."""
        if not self.linked:
            return
        if readable and self.reading:
            for text in self.socket.read():
                self.hear(json.loads(text))
        self.socket.write()
        if self.socket.closed or self.socket.status not in (None, 101):
            self.lose()

    def lose(self):
        self.drop("refused")
        if self.ready or self.lost_at is None:
            self.lost_at = time.monotonic()
        self.ready = False
        self.people = {}
        if self.reconnect:
            self.retry_at = time.monotonic() + 0.05

    def drop(self, reason):
        """Give the socket up; only then may its descriptor be another's."""
        self.world.unregister(self)
        self.socket.end(reason)
        self.socket.socket.close()

    def close(self):
        self.reconnect = False
        self.retry_at = None
        if self.linked:
            self.socket.say_goodbye()
            self.drop("closed here")

    @property
    def linked(self):
        """Is there a socket whose end has not been seen to yet?"""
        return self.socket is not None and self.socket.fileno() >= 0

    @property
    def state(self):
        """The worker's, as the Welcome of this link and what followed told it."""
        return self.states[-1] if self.welcome else None

    @property
    def open(self):
        return self.socket is not None and self.socket.status == 101 and not self.socket.closed

    # ---- what is heard ----

    def hear(self, message):
        for event in message if isinstance(message, list) else [message]:
            if event.get("type") == "InitMessagesFinished":
                self.ready = True
                if self.lost_at is not None:
                    self.waits.append(time.monotonic() - self.lost_at)
                    self.lost_at = None
                continue
            payload = event.get("payload")
            kind = event["eventType"]
            if kind == "stateEvent":
                self.hear_change(event, payload["type"], payload["payload"])
                continue
            self.events.append(event)
            if kind == "Welcome":
                self.welcome = payload
                self.model, self.stamps = {}, {}
                self.role = payload["you"]["role"]
                self.states.append(payload["state"])
            elif kind == "Answer":
                self.answers[payload["id"]] = payload
                self.open_ids.discard(payload["id"])
                self.answered_at[payload["id"]] = time.monotonic()
            elif kind == "State":
                self.states.append(payload["state"])
            elif kind == "Role":
                self.role = payload["role"]
            elif kind == "Presence":
                self.people.update({p["id"]: p for p in payload.get("people", [])})
                for gone in payload.get("left", []):
                    self.people.pop(gone, None)

    def note(self, who, entity, *what):
        self.story.setdefault(entity, []).append((round(time.monotonic() - self.began, 3), who, *what))
        del self.story[entity][:-40]

    def hear_change(self, event, kind, payload):
        if self.ready:
            self.changes.append(event)
        entity = payload["entityId"]
        self.note("heard" if self.ready else "initial", entity, kind, payload.get("component"), payload.get("data"),
                  event.get("stamp"))
        if kind == "AddEntity":
            self.model[entity] = {component_name(c): c["data"] for c in payload.get("components", [])}
            for component in self.model[entity]:
                self.stamps[entity, component] = event.get("stamp")
        elif kind == "RemoveEntity":
            self.model.pop(entity, None)
        elif kind == "SetComponent":
            self.model.setdefault(entity, {})[component_name(payload)] = payload["data"]
            self.stamps[entity, component_name(payload)] = event.get("stamp")
        elif kind == "RemoveComponent":
            self.model.get(entity, {}).pop(component_name(payload), None)
        else:
            raise AssertionError(f"a renderer does not know {kind}")

    def heard(self, kind):
        return [e["payload"] for e in self.events if e["eventType"] == kind]

    # ---- what is said ----

    def event(self, kind, payload, **beside):
        return {"sceneId": self.world.scene, "eventType": "stateEvent",
                "payload": {"type": kind, "payload": payload}, **beside}

    def say(self, kind, payload, **beside):
        """Send one event with an id, show it at once; the id."""
        self.next_id += 1
        number = f"{self.name}-{self.next_id}"
        self.sent[number] = (kind, payload)
        self.open_ids.add(number)
        self.show(kind, payload)
        self.socket.send(json.dumps(self.event(kind, payload, id=number, **beside)))
        return number

    def show(self, kind, payload):
        entity = payload.get("entityId")
        self.note("said", entity, kind, payload.get("componentId"), payload.get("data"), self.next_id)
        if kind == "AddEntity":
            self.model[entity] = {COMPONENTS.get(c["componentId"], c["componentId"]): c["data"]
                                  for c in payload.get("components", [])}
        elif kind == "RemoveEntity":
            self.model.pop(entity, None)
        elif kind == "SetComponent":
            name = COMPONENTS.get(payload["componentId"], payload["componentId"])
            self.model.setdefault(entity, {})[name] = payload["data"]
        elif kind == "RemoveComponent":
            name = COMPONENTS.get(payload["componentId"], payload["componentId"])
            self.model.get(entity, {}).pop(name, None)

    def set(self, entity, component, data, **beside):
        return self.say("SetComponent", {"entityId": entity, "componentId": NUMBERS.get(component, component),
                                         "data": data}, **beside)

    def add(self, entity, components=None, **beside):
        listed = [{"componentId": NUMBERS.get(name, name), "data": data}
                  for name, data in (components or {}).items()]
        return self.say("AddEntity", {"entityId": entity, "components": listed}, **beside)

    def remove(self, entity, **beside):
        return self.say("RemoveEntity", {"entityId": entity}, **beside)

    # ---- waiting ----

    def await_ready(self):
        self.world.wait(lambda: self.ready, f"{self.name} has the state")
        return self

    def answer(self, number):
        """What became of the edit with this id."""
        self.world.wait(lambda: number in self.answers, f"{self.name} has an answer to {self.sent[number]}")
        return self.answers[number]

    def accepted(self, number):
        found = self.answer(number)
        assert found["ok"], (self.sent[number], found)
        return found

    def await_heard(self):
        """Wait until the worker has read all that was said: it answers a ping behind it."""
        link, before = self.socket, self.socket.pongs
        link.send(b"", PING)
        self.world.wait(lambda: link.pongs > before, f"what {self.name} said has been read")

    def await_shown(self, entity, component, value):
        self.world.wait(lambda: self.model.get(entity, {}).get(component) == value,
                        lambda: f"{self.name} shows {value} in {entity} {component}; it shows "
                                f"{self.model.get(entity, {}).get(component)}")
