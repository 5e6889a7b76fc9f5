#!/usr/bin/env python3
"""Count test cases in the logs of `./test`, and show what failed.

Usage: tests/count.py DIR
       tests/count.py --again LOG [NAME...]

Reads DIR/stages (a line `ok|FAILED NAME` per stage) and DIR/test-*.log (output of `ctest
--verbose`). A case is one criterion test, or one plain program or script. A case that ran in
several builds counts once: failed if it failed in any. Criterion neither counts leaks nor
sanitizer reports as failures, so they are looked for here. Of a test that ran again the last
run counts; what failed in the one before is shown, as unsteady.

--again prints which of the tests that failed in LOG may run again, alone: those that
AddressSanitizer could not begin, and up to AGAIN_MAX of NAME... Exit code 1 if others failed.
"""

import re
import sys
from pathlib import Path

REPORT = re.compile(
    r"ERROR: (?:Address|Leak|UndefinedBehavior)Sanitizer|WARNING: ThreadSanitizer"
    r"|runtime error: |SUMMARY: \w+Sanitizer"
)
# On some machines AddressSanitizer gets a wrong page size now and then, and ends a process before
# it has begun: that says nothing of the test.
UNSTARTED = "ReserveShadowMemoryRange failed"
AGAIN_MAX = 3
CASE = re.compile(r"\[(PASS|FAIL|SKIP)\] ([^\s:]+::[^\s:]+)(?:: (.*))?")
PASSED, SKIPPED, FAILED = "passed", "skipped", "failed"


def read_log(path):
    """What each test printed, and what ctest said of it, run by run: {name: [(lines, verdict)]}."""
    names, runs = {}, {}
    for line in path.read_text(errors="replace").splitlines():
        line = re.sub(r"\x1b\[[0-9;]*m", "", line)
        if m := re.match(r"\s*Start\s+(\d+): (\S+)", line):
            names[m[1]] = m[2]
            runs.setdefault(m[2], []).append(([], "no result"))
        elif m := re.match(r"\s*\d+/\d+ Test\s+#(\d+): (\S+) [ .]*(\S.*?)\s+[\d.]+ sec", line):
            runs[m[2]][-1] = (runs[m[2]][-1][0], m[3])
        elif (m := re.match(r"(\d+): (.*)", line)) and m[1] in names:
            runs[names[m[1]]][-1][0].append(m[2])
    return runs


def reports_in(lines):
    return [] if any(UNSTARTED in line for line in lines) else [line for line in lines if REPORT.search(line)]


def again(path, patient):
    """Tests that failed and may run again, and those that failed and may not."""
    failed = {name: runs[-1][0] for name, runs in read_log(path).items()
              if not re.match("Passed|.*Skipped", runs[-1][1])}
    unstarted = [name for name, lines in failed.items() if any(UNSTARTED in line for line in lines)]
    others = [name for name in failed if name not in unstarted]
    late = [name for name in others if name in patient and not reports_in(failed[name])]
    if len(late) > AGAIN_MAX:
        late = []
    return unstarted + late, [name for name in others if name not in late]


def cases_of(name, lines, verdict):
    """(case, result, reason) of one ctest entry."""
    cases = {}
    for line in lines:
        if m := CASE.search(line):
            result = {"PASS": PASSED, "FAIL": FAILED, "SKIP": SKIPPED}[m[1]]
            cases[f"{name}/{m[2]}"] = (result, m[3] or "")
    reports = reports_in(lines)
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
    total, tails, unsteady = {}, {}, {}
    for line in (directory / "stages").read_text().splitlines():
        result, stage = line.split()
        log = directory / f"{stage}.log"
        failed_here = False
        if stage.startswith("test-"):
            for name, runs in sorted(read_log(log).items()):
                lines, verdict = runs[-1]
                for former, said in runs[:-1]:
                    for case, (outcome, _) in cases_of(name, former, said).items():
                        if outcome == FAILED:
                            unsteady[f"{case} [{stage}]"] = former[-40:]
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

    for word, found in (("UNSTEADY", unsteady), ("FAILED", tails)):
        for case, lines in found.items():
            print(f"\n---- {word} {case}")
            print("\n".join(lines))
    skipped = sorted((c, why) for c, (r, why) in total.items() if r == SKIPPED)
    if skipped:
        print("\nSkipped:")
        for case, why in skipped:
            print(f"  {case}: {why}")
    if unsteady:
        print("\nUnsteady (failed beside other tests; what it came to alone is counted below):")
        print("\n".join(f"  {case}" for case in sorted(unsteady)))
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
    if len(sys.argv) > 2 and sys.argv[1] == "--again":
        chosen, hopeless = again(Path(sys.argv[2]), sys.argv[3:])
        print("\n".join(chosen))
        sys.exit(1 if hopeless or not chosen else 0)
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
