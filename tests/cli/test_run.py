#!/usr/bin/env python3
"""What ./run starts: all systems around a scene; what it says to try is true; it leaves nothing behind."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

from harness import PROGRAM, Skip, await_until, processes, run_tests

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
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.text += line

    def await_text(self, wanted):
        def there():
            assert wanted in self.text or self.process.poll() is None, self.text
            return wanted in self.text
        await_until(there, f"{wanted} in what is said")

    def end(self):
        code = self.process.wait(300)
        self.reader.join(60)  # the last it said is read
        await_until(lambda: not self.left(), f"nobody is left: {self.left()}")
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


def get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.headers, answer.read().decode()


def test_what_it_says_to_try(bench):
    run = Started(bench)
    run.await_text("all equal")
    # The page is at the very top: of the kernel's worker, of Ben's, and about them.
    first = [text for text in run.text.splitlines() if text.strip()][1:4]
    links = [next(word for word in text.split() if word.startswith("http://")) for text in first]
    assert links[0].endswith("/?scene=0,0") and links[1].endswith("/?scene=0,0&name=Ben"), links
    assert links[2].endswith("/status"), links
    for link in links:
        headers, text = get(link)
        assert headers["Content-Type"] == "text/html; charset=utf-8" and "<title>" in text, text
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


def opened(bench, terminal, environment, *arguments, wanted=False):
    """What the desktop is asked to open, by a run in a terminal or none. wanted: it is, if maybe a moment later."""
    tools = bench.path("tools")
    tools.mkdir(exist_ok=True)
    asked = bench.path("asked")
    asked.unlink(missing_ok=True)
    opener = bench.write("tools/xdg-open", f'#!/bin/sh\necho "$@" >{asked}.part\nmv {asked}.part {asked}\n')
    opener.chmod(0o755)
    environment = {**bench.environment, "PATH": f"{tools}:{os.environ['PATH']}", **environment}
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        environment.setdefault(name, "")
    command = [sys.executable, str(ROOT / "cli/start.py"), "--program", PROGRAM, "--scenes", str(ROOT / "docs/scenes"),
               "--default-dir", str(bench.path("run")), "--seconds", "0.1", *arguments,
               str(ROOT / "docs/scenes/courtyard.builder.json")]
    if terminal:
        command = ["script", "--quiet", "--return", "--command", shlex.join(command), "/dev/null"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=bench.folder,
                          env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    if wanted:
        await_until(asked.exists, "the desktop is asked")
    if not asked.exists():
        return None, done.stdout
    return asked.read_text().strip(), done.stdout


def test_opens_the_page(bench):
    """Only where somebody sits at a terminal of a desktop, and has not said no."""
    if shutil.which("script") is None:
        raise Skip("script (a terminal for tests) is not installed")
    link, text = opened(bench, True, {"DISPLAY": ":99"}, wanted=True)
    assert link and link.endswith("/?scene=0,0") and link in text, (link, text)
    assert opened(bench, True, {"WAYLAND_DISPLAY": "w"}, "--no-open")[0] is None
    assert opened(bench, True, {})[0] is None
    assert opened(bench, False, {"DISPLAY": ":99"})[0] is None


if __name__ == "__main__":
    sys.exit(run_tests("run", dict(globals())))
