#!/usr/bin/env python3
"""Does the driver of fuzz targets see faults? fuzz_sabotage makes each kind of them.

Also: a storm is the same whenever it is thrown, and the campaign's parts that need no clang.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("BUILD_DIR", ROOT / "build" / "debug"))
FOLDER = Path(tempfile.mkdtemp())


def run(*arguments, program="fuzz_sabotage"):
    return subprocess.run([str(BUILD / "tests/fuzz" / program), "--out", str(FOLDER),
                           *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)


def write(name, data):
    path = FOLDER / name
    path.write_bytes(data)
    return path


def test_what_is_in_order_passes():
    for letter in (b"O", b"W", b"", b"x"):
        result = run(write("good", letter))
        assert result.returncode == 0 and "1 inputs" in result.stdout, (letter, result)


def test_each_fault_is_seen():
    faults = {b"L": "loses", b"B": "its budget is", b"A": "fault", b"S": "fault|stack-overflow",
              b"H": "takes too long"}
    for letter, words in faults.items():
        patience = 1 if letter == b"H" else 60  # a busy machine is no input that takes too long
        result = run("--patience", patience, write("bad", letter + b"12345"))
        assert result.returncode != 0 and re.search(words, result.stderr), (letter, result)


def test_the_input_is_kept_and_repeats():
    bad = write("bad", b"x" * 40 + b"\nL")
    for path in FOLDER.glob("fuzz_sabotage-*"):
        path.unlink()
    result = run("--storm", 200000, "--seed", 3, write("corpus", b"yA"), bad)
    assert result.returncode != 0, result
    again = re.search(r"again: \S+ (\S+)", result.stderr)[1]
    assert Path(again).read_bytes()[:1] in b"LBASH", again
    assert run("--patience", 1, again).returncode != 0


def test_a_storm_repeats():
    corpus = write("corpus", b"x12345 {\"a\":[1,2]}")
    def told(*arguments):
        found = re.search(r"(\d+) inputs, (\d+) bytes.*?([\d.]+) % good", run(*arguments, program="fuzz_value").stdout)
        return found and found.groups()
    all_of_it = told("--storm", 400, "--seed", 9, corpus)
    assert all_of_it == told("--storm", 400, "--seed", 9, corpus) and all_of_it
    assert all_of_it[1] != told("--storm", 400, "--seed", 10, corpus)[1]
    first, second = (told("--storm", 200, "--seed", 9, "--from", n, corpus) for n in (0, 200))
    assert int(first[1]) + int(second[1]) == int(all_of_it[1]), (first, second, all_of_it)


def test_no_input_is_no_success():
    (FOLDER / "empty").mkdir(exist_ok=True)
    assert run(FOLDER / "empty").returncode != 0
    assert run(FOLDER / "nowhere").returncode != 0


def test_every_target_is_in_the_storm_and_has_seeds():
    listed = (ROOT / "tests/fuzz/storm").read_text()
    for path in sorted((ROOT / "tests/fuzz").glob("fuzz_*.c")):
        name = path.stem[5:]
        if name in ("memory", "sabotage"):
            continue
        assert f'"{name}":' in listed, f"{name} is not in tests/fuzz/storm"
        assert any((ROOT / "tests/fuzz/corpus" / name).iterdir()), name


def main():
    wanted = sys.argv[1:]
    for name, test in list(globals().items()):
        if name.startswith("test_") and (not wanted or name in wanted):
            test()
            print(f"[PASS] storm::{name[5:]}")


if __name__ == "__main__":
    main()
