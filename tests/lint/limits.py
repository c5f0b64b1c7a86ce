#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Lengths, licence lines, banned calls, and what only one module may touch."""

import re

import tree

FILE_LINES = 800
FUNCTION_LINES = 100
SPDX = "SPDX-License-Identifier: MIT"

# Unbounded, or blind to errors, or not safe with threads.
BANNED = ("strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok",
          "atoi", "atol", "atoll", "atof", "alloca")
# core/ reports through return values and the log callback only.
BANNED_IN_CORE = ("printf", "fprintf", "vfprintf", "puts", "fputs", "putchar",
                  "perror", "exit", "_exit", "err", "errx", "warn", "warnx",
                  "syslog")


def calls(source, name):
    """Line numbers of calls of name that are not members of something."""
    pattern = re.compile(r"(?<![\w.])(?<!->)" + re.escape(name) + r"\s*\(")
    for m in pattern.finditer(source.code):
        yield source.line_of(m.start())


def licence(source):
    if not source.lines or SPDX not in source.lines[0]:
        yield f"{source.path}:1: the first line is not {SPDX}"


def lengths(source):
    if len(source.lines) >= FILE_LINES:
        yield f"{source.path}:1: {len(source.lines)} lines"
    start = None
    for number, line in enumerate(source.code.splitlines(), 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            if number - start + 1 > FUNCTION_LINES:
                yield (f"{source.path}:{start}: function of "
                       f"{number - start + 1} lines")
            start = None


def banned(source):
    names = BANNED
    if source.folder == "core":
        names += BANNED_IN_CORE
    for name in names:
        for line in calls(source, name):
            yield f"{source.path}:{line}: {name}() is banned here"


def comments(source):
    """Only /* */, and no address of the web read as one."""
    plain = re.sub(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"",
                   lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                   source.text, flags=re.S)
    for m in re.finditer(r"//", plain):
        yield f"{source.path}:{source.line_of(m.start())}: // comment"


def asserts(source):
    """An assert with a side effect is one that a release build loses."""
    for m in re.finditer(r"\bassert\s*\(([^;]*)\)\s*;", source.code):
        if re.search(r"\+\+|--|(?<![=!<>])=(?!=)", m.group(1)):
            yield (f"{source.path}:{source.line_of(m.start())}: "
                   "assert with a side effect")


def may_touch(source, places):
    """A place is a folder, or a file without its suffix."""
    stem = source.path.rsplit(".", 1)[0]
    return any(stem == p or stem.startswith(p + "/") for p in places)


def places(source, rows):
    if source.folder == "tests":
        return
    for kind, name, *where in rows:
        if may_touch(source, where):
            continue
        if kind == "call":
            lines = calls(source, name)
        else:
            lines = (n for n, _, header in source.includes() if header == name)
        for line in lines:
            yield f"{source.path}:{line}: {name} belongs to {' '.join(where)}"


def find(root):
    rows = tree.table(root, "places.txt")
    for source in tree.sources(root):
        yield from licence(source)
        yield from lengths(source)
        yield from banned(source)
        yield from comments(source)
        yield from asserts(source)
        yield from places(source, rows)


if __name__ == "__main__":
    tree.main(find)
