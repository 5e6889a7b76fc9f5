#!/usr/bin/env python3
"""count.py on logs made for it: which tests may run again, and what is counted in the end."""

import subprocess
import sys
import tempfile
from pathlib import Path

COUNT = Path(__file__).resolve().parent / "count.py"


def log(*tests):
    """A log as `ctest --verbose` prints it, of (number, name, lines, verdict)."""
    lines = []
    for number, name, output, verdict in tests:
        lines += [f"      Start {number:2}: {name}", *(f"{number}: {line}" for line in output),
                  f" 1/9 Test #{number}: {name} ........{verdict}    1.00 sec"]
    return "\n".join(lines) + "\n"


def count(*arguments):
    done = subprocess.run([sys.executable, COUNT, *map(str, arguments)], capture_output=True, text=True)
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout


def again(folder, text, *patient):
    path = folder / "again.log"
    path.write_text(text)
    code, said = count("--again", path, *patient)
    return code, said.split()


def counted(folder, text, stage="ok"):
    (folder / "test-release.log").write_text(text)
    (folder / "stages").write_text(f"{stage} test-release\n")
    code, said = count(folder)
    return code, said.splitlines()


PASS = (1, "test_a", ["[PASS] a::x"], "   Passed")
FAIL = (2, "test_b", ["why", "[FAIL] b::y"], "***Failed")
WELL = (2, "test_b", ["[PASS] b::y"], "   Passed")
OTHER = (3, "test_c", ["[FAIL] c::z"], "***Timeout")
REPORT = (2, "test_b", ["ERROR: AddressSanitizer: heap-use-after-free", "[FAIL] b::y"], "***Failed")
UNSTARTED = (2, "test_b", ["==1==ERROR: AddressSanitizer: ReserveShadowMemoryRange failed"], "***Failed")


def main(folder):
    assert again(folder, log(PASS, FAIL), "test_b") == (0, ["test_b"])
    assert again(folder, log(PASS, FAIL)) == (1, [])
    assert again(folder, log(FAIL, OTHER), "test_b")[0] == 1, "another failed that may not run again"
    assert again(folder, log(FAIL, OTHER), "test_b", "test_c") == (0, ["test_b", "test_c"])
    assert again(folder, log(REPORT), "test_b")[0] == 1, "a report is never forgiven"
    assert again(folder, log(UNSTARTED)) == (0, ["test_b"])
    four = [(n, f"test_{n}", [], "***Failed") for n in range(4)]
    assert again(folder, log(*four), *(name for _, name, _, _ in four))[0] == 1, "not more than three"
    assert again(folder, log((1, "test_a", ["no page here"], "***Skipped"), FAIL), "test_b") == (0, ["test_b"])

    code, said = counted(folder, log(PASS, FAIL, WELL))
    assert code == 0 and said[-1] == "2 passed, 0 failed", said
    assert "---- UNSTEADY test_b/b::y [test-release]" in said and "why" in said, said
    code, said = counted(folder, log(PASS, FAIL, FAIL), "FAILED")
    assert code == 1 and said[-1] == "1 passed, 1 failed", said
    code, said = counted(folder, log(PASS, REPORT, WELL))
    assert code == 0 and said[-1] == "2 passed, 0 failed", said  # (--again does not let this happen)
    code, said = counted(folder, log(PASS, UNSTARTED, WELL))
    assert code == 0 and said[-1] == "2 passed, 0 failed", said
    code, said = counted(folder, log((2, "test_b", REPORT[2][:1], "   Passed")))
    assert code == 1 and said[-1] == "1 passed, 1 failed", said


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
    print("count.py counts as it should")
