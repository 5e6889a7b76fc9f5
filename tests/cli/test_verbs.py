#!/usr/bin/env python3
"""Every verb on a store without a node: forms, results, exit codes, errors."""

import json
import subprocess
import sys

from harness import PROGRAM, WAIT, run_tests

STATE = {
    "schemaVersion": 1,
    "entities": [
        {"id": "table", "components": [
            {"type": "Transform", "value": {"position": {"x": 1, "y": 0, "z": 2}}},
            {"type": "Name", "value": {"value": "Table"}},
        ]},
        {"id": "a.b", "components": [{"type": "Transform", "value": {"parent": "table"}}]},
    ],
}
VERBS = ["import", "export", "node", "sync", "add", "remove", "set", "unset", "move", "undo",
         "redo", "status", "log", "conflicts", "blame", "diff", "verify", "watch"]
EDITS = {"add": ["e"], "remove": ["e"], "set": ["e", "C", "1"], "unset": ["e", "C.f"], "move": ["e"],
         "undo": [], "redo": []}
READS = {"export": [], "status": [], "log": [], "conflicts": [], "blame": ["e"], "verify": [], "watch": []}


def content(bench, store):
    """What a store holds; its size on disk may change with every opening."""
    status = bench.status(store)
    return status["version"], status["digest"]


def import_state(bench, store="s", scene=STATE, *arguments):
    return bench.verb("import", store, *arguments, bench.write("scene.json", scene))


def test_import_and_export_give_the_same_json(bench):
    import_state(bench)
    assert bench.export("s") == dict(STATE, conflicts=[]) or bench.export("s") == STATE
    assert bench.verb("export", "s").out == bench.verb("export", "s", "--format", "state").out


def test_import_reads_standard_input(bench):
    bench.verb("import", "s", "-", input=json.dumps(STATE).encode())
    assert bench.status("s")["entities"] == 2


def test_equal_imports_are_equal_stores(bench):
    import_state(bench, "a")
    bench.verb("import", "b", "-", input=json.dumps(STATE, indent=3).encode())
    a, b = bench.status("a"), bench.status("b")
    assert a["lineage"] == b["lineage"] and a["digest"] == b["digest"] and a["version"] == b["version"]
    assert a["actor"] != b["actor"]


def test_scene_name(bench):
    import_state(bench, "a")
    assert bench.status("a")["scene"] == "scene"
    import_state(bench, "b", STATE, "--scene", "plaza")
    assert bench.status("b")["scene"] == "plaza"
    builder = {"version": 10,
               "project": {"id": "p-1", "title": "x"},
               "scene": {"id": "s-1", "entities": {}, "components": {}, "assets": {}, "ground": None}}
    bench.verb("import", "c", bench.write("builder.json", builder))
    assert bench.status("c")["scene"] in ("p-1", "s-1")


def test_status_has_the_keys_that_scripts_rely_on(bench):
    import_state(bench)
    status = bench.status("s")
    for key in ("scene", "lineage", "actor", "version", "digest", "entities", "components", "fields",
                "conflicts", "bytes"):
        assert key in status, key
    assert (status["entities"], status["components"], status["fields"]) == (2, 3, 3)
    assert status["conflicts"] == 0 and status["bytes"] > 0
    assert len(status["digest"]) == 32 and isinstance(status["version"], dict)
    text = bench.verb("status", "s").out.decode()
    assert status["digest"] in text and status["scene"] in text


def test_import_into_what_is_not_empty_is_refused(bench):
    import_state(bench)
    before = content(bench, "s")
    result = bench.verb("import", "s", bench.write("again.json", STATE), code=1)
    assert b"--onto" in result.err
    assert content(bench, "s") == before


def test_import_onto_makes_the_difference(bench):
    import_state(bench)
    target = json.loads(json.dumps(STATE))
    target["entities"][0]["components"][0]["value"]["position"]["x"] = 9
    target["entities"].append({"id": "new", "components": []})
    bench.verb("import", "s", "--onto", bench.write("target.json", target))
    shown = bench.entities("s")
    assert shown["table"]["Transform"]["position"]["x"] == 9 and "new" in shown
    digest = bench.status("s")["digest"]
    bench.verb("import", "s", "--onto", bench.path("target.json"))
    assert bench.status("s")["digest"] == digest, "the second time there is no difference"


def test_invalid_files_change_nothing(bench):
    import_state(bench)
    before = content(bench, "s")
    bad = ['{"schemaVersion":1,"entities":[', "[]", '{"a":1,"a":2}', '{"schemaVersion":1,"entities":[NaN]}',
           '{"schemaVersion":2,"entities":[]}', "\xff", '{"schemaVersion":1,"entities":[1e999]}',
           "[" * 1000, ""]
    for text in bad:
        path = bench.path("bad.json")
        path.write_bytes(text.encode("latin-1"))
        result = bench.verb("import", "s", "--onto", path, code=1)
        assert b"line" in result.err and b"column" in result.err, (text, result.err)
        bench.verb("import", "fresh", path, code=1)
        assert not bench.path("fresh").exists(), "a refused import makes no store"
    assert content(bench, "s") == before


def test_import_of_a_missing_file(bench):
    result = bench.verb("import", "s", bench.path("nowhere.json"), code=1)
    assert b"No such file" in result.err


def test_export_to_a_file_is_whole_or_not_at_all(bench):
    import_state(bench)
    bench.verb("export", "s", "-o", bench.path("out.json"))
    assert bench.path("out.json").read_bytes() == bench.verb("export", "s").out
    bench.verb("export", "nowhere", "-o", bench.path("out.json"), code=1)
    assert bench.path("out.json").read_bytes() == bench.verb("export", "s").out
    bench.verb("export", "s", "--output", "relative.json", cwd=bench.folder)
    assert bench.path("relative.json").exists()
    bench.verb("export", "s", "-o", bench.path("no/such/folder.json"), code=1)
    bench.verb("export", "s", "-o", "/dev/null")


def test_every_format_can_be_exported(bench):
    import_state(bench)
    for form in ("state", "builder", "composite"):
        json.loads(bench.verb("export", "s", "--format", form).out)


def test_add_set_unset_remove(bench):
    bench.verb("add", "s", "lamp")
    bench.verb("add", "s", "bulb", "--parent", "lamp")
    bench.verb("set", "s", "lamp", "GLTFShape", '{"src":"a.glb","visible":true}')
    bench.verb("set", "s", "lamp", "GLTFShape.src", '"b.glb"')
    bench.verb("unset", "s", "lamp", "GLTFShape.visible")
    shown = bench.entities("s")
    assert shown["lamp"]["GLTFShape"] == {"src": "b.glb"}
    assert shown["bulb"]["Transform"]["parent"] == "lamp"
    bench.verb("remove", "s", "lamp.GLTFShape")
    assert "GLTFShape" not in bench.entities("s")["lamp"]
    bench.verb("remove", "s", "lamp")
    assert list(bench.entities("s")) == ["bulb"]


def test_set_makes_what_is_missing(bench):
    bench.verb("set", "s", "lamp", "Transform.position", '{"x":-1.5,"y":0,"z":1e2}')
    assert bench.entities("s") == {"lamp": {"Transform": {"position": {"x": -1.5, "y": 0, "z": 100}}}}
    bench.verb("set", "s", "lamp", "Count", "-5")
    assert bench.entities("s")["lamp"]["Count"] == -5
    bench.verb("set", "s", "lamp", "Count", '{"n":null}')
    assert bench.entities("s")["lamp"]["Count"] == {"n": None}


def test_set_whole_takes_away_the_other_fields(bench):
    bench.verb("set", "s", "e", "C", '{"a":1,"b":2}')
    bench.verb("set", "s", "e", "C", '{"b":3}')
    assert bench.entities("s")["e"]["C"] == {"b": 3}
    bench.verb("set", "s", "e", "C", "{}")
    assert bench.entities("s")["e"]["C"] == {}


def test_bad_json_says_where(bench):
    result = bench.verb("set", "s", "e", "C", '{"a":1,}', code=1)
    assert b"line 1, column" in result.err, result.err
    assert not bench.path("s").exists()
    for text in ("", "text", "1 2", "nan", '{"a":1,"a":1}', '"\ud800"'.encode("utf-8", "surrogatepass")):
        assert bench.command("set", "--store", bench.path("s"), "e", "C", text).code == 1 if isinstance(
            text, str) else True


def test_names_with_dots(bench):
    import_state(bench)
    bench.verb("set", "s", "a.b", "C", '{"f":1}')
    bench.verb("remove", "s", "a.b.C")
    assert list(bench.entities("s")["a.b"]) == ["Transform"]
    bench.verb("set", "s", "table", r"with\.dot", '{"f":1}')
    assert bench.entities("s")["table"]["with.dot"] == {"f": 1}
    bench.verb("set", "s", "table", "with.dot.f", "2")
    assert bench.entities("s")["table"]["with.dot"] == {"f": 2}
    bench.verb("remove", "s", "a.b")
    assert "a.b" not in bench.entities("s")


def test_move(bench):
    import_state(bench)
    bench.verb("add", "s", "lamp")
    bench.verb("move", "s", "lamp", "--parent", "a.b")
    assert bench.entities("s")["lamp"]["Transform"]["parent"] == "a.b"
    result = bench.verb("move", "s", "table", "--parent", "lamp", code=1)
    assert result.err, "a parent below its own child"
    bench.verb("move", "s", "lamp")
    assert "parent" not in bench.entities("s")["lamp"].get("Transform", {})
    bench.verb("move", "s", "lamp", "--parent", "nobody", code=1)
    bench.verb("move", "s", "nobody", code=1)


def test_undo_and_redo(bench):
    import_state(bench)
    before = bench.export("s")
    bench.verb("set", "s", "table", "Transform.position", '{"x":5,"y":5,"z":5}')
    moved = bench.export("s")
    bench.verb("remove", "s", "table")
    bench.verb("undo", "s")
    assert bench.export("s") == moved
    bench.verb("undo", "s")
    assert bench.export("s") == before
    bench.verb("redo", "s")
    assert bench.export("s") == moved
    bench.verb("redo", "s")
    assert "table" not in bench.entities("s")
    assert bench.verb("redo", "s").code == 0


def test_edits_that_say_nothing_are_no_failure(bench):
    bench.verb("add", "s", "e")
    digest = bench.status("s")["digest"]
    bench.verb("add", "s", "e")
    bench.verb("set", "s", "e", "C.f", "1")
    bench.verb("set", "s", "e", "C.f", "1.0")
    assert bench.status("s")["digest"] != digest
    result = bench.verb("set", "s", "e", "C.f", "1", "--json")
    assert result.json[0]["operations"] == 0


def test_edits_of_what_is_not_there(bench):
    bench.verb("add", "s", "e")
    for verb, arguments in (("remove", ["nobody"]), ("unset", ["nobody", "C.f"]),
                            ("remove", ["e.C"]), ("add", ["x", "--parent", "nobody"]),
                            ("blame", ["nobody"])):
        result = bench.verb(verb, "s", *arguments, code=1)
        assert result.err.startswith(b"scenesync " + verb.encode()), result.err


def test_the_log_tells_values_and_people(bench):
    bench.verb("set", "s", "e", "C.f", "1", "--as", "ann")
    bench.verb("set", "s", "e", "C.f", "2")
    bench.verb("remove", "s", "e")
    log = bench.verb("log", "s", "--json").json
    assert [entry["event"] for entry in log] == ["edit", "edit", "edit", "end"]
    assert log[0]["operations"][0]["kind"] == "remove" and log[2]["who"] == "ann"
    assert log[1]["who"] == "tester"
    second = log[1]["operations"][0]
    assert (second["kind"], second["value"], second["was"]) == ("set", 2, 1)
    (former,) = second["dropped"]
    assert (former["value"], former["shown"], former["stamp"]) == (1, True, log[2]["last"])
    assert [d["value"] for d in log[0]["operations"][0]["dropped"]] == [2]
    assert log[3]["complete"] is True
    assert len(bench.verb("log", "s", "--count", "1", "--json").json) == 2
    assert b"set e.C.f = 2   was 1" in bench.verb("log", "s").out


def test_blame_tells_who(bench):
    bench.verb("set", "s", "e", "C", '{"f":1,"g":2}', "--as", "ann")
    bench.verb("set", "s", "e", "C.f", "3", "--as", "bob")
    rows = {row.get("field"): row for row in bench.verb("blame", "s", "e.C", "--json").json}
    assert rows["f"]["who"] == "bob" and rows["f"]["value"] == 3 and rows["g"]["who"] == "ann"
    assert len(bench.verb("blame", "s", "e.C.f", "--json").json) == 1
    assert b"bob" in bench.verb("blame", "s", "e").out
    bench.verb("blame", "s", "e.C.nothing", code=1)


def test_seen_tells_stale_edits(bench):
    bench.verb("set", "s", "e", "C.f", "1")
    stamp = bench.verb("blame", "s", "e.C.f", "--json").json[0]["stamp"]
    bench.verb("set", "s", "e", "C.f", "2", "--seen", stamp)
    bench.verb("set", "s", "e", "C.f", "3", "--seen", stamp)
    assert bench.entities("s")["e"]["C"]["f"] == 3
    bench.verb("set", "s", "e", "C.f", "4", "--seen", "now", code=2)


def test_diff(bench):
    import_state(bench, "a")
    import_state(bench, "b")
    assert bench.command("diff", bench.path("a"), bench.path("b")).code == 0
    assert bench.command("diff", bench.path("a"), bench.path("scene.json")).code == 0
    bench.verb("set", "b", "table", "Name.value", '"Desk"')
    bench.verb("add", "b", "new")
    result = bench.command("diff", bench.path("a"), bench.path("b"))
    assert result.code == 1
    text = result.out.decode()
    assert "~ table.Name.value" in text and "+ new" in text, text
    back = bench.command("diff", "--json", bench.path("b"), bench.path("a"))
    assert back.code == 1 and any(line["change"] == "removed" for line in back.json)
    assert bench.command("diff", bench.path("a"), bench.path("nowhere")).code == 1


def test_verify(bench):
    import_state(bench)
    result = bench.verb("verify", "s", "--json").json[0]
    assert result["digest"] == bench.status("s")["digest"]
    bench.verb("verify", "nowhere", code=1)


def test_verify_finds_a_flipped_bit(bench):
    bench.verb("add", "s", "e")
    for i in range(50):
        bench.verb("set", "s", "e", f"C.f{i}", json.dumps("text" * 50))
    data = max((p for p in bench.path("s").iterdir() if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(data.read_bytes())
    for page in range(0, len(content), 4096):  # some pages may be free: damage each
        at = content.find(b"texttexttext", page, page + 4096)
        if at >= 0:
            content[at] ^= 1
    data.write_bytes(content)
    bench.verb("verify", "s", code=1)


def test_conflicts_of_nothing(bench):
    import_state(bench)
    assert bench.verb("conflicts", "s").out == b"no conflicts\n"
    assert bench.verb("conflicts", "s", "--json").out == b""
    bench.verb("conflicts", "s", "--clear")


def test_watch_needs_a_node(bench):
    import_state(bench)
    assert b"node" in bench.verb("watch", "s", code=1).err


def test_usage_errors_are_2(bench):
    store = ["--store", str(bench.path("s"))]
    assert bench.command().code == 2
    assert bench.command("nonsense").code == 2
    for verb in VERBS:
        result = bench.command(verb, "--nonsense")
        assert result.code == 2 and b"--help" in result.err, verb
        assert bench.command(verb, *store, "a", "b", "c", "d", "e").code == 2, verb
        if verb != "diff":
            assert bench.command(verb, *EDITS.get(verb, []), *READS.get(verb, [])).code == 2, verb
    for words in (["export", *store, "--format", "obj"], ["set", *store, "e", "C"],
                  ["unset", *store, "e"], ["node", *store, "--for", "x"], ["sync", *store],
                  ["node", *store, "--fault", "0.3"], ["node", *store, "--tls-cert", "x"],
                  ["log", *store, "--count", "0"]):
        assert bench.command(*words).code == 2, words
    assert not bench.path("s").exists()


def test_help_is_0(bench):
    assert bench.command("--help").code == 0 and bench.command("--version").code == 0
    for verb in VERBS:
        result = bench.command(verb, "--help")
        assert result.code == 0 and b"Exit codes: 0 done, 1 failed, 2" in result.out, verb


def test_reading_makes_no_store(bench):
    for verb, arguments in READS.items():
        bench.verb(verb, "nowhere", *arguments, code=1)
    for verb in ("remove", "unset", "move", "undo", "redo"):
        bench.verb(verb, "nowhere", *EDITS[verb], code=1)
    assert not bench.path("nowhere").exists()


def test_json_errors(bench):
    result = bench.verb("status", "nowhere", "--json", code=1)
    assert result.json[0]["event"] == "error" and result.json[0]["error"] == "ENOTFOUND"
    result = bench.verb("set", "s", "e", "C", "[1,", "--json", code=1)
    assert result.json[0]["line"] == 1 and result.json[0]["column"] >= 3


def test_shells_that_edit_one_store_at_once(bench):
    bench.verb("add", "s", "e")
    running = [
        subprocess.Popen([PROGRAM, "set", "--store", str(bench.path("s")), "e", f"C.f{i}", str(i)])
        for i in range(16)
    ]
    assert [process.wait(timeout=WAIT) for process in running] == [0] * 16
    assert bench.entities("s")["e"]["C"] == {f"f{i}": i for i in range(16)}


def test_output_that_cannot_be_written_is_a_failure(bench):
    import_state(bench)
    with open("/dev/full", "w") as full:
        for verb in ("export", "status", "log"):
            code = subprocess.run([PROGRAM, verb, "--store", str(bench.path("s"))], stdout=full,
                                  stderr=subprocess.DEVNULL).returncode
            assert code == 1, verb


if __name__ == "__main__":
    sys.exit(run_tests("verbs", dict(globals())))
