# SPDX-License-Identifier: MIT
"""[C1] One inode, one content, whatever was opened first."""
import mmap
import os

import pytest

from support.sysc import in_child, opened, write_file

OLD = bytes(range(1, 251)) * 400


def test_readers_opened_before_the_first_write_see_it(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDONLY) as reader, opened(f, os.O_RDONLY) as mapped:
        with mmap.mmap(mapped, 0, prot=mmap.PROT_READ) as m:
            assert os.pread(reader, 10, 50000) == OLD[50000:50010]
            assert m[50000:50010] == OLD[50000:50010]

            def write():
                with opened(f, os.O_WRONLY) as fd:
                    os.pwrite(fd, b"FRESH", 50000)

            in_child(write)
            assert os.pread(reader, 10, 50000) == b"FRESH" + OLD[50005:50010]
            assert m[50000:50010] == b"FRESH" + OLD[50005:50010]
            assert os.pread(reader, 10, 90000) == OLD[90000:90010]


def test_readers_see_what_another_process_stores_in_a_mapping(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDONLY) as reader:
        with mmap.mmap(reader, 0, prot=mmap.PROT_READ) as m:
            assert m[20000] == OLD[20000]

            def store():
                with opened(f, os.O_RDWR) as fd, mmap.mmap(fd, 0) as w:
                    w[20000] = 0

            in_child(store)
            assert m[20000] == 0
            assert os.pread(reader, 1, 20000) == b"\0"


def test_readers_see_truncation_and_growth(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDONLY) as reader:
        os.pread(reader, 4096, 40960)
        in_child(lambda: os.truncate(f, 41000))
        assert os.fstat(reader).st_size == 41000
        assert os.pread(reader, 4096, 40960) == OLD[40960:41000]
        in_child(lambda: os.truncate(f, 60000))
        assert os.pread(reader, 100, 40990) == OLD[40990:41000] + bytes(90)


def test_reader_of_a_hard_link_sees_the_write(view, origin):
    f = origin.file("a", OLD)
    os.link(f, view / "b")
    with opened(view / "b", os.O_RDONLY) as reader:
        with mmap.mmap(reader, 0, prot=mmap.PROT_READ) as m:
            assert m[0] == OLD[0]

            def write():
                with opened(view / "a", os.O_WRONLY) as fd:
                    os.pwrite(fd, b"\0", 0)

            in_child(write)
            assert m[0] == 0


def test_two_writers_see_each_other(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as a, opened(f, os.O_RDWR) as b:
        for i in range(50):
            os.pwrite(a, b"%04d" % i, i * 1000)
            assert os.pread(b, 4, i * 1000) == b"%04d" % i
            os.pwrite(b, b"%04d" % (i + 1), i * 1000 + 4)
            assert os.pread(a, 4, i * 1000 + 4) == b"%04d" % (i + 1)


def test_punched_and_copied_ranges_are_seen_in_a_mapping(view, origin):
    from support import sysc
    f = origin.file("f", OLD)
    g = origin.file("g", b"g" * 4096)
    with opened(f, os.O_RDWR) as fd, opened(g, os.O_RDONLY) as src:
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as m:
            assert m[4096:8192] == OLD[4096:8192]
            sysc.fallocate(fd, sysc.FALLOC_PUNCH_HOLE |
                           sysc.FALLOC_KEEP_SIZE, 4096, 4096)
            assert m[4096:8192] == bytes(4096)
            assert os.copy_file_range(src, fd, 4096, 0, 8192) == 4096
            assert m[8192:12288] == b"g" * 4096


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_dropping_the_kernels_caches_changes_nothing(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        os.pwrite(fd, b"FRESH", 30000)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        assert os.pread(fd, 7, 29999) == OLD[29999:30000] + b"FRESH" + \
            OLD[30005:30006]
        write_file(view / "g", OLD)
        assert os.pread(fd, len(OLD), 0)[30000:30005] == b"FRESH"
