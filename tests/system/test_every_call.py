#!/usr/bin/env python3
"""Every system call fails, once and for ever, in every way it can: nothing that was said to be done is lost.

Usage: test_every_call.py [--every N] [--seed N] [TEST]...      N: one case in so many; default 20, 1: all

A verb, or a worker with a renderer, runs under fail_call (fail_call.c), which makes one call fail: with an
errno, or half done; that call alone, or all of its kind from then on. The program may refuse, with a reason.
It may not crash, hang, or say "done" when it is not so; and the store must be whole afterwards.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from content import lamp_scene
from world import PROGRAM, Skip, run_tests

FAIL_CALL = Path(os.environ.get("BUILD_DIR", "build/release")) / "tests" / "fail_call"
LIMIT = 120  # seconds; a verb waits 15 for a store that is in use
CRASH = range(128 + 1, 128 + 32)
# Where a thread or memory cannot be had while nng starts, it crashes or hangs (1.5.2): and it panics
# without random bytes; where fcntl fails its sockets block. So these do not fail in verbs that have a network; the store loses nothing by that.
NNG = "mmap mprotect brk clone clone3 eventfd2 epoll_create1 epoll_ctl getrandom fcntl"
CHOSEN = None


class Faults:
    """The cases of one command line, and what came of them."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.cases = self.failed = self.refused = self.done = 0
        self.random = random.Random(f"{CHOSEN.seed}/{name}")

    def run(self, *command):
        return subprocess.run([str(FAIL_CALL), *map(str, command)], capture_output=True, text=True,
                              timeout=LIMIT, env=self.world.environment, stdin=subprocess.DEVNULL)

    def calls(self, *arguments):
        """The calls of a run without faults: [(name, ways)]."""
        listed = self.world.path("calls")
        done = self.run("list", listed, PROGRAM, *arguments)
        if done.returncode == 77:
            raise Skip("there is no ptrace here")
        assert done.returncode == 0, done.stderr
        return [(name, int(ways)) for name, ways in map(str.split, listed.read_text().splitlines())]

    def choose(self, calls):
        """(mode, index, way): some of all cases."""
        cases = [(mode, index, way) for index, (_, ways) in enumerate(calls) for way in range(ways)
                 for mode in ("once", "ever")]
        first = self.random.randrange(CHOSEN.every)
        return cases[first::CHOSEN.every]

    def check(self, case, code, errors):
        self.cases += 1
        what = f"{self.name}: {' '.join(map(str, case))}: exit code {code}: {errors[-600:]}"
        assert code not in CRASH and code >= 0, what
        assert "ssert" not in errors and "anitizer" not in errors, what
        if code == 0:
            self.done += 1
        else:
            self.refused += 1
            dumb = "fail_call: write: " in errors  # it cannot even say so
            # (The call may not come at all: who waits for a slow peer ends before it.)
            reasons = [line for line in errors.splitlines() if not line.startswith("fail_call: ")]
            assert dumb or reasons, f"{what}: it gives no reason"
        return what

    def report(self):
        print(f"every_call: {self.name}: {self.cases} cases, {self.done} done all the same, {self.refused} refused")


def verified(world, store, what):
    done = subprocess.run([PROGRAM, "verify", "--store", store], capture_output=True, text=True,
                          timeout=LIMIT, env=world.environment)
    assert done.returncode == 0, f"{what}\nafterwards: {done.stderr}"


def exported(world, store):
    return world.run("export", "--store", store)[0]


def test_set(world):
    faults, store = Faults(world, "set"), world.path("store")
    world.run("add", "--store", store, "lamp")

    def command(value):
        return ["set", "--store", store, "lamp", "Name.value", json.dumps(value)]
    for case in faults.choose(faults.calls(*command("first"))):
        value = f"name {'-'.join(map(str, case))}"
        done = faults.run(*case, PROGRAM, *command(value))
        what = faults.check(case, done.returncode, done.stderr)
        verified(world, store, what)
        if done.returncode == 0:
            assert value in exported(world, store), what
    faults.report()


def test_import(world):
    faults = Faults(world, "import")
    scene = world.write("scene.json", lamp_scene(3))
    store = world.path("store")

    def command(where):
        return ["import", "--store", where, scene]
    for case in faults.choose(faults.calls(*command(world.path("first")))):
        shutil.rmtree(store, ignore_errors=True)
        done = faults.run(*case, PROGRAM, *command(store))
        what = faults.check(case, done.returncode, done.stderr)
        if done.returncode == 0 or (store / "data.mdb").exists():
            verified(world, store, what)
        if done.returncode == 0:
            assert "lamp2" in exported(world, store), what
        else:  # it is as if nothing had been, or all of it
            world.run("import", "--store", store, scene, code=None)
            assert "lamp2" in exported(world, store), what
    faults.report()


def test_export(world):
    faults, store, out = Faults(world, "export"), world.path("store"), world.path("out.json")
    world.run("add", "--store", store, "lamp")
    before = exported(world, store)
    command = ["export", "--store", store, "--output", out]
    for case in faults.choose(faults.calls(*command)):
        out.write_text("as before")
        done = faults.run(*case, PROGRAM, *command)
        what = faults.check(case, done.returncode, done.stderr)
        assert out.read_text() == (before if done.returncode == 0 else "as before") or (
            done.returncode != 0 and out.read_text() == before), (what, out.read_text())
    faults.report()


def test_repair(world):
    faults, good, store = Faults(world, "repair"), world.path("good"), world.path("store")
    world.run("add", "--store", good, "lamp")
    with open(good / "data.mdb", "r+b") as file:
        file.write(b"rubbish")

    def command():
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(good, store)
        return ["repair", "--store", store]
    for case in faults.choose(faults.calls(*command()))[::2]:
        done = faults.run(*case, PROGRAM, *command())
        what = faults.check(case, done.returncode, done.stderr)
        world.run("repair", "--store", store)  # the damaged one still, or the new one
        if (store / "damaged-1").exists():  # what could not be read then is there still
            world.run("repair", "--store", store, "--from", "damaged-1")
        verified(world, store, what)
        assert "lamp" in exported(world, store), what
    faults.report()


def test_sync(world):
    faults, store, peer = Faults(world, "sync"), world.path("store"), world.node("peer")
    world.environment["FAIL_CALL_SPARED"] = NNG
    world.run("add", "--store", store, "lamp")
    command = ["sync", "--store", store, "--peer", peer.url, "--timeout", "2"]
    for number, case in enumerate(faults.choose(faults.calls(*command[:-1], "60"))[::4]):
        world.run("set", "--store", store, "lamp", "Name.value", json.dumps(f"name {number}"))
        done = faults.run(*case, PROGRAM, *command)
        what = faults.check(case, done.returncode, done.stderr)
        verified(world, store, what)
        world.pump(0)
        if done.returncode == 0:
            assert f"name {number}" in exported(world, peer.store), what
    faults.report()


def test_worker(world):
    """From its start to its end, with a person at it."""
    faults = Faults(world, "worker")
    world.environment["FAIL_CALL_SPARED"] = NNG
    scene = world.write("scene.json", lamp_scene(3))
    world.run("import", "--store", world.path("store"), "--scene", world.scene, scene)
    listed, counts = world.path("calls"), {"accepted": 0}

    def live(prefix, name):
        """(exit code, errors, what was accepted)"""
        saved = world.path("saved.json")
        worker = world.worker(name, "--no-confine", "--save", saved, store="store", listen=False, start=False)
        worker.prefix = [str(FAIL_CALL), *map(str, prefix)]
        worker.start(wait=False)
        accepted, slow = None, time.monotonic() + 60
        renderer = None
        while time.monotonic() < slow and worker.running and not worker.ready:
            world.pump(0.01)
        if worker.ready and worker.running:
            renderer = world.renderer(worker, name, ready=False)
            said, end = None, time.monotonic() + (10 if name != "first" else 60)
            while time.monotonic() < end and worker.running:
                world.pump(0.01)
                if renderer.ready and said is None:
                    said = renderer.add(name, {"Transform": {"position": {"x": 1, "y": 0, "z": 0}}})
                if said in renderer.answers:
                    accepted = name if renderer.answers[said]["ok"] else None
                    break
            renderer.close()
            world.renderers.remove(renderer)
        asked = worker.running
        if asked:  # to the program below fail_call
            subprocess.run(["pkill", "-TERM", "-P", str(worker.process.pid)], check=False)
        try:
            code = worker.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{name}: it does not end: {worker.errors()}") from None
        world.unregister(worker)
        world.processes.remove(worker)
        worker.process.stdout.close()
        if asked and code == 143 and "cannot go on" in worker.errors():
            code = 1  # it was asked to end while it was ending by itself
        return code, worker.errors(), accepted
    code, errors, accepted = live(["list", listed], "first")
    if code == 77:
        raise Skip("there is no ptrace here")
    assert code == 0 and accepted, (code, errors)
    calls = [(name, int(ways)) for name, ways in map(str.split, listed.read_text().splitlines())]
    for number, case in enumerate(faults.choose(calls)[::6]):
        name = f"case{number}"
        code, errors, accepted = live(case, name)
        what = faults.check(case, code, errors)
        verified(world, world.path("store"), what)
        if accepted:
            counts["accepted"] += 1
            assert name in exported(world, world.path("store")), what
    print(f"every_call: worker: {counts['accepted']} edits accepted, all there")
    faults.report()


def test_worker_whose_disk_fails(world):
    """After a sync that failed no edit is accepted any more, and the worker ends and says why."""
    scene = world.write("scene.json", lamp_scene(3))
    world.run("import", "--store", world.path("store"), "--scene", world.scene, scene)
    world.environment["FAIL_CALL_ONLY"] = "fdatasync"
    struck = 0
    for index in range(4, 28, 4):
        worker = world.worker(f"w{index}", "--no-confine", store="store", listen=False, start=False)
        worker.prefix = [str(FAIL_CALL), "ever", str(index), "0"]
        worker.start(wait=False)
        world.wait(lambda: worker.ready or not worker.running, "it is there, or has ended")
        if worker.running:
            renderer = world.renderer(worker, f"r{index}", ready=False)
            edits = late = 0
            while worker.running and edits < 200:
                failed = "fail_call: fdatasync" in worker.errors()
                if not renderer.ready:
                    world.pump(0.01)
                    continue
                said = renderer.add(f"e{index}-{edits}", {"Transform": {"position": {"x": 1, "y": 0, "z": 0}}})
                edits += 1
                while worker.running and said not in renderer.answers and not renderer.socket.closed:
                    world.pump(0.01)
                if failed and said in renderer.answers:
                    late += 1
                    assert not renderer.answers[said]["ok"], (index, edits, renderer.answers[said])
            renderer.close()
            world.renderers.remove(renderer)
        if worker.process.wait(LIMIT) == 77:
            raise Skip("there is no ptrace here")
        struck += "fail_call: fdatasync" in worker.errors()
        assert worker.process.returncode not in (0, *CRASH), (worker.process.returncode, worker.errors())
        assert len(worker.errors().splitlines()) > 1, worker.errors()
        world.unregister(worker)
        world.processes.remove(worker)
        worker.process.stdout.close()
        verified(world, world.path("store"), f"sync {index}")
    print(f"every_call: the disk of a worker failed {struck} times")
    assert struck > 2


def main():
    global CHOSEN
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("tests", nargs="*")
    CHOSEN = parser.parse_args()
    if os.access("/dev/shm", os.W_OK):
        tempfile.tempdir = "/dev/shm"  # many syncs, and no power cut
    print(f"repeat: tests/system/test_every_call.py --every {CHOSEN.every} --seed {CHOSEN.seed}", flush=True)
    return run_tests("every_call", globals(), wanted=CHOSEN.tests)


if __name__ == "__main__":
    sys.exit(main())
