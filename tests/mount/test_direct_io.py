# SPDX-License-Identifier: MIT
"""[C1] Direct I/O beside the page cache, as by a database and its backup.

A direct write does not pass through the page cache, from which other processes
read at the same time. Once the write has completed, a read must not return the
old bytes; otherwise these would stay in the cache.
"""
import contextlib
import mmap
import os
import random
import signal

import pytest

from support import aio, sysc
from support.sysc import opened, read_file, write_file
from support.uring import uring_on

PAGE = 4096
SIZE = 160 * PAGE
WRITES = 250


@contextlib.contextmanager
def readers(path, count=2):
    """Processes that read the file through the page cache all the time."""
    pids = []
    try:
        for _ in range(count):
            pid = os.fork()
            if pid == 0:
                try:
                    sysc.die_with_parent()
                    while True:
                        with opened(path, os.O_RDONLY) as f:
                            os.pread(f, SIZE, 0)
                finally:
                    os._exit(1)
            pids.append(pid)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        died = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                for pid in pids]
    assert died == [-signal.SIGKILL] * count, "a reader failed"


def _by_aio(context, fd, buf):
    context.write(fd, buf, 0)


def _by_write(context, fd, buf):
    assert os.pwritev(fd, [buf], 0) == len(buf)


def _read_after_each_write(view, write):
    path = view / "f"
    write_file(path, bytes(SIZE))
    stale = 0
    with opened(path, os.O_RDWR | os.O_DIRECT) as fd, \
            opened(path, os.O_RDONLY) as cached, aio.Context() as context, \
            mmap.mmap(cached, SIZE, prot=mmap.PROT_READ) as m, readers(path):
        for n in range(WRITES):
            data = bytes([n % 251 + 1]) * SIZE
            write(context, fd, aio.buffer(data))
            stale += os.pread(cached, SIZE, 0) != data or m[:] != data
    assert not stale, f"{stale} of {WRITES} writes were not read"
    view.remount()
    assert read_file(view / "f") == data


@pytest.mark.limit(120)
@pytest.mark.parametrize("write", [_by_aio, _by_write])
@pytest.mark.modes("write", "kept", people=("root",))
def test_completed_direct_write_is_what_cached_readers_see(view, write):
    _read_after_each_write(view, write)


@pytest.mark.limit(120)
@pytest.mark.modes("copy", people=("root",), plain=False)
def test_completed_direct_write_is_seen_without_the_writeback_cache(view):
    view.options = ["-o", "nowriteback"]
    _read_after_each_write(view, _by_aio)


@pytest.mark.limit(120)
@pytest.mark.modes("write", "kept", people=("root",), plain=False)
def test_completed_direct_write_is_seen_through_io_uring(view):
    view.options = ["-o", "uring"]
    with uring_on():
        _read_after_each_write(view, _by_aio)
    assert "offers no io_uring" not in view.log.read_text()


class Changer:
    """Changes a file in every way, and remembers the bytes that it must
    have."""

    def __init__(self, path, seed, sector):
        self.random = random.Random(seed)
        self.sector = sector
        self.path = path
        self.want = bytearray(SIZE)
        self.direct = os.open(path, os.O_RDWR | os.O_DIRECT)
        self.cached = os.open(path, os.O_RDWR)
        self.map = mmap.mmap(self.cached, SIZE)
        self.context = aio.Context()

    def close(self):
        self.map.close()
        self.context.close()
        os.close(self.cached)
        os.close(self.direct)

    def _range(self, unit, most=32 * PAGE):
        size = len(self.want)
        start = self.random.randrange(0, size - unit, unit)
        length = self.random.randrange(unit, most, unit)
        return start, min(length, (size - start) // unit * unit)

    def _bytes(self, length):
        return bytes([self.random.randrange(1, 256)]) * length

    def aio(self):
        at, n = self._range(PAGE, SIZE)
        data = self._bytes(n)
        self.context.write(self.direct, aio.buffer(data), at)
        self.want[at:at + n] = data

    def many_aio(self):
        """Fills the queue: as many writes as it holds are under way at
        once."""
        data = self._bytes(PAGE)
        pages = self.random.sample(range(len(self.want) // PAGE), 16)
        self.context.write(self.direct, aio.buffer(data),
                           *[page * PAGE for page in pages])
        for page in pages:
            self.want[page * PAGE:(page + 1) * PAGE] = data

    def sector_aio(self):
        """Writes less than a page, as some databases do."""
        at, n = self._range(self.sector, 2 * PAGE)
        data = self._bytes(n)
        buf = aio.buffer(data)
        self.context.write(self.direct, memoryview(buf)[:n], at)
        self.want[at:at + n] = data

    def growing_aio(self):
        os.ftruncate(self.cached, SIZE - 8 * PAGE)
        del self.want[SIZE - 8 * PAGE:]
        data = self._bytes(4 * PAGE)
        self.context.write(self.direct, aio.buffer(data), SIZE - 4 * PAGE)
        self.want += bytes(4 * PAGE) + data

    def direct_write(self):
        at, n = self._range(PAGE)
        data = self._bytes(n)
        assert os.pwritev(self.direct, [aio.buffer(data)], at) == n
        self.want[at:at + n] = data

    def cached_write(self):
        at, n = self._range(1)
        data = self._bytes(n)
        assert os.pwrite(self.cached, data, at) == n
        self.want[at:at + n] = data

    def store(self):
        at, n = self._range(1, PAGE)
        data = self._bytes(n)
        self.map[at:at + n] = data
        self.want[at:at + n] = data

    def punch(self):
        at, n = self._range(1)
        sysc.fallocate(self.cached, sysc.FALLOC_PUNCH_HOLE |
                       sysc.FALLOC_KEEP_SIZE, at, n)
        self.want[at:at + n] = bytes(n)

    def zero(self):
        at, n = self._range(1)
        sysc.fallocate(self.direct, sysc.FALLOC_ZERO_RANGE, at, n)
        self.want[at:at + n] = bytes(n)

    def shrink_and_grow(self):
        at, _ = self._range(1)
        os.ftruncate(self.cached, at)
        os.ftruncate(self.cached, SIZE)
        self.want[at:] = bytes(SIZE - at)

    def copy(self):
        _, n = self._range(1, SIZE // 2)
        with opened(self.path, os.O_RDONLY) as src:
            done = os.copy_file_range(src, self.cached, n, 0, SIZE // 2)
        self.want[SIZE // 2:SIZE // 2 + done] = self.want[:done]

    WAYS = (aio, aio, many_aio, many_aio, sector_aio, growing_aio,
            direct_write, cached_write, store, punch, zero, shrink_and_grow,
            copy)

    def change(self):
        way = self.random.choice(self.WAYS)
        way(self)
        return way.__name__

    def check(self, steps):
        """Every way of reading must return the same bytes."""
        want = bytes(self.want)
        assert os.fstat(self.cached).st_size == SIZE
        for how, got in (("cached", os.pread(self.cached, SIZE, 0)),
                         ("mapped", self.map[:]),
                         ("direct", self._read_directly())):
            if got != want:
                at = next(i for i in range(SIZE) if got[i] != want[i])
                raise AssertionError(f"{how} read is wrong from {at} on, "
                                     f"after {steps[-5:]}")

    def _read_directly(self):
        b = mmap.mmap(-1, SIZE)
        assert os.preadv(self.direct, [b], 0) == SIZE
        return b[:]


def _change_in_every_way(view, seed):
    path = view / "f"
    write_file(path, bytes(SIZE))
    # The device of a plain directory may accept whole pages only.
    changer = Changer(path, seed, PAGE if view.mode == "plain" else 512)
    steps = []
    with readers(path):
        for _ in range(200):
            steps.append(changer.change())
            changer.check(steps)
    changer.close()
    view.remount()
    assert read_file(view / "f") == bytes(changer.want)


@pytest.mark.limit(120)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.modes("write", "kept", people=("root",))
def test_direct_and_cached_changes_are_one_file_to_all_readers(view, seed):
    _change_in_every_way(view, seed)


@pytest.mark.limit(120)
@pytest.mark.modes("copy", people=("root",), plain=False)
def test_direct_and_cached_changes_are_one_file_without_writeback(view):
    view.options = ["-o", "nowriteback"]
    _change_in_every_way(view, 2)


@pytest.mark.limit(120)
@pytest.mark.modes("kept", people=("root",), plain=False)
def test_direct_and_cached_changes_are_one_file_through_io_uring(view):
    view.options = ["-o", "uring"]
    with uring_on():
        _change_in_every_way(view, 3)
