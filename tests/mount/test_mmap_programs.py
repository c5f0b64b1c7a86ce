# SPDX-License-Identifier: MIT
"""The programs of tests/mmap on views: what tutorials do with memory maps.

Each program checks for itself what it sees in its map. Here follows what it
cannot see: that the base changed in write mode and in no other, that a kept
store shows the same after another mount, and that read mode refuses a program
that opens its file for writing. On a plain directory the same programs show
that they are right.
"""
import dataclasses
import errno
import os
import re
from pathlib import Path

import pytest

from support import tree
from support.sysc import opened, write_file
from support.view import REPO, View, binary, run

SOURCES = REPO / "tests/mmap"
BUILT = Path(binary()).parent / "tests/mmap"
TEXT = b"".join(
    b"line %05d: the quick brown fox jumps over the lazy dog\n" % n
    for n in range(700)) + b"the last line has no end"
PAGE = 4096
SOME = 1 << 16


@dataclasses.dataclass
class Program:
    """One of tests/mmap, and what it does to the file that it gets."""
    name: str
    changes: bool = False	# it opens the file for writing, and changes it
    resizes: bool = False	# it changes its size, unless that is fixed
    file: str = "text"		# text, empty, fifo, huge

    @property
    def path(self):
        folder = SOURCES if self.name.endswith(".py") else BUILT
        if not (folder / self.name).exists():
            pytest.skip(f"{folder / self.name} is missing: build it first")
        if self.name.startswith("shared_memory") and \
                not os.access("/dev/shm", os.W_OK):
            pytest.skip("/dev/shm is missing: it cannot have segments")
        return folder / self.name


PROGRAMS = [
    Program("slices.py"),
    Program("search.py"),
    Program("expressions.py"),
    Program("assign.py", changes=True),
    Program("private.py"),
    Program("replace.py", changes=True),
    Program("offsets.py"),
    Program("resize.py", changes=True, resizes=True),
    Program("fork.py", changes=True),
    Program("shared_memory.py", changes=True),
    Program("processes.py", changes=True),
    Program("errors.py"),
    Program("empty.py", file="empty"),
    Program("pipe.py", file="fifo"),
    Program("larger_than_memory.py", changes=True, file="huge"),
    Program("search"),
    Program("offsets"),
    Program("private"),
    Program("resize", changes=True, resizes=True),
    Program("fork", changes=True),
    Program("shared_memory", changes=True),
    Program("msync", changes=True),
    Program("sigbus"),
    Program("sigbus_shrunk", changes=True, resizes=True),
    Program("refused"),
    Program("larger_than_memory", changes=True, file="huge"),
]


def _each(programs):
    return pytest.mark.parametrize(
        "program", [pytest.param(p, id=p.name) for p in programs])


def _huge_bytes():
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return memory + (1 << 30) + 5 * PAGE + 100


def _make(path, kind):
    if kind == "fifo":
        os.mkfifo(path)
        return
    write_file(path, TEXT if kind == "text" else b"")
    if kind == "huge":
        os.truncate(path, _huge_bytes())


class FileOfView:
    """The file of a program is a file of a view, which is one of the base."""

    is_fixed = False

    def __init__(self, view, kind):
        _make(view.base / "file", kind)
        self.view = view
        self.path = Path(view / "file")

    def below(self):
        """The bytes that the program may have changed, in the base."""
        return _state(self.view.base / "file")

    def check_rest(self):
        """The base has nothing else."""


class WindowOfView:
    """The file of a program is a window on a file of the base."""

    OFFSET = PAGE + 300	# no page of the window is one of the image
    BEFORE = b"before" * (OFFSET // 6) + bytes(OFFSET % 6)
    BEHIND = b"behind" * 2000

    def __init__(self, view, kind, is_fixed):
        self.view = view
        self.is_fixed = is_fixed
        self.image = view.base / "image"
        _make(view.scratch / "part", kind)
        self.length = os.path.getsize(view.scratch / "part")
        write_file(self.image, self.BEFORE)
        _copy_data(view.scratch / "part", 0, self.image, self.OFFSET)
        if is_fixed:
            with open(self.image, "ab") as f:
                f.write(self.BEHIND)
        length = f":{self.length}" if is_fixed else ""
        view.windows = [f"file=image:{self.OFFSET}{length}"]
        self.path = Path(view / "file")

    def below(self):
        """The bytes of the window, in the image."""
        part = self.view.scratch / "part"
        write_file(part)
        _copy_data(self.image, self.OFFSET, part, 0)
        if self.is_fixed:
            os.truncate(part, self.length)
        return _state(part)

    def check_rest(self):
        with opened(self.image, os.O_RDONLY | os.O_NOATIME) as fd:
            assert os.pread(fd, self.OFFSET, 0) == self.BEFORE
            if self.is_fixed:
                end = self.OFFSET + self.length
                assert os.pread(fd, PAGE + len(self.BEHIND), end) == \
                    self.BEHIND


def _copy_data(source, start, target, to):
    """Appends the bytes of a file from `start`, and keeps its holes."""
    size = os.path.getsize(source)
    with opened(source, os.O_RDONLY | os.O_NOATIME) as fd, \
            opened(target, os.O_RDWR) as out:
        os.ftruncate(out, to + size - start)
        at = start
        while at < size:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as e:
                assert e.errno == errno.ENXIO
                return
            data = os.pread(fd, SOME, at)
            os.pwrite(out, data, to + at - start)
            at += len(data)


def _state(path):
    """The size and the content of a file, which is read without an access
    time."""
    if not path.is_file():
        return None
    size = path.stat().st_size
    return size, tree.content(path, size)


def _run_to_the_end(program, place):
    fixed = ["fixed"] if program.resizes and place.is_fixed else []
    run(program.path, place.path, *fixed)


def _assert_refused(program, place):
    p = run(program.path, place.path, check=False)
    assert p.returncode == 1, p.text
    assert re.search("Read-only file system", p.text), p.text


def _check(program, place):
    """Runs the program, and compares what is below with what it saw."""
    view, before = place.view, place.below()
    if program.changes and view.mode == "read":
        _assert_refused(program, place)
        assert _state(place.path) == before
    else:
        _run_to_the_end(program, place)
    after = _state(place.path)
    may_change = program.changes and view.mode != "read"
    assert (after != before) == may_change
    assert place.below() == (before if view.base_stays else after)
    view.remount()
    assert _state(place.path) == after
    place.check_rest()


@_each(PROGRAMS)
@pytest.mark.modes("read", "write", "copy", "kept")
def test_program_works_on_a_file_of_a_view(view, program):
    _check(program, FileOfView(view, program.file))


@_each(PROGRAMS)
@pytest.mark.modes("copy", "kept", plain=False)
def test_program_works_without_the_writeback_cache(view, program):
    view.options = ["-o", "nowriteback"]
    _check(program, FileOfView(view, program.file))


ON_WINDOWS = [p for p in PROGRAMS if p.file in ("text", "huge")]


@_each(ON_WINDOWS)
@pytest.mark.modes("read", "write", "copy", "kept", plain=False)
def test_program_works_on_a_window_with_a_length(view, program):
    _check(program, WindowOfView(view, program.file, is_fixed=True))


@_each(ON_WINDOWS)
@pytest.mark.modes("read", "write", "copy", "kept", plain=False)
def test_program_works_on_a_window_to_the_end(view, program):
    _check(program, WindowOfView(view, program.file, is_fixed=False))


@pytest.mark.modes("write", "copy", "kept", plain=False)
def test_window_that_became_empty_cannot_be_mapped(view):
    place = WindowOfView(view, "text", is_fixed=False)
    os.truncate(place.path, 0)
    run(Program("empty.py").path, place.path)
    # A window without a byte cannot be mounted again.
    os.truncate(place.path, PAGE)


@_each(PROGRAMS)
@pytest.mark.on_plain
def test_program_is_right_on_a_plain_directory(scratch, program):
    _check(program, FileOfView(View(scratch, "plain"), program.file))


def test_every_program_has_its_row():
    built = re.findall(r"^  '(\w+)',$", (SOURCES / "meson.build").read_text(),
                       re.M)
    scripts = [p.name for p in SOURCES.glob("*.py")]
    assert sorted(scripts + built) == sorted(p.name for p in PROGRAMS)
