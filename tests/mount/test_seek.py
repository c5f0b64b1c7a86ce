# SPDX-License-Identifier: MIT
"""SEEK_DATA and SEEK_HOLE never hide data; holes stay holes."""
import errno
import os
import shutil

import pytest

from support import sysc
from support.sysc import fails, opened, read_file
from support.view import run

PAGE = 4096
MIB = 1 << 20


def _data(fd, size):
    """The ranges that SEEK_DATA and SEEK_HOLE report as data."""
    found, at = [], 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as e:
            assert e.errno == errno.ENXIO
            break
        end = os.lseek(fd, at, os.SEEK_HOLE)
        assert at < end <= size
        found.append((at, end))
        at = end
    return found


def _covers(ranges, start, end):
    return any(a <= start and end <= b for a, b in ranges)


def _sparse(path):
    with open(path, "wb") as f:
        f.seek(MIB)
        f.write(b"d" * PAGE)
        f.truncate(4 * MIB)


def test_hole_of_a_file_is_found(view, origin):
    f = origin.make("f", _sparse)
    with opened(f, os.O_RDONLY) as fd:
        os.fsync(fd)
        data = _data(fd, 4 * MIB)
    assert _covers(data, MIB, MIB + PAGE)
    assert sum(b - a for a, b in data) <= MIB


def test_data_right_after_an_unsynced_write_into_a_hole_is_found(view,
                                                                 origin):
    """If the answer hides new data, cp does not copy it."""
    f = origin.make("f", _sparse)
    with opened(f, os.O_RDWR) as fd:
        os.pwrite(fd, b"fresh", 3 * MIB)
        at = os.lseek(fd, 2 * MIB, os.SEEK_DATA)
        assert at <= 3 * MIB
        assert os.lseek(fd, 3 * MIB, os.SEEK_DATA) == 3 * MIB
        assert os.lseek(fd, 3 * MIB, os.SEEK_HOLE) >= 3 * MIB + 5


def test_data_just_mapped_and_stored_is_found(view, origin):
    import mmap
    f = origin.make("f", _sparse)
    with opened(f, os.O_RDWR) as fd:
        with mmap.mmap(fd, 4 * MIB) as m:
            m[3 * MIB] = 1
            assert os.lseek(fd, 3 * MIB, os.SEEK_DATA) == 3 * MIB


def test_cp_right_after_a_write_loses_nothing(view, origin):
    f = origin.make("f", _sparse)
    with opened(f, os.O_RDWR) as fd:
        os.pwrite(fd, b"fresh", 3 * MIB)
        run("cp", "--sparse=auto", f, view / "g")
    assert read_file(view / "g") == read_file(f)
    assert read_file(view / "g")[3 * MIB:3 * MIB + 5] == b"fresh"


def test_seek_behind_the_end_is_enxio(view, origin):
    f = origin.file("f", b"x" * 100)
    with opened(f, os.O_RDONLY) as fd:
        for whence in (os.SEEK_DATA, os.SEEK_HOLE):
            with fails(errno.ENXIO):
                os.lseek(fd, 100, whence)
        assert os.lseek(fd, 50, os.SEEK_HOLE) == 100
        assert os.lseek(fd, 50, os.SEEK_DATA) == 50


def test_seek_data_in_the_last_hole_is_enxio(view, origin):
    f = origin.make("f", _sparse)
    with opened(f, os.O_RDONLY) as fd:
        os.fsync(fd)
        with fails(errno.ENXIO):
            os.lseek(fd, 3 * MIB, os.SEEK_DATA)
        assert os.lseek(fd, 3 * MIB, os.SEEK_HOLE) == 3 * MIB


def test_punched_range_becomes_a_hole(view, origin):
    f = origin.file("f", b"x" * MIB)
    with opened(f, os.O_RDWR) as fd:
        sysc.fallocate(fd, sysc.FALLOC_PUNCH_HOLE | sysc.FALLOC_KEEP_SIZE,
                       256 << 10, 256 << 10)
        os.fsync(fd)
        data = _data(fd, MIB)
    assert _covers(data, 0, 256 << 10)
    assert _covers(data, 512 << 10, MIB)
    assert not _covers(data, 300 << 10, 400 << 10)


def test_grown_tail_is_a_hole(view, origin):
    f = origin.file("f", b"x" * PAGE)
    os.truncate(f, MIB)
    with opened(f, os.O_RDWR) as fd:
        os.fsync(fd)
        assert _data(fd, MIB) == [(0, PAGE)]


def test_write_into_an_old_hole_leaves_the_rest_a_hole(view):
    with open(view.base / "f", "wb") as f:
        f.truncate(64 * MIB)
    with opened(view / "f", os.O_RDWR) as fd:
        os.pwrite(fd, b"x", 32 * MIB)
        os.fsync(fd)
        data = _data(fd, 64 * MIB)
        assert _covers(data, 32 * MIB, 32 * MIB + 1)
        assert sum(b - a for a, b in data) <= MIB
    view.remount()
    with opened(view / "f", os.O_RDONLY) as fd:
        assert _data(fd, 64 * MIB) == data


def test_sparse_copy_of_a_sparse_file_stays_sparse(view, origin):
    f = origin.make("f", _sparse)
    shutil.copy(f, view / "plain")
    run("cp", "--sparse=always", f, view / "g")
    sysc.syncfs(view.top)
    assert read_file(view / "g") == read_file(f)
    assert os.stat(view / "g").st_blocks * 512 <= MIB


def test_ordinary_seeks_are_unharmed(view, origin):
    f = origin.file("f", b"0123456789")
    with opened(f, os.O_RDONLY) as fd:
        assert os.lseek(fd, -3, os.SEEK_END) == 7
        assert os.read(fd, 3) == b"789"
        assert os.lseek(fd, -5, os.SEEK_CUR) == 5
        with fails(errno.EINVAL):
            os.lseek(fd, -1, os.SEEK_SET)
        assert os.lseek(fd, 1 << 40, os.SEEK_SET) == 1 << 40
        assert os.read(fd, 1) == b""


@pytest.mark.modes("copy", "kept")
def test_holes_and_data_of_old_files_are_where_they_are_in_the_base(view):
    with open(view.base / "f", "wb") as f:
        for i in range(10):
            f.seek(i * MIB + i * PAGE)
            f.write(b"x" * PAGE * (i + 1))
        f.truncate(12 * MIB)
        os.fsync(f.fileno())
    with opened(view.base / "f", os.O_RDONLY) as fd:
        want = _data(fd, 12 * MIB)
    with opened(view / "f", os.O_RDONLY) as fd:
        assert _data(fd, 12 * MIB) == want


@pytest.mark.modes("write", "copy", "kept", people=("root",), plain=False)
def test_reading_a_hole_takes_no_space_in_the_base(view):
    """On tmpfs, a read through a mapping would allocate pages for the hole."""
    view.keep_base_in_memory()
    with open(view.base / "f", "wb") as f:
        f.truncate(64 * MIB)
    assert read_file(view / "f") == bytes(64 * MIB)
    assert os.stat(view.base / "f").st_blocks == 0
