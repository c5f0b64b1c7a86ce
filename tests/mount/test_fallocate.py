# SPDX-License-Identifier: MIT
"""fallocate: allocate, keep size, punch hole, zero range."""
import errno
import os

import pytest

from support import sysc
from support.sysc import (FALLOC_COLLAPSE_RANGE, FALLOC_KEEP_SIZE,
                          FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, error_of,
                          fails, opened, read_file)

PAGE = 4096
OLD = bytes(range(1, 251)) * 100
PUNCH = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE


def _need(view, mode):
    """Skips a mode of fallocate(2) that a write view's base does not
    support."""
    if view.is_copy:
        return
    with opened(view.tmp, os.O_TMPFILE | os.O_RDWR) as fd:
        os.write(fd, b"x" * PAGE)
        if error_of(sysc.fallocate, fd, mode, 0, PAGE) == "ENOTSUP":
            pytest.skip("the file system below does not have it")


def test_allocation_grows_the_file_with_zeros(view, origin):
    f = origin.file("f", b"abc")
    with opened(f, os.O_RDWR) as fd:
        sysc.fallocate(fd, 0, 0, 20000)
        assert os.fstat(fd).st_size == 20000
    assert read_file(f) == b"abc" + bytes(19997)


def test_allocation_changes_no_byte_that_is_there(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        sysc.fallocate(fd, 0, 100, 10000)
    assert read_file(f) == OLD


def test_allocation_with_keep_size_keeps_the_size(view, origin):
    f = origin.file("f", b"abc")
    with opened(f, os.O_RDWR) as fd:
        sysc.fallocate(fd, FALLOC_KEEP_SIZE, 0, 1 << 20)
    assert read_file(f) == b"abc"


@pytest.mark.parametrize("start,size", [
    (0, PAGE), (PAGE, 2 * PAGE), (1, 10), (PAGE - 1, 2), (100, 20000),
    (20000, 10000), (0, 1 << 20)])
def test_punched_range_reads_zeros_and_the_rest_is_kept(view, origin, start,
                                                         size):
    _need(view, PUNCH)
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        sysc.fallocate(fd, PUNCH, start, size)
    want = bytearray(OLD)
    end = min(start + size, len(OLD))
    want[start:end] = bytes(end - start)
    assert read_file(f) == want
    view.remount()
    assert read_file(f) == want


@pytest.mark.parametrize("keep", [0, FALLOC_KEEP_SIZE])
@pytest.mark.parametrize("start,size", [
    (0, PAGE), (PAGE, 2 * PAGE), (1, 10), (100, 20000), (20000, 10000)])
def test_zeroed_range_reads_zeros_and_the_rest_is_kept(view, origin, start,
                                                        size, keep):
    _need(view, FALLOC_ZERO_RANGE | keep)
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        sysc.fallocate(fd, FALLOC_ZERO_RANGE | keep, start, size)
    want = bytearray(OLD)
    end = start + size
    if not keep:
        want += bytes(max(0, end - len(want)))
    end = min(end, len(want))
    want[start:end] = bytes(end - start)
    assert read_file(f) == want


@pytest.mark.parametrize("keep", [0, FALLOC_KEEP_SIZE])
@pytest.mark.parametrize("start,size", [
    (0, PAGE), (100, 20000), (20000, 10000), (0, 3 << 20)])
def test_zeroed_range_has_space_and_a_punched_one_none(view, origin, start,
                                                        size, keep):
    _need(view, FALLOC_ZERO_RANGE | keep)
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        sysc.fallocate(fd, PUNCH, 0, len(OLD))
        sysc.fallocate(fd, FALLOC_ZERO_RANGE | keep, start, size)
        os.fsync(fd)
        got = os.fstat(fd).st_blocks * 512
        assert got >= size
    want = max(len(OLD), 0 if keep else start + size)
    assert read_file(f) == bytes(want)
    view.remount()
    assert read_file(f) == bytes(want)
    assert os.stat(f).st_blocks * 512 >= size
    with opened(f, os.O_RDWR) as fd:
        sysc.fallocate(fd, PUNCH, 0, 4 << 20)
        os.fsync(fd)
        assert os.fstat(fd).st_blocks * 512 < got


def test_punched_page_can_be_written_again(view, origin):
    _need(view, PUNCH)
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        sysc.fallocate(fd, PUNCH, 0, 2 * PAGE)
        os.pwrite(fd, b"back", PAGE)
    want = bytes(PAGE) + b"back" + bytes(PAGE - 4) + OLD[2 * PAGE:]
    assert read_file(f) == want


def test_punch_after_an_unsynced_write_removes_that_write(view, origin):
    _need(view, PUNCH)
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        os.pwrite(fd, b"Z" * PAGE, PAGE)
        sysc.fallocate(fd, PUNCH, PAGE, PAGE)
        assert os.pread(fd, PAGE, PAGE) == bytes(PAGE)
        os.fsync(fd)
        assert os.pread(fd, PAGE, PAGE) == bytes(PAGE)


def test_fallocate_through_a_reader_is_ebadf(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDONLY) as fd:
        with fails(errno.EBADF):
            sysc.fallocate(fd, 0, 0, 100)


def test_fallocate_of_nothing_is_einval(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        with fails(errno.EINVAL):
            sysc.fallocate(fd, 0, 0, 0)


@pytest.mark.modes("copy", "kept")
def test_collapse_range_is_eopnotsupp(view):
    with opened(view / "f", os.O_RDWR | os.O_CREAT) as fd:
        os.write(fd, OLD)
        if view.mode != "plain":
            with fails(errno.EOPNOTSUPP):
                sysc.fallocate(fd, FALLOC_COLLAPSE_RANGE, 0, PAGE)
        assert os.pread(fd, len(OLD), 0) == OLD


@pytest.mark.modes("kept", people=("root",), plain=False)
def test_punching_gives_space_back_after_a_sync(view):
    with opened(view / "f", os.O_RDWR | os.O_CREAT) as fd:
        os.write(fd, os.urandom(32 << 20))
        os.fsync(fd)
        full = view.stored_bytes()
        sysc.fallocate(fd, PUNCH, 0, 32 << 20)
        os.fsync(fd)
        os.pwrite(fd, b"x", 0)
        os.fsync(fd)
        assert view.stored_bytes() < full - (16 << 20)
