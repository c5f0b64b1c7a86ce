#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Rules that one file keeps or breaks by itself: lengths, parameters, licence
lines, headers, switches, words, banned calls, and calls that only one place may make.

allowed.txt names the exceptions, words.txt the words that are not used. An
exception that nothing needs any more is a finding too.
"""

import re

import tree

FILE_LINES = 800
FUNCTION_LINES = 100
PARAMETERS = 5
SPDX = "SPDX-License-Identifier: MIT"

# Unbounded, or blind to errors, or not safe with threads.
BANNED = ("strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok",
          "atoi", "atol", "atoll", "atof", "alloca")
# core/ reports through return values and the log callback only.
BANNED_IN_CORE = ("printf", "fprintf", "vfprintf", "puts", "fputs", "putchar",
                  "perror", "exit", "_exit", "err", "errx", "warn", "warnx",
                  "syslog")


_SWITCH = re.compile(
    r"\bswitch\b|[{}]|\bcase\s+(?P<label>[^:]+?)\s*:|\bdefault\s*:")


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


def parameters(source):
    """libfuse dictates the parameters of its callbacks, op_*."""
    if source.folder == "tests":
        return
    for name, args, line in source.functions():
        # A parameter that is a function has parameters of its own.
        for _ in range(args.count("(")):
            args = re.sub(r"\([^()]*\)", "", args)
        count = args.count(",") + 1
        if count > PARAMETERS and not name.startswith("op_"):
            yield ("parameters", source.path, name), (
                f"{source.path}:{line}: {name}() has {count} parameters")


def header(source):
    """A .c is explained by a header of its own, or it implements the door."""
    if source.folder not in ("core", "fs") or not source.path.endswith(".c"):
        return
    if source.with_suffix(".h").is_file():
        return
    public = [name for name, _, _ in source.functions(static=False)]
    if not public or any(not name.startswith("mapfs_") for name in public):
        yield ("header", source.path), f"{source.path}:1: it has no header"


def enumerators(sources):
    """The enumerators of all named enums; an unnamed enum is no type."""
    found = set()
    for source in sources:
        for body in re.findall(r"\benum\s+\w+\s*\{([^}]*)\}", source.code):
            found.update(re.findall(r"(?:^|,)\s*(\w+)", body))
    return found


def defaults(source, ours):
    """A default: hides the enumerator that is added next."""
    switches = []
    depth = 0
    for m in _SWITCH.finditer(source.code):
        word, label = m.group(0), m.group("label")
        if word == "switch":
            switches.append({"depth": depth + 1, "labels": [], "at": None})
        elif word == "{":
            depth += 1
        elif word == "}":
            if switches and switches[-1]["depth"] == depth:
                last = switches.pop()
                if last["at"] is not None and ours.issuperset(last["labels"]):
                    line = source.line_of(last["at"])
                    yield ("default", source.path), (
                        f"{source.path}:{line}: default: on an own enum")
            depth -= 1
        elif switches and label:
            switches[-1]["labels"].append(label)
        elif switches:
            switches[-1]["at"] = m.start()


def words(source, rows):
    for first, *instead in rows:
        pattern = re.compile(rf"\b{re.escape(first)}\b", re.I)
        for start, text in source.prose():
            for m in pattern.finditer(text):
                line = source.line_of(start + m.start())
                yield (f"{source.path}:{line}: \"{first}\"; "
                       f"write: {' '.join(instead)}")


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
    unused = tree.table(root, "words.txt")
    allowed = {tuple(row) for row in tree.table(root, "allowed.txt")}
    needed = set()
    sources = tree.sources(root)
    ours = enumerators(sources)
    for source in sources:
        yield from licence(source)
        yield from lengths(source)
        yield from banned(source)
        yield from comments(source)
        yield from asserts(source)
        yield from places(source, rows)
        yield from words(source, unused)
        for rule in (parameters(source), header(source),
                     defaults(source, ours)):
            for row, finding in rule:
                needed.add(row)
                if row not in allowed:
                    yield finding
    for row in sorted(allowed - needed):
        yield f"tests/lint/allowed.txt: not needed: {' '.join(row)}"


if __name__ == "__main__":
    tree.main(find)
