#!/usr/bin/env python3
"""The HTTP client against servers that mean no good, over real sockets.

It drives build/.../tests/web_call. Times are printed; only liveness is asserted.
"""

import gzip
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, os.path.dirname(__file__))
from harness import own_url, run_tests  # noqa: E402

PROGRAM = Path(os.environ.get("BUILD_DIR", "build/debug")) / "tests/web_call"
WAIT = 60.0


class Server:
    """Answers each connection by a function of what was asked."""

    def __init__(self, answer, tls=None):
        self.answer = answer
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.context = tls
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        try:
            connection.settimeout(WAIT)
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            data = b""
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            head, _, body = data.partition(b"\r\n\r\n")
            size = re.search(rb"Content-Length: (\d+)", head, re.I)
            while size and len(body) < int(size[1]):
                body += connection.recv(65536)
            self.asked.append((head.decode(), body))
            self.answer(connection, head.decode(), body)
        except OSError:
            pass
        finally:
            connection.close()


def reply(status, body=b"", headers=""):
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n".encode() + body


def call(*arguments, env=None):
    """[(error, status, type, size, text)] of a call, or of several at once."""
    result = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, timeout=2 * WAIT,
                            env=dict(os.environ, **(env or {})))
    assert result.returncode == 0, result
    assert result.stderr == b"", result.stderr.decode()
    found = []
    for line in result.stdout.decode(errors="replace").splitlines():
        error, status, kind, size, text = line.split(" ", 4)
        found.append((error, int(status), kind, int(size), text))
    return found


def one(*arguments, **more):
    return call(*arguments, **more)[0]


def test_methods_and_bodies(bench):
    server = Server(lambda c, head, body: c.sendall(reply(201, head.split()[0].encode(), "Content-Type: text/x\r\n")))
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert one(method, server.url + "/a?b=c") == ("OK", 201, "text/x", len(method), method)
    head, body = server.asked[1]
    assert "POST /a?b=c HTTP/1.1" in head and "Content-Length: 0" in head and body == b"", head
    assert one("PUT", server.url, "--body", 5000000)[:2] == ("OK", 201)
    head, body = server.asked[-1]
    assert body == b"b" * 5000000 and "Expect" not in head, head
    assert one("POST", server.url, "--header", "Content-Type: application/json", "--header", "x-identity-metadata: {}",
               "--body", 2)[0] == "OK"
    head, _ = server.asked[-1]
    assert "Content-Type: application/json" in head and "x-identity-metadata: {}" in head
    assert one("GET", server.url, "--header", "A: b\r\nC: d")[0] == "EINVAL"


def test_multipart(bench):
    server = Server(lambda c, head, body: c.sendall(reply(200)))
    assert one("POST", server.url, "--part", "entityId=bafk", "--part", "file=content\r\n--x")[0] == "OK"
    head, body = server.asked[0]
    boundary = re.search(r"multipart/form-data; boundary=(\S+)", head)[1].encode()
    parts = body.split(b"--" + boundary)
    assert len(parts) == 4 and b'name="entityId"' in parts[1] and parts[1].endswith(b"\r\n\r\nbafk\r\n"), body
    assert b"filename=" in parts[2] and b"Content-Type: text/plain" in parts[2]


def test_statuses_are_answers(bench):
    for status in (204, 301, 400, 401, 404, 500, 503):
        server = Server(lambda c, head, body, s=status: c.sendall(reply(s, b"" if s == 204 else b"why")))
        assert one("GET", server.url)[:2] == ("OK", status)


def test_redirects(bench):
    end = Server(lambda c, head, body: c.sendall(reply(200, b"end " + head.split()[0].encode() + b" " + body)))
    loop = Server(lambda c, head, body: c.sendall(reply(302, headers=f"Location: {loop.url}/again\r\n")))
    there = Server(lambda c, head, body: c.sendall(reply(307, headers=f"Location: {end.url}/\r\n")))
    assert one("GET", there.url)[:2] == ("OK", 307), "not followed unless asked for"
    assert one("GET", there.url, "--follow", 1)[4] == "end GET "
    assert one("POST", there.url, "--follow", 1, "--body", 3)[4] == "end POST bbb"
    error, _, _, _, text = one("GET", loop.url, "--follow", 1)
    assert error == "EIO" and "redirect" in text.lower(), text
    assert len(loop.asked) == 6
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:70/x", "scp://127.0.0.1/x"):
        bad = Server(lambda c, head, body, t=target: c.sendall(reply(302, headers=f"Location: {t}\r\n")))
        error, status, _, size, text = one("GET", bad.url, "--follow", 1)
        assert error in ("EIO", "EINVAL") and size == 0 and "root:" not in text, (target, error, text)


def test_headers_stay_with_their_host(bench):
    end = Server(lambda c, head, body: c.sendall(reply(200)))
    there = Server(lambda c, head, body: c.sendall(reply(302, headers=f"Location: {end.url}/\r\n")))
    secret = ("--header", "Authorization: Bearer secret", "--header", "Cookie: secret", "--header",
              "x-identity-auth-chain-0: secret")
    error, status, _, _, text = one("GET", there.url, "--follow", 1, *secret)
    assert "secret" in there.asked[0][0]
    print("to the second host:", error, status, len(end.asked))
    assert not any("secret" in head for head, _ in end.asked), end.asked


def test_urls(bench):
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x/", "", "http://", "no url", "http://[::1",
                "http://127.0.0.1:99999/", "javascript:alert(1)", "http://a b/"):
        error, _, _, size, text = one("GET", url)
        assert error == "EINVAL" and size == 0 and text, (url, error, text)
    error, _, _, _, text = one("GET", "http://no-such-host.invalid/")
    assert error == "EIO" and "no-such-host" in text, text


def test_refused_connection(bench):
    port = own_url().rsplit(":", 1)[1]
    started = time.monotonic()
    error, _, _, _, text = one("GET", f"http://127.0.0.1:{port}/")
    assert error == "EIO" and str(port) in text, text
    print(f"{text} ({time.monotonic() - started:.2f} s)")


def test_large_answers(bench):
    def endless(connection, head, body):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)
    huge = Server(endless)
    error, _, _, size, _ = one("GET", huge.url, "--max", 1000000)
    assert error == "ELIMIT" and size <= 1000000
    claims = Server(lambda c, head, body: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nabc"))
    error, _, _, size, _ = one("GET", claims.url, "--max", 1000000)
    assert error == "ELIMIT" and size <= 1000000, error

    def chunks(connection, head, body):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    assert one("GET", Server(chunks).url, "--max", 1000000)[0] == "ELIMIT"

    def headers(connection, head, body):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-Y: " + b"z" * 60000 + b"\r\n")
    error = one("GET", Server(headers).url, "--timeout", 20000)[0]
    assert error in ("EIO", "ELIMIT"), error
    exact = Server(lambda c, head, body: c.sendall(reply(200, b"x" * 1000)))
    assert one("GET", exact.url, "--max", 1000)[:4] == ("OK", 200, "-", 1000)
    assert one("GET", exact.url, "--max", 999)[0] == "ELIMIT"


def test_a_small_answer_that_unpacks_large(bench):
    """No compression is asked for, so none is unpacked."""

    bomb = gzip.compress(b"\0" * 10000000)
    server = Server(lambda c, head, body: c.sendall(reply(200, bomb, "Content-Encoding: gzip\r\n")))
    assert one("GET", server.url)[3] == len(bomb)
    assert "Accept-Encoding" not in server.asked[0][0]


def test_slow_answers(bench):
    held = threading.Event()
    silent = Server(lambda c, head, body: held.wait(WAIT))
    started = time.monotonic()
    error, _, _, _, text = one("GET", silent.url, "--timeout", 1000)
    assert error == "ETIMEOUT", (error, text)

    def drip(connection, head, body):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not held.wait(0.1):
            connection.sendall(b"x")
    assert one("GET", Server(drip).url, "--timeout", 1000)[0] == "ETIMEOUT"
    print(f"two calls of 1 s each took {time.monotonic() - started:.1f} s")
    assert time.monotonic() - started < WAIT
    held.set()


def test_stop(bench):
    held = threading.Event()
    silent = Server(lambda c, head, body: held.wait(WAIT))
    started = time.monotonic()
    found = one("GET", silent.url, "--stop-after", 300)
    took = time.monotonic() - started
    assert found[0] == "ECLOSED", found
    print(f"stopped after 0.3 s, back after {took:.2f} s")
    assert took < WAIT - 10
    held.set()


def test_broken_answers(bench):
    for data in (b"", b"hello", b"\0" * 1000,
                 b"HTTP/2147483648.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc",
                 b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
        server = Server(lambda c, head, body, d=data: c.sendall(d))
        error, status, _, _, text = one("GET", server.url, "--timeout", 50000)
        assert error == "EIO" and text, (data, error, status, text)


def certificate(bench, name):
    key, cert = bench.path(f"{name}.key"), bench.path(f"{name}.crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    f"subjectAltName=DNS:localhost,IP:{name}"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def test_certificates(bench):
    """One that nobody vouches for is refused, and the reason is told."""
    server = Server(lambda c, head, body: c.sendall(reply(200)), tls=certificate(bench, "127.0.0.1"))
    error, _, _, _, text = one("GET", server.url)
    assert error == "EIO" and "certificate" in text.lower(), (error, text)
    assert not server.asked
    print(text)


def test_nothing_from_the_environment(bench):
    """No .netrc, no cookies, no credentials of the environment's."""
    home = bench.path("home")
    home.mkdir()
    (home / ".netrc").write_text("default login me password secret\n")
    (home / ".curlrc").write_text('header = "X-Secret: secret"\n')
    server = Server(lambda c, head, body: c.sendall(reply(200, headers="Set-Cookie: a=b\r\n")))
    assert one("GET", server.url, env={"HOME": str(home), "CURL_HOME": str(home)})[0] == "OK"
    head = server.asked[0][0]
    assert "Authorization" not in head and "secret" not in head and "Cookie" not in head, head


def test_no_proxy_to_this_machine(bench):
    server = Server(lambda c, head, body: c.sendall(reply(200, b"direct")))
    proxy = Server(lambda c, head, body: c.sendall(reply(200, b"by proxy")))
    env = {"http_proxy": proxy.url, "no_proxy": ""}
    assert one("GET", server.url, env=env)[4] == "direct"
    assert one("GET", f"http://localhost:{server.port}/", env=env)[4] == "direct"
    assert one("GET", "http://content.example/", env=env)[4] == "by proxy"


def test_many_at_once(bench):
    server = Server(lambda c, head, body: c.sendall(reply(200, b"y" * 100000)))
    found = call("GET", server.url, "--times", 32)
    assert len(found) == 32 and all(f[:2] == ("OK", 200) and f[3] == 100000 for f in found)


if __name__ == "__main__":
    sys.exit(run_tests("web_client", globals()))
