# SPDX-License-Identifier: MIT
"""st_blocks, SEEK_DATA and SEEK_HOLE never hide data.

GNU tar treats a file of 0 blocks as one hole without reading it, so a number
that is too small loses data in every backup.
"""
import errno
import mmap
import os
import random
import shutil

import pytest

from support import sysc
from support.sysc import opened, read_file, write_file
from support.view import mapfs, run

PAGE = 4096
MIB = 1 << 20
PUNCH = sysc.FALLOC_PUNCH_HOLE | sysc.FALLOC_KEEP_SIZE
SEED = os.environ.get("MAPFS_TEST_SEED", "1")
SIZE = 2 * MIB

needs_tar = pytest.mark.skipif(
    not shutil.which("tar") or
    "GNU" not in run("tar", "--version", check=False).text,
    reason="needs GNU tar")


def _pages(data):
    """The number of bytes in pages that are not all zero."""
    return sum(PAGE for i in range(0, len(data), PAGE)
               if data.count(0, i, i + PAGE) != len(data[i:i + PAGE]))


def _assert_blocks(path, data):
    st = os.stat(path)
    assert st.st_size == len(data)
    assert st.st_blocks > 0 or data.count(0) == len(data), \
        "0 blocks of a file with data"
    return st.st_blocks


def _assert_seeks(path, data):
    """All bytes outside the ranges of SEEK_DATA must be zero."""
    at = 0
    with opened(path, os.O_RDONLY) as fd:
        while at < len(data):
            try:
                start = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as e:
                assert e.errno == errno.ENXIO
                start = len(data)
            assert data.count(0, at, start) == start - at, f"lost at {at}"
            if start >= len(data):
                return
            at = os.lseek(fd, start, os.SEEK_HOLE)
            assert at > start


def _assert_copies(view, name, data):
    out = view.scratch / "out"
    out.mkdir(exist_ok=True)
    # 1: "file changed as we read it", also when the kernel sends dirty pages.
    p = run("tar", "-C", view.top, "-cSf", out / "t.tar", name, check=False)
    assert p.returncode in (0, 1), p.text
    run("tar", "-C", out, "-xf", out / "t.tar")
    assert read_file(out / name) == data, "tar -S"
    run("cp", "--sparse=auto", view / name, out / "cp")
    assert read_file(out / "cp") == data, "cp --sparse=auto"


def _check(view, name, data):
    _assert_blocks(view / name, data)
    _assert_copies(view, name, data)
    _assert_seeks(view / name, data)
    assert read_file(view / name) == data


class Sparse:
    """A file and the bytes that it must have, through all operations that make
    holes."""

    def __init__(self, view, name, data, r):
        self.view, self.name, self.r = view, name, r
        self.data = bytearray(data)
        self.path = view / name

    def _range(self):
        size = max(len(self.data), 1)
        at = self.r.randrange(size)
        if self.r.random() < .5:
            at -= at % PAGE
        most = self.r.choice((1, 100, PAGE, 20 * PAGE, size))
        end = min(size, at + 1 + self.r.randrange(most))
        if self.r.random() < .2:
            at = 0
        return at, end

    def _put(self, at, data):
        if at + len(data) > len(self.data):
            self.data.extend(bytes(at + len(data) - len(self.data)))
        self.data[at:at + len(data)] = data

    def write(self, fd):
        at = self.r.randrange(SIZE)
        data = self.r.randbytes(self.r.choice((1, 13, PAGE, 3 * PAGE)))
        self._put(at, data)
        os.pwrite(fd, data, at)

    def store_mapped(self, fd):
        if not self.data:
            return
        at = self.r.randrange(len(self.data))
        with mmap.mmap(fd, len(self.data)) as m:
            m[at] = 0x77
        self.data[at] = 0x77

    def punch(self, fd):
        at, end = self._range()
        sysc.fallocate(fd, PUNCH, at, end - at)
        end = min(end, len(self.data))
        self.data[at:end] = bytes(max(0, end - at))

    def zero(self, fd):
        at, end = self._range()
        sysc.fallocate(fd, sysc.FALLOC_ZERO_RANGE | sysc.FALLOC_KEEP_SIZE,
                       at, end - at)
        end = min(end, len(self.data))
        self.data[at:end] = bytes(max(0, end - at))

    def allocate(self, fd):
        at, end = self._range()
        sysc.fallocate(fd, sysc.FALLOC_KEEP_SIZE, at, end - at)

    def truncate(self, fd):
        size = self.r.choice((0, self.r.randrange(SIZE), SIZE,
                              len(self.data) // 2, len(self.data) + PAGE))
        os.ftruncate(fd, size)
        self.data = self.data[:size].ljust(size, b"\0")

    def copy_in(self, fd):
        data = self.r.randbytes(3 * PAGE)
        at = self.r.randrange(SIZE)
        write_file(self.view / "source", data)
        with opened(self.view / "source", os.O_RDONLY) as src:
            n = os.copy_file_range(src, fd, len(data), 0, at)
        self._put(at, data[:n])

    def step(self, fd):
        step = self.r.choice((self.write, self.store_mapped, self.punch,
                              self.punch, self.punch, self.zero,
                              self.allocate, self.truncate, self.copy_in))
        step(fd)
        if self.r.random() < .3:
            os.fsync(fd)
        # The file is open, and all its data may be dirty pages.
        _assert_blocks(self.path, self.data)

    def play(self, steps):
        for n in range(steps):
            with opened(self.path, os.O_RDWR) as fd:
                for _ in range(self.r.randrange(1, 6)):
                    self.step(fd)
                if n % 7 == 0:
                    _check(self.view, self.name, bytes(self.data))
            self.assert_enough()
        _check(self.view, self.name, bytes(self.data))

    def assert_enough(self):
        """Closes the file first, so that the kernel asks the daemon."""
        assert os.stat(self.path).st_blocks * 512 >= _pages(self.data)


def _holey(path, r):
    """Makes a file with holes, dense runs and single bytes."""
    with open(path, "wb") as f:
        f.truncate(SIZE)
        for _ in range(r.randrange(1, 6)):
            f.seek(r.randrange(SIZE - 10 * PAGE))
            f.write(r.randbytes(r.choice((1, PAGE, 10 * PAGE))))
        os.fsync(f.fileno())
    return read_file(path)


def _can(view):
    """Whether the base of a write view supports holes."""
    with opened(view.tmp, os.O_TMPFILE | os.O_RDWR) as fd:
        for mode in (PUNCH, sysc.FALLOC_ZERO_RANGE):
            if sysc.error_of(sysc.fallocate, fd, mode, 0, PAGE) == "ENOTSUP":
                pytest.skip("the file system below makes no holes")


@needs_tar
@pytest.mark.parametrize("seed", range(5))
def test_no_history_of_holes_hides_data(view, origin, seed):
    _can(view)
    r = random.Random(f"{SEED}/{seed}")
    data = []
    origin.make("f", lambda path: data.append(_holey(path, r)))
    f = Sparse(view, "f", data[0], r)
    f.play(14)
    view.remount()
    _check(view, "f", bytes(f.data))
    f.play(7)


@needs_tar
def test_punching_holes_of_the_base_hides_none_of_its_data(view):
    """Regression: the pages of a hole were subtracted from the blocks of the
    data."""
    _can(view)
    with open(view.base / "disk", "wb") as f:
        f.truncate(16 * MIB)
        f.seek(8 * MIB)
        f.write(b"precious")
    want = read_file(view.base / "disk")
    with opened(view / "disk", os.O_RDWR) as fd:
        sysc.fallocate(fd, PUNCH, 0, MIB)
    _check(view, "disk", want)
    view.remount()
    _check(view, "disk", want)
    with opened(view / "disk", os.O_RDWR) as fd:
        sysc.fallocate(fd, PUNCH, 8 * MIB, 8 * MIB)
    _check(view, "disk", bytes(16 * MIB))


@needs_tar
def test_file_that_is_written_and_never_closed_is_backed_up(view, origin):
    """The kernel keeps the number of blocks that it got when the file was
    made."""
    f = origin.file("f")
    with opened(f, os.O_RDWR) as fd:
        for n in range(4):
            os.pwrite(fd, b"x" * 5000, n * 9000)
            want = read_file(f)
            _check(view, "f", want)
            os.fsync(fd)
            _check(view, "f", want)


@needs_tar
@pytest.mark.parametrize("cache", ["writeback", "nowriteback"])
def test_page_that_was_only_stored_into_a_mapping_is_backed_up(view, origin,
                                                               cache):
    if view.is_copy:
        view.options += ["-o", cache]
    f = origin.make("f", lambda p: write_file(p) and os.truncate(p, MIB))
    assert os.stat(f).st_size == MIB
    with opened(f, os.O_RDWR) as fd, mmap.mmap(fd, MIB) as m:
        m[300000] = 7
        want = bytearray(MIB)
        want[300000] = 7
        _check(view, "f", bytes(want))
        m.flush()
        _check(view, "f", bytes(want))


def test_dense_file_has_the_blocks_of_its_data_and_no_more(view, origin):
    _can(view)
    f = origin.file("f", b"x" * MIB)
    with opened(f, os.O_RDWR) as fd:
        sysc.fallocate(fd, PUNCH, 0, MIB // 2)
        os.pwrite(fd, b"y" * PAGE, 0)
        os.fsync(fd)
    got = os.stat(f).st_blocks * 512
    assert MIB // 2 + PAGE <= got <= MIB // 2 + 20 * PAGE
    os.truncate(f, PAGE)
    os.truncate(f, MIB)
    assert PAGE <= os.stat(f).st_blocks * 512 <= 5 * PAGE


@pytest.mark.modes("kept", plain=False)
def test_thousands_of_private_pages_do_not_change_what_is_counted(view):
    """Regression: the pieces were counted only up to some number."""
    pages = 3000
    write_file(view.base / "f", b"x" * (2 * pages * PAGE))
    with opened(view / "f", os.O_RDWR) as fd:
        for n in range(pages):
            os.pwrite(fd, b"y", 2 * n * PAGE)
        os.pwrite(fd, b"z" * (4 * pages * PAGE), 2 * pages * PAGE)
        os.fsync(fd)
    want = 6 * pages * PAGE
    assert want <= os.stat(view / "f").st_blocks * 512 <= want + MIB
    view.remount()
    assert want <= os.stat(view / "f").st_blocks * 512 <= want + MIB


@needs_tar
@pytest.mark.modes("kept", plain=False)
def test_snapshot_rollback_and_revert_hide_no_data(view):
    r = random.Random(SEED)
    old = _holey(view.base / "f", r)
    f = Sparse(view, "f", old, r)
    f.play(8)
    then = bytes(f.data)
    mapfs("snapshot", view.mnt, "one")
    f.play(8)
    view.unmount()
    mapfs("mount", "-s", f"{view.store}@one", view.base, view.mnt)
    try:
        # View does not know of this mount.
        assert os.stat(view.mnt / "f").st_blocks > 0 or \
            then.count(0) == len(then)
        _assert_seeks(view.mnt / "f", then)
        run("tar", "-C", view.mnt, "-cSf", view.scratch / "t", "f")
        run("tar", "-C", view.scratch, "-xf", view.scratch / "t")
        assert read_file(view.scratch / "f") == then
    finally:
        mapfs("umount", view.mnt)
    view.mount()
    _check(view, "f", bytes(f.data))
    mapfs("rollback", "-y", view.mnt, "one")
    _check(view, "f", then)
    mapfs("revert", view.mnt, "f")
    _check(view, "f", old)


@needs_tar
def test_reading_a_sparse_file_in_read_mode_hides_nothing(read_view):
    want = _holey(read_view.base / "f", random.Random(SEED))
    _check(read_view, "f", want)
