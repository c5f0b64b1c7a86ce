#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Calls between files, from the symbols that each object file needs and gives.

They are judged by levels.txt like includes; no circle between files; and no
two files give one symbol, of which the linker would take either.

Usage: calls.py SOURCE-ROOT BUILD-DIRECTORY
"""

import json
import pathlib
import subprocess
import sys

import graph
import layering

# The kinds of nm(1) that another object can use.
GIVEN = "TDBRVWC"


def objects(root, build):
    """Yields (unit, object file) of everything built of the product."""
    seen = set()
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if not path.is_relative_to(root):
            continue
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] in layering.PRODUCT and name not in seen:
            seen.add(name)
            yield (graph.unit_of(name),
                   pathlib.Path(entry["directory"], entry["output"]))


def symbols(path):
    """The symbols that an object gives and those that it needs."""
    lines = subprocess.run(["nm", "-P", str(path)], check=True,
                           capture_output=True, text=True).stdout
    gives, needs = set(), set()
    for line in lines.splitlines():
        name, kind = line.split()[:2]
        if kind in GIVEN:
            gives.add(name)
        elif kind == "U":
            needs.add(name)
    return gives, needs


class Calls:
    """The calls of the product: {unit: {unit: {symbol}}}."""

    def __init__(self, root, build):
        self.givers, self.found = {}, {}
        needed = {}
        for unit, path in objects(root, build):
            gives, needed[unit] = symbols(path)
            for name in gives:
                self.givers.setdefault(name, []).append(unit)
        for unit, names in needed.items():
            for name in names:
                for other in self.givers.get(name, ()):
                    if other != unit:
                        self.found.setdefault(unit, {}).setdefault(
                            other, set()).add(name)
        self.files = len(needed)

    def twice(self):
        for name, units in sorted(self.givers.items()):
            if len(units) > 1:
                yield f"{units[0]}: gives {name}, and so does {units[1]}"

    def upward(self, levels):
        for user, others in sorted(self.found.items()):
            for used, names in sorted(others.items()):
                reason = levels.objection(user, used)
                if reason:
                    yield (f"{user}: calls {', '.join(sorted(names))} of "
                           f"{used}, but {reason}")

    def and_includes(self, root):
        """{unit: {unit}} of the calls and of the includes."""
        edges = {user: set(others) for user, others in self.found.items()}
        for user, others in layering.edges(root).items():
            edges.setdefault(user, set()).update(others)
        return edges


def find(root, build):
    """(findings, circles, number of files)."""
    calls = Calls(root, build)
    circles = [f"{members[0]}: circle: {' '.join(members)}"
               for members in graph.circles(calls.and_includes(root))]
    found = [*calls.twice(), *calls.upward(graph.Levels(root))]
    return found, circles, calls.files


def main():
    root, build = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
    found, circles, files = find(root, build)
    for finding in found + circles:
        print(finding)
    print(f"{len(circles)} circles, {len(found)} other findings in "
          f"{files} files")
    sys.exit(1 if found or circles or not files else 0)


if __name__ == "__main__":
    main()
