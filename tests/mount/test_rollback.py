# SPDX-License-Identifier: MIT
"""Rollback of a mounted view: open files, mappings, directories and the
kernel's caches change to those of the snapshot at once."""
import mmap
import os
import signal
import threading
import time

import pytest

from support import tree
from support.control import Info
from support.load import patience
from support.sysc import error_of, opened, read_file, write_file
from support.view import mapfs

PAGE = 4096
pytestmark = pytest.mark.modes("kept", plain=False)


def _snapshot(view, name="then"):
    mapfs("snapshot", view.mnt, name)


def _back(view, name="then"):
    mapfs("rollback", "-y", view.mnt, name)


def _change_everything(v):
    write_file(v / "new", os.urandom(5000))
    write_file(v / "old", b"short")
    write_file(v / "grown", b"g" * 50000)
    os.unlink(v / "gone")
    os.rename(v / "moved", v / "d/elsewhere")
    os.rename(v / "d", v / "e")
    os.mkdir(v / "d")
    write_file(v / "d/x", b"another x")
    os.chmod(v / "mode", 0o600)
    os.utime(v / "time", (1, 1))
    os.unlink(v / "link")
    os.symlink("new-target", v / "link")
    os.link(v / "old", v / "old2")
    os.unlink(v / "type")
    os.mkdir(v / "type")


def _make(where):
    for name in ("old", "grown", "gone", "moved", "mode", "time", "type"):
        write_file(where / name, name.encode() * 1000)
    os.mkdir(where / "d")
    write_file(where / "d/x", b"x" * 100)
    os.symlink("old-target", where / "link")


@pytest.mark.parametrize("place", ["base", "view"])
def test_tree_is_that_of_the_snapshot(view, place):
    """Everything was looked at before, so all of it is in the kernel's
    cache."""
    _make(view.base if place == "base" else view)
    then = view.look()
    _snapshot(view)
    _change_everything(view)
    assert tree.difference(then, view.look())
    _back(view)
    tree.assert_same_but_a_tick(then, view.look(), "live")
    view.remount()
    tree.assert_same_but_a_tick(then, view.look(), "mounted again")


def test_back_and_forth(view):
    _make(view)
    trees = {}
    for n in range(4):
        write_file(view / "old", b"%d" % n * 3000 * (n + 1))
        os.mkdir(view / f"dir{n}")
        os.rename(view / "gone", view / f"dir{n}/gone")
        os.rename(view / f"dir{n}/gone", view / "gone")
        trees[n] = view.look()
        _snapshot(view, f"s{n}")
    for n in (0, 3, 1, 2, 0, 2, 3):
        _back(view, f"s{n}")
        tree.assert_same_but_a_tick(trees[n], view.look(), f"snapshot {n}")


@pytest.mark.parametrize("place", ["base", "view"])
@pytest.mark.parametrize("size", [100, 3 * PAGE, 50000])
@pytest.mark.parametrize("later", [0, 10, 2 * PAGE, 70000])
def test_open_file_has_bytes_and_size_of_then(view, place, size, later):
    write_file((view.base if place == "base" else view) / "f", b"t" * size)
    with opened(view / "f", os.O_RDWR) as fd:
        mtime = os.fstat(fd).st_mtime_ns
        _snapshot(view)
        os.ftruncate(fd, later)
        os.pwrite(fd, b"n" * later, 0)
        _back(view)
        st = os.fstat(fd)
        assert st.st_size == size
        assert os.pread(fd, 1 << 20, 0) == b"t" * size
        assert os.lseek(fd, 0, os.SEEK_END) == size
        assert st.st_mtime_ns == mtime
        os.pwrite(fd, b"again", size - 5)
        assert os.pread(fd, 1 << 20, 0) == b"t" * (size - 5) + b"again"
    view.remount()
    assert read_file(view / "f") == b"t" * (size - 5) + b"again"


def test_mapping_shows_the_bytes_of_then(view):
    write_file(view / "f", b"t" * 4 * PAGE)
    with opened(view / "f", os.O_RDWR) as fd, \
            mmap.mmap(fd, 4 * PAGE) as m:
        _snapshot(view)
        m[:] = b"n" * 4 * PAGE
        _back(view)
        assert m[:] == b"t" * 4 * PAGE
        m[PAGE] = 0x61
        os.fsync(fd)
    assert read_file(view / "f")[PAGE - 1:PAGE + 2] == b"tat"


def test_dirty_pages_of_before_do_not_come_after(view):
    """A program writes the first byte of each page all the time, so there are
    dirty pages at the moment of the rollback. The other bytes of these pages
    must not survive the rollback."""
    pages = 256
    write_file(view / "f", b"t" * pages * PAGE)
    stop = threading.Event()

    def touch(m):
        while not stop.is_set():
            for i in range(pages):
                m[i * PAGE] = 0x78

    mapfs("snapshot", view.mnt, "then")
    with opened(view / "f", os.O_RDWR) as fd, \
            mmap.mmap(fd, pages * PAGE) as m:
        for _ in range(5):
            stop.clear()
            m[:] = b"n" * pages * PAGE
            t = threading.Thread(target=touch, args=(m,))
            t.start()
            try:
                _back(view)
            finally:
                stop.set()
                t.join()
            os.fsync(fd)
            left = [i for i in range(pages)
                    if m[i * PAGE + 1:(i + 1) * PAGE] != b"t" * (PAGE - 1)]
            assert not left, f"pages of before: {left}"
    view.remount()
    left = read_file(view / "f").replace(b"t", b"").replace(b"x", b"")
    assert not left


def test_open_file_that_did_not_exist_is_stale(view):
    view / ""
    _snapshot(view)
    with opened(view / "f", os.O_RDWR | os.O_CREAT) as fd:
        os.pwrite(fd, b"n" * 3 * PAGE, 0)
        with mmap.mmap(fd, 3 * PAGE) as m:
            assert m[0] == ord("n")
            _back(view)
            assert error_of(os.pread, fd, 10, 0) in ("ESTALE", "EIO")
            assert error_of(os.fstat, fd) == "ESTALE"
            pid = os.fork()
            if pid == 0:
                m[PAGE]     # the page does not exist: SIGBUS
                os._exit(0)
            end = os.waitpid(pid, 0)[1]
            assert os.WIFSIGNALED(end) and os.WTERMSIG(end) == signal.SIGBUS
        error_of(os.pwrite, fd, b"x", 0)
        error_of(os.fsync, fd)
    assert os.listdir(view.top) == []
    write_file(view / "f", b"new life")
    assert read_file(view / "f") == b"new life"


def test_open_file_that_was_removed_since_is_back(view):
    write_file(view / "f", b"then" * 1000)
    with opened(view / "f", os.O_RDWR) as fd:
        _snapshot(view)
        os.unlink(view / "f")
        os.pwrite(fd, b"now", 0)
        _back(view)
        assert read_file(view / "f") == b"then" * 1000
        assert os.pread(fd, 4, 0) == b"then"
        assert os.fstat(fd).st_ino == os.stat(view / "f").st_ino
        assert os.fstat(fd).st_nlink == 1
    view.remount()  # the kernel keeps the ctime of an open file


def test_negative_names_and_listings_are_forgotten(view):
    os.mkdir(view / "d")
    for n in range(50):
        write_file(view / f"d/{n}", b"x")
    _snapshot(view)
    for n in range(0, 50, 2):
        os.unlink(view / f"d/{n}")
        assert error_of(os.stat, view / f"d/{n}") == "ENOENT"
    write_file(view / "d/late", b"x")
    assert len(os.listdir(view / "d")) == 26
    _back(view)
    # Lookups first: a listing would put the names into the cache.
    for n in range(50):
        assert read_file(view / f"d/{n}") == b"x"
    assert error_of(os.stat, view / "d/late") == "ENOENT"
    assert sorted(os.listdir(view / "d"), key=int) == \
        [str(n) for n in range(50)]


def test_working_directory_that_did_not_exist(view):
    view / ""
    _snapshot(view)
    os.makedirs(view / "a/b")
    back = os.open("/", os.O_RDONLY)
    os.chdir(view / "a/b")
    try:
        _back(view)
        assert error_of(os.stat, ".") in ("ESTALE", "ENOENT")
        assert error_of(os.listdir, ".") in ("ESTALE", "ENOENT")
        assert error_of(write_file, "f", b"x") in ("ESTALE", "ENOENT")
        assert error_of(os.mkdir, "c") in ("ESTALE", "ENOENT")
    finally:
        os.fchdir(back)
        os.close(back)
    assert os.listdir(view.top) == []


def test_working_directory_that_stays(view):
    os.makedirs(view / "a/b")
    _snapshot(view)
    back = os.open("/", os.O_RDONLY)
    os.chdir(view / "a/b")
    try:
        write_file("f", b"x")
        os.rename(view / "a", view / "c")
        _back(view)
        assert os.listdir(".") == []
        write_file("g", b"y")
        assert read_file(view / "a/b/g") == b"y"
    finally:
        os.fchdir(back)
        os.close(back)


def test_correcting_an_open_file_changes_nothing(view):
    """After a rollback, an unchanged base file must not be in the delta."""
    write_file(view.base / "f", b"t" * 5000)
    with opened(view / "f", os.O_RDWR) as fd:
        _snapshot(view)
        before = Info(view.top).inodes_changed
        os.ftruncate(fd, 100)
        _back(view)
        assert os.fstat(fd).st_size == 5000
        assert Info(view.top).inodes_changed == before
    mapfs("snapshot", view.mnt, "flushes")
    assert Info(view.top).inodes_changed == before
    view.remount()  # the kernel keeps the ctime of an open file


def test_nothing_hangs_while_programs_work(view):
    """Programs write, read and make names all the time; whatever errors they
    get, they and the daemon continue."""
    os.mkdir(view / "d")
    for n in range(4):
        write_file(view / f"d/f{n}", b"t" * 100000)
    _snapshot(view)
    stop = threading.Event()
    rounds = [0] * 4

    def work(n):
        while not stop.is_set():
            rounds[n] += 1
            for call in (lambda: write_file(view / f"d/f{n}", b"n" * 70000),
                         lambda: read_file(view / f"d/f{(n + 1) % 4}"),
                         lambda: os.mkdir(view / f"d/dir{n}"),
                         lambda: write_file(view / f"d/dir{n}/x", b"y"),
                         lambda: os.listdir(view / "d"),
                         lambda: os.unlink(view / f"d/dir{n}/x"),
                         lambda: os.rmdir(view / f"d/dir{n}")):
                error_of(call)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    try:
        for _ in range(15):
            seen = list(rounds)
            _back(view)
            deadline = time.monotonic() + patience()
            while any(a == b for a, b in zip(seen, rounds)):
                assert time.monotonic() < deadline, "somebody hangs"
                time.sleep(0.002)
    finally:
        stop.set()
        for t in threads:
            t.join(patience())
            assert not t.is_alive(), "a program hangs"
    _back(view)
    assert sorted(os.listdir(view / "d")) == ["f0", "f1", "f2", "f3"]
    for n in range(4):
        assert read_file(view / f"d/f{n}") == b"t" * 100000


def test_a_program_that_is_being_run_may_stay(view):
    """Its file cannot be put right while it runs, and the log says so; after
    its end it is."""
    write_file(view / "sleep", read_file("/bin/sleep"), 0o755)
    os.chmod(view / "sleep", 0o755)
    _snapshot(view)
    then = read_file(view / "sleep")
    with open(view / "sleep", "ab") as f:
        f.write(b"tail")
    pid = os.posix_spawn(view / "sleep", ["sleep", "60"], os.environ)
    try:
        _back(view)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert read_file(view / "sleep") == then
    view.expected.append("keep the size or time")
    assert "keep the size or time" in view.words()


def test_without_a_terminal_it_asks_for_a_yes(view):
    write_file(view / "f", b"then")
    _snapshot(view)
    write_file(view / "f", b"now")
    p = mapfs("rollback", view.mnt, "then", check=False)
    assert p.returncode == 1 and "say -y" in p.text
    assert read_file(view / "f") == b"now"
