#!/usr/bin/env python3
"""The running worker: what it builds is the snapshot; hostile scripts end, the worker stays."""

import json
import sys
import time
from pathlib import Path

import harness
import test_generated_code as generated

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))
import world as worlds  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent


# ---- what the running worker builds equals the snapshot ----

def build(bench, store):
    """What the running worker builds from the code of a store, as test_generated_code wants it."""
    code = bench.path(f"{store}.js")
    bench.verb("codegen", store, "-o", code)
    done = bench.command("play", "--code", code, "--print", "--seconds", "120")
    assert done.code == 0 and done.err == b"", (store, done.err.decode())
    built = json.loads(done.out)
    for entity in built["entities"]:
        entity["parent"] = entity.get("parent")
    built["head"] = {"origin": built["origin"]}
    return built


def with_play(test):
    """A test of generated code with the running worker as its engine."""
    def run(bench):
        own, generated.build = generated.build, build
        try:
            test(bench)
        finally:
            generated.build = own
    return run


def test_builds_samples(bench):
    for path in sorted((ROOT / "docs/scenes").glob("*.state*.json")) + sorted(
            (ROOT / "docs/scenes").glob("*scene-state-definition.json")):
        bench.verb("import", path.stem, path)
        generated.check_state(bench, path.stem)


def test_builds_a_large_scene(bench):
    """More entities than one function of the engine could hold the constants of."""
    entities = [{"id": f"e{i}", "components": [{"type": "Transform", "value": {
        "position": {"x": i + 0.5, "y": i / 7, "z": -i}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
        "scale": {"x": 1, "y": 1, "z": 1}}}]} for i in range(12000)]
    bench.verb("import", "large", bench.write("large.json", {"schemaVersion": 1, "entities": entities}))
    began = time.monotonic()
    built = build(bench, "large")
    print(f"12,000 entities: {time.monotonic() - began:.2f} s, code and run")
    generated.same([[e["id"], e["components"]] for e in built["entities"]],
                   [[e["id"], e["components"]] for e in entities], "large")


test_builds_samples = with_play(test_builds_samples)
test_builds_a_large_scene = with_play(test_builds_a_large_scene)
test_builds_states = with_play(generated.test_states)
test_builds_manifests = with_play(generated.test_manifests)
test_builds_composites = with_play(generated.test_composites)
test_builds_what_was_edited = with_play(generated.test_edited)


def test_code_by_hand(bench):
    """Ids are those of the code, parents are told in the transform as scenes do."""
    code = bench.write("game.js", "dcl.addEntity('a'); dcl.addEntity('b'); dcl.setParent('b', 'a');\n"
                       "dcl.addEntity('c'); dcl.setParent('c', 'b');\n"
                       "dcl.updateEntityComponent('b', 'engine.transform', 1, '{\"position\":1,\"scale\":2}');\n"
                       "dcl.componentCreated('s', 'engine.shape', 16);\n"
                       "dcl.componentUpdated('s', '{}'); dcl.attachEntityComponent('a', 'engine.shape', 's');")
    built = json.loads(bench.command("play", "--code", code, "--print", "--seconds", "120").out)
    assert built["entities"] == [
        {"id": "a", "components": [{"type": "BoxShape", "value": {}}]},
        {"id": "b", "parent": "a",
         "components": [{"type": "Transform", "value": {"parent": "a", "position": 1, "scale": 2}}]},
        {"id": "c", "parent": "b", "components": [{"type": "Transform", "value": {"parent": "b"}}]}], built


def test_print_says_what_is_wrong(bench):
    code = bench.write("game.js", "dcl.addEntity('a');\nthrow new Error('so what');")
    done = bench.command("play", "--code", code, "--print", "--seconds", "120")
    assert done.code == 1 and b"error at line 2: Error: so what" in done.err, done.err
    assert [e["id"] for e in json.loads(done.out)["entities"]] == ["a"]
    done = bench.command("play", "--code", bench.write("g.js", "dcl.setParent('x', 'y');"), "--print")
    assert done.code == 0 and b"line 1: setParent: there is no entity `x`" in done.err, done.err
    assert bench.command("play", "--code", bench.path("none"), "--print").code == 1


# ---- as a worker ----

def player(world, code, *arguments, role="edit", wait=True):
    name = f"play{len(world.processes)}"
    process = worlds.Worker(world, name, "play", [
        "--scene", world.scene, "--code", world.write(f"{name}.js", code), "--http", "127.0.0.1:0", "--json",
        *(["--loopback-role", role] if role else []), *arguments])
    return process.start(wait)


def live_shows_what_it_builds(world):
    worker = player(world, "dcl.addEntity('a');\ndcl.updateEntityComponent('a', 'engine.transform', 1, '{\"scale\":2}');\n"
                    "dcl.log('hello', 7);")
    ana = world.renderer(worker, "ana")
    assert ana.welcome["state"] == "running" and ana.welcome["you"]["name"] == "ana", ana.welcome
    assert ana.model == {"a": {"Transform": {"scale": 2}}}, ana.model
    status = worker.status
    assert status["state"] == "running" and status["built"] and status["entities"] == 1 and not status["failed"], status
    assert status["renderers"] == 1 and status["people"] == [{"name": "ana", "role": "edit"}], status
    assert worker.entities == {"a": {"Transform": {"scale": 2}}}
    assert worker.call("GET", "/v1/code").body.startswith(b"dcl.addEntity")
    world.wait(lambda: any(e["event"] == "running" for e in worker.events), "it says so")
    assert [e["text"] for e in worker.events if e["event"] == "log"] == ["hello 7"]
    worker.stop()


def live_takes_no_edits(world):
    """Each is refused with a reason, and the true entity is sent again."""
    worker = player(world, "dcl.addEntity('a');\ndcl.updateEntityComponent('a', 'engine.transform', 1, '{\"scale\":2}');")
    ana = world.renderer(worker, "ana")
    for edit in (lambda: ana.set("a", "Transform", {"scale": 3}), lambda: ana.remove("a"),
                 lambda: ana.add("b", {"Transform": {}}), lambda: ana.say("Undo", {}),
                 lambda: ana.say("SaveSceneState", {})):
        answer = ana.answer(edit())
        assert not answer["ok"] and answer["code"] == "busy" and "running" in answer["error"], answer
    world.wait(lambda: ana.model == {"a": {"Transform": {"scale": 2}}}, lambda: f"the truth: {ana.model}")
    assert ana.accepted(ana.say("Presence", {"selection": ["a"]}))
    assert worker.status["refused"]["edits"] == 5
    assert worker.call("POST", "/v1/save", {}).status == 409
    for bad in ("{", "7", "[1]", '{"eventType":"stateEvent"}', '{"eventType":"x","payload":{"type":"y"}}', "[" * 100000):
        ben = world.renderer(worker, "ben", reconnect=False)
        ben.socket.send(bad)
        world.wait(lambda: ben.socket.closed or ben.heard("Answer"), f"{bad[:40]} is refused")
        ben.close()
    ben = world.renderer(worker, "ben", reconnect=False)
    ben.socket.send(json.dumps([ana.event("RemoveEntity", {"entityId": "a"}, id=i) for i in range(1000)]))
    world.wait(lambda: len(ben.answers) == 1000, "a thousand answers")
    ben.socket.send(json.dumps([ana.event("RemoveEntity", {"entityId": "a"}, id=i) for i in range(1001)]))
    world.wait(lambda: ben.socket.closed, "more than a thousand are refused")
    assert ben.socket.close_code == 1007
    assert ana.open and worker.status["entities"] == 1


def live_who_is_here(world):
    worker = player(world, "")
    ana = world.renderer(worker, "ana", query="color=%23e76f51")
    ben = world.renderer(worker, "ben", query="color=javascript:alert(1)")
    world.wait(lambda: [p["name"] for p in ana.people.values()] == ["ben"], "ana sees ben, and not herself")
    world.wait(lambda: [p["name"] for p in ben.people.values()] == ["ana"], "ben sees ana")
    assert [p["color"] for p in (*ana.people.values(), *ben.people.values())] == ["#000000", "#e76f51"]
    ben.close()
    world.wait(lambda: not ana.people, "ana sees that ben left")
    strange = world.renderer(worker, "x")
    strange.query = "name=%ff%22%5c%c3"  # no UTF-8: others are told something all the same
    strange.socket.end("again")
    strange.lose()
    strange.await_ready()
    world.wait(lambda: any("\ufffd" in p["name"] for p in ana.people.values()), "ana sees somebody")
    assert ana.open


def live_needs_a_token(world):
    worker = player(world, "dcl.addEntity('secret');", role="none")
    assert worker.call("GET", "/v1/health").status == 200
    for path in ("/v1/status", "/v1/snapshot", "/v1/code", "/x"):
        answer = worker.call("GET", path)
        assert answer.status == 401 and b"secret" not in answer.body, (path, answer)
    ana = world.renderer(worker, "ana", ready=False, reconnect=False)
    world.wait(lambda: ana.socket.closed or ana.socket.status, "an answer")
    assert ana.socket.status == 401
    opened = player(world, "dcl.addEntity('a');", role=None)
    assert opened.call("GET", "/v1/status").status == 200
    assert opened.call("GET", "/v1/status", token="wrong").status == 401
    file = world.path("access.json")
    world.run("access", "add", "--file", file, "ana", "--role", "edit")
    closed = player(world, "dcl.addEntity('a');", "--access", file, role=None)
    assert closed.call("GET", "/v1/status").status == 401
    worker = worlds.Worker(world, "mastered", "play", [
        "--scene", world.scene, "--code", world.path("play0.js"), "--http", "127.0.0.1:0", "--json",
        "--loopback-role", "none"], {"SCENESYNC_MASTER_TOKEN": "kernel-token"}).start()
    assert worker.call("GET", "/v1/status", token="kernel-token").status == 200
    assert worker.call("GET", "/v1/status", token="kernel-toke").status == 401


HOSTILE = {
    "a loop without end": ("dcl.addEntity('a');\nfor (;;) {}", "took too long"),
    "a loop that catches": ("for (;;) { try { for (;;) {} } catch (e) {} }", "took too long"),
    "a memory bomb": ("var a = [], s = new Array(99999).join('x');\nfor (;;) { a.push(s + a.length); }", "too much memory"),
    "a huge string": ("var s = 'x';\nfor (;;) { s += s; }", "too much memory"),
    "deep recursion": ("function f() { return f() + 1; }\nf();", "RangeError"),
    "deep JSON": ("var s = '';\nfor (var i = 0; i < 1e5; i++) s += '[';\ndcl.addEntity('a');\n"
                  "dcl.updateEntityComponent('a', 'x', 1, s);", "no JSON"),
    "a catastrophic regexp": ("/^(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab');", "took too long"),
    "a syntax error": ("dcl.addEntity('a');\nvar = 3;", "line 2: SyntaxError"),
    "a throw": ("throw {toString: function () { return 'mine'; }};", "error: mine"),
    "a tampered dcl": ("dcl = {}; Object.prototype.addEntity = 7; dcl.addEntity = null; dcl.addEntity('a'); throw 'end';",
                       "error: end"),
    "a tampered JSON": ("JSON.stringify = function () { return 'x'; }; dcl.addEntity('a');\n"
                        "dcl.updateEntityComponent('a', 'engine.transform', 1, JSON.stringify({}));", "no JSON"),
    "a million entities": ("for (var i = 0; i < 1e6; i++) { dcl.addEntity('e' + i); }", "too many entities"),
    "a million components": ("dcl.addEntity('a'); for (var i = 0; i < 1e6; i++) "
                             "{ dcl.componentCreated('c' + i, 'x', 1); }", "too many components"),
    "a hundred MB of values": ("dcl.addEntity('a'); var s = JSON.stringify(new Array(1000000).join('x'));\n"
                               "for (var i = 0; i < 100; i++) { dcl.updateEntityComponent('a', 'x', 1, s); }", "too much"),
    "a log without end": ("for (;;) { dcl.log('spam'); }", "makes too many calls"),
    "no host": ("require('fs');", "ReferenceError"),
    "a wish for files": ("new Function('return this')().process.exit(0);", "TypeError"),
}


def live_hostile_scripts(world):
    """Each ends with its reason, within the limits; the worker stays up and says so."""
    workers = {}
    for what, (code, text) in HOSTILE.items():
        began = time.monotonic()
        worker = player(world, code, "--seconds", "1" if text == "took too long" else "60")
        workers[what] = worker
        ana = world.renderer(worker, "ana", reconnect=False)
        said = world.wait(lambda: ana.heard("State"), f"{what}: a State", 180)[0]["text"]
        assert text in said, (what, said)
        status = worker.status
        assert status["state"] == "running" and status["text"] == said, (what, status)
        assert worker.call("GET", "/v1/health").status == 200
        print(f"{what}: {time.monotonic() - began:.2f} s: {said[:100]}")
        lines = [e for e in worker.events if e["event"] == "log"]
        assert len(lines) <= 1000, len(lines)
        ana.close()
        worker.stop()
    world.wait(lambda: not children_left(world.folder), "no sandbox is left behind")


def children_left(folder):
    """Processes of ours that nobody looks after any more."""
    return [line for parent, line in harness.processes() if f"{folder}/" in line and parent == 1]


def live_ends_while_a_script_runs(world):
    worker = player(world, "for (;;) {}", "--seconds", "60")
    ana = world.renderer(worker, "ana", ready=False, reconnect=False)
    world.wait(lambda: ana.open and ana.heard("Welcome"), "the link")
    assert not ana.ready and not worker.status["built"]
    assert worker.call("GET", "/v1/snapshot").status == 503
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 50, "it does not wait for the script"
    worker = player(world, "for (;;) {}", "--seconds", "60")
    worker.kill()
    world.wait(lambda: not children_left(world.folder), "the sandbox ends with its worker")


def live_a_slow_reader(world):
    """A large scene goes out as it can be read; who does not read holds nobody up."""
    worker = player(world, "for (var i = 0; i < 20000; i++) { dcl.addEntity('e' + i);\n"
                    "dcl.updateEntityComponent('e' + i, 'engine.transform', 1, "
                    "'{\"position\":{\"x\":' + i + ',\"y\":0,\"z\":0}}'); }")
    slow = world.renderer(worker, "slow", ready=False)
    slow.reading = False
    began = time.monotonic()
    fast = world.renderer(worker, "fast")
    print(f"20,000 entities: {time.monotonic() - began:.2f} s to a renderer")
    assert len(fast.model) == 20000 and fast.model["e7"] == {"Transform": {"position": {"x": 7, "y": 0, "z": 0}}}
    slow.reading = True
    slow.step(True)
    slow.await_ready()
    assert slow.model == fast.model


def live_roles_change(world):
    """A token that is taken away closes the link; one that is changed says so."""
    file = world.path("access.json")
    token = world.run("access", "add", "--file", file, "ana", "--role", "edit")[0].split()[-1]
    worker = player(world, "dcl.addEntity('a');", "--access", file, role=None)
    ana = world.renderer(worker, "x", token=token, reconnect=False)
    assert ana.role == "edit" and ana.welcome["you"]["name"] == "ana"
    world.run("access", "role", "--file", file, "ana", "view")
    world.wait(lambda: ana.role == "view", "the role changes")
    world.run("access", "remove", "--file", file, "ana")
    world.wait(lambda: ana.socket.closed, "the link is closed")
    assert ana.socket.close_code == 1008, ana.socket.close_code


if __name__ == "__main__":
    wanted = sys.argv[1:]
    live = {"test_" + name[5:]: test for name, test in globals().items() if name.startswith("live_")}
    code = harness.run_tests("play", {n: t for n, t in globals().items() if n not in live})
    sys.exit(worlds.run_tests("play", live, wanted) or code)
