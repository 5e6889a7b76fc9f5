"""A way to the servers that writes down what is asked there, and can be shut."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Asked:
    """One call, and what was answered."""

    def __init__(self, method, path, headers, body, status, answer):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.status = status
        self.answer = answer

    def __repr__(self):
        return f"{self.method} {self.path} {self.body[:80]!r} -> {self.status}"


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        """Callers are killed in the middle: that is what these tests are about."""


class Recorder:
    """Hands every call on to `target` (anything that has .http). `shut`: answers 503 to all;
    `delay`: seconds before a call is handed on; `change`: None or a function of
    (Asked) -> bytes that are answered in place of what came."""

    def __init__(self, target):
        self.calls = []
        self.shut = False
        self.delay = None  # None, or an Event that calls wait for
        self.change = None
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if recorder.delay is not None:
                    recorder.delay.wait(60)
                if recorder.shut:
                    status, headers, answer = 503, [], b'{"error":"shut"}'
                else:
                    parts = urlsplit(target.http)
                    far = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
                    try:
                        kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "expect")}
                        far.request(self.command, self.path, body or None, kept)
                        came = far.getresponse()
                        status, headers, answer = came.status, came.getheaders(), came.read()
                    except OSError:
                        status, headers, answer = 502, [], b'{"error":"not reached"}'
                    finally:
                        far.close()
                asked = Asked(self.command, self.path, dict(self.headers), body, status, answer)
                if recorder.change:
                    asked.answer = answer = recorder.change(asked)
                recorder.calls.append(asked)
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = forward

            def log_message(self, *arguments):
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.http = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def asked(self, method, path):
        """The calls of this method whose path begins so."""
        return [c for c in self.calls if c.method == method and c.path.startswith(path)]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
