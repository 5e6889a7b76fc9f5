#!/usr/bin/env python3
"""The verb fuzz: what it prints, what it returns, plans run again, small scopes.

usage: SCENESYNC=build/debug/scenesync tests/cli/test_fuzz_verb.py [TEST]...
"""

import json, os, subprocess, sys, tempfile

PROGRAM = os.path.abspath(os.environ.get("SCENESYNC", "build/release/scenesync"))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def fuzz(*arguments, code=0, cwd=None):
    done = subprocess.run([PROGRAM, "fuzz", *arguments], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_seeds_are_runs():
    """The same seeds are the same runs, in however many processes."""
    one = lines(fuzz("--runs", "12", "--seed", "7", "--jobs", "1", "--json"))[-1]
    two = lines(fuzz("--runs", "12", "--seed", "7", "--jobs", "2", "--json"))[-1]
    assert one["event"] == "summary" and one["runs"] == 12
    for key in ("hash", "steps", "edits", "events", "faults", "histories", "quiets"):
        assert one[key] == two[key], key
    other = lines(fuzz("--runs", "12", "--seed", "8", "--jobs", "2", "--json"))[-1]
    assert other["hash"] != one["hash"]


def test_every_profile():
    for profile in ("calm", "lossy", "partition", "crash", "everything"):
        end = lines(fuzz("--runs", "8", "--profile", profile, "--json"))[-1]
        assert end["histories"] > 0 and end["coverage"] > 0
        assert profile == "calm" or end["faults"] > 0


def test_a_scene_to_begin_with():
    scene = os.path.join(ROOT, "docs/scenes/courtyard.builder.json")
    fuzz("--runs", "3", "--scene", scene, "--replicas", "3", "--steps", "30")
    done = fuzz("--runs", "3", "--scene", "no such file", code=1)
    assert "no such file" in done.stderr


def test_a_plan_is_run_again():
    plan = "scenesync fuzz plan 1\nplaces 2\nsteps\nput 0 e1 Name value 3\nwait 50\n"
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "a.plan"), "w", encoding="ascii") as out:
            out.write(plan)
        done = fuzz("--replay", "a.plan", "--trace", cwd=folder)
        assert "put 0 e1 Name value 3" in done.stdout and "0 > commits" in done.stdout
        with open(os.path.join(folder, "b.plan"), "w", encoding="ascii") as out:
            out.write(plan + "fly 1\n")
        assert "no such step" in fuzz("--replay", "b.plan", code=1, cwd=folder).stderr


def test_scopes():
    """All histories of up to three batches; the number is what it was counted to be."""
    done = fuzz("--scopes", "--replicas", "2", "--steps", "3", "--letters", "psr", "--json")
    counted = lines(done)[0]
    assert counted["oracle"] == "", counted
    again = lines(fuzz("--scopes", "--replicas", "2", "--steps", "3", "--letters", "psr",
                       "--jobs", "3", "--json"))[0]
    assert counted == again
    assert counted["histories"] > 100 and counted["joins"] > counted["histories"]
    fuzz("--scopes", "--steps", "6", code=2)
    fuzz("--scopes", "--letters", "xyz", code=2)


def test_command_lines_that_are_wrong():
    for wrong in (["--runs", "0"], ["--loss", "101"], ["--profile", "none"], ["--replicas", "65"],
                  ["--jobs", "0"], ["surplus"]):
        fuzz(*wrong, code=2)


def main():
    tests = {name: fn for name, fn in globals().items() if name.startswith("test_")}
    failed = 0
    for name in sys.argv[1:] or tests:
        try:
            tests[name]()
            print(f"[PASS] fuzz_verb::{name[5:]}", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"[FAIL] fuzz_verb::{name[5:]}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
