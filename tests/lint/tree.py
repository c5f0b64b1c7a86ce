# SPDX-License-Identifier: MIT
"""The sources as the linters see them: paths, lines, code without comments."""

import pathlib
import re
import sys

FOLDERS = ("core", "fs", "tools", "tests")
SOURCE = (".c", ".h")

_TOKEN = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
_FUNCTION = re.compile(
    r"^(?P<type>[a-z_][\w *(),\"]*?)\b(?P<name>\w+)"
    r"\((?P<args>[^;{}]*?)\)\n\{", re.M)
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]", re.M)


class Source:
    """One C file; path is relative to the root, with slashes."""

    def __init__(self, root, path):
        self.with_suffix = path.with_suffix
        self.path = path.relative_to(root).as_posix()
        self.folder = self.path.split("/")[0]
        self.name = path.name
        self.stem = path.stem
        self.text = path.read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.splitlines()
        self.code = _TOKEN.sub(_blank, self.text)

    def includes(self):
        """Yields (line number, is_quoted, name)."""
        for m in _INCLUDE.finditer(self.text):
            yield self.line_of(m.start(2)), m.group(1) == '"', m.group(2)

    def functions(self, static=True):
        """Yields (name, parameters, line) of each function with a body."""
        for m in _FUNCTION.finditer(self.code):
            if static or not m.group("type").startswith("static"):
                yield m.group("name"), m.group("args"), self.line_of(m.start())

    def prose(self):
        """Yields (offset, text) of each comment and each string."""
        for m in _TOKEN.finditer(self.text):
            yield m.start(), m.group(0)

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1


def _blank(match):
    """Comments and literals become blanks that keep every offset."""
    word = match.group(0)
    blank = re.sub(r"[^\n]", " ", word)
    return word[0] + blank[1:-1] + word[0] if word[0] in "\"'" else blank


def sources(root):
    root = pathlib.Path(root).resolve()
    found = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCE and path.is_file():
                found.append(Source(root, path))
    return found


def table(root, name):
    """The words of each line of a table in tests/lint/."""
    path = pathlib.Path(root) / "tests" / "lint" / name
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split("#")[0].split()
        if words:
            rows.append(words)
    return rows


def main(find):
    """Prints the findings of find(root) and ends with 1 if there are any."""
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    findings = list(find(root))
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings in {len(sources(root))} files")
    sys.exit(1 if findings else 0)
