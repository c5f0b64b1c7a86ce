# SPDX-License-Identifier: MIT
"""Shared and private mappings."""
import mmap
import os

import pytest

from support.sysc import in_child, opened, read_file

PAGE = 4096
OLD = bytes(range(1, 251)) * 100


def test_shared_mapping_shows_the_bytes(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDONLY) as fd:
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as m:
            assert m[:] == OLD


def test_store_into_a_shared_mapping_is_read_back_everywhere(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        with mmap.mmap(fd, 0) as m:
            m[5000:5004] = b"MMAP"
            assert os.pread(fd, 4, 5000) == b"MMAP"
            assert in_child(lambda: read_file(f)[5000:5004]) == "b'MMAP'"
    want = OLD[:5000] + b"MMAP" + OLD[5004:]
    assert read_file(f) == want
    view.remount()
    assert read_file(f) == want


def test_write_is_seen_in_a_mapping_made_before(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        with mmap.mmap(fd, 0) as m:
            assert m[9000] == OLD[9000]
            os.pwrite(fd, b"\0", 9000)
            assert m[9000] == 0


def test_two_processes_share_one_mapping(view, origin):
    f = origin.file("f", bytes(PAGE))
    with opened(f, os.O_RDWR) as fd, mmap.mmap(fd, 0) as m:
        def other():
            with opened(f, os.O_RDWR) as fd2, mmap.mmap(fd2, 0) as m2:
                m2[10:13] = b"abc"
        in_child(other)
        assert m[10:13] == b"abc"


def test_private_mapping_changes_nothing(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        with mmap.mmap(fd, 0, access=mmap.ACCESS_COPY) as m:
            m[0:5] = b"inner"
            assert m[0:5] == b"inner"
            assert os.pread(fd, 5, 0) == OLD[:5]
    assert read_file(f) == OLD


def test_msync_makes_the_bytes_those_of_the_file(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        with mmap.mmap(fd, 0) as m:
            m[0:4] = b"sync"
            m.flush()
            assert os.pread(fd, 4, 0) == b"sync"
    assert read_file(f)[:4] == b"sync"


def test_mapping_of_an_unlinked_file_keeps_its_bytes(view, origin):
    f = origin.file("f", OLD)
    fd = os.open(f, os.O_RDWR)
    with mmap.mmap(fd, 0) as m:
        os.close(fd)
        os.unlink(f)
        m[100:103] = b"new"
        assert m[99:104] == OLD[99:100] + b"new" + OLD[103:104]
        m.flush()
        assert m[20000:20010] == OLD[20000:20010]


def test_mapping_into_a_hole_keeps_what_is_stored_there(view, origin):
    f = origin.file("f", b"")
    os.truncate(f, 1 << 20)
    with opened(f, os.O_RDWR) as fd, mmap.mmap(fd, 0) as m:
        for at in range(0, 1 << 20, 64 << 10):
            m[at] = 7
    view.remount()
    got = read_file(f)
    assert got.count(7) == 16 and got.count(0) == (1 << 20) - 16


def test_resized_mapping_follows_the_file(view, origin):
    f = origin.file("f", OLD[:PAGE])
    with opened(f, os.O_RDWR) as fd, mmap.mmap(fd, 0) as m:
        os.ftruncate(fd, 3 * PAGE)
        m.resize(3 * PAGE)
        m[2 * PAGE] = 9
        assert m[PAGE:2 * PAGE] == bytes(PAGE)
    assert os.stat(f).st_size == 3 * PAGE
    assert read_file(f)[2 * PAGE] == 9


def test_program_runs_from_the_view(view, origin):
    with open("/bin/true", "rb") as f:
        prog = origin.file("prog", f.read(), 0o755)
    options = [line for line in open("/proc/self/mountinfo")
               if f" {view.top} " in line]
    if options and "noexec" in options[0]:
        pytest.skip("mounted noexec")
    assert os.spawnv(os.P_WAIT, os.fspath(prog), ["prog"]) == 0


def test_tail_of_the_last_mapped_page_is_zero(view, origin):
    f = origin.file("f", OLD[:2 * PAGE])
    with opened(f, os.O_RDWR) as fd:
        with mmap.mmap(fd, 2 * PAGE, prot=mmap.PROT_READ) as m:
            assert m[:] == OLD[:2 * PAGE]
            os.ftruncate(fd, PAGE + 100)
            assert m[PAGE + 100:] == bytes(PAGE - 100)
            os.ftruncate(fd, 50)
            os.ftruncate(fd, PAGE)
            assert m[:PAGE] == OLD[:50] + bytes(PAGE - 50)
