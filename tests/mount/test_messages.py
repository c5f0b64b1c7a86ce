# SPDX-License-Identifier: MIT
"""The number of requests that the kernel sends.

Copy mode keeps no state for an open file, so after the first time opening,
closing and listing unchanged files sends no request.
"""
import os

import pytest

from support.control import Counting, Info
from support.sysc import error_of, in_child, opened, read_file, write_file

HANDLES = ("open", "release", "opendir", "releasedir", "flush", "create")


@pytest.fixture
def warm(copy_view):
    """A view whose files have all been looked at once."""
    b = copy_view.base
    os.mkdir(b / "d")
    for i in range(20):
        write_file(b / f"d/f{i}", b"%d" % i * 1000)
    os.listdir(copy_view / "d")
    for i in range(20):
        read_file(copy_view / f"d/f{i}")
        os.stat(copy_view / f"d/f{i}")
    # The answer to the first CREATE is ENOSYS; the kernel sends no second one.
    write_file(copy_view / "first")
    return copy_view


def test_opening_reading_and_closing_again_sends_nothing(warm):
    with Counting(warm) as count:
        for i in range(20):
            assert read_file(warm / f"d/f{i}") == b"%d" % i * 1000
    assert count.seen == {}


def test_listing_again_sends_nothing_for_handles(warm):
    with Counting(warm) as count:
        for _ in range(5):
            assert len(os.listdir(warm / "d")) == 20
    assert not set(count.seen) & set(HANDLES)


def test_listing_and_looking_again_sends_nothing(warm):
    os.listdir(warm / "d")
    with Counting(warm) as count:
        for _ in range(5):
            assert len(os.listdir(warm / "d")) == 20
            for i in range(20):
                os.stat(warm / f"d/f{i}")
    assert count.seen == {}


def test_missing_names_are_asked_for_once(warm):
    assert error_of(os.stat, warm / "d/missing") == "ENOENT"
    with Counting(warm) as count:
        for _ in range(10):
            assert error_of(os.stat, warm / "d/missing") == "ENOENT"
    assert count.seen == {}


def test_no_handle_message_is_ever_sent_while_working(warm):
    with Counting(warm) as count:
        for i in range(20):
            with opened(warm / f"d/n{i}", os.O_RDWR | os.O_CREAT) as fd:
                os.write(fd, b"x" * 100)
            with opened(warm / f"d/f{i}", os.O_RDWR) as fd:
                os.pwrite(fd, b"y", 1)
            os.rename(warm / f"d/n{i}", warm / f"d/m{i}")
        for i in range(20):
            os.unlink(warm / f"d/m{i}")
        os.listdir(warm / "d")
    assert not set(count.seen) & set(HANDLES), count.seen
    assert count.seen["mknod"] == 20


def test_opening_for_writing_sends_no_data(warm):
    with Counting(warm) as count:
        for i in range(20):
            with opened(warm / f"d/f{i}", os.O_RDWR):
                pass
    assert set(count.seen) <= {"getattr", "getxattr", "setattr"}, count.seen


def test_many_small_writes_are_merged(warm):
    with Counting(warm) as count:
        with opened(warm / "d/f0", os.O_RDWR) as fd:
            for i in range(1000):
                os.pwrite(fd, b"%d" % (i % 10), i)
            os.fsync(fd)
    assert count.seen.get("write", 0) <= 10, count.seen


def test_write_mode_sees_every_open(write_view):
    write_file(write_view.base / "f", b"x")
    read_file(write_view / "f")
    with Counting(write_view) as count:
        for _ in range(5):
            read_file(write_view / "f")
    assert count.seen.get("open", 0) == 5, count.seen


def test_info_tells_mode_base_store_and_process(kept_view):
    write_file(kept_view.base / "f", b"x" * 10000)
    with opened(kept_view / "f", os.O_RDWR) as fd:
        os.pwrite(fd, b"y", 0)
        os.fsync(fd)
    info = Info(kept_view.top)
    assert info.base == os.fsencode(kept_view.base)
    assert info.store == os.fsencode(kept_view.store)
    assert info.pid == kept_view.proc.pid
    assert info.private_pages == 1
    assert info.inodes_changed >= 1


def test_info_is_for_the_owner_and_for_root_only(copy_view):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    copy_view.mount()
    os.chmod(copy_view.scratch, 0o755)
    os.chmod(copy_view.top, 0o755)
    assert error_of(in_child, lambda: Info(copy_view.top).pid,
                    4711) == "EPERM"
