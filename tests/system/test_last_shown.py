#!/usr/bin/env python3
"""What a renderer was last known to show: who has not heard of a change does not set it
back, who has may; and what was said last before a worker leaves is saved."""

import http.server
import json
import sys
import threading
import time

from content import deploy_state, lamp_scene
from world import run_tests


def at(x, scale=1):
    return {"position": {"x": x, "y": 0, "z": 0}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
            "scale": {"x": scale, "y": scale, "z": scale}}


def two_people(world):
    worker = world.worker("a")
    ana, ben = world.renderer(worker, "Ana"), world.renderer(worker, "Ben")
    ana.accepted(ana.add("lamp", {"Transform": at(1)}))
    ben.await_shown("lamp", "Transform", at(1))
    return ana, ben


def test_who_does_not_read_sets_nothing_back(world):
    """Ben's page hangs for seconds; then it moves the lamp, with the scale of long ago."""
    ana, ben = two_people(world)
    world.unregister(ben)
    ana.accepted(ana.set("lamp", "Transform", at(1, scale=3)))
    world.run_for(2.5)  # far longer than anything is on its way
    ben.set("lamp", "Transform", at(7))
    ana.await_shown("lamp", "Transform", at(7, scale=3))
    world.register(ben)
    ben.await_shown("lamp", "Transform", at(7, scale=3))


def test_who_has_seen_it_may_set_it_back(world):
    """At once, where the event says what was seen; after a moment without that."""
    ana, ben = two_people(world)
    ana.accepted(ana.set("lamp", "Transform", at(1, scale=3)))
    ben.await_shown("lamp", "Transform", at(1, scale=3))
    ben.accepted(ben.set("lamp", "Transform", at(1), seen=ben.stamps["lamp", "Transform"]))
    ana.await_shown("lamp", "Transform", at(1))
    ana.accepted(ana.set("lamp", "Transform", at(1, scale=4)))
    ben.await_shown("lamp", "Transform", at(1, scale=4))

    def set_back():
        # (Until the worker knows that Ben has heard of it, it is as if he had not touched it, and he is shown the truth.)
        world.run_for(0.5)
        ben.accepted(ben.set("lamp", "Transform", at(1)))
        world.run_for(0.1)
        return ana.model["lamp"]["Transform"] == at(1)
    world.wait(set_back, "after a moment Ben sets it back")


def test_what_says_nothing_new_is_answered(world):
    ana, ben = two_people(world)
    ana.accepted(ana.set("lamp", "Note", "a text"))
    ben.await_shown("lamp", "Note", "a text")
    assert "stamp" not in ana.accepted(ana.set("lamp", "Note", "a text"))
    assert "stamp" not in ana.accepted(ana.set("lamp", "Transform", at(1)))


def test_what_is_said_last_is_saved(world):
    """An edit that is under way when the worker is asked to leave is in the file too."""
    for n in range(4):
        path = world.path(f"{n}.json")
        worker = world.worker(f"w{n}", "--save", path, "--autosave", 1)
        ana = world.renderer(worker, "Ana", reconnect=False)
        ana.accepted(ana.add("lamp", {"Transform": at(1)}))
        world.wait(lambda: worker.status["save"]["state"] == "saved", "it is saved")
        ana.set("lamp", "Transform", at(100 + n))
        time.sleep(0.01 * n)  # on its way, in the tick, in the node, on disk
        worker.stop()
        stored = json.loads(world.run("export", "--store", worker.store, "--format", "state")[0])
        saved = json.loads(path.read_text())
        assert saved["entities"] == stored["entities"], (saved, stored)


def test_who_leaves_does_not_wait_for_a_server_that_hangs(world):
    """Saving is given ten seconds; what is not saved by then is in the store."""
    over = threading.Event()

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_PUT(self):
            over.wait(60)  # never answered

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    worker = world.worker("a", "--builder", url, "--autosave", 1)
    ana = world.renderer(worker, "Ana", reconnect=False)
    ana.accepted(ana.add("lamp", {"Transform": at(1)}))
    world.wait(lambda: worker.status["save"]["state"] == "saving", "it is being saved")
    begin = time.monotonic()
    worker.stop()
    assert time.monotonic() - begin < 25, "a call takes up to 30 s"
    assert "not all is saved" in worker.errors()
    assert "lamp" in world.run("export", "--store", worker.store)[0]
    over.set()
    server.shutdown()


def test_what_is_said_before_the_scene_is_there(world):
    """It is done when the scene comes, in the order of each person, also of who left meanwhile."""
    servers = world.servers()
    servers.stop()
    worker = world.worker("a", servers=servers)
    ana, ben = (world.renderer(worker, name, ready=False, reconnect=False) for name in ("Ana", "Ben"))
    world.wait(lambda: ana.welcome and ben.welcome, "they are welcome")
    assert ana.welcome["state"] == "loading"
    ana.add("hers", {"Transform": at(1)})
    ana.set("hers", "Transform", at(2))
    ana.set("lamp0", "Transform", at(77))
    last = ben.add("his", {"Transform": at(3)})
    ana.await_heard()
    ben.await_heard()
    world.run_for(0.3)
    assert not ana.answers and not ben.answers, "nothing is accepted yet"
    ana.close()
    servers.start()
    deploy_state(servers, world.scene, lamp_scene(3))
    ben.accepted(last)
    wanted = {"hers": at(2), "lamp0": at(77), "his": at(3)}
    world.wait(lambda: all(ben.model.get(e, {}).get("Transform") == t for e, t in wanted.items()),
               lambda: f"all is there: {ben.model}")


if __name__ == "__main__":
    sys.exit(run_tests("last_shown", globals()))
