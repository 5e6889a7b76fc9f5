#!/usr/bin/env python3
"""The verb `access`: people and their tokens in a file."""

import json
import os
import subprocess
import sys

from harness import PROGRAM, WAIT, run_tests


def access(bench, what, *arguments, code=0):
    result = bench.command("access", what, "--file", bench.path("access.json"), *arguments)
    assert result.code == code, (what, arguments, result.code, result.err.decode())
    return result


def people(bench):
    return {p["name"]: p for p in access(bench, "list", "--json").json}


def test_people_come_and_go(bench):
    token = access(bench, "add", "Ana", "--role", "edit").out.decode().strip()
    assert token.startswith("ss1_") and len(token) == 4 + 16 + 1 + 43, token
    told = access(bench, "add", "Ben", "--role", "view", "--expires", "2", "--json").json[0]
    assert told["name"] == "Ben" and told["token"].startswith("ss1_")
    content = bench.path("access.json").read_text()
    assert token.split("_", 2)[2] not in content  # the secret is not kept
    assert os.stat(bench.path("access.json")).st_mode & 0o777 == 0o600
    assert json.loads(content)["version"] == 1
    listed = people(bench)
    assert listed["Ana"]["role"] == "edit" and "expires" not in listed["Ana"]
    assert listed["Ben"]["expired"] is False and listed["Ben"]["expires"].endswith("Z")
    access(bench, "role", "Ana", "publish")
    access(bench, "role", listed["Ben"]["id"], "admin")
    listed = people(bench)
    assert listed["Ana"]["role"] == "publish" and listed["Ben"]["role"] == "admin"
    assert b"Ana" in access(bench, "list").out
    access(bench, "remove", "Ana")
    assert set(people(bench)) == {"Ben"}


def test_mistakes_change_nothing(bench):
    access(bench, "list", code=1)  # no file
    access(bench, "remove", "Ana", code=1)
    assert not bench.path("access.json").exists()
    access(bench, "add", "Ana", "--role", "edit")
    before = bench.path("access.json").read_bytes()
    for arguments in (["add", "Ben"], ["add", "--role", "edit"], ["add", "Ben", "--role", "owner"],
                      ["add", "Ben", "x", "--role", "edit"], ["role", "Ana"], ["role", "Ana", "none"],
                      ["role", "Ana", "view", "--role", "edit"], ["remove"], ["list", "x"], ["grant", "Ana"],
                      ["add", "Ben", "--role", "edit", "--expires", "soon"],
                      ["add", "Ben", "--role", "edit", "--expires", "0"],
                      ["add", "Ben", "--role", "edit", "--expires", "2020-01-01"],
                      ["add", "Ben", "--role", "edit", "--expires", "2027-02-30"]):
        access(bench, arguments[0], *arguments[1:], code=2)
    access(bench, "add", "", "--role", "edit", code=1)
    access(bench, "add", "a\nb", "--role", "edit", code=1)
    access(bench, "role", "Nobody", "view", code=1)
    assert bench.path("access.json").read_bytes() == before
    bench.path("access.json").chmod(0o666)
    assert b"others than its owner" in access(bench, "role", "Ana", "admin", code=1).err
    bench.path("access.json").chmod(0o600)
    bench.path("access.json").write_text(before.decode().replace('"role"', '"roles"'))
    assert b"line" in access(bench, "add", "Ben", "--role", "edit", code=1).err


def test_many_at_once(bench):
    """Who changes the file at the same time waits: nobody is lost."""
    calls = [subprocess.Popen([PROGRAM, "access", "add", "--file", str(bench.path("access.json")), f"P{i}",
                               "--role", "view"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
             for i in range(20)]
    tokens = {call.communicate(timeout=WAIT)[0] for call in calls}
    assert len(tokens) == 20 and set(people(bench)) == {f"P{i}" for i in range(20)}
    assert [p.name for p in bench.folder.iterdir()] == ["access.json"]  # nothing is left beside it


if __name__ == "__main__":
    sys.exit(run_tests("access_verb", dict(globals())))
