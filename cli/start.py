"""All systems around one scene as processes on this machine: servers, kernel, three workers.

Started by ./run, which has the help. Everything here is done with the public commands and
the public HTTP calls.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

SCENE = "0,0"
READY_SECONDS = 60
LEAVE_SECONDS = 20


class Trouble(Exception):
    pass


def free_port(wanted):
    """This port, if nobody has it; else any."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", wanted))
            return wanted
        except OSError:
            return 0


def call(method, url, timeout=5):
    """The JSON that answers; None if nothing does."""
    request = urllib.request.Request(url, method=method, data=b"" if method == "POST" else None)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Trouble(f"{method} {url}: {error.code} {error.read().decode(errors='replace')}") from error
    except (OSError, ValueError):
        return None


class Process:
    """A verb that runs until it is told to end; what it prints goes to its log."""

    def __init__(self, run, name, *arguments):
        self.run = run
        self.name = name
        self.log_path = run.dir / f"{name}.log"
        self.ready = None
        self.lines = threading.Event()
        log = open(self.log_path, "w")
        self.process = subprocess.Popen(
            [run.program, *map(str, arguments), "--json"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        run.processes.append(self)
        threading.Thread(target=self.listen, args=(log,), daemon=True).start()

    def listen(self, log):
        for line in self.process.stdout:
            log.write(line)
            log.flush()
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("event") == "ready":
                self.ready = event
                self.lines.set()
        self.lines.set()
        log.close()

    def await_ready(self):
        self.lines.wait(READY_SECONDS)
        if self.ready is None:
            raise Trouble(f"{self.name} did not start:\n{self.tail()}")
        self.http = self.ready["http"]
        self.url = self.ready.get("url", "")
        return self

    def tail(self):
        return self.log_path.read_text(errors="replace")[-1500:]

    @property
    def alive(self):
        return self.process.poll() is None

    def leave(self):
        if self.alive:
            self.process.send_signal(signal.SIGTERM)

    def end(self, until):
        try:
            self.process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Run:
    def __init__(self, options):
        self.program = options.program
        self.dir = Path(options.dir or options.default_dir).resolve()
        self.scenes = Path(options.scenes).resolve()
        self.scene = Path(options.scene or Path(options.scenes) / "village.builder.json").resolve()
        self.processes = []
        self.seconds = options.seconds
        self.live = sys.stdout.isatty()
        self.said = ""
        self.open = options.open and self.live
        if options.fresh and self.dir.exists():
            shutil.rmtree(self.dir)
        self.dir.mkdir(parents=True, exist_ok=True)

    # ---- beginning ----

    def start(self):
        print(f"Starting servers, kernel and three workers in {self.dir} ...", flush=True)
        self.servers = Process(
            self, "servers", "servers", "--dir", self.dir / "servers", "--http", f"127.0.0.1:{free_port(8801)}",
            "--deploy", f"{SCENE}={self.scene}", *self.models()).await_ready()
        self.kernel = Process(
            self, "kernel", "kernel", "--dir", self.dir / "kernel", "--http", f"127.0.0.1:{free_port(8800)}",
            *self.others()).await_ready()
        self.edition = self.ask("edit")
        self.peers = [self.peer(name) for name in ("ben", "cyn")]
        self.await_sync()

    def models(self):
        """The files that the sample scenes show."""
        folder = self.scenes / "models"
        return ("--files", folder) if folder.is_dir() else ()

    def ask(self, what):
        answer = call("POST", f"{self.kernel.http}/scenes/{SCENE}/{what}", READY_SECONDS + 10)
        if answer is None:
            raise Trouble(f"the kernel does not answer:\n{self.kernel.tail()}")
        return answer

    def peer(self, name):
        """A worker elsewhere, of somebody else, that meets the kernel's over TCP."""
        return Process(
            self, name, "worker", "--scene", SCENE, "--store", self.dir / name / "store",
            "--http", "127.0.0.1:0", "--listen", "tcp://127.0.0.1:0", "--peer", self.edition["url"], *self.others())

    def others(self):
        """What kernel and workers are given alike: the servers, and that people here may publish to them."""
        return "--content", self.servers.http, "--builder", self.servers.http, "--loopback-role", "publish"

    # ---- looking ----

    def look(self):
        """The kernel's word on the scene, and the status of each worker that edits it."""
        scene = call("GET", f"{self.kernel.http}/scenes/{SCENE}") or {}
        edition = [scene["http"]] if scene.get("state") == "editing" else []
        found = [call("GET", f"{http}/v1/status") for http in [*edition, *(p.http for p in self.peers)]]
        return scene, [s for s in found if s is not None]

    @staticmethod
    def equal(found):
        return len({(json.dumps(s["version"], sort_keys=True), s["digest"]) for s in found}) == 1

    def await_sync(self):
        for peer in self.peers:
            peer.await_ready()
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            self.check()
            scene, found = self.look()
            if len(found) == 3 and self.equal(found) and all(s["state"] == "editing" for s in found):
                return
            time.sleep(0.1)
        raise Trouble(f"the workers are not in sync after {READY_SECONDS} s; their logs are in {self.dir}")

    def check(self):
        for process in self.processes:
            if not process.alive:
                raise Trouble(f"{process.name} has ended:\n{process.tail()}")

    # ---- telling ----

    def tell(self):
        scene, found = self.look()
        http, kernel = scene["http"], self.kernel.http
        ben, cyn = self.peers
        entity = self.some_entity(http)
        socket_at = http.replace("http:", "ws:") + "/renderer?name=Ana"
        event = json.dumps({"sceneId": SCENE, "eventType": "stateEvent", "id": 1, "payload": {
            "type": "SetComponent", "payload": {"entityId": "hello", "componentId": 300, "data": {"value": "Hello"}}}}, separators=(",", ":"))
        program = os.path.relpath(self.program)
        place = json.dumps({"x": 8, "y": 4, "z": 8}, separators=(",", ":"))
        print(f"""
  Open the scene:     {self.page(http)}
  at Ben's worker:    {self.page(ben.http, "Ben")}    (in a second window: edit it together)
  how all are:        {http}/status

Scene {SCENE} ({self.scene.name}, {found[0]["entities"]} entities) is edited by three workers, which hold the same.

  the kernel          {kernel}/scenes
  its edition worker  {http}/v1/status    {http}/v1/snapshot
  Ben's worker        {ben.http}/v1/status    joined over {scene["url"]}
  Cyn's worker        {cyn.http}/v1/status
  content, builder    {self.servers.http}
  stores and logs     {self.dir}

Try, in another terminal:

  watch Cyn's         {program} watch --store {self.store("cyn")}
  edit at Ben's       {program} set --store {self.store("ben")} {entity} Transform.position '{place}'
  as a renderer       websocat '{socket_at}'
    and type          {event}
  play the scene      curl -X POST {kernel}/scenes/{SCENE}/play
    and back          curl -X POST {kernel}/scenes/{SCENE}/stop
  crash the worker    kill -9 {scene["pid"]}      (the kernel starts it again, at the same address)

Ctrl+C ends all of it; what is edited is kept in {os.path.relpath(self.dir)} (--fresh begins anew).
""", flush=True)

    @staticmethod
    def page(http, name=None):
        """Where a browser sees the scene. Callers on this machine need no token."""
        return f"{http}/?scene={SCENE}" + (f"&name={name}" if name else "")

    def show(self):
        """Open the page, where there is a desktop and somebody at the terminal."""
        opener = shutil.which("xdg-open")
        desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if self.open and opener and desktop:
            subprocess.Popen([opener, self.page(self.edition["http"])], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def store(self, name):
        return os.path.relpath(self.dir / name / "store")

    @staticmethod
    def some_entity(http):
        snapshot = call("GET", f"{http}/v1/snapshot")
        with_place = [e["id"] for e in snapshot["entities"]
                      if any(c["type"] == "Transform" for c in e["components"])]
        return with_place[-1] if with_place else "hello"

    def status_line(self):
        scene, found = self.look()
        people = sum(s.get("renderers", 0) for s in found)
        same = "all equal" if self.equal(found) else "exchanging"
        saved = {True: "saved", False: "not saved"}.get(scene.get("saved"), "")
        parts = [f"scene {SCENE} {scene.get('state', 'unknown')}", f"{len(found)} workers, {same}",
                 f"{found[0]['entities']} entities" if found else "", f"{people} renderers", saved,
                 f"{scene['restarts']} restarts" if scene.get("restarts") else ""]
        return " · ".join(p for p in parts if p)

    def watch(self):
        """The live line, until the time is over."""
        end = time.monotonic() + self.seconds if self.seconds else float("inf")
        while time.monotonic() < end:
            self.check()
            line = self.status_line()
            if self.live:
                width = shutil.get_terminal_size().columns - 1
                print(f"\r{line[:width]:<{width}}", end="", flush=True)
            elif line != self.said:
                print(line, flush=True)
            self.said = line
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))
        scene, found = self.look()
        return bool(found) and self.equal(found)

    def close(self):
        """Peers first, then the kernel with its worker, then the servers they save to."""
        until = time.monotonic() + LEAVE_SECONDS
        for group in (self.processes[2:], self.processes[1:2], self.processes[:1]):
            for process in group:
                process.leave()
            for process in group:
                process.end(until)


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(add_help=False, usage="./run --help tells more")
    parser.add_argument("--program", required=True)
    parser.add_argument("--scenes", required=True)
    parser.add_argument("--default-dir", required=True)
    parser.add_argument("--dir")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--no-open", dest="open", action="store_false")
    parser.add_argument("scene", nargs="?")
    run = Run(parser.parse_args())
    signal.signal(signal.SIGTERM, interrupted)
    code = 1
    try:
        run.start()
        run.tell()
        run.show()
        code = 0 if run.watch() else 1
    except KeyboardInterrupt:
        code = 0
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("\nEnding: workers save and leave ..." if run.processes else "", flush=True)
    run.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
