"""A content server and a Builder server in one, made to fail: for tests of who calls them."""

import base64
import hashlib
import http.server
import json
import threading
import time
from urllib.parse import parse_qs, urlparse


def cid(content):
    """The CIDv1 of up to 256 KiB: one raw leaf."""
    digest = bytes([1, 0x55, 0x12, 0x20]) + hashlib.sha256(content).digest()
    return "b" + base64.b32encode(digest).decode().lower().rstrip("=")


class FakeServers:
    """What is deployed and stored, what was asked, and how to fail.

    fail[name] answers these calls instead: a status, or (status, body), or a function of
    the handler; names are active, contents, get, find, put, media."""

    def __init__(self, port=0):
        self.entities = {}  # pointer -> entity
        self.files = {}  # hash -> bytes
        self.manifests = {}  # project -> manifest
        self.calls = []  # (name, path, headers, body)
        self.fail = {}
        self.delay = {}  # name -> seconds before the answer
        self.lock = threading.Condition()
        servers = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def handle_any(self):
                size = int(self.headers.get("Content-Length") or 0)
                servers.handle(self, self.rfile.read(size))

            do_GET = do_PUT = do_POST = handle_any

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.httpd.daemon_threads = True
        self.httpd.handle_error = lambda request, address: None  # who called was killed
        self.port = self.httpd.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()

    def deploy(self, pointer, files=None, project=None, timestamp=1):
        """Deploy {name: bytes}; the entity."""
        content = []
        for name, data in (files or {}).items():
            self.files[cid(data)] = data
            content.append({"file": name, "hash": cid(data)})
        metadata = {"source": {"projectId": project}} if project else {}
        self.entities[pointer] = {"version": "v3", "id": "bafkentity", "type": "scene", "pointers": [pointer],
                                  "timestamp": timestamp, "content": content, "metadata": metadata}
        return self.entities[pointer]

    def count(self, name):
        with self.lock:
            return sum(1 for call in self.calls if call[0] == name)

    def wait(self, name, count=1, seconds=60):
        """Until this call was made so often."""
        end = time.monotonic() + seconds
        with self.lock:
            while sum(1 for call in self.calls if call[0] == name) < count:
                left = end - time.monotonic()
                assert left > 0, (name, [c[0] for c in self.calls])
                self.lock.wait(left)

    def last(self, name):
        with self.lock:
            return [call for call in self.calls if call[0] == name][-1]

    # ---- answering ----

    def handle(self, request, body):
        url = urlparse(request.path)
        parts = url.path.strip("/").split("/")
        name, answer = self.route(request.command, url, parts, body)
        time.sleep(self.delay.get(name, 0))
        failure = self.fail.get(name)
        if callable(failure):
            failure = failure(request)
        if isinstance(failure, int):
            failure = (failure, json.dumps({"ok": False, "error": "made to fail"}).encode())
        if failure is None and name == "put":
            self.manifests[parts[2]] = json.loads(body)["manifest"]
        with self.lock:
            self.calls.append((name, request.path, dict(request.headers), body))
            self.lock.notify_all()
        status, content, *more = failure or answer
        try:
            request.send_response(status)
            request.send_header("Content-Length", str(len(content)))
            request.send_header("Content-Type", "application/json")
            for header, value in more:
                request.send_header(header, value)
            request.end_headers()
            request.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def route(self, method, url, parts, body):
        if parts[:3] == ["content", "entities", "active"]:
            found = [self.entities[p] for p in json.loads(body)["pointers"] if p in self.entities]
            return "active", (200, json.dumps(found).encode())
        if parts[:2] == ["content", "contents"]:
            data = self.files.get(parts[2])
            return "contents", (200, data) if data is not None else (404, b"{}")
        if parts[:2] == ["v1", "manifests"]:
            wanted = parse_qs(url.query)["creation_coords_eq"][0]
            found = [m for m in self.manifests.values() if m["project"].get("creation_coords") == wanted]
            return "find", (200, json.dumps({"ok": True, "data": found}).encode())
        if parts[:2] == ["stored", "manifest"]:
            return "stored", (200, json.dumps(self.manifests[parts[2]]).encode())
        if parts[:2] == ["v1", "projects"] and parts[3:] == ["manifest"]:
            if method == "PUT":
                return "put", (200, json.dumps({"ok": True, "data": {"id": parts[2]}}).encode())
            if parts[2] not in self.manifests:
                return "get", (404, b'{"ok":false,"error":"no such project"}')
            return "get", (301, b"", ("Location", f"{self.url}/stored/manifest/{parts[2]}"))
        if parts[:2] == ["v1", "projects"] and parts[3:] == ["media"]:
            return "media", (200, b'{"ok":true}')
        return "other", (404, b"<html>not here</html>")
