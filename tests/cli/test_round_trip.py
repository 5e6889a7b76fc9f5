#!/usr/bin/env python3
"""Real scenes through the program: import and export in the same format is the same JSON."""

import json
import sys

from harness import canonical, run_tests, shared


def scenes(bench, folder, pattern):
    """All files of a kind; those made to be refused are told apart by their names."""
    files = sorted(shared("data", folder).glob(pattern))
    assert files, f"no {pattern} in {folder}"
    return files


def check(bench, form, files):
    for number, path in enumerate(files):
        store = f"s{number}"
        if "invalid__" in path.name:
            result = bench.verb("import", store, path, code=1)
            assert b"line" in result.err and b"column" in result.err, (path, result.err)
            assert not bench.path(store).exists(), path
            continue
        bench.verb("import", store, path)
        exported = bench.verb("export", store).out
        assert canonical(json.loads(exported)) == canonical(json.loads(path.read_bytes())), path
        assert exported == bench.verb("export", store, "--format", form).out, path


def test_builder(bench):
    check(bench, "builder", scenes(bench, "builder", "*.json"))


def test_state(bench):
    check(bench, "state", scenes(bench, "state", "*.scene-state-definition.json"))


def test_composite(bench):
    check(bench, "composite", scenes(bench, "composite", "**/*.composite.json"))


def test_through_state_and_back(bench):
    """What another format cannot say is carried along."""
    for number, path in enumerate(scenes(bench, "builder", "*.json")):
        bench.verb("import", f"a{number}", path)
        bench.verb("export", f"a{number}", "--format", "state", "-o", bench.path("state.json"))
        bench.verb("import", f"b{number}", bench.path("state.json"))
        back = json.loads(bench.verb("export", f"b{number}", "--format", "builder").out)
        assert canonical(back) == canonical(json.loads(path.read_bytes())), path


if __name__ == "__main__":
    sys.exit(run_tests("round_trip", dict(globals())))
