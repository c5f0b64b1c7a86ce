# SPDX-License-Identifier: MIT
"""Reading, writing and truncating, at the edges of pages and files."""
import errno
import mmap
import os
import random

import pytest

from support.sysc import fails, in_child, opened, read_file, write_file

PAGE = 4096
OLD = bytes(range(1, 251)) * 100	# 25,000 bytes, none of them zero


def test_one_changed_byte_changes_one_byte(view, origin):
    f = origin.file("f", OLD)
    for at in (0, 1, PAGE - 1, PAGE, 12345, len(OLD) - 1):
        with opened(f, os.O_WRONLY) as fd:
            os.pwrite(fd, b"\0", at)
        got = read_file(f)
        assert got[at] == 0
        with opened(f, os.O_WRONLY) as fd:
            os.pwrite(fd, OLD[at:at + 1], at)
    assert read_file(f) == OLD


@pytest.mark.parametrize("start", [0, 1, PAGE - 1, PAGE, PAGE + 1, 24999])
@pytest.mark.parametrize("size", [1, PAGE - 1, PAGE, 3 * PAGE + 7])
def test_write_at_any_alignment_lands_where_it_should(view, start, size):
    write_file(view.base / "f", OLD)
    new = b"\xee" * size
    with opened(view / "f", os.O_WRONLY) as fd:
        os.pwrite(fd, new, start)
    want = bytearray(OLD)
    want[start:start + size] = new
    assert read_file(view / "f") == bytes(want)
    view.remount()
    assert read_file(view / "f") == bytes(want)


def test_write_behind_the_end_leaves_zeros_between(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_WRONLY) as fd:
        os.pwrite(fd, b"end", 60000)
    got = read_file(f)
    assert got == OLD + bytes(60000 - len(OLD)) + b"end"


@pytest.mark.parametrize("cut", [0, 1, PAGE - 1, PAGE, PAGE + 1, 12345])
def test_shrunk_then_grown_file_reads_zeros(view, origin, cut):
    """Neither the bytes of the base nor earlier bytes of the view reappear."""
    f = origin.file("f", OLD)
    os.truncate(f, cut)
    assert read_file(f) == OLD[:cut]
    os.truncate(f, 50000)
    assert read_file(f) == OLD[:cut] + bytes(50000 - cut)
    view.remount()
    assert read_file(f) == OLD[:cut] + bytes(50000 - cut)


def test_shrunk_then_written_file_has_zeros_between(view, origin):
    f = origin.file("f", OLD)
    os.truncate(f, 100)
    with opened(f, os.O_WRONLY) as fd:
        os.pwrite(fd, b"far", 20000)
    assert read_file(f) == OLD[:100] + bytes(19900) + b"far"


def test_tail_of_the_last_page_reads_zeros_after_growth(view, origin):
    f = origin.file("f", b"x" * 100)
    os.truncate(f, 200)
    assert read_file(f) == b"x" * 100 + bytes(100)
    os.truncate(f, 9000)
    assert read_file(f) == b"x" * 100 + bytes(8900)


def test_truncate_of_an_open_file_is_seen_by_its_reader(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDONLY) as fd:
        assert os.pread(fd, 10, 20000) == OLD[20000:20010]
        os.truncate(f, 10)
        assert os.pread(fd, 100, 0) == OLD[:10]
        assert os.pread(fd, 10, 20000) == b""


def test_o_trunc_empties_the_file(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_WRONLY | os.O_TRUNC) as fd:
        assert os.fstat(fd).st_size == 0
        os.write(fd, b"new")
    assert read_file(f) == b"new"


def test_truncate_through_a_reader_is_einval_or_ebadf(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDONLY) as fd:
        with fails(errno.EINVAL, errno.EBADF):
            os.ftruncate(fd, 0)
        with fails(errno.EBADF):
            os.write(fd, b"x")
    assert read_file(f) == OLD


def test_reading_through_a_writer_is_ebadf(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_WRONLY) as fd:
        with fails(errno.EBADF):
            os.read(fd, 1)


def test_append_lands_at_the_end_whatever_the_offset(view, origin):
    f = origin.file("f", b"start")
    with opened(f, os.O_WRONLY | os.O_APPEND) as fd:
        os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, b"1")
        with opened(f, os.O_WRONLY | os.O_APPEND) as other:
            os.write(other, b"2")
        os.write(fd, b"3")
    assert read_file(f) == b"start123"


def test_appenders_in_parallel_lose_no_line(view, origin):
    f = origin.file("f", b"")
    path = os.fspath(f)
    pids = []
    for who in range(4):
        pid = os.fork()
        if pid == 0:
            fd = os.open(path, os.O_WRONLY | os.O_APPEND)
            for i in range(200):
                os.write(fd, b"%d %04d\n" % (who, i))
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    lines = read_file(f).split()
    assert len(lines) == 1600
    pairs = set(zip(lines[::2], lines[1::2]))
    assert len(pairs) == 800


def test_written_bytes_are_read_back_by_another_process(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_WRONLY) as fd:
        os.pwrite(fd, b"news", 10000)
        got = in_child(lambda: read_file(f)[10000:10004])
    assert got == "b'news'"


@pytest.mark.parametrize("at", [1 << 31, 1 << 32, 1 << 40, (1 << 42) + 5])
def test_sparse_file_beyond_any_32_bit_number_works(view, at):
    probe = view.tmp / "probe"
    try:
        with open(probe, "wb") as p:
            p.truncate(at + 10000)
    except OSError as e:
        if e.errno != errno.EFBIG:
            raise
        pytest.skip("the file system below has no files of this size")
    finally:
        os.unlink(probe)
    with opened(view / "f", os.O_RDWR | os.O_CREAT) as fd:
        os.pwrite(fd, b"far", at)
        assert os.fstat(fd).st_size == at + 3
        assert os.pread(fd, 10, at - 3) == b"\0\0\0far"
        assert os.pread(fd, 10, at // 2) == bytes(10)
        os.ftruncate(fd, at + 10000)
        os.pwrite(fd, b"tail", at + 9996)
    view.remount()
    with opened(view / "f", os.O_RDONLY) as fd:
        assert os.fstat(fd).st_size == at + 10000
        assert os.pread(fd, 3, at) == b"far"
        assert os.pread(fd, 10, at + 9996) == b"tail"
    os.truncate(view / "f", 100)
    assert read_file(view / "f") == bytes(100)


def test_old_sparse_file_beyond_2_40_is_changed_in_place(view):
    at = (1 << 40) + 777
    with open(view.base / "f", "wb") as f:
        f.seek(at)
        f.write(b"base")
    with opened(view / "f", os.O_RDWR) as fd:
        assert os.pread(fd, 4, at) == b"base"
        os.pwrite(fd, b"X", at + 1)
        os.pwrite(fd, b"Y", 5)
        assert os.pread(fd, 4, at) == b"bXse"
    view.remount()
    with opened(view / "f", os.O_RDONLY) as fd:
        assert os.pread(fd, 4, at) == b"bXse"
        assert os.pread(fd, 3, 4) == b"\0Y\0"


def test_write_beyond_the_largest_offset_is_refused(view, origin):
    f = origin.file("f", b"x")
    with opened(f, os.O_WRONLY) as fd:
        with fails(errno.EFBIG, errno.EINVAL):
            os.pwrite(fd, b"x", (1 << 63) - 1)
        with fails(errno.EINVAL):
            os.pwrite(fd, b"x", -1)
    with fails(errno.EINVAL):
        os.truncate(f, -1)
    assert read_file(f) == b"x"


def _aligned(data):
    buf = mmap.mmap(-1, len(data))
    buf.write(data)
    return buf


def test_o_direct_reads_what_was_written_and_the_reverse(view, origin):
    f = origin.file("f", OLD[:PAGE * 4])
    try:
        fd = os.open(f, os.O_RDWR | os.O_DIRECT)
    except OSError as e:
        if e.errno != errno.EINVAL or view.mode not in ("plain", "write"):
            raise
        pytest.skip("the file system below has no O_DIRECT")
    try:
        buf = mmap.mmap(-1, PAGE)
        assert os.preadv(fd, [buf], PAGE) == PAGE
        assert buf[:] == OLD[PAGE:2 * PAGE]
        assert os.pwritev(fd, [_aligned(b"D" * PAGE)], PAGE) == PAGE
        with opened(f, os.O_RDWR) as cached:
            assert os.pread(cached, PAGE, PAGE) == b"D" * PAGE
            os.pwrite(cached, b"C" * PAGE, 0)
        assert os.preadv(fd, [buf], 0) == PAGE
        assert buf[:] == b"C" * PAGE
    finally:
        os.close(fd)


def test_o_sync_write_is_read_back(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_WRONLY | os.O_SYNC) as fd:
        os.pwrite(fd, b"sync", 5000)
    assert read_file(f)[4998:5006] == OLD[4998:5000] + b"sync" + \
        OLD[5004:5006]


def test_fsync_and_fdatasync_succeed_on_files_and_directories(view, origin):
    f = origin.file("f", OLD)
    d = origin.dir("d")
    with opened(f, os.O_RDWR) as fd:
        os.pwrite(fd, b"x", 1)
        os.fdatasync(fd)
        os.fsync(fd)
    with opened(d, os.O_RDONLY) as fd:
        os.fsync(fd)
        os.fdatasync(fd)
    with opened(view.top, os.O_RDONLY) as fd:
        os.fsync(fd)


def test_vectored_and_large_transfers_are_whole(view, origin):
    f = origin.file("f", b"")
    data = random.Random(3).randbytes(5 << 20)
    parts = [data[i:i + 65537] for i in range(0, len(data), 65537)]
    with opened(f, os.O_RDWR) as fd:
        os.writev(fd, parts)
        assert os.pread(fd, len(data), 0) == data
    view.remount()
    assert read_file(f) == data


def test_random_writes_and_truncations_match_a_model(view, origin):
    rnd = random.Random(11)
    f = origin.file("f", OLD)
    model = bytearray(OLD)
    fd = os.open(f, os.O_RDWR)
    for step in range(400):
        at = rnd.randrange(60000)
        size = rnd.choice([1, 10, 4096, rnd.randrange(1, 20000)])
        what = rnd.randrange(4)
        if what == 0:
            os.ftruncate(fd, at)
            model = model[:at] + bytes(max(0, at - len(model)))
        elif what == 1:
            assert os.pread(fd, size, at) == model[at:at + size], step
        else:
            new = rnd.randbytes(size)
            os.pwrite(fd, new, at)
            model += bytes(max(0, at + size - len(model)))
            model[at:at + size] = new
    os.close(fd)
    assert read_file(f) == model
    view.remount()
    assert read_file(f) == model


@pytest.mark.modes("kept", people=("root",), plain=False)
def test_one_byte_of_a_10_gib_file_stores_at_most_64_kib(view):
    with open(view.base / "f", "wb") as f:
        f.truncate(10 << 30)
    view.mount()
    before = view.stored_bytes()
    with opened(view / "f", os.O_RDWR) as fd:
        os.pwrite(fd, b"x", 5 << 30)
        os.fsync(fd)
        assert view.stored_bytes() - before <= 64 << 10
        assert os.pread(fd, 3, (5 << 30) - 1) == b"\0x\0"


@pytest.mark.modes("kept", people=("root",), plain=False)
def test_opening_for_writing_stores_nothing(view):
    write_file(view.base / "f", OLD * 100)
    view.mount()
    with opened(view / "f", os.O_RDWR):
        before = view.stored_bytes()
    with opened(view / "f", os.O_RDWR) as fd:
        os.fsync(fd)
    assert view.stored_bytes() - before <= 8 << 10
