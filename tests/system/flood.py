"""Connections that mean no good, many of them: a process of its own, so that it does not slow
those down who are measured.

    flood.py PORT KIND COUNT SEED        one line of JSON at the end

KIND: a kind of HTTP or of BUS below, `http` for all of
them, `bus` for those that do not make the library hang, `hang` for those that can. COUNT
connections are made, at most HELD of them open at once; each says its piece and is closed
after a while, or when the other side closes.
"""

import json
import random
import selectors
import socket
import struct
import sys
import time

HELD = 256
SLOW = 64  # of those that stay: so many at once
MASK = b"\x11\x22\x33\x44"


def upgrade(path="/renderer", host="HOST", origin=None):
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
    if origin:
        lines.append(f"Origin: {origin}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def frame(kind, payload, claim=None, fin=0x80):
    size = len(payload) if claim is None else claim
    head = bytes([fin | kind])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += struct.pack("!BH", 0x80 | 126, size)
    else:
        head += struct.pack("!BQ", 0x80 | 127, size)
    return head + MASK + bytes(b ^ MASK[i % 4] for i, b in enumerate(payload))


def tls_hello(r):
    body = b"\x03\x03" + r.randbytes(32) + b"\0" + b"\0\x04\x13\x01\x13\x02" + b"\x01\0" + b"\0\0"
    hand = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack("!H", len(hand)) + hand


# What each says at once. The host is filled in: HOST.
HTTP = {
    "close": lambda r: b"",
    "silent": lambda r: None,
    "get": lambda r: b"GET /v1/health HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "slowloris": lambda r: b"GET /v1/health HTTP/1.1\r\nHost: HOST\r\nX-A: " + r.randbytes(2).hex().encode(),
    "headers": lambda r: b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"a" * 200) for i in range(200)) + b"\r\n",
    "line": lambda r: b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "length": lambda r: b"POST /v1/save HTTP/1.1\r\nHost: HOST\r\nContent-Length: %d\r\n\r\nx" % (1 << r.randrange(64)),
    "chunked": lambda r: b"POST /v1/save HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    "two": lambda r: b"POST /v1/save HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nabcde",
    "tls": tls_hello,
    "tls noise": lambda r: b"\x16\x03\x01" + r.randbytes(400),
    "noise": lambda r: r.randbytes(r.randrange(1, 2000)),
    "zeros": lambda r: b"\0" * 5000,
    "upgrade": lambda r: upgrade(),
    "foreign page": lambda r: upgrade(origin="https://evil.example"),
    "frames": lambda r: upgrade() + b"".join(frame(r.randrange(16), r.randbytes(r.randrange(100))) for _ in range(5)),
    "giant frame": lambda r: upgrade() + frame(1, b"x", claim=(1 << 63) - 1),
    "unmasked": lambda r: upgrade() + b"\x81\x05hello",
    "empty pieces": lambda r: upgrade() + frame(1, b"", fin=0) + frame(0, b"", fin=0) * 200,
    "pings": lambda r: upgrade() + frame(9, b"x" * 125) * 50,
    "edits": lambda r: upgrade() + b"".join(frame(1, json.dumps(
        {"eventType": "stateEvent", "payload": {"type": r.choice(["AddEntity", "SetComponent", "RemoveEntity", "Zap"]),
         "payload": {"entityId": "x" * r.randrange(3000), "componentId": r.randrange(1 << 40), "data": None}}}).encode())
        for _ in range(5)),
    "deep": lambda r: upgrade() + frame(1, b"[" * 20000),
}
GREETING = b"\0SP\0"


def hello(protocol):
    return GREETING + struct.pack("!HH", protocol, 0)


def message(payload, claim=None):
    return struct.pack("!Q", len(payload) if claim is None else claim) + payload


REQ, REP, PUB, SUB = 48, 49, 32, 33
BUS = {
    "close": lambda r: b"",
    "silent": lambda r: None,
    "half greeting": lambda r: GREETING[:r.randrange(1, 4)],
    "wrong magic": lambda r: b"HTTP/1.1",
    "wrong protocol": lambda r: hello(r.choice([0, 16, 80, 81, 112, 65535])),
    "reserved": lambda r: GREETING + struct.pack("!HH", r.choice([REQ, SUB]), 7),
    "giant": lambda r: hello(REQ) + message(b"x", claim=r.choice([1 << 63, (1 << 64) - 1, (1 << 64) - 32, 1 << 32, 1 << 40])),
    "large": lambda r: hello(REQ) + message(b"x" * 1000, claim=(1 << 20)),
    "no id": lambda r: hello(REQ) + message(r.randbytes(r.randrange(4))),
    "hops": lambda r: hello(REQ) + message(b"\0\0\0\1" * 300 + b"\x80\0\0\1" + b"x"),
    "noise": lambda r: hello(r.choice([REQ, SUB])) + b"".join(message(b"\x80\0\0\1" + r.randbytes(r.randrange(300))) for _ in range(10)),
    "deaf": lambda r: hello(SUB),
    "asks and never reads": lambda r: hello(REQ) + message(b"\x80\0\0\1SSN\3" + r.randbytes(60)) * 20,
    "tls": tls_hello,
    "http": lambda r: b"GET / HTTP/1.1\r\nHost: HOST\r\n\r\n",
}
# These can make nng 1.5.2 hang (test_a_library_that_hangs): left out where that is not asked.
HANGS = {"asks and never reads", "noise"}
STAY = {"silent", "slowloris", "length", "half greeting", "large", "deaf", "upgrade", "frames", "edits", "empty pieces",
        "asks and never reads", "noise", "giant frame", "pings", "deep", "headers", "line", "chunked", "two"}


class Flood:
    def __init__(self, port, kinds, count, seed):
        self.port, self.kinds, self.count = port, kinds, count
        self.random = random.Random(seed)
        self.selector = selectors.DefaultSelector()
        self.open = {}  # socket -> when it ends
        self.made = self.refused = self.heard = self.closed = 0

    def begin(self, kind, maker):
        s = socket.socket()
        s.setblocking(False)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no waiting in the end
        s.connect_ex(("127.0.0.1", self.port))
        said = maker(self.random)
        piece = b"" if said is None else said.replace(b"HOST", f"127.0.0.1:{self.port}".encode())
        stays = kind in STAY and len(self.open) < SLOW
        self.open[s] = time.monotonic() + (self.random.uniform(1, 4) if stays else 0.05)
        self.selector.register(s, selectors.EVENT_WRITE, piece)
        self.made += 1

    def end(self, s):
        self.selector.unregister(s)
        s.close()
        del self.open[s]

    def step(self, key, mask):
        s = key.fileobj
        try:
            if mask & selectors.EVENT_WRITE:
                left = key.data[s.send(key.data):] if key.data else b""
                self.selector.modify(s, selectors.EVENT_READ if not left else selectors.EVENT_READ | selectors.EVENT_WRITE, left)
            if mask & selectors.EVENT_READ:
                data = s.recv(65536)
                self.heard += len(data)
                if not data:
                    self.closed += 1
                    self.end(s)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.refused += 1
            self.end(s)

    def run(self):
        kinds = list(self.kinds.items())
        while self.made < self.count or self.open:
            while self.made < self.count and len(self.open) < HELD:
                self.begin(*kinds[self.made % len(kinds)])
            for key, mask in self.selector.select(0.01):
                self.step(key, mask)
            now = time.monotonic()
            for s in [s for s, end in self.open.items() if end < now]:
                self.end(s)
        return {"connections": self.made, "closed": self.closed, "refused": self.refused, "heard": self.heard}


if __name__ == "__main__":
    port, kind, count, seed = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    gentle = {k: v for k, v in BUS.items() if k not in HANGS}
    hard = {k: v for k, v in BUS.items() if k in HANGS}
    all_kinds = {"http": HTTP, "bus": gentle, "hang": hard}.get(kind) or {kind: {**BUS, **HTTP}[kind]}
    print(json.dumps(Flood(port, all_kinds, count, seed).run()))
