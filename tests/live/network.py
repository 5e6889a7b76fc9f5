"""Workers in network namespaces of their own, joined by a switch that can do them harm.

    namespace 0          namespace 1          ...
    worker, its people   worker, its people
    10.66.0.1 ─┐         10.66.0.2 ─┐
               └──── live_switch ───┘         delay, loss, repetition, damage, slow ways, cuts

A renderer lives where its worker does, as on one machine: its socket is made in that namespace,
by the test's own thread. Needs root, TUN devices, `ip`.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))
from renderer import Renderer  # noqa: E402
from world import ROOT, Skip, Worker, World  # noqa: E402

BUILD = Path(os.environ.get("BUILD_DIR", ROOT / "build/release"))
CLONE_NEWNET = 0x40000000
FAKETIME = [Path("/usr/lib") / arch / "faketime/libfaketime.so.1" for arch in (
    "x86_64-linux-gnu", "aarch64-linux-gnu")]
libc = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(map(str, words))}: {done.stderr}"


def require():
    """Skip where this cannot be done, saying what is missing."""
    if os.geteuid() != 0:
        raise Skip("network namespaces need root")
    if not os.path.exists("/dev/net/tun"):
        raise Skip("no TUN devices here (/dev/net/tun)")
    if not shutil.which("ip"):
        raise Skip("no `ip` here (Debian package iproute2)")
    name = f"ssprobe{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skip(f"no network namespaces here: {done.stderr.strip()}")
    done = subprocess.run(["ip", "-n", name, "tuntap", "add", "dev", "sim0", "mode", "tun"],
                          capture_output=True, text=True, check=False)
    ip("netns", "del", name)
    if done.returncode != 0:
        raise Skip(f"no TUN devices in namespaces here: {done.stderr.strip()}")


class Place:
    """One namespace."""

    def __init__(self, index):
        self.index = index
        self.name = f"ss{os.getpid()}n{index}"
        self.address = f"10.66.0.{index + 1}"
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")
        ip("-n", self.name, "tuntap", "add", "dev", "sim0", "mode", "tun")
        ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "sim0")
        ip("-n", self.name, "link", "set", "sim0", "up")

    def move(self, address):
        """Live under another address from now on: what a NAT does to who sits behind it."""
        ip("-n", self.name, "addr", "del", f"{self.address}/24", "dev", "sim0")
        ip("-n", self.name, "addr", "add", f"{address}/24", "dev", "sim0")
        self.address = address

    def run(self, *words):
        return subprocess.run(["ip", "netns", "exec", self.name, *words], capture_output=True, text=True, check=False)

    @contextmanager
    def inside(self):
        """Sockets that are made in here belong to the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            assert libc.setns(there, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            yield
        finally:
            assert libc.setns(home, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            os.close(there)
            os.close(home)

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)


class Switch:
    def __init__(self, places, seed):
        words = [w for place in places for w in (place.name, "sim0")]
        self.process = subprocess.Popen([BUILD / "tests/live_switch", str(seed), *words], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.say("way * * cut=0") == "ok"

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def way(self, source="*", target="*", **keys):
        answer = self.say(f"way {source} {target} " + " ".join(f"{k}={v}" for k, v in keys.items()))
        assert answer == "ok", answer

    def mend(self):
        self.way(delay=0, jitter=0, loss=0, twice=0, damage=0, rate=0, cut=0)

    def count(self):
        return json.loads(self.say("count"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class PlacedWorker(Worker):
    """A worker in a namespace."""

    place = None
    clock = None  # the file that says how far its clock is off

    def start(self, wait=True):
        self.prefix = ["ip", "netns", "exec", self.place.name]
        return super().start(wait)

    def call(self, method, path, body=None, **more):
        with self.place.inside():
            return super().call(method, path, body, **more)

    def set_clock(self, offset):
        """`offset` as faketime spells it: "+10y", "-3600"."""
        self.clock.write_text(offset + "\n")


class PlacedRenderer(Renderer):
    def __init__(self, world, worker, name, **more):
        self.place = worker.place
        super().__init__(world, lambda: worker.http, name, **more)

    def connect(self):
        with self.place.inside():
            super().connect()


class Net(World):
    """A World whose workers live in namespaces; close() takes these away again."""

    def build(self, count, seed):
        self.places = [Place(i) for i in range(count)]
        self.switch = Switch(self.places, seed)
        self.faketime = next((path for path in FAKETIME if path.exists()), None)

    places = ()
    switch = None

    def placed_worker(self, index, *arguments, environment=None):
        name = f"w{index}"
        clock = self.write(f"{name}.clock", "+0\n")
        environment = dict(environment or {})
        if self.faketime:
            environment.update(LD_PRELOAD=str(self.faketime), FAKETIME_TIMESTAMP_FILE=str(clock),
                               FAKETIME_CACHE_DURATION="1", FAKETIME_DONT_FAKE_MONOTONIC="1")
        arguments = ["--scene", self.scene, "--store", self.path(name), "--http", "127.0.0.1:0", "--json",
                     "--loopback-role", "edit", *arguments]
        worker = PlacedWorker(self, name, "worker", arguments, environment)
        worker.place, worker.clock, worker.store = self.places[index], clock, self.path(name)
        return worker

    def renderer(self, where, name=None, ready=True, **more):
        renderer = PlacedRenderer(self, where, name, **more)
        self.renderers.append(renderer)
        return renderer.await_ready() if ready else renderer

    def close(self):
        super().close()
        if self.switch:
            self.switch.close()
        for place in self.places:
            place.close()
