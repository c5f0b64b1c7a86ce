#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who may include whom, as levels.txt has it."""

import posixpath

import tree


class Levels:
    def __init__(self, root):
        self.files = {}
        self.modules = {}
        self.doors = {}
        self.friends = {}
        for level, *names in tree.table(root, "levels.txt"):
            if level == "door":
                self.doors[names[0]] = {f"core/{n}" for n in names[1:]}
                continue
            if level == "friend":
                self.friends[names[0]] = names[1:]
                continue
            for name in names:
                where = self.files if "." in name else self.modules
                where[name] = int(level)

    def of(self, name):
        """The level of a file of core/, or None."""
        if name in self.files:
            return self.files[name]
        stem = name.rsplit(".", 1)[0]
        fits = [m for m in self.modules if tree.module_matches(stem, m)]
        return self.modules[max(fits, key=len)] if fits else None

    def module(self, name):
        stem = name.rsplit(".", 1)[0]
        fits = [m for m in self.modules if tree.module_matches(stem, m)]
        return max(fits, key=len) if fits else stem


def resolve(source, name, known):
    """The path in the tree that a quoted include means, or None."""
    near = posixpath.join(posixpath.dirname(source.path), name)
    for path in (posixpath.normpath(near), posixpath.normpath(name)):
        if path in known:
            return path
    return None


def is_fuse(name):
    return name.startswith(("fuse", "cuse", "libfuse"))


def judge_core(source, target, levels):
    """One include of a core file from a core file; a reason, or None."""
    name = posixpath.basename(target)
    ours, theirs = levels.of(source.name), levels.of(name)
    if ours is not None and theirs is not None and theirs > ours:
        return f"level {ours} includes {name} of level {theirs}"
    if name.endswith("_priv.h"):
        module = levels.module(name[:-len("_priv.h")])
        friends = [module, *levels.friends.get(name, ())]
        if not any(tree.module_matches(source.stem, f) for f in friends):
            return f"{name} is private to {module}"
    return None


def judge(source, target, levels):
    folder = target.split("/")[0]
    if source.folder == "core":
        if folder != "core":
            return f"core includes {target}"
        return judge_core(source, target, levels)
    if source.folder in levels.doors and folder == "core":
        if target not in levels.doors[source.folder]:
            return f"{source.folder} includes {target}"
    if source.folder == "fs" and folder == "tools":
        return f"fs includes {target}"
    return None


def find(root):
    sources = tree.sources(root)
    known = {s.path for s in sources}
    levels = Levels(root)
    for source in sources:
        if source.folder == "core" and levels.of(source.name) is None:
            yield f"{source.path}:1: not in tests/lint/levels.txt"
        for line, quoted, name in source.includes():
            at = f"{source.path}:{line}: "
            if source.folder == "core" and is_fuse(name):
                yield at + f"core includes {name}"
            target = resolve(source, name, known) if quoted else None
            if quoted and target is None:
                yield at + f"no such file: {name}"
            reason = judge(source, target, levels) if target else None
            if reason:
                yield at + reason


if __name__ == "__main__":
    tree.main(find)
