#!/usr/bin/env python3
"""Count test cases in the logs of `./test`, and show what failed.

Usage: tests/count.py DIR. Reads DIR/stages (a line `ok|FAILED NAME` per stage) and
DIR/test-*.log (output of `ctest --verbose`). A case is one criterion test, or one plain
program or script. A case that ran in several builds counts once: failed if it failed in any.
Criterion neither counts leaks nor sanitizer reports as failures, so they are looked for here.
"""

import re
import sys
from pathlib import Path

REPORT = re.compile(
    r"ERROR: (?:Address|Leak|UndefinedBehavior)Sanitizer|WARNING: ThreadSanitizer"
    r"|runtime error: |SUMMARY: \w+Sanitizer"
)
CASE = re.compile(r"\[(PASS|FAIL|SKIP)\] ([^\s:]+::[^\s:]+)(?:: (.*))?")
PASSED, SKIPPED, FAILED = "passed", "skipped", "failed"


def read_log(path):
    """The output of each test, and what ctest said of it: {name: (lines, verdict)}."""
    names, output, verdict = {}, {}, {}
    for line in path.read_text(errors="replace").splitlines():
        line = re.sub(r"\x1b\[[0-9;]*m", "", line)
        if m := re.match(r"\s*Start\s+(\d+): (\S+)", line):
            names[m[1]] = m[2]
            output[m[2]] = []
        elif m := re.match(r"\s*\d+/\d+ Test\s+#(\d+): (\S+) [ .]*(\S.*?)\s+[\d.]+ sec", line):
            verdict[m[2]] = m[3]
        elif (m := re.match(r"(\d+): (.*)", line)) and m[1] in names:
            output[names[m[1]]].append(m[2])
    return {name: (lines, verdict.get(name, "no result")) for name, lines in output.items()}


def cases_of(name, lines, verdict):
    """(case, result, reason) of one ctest entry."""
    cases = {}
    for line in lines:
        if m := CASE.search(line):
            result = {"PASS": PASSED, "FAIL": FAILED, "SKIP": SKIPPED}[m[1]]
            cases[f"{name}/{m[2]}"] = (result, m[3] or "")
    reports = [line for line in lines if REPORT.search(line)]
    if "Skipped" in verdict:
        cases[name] = (SKIPPED, lines[-1] if lines else "no reason given")
    elif "Passed" not in verdict and not any(r == FAILED for r, _ in cases.values()):
        cases[name] = (FAILED, verdict)
    elif not cases:
        cases[name] = (PASSED, "")
    if reports:
        cases[f"{name} (sanitizer)"] = (FAILED, reports[0].strip())
    return cases


def main(directory):
    total, tails = {}, {}
    for line in (directory / "stages").read_text().splitlines():
        result, stage = line.split()
        log = directory / f"{stage}.log"
        failed_here = False
        if stage.startswith("test-"):
            for name, (lines, verdict) in sorted(read_log(log).items()):
                for case, (outcome, reason) in cases_of(name, lines, verdict).items():
                    if outcome == FAILED:
                        failed_here = True
                        tails[f"{case} [{stage}]"] = lines[-40:]
                    rank = (PASSED, SKIPPED, FAILED)
                    old = total.get(case, (SKIPPED, reason))
                    if outcome == FAILED or old[0] != FAILED:
                        best = outcome if outcome == FAILED else min(outcome, old[0], key=rank.index)
                        total[case] = (best, reason)
        if result == "ok" and stage.startswith("long-"):
            total[stage] = (PASSED, "")
        if result != "ok" and not failed_here:
            total[f"stage {stage}"] = (FAILED, f"see {log}")
            tails[f"stage {stage}"] = log.read_text(errors="replace").splitlines()[-40:]

    for case, lines in tails.items():
        print(f"\n---- FAILED {case}")
        print("\n".join(lines))
    skipped = sorted((c, why) for c, (r, why) in total.items() if r == SKIPPED)
    if skipped:
        print("\nSkipped:")
        for case, why in skipped:
            print(f"  {case}: {why}")
    failed = sorted((c, why) for c, (r, why) in total.items() if r == FAILED)
    if failed:
        print("\nFailed:")
        for case, why in failed:
            print(f"  {case}: {why}")
    passed = sum(1 for r, _ in total.values() if r == PASSED)
    if passed == 0 and not failed:
        failed = [("all", "no test ran")]
    tail = f", {len(skipped)} skipped" if skipped else ""
    print(f"{passed} passed, {len(failed)} failed{tail}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
