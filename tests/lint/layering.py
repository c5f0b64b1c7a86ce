#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Includes between files, judged by levels.txt; no circle between headers."""

import posixpath

import graph
import tree

PRODUCT = ("core", "fs", "tools")


def resolve(source, name, known):
    """The path in the tree that a quoted include means, or None."""
    near = posixpath.join(posixpath.dirname(source.path), name)
    for path in (posixpath.normpath(near), posixpath.normpath(name)):
        if path in known:
            return path
    return None


def is_fuse(name):
    return name.startswith(("fuse", "cuse", "libfuse"))


def judge(source, target, levels):
    """Why a file may not include another one of the tree, or None."""
    folder = target.split("/")[0]
    if folder == "tests":
        return "only tests include that folder"
    if source.folder in levels.doors and folder == "core":
        if target not in levels.doors[source.folder]:
            return f"it is no door of {source.folder}"
        return None
    if (target.endswith("_priv.h") and
            posixpath.dirname(target) != posixpath.dirname(source.path)):
        return f"{target} is private to its folder"
    return levels.objection(graph.unit_of(source.path), graph.unit_of(target))


def includes(root):
    """Yields (source, line, is_quoted, name, path in the tree or None)."""
    sources = tree.sources(root)
    known = {s.path for s in sources}
    for source in sources:
        for line, quoted, name in source.includes():
            target = resolve(source, name, known) if quoted else None
            yield source, line, quoted, name, target


def edges(root):
    """{unit: {unit}} of the product's includes."""
    found = {}
    for source, _, _, _, target in includes(root):
        if source.folder in PRODUCT and target:
            user, used = graph.unit_of(source.path), graph.unit_of(target)
            if user != used:
                found.setdefault(user, set()).add(used)
    return found


def find(root):
    levels = graph.Levels(root)
    for source in tree.sources(root):
        place = levels.place_of(graph.unit_of(source.path))
        if source.folder in PRODUCT and place is None and \
                not source.path.startswith("tools/bench/"):
            yield f"{source.path}:1: its folder is not in levels.txt"
    for source, line, quoted, name, target in includes(root):
        at = f"{source.path}:{line}: "
        if source.folder == "core" and is_fuse(name):
            yield at + f"core includes {name}"
        if quoted and target is None:
            yield at + f"no such file: {name}"
        if source.folder in PRODUCT and target:
            reason = judge(source, target, levels)
            if reason:
                yield at + f"includes {target}, but {reason}"
    for members in graph.circles(edges(root)):
        yield f"{members[0]}:1: circle of includes: {' '.join(members)}"


if __name__ == "__main__":
    tree.main(find)
