#!/usr/bin/env python3
"""A damaged store, from the shell: noticed, repaired, filled up by a peer; what is lost is told."""

import json
import shutil
import sys

from world import run_tests

EDITS, SHARED = 12, 6  # names 1 .. 12 of a lamp; the peer knows the first 6


def make(world):
    """A store with edits that only it has, and a peer that knows the others."""
    peer = world.node("peer")
    store = world.path("store")
    world.run("add", "--store", store, "lamp")
    for i in range(1, EDITS + 1):
        world.run("set", "--store", store, "lamp", "Name.value", json.dumps(f"name-{i}"))
        world.run("set", "--store", store, "lamp", f"Note{i}.text", json.dumps(f"text-{i}"))
        if i == SHARED:
            world.run("sync", "--store", store, "--peer", peer.url)
    return store, peer


def places(path, wanted):
    """Where these bytes lie in a file."""
    content, found = path.read_bytes(), []
    at = content.find(wanted)
    while at >= 0:
        found.append(at)
        at = content.find(wanted, at + 1)
    return found


def hit(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(b"\0\0\0")


def repair(world, store, *more):
    out, _ = world.run("repair", "--store", store, "--json", *more)
    return [json.loads(line) for line in out.splitlines()]


def test_whole_store_is_left_alone(world):
    store, _ = make(world)
    before = (store / "data.mdb").read_bytes()
    assert repair(world, store) == [{"event": "whole"}]
    assert (store / "data.mdb").read_bytes() == before
    world.run("repair", "--store", world.path("none"), code=1)


def try_places(world, choose):
    """Damage the places of one edit that `choose` picks, in one copy of the store after the other."""
    store, peer = make(world)
    counts = {"kept": 0, "told": 0, "missing": 0}
    wanted = f"text-{SHARED + 3}".encode()  # only here
    all_places = places(store / "data.mdb", wanted)
    for number, at in enumerate(all_places):
        copy = world.path(f"copy{number}")
        shutil.copytree(store, copy)
        for place in choose(all_places, at):
            hit(copy / "data.mdb", place)
        *lost, last = repair(world, copy)
        if last["event"] == "whole":
            continue  # nobody reads that place
        world.run("verify", "--store", copy)
        assert (copy / last["aside"] / "data.mdb").exists()
        exported = world.run("export", "--store", copy)[0]
        if wanted.decode() in exported:
            counts["kept"] += 1
            assert f"text-{EDITS}" in exported, (last, lost, exported)
        elif wanted.decode() in json.dumps(lost):
            counts["told"] += 1
        else:
            assert last["missing_records"] > 0, last
            counts["missing"] += 1
    print(f"repair_store: the edit was {counts}")
    # The peer fills up what it knows; from now on they agree.
    if "aside" in last:
        repair(world, copy, "--from", last["aside"], "--peer", peer.url)
    else:
        world.run("sync", "--store", copy, "--peer", peer.url)
    exported = world.run("export", "--store", copy)[0]
    for i in range(1, SHARED + 1):
        assert f"text-{i}" in exported, (i, "a peer had it", exported)
    world.run("set", "--store", copy, "lamp", "Name.value", json.dumps("again"))
    world.run("sync", "--store", copy, "--peer", peer.url)
    assert "again" in world.run("export", "--store", peer.store)[0]
    return counts


def test_one_place_of_an_edit_is_hit(world):
    assert try_places(world, lambda places, at: [at])["kept"] > 0


def test_all_places_but_one_are_hit(world):
    counts = try_places(world, lambda places, at: [p for p in places if p != at])
    assert counts["told"] > 0 and counts["missing"] > 0, counts


def test_refused_with_advice(world):
    store, _ = make(world)
    with open(store / "data.mdb", "r+b") as file:
        file.truncate(4096)
    _, err = world.run("status", "--store", store, code=1)
    assert "scenesync repair" in err, err
    out, _ = world.run("repair", "--store", store)
    assert "damaged-1" in out, out
    world.run("status", "--store", store)


if __name__ == "__main__":
    sys.exit(run_tests("repair_store", globals()))
