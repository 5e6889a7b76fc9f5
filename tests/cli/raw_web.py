"""HTTP and WebSocket byte by byte, for tests that must say wrong things too."""

import base64
import os
import socket
import ssl
import struct

WAIT = float(os.environ.get("WAIT", 60))  # seconds until an awaited answer counts as missing


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body


class Wire:
    """One connection."""

    def __init__(self, port, host="127.0.0.1", tls=False, small=False):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if small:  # little room for what is not read
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(WAIT)
        self.socket.connect((host, port))
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self.port = port
        self.rest = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def more(self):
        data = self.socket.recv(1 << 16)
        self.rest += data
        return data

    def take(self, size):
        while len(self.rest) < size:
            if not self.more():
                raise EOFError(f"closed after {len(self.rest)} of {size} bytes")
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def ended(self):
        """Wait for the end; what came until then."""
        try:
            while self.more():
                pass
        except ConnectionError:
            pass
        return self.rest

    def answer(self, bodiless=False):
        while b"\r\n\r\n" not in self.rest:
            if not self.more():
                raise EOFError(f"closed within the headers: {self.rest[:200]!r}")
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        size = 0 if bodiless else int(headers.get("content-length", 0))
        return Answer(int(lines[0].split()[1]), headers, self.take(size))

    def request(self, target, method="GET", host=None, headers="", body=b""):
        """`target` goes out as it is."""
        host = f"Host: {host or f'127.0.0.1:{self.port}'}\r\n" if host != "" else ""
        size = f"Content-Length: {len(body)}\r\n" if body else ""
        self.send(f"{method} {target} HTTP/1.1\r\n{host}{size}{headers}\r\n".encode("latin-1") + body)
        return self.answer(bodiless=method == "HEAD")

    # ---- WebSocket ----

    def upgrade(self, target="/socket", headers="", host=None, key=True):
        key = "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode() + "\r\n" if key else ""
        return self.request(target, host=host, headers=(
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n{key}{headers}"))

    def frame(self, payload, opcode=1, fin=True, masked=True, reserved=0, size=None):
        """Send a frame; `size` is what its header claims."""
        if isinstance(payload, str):
            payload = payload.encode()
        claimed = len(payload) if size is None else size
        head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
        flag = 0x80 if masked else 0
        if claimed < 126:
            head += bytes([flag | claimed])
        elif claimed < 1 << 16:
            head += struct.pack(">BH", flag | 126, claimed)
        else:
            head += struct.pack(">BQ", flag | 127, claimed)
        if masked:
            mask = os.urandom(4)
            whole = (mask * (len(payload) // 4 + 1))[:len(payload)]
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(payload), "big")
            head += mask
        self.send(head + payload)

    def next_frame(self):
        """(opcode, fin, payload)"""
        first, second = self.take(2)
        size = second & 0x7f
        assert second & 0x80 == 0, "a server does not mask"
        assert first & 0x70 == 0, "reserved bits"
        if size == 126:
            size = struct.unpack(">H", self.take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.take(8))[0]
        return first & 15, bool(first & 0x80), self.take(size)

    def message(self):
        """The next text message, whole; pings are answered. A close is an EOFError."""
        parts = []
        while True:
            opcode, fin, payload = self.next_frame()
            if opcode == 9:
                self.frame(payload, 10)
            elif opcode == 8:
                raise EOFError(f"closed with {payload[:2].hex()} {payload[2:]!r}")
            elif opcode in (0, 1):
                assert opcode == (0 if parts else 1), "a message in pieces"
                parts.append(payload)
                if fin:
                    return b"".join(parts).decode()

    def close_code(self):
        """Read until the close frame: its code; None: it closed without one."""
        try:
            while True:
                opcode, _, payload = self.next_frame()
                if opcode == 8:
                    return struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
        except (EOFError, ConnectionError):
            return None


def connect_socket(port, *arguments, **more):
    """A WebSocket that is open."""
    wire = Wire(port, **more)
    answer = wire.upgrade(*arguments)
    assert answer.status == 101, answer.status
    return wire
