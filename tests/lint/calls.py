#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who may call whom: the symbols that each object file of the product needs
and gives, judged by levels.txt like includes. No circle between files.

Usage: calls.py SOURCE-ROOT BUILD-DIRECTORY
"""

import json
import pathlib
import subprocess
import sys

import graph
import layering

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


def calls(root, build):
    """{unit: {unit: {symbol}}} of the product's calls."""
    giver, needed = {}, {}
    for unit, path in objects(root, build):
        gives, needed[unit] = symbols(path)
        giver.update(dict.fromkeys(gives, unit))
    found = {}
    for unit, names in needed.items():
        for name in names:
            other = giver.get(name)
            if other and other != unit:
                found.setdefault(unit, {}).setdefault(other, set()).add(name)
    return found


def find(root, build):
    levels = graph.Levels(root)
    found = calls(root, build)
    for user, others in sorted(found.items()):
        for used, names in sorted(others.items()):
            reason = levels.objection(user, used)
            if reason:
                yield (f"{user}: calls {', '.join(sorted(names))} of "
                       f"{used}, but {reason}")
    edges = {user: set(others) for user, others in found.items()}
    for user, others in layering.edges(root).items():
        edges.setdefault(user, set()).update(others)
    for members in graph.circles(edges):
        yield f"{members[0]}: circle: {' '.join(members)}"


def main():
    root, build = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
    findings = list(find(root, build))
    for finding in findings:
        print(finding)
    circles = sum(": circle: " in f for f in findings)
    allows = graph.Levels(root).allows_circles
    print(f"{circles} circles, {len(findings) - circles} upward or sideways, "
          f"{len(list(objects(root, build)))} files")
    sys.exit(1 if len(findings) > (circles if allows else 0) else 0)


if __name__ == "__main__":
    main()
