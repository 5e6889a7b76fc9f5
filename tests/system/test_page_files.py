#!/usr/bin/env python3
"""The page as workers serve it: what a browser is given before any script of it runs. What people see of it: tests/page."""

import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from world import WAIT, Process, Skip, call, run_tests

ROOT = Path(__file__).resolve().parent.parent.parent
BUNDLE_MAX = 400 * 1024  # gzipped: what one page loads, all in all
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' blob:; "
          "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
GZIP = {"Accept-Encoding": "gzip, deflate, br, zstd"}


def loaded(door, path, seen=None):
    """What a page loads, itself among it: {path: gzipped answer}; scripts import others."""
    seen = {} if seen is None else seen
    if path not in seen:
        answer = door.call("GET", path, headers=GZIP)
        assert answer.status == 200, (path, answer)
        seen[path] = answer
        text = plain(answer).decode(errors="replace")
        for found in re.findall(r'"(?:\.|/page)?/([A-Za-z0-9_]+-[A-Z0-9]{8}\.(?:js|css|svg))"', text):
            loaded(door, "/page/" + found, seen)
    return seen


def plain(answer):
    return gzip.decompress(answer.body) if answer.headers.get("Content-Encoding") == "gzip" else answer.body


def is_built(door):
    if b"built without" in door.call("GET", "/").body:
        raise Skip("built without the page: no npm")


def check(door):
    """All that holds of the files, whoever serves them."""
    for path in ("/", "/status"):
        files = loaded(door, path)
        for name, answer in files.items():
            headers = answer.headers
            assert headers["Content-Security-Policy"] == POLICY, headers
            assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
            assert headers["X-Frame-Options"] == "DENY" and headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "Access-Control-Allow-Origin" not in headers
            kept = headers["Cache-Control"]
            assert kept == ("no-cache" if name == path else "public, max-age=31536000, immutable"), (name, kept)
            # The same without gzip, and by HEAD; and not again for who has it.
            whole = door.call("GET", name)
            assert "Content-Encoding" not in whole.headers and whole.body == plain(answer), name
            assert len(answer.body) <= len(whole.body) and whole.headers.get("Vary") == answer.headers.get("Vary")
            head = door.call("HEAD", name, headers=GZIP)
            assert head.body == b"" and head.headers == answer.headers, (name, head.headers)
            for how, one in ((GZIP, answer), ({}, whole)):
                again = door.call("GET", name, headers={**how, "If-None-Match": f'"x", W/{one.headers["ETag"]}'})
                assert again.status == 304 and again.body == b"" and again.headers["ETag"] == one.headers["ETag"], (name, again)
                assert again.headers["Cache-Control"] == kept
        page = files[path]
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        text = plain(page).decode()
        assert "<!doctype html>" in text and 'lang="en"' in text and "<title>" in text
        # Nothing that the policy would refuse, nothing of other sites.
        assert not re.search(r"<style|style=|<script(?![^>]*\bsrc=)|\son[a-z]+=|https?://", text), text
        for tag in re.findall(r'(?:src|href)="([^"]*)"', text):
            assert tag.startswith(("/page/", "/v1/", "data:,")), tag
    for path in ("/page/", "/page/nothing.js", "/page/index.html", "/index.html", "/status/", "/pages/licenses.txt",
                 "/page/main-AAAAAAAA.js", "/page/licenses.txt.gz"):
        answer = door.call("GET", path)
        assert 400 <= answer.status < 500, (path, answer)
    for method in ("POST", "PUT", "DELETE"):
        assert door.call(method, "/", b"{}").status in (401, 405, 409), method
    assert door.call("GET", "/page/licenses.txt").headers["Content-Type"] == "text/plain; charset=utf-8"


def test_of_the_worker(world):
    """Before there is a scene, and for who has no token: the page holds nothing of anybody."""
    access = world.path("access.json")
    world.run("access", "add", "--file", access, "Ana", "--role", "view")
    worker = world.worker("a", "--access", access, role="none", wait=False)
    worker.await_ready()
    assert worker.call("GET", "/v1/status").status == 401
    check(worker)


def test_of_the_running_worker(world):
    """It has the same page: renderers stay where they are when a scene is played."""
    code = world.write("game.js", "module.exports.onStart = function () {};\n")
    play = Process(world, "play", "play", ["--code", code, "--http", "127.0.0.1:0", "--json", "--loopback-role", "none"]).start()
    check(play)
    worker = world.worker("a")
    for path in ("/", "/status"):
        assert {n: f.body for n, f in loaded(play, path).items()} == {n: f.body for n, f in loaded(worker, path).items()}


def test_size(world):
    worker = world.worker("a")
    is_built(worker)
    for path in ("/", "/status"):
        files = loaded(worker, path)
        size = sum(len(f.body) for f in files.values())
        print(f"{path}: {len(files)} files, {size / 1024:.1f} KiB gzipped: "
              + ", ".join(f"{n.removeprefix('/page/')} {len(f.body) / 1024:.1f}" for n, f in sorted(files.items())))
        assert size <= BUNDLE_MAX, f"{path} loads {size} bytes"
        assert len(files) >= 3, files.keys()


def test_licenses(world):
    """Each library that the page is made of is named with its license, and in docs/DECISIONS.md."""
    worker = world.worker("a")
    is_built(worker)
    text = worker.call("GET", "/page/licenses.txt").body.decode()
    decisions = (ROOT / "docs/DECISIONS.md").read_text()
    wanted = json.loads((ROOT / "cli/page/package.json").read_text())["dependencies"]
    named = dict(re.findall(r"^(\S+) (\d\S+) \([^)]+\)$", text, re.M))
    for name, version in wanted.items():
        assert named.get(name) == version, (name, named)
        assert re.search(rf"(?<![@/\w]){re.escape(name)}(?![/\w-])", decisions), f"{name} is not in docs/DECISIONS.md"
    assert text.count("Permission is hereby granted") + text.count("Apache License") >= len(named), "texts are missing"


def test_same_bytes(world):
    """The same sources and libraries give the same files; and those are what was compiled in."""
    worker = world.worker("a")
    is_built(worker)
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None or not (ROOT / "cli/page/node_modules").exists():
        raise Skip("Node.js or the page's libraries are not there")
    for out in ("one", "two"):
        subprocess.run([node, ROOT / "cli/page/build.mjs", world.path(out)], check=True, cwd=world.folder if out == "two" else ROOT)
    files = [{str(p.relative_to(world.path(out))): p.read_bytes() for p in world.path(out).rglob("*") if p.is_file()}
             for out in ("one", "two")]
    assert files[0] == files[1], [n for n in files[0] if files[0][n] != files[1].get(n)]
    assert not [n for n, text in files[0].items() if os.fsencode(ROOT) in text], "the path of the sources is told"
    for path, answer in {**loaded(worker, "/"), **loaded(worker, "/status")}.items():
        name = {"/": "index.html", "/status": "status.html"}.get(path, path[1:])
        assert files[0][name] == plain(answer), f"{name} was built of other sources"


def test_many_connections(world):
    """Browsers open many at once, and keep them: all get the page, and nobody waits for another."""
    worker = world.worker("a")
    port = int(worker.http.rsplit(":", 1)[1])
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    for _ in range(2):  # on the same connection
        for s in idle:
            s.settimeout(WAIT)
            s.sendall(request)
        for s in idle:
            data = b""
            while b"</html>" not in data:
                more = s.recv(65536)
                assert more, data[-300:]
                data += more
    assert call(worker.http, "GET", "/v1/health").status == 200
    for s in idle:
        s.close()


if __name__ == "__main__":
    sys.exit(run_tests("page_files", dict(globals())))
