"""What the tests of the program share: stores in a fresh folder, verbs, nodes, waiting.

A test is a function whose name begins with test_. It gets a Bench. Each prints one line
that tests/count.py counts: [PASS], [FAIL] or [SKIP] with SUITE::NAME.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROGRAM = os.path.abspath(os.environ.get("SCENESYNC", "build/release/scenesync"))
WAIT = 120.0  # seconds until an awaited event counts as missing


class Skip(Exception):
    pass


class Result:
    def __init__(self, completed):
        self.code = completed.returncode
        self.out = completed.stdout
        self.err = completed.stderr

    @property
    def json(self):
        """The objects printed, one a line."""
        return [json.loads(line) for line in self.out.decode().splitlines()]


class Node:
    """A node that runs; its events are read as they come."""

    def __init__(self, bench, store, *arguments):
        self.store = store
        self.process = subprocess.Popen(
            [PROGRAM, "node", "--store", str(store), "--json", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            bufsize=0,  # communicate() forgets what was read ahead
        )
        self.events = []
        self.url = None
        bench.nodes.append(self)

    def wait_for(self, kind, word=""):
        """The next event of this kind, with this word in its text; what comes before it is kept in events.
        (Why a peer is not there may be told in other words while it is slow to come up.)"""
        for line in self.process.stdout:
            event = json.loads(line)
            self.events.append(event)
            if event["event"] == kind and word in event.get("text", ""):
                self.url = event.get("url", self.url) if kind == "listening" else self.url
                return event
        raise AssertionError(f"the node ended without {kind}: {self.process.stderr.read().decode()}")

    def stop(self, number=signal.SIGTERM):
        """End it; its exit code."""
        self.process.send_signal(number)
        rest, errors = self.process.communicate(timeout=WAIT)
        self.events += [json.loads(line) for line in rest.decode().splitlines()]
        self.errors = errors.decode()
        return self.process.returncode


class Bench:
    """A folder, and what was started in it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.nodes = []
        self.environment = dict(os.environ, SCENESYNC_AS="tester",
                                SCENESYNC_STATE_DIR=str(self.folder / "state"))
        os.environ["SCENESYNC_STATE_DIR"] = self.environment["SCENESYNC_STATE_DIR"]

    def path(self, name):
        return self.folder / name

    def write(self, name, content):
        path = self.path(name)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def command(self, *arguments, input=None, cwd=None):
        """Run the program with these arguments, whatever comes of it."""
        return Result(subprocess.run(
            [PROGRAM, *map(str, arguments)], input=input, capture_output=True, timeout=300,
            env=self.environment, cwd=cwd,
        ))

    def verb(self, verb, store, *arguments, code=0, **more):
        """Run a verb on a store and expect this exit code."""
        result = self.command(verb, "--store", self.path(store), *arguments, **more)
        assert result.code == code, (
            f"{verb} {arguments}: exit code {result.code}, not {code}\n{result.err.decode()}"
        )
        return result

    def status(self, store):
        return self.verb("status", store, "--json").json[0]

    def export(self, store, *arguments):
        return json.loads(self.verb("export", store, *arguments).out)

    def entities(self, store):
        """What is shown: {entity: {component type: value}}."""
        scene = self.export(store, "--format", "state")
        return {e["id"]: {c["type"]: c["value"] for c in e["components"]} for e in scene["entities"]}

    def node(self, store, *arguments, online=True):
        """Start a node and wait until it can be reached."""
        if online and "--listen" not in arguments:
            arguments = ("--listen", "tcp://127.0.0.1:0", *arguments)
        node = Node(self, self.path(store), *arguments)
        node.wait_for("listening" if online else "opened")
        return node

    def await_equal(self, *stores):
        """Wait until these stores have equal versions and digests."""
        def equal():
            found = [self.status(s) for s in stores]
            return all((f["version"], f["digest"]) == (found[0]["version"], found[0]["digest"]) for f in found)
        await_until(equal, f"{stores} are equal")

    def close(self):
        for node in self.nodes:
            if node.process.poll() is None:
                node.process.kill()
                node.process.communicate()


def await_until(condition, what):
    """Ask again until it holds; an event that cannot be waited for is asked for."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.02)


def own_url():
    """A URL of this process alone, below the ports that are given out for port 0: nobody takes it while nobody listens."""
    return f"tcp://127.0.0.1:{20000 + os.getpid() % 5000 * 2}"


def processes():
    """(parent, command line) of all processes that run now."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state, parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            yield int(parent), line


def shared(*parts):
    """A path in the folder of real scenes; skips where it is not there."""
    root = Path(os.environ.get("SCENESYNC_SHARED", "../shared"))
    path = root.joinpath(*parts)
    if not path.exists():
        raise Skip(f"{path} is not there; name the folder in SCENESYNC_SHARED")
    return path


def canonical(value):
    """For comparing JSON: numbers by value, keys in order."""
    if isinstance(value, dict):
        return {k: canonical(v) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [canonical(v) for v in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) + 0.0
    return value


def run_test(suite, name, test):
    """Run one test and say what became of it. False: it failed."""
    folder = tempfile.mkdtemp(prefix="scenesync-test-")
    bench = Bench(folder)
    label = f"{suite}::{re.sub('^test_', '', name)}"
    verdict = "PASS"
    try:
        test(bench)
    except Skip as reason:
        verdict = "SKIP"
        label += f": {reason}"
    except Exception:
        verdict = "FAIL"
        traceback.print_exc(file=sys.stdout)
    finally:
        bench.close()
        for node in bench.nodes:
            errors = getattr(node, "errors", None)
            if errors and re.search("Sanitizer|runtime error", errors):
                print(errors)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"[{verdict}] {label}", flush=True)
    return verdict != "FAIL"


def run_tests(suite, tests, beside=()):
    """Run all functions test_* in `tests` (or those named on the command line). Those of `beside`, which wait more
    than they do, run beside the others."""
    named = sys.argv[1:]
    wanted = {name: test for name, test in tests.items()
              if name.startswith("test_") and callable(test) and (not named or name in named)}
    with ThreadPoolExecutor(max(1, len(beside))) as pool:
        waiting = [pool.submit(run_test, suite, test.__name__, test) for test in beside if test.__name__ in wanted]
        passed = [run_test(suite, name, test) for name, test in wanted.items() if test not in beside]
        passed += [test.result() for test in waiting]
    return 0 if all(passed) else 1
