#!/usr/bin/env python3
"""What ./run starts: all systems around a scene; what it says to try is true; it leaves nothing behind."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

from harness import PROGRAM, await_until, processes, run_tests

ROOT = Path(__file__).resolve().parent.parent.parent


class Started:
    """cli/start.py as ./run starts it; what it prints is read as it comes."""

    def __init__(self, bench, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "cli/start.py", "--program", PROGRAM, "--scenes", ROOT / "docs/scenes",
             "--default-dir", bench.path("run"), *arguments, ROOT / "docs/scenes/courtyard.builder.json"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=bench.folder, env=bench.environment)
        bench.nodes.append(self)
        self.folder = bench.folder
        self.text = ""
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.text += line

    def await_text(self, wanted):
        def there():
            assert wanted in self.text or self.process.poll() is None, self.text
            return wanted in self.text
        await_until(there, f"{wanted} in what is said")

    def end(self):
        code = self.process.wait(60)
        assert not self.left(), self.left()
        return code

    def left(self):
        """Processes that work in our folder still."""
        return [line for _, line in processes() if f"{self.folder}/run" in line]


def post(url):
    with urllib.request.urlopen(urllib.request.Request(url, method="POST", data=b""), timeout=60) as answer:
        return json.load(answer)


def test_starts_says_and_ends(bench):
    run = Started(bench, "--seconds", "3", "--fresh")
    assert run.end() == 0, run.text
    assert "3 workers, all equal" in run.text and "10 entities" in run.text, run.text
    assert (bench.path("run") / "kernel/scenes/0,0/store/data.mdb").exists()


def test_what_it_says_to_try(bench):
    run = Started(bench)
    run.await_text("all equal")
    line = next(text for text in run.text.splitlines() if "edit at Ben's" in text)
    command = shlex.split(line.split("Ben's", 1)[1])
    done = subprocess.run(command, cwd=bench.folder, capture_output=True, env=bench.environment)
    assert done.returncode == 0, done.stderr
    entity = command[4]
    def at_cyn():
        shown = bench.command("export", "--store", bench.path("run/cyn/store"), "--format", "state").json[0]
        found = next(e for e in shown["entities"] if e["id"] == entity)
        return {"x": 8, "y": 4, "z": 8} in [c["value"].get("position") for c in found["components"]]
    await_until(at_cyn, "what Ben edits is at Cyn's")
    play = next(text for text in run.text.splitlines() if "play the scene" in text).split()[-1]
    assert post(play)["state"] == "running"
    assert post(play.replace("/play", "/stop"))["state"] == "editing"
    os.kill(run.process.pid, signal.SIGINT)
    assert run.end() == 0, run.text
    # What was edited is there at the next start.
    again = Started(bench)
    again.await_text("all equal")
    assert at_cyn()
    os.kill(again.process.pid, signal.SIGTERM)
    assert again.end() == 0, again.text


if __name__ == "__main__":
    sys.exit(run_tests("run", dict(globals())))
