# SPDX-License-Identifier: MIT
"""A program that has a file of the base mapped, or open for writing, and goes
on changing it below a copy view."""
import errno
import mmap
import os
import pathlib
import tempfile

import pytest

from support import sysc
from support.sysc import opened
from support.view import mapfs, refused, status_of

PAGE = 4096
PAGES = 64
pytestmark = pytest.mark.modes("kept", plain=False)


def _map_at_work(path):
    """A mapping of a new file, into every page of which was stored."""
    sysc.write_file(path, b"v1" * (PAGE * PAGES // 2))
    with opened(path, os.O_RDWR) as fd:
        m = mmap.mmap(fd, 0)
    for n in range(PAGES):
        m[n * PAGE:n * PAGE + 2] = b"v1"
    return m


def _read(path, page):
    """Two bytes of the page, or None for EIO."""
    try:
        with opened(path, os.O_RDONLY) as fd:
            return os.pread(fd, 2, page * PAGE)
    except OSError as e:
        assert e.errno == errno.EIO
        return None


def _stamps(path):
    st = os.stat(path)
    return st.st_mtime_ns, st.st_ctime_ns


def _store_below(view):
    """The view changes one page of a file, then a program another one.  The
    file belongs to another user if this is root."""
    view.base_stays = False
    view.expected.append("modified")
    m = _map_at_work(view.base / "db")
    if os.geteuid() == 0:
        os.chown(view.base / "db", 12, 13)
    with opened(view / "db", os.O_RDWR) as fd:
        os.pwrite(fd, b"mine", 10 * PAGE)
        os.fsync(fd)
        was = _stamps(view.base / "db")
        m[40 * PAGE:40 * PAGE + 2] = b"v2"
    assert _read(view / "db", 10) == b"mi"
    seen = _read(view / "db", 40)
    drift = status_of(view.mnt)["drift"]
    view.unmount()
    m.close()
    if _stamps(view.base / "db") == was:
        assert seen == b"v1" and not drift
        mapfs("commit", "-n", view.store)
    else:
        assert seen is None
        assert drift == [{"path": "db", "gone": False}]
        assert "db: changed in the view and in the base" in refused(
            "commit", "-n", view.store)


def test_stores_after_a_change_are_not_mixed_in(view):
    """Regression: pages that the view had not changed showed the new bytes
    beside the view's own, and neither status nor commit said a word."""
    _store_below(view)


def test_stores_in_memory_are_not_mixed_in(view):
    """The same on tmpfs, where no store moves a time stamp."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("/dev/shm is missing: there is no base in memory")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as base:
        view.base = pathlib.Path(base)
        _store_below(view)


def test_programs_that_can_change_the_base_are_named(view):
    m = _map_at_work(view.base / "db")
    with opened(view.base / "log", os.O_WRONLY | os.O_CREAT) as _:
        said = mapfs("mount", "-s", view.store, view.base, view.mnt).text
        assert f"(process {os.getpid()}), and `mapfs status` lists 1 more" in said
        in_use = status_of(view.mnt)["in_use"]
        assert {(u["path"], u["pid"], u["mapped"]) for u in in_use} == {
            ("db", os.getpid(), True), ("log", os.getpid(), False)}
        assert f"(process {os.getpid()})" in mapfs("status", view.mnt).text
        mapfs("umount", view.mnt)
    m.close()
    assert not mapfs("mount", "-s", view.store, view.base, view.mnt).text
    assert status_of(view.mnt)["in_use"] == []
    mapfs("umount", view.mnt)


def test_commit_below_a_program_needs_ours(view):
    sysc.write_file(view.base / "f", b"old bytes")
    view.base_stays = False
    with opened(view.base / "f", os.O_RDWR) as _:
        sysc.write_file(view / "f", b"new bytes")
        view.unmount()
        assert "f: changed in the view, open for writing or mapped by " \
            "another program in the base" in refused("commit", "-y",
                                                     view.store)
        assert sysc.read_file(view.base / "f") == b"old bytes"
        mapfs("commit", "-y", "--ours", view.store)
    assert sysc.read_file(view.base / "f") == b"new bytes"
