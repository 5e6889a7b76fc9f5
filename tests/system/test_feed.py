#!/usr/bin/env python3
"""What a worker tells beside the scene: the conflicts that stand, who did what, and figures."""

import json
import re
import sys
import time

from world import run_tests

AT = {"rotation": {"x": 0, "y": 0, "z": 0, "w": 1}, "scale": {"x": 1, "y": 1, "z": 1}}


def place(x, **more):
    return dict(AT, position={"x": x, "y": 0, "z": 0}, **more)


def standing(renderer):
    """The list that it was told last; None: it has not heard any."""
    told = renderer.heard("Conflicts")
    return told[-1]["conflicts"] if told else None


def kinds(renderer):
    return sorted(c["kind"] for c in standing(renderer) or [])


def await_kinds(world, renderer, *wanted):
    world.wait(lambda: standing(renderer) is not None and kinds(renderer) == sorted(wanted),
               lambda: f"{renderer.name} is told of {wanted}; it was told of {standing(renderer)}")
    return standing(renderer)


def two_workers(world):
    """Two workers of one scene, with a way between them that can be cut; a person at each."""
    one = world.worker("one")
    way = world.relay(one)
    two = world.worker("two", peers=[way], listen=False)
    ana, ben = world.renderer(one, "ana"), world.renderer(two, "ben")
    ana.accepted(ana.add("lamp", {"Transform": place(1)}))
    world.wait(lambda: "lamp" in ben.model, "ben sees the lamp")
    return one, two, way, ana, ben


def apart(world, way, one, two, ana, ben, *edits):
    """Both edit while the way is cut; then it is mended, and they are equal."""
    way.cut()
    for number, who in [(edit(), who) for who, edit in edits]:
        who.accepted(number)
    way.mend()
    world.wait(lambda: one.mark == two.mark, "both are equal")


# ---- conflicts ----

def test_an_empty_list_comes_after_the_scene(world):
    """Whoever connects learns that nothing stands, and forgets what stood before."""
    worker = world.worker("a")
    ana = world.renderer(worker, "ana")
    assert await_kinds(world, ana) == []
    kinds_heard = [e["eventType"] for e in ana.events]
    assert kinds_heard[0] == "Welcome" and kinds_heard.count("Conflicts") == 1


def test_concurrent_writes_stand_until_written_again(world):
    """Both are told which write does not show, whose it is and who beat it; who joins later too."""
    one, two, way, ana, ben = two_workers(world)
    apart(world, way, one, two, ana, ben, (ana, lambda: ana.set("lamp", "Transform", place(5))),
          (ben, lambda: ben.set("lamp", "Transform", place(9))))
    [told] = await_kinds(world, ana, "concurrent")
    assert await_kinds(world, ben, "concurrent") == [told]
    shown = one.entities["lamp"]["Transform"]["position"]["x"]
    lost, winner = (5, "ben") if shown == 9 else (9, "ana")
    assert told["value"] == {"x": lost, "y": 0, "z": 0} and told["field"] == "position" and told["component"] == "Transform"
    assert told["author"] == {"name": "ana" if lost == 5 else "ben"} and told["by"] == {"name": winner} and told["stamp"]
    later = world.renderer(one, "later")
    assert await_kinds(world, later, "concurrent") == [told]
    assert one.get("/v1/conflicts")["conflicts"] == [told]
    ana.accepted(ana.set("lamp", "Transform", place(7)))
    for who in (ana, ben, later):
        await_kinds(world, who)
    assert one.get("/v1/conflicts")["conflicts"] == []


def test_a_concurrent_conflict_is_dismissed(world):
    """What shows stays; the other write is gone, at all workers."""
    one, two, way, ana, ben = two_workers(world)
    apart(world, way, one, two, ana, ben, (ana, lambda: ana.set("lamp", "Transform", place(5))),
          (ben, lambda: ben.set("lamp", "Transform", place(9))))
    [told] = await_kinds(world, ben, "concurrent")
    before = two.entities
    wrong = {"entityId": "lamp", "component": "Transform", "field": "position", "stamp": "1@" + "0" * 32}
    ben.accepted(ben.say("DismissConflict", wrong))
    assert two.status["conflicts"] == 1, "of another write"
    ben.accepted(ben.say("DismissConflict", dict(wrong, stamp=told["stamp"])))
    for who in (ana, ben):
        await_kinds(world, who)
    world.wait(lambda: one.mark == two.mark, "both are equal")
    assert one.entities == before and two.status["conflicts"] == 0


def test_an_edit_of_what_was_removed_stands(world):
    """The value can be had back, or let go of."""
    one, two, way, ana, ben = two_workers(world)
    apart(world, way, one, two, ana, ben, (ana, lambda: ana.remove("lamp")),
          (ben, lambda: ben.set("lamp", "Transform", place(9))))
    [told] = await_kinds(world, ben, "edited-while-removed")
    assert told["entityId"] == "lamp" and told["value"]["x"] == 9 and told["author"] == {"name": "ben"}
    ana.accepted(ana.say("DismissConflict", {"entityId": "lamp"}))
    for who in (ana, ben):
        await_kinds(world, who)
    assert "lamp" not in one.entities


def test_what_stands_is_there_after_a_restart(world):
    """Of a component that nothing has any more, too: it is dismissed by its name all the same."""
    one, two, way, ana, ben = two_workers(world)
    ana.accepted(ana.set("lamp", "Script", {"assetId": "a", "values": {"x": 1}}))
    world.wait(lambda: "Script" in ben.model["lamp"], "ben sees the script")
    apart(world, way, one, two, ana, ben, (ana, lambda: ana.remove("lamp")),
          (ben, lambda: ben.set("lamp", "Script", {"assetId": "a", "values": {"x": 2}})))
    [told] = await_kinds(world, ben, "edited-while-removed")
    ben.close()
    two.stop()
    two.start()
    later = world.renderer(two, "later")
    assert await_kinds(world, later, "edited-while-removed") == [told]
    later.accepted(later.say("DismissConflict", {key: told[key] for key in ("entityId", "component", "field", "stamp")}))
    await_kinds(world, later)
    await_kinds(world, ana)


def test_cycles_and_orphans_stand(world):
    one, two, way, ana, ben = two_workers(world)
    ana.accepted(ana.add("desk", {"Transform": place(2)}))
    ana.accepted(ana.add("door", {"Transform": place(3)}))
    world.wait(lambda: "door" in ben.model, "ben sees the door")
    apart(world, way, one, two, ana, ben, (ana, lambda: ana.set("lamp", "Transform", place(1, parent="desk"))),
          (ben, lambda: ben.set("desk", "Transform", place(2, parent="lamp"))))
    [told] = await_kinds(world, ana, "cycle")
    assert told["field"] == "parent" and told["value"] in ("desk", "lamp") and told["author"]["name"] in ("ana", "ben")
    ana.accepted(ana.set("door", "Transform", place(3, parent="lamp")))
    ana.accepted(ana.remove("lamp"))
    # The edge that the cycle hid is made good before the lamp goes, or the desk is an orphan too.
    world.wait(lambda: set(kinds(ana)) == {"orphan"} and "door" in {c["entityId"] for c in standing(ana)}
               and {c["value"] for c in standing(ana)} == {"lamp"}, lambda: f"orphans are told: {standing(ana)}")
    before = one.entities
    for entity in ("desk", "door"):
        ana.accepted(ana.say("DismissConflict", {"entityId": entity, "component": "Transform", "field": "parent"}))
    await_kinds(world, ana)
    assert one.entities == before, "they stay where they were shown"


def clash(world, ana, ben, by=None):
    """Ben replaces ana's newer position without having seen it."""
    ana.accepted(ana.add("lamp", {"Transform": place(1)}))
    world.wait(lambda: "lamp" in ben.model, "ben sees the lamp")
    seen = ben.stamps["lamp", "Transform"]
    ana.accepted(ana.set("lamp", "Transform", place(5)))
    ben.accepted(ben.set("lamp", "Transform", place(9), seen=seen))
    return seen


def test_a_clash_is_heard_of_by_who_comes_later(world):
    """It is told once as it happens, and stands until somebody else writes there."""
    worker = world.worker("a")
    ana, ben = world.renderer(worker, "ana"), world.renderer(worker, "ben")
    clash(world, ana, ben)
    [told] = await_kinds(world, ana, "stale")
    assert told["value"]["x"] == 5 and told["author"] == {"name": "ana"} and told["by"] == {"name": "ben"}
    world.wait(lambda: ana.heard("Conflict"), "it is told as it happens")
    assert len(ana.heard("Conflict")) == 1
    later = world.renderer(worker, "later")
    assert await_kinds(world, later, "stale") == [told]
    assert worker.get("/v1/conflicts")["conflicts"] == [told] and worker.get("/v1/status")["clashes"] == 1
    listed = json.loads(world.run("conflicts", "--store", worker.store, "--json")[0])
    assert listed["kind"] == "stale" and listed["hidden"]["value"]["x"] == 5 and listed["shown"]["value"]["x"] == 9, listed
    assert "stale lamp.Transform.position" in world.run("conflicts", "--store", worker.store)[0]
    ana.await_shown("lamp", "Transform", place(9))
    # (What she saw is said: what crosses word of a change sets nothing back.)
    ana.accepted(ana.set("lamp", "Transform", place(5), seen=ana.stamps["lamp", "Transform"]))
    for who in (ana, ben, later):
        await_kinds(world, who)


def test_the_verb_settles_clashes_too(world):
    worker = world.worker("a")
    ana, ben = world.renderer(worker, "ana"), world.renderer(worker, "ben")
    clash(world, ana, ben)
    await_kinds(world, ana, "stale")
    world.run("conflicts", "--store", worker.store, "--clear")
    await_kinds(world, ana)
    assert world.run("conflicts", "--store", worker.store)[0] == "no conflicts\n"


def test_a_drag_does_not_hide_its_own_clash(world):
    """The one who replaced a value goes on dragging: that is one doing, and the clash stands."""
    worker = world.worker("a")
    ana, ben = world.renderer(worker, "ana"), world.renderer(worker, "ben")
    clash(world, ana, ben)
    longest, last = 0, time.monotonic()
    for x in range(20, 40):
        ben.accepted(ben.set("lamp", "Transform", place(x)))
        world.run_for(0.05)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert longest > 0.7 or kinds(ana) == ["stale"], standing(ana)  # on a machine that stands still it is no drag
    ben.accepted(ben.say("DismissConflict", {"entityId": "lamp", "component": "Transform", "field": "position"}))
    await_kinds(world, ana)
    assert worker.get("/v1/status")["clashes"] == 0


def test_what_was_removed_unseen_stands_until_it_is_back(world):
    worker = world.worker("a")
    ana, ben = world.renderer(worker, "ana"), world.renderer(worker, "ben")
    ana.accepted(ana.add("lamp", {"Transform": place(1)}))
    world.wait(lambda: "lamp" in ben.model, "ben sees the lamp")
    seen = ben.stamps["lamp", "Transform"]
    ana.accepted(ana.set("lamp", "Transform", place(5)))
    ben.accepted(ben.remove("lamp", seen=seen))
    [told] = await_kinds(world, ana, "removed")
    assert told["value"]["x"] == 5 and told["by"] == {"name": "ben"}
    ana.accepted(ana.add("lamp", {"Transform": place(5)}))
    await_kinds(world, ana)


def test_the_list_is_told_at_most_twice_a_second(world):
    worker = world.worker("a")
    began = time.monotonic()
    ana, ben = world.renderer(worker, "ana"), world.renderer(worker, "ben")
    clash(world, ana, ben)
    [first] = await_kinds(world, ana, "stale")
    for x in range(12):
        seen = ben.stamps["lamp", "Transform"]
        ana.accepted(ana.set("lamp", "Transform", place(100 + x)))
        ben.accepted(ben.set("lamp", "Transform", place(200 + x), seen=seen))
    world.wait(lambda: standing(ana) != [first], "a list is told again")
    world.run_for(0.6)
    most = 2 * (time.monotonic() - began) + 2  # one on connecting
    assert len(ana.heard("Conflicts")) <= most


def test_a_viewer_dismisses_nothing(world):
    worker = world.worker("a", "--loopback-role", "view", role=None)
    guest = world.renderer(worker, "guest")
    assert await_kinds(world, guest) == []
    answer = guest.answer(guest.say("DismissConflict", {"entityId": "lamp"}))
    assert not answer["ok"] and answer["code"] == "forbidden"


# ---- history ----

def history(worker, query=""):
    return worker.get("/v1/history" + query)


def test_history_tells_doings(world):
    """One entry a doing, the newest first; of what was added only that it was."""
    worker = world.worker("a")
    ana, ben = world.renderer(worker, "ana"), world.renderer(worker, "ben")
    for attempt in range(50):
        lamp, door = f"lamp{attempt}", f"door{attempt}"
        ana.accepted(ana.add(lamp, {"Transform": place(1), "Name": {"value": "Lamp"}}))
        ben.await_shown(lamp, "Transform", place(1))
        began = time.monotonic()
        for x in range(5):
            ben.accepted(ben.set(lamp, "Transform", place(x + 2)))
        took = time.monotonic() - began
        ana.accepted(ana.add(door, {"Transform": place(1)}))
        ana.accepted(ana.say("Undo", {}))
        if took < 0.9:  # after a pause of a second it is another doing
            break
    told = history(worker)
    assert told["ok"] and told["complete"] and not told["cut"]
    undo, _, drag, added = told["entries"][:4]
    assert drag["who"] == "ben" and drag["origin"] == "edit" and drag["more"] == 0
    assert drag["changes"] == [{"entity": lamp, "component": "Transform", "field": "position", "what": "set"}]
    assert added["who"] == "ana" and added["changes"] == [{"entity": lamp, "what": "add"}], added
    assert undo["origin"] == "undo" and undo["who"] == "ana"
    assert undo["changes"] == [{"entity": door, "what": "remove"}], undo
    assert undo["at"] >= drag["at"] >= added["at"] > 1e12


def test_history_is_read_in_pages(world):
    worker = world.worker("a")
    ana = world.renderer(worker, "ana")
    for n in range(25):
        ana.accepted(ana.add(f"e{n}", {"Transform": place(n)}))
    whole = history(worker, "?limit=200")
    pages, before = [], ""
    while not pages or not pages[-1]["complete"]:
        pages.append(history(worker, "?limit=7" + before))
        before = "&before=" + pages[-1]["entries"][-1]["stamp"] if pages[-1]["entries"] else before
    assert [e for p in pages for e in p["entries"]] == whole["entries"] and len(whole["entries"]) >= 25
    assert all(len(p["entries"]) <= 7 for p in pages)
    unknown = history(worker, "?before=5@" + "0" * 32)
    assert unknown["entries"] == [] and unknown["complete"]
    for wrong in ("?limit=0", "?limit=201", "?limit=x", "?before=7", "?before=x@y"):
        assert worker.call("GET", "/v1/history" + wrong).status == 400, wrong


# ---- figures ----

SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(\{([a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (-?[0-9.e+]+)\Z')


def metrics(worker):
    """{name with labels: number}, held against the format as Prometheus reads it."""
    answer = worker.call("GET", "/metrics")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers
    text = answer.body.decode()
    assert text.endswith("\n")
    found, types, family, done = {}, {}, None, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, told = line[7:].split(" ", 1)
            assert name not in done and told.endswith("."), line
            done.add(name)
            family = name
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == family and kind in ("counter", "gauge"), line
            assert (kind == "counter") == name.endswith("_total"), line
            types[name] = kind
        else:
            sample = SAMPLE.match(line)
            assert sample, line
            assert sample[1] == family and family in types, f"{line}: not below its family"
            key = sample[1] + (sample[2] or "")
            assert key not in found, f"{key} twice"
            found[key] = float(sample[4])
    return found


def test_metrics_are_as_prometheus_reads_them(world):
    one, two, way, ana, ben = two_workers(world)
    edits = 0

    def edited():
        # (What is edited before they subscribed comes with an answer, not as a batch.)
        nonlocal edits
        edits += 1
        ana.accepted(ana.set("lamp", "Transform", place(edits + 1)))
        return edits >= 11 and metrics(two)["scenesync_batches_received_total"] >= 10
    world.wait(edited, "ten batches have come")
    world.wait(lambda: one.mark == two.mark, "both are equal")
    world.wait(lambda: metrics(two)["scenesync_digest"] == metrics(one)["scenesync_digest"], "digests are equal")
    # Who is at the other worker, and whether that one agrees, is heard a little later.
    world.wait(lambda: metrics(one)["scenesync_people"] == 2, "both hear of each other's people")
    world.wait(lambda: any(k.startswith("scenesync_peer_digest_equal") for k in metrics(two)), "the other's digest is heard")
    at_one, at_two = metrics(one), metrics(two)
    assert at_one["scenesync_edits_total"] >= 11 and at_two["scenesync_batches_received_total"] >= 10
    assert at_one["scenesync_renderers"] == 1 and at_one["scenesync_people"] == 2
    assert at_one["scenesync_version_sum"] == at_two["scenesync_version_sum"]
    assert at_one['scenesync_state{state="editing"}'] == 1 and at_one['scenesync_state{state="loading"}'] == 0
    assert at_one["process_resident_memory_bytes"] > 1e6 and at_one["process_open_fds"] > 5
    assert at_one["process_cpu_seconds_total"] > 0 and abs(at_one["process_start_time_seconds"] - time.time()) < 600
    received = [v for k, v in at_two.items() if k.startswith("scenesync_peer_received_bytes_total")]
    assert sum(received) > 1000 and at_two["scenesync_link_received_bytes_total"] >= sum(received)
    ana.accepted(ana.set("lamp", "Transform", place(0)))
    world.wait(lambda: metrics(one)["scenesync_edits_total"] > at_one["scenesync_edits_total"], "it is counted")


def test_a_peer_keeps_its_name_when_another_goes(world):
    """Counters go on under the name they had: rates and sums over time are of one link each."""
    first, second = world.worker("first"), world.worker("second")
    eye = world.worker("eye", peers=[first, second])
    ana = world.renderer(first, "ana")
    ana.accepted(ana.add("lamp", {"Transform": place(1)}))

    def received(of):
        return {k: v for k, v in metrics(eye).items()
                if k.startswith("scenesync_peer_received_bytes_total") and f'url="{of.url}"' in k}
    world.wait(lambda: all(sum(received(w).values()) > 0 for w in (first, second)), "both are heard")
    before = received(second)
    first.stop()
    world.wait(lambda: not any(first.url in p["url"] and p["heard"] for p in eye.status["peers"]), "the first is gone")
    assert set(received(second)) == set(before) and all(v >= before[k] for k, v in received(second).items())
    actor = second.status["worker"]
    world.wait(lambda: [k for k in metrics(eye) if k.startswith("scenesync_peer_info") and actor in k], "who it is")


def test_status_tells_of_each_peer(world):
    one, two, way, ana, ben = two_workers(world)
    edits = 0

    def edited():
        # (What is edited before they subscribed comes with an answer, not as a batch.)
        nonlocal edits
        edits += 1
        ana.accepted(ana.set("lamp", "Transform", place(edits + 1)))
        return two.status["since"]["batchesIn"] >= 1
    world.wait(edited, "a batch has come")

    def heard():
        told = two.status
        return told if any(p["connected"] and p["digestEqual"] and p["bytesIn"] > 0 and p["version"] == told["version"]
                           and p["heardMs"] < 10000 for p in told["peers"]) else None
    status = world.wait(heard, lambda: f"two hears one: {two.status}")
    peer = next(p for p in status["peers"] if p["connected"])
    assert peer["version"] == status["version"] and peer["messagesIn"] > 0
    assert status["process"]["memoryBytes"] > 1e6 and status["uptimeMs"] > 0
    assert set(status["queues"]) == {"unanswered", "stalled", "reads", "publishing", "held"}


if __name__ == "__main__":
    sys.exit(run_tests("feed", dict(globals())))
