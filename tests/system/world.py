"""Servers, kernels, workers and renderers as processes and sockets, in one folder.

A test is a function whose name begins with test_; it gets a World. All waiting is for
events: World.wait runs the loop of all sockets until a condition holds. Each test prints one
line that tests/count.py counts: [PASS], [FAIL] or [SKIP] with SUITE::NAME.
"""

import http.client
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))
from harness import Skip, canonical, shared  # noqa: E402,F401
from recorder import Recorder  # noqa: E402
from renderer import Renderer  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.path.abspath(os.environ.get("SCENESYNC", ROOT / "build/release/scenesync"))
WAIT = float(os.environ.get("SCENESYNC_WAIT", 60))  # seconds until an awaited event counts as missing
REPORT = re.compile(r"Sanitizer|runtime error:|Assertion .* failed")


class Answer:
    """An HTTP answer."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"HTTP {self.status} {self.body[:300]!r}"


def call(base, method, path, body=None, token=None, headers=None, timeout=WAIT):
    """One HTTP call; a body that is no bytes goes as JSON."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    headers = dict(headers or {})
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


class Process:
    """A program that prints one JSON object a line; started again with the same ports."""

    def __init__(self, world, name, verb, arguments, environment=None):
        self.world = world
        self.name = name
        self.program_verb = verb
        self.arguments = [str(a) for a in arguments]
        self.environment = dict(world.environment, **(environment or {}))
        self.errors_path = world.path(f"{name}.err")
        self.events = []
        self.process = None
        self.http = None
        self.url = None
        self.starts = 0
        self.prefix = []  # what runs it, as `ip netns exec NAME`
        world.processes.append(self)

    def start(self, wait=True):
        self.buffer = b""
        self.ready = None
        self.starts += 1
        self.errors_at = self.errors_path.stat().st_size if self.errors_path.exists() else 0
        with open(self.errors_path, "ab") as errors:
            self.process = subprocess.Popen(
                [*self.prefix, PROGRAM, self.program_verb, *self.arguments], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, env=self.environment)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.world.register(self)
        if wait:
            self.await_ready()
        return self

    def fileno(self):
        return self.process.stdout.fileno()

    def step(self, readable):
        if not readable:
            return
        data = self.process.stdout.read()
        if data == b"":
            self.world.unregister(self)
            return
        self.buffer += data or b""
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            event = json.loads(line)
            self.events.append(event)
            if event.get("event") == "ready":
                self.ready = event
                self.http = event["http"]
                self.url = event.get("url") or None
                self.keep_ports()

    def keep_ports(self):
        """What was any free port is this one from now on."""
        for option, url in (("--http", self.http), ("--listen", self.url)):
            if url and option in self.arguments:
                at = self.arguments.index(option) + 1
                if self.arguments[at].endswith(":0"):
                    self.arguments[at] = urlsplit(url).netloc if option == "--http" else url

    def await_ready(self):
        def there():
            if self.starts > 1 and self.process.poll() == 1 and not self.ready and self.port_is_taken():
                self.world.run_for(0.2)  # by a call of somebody else's, while nobody listened: it ends
                self.world.unregister(self)
                self.start(wait=False)
            assert self.process.poll() is None or self.ready, (
                f"{self.name} ended with {self.process.returncode}: {self.errors()}")
            return self.ready
        self.world.wait(there, f"{self.name} is ready")
        return self

    def port_is_taken(self):
        """Did it end because of that, the last time?"""
        return b"in use" in self.errors_path.read_bytes()[self.errors_at:]

    def errors(self):
        return self.errors_path.read_text(errors="replace")[-3000:]

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def send_signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        self.world.unregister(self)

    def stop(self, code=0):
        """Ask it to end, and expect this exit code."""
        self.process.terminate()
        self.world.wait(lambda: self.process.poll() is not None, f"{self.name} ends")
        self.step(True)
        self.world.unregister(self)
        assert self.process.returncode == code, f"{self.name}: exit code {self.process.returncode}: {self.errors()}"

    # ---- HTTP ----

    def call(self, method, path, body=None, **more):
        more.setdefault("token", self.token)
        return call(self.http, method, path, body, **more)

    token = None
    prefix = ()  # a program that runs it

    def get(self, path, **more):
        answer = self.call("GET", path, **more)
        assert answer.status == 200, (self.name, path, answer)
        return answer.json

    def post(self, path, body=None, status=200, **more):
        answer = self.call("POST", path, {} if body is None else body, **more)
        assert answer.status == status, (self.name, path, answer, self.errors())
        return answer.json


class Worker(Process):
    """An edition worker; `store` is its folder."""

    @property
    def status(self):
        """Waits while it has no node (a store is brought over)."""
        def there():
            answer = self.call("GET", "/v1/status")
            assert answer.status in (200, 503), (self.name, answer)
            return answer.json if answer.status == 200 else None
        return self.world.wait(there, f"{self.name} tells its status")

    @property
    def snapshot(self):
        answer = self.call("GET", "/v1/snapshot")
        assert answer.status == 200, (self.name, answer)
        return answer.body

    @property
    def entities(self):
        """What the snapshot shows: {entity: {component: value}}."""
        return shown(json.loads(self.snapshot))

    @property
    def mark(self):
        """Equal marks, equal states."""
        status = self.status
        return json.dumps(status["version"], sort_keys=True), status["digest"]


class Node(Process):
    """A plain replica of the scene, no worker: what else is on the bus."""

    def has(self, event):
        return any(e["event"] == event for e in self.events)

    def await_ready(self):
        def there():
            assert self.running, f"{self.name} ended: {self.errors()}"
            wanted = "listening" if "--listen" in self.arguments else "opened"
            return next((e for e in self.events if e["event"] == wanted), None)
        self.url = self.world.wait(there, f"{self.name} is there").get("url")
        return self

    def verb(self, verb, *arguments, code=0):
        return self.world.run(verb, "--store", self.store, *arguments, code=code)[0]

    def entities(self):
        return shown(json.loads(self.verb("export", "--format", "state")))


def shown(state):
    """A state file as {entity: {component type: value}}, for scenes of one component a type."""
    return {e["id"]: {c["type"]: c["value"] for c in e["components"]} for e in state["entities"]}


class Relay:
    """A way to the node at `url` that can be cut and mended (its two ports: requests and
    publications). Threads, since peers speak also while the test waits for an answer."""

    def __init__(self, url):
        self.port = int(url.rsplit(":", 1)[1])
        self.up = True
        self.pairs = set()
        self.lock = threading.Lock()
        self.listeners = self.two_ports()
        self.url = f"tcp://127.0.0.1:{self.listeners[0].getsockname()[1]}"
        for index, listener in enumerate(self.listeners):
            threading.Thread(target=self.accept, args=(listener, self.port + index), daemon=True).start()

    @staticmethod
    def two_ports():
        while True:
            first, second = socket.socket(), socket.socket()
            first.bind(("127.0.0.1", 0))
            try:
                second.bind(("127.0.0.1", first.getsockname()[1] + 1))
            except (OSError, OverflowError):
                continue
            first.listen()
            second.listen()
            return first, second

    def accept(self, listener, port):
        while True:
            try:
                near = listener.accept()[0]
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", port)) if self.up else None
            except OSError:
                far = None
            if far is None:
                near.close()
                continue
            with self.lock:
                if self.up:
                    self.pairs.add((near, far))
                else:  # it was cut meanwhile
                    near.close()
                    far.close()
                    continue
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=pair, daemon=True).start()

    def carry(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        with self.lock:
            self.up = False
            for pair in self.pairs:
                for end in pair:
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
            self.pairs.clear()

    def mend(self):
        self.up = True

    def close(self):
        self.cut()
        for listener in self.listeners:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()


class World:
    """One folder, and all that runs in it."""

    scene = "0,0"

    def __init__(self, folder):
        self.folder = Path(folder)
        self.processes = []
        self.renderers = []
        self.relays = []
        self.selector = selectors.DefaultSelector()
        self.registered = {}
        self.environment = dict(os.environ, SCENESYNC_STATE_DIR=str(self.folder / "state"),
                                SCENESYNC_AS="tester")
        self.environment.pop("SCENESYNC_MASTER_TOKEN", None)

    def path(self, name):
        return self.folder / name

    def write(self, name, content):
        path = self.path(name)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    # ---- the loop ----

    def register(self, thing):
        self.unregister(thing)
        self.registered[thing] = thing.socket.socket if isinstance(thing, Renderer) else thing.fileno()
        self.selector.register(self.registered[thing], selectors.EVENT_READ, thing)

    def unregister(self, thing):
        where = self.registered.pop(thing, None)
        if where is not None:
            try:
                self.selector.unregister(where)
            except (KeyError, ValueError):
                pass

    def pump(self, seconds=0.05):
        """Do what is to be done now; wait for that at most so long."""
        for renderer in self.renderers:
            if renderer.retry_at is not None:
                seconds = min(seconds, max(0.0, renderer.retry_at - time.monotonic()))
                if renderer.retry_at <= time.monotonic():
                    renderer.connect()
            elif renderer.linked and (renderer.socket.out or renderer.socket.closed):
                seconds = min(seconds, 0.005)
        for key, _ in self.selector.select(seconds):
            key.data.step(True)
        for renderer in self.renderers:
            if renderer.linked and (renderer.socket.out or renderer.socket.closed):
                renderer.step(False)

    def wait(self, condition, what, seconds=WAIT):
        """Run the loop until the condition holds; returns what it gave."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, f"in vain: {what() if callable(what) else what}"
            self.pump()
        return found

    def run_for(self, seconds):
        """Let things happen for a while: only to see that something does not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.pump(0.02)

    # ---- what can be started ----

    def servers(self, name="servers", *arguments, wait=True):
        """A content server and a builder server."""
        process = Process(self, name, "servers",
                          ["--http", "127.0.0.1:0", "--dir", self.path(name), "--json", *arguments])
        return process.start(wait)

    def worker(self, name, *arguments, servers=None, peers=(), store=None, role="edit", scene=None,
               listen=True, environment=None, start=True, wait=True, http="127.0.0.1:0"):
        arguments = ["--scene", scene or self.scene, "--store", self.path(store or name),
                     "--http", http, "--json", *arguments]
        if listen:
            arguments += ["--listen", "tcp://127.0.0.1:0"]
        if role:
            arguments += ["--loopback-role", role]
        if servers:
            arguments += ["--content", servers.http, "--builder", servers.http]
        for peer in peers:
            arguments += ["--peer", peer if isinstance(peer, str) else peer.url]
        worker = Worker(self, name, "worker", arguments, environment)
        worker.store = self.path(store or name)
        return worker.start(wait) if start else worker

    def node(self, name, *arguments, peers=(), listen=True):
        """A plain replica, as `scenesync node` runs it."""
        arguments = ["--store", self.path(name), "--json", *arguments]
        if listen:
            arguments += ["--listen", "tcp://127.0.0.1:0"]
        for peer in peers:
            arguments += ["--peer", peer if isinstance(peer, str) else peer.url]
        node = Node(self, name, "node", arguments)
        node.store = self.path(name)
        return node.start()

    def kernel(self, name, *arguments, servers=None, wait=True):
        arguments = ["--http", "127.0.0.1:0", "--dir", self.path(name), "--json", *arguments]
        if servers:
            arguments += ["--content", servers.http, "--builder", servers.http]
        return Process(self, name, "kernel", arguments).start(wait)

    def renderer(self, where, name=None, ready=True, **more):
        """A renderer of a worker (or of an address, or of a function that tells it)."""
        url = (lambda: where.http) if isinstance(where, Process) else where
        renderer = Renderer(self, url, name, **more)
        self.renderers.append(renderer)
        return renderer.await_ready() if ready else renderer

    def relay(self, worker):
        self.relays.append(Relay(worker.url))
        return self.relays[-1]

    def recorder(self, servers):
        """A way to the servers that writes down what is asked there."""
        self.relays.append(Recorder(servers))
        return self.relays[-1]

    def run(self, *arguments, code=0, input=None, environment=None):
        """Run a verb to its end and expect this exit code; (out, err)."""
        done = subprocess.run([PROGRAM, *map(str, arguments)], input=input, capture_output=True,
                              timeout=300, env=dict(self.environment, **(environment or {})))
        assert code is None or done.returncode == code, (
            f"{arguments}: exit code {done.returncode}, not {code}\n{done.stderr.decode()}")
        return done.stdout.decode(), done.stderr.decode()

    def await_equal(self, *workers, seconds=WAIT):
        """Wait until these workers hold one state; the mark of it."""
        def equal():
            marks = {w.mark for w in workers}
            return marks.pop() if len(marks) == 1 else None
        return self.wait(equal, lambda: f"equal: {[(w.name, w.mark) for w in workers]}", seconds)

    def close(self):
        for renderer in self.renderers:
            renderer.close()
        # Who leaves saves: the servers go last.
        servers = [p for p in self.processes if p.program_verb == "servers"]
        for group in ([p for p in self.processes if p not in servers], servers):
            self.end_all(group)
        for relay in self.relays:
            relay.close()

    @staticmethod
    def end_all(processes):
        for process in processes:
            if process.running:
                process.process.terminate()
        end = time.monotonic() + 15
        for process in processes:
            if process.process is None:
                continue
            try:
                process.process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.process.kill()
                process.process.wait()
            process.process.stdout.close()

    def reports(self):
        """What a sanitizer or an assertion said in any process."""
        said = [(p.name, p.errors_path) for p in self.processes]
        said += [(path.parent.name, path) for path in self.folder.glob("*/scenes/*/log*")]  # workers of kernels
        return [f"{name}: {line}" for name, path in said if path.exists()
                for line in path.read_text(errors="replace").splitlines() if REPORT.search(line)]


def run_tests(suite, tests, wanted=None, kind=World):
    """Run all functions test_* in `tests` (or those named on the command line) in worlds of this kind."""
    failed = 0
    wanted = sys.argv[1:] if wanted is None else wanted
    for name, test in tests.items():
        if not name.startswith("test_") or not callable(test) or (wanted and name not in wanted):
            continue
        folder = tempfile.mkdtemp(prefix="scenesync-system-")
        world = kind(folder)
        label = f"{suite}::{re.sub('^test_', '', name)}"
        started = time.monotonic()
        verdict = "PASS"
        try:
            test(world)
        except Skip as reason:
            verdict = "SKIP"
            label += f": {reason}"
        except Exception:
            verdict = "FAIL"
            traceback.print_exc(file=sys.stdout)
        world.close()
        if reports := world.reports():
            verdict = "FAIL"
            print("\n".join(reports))
        if verdict == "FAIL":
            failed += 1
            for process in world.processes:
                if process.errors_path.exists() and process.errors():
                    print(f"---- {process.name}, its errors:\n{process.errors()}")
        if verdict != "SKIP":
            print(f"{label}: {time.monotonic() - started:.1f} s", flush=True)
        print(f"[{verdict}] {label}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0
