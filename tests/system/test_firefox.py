#!/usr/bin/env python3
"""The page in Firefox (Debian's firefox-esr), by its own remote protocol (WebDriver BiDi): it shows the sample scene, hears
another person's edit, makes one, and has nothing to complain of. All else is tried in Chromium: tests/page.

Without a screen Firefox has no WebGL: then the page has to say so, and do all else. With one (Xvfb) the scene is drawn:
    Xvfb :77 -screen 0 1280x900x24 & SCREEN=:77 SHOT=out/firefox.png tests/system/test_firefox.py
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from world import Skip, run_tests

from raw_web import Wire

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT = float(os.environ.get("SCENESYNC_WAIT", 60))


class Firefox:
    def __init__(self, world):
        program = shutil.which("firefox-esr") or shutil.which("firefox")
        if program is None:
            raise Skip("Firefox is not installed")
        profile = world.path("profile")
        profile.mkdir()
        (profile / "user.js").write_text("".join(f'user_pref("{name}", {value});\n' for name, value in {
            "webgl.force-enabled": "true", "browser.shell.checkDefaultBrowser": "false",
            "datareporting.policy.dataSubmissionEnabled": "false", "app.update.enabled": "false"}.items()))
        screen = os.environ.get("SCREEN")
        display = {"DISPLAY": screen} if screen else {"MOZ_HEADLESS": "1"}
        self.process = subprocess.Popen(
            [program, "--no-remote", "--remote-debugging-port", "0", "--profile", profile,
             "--window-size", "1280,800", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "HOME": str(world.folder), **display, "MOZ_CRASHREPORTER_DISABLE": "1"})
        self.port = None
        self.found = threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()
        self.found.wait(WAIT)
        assert self.port, "Firefox did not start"
        self.wire = Wire(self.port)
        assert self.wire.upgrade("/session").status == 101
        self.number = 0
        self.complaints = []
        self.do("session.new", capabilities={})
        self.do("session.subscribe", events=["log.entryAdded"])
        self.tab = self.do("browsingContext.getTree")["contexts"][0]["context"]

    def listen(self):
        for line in self.process.stderr:
            at = re.search(r"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)", line)
            if at:
                self.port = int(at[1])
                self.found.set()
        self.found.set()

    def do(self, method, **params):
        self.number += 1
        self.wire.frame(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.wire.message())
            if message.get("method") == "log.entryAdded" and message["params"]["level"] in ("error", "warn"):
                self.complaints.append(message["params"]["text"])
            if message.get("id") == self.number:
                assert message["type"] == "success", message
                return message["result"]

    def open(self, url):
        self.do("browsingContext.navigate", context=self.tab, url=url, wait="complete")

    def ask(self, expression):
        """What it comes to in the page, which has to be JSON."""
        answer = self.do("script.evaluate", expression=f"(async () => JSON.stringify(await ({expression})))()",
                         target={"context": self.tab}, awaitPromise=True)
        assert answer["type"] == "success", (expression, answer.get("exceptionDetails"))
        value = answer["result"]
        return json.loads(value["value"]) if value["type"] == "string" else None

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.do("browsingContext.captureScreenshot", context=self.tab)["data"]))

    def close(self):
        self.process.kill()
        self.process.wait()


def test_shows_and_edits(world):
    servers = world.servers("servers", "--deploy", f"{world.scene}={ROOT / 'docs/scenes/courtyard.builder.json'}")
    worker = world.worker("a", servers=servers)
    world.wait(lambda: worker.status["state"] == "editing", "the scene is there")
    if b"built without" in worker.call("GET", "/").body:
        raise Skip("built without the page: no npm")
    firefox = Firefox(world)
    try:
        began = time.monotonic()
        firefox.open(f"{worker.http}/?scene={world.scene}&name=Ana")
        wanted = len(worker.entities)

        def until(expression, what):
            world.wait(lambda: firefox.ask(expression), what)

        until("!!globalThis.scenesync", "the page has begun")
        until(f"scenesync.session.scene.entities.size === {wanted} && scenesync.session.link.value.phase === 'live'", "the scene is shown")
        seen = time.monotonic() - began
        if firefox.ask("document.createElement('canvas').getContext('webgl2') !== null"):
            until("scenesync.view && scenesync.view.settled().then(() => true)", "it is drawn")
        else:
            until("/WebGL 2/.test(document.body.innerText)", "it is said why nothing is drawn")
        print(f"Firefox: {wanted} entities {seen:.2f} s after the address was entered")
        # Somebody else moves a thing; it moves here. What is moved here, moves there.
        ben = world.renderer(worker, "Ben")
        entity = next(e for e, parts in ben.model.items() if "Transform" in parts)
        ben.set(entity, "Transform", {**ben.model[entity]["Transform"], "position": {"x": 3, "y": 1, "z": 5}})
        until(f"scenesync.session.scene.place({json.dumps(entity)}).position.join() === '3,1,5'", "Ben's edit is shown")
        until("scenesync.session.people.value.some((person) => person.name === 'Ben')", "Ben is shown")
        firefox.ask(f"scenesync.session.edits.place({json.dumps(entity)}, {{ position: [7, 0, 2] }})")
        world.wait(lambda: ben.model[entity]["Transform"]["position"] == {"x": 7, "y": 0, "z": 2}, "Ana's edit is at Ben's")
        until("scenesync.session.link.value.pending === 0", "it is answered")
        shot = Path(os.environ.get("SHOT", world.path("firefox.png")))
        firefox.picture(shot)
        assert shot.stat().st_size > 10000, "hardly anything is drawn"
        assert not firefox.complaints, firefox.complaints
        firefox.open(f"{worker.http}/status")
        until("document.querySelector('h1') !== null", "the status page")
        assert not firefox.complaints, firefox.complaints
    finally:
        firefox.close()


if __name__ == "__main__":
    sys.exit(run_tests("firefox", dict(globals())))
