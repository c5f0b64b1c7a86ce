# SPDX-License-Identifier: MIT
"""copy_file_range within and between files."""
import errno
import os
import random

import pytest

from support.sysc import fails, opened, read_file

PAGE = 4096
DATA = random.Random(5).randbytes(50000)


def _copy(src, dst, count, at, to):
    """Copies the whole file; returns the number of calls."""
    done = calls = 0
    while done < count:
        n = os.copy_file_range(src, dst, count - done, at + done, to + done)
        calls += 1
        if n == 0:
            break
        done += n
    return done


@pytest.mark.parametrize("at,to,count", [
    (0, 0, 50000), (0, 100, 5000), (PAGE, 2 * PAGE, 3 * PAGE),
    (1, PAGE - 1, 10000), (PAGE, 60000, PAGE)])
def test_range_is_copied_exactly(view, origin, at, to, count):
    f = origin.file("f", DATA)
    g = origin.file("g", b"g" * 20000)
    with opened(f, os.O_RDONLY) as src, opened(g, os.O_RDWR) as dst:
        assert _copy(src, dst, count, at, to) == count
    want = bytearray(b"g" * 20000)
    want += bytes(max(0, to + count - len(want)))
    want[to:to + count] = DATA[at:at + count]
    assert read_file(g) == want
    assert read_file(f) == DATA
    view.remount()
    assert read_file(g) == want


def test_copy_is_independent_of_its_source(view, origin):
    f = origin.file("f", DATA)
    with opened(f, os.O_RDWR) as src, \
            opened(view / "g", os.O_RDWR | os.O_CREAT) as dst:
        _copy(src, dst, len(DATA), 0, 0)
        os.pwrite(src, b"X" * PAGE, 0)
        os.pwrite(dst, b"Y" * PAGE, PAGE)
    assert read_file(f) == b"X" * PAGE + DATA[PAGE:]
    assert read_file(view / "g") == DATA[:PAGE] + b"Y" * PAGE + \
        DATA[2 * PAGE:]


def test_source_written_just_before_is_copied_as_written(view, origin):
    f = origin.file("f", DATA)
    with opened(f, os.O_RDWR) as src, \
            opened(view / "g", os.O_RDWR | os.O_CREAT) as dst:
        os.pwrite(src, b"fresh", 10000)
        _copy(src, dst, len(DATA), 0, 0)
    assert read_file(view / "g")[10000:10005] == b"fresh"


def test_dirty_pages_of_the_target_are_overwritten(view, origin):
    f = origin.file("f", DATA)
    g = origin.file("g", b"")
    with opened(f, os.O_RDONLY) as src, opened(g, os.O_RDWR) as dst:
        os.pwrite(dst, b"z" * 30000, 0)
        _copy(src, dst, 10000, 0, 5000)
        os.fsync(dst)
    assert read_file(g) == b"z" * 5000 + DATA[:10000] + b"z" * 15000


def test_copy_behind_the_end_of_the_source_copies_nothing(view, origin):
    f = origin.file("f", b"x" * 100)
    with opened(f, os.O_RDONLY) as src, \
            opened(view / "g", os.O_RDWR | os.O_CREAT) as dst:
        assert os.copy_file_range(src, dst, 100, 100, 0) == 0
        assert os.copy_file_range(src, dst, 500, 40, 0) == 60
    assert read_file(view / "g") == b"x" * 60


def test_copy_within_one_file_works_and_overlap_is_einval(view, origin):
    f = origin.file("f", DATA)
    with opened(f, os.O_RDWR) as fd:
        _copy(fd, fd, 10000, 0, 30000)
        with fails(errno.EINVAL):
            os.copy_file_range(fd, fd, 10000, 0, 5000)
    assert read_file(f) == DATA[:30000] + DATA[:10000] + DATA[40000:]


def test_copied_hole_reads_zeros(view, origin):
    f = origin.make("f", lambda p: (open(p, "wb").close(),
                                    os.truncate(p, 1 << 20)))
    g = origin.file("g", b"g" * 100000)
    with opened(f, os.O_RDONLY) as src, opened(g, os.O_RDWR) as dst:
        _copy(src, dst, 50000, 0, 10000)
    assert read_file(g) == b"g" * 10000 + bytes(50000) + b"g" * 40000


def test_target_opened_for_reading_is_ebadf(view, origin):
    f = origin.file("f", DATA)
    with opened(f, os.O_RDONLY) as src, opened(f, os.O_RDONLY) as dst:
        with fails(errno.EBADF):
            os.copy_file_range(src, dst, 10, 0, 20000)


def test_copy_out_of_the_view_and_into_it_works(view, origin):
    f = origin.file("f", DATA)
    outside = view.tmp / "out"
    with opened(f, os.O_RDONLY) as src, \
            opened(outside, os.O_RDWR | os.O_CREAT) as dst:
        try:
            _copy(src, dst, len(DATA), 0, 0)
        except OSError as e:
            assert e.errno == errno.EXDEV
        else:
            assert read_file(outside) == DATA
    os.unlink(outside)
