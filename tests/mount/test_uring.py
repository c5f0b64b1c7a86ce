# SPDX-License-Identifier: MIT
"""FUSE over io_uring, where the kernel has it. Requests arrive in one queue
for each processor, so nothing may depend on their order.

The kernel's switch for it is off by default. It is on while one of these tests
runs, and is restored afterwards.
"""
import mmap
import os
import signal

import pytest

from support import tree
from support.load import patience
from support.sysc import error_of, opened, read_file, write_file
from support.uring import uring_on
from support.view import mapfs

PAGE = 4096

pytestmark = pytest.mark.root


@pytest.fixture
def ringed(kept_view):
    view = kept_view
    with uring_on():
        view.options = ["-o", "uring"]
        write_file(view.base / "b", b"b" * 10 * PAGE)
        view.mount()
        yield view
    assert "offers no io_uring" not in view.log.read_text()


def _dirty(view, name, pages):
    """Makes a file of which the kernel has not sent every second page."""
    f = os.open(view / name, os.O_RDWR | os.O_CREAT)
    os.ftruncate(f, 2 * pages * PAGE)
    for i in range(pages):
        os.pwrite(f, b"%06d" % i, 2 * i * PAGE)
    return f


def test_programs_see_one_file(ringed):
    view = ringed
    with opened(view / "f", os.O_RDWR | os.O_CREAT) as f:
        os.ftruncate(f, 64 * PAGE)
        with mmap.mmap(f, 64 * PAGE) as m:
            os.pwrite(f, b"by write", PAGE)
            m[5 * PAGE:5 * PAGE + 7] = b"by mmap"
            assert m[PAGE:PAGE + 8] == b"by write"
            assert os.pread(f, 7, 5 * PAGE) == b"by mmap"
    os.rename(view / "f", view / "g")
    os.mkdir(view / "d")
    os.link(view / "g", view / "d/h")
    before = view.look()
    view.unmount()
    view.mount()
    tree.assert_same_but_a_tick(before, view.look(), "after a remount")


def test_snapshot_has_what_the_kernel_holds_back(ringed):
    view = ringed
    f = _dirty(view, "f", 500)
    mapfs("snapshot", view.mnt, "then")
    os.pwrite(f, b"x" * PAGE, 0)
    mapfs("rollback", "-y", view.mnt, "then")
    for i in range(500):
        assert os.pread(f, 6, 2 * i * PAGE) == b"%06d" % i
    os.close(f)


def test_rollback_is_seen_through_what_is_open(ringed):
    view = ringed
    write_file(view / "old", b"old" * 1000)
    mapfs("snapshot", view.mnt, "then")
    with opened(view / "old", os.O_RDWR) as old, \
            opened(view / "new", os.O_RDWR | os.O_CREAT) as new:
        os.pwrite(old, b"changed", 0)
        os.ftruncate(old, 20 * PAGE)
        os.pwrite(new, b"new", 0)
        mapfs("rollback", "-y", view.mnt, "then")
        assert os.pread(old, PAGE, 0) == b"old" * 1000
        assert os.fstat(old).st_size == 3000
        assert error_of(os.pread, new, 3, 0) == "ESTALE"
    assert sorted(os.listdir(view.mnt)) == ["b", "old"]


def test_diff_and_revert_of_unwritten_pages(ringed):
    view = ringed
    with opened(view / "b", os.O_RDWR) as b:
        os.pwrite(b, b"X", 3 * PAGE)
        p = mapfs("diff", "--stat", view.mnt, check=False)
        assert p.returncode == 1 and " 1 pages " in p.text, p.text
        mapfs("revert", view.mnt, "b")
        assert os.pread(b, 1, 3 * PAGE) == b"b"
    assert mapfs("diff", view.mnt).text == ""
    view.remount()
    assert read_file(view / "b") == b"b" * 10 * PAGE


def test_daemon_told_to_stop_waits_for_what_the_kernel_holds(ringed):
    view = ringed
    f = _dirty(view, "f", 4000)
    view.proc.send_signal(signal.SIGTERM)
    assert view.proc.wait(patience()) == 0
    view.proc = None
    error_of(os.close, f)
    view.expected.append("got|in use")
    view.mount()
    data = read_file(view / "f")
    for i in range(4000):
        assert data[2 * i * PAGE:2 * i * PAGE + 6] == b"%06d" % i
