#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The results of tools/check: which tests failed, and what was not covered.

Usage: summary.py step RESULTS STEP       the tests of one step, in a phrase
       summary.py all RESULTS STEP...     everything; STEP...: those asked for

RESULTS has, for each step that ran, STEP.xml (JUnit) and, if the step failed,
STEP.failed. The exit status is 1 if anything failed, or if nothing passed.
"""
import pathlib
import sys
import xml.etree.ElementTree as ET

# Every step, and how to run a test of it by itself.
STEPS = {
    "setup": "tools/setup --tests -v",
    "unit": "meson test -C build -v '{suite}'",
    "lint": "meson test -C build -v '{suite}'",
    "asan": "meson test -C build-asan -v '{suite}'",
    "tsan": "meson test -C build-tsan -v '{suite}'",
    "mount": "/usr/bin/python3 -m pytest '{node}'",
    "machines": "/usr/bin/python3 -m pytest '{node}'",
    "crash": "/usr/bin/python3 -m pytest '{node}'",
}
SHOWN = 20	# failed tests, and
EXAMPLES = 3	# tests that one reason skipped


class Test:
    """One test case of a JUnit file."""

    def __init__(self, case):
        self.name = case.get("name")
        self.place = case.get("classname") or ""
        self.skipped = case.find("skipped")
        self.output = [e.text or "" for e in case.iter("system-out")]
        # What the test counted: properties "counted THINGS".
        self.counted = {p.get("name").removeprefix("counted "):
                        int(p.get("value")) for p in case.iter("property")
                        if p.get("name").startswith("counted ")}
        if case.find("failure") is not None or case.find("error") is not None:
            self.result = "failed"
        else:
            self.result = "passed" if self.skipped is None else "skipped"

    def reason(self):
        """Why it was skipped: its own words, or the line that says so."""
        said = [self.skipped.get("message") or "", *self.output]
        lines = [line.strip() for text in said for line in text.splitlines()]
        fits = [line for line in lines if "skip" in line.lower()] or lines
        reason = next((line for line in fits if line), "no reason given")
        return reason.removeprefix("skipped: ")

    def again(self, command):
        """The command that runs this test by itself."""
        suite = self.place if "/" in self.place else self.name
        # pytest-xdist adds the group of a test to its name.
        name = self.name.partition("@")[0]
        node = f"tests/{self.place.replace('.', '/')}.py::{name}"
        return command.format(suite=suite.rpartition(" / ")[2], node=node)


def tests_of(results, step):
    path = results / f"{step}.xml"
    if not path.exists():
        return []
    tests = []
    for suite in ET.parse(path).getroot().iter("testsuite"):
        cases = [Test(case) for case in suite.iter("testcase")]
        # Programs that print TAP count in lines "# counted NUMBER THINGS".
        for line in suite.findtext("system-out", "").splitlines():
            if cases and line.startswith("# counted "):
                number, what = line.removeprefix("# counted ").split(" ", 1)
                cases[0].counted[what] = int(number)
        tests += cases
    return tests


def count(tests, result):
    return sum(test.result == result for test in tests)


def phrase(tests):
    words = [f"{count(tests, result)} {result}"
             for result in ("passed", "failed", "skipped")
             if count(tests, result)]
    counted = {}
    for test in tests:
        for what, number in test.counted.items():
            counted[what] = counted.get(what, 0) + number
    words += [f"{number:,} {what}" for what, number in counted.items()]
    return ", ".join(words) or "no tests"


def show_failed(results, ran):
    """Returns how many; a step without a test that failed counts as one."""
    total = 0
    for step, tests in ran.items():
        failed = [test for test in tests if test.result == "failed"]
        total += len(failed)
        for test in failed[:SHOWN]:
            print(f"{step}: {test.name}\n    {test.again(STEPS[step])}")
        if len(failed) > SHOWN:
            print(f"{step}: ... and {len(failed) - SHOWN} more, in "
                  f"build/check-{step}.log")
        if (results / f"{step}.failed").exists() and not failed:
            total += 1
            print(f"{step}: did not get as far as a result; see "
                  f"build/check-{step}.log")
    return total


def show_not_covered(ran, asked):
    """Returns how many tests were skipped."""
    skips = {}
    for step, tests in ran.items():
        for test in tests:
            if test.result == "skipped":
                skips.setdefault((step, test.reason()), []).append(test.name)
    for (step, reason), names in sorted(skips.items(),
                                        key=lambda s: -len(s[1])):
        some = ", ".join(names[:EXAMPLES])
        more = ", ..." if len(names) > EXAMPLES else ""
        tests = "1 test" if len(names) == 1 else f"{len(names)} tests"
        print(f"{step}: {tests} skipped: {reason}\n    {some}{more}")
    for step in STEPS:
        if step == "setup" or ran.get(step):
            continue
        print(f"{step}: no test ran: " +
              ("see what failed, above" if step in asked else
               f"not asked for; 'tools/check {step}' runs it"))
    return sum(map(len, skips.values()))


def summarize(results, asked):
    ran = {step: tests_of(results, step) for step in STEPS}
    print("\n=== failed ===")
    failed = show_failed(results, ran)
    if not failed:
        print("nothing")
    print("\n=== not covered ===")
    skipped = show_not_covered(ran, asked)
    if not skipped and all(ran[step] for step in STEPS if step != "setup"):
        print("nothing: every test of every step ran")
    passed = sum(count(tests, "passed") for tests in ran.values())
    missing = [s for s in STEPS if s != "setup" and not ran[s]]
    print("\n=== results ===")
    if missing:
        print("without " + ", ".join(missing))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


def main():
    what, results, *steps = sys.argv[1:]
    results = pathlib.Path(results)
    if what == "step":
        print(phrase(tests_of(results, steps[0])))
        return 0
    return summarize(results, steps)


if __name__ == "__main__":
    sys.exit(main())
