# SPDX-License-Identifier: MIT
"""A file handle names an object by its number, long after it was forgotten.

Each test takes a handle and drops the caches, so that the kernel forgets the
inode and tells the daemon; then it opens the handle.
"""
import errno
import os
import signal
import stat
import struct
import threading

import pytest

from support import sysc
from support.control import Counting, Info
from support.handles import (AT_HANDLE_CONNECTABLE, drop_caches, fuse_handle,
                             handle_of, open_handle)
from support.sysc import fails, read_file, write_file
from support.view import View, mapfs, wait_for

every_mode = pytest.mark.modes("read", "write", "copy", "kept",
                               people=("root",), plain=False)
changing = pytest.mark.modes("write", "copy", "kept", people=("root",),
                             plain=False)


def _same(view, handle, path):
    """The handle must open the object at the path; the caches are dropped, so
    the daemon is asked."""
    drop_caches(view)
    with Counting(view) as counting:
        fd = open_handle(view.top, handle, os.O_PATH)
    assert counting.seen.get("lookup"), "the kernel had not forgotten it"
    try:
        seen = os.fstat(fd)
    finally:
        os.close(fd)
    there = os.lstat(path)
    assert (seen.st_ino, seen.st_mode, seen.st_size, seen.st_nlink) == \
        (there.st_ino, there.st_mode, there.st_size, there.st_nlink)


def _stale(view, handle):
    drop_caches(view)
    with fails(errno.ESTALE):
        os.close(open_handle(view.top, handle, os.O_PATH))


def _tree(base):
    (base / "a/b/c").mkdir(parents=True)
    write_file(base / "a/b/c/file", b"deep")
    write_file(base / "top", b"top")
    os.link(base / "top", base / "a/hard")
    os.symlink("a/b", base / "link")
    os.mkfifo(base / "a/fifo")


OBJECTS = ("top", "a", "a/b/c", "a/b/c/file", "a/hard", "link", "a/fifo")


@every_mode
def test_handle_of_a_base_object_survives_dropped_caches(view):
    _tree(view.base)
    handles = {n: handle_of(view / n) for n in OBJECTS}
    for name, handle in handles.items():
        _same(view, handle, view / name)


@every_mode
def test_what_a_handle_opens_can_be_read_and_listed(view):
    _tree(view.base)
    file, folder = handle_of(view / "a/b/c/file"), handle_of(view / "a/b")
    drop_caches(view)
    fd = open_handle(view.top, file)
    assert os.read(fd, 10) == b"deep"
    os.close(fd)
    drop_caches(view)
    fd = open_handle(view.top, folder)
    assert os.listdir(fd) == ["c"]
    # The directory gets its place below the root again.
    assert os.readlink(f"/proc/self/fd/{fd}") == str(view / "a/b")
    os.close(fd)


@changing
def test_handle_of_a_new_object_survives_dropped_caches(view):
    os.mkdir(view / "d")
    write_file(view / "d/f", b"new")
    os.symlink("f", view / "d/l")
    os.mkfifo(view / "d/p")
    os.link(view / "d/f", view / "h")
    for name in ("d", "d/f", "d/l", "d/p", "h"):
        _same(view, handle_of(view / name), view / name)


@changing
def test_handle_of_a_changed_file_survives_dropped_caches(view):
    _tree(view.base)
    handle = handle_of(view / "a/b/c/file")
    write_file(view / "a/b/c/file", b"changed bytes")
    _same(view, handle, view / "a/b/c/file")
    fd = open_handle(view.top, handle)
    assert os.read(fd, 20) == b"changed bytes"
    os.close(fd)


@changing
def test_handle_survives_a_rename(view):
    _tree(view.base)
    handle = handle_of(view / "top")
    os.rename(view / "top", view / "a/moved")
    _same(view, handle, view / "a/moved")


@changing
def test_handle_survives_a_rename_of_a_directory_above(view):
    _tree(view.base)
    handles = [handle_of(view / n) for n in ("a/b/c", "a/b/c/file")]
    os.mkdir(view / "new")
    drop_caches(view)
    os.rename(view / "a/b", view / "new/b")
    for handle, name in zip(handles, ("new/b/c", "new/b/c/file")):
        _same(view, handle, view / name)
    drop_caches(view)
    fd = open_handle(view.top, handles[0])
    assert os.readlink(f"/proc/self/fd/{fd}") == str(view / "new/b/c")
    os.close(fd)


@changing
def test_handle_of_a_hard_link_survives_the_loss_of_its_name(view):
    _tree(view.base)
    handle = handle_of(view / "top")
    os.unlink(view / "top")
    _same(view, handle, view / "a/hard")


@changing
def test_handle_of_a_removed_object_is_stale(view, origin):
    kinds = [origin.file("f", b"x"), origin.dir("d"),
             origin.make("l", lambda p: os.symlink("x", p)),
             origin.make("p", os.mkfifo)]
    handles = [handle_of(os.fspath(k)) for k in kinds]
    for handle in handles:
        os.close(open_handle(view.top, handle, os.O_PATH))
    for kind in kinds:
        if stat.S_ISDIR(os.lstat(kind).st_mode):
            os.rmdir(kind)
        else:
            os.unlink(kind)
    for handle in handles:
        _stale(view, handle)
        _stale(view, handle)


@changing
def test_handle_of_a_removed_tree_of_the_base_is_stale(view):
    _tree(view.base)
    names = ("a/b/c/file", "a/b/c", "a/b")
    handles = [handle_of(view / n) for n in names]
    drop_caches(view)
    for name in names:
        if os.path.isdir(view / name):
            os.rmdir(view / name)
        else:
            os.unlink(view / name)
    for handle in handles:
        _stale(view, handle)
    # The walk over the base meets objects that were removed in the view.
    _same(view, handle_of(view / "top"), view / "top")
    for handle in handles:
        _stale(view, handle)


@changing
def test_handle_of_a_replaced_file_is_stale(view):
    _tree(view.base)
    handle = handle_of(view / "a/b/c/file")
    write_file(view / "x", b"other")
    os.rename(view / "x", view / "a/b/c/file")
    _stale(view, handle)
    _same(view, handle_of(view / "a/b/c/file"), view / "a/b/c/file")


def _again_at_once(view, place):
    """Makes files that get the inode number freed last; returns how many of
    them got the same handle as well."""
    again = same = 0
    for n in range(400):
        write_file(place / f"f{n}", b"")
        handle, ino = handle_of(view / f"f{n}"), os.stat(view / f"f{n}").st_ino
        os.unlink(place / f"f{n}")
        write_file(place / f"g{n}", b"")
        if os.stat(view / f"g{n}").st_ino == ino:
            again += 1
            same += handle_of(view / f"g{n}") == handle
        os.unlink(place / f"g{n}")
    return again, same


@changing
def test_number_used_again_at_once_has_another_handle(view):
    again, same = _again_at_once(view, view)
    assert same == 0
    if view.mode == "write" and not again:
        pytest.skip("this file system does not use a number again at once")


@pytest.mark.modes("read", "write", people=("root",), plain=False)
def test_number_used_again_by_the_base_has_another_handle(view):
    view.base_stays = False
    again, same = _again_at_once(view, view.base)
    assert same == 0
    if not again:
        pytest.skip("this file system does not use a number again at once")


@pytest.mark.modes("read", "write", people=("root",), plain=False)
def test_handle_of_a_file_whose_number_is_another_files_is_stale(view):
    view.base_stays = False
    for n in range(10):
        write_file(view.base / f"f{n}", b"old")
        handle = handle_of(view / f"f{n}")
        drop_caches(view)
        os.unlink(view.base / f"f{n}")
        write_file(view.base / f"g{n}", b"new")
        _stale(view, handle)


@every_mode
def test_garbage_handles_are_stale(view):
    _tree(view.base)
    real = os.stat(view / "top").st_ino
    outside = os.stat(view.base.parent).st_ino
    numbers = [0, 1, 2, real, outside, os.stat(view.top).st_ino, 1 << 62,
               (1 << 63) + 5, (1 << 64) - 1, 3]
    for number in numbers:
        for generation in (0, 1, 0x7fffffff, 0xffffffff):
            if (number, generation) == (1, 0):
                continue	# the root
            if number == os.stat(view.top).st_ino and generation == 0:
                continue
            _stale(view, fuse_handle(number, generation))
    for kind, data in ((0x81, b""), (0x81, b"\1"), (0x82, bytes(24)),
                       (1, bytes(8)), (0xff, bytes(12))):
        with fails(errno.ESTALE, errno.EINVAL):
            os.close(open_handle(view.top, (kind, data), os.O_PATH))
    assert read_file(view / "top") == b"top"


@every_mode
def test_handle_of_the_root_is_the_root(view):
    _tree(view.base)
    handle = handle_of(view.top)
    drop_caches(view)
    fd = open_handle(view.top, handle)
    assert sorted(os.listdir(fd)) == ["a", "link", "top"]
    os.close(fd)


@every_mode
def test_no_handle_reaches_what_lies_outside_the_base(view):
    """The object outside is on the same file system, so its inode number would
    be valid there."""
    write_file(view.base.parent / "secret", b"secret")
    (view.base.parent / "other").mkdir()
    _tree(view.base)
    os.stat(view / "top")
    for place in ("secret", "other", ""):
        path = view.base.parent / place
        for generation in (0, handle_of(path)[1][4:8]):
            if generation:
                generation = struct.unpack("=I", generation)[0]
            _stale(view, fuse_handle(os.stat(path).st_ino, generation))


@every_mode
def test_no_handle_reaches_below_a_mount_point_in_the_base(view):
    view.base_stays = False
    (view.base / "m").mkdir()
    write_file(view.base / "m/covered", b"covered")
    covered = os.stat(view.base / "m/covered").st_ino
    sysc.mount("none", view.base / "m", "tmpfs", 0)
    try:
        for n in range(50):
            write_file(view.base / f"m/{n}", b"mounted")
        handle = handle_of(view / "m")
        inos = {os.stat(view.base / f"m/{n}").st_ino for n in range(50)}
        known = {os.stat(view / n).st_ino for n in ("m", "")}
        for ino in inos - known:
            _stale(view, fuse_handle(ino, 0))
        if view.mode == "write":
            _stale(view, fuse_handle(covered, 0))
        _same(view, handle, view / "m")
    finally:
        view.unmount()
        sysc.umount_lazy(view.base / "m")


@every_mode
def test_connectable_handle_finds_its_directory(view):
    _tree(view.base)
    try:
        kind, data = handle_of(view / "a/b/c/file", AT_HANDLE_CONNECTABLE)
    except OSError as e:
        assert e.errno == errno.EINVAL
        pytest.skip("this kernel makes no connectable handles")
    drop_caches(view)
    fd = open_handle(view.top, (kind, data))
    assert os.readlink(f"/proc/self/fd/{fd}") == str(view / "a/b/c/file")
    os.close(fd)


@changing
def test_unlinked_file_is_reached_by_its_handle_while_it_is_open(view):
    write_file(view / "f", b"bytes")
    handle = handle_of(view / "f")
    held = os.open(view / "f", os.O_RDWR)
    os.unlink(view / "f")
    drop_caches(view)
    fd = open_handle(view.top, handle, os.O_RDWR)
    os.pwrite(fd, b"B", 0)
    assert os.pread(held, 5, 0) == b"Bytes"
    os.close(fd)
    os.close(held)
    _stale(view, handle)


@pytest.mark.modes("read", "write", people=("root",), plain=False)
def test_handle_survives_what_others_do_to_the_base(view):
    view.base_stays = False
    _tree(view.base)
    handles = [handle_of(view / n) for n in ("a/b/c", "a/b/c/file", "top")]
    for n, handle in enumerate(handles):
        drop_caches(view)
        os.close(open_handle(view.top, handle, os.O_PATH))
    drop_caches(view)
    os.rename(view.base / "a/b/c", view.base / "z")
    os.rename(view.base / "top", view.base / "z/moved")
    for handle, name in zip(handles, ("z", "z/file", "z/moved")):
        _same(view, handle, view / name)
    os.unlink(view.base / "z/file")
    _stale(view, handles[1])


@every_mode
def test_handles_survive_a_new_daemon(view):
    """Handles are valid as long as inode numbers are, so not those of a store
    that was not kept."""
    _tree(view.base)
    names = list(OBJECTS)
    if view.mode in ("write", "kept"):
        write_file(view / "new", b"new")
        os.rename(view / "a/b", view / "renamed")
        names = ["top", "renamed/c/file", "renamed", "new", "link"]
    handles = {n: handle_of(view / n) for n in names}
    view.unmount()
    view.mount()
    for name, handle in handles.items():
        _same(view, handle, view / name)


def test_rollback_decides_which_handles_hold(kept_view):
    view = kept_view
    write_file(view.base / "old", b"old")
    write_file(view / "first", b"1")
    mapfs("snapshot", view.top, "s")
    write_file(view / "second", b"2")
    old, first, second = (handle_of(view / n)
                          for n in ("old", "first", "second"))
    os.unlink(view / "old")
    os.unlink(view / "first")
    _stale(view, old)
    _stale(view, first)
    mapfs("rollback", "-y", view.top, "s")
    _same(view, old, view / "old")
    _same(view, first, view / "first")
    _stale(view, second)


@every_mode
def test_many_handles_of_one_large_directory(view):
    (view.base / "d").mkdir()
    for n in range(3000):
        write_file(view.base / f"d/{n}", b"%d" % n)
    handles = {n: handle_of(view / f"d/{n}") for n in range(0, 3000, 7)}
    drop_caches(view)
    for n, handle in handles.items():
        fd = open_handle(view.top, handle)
        assert os.read(fd, 10) == b"%d" % n
        os.close(fd)


@pytest.mark.root
@pytest.mark.parametrize("then", ("goes on", "is unmounted"))
def test_a_walk_holds_up_nobody_else(scratch, then):
    """The base is a view whose daemon is stopped, and our daemon has one
    thread."""
    for name in ("below", "above"):
        (scratch / name).mkdir()
    below, view = View(scratch / "below", "write"), \
        View(scratch / "above", "copy")
    view.base_stays = False
    view.options = ["-o", "max_threads=1"]
    for n in range(50):
        (below.base / f"d{n}").mkdir()
        write_file(below.base / f"d{n}/f", b"%d" % n)
    said = []

    def ask(handle):
        try:
            os.close(open_handle(view.top, handle))
            said.append("opened")
        except OSError as e:
            said.append(errno.errorcode[e.errno])

    try:
        below.mount()
        view.base = below.mnt
        handle = handle_of(view / "d49/f")
        drop_caches(view)
        os.kill(below.proc.pid, signal.SIGSTOP)
        asking = threading.Thread(target=ask, args=(handle,))
        asked = Info(view.top).requests["lookup"]
        asking.start()
        # While the walk waits for the base, the one thread still answers.
        wait_for("the lookup",
                 lambda: Info(view.top).requests["lookup"] > asked)
        assert Info(view.top).requests and not said
        os.kill(below.proc.pid, signal.SIGCONT)
        if then == "is unmounted":
            view.unmount()
        asking.join()
        assert said[0] in (("opened",) if then == "goes on" else
                           ("opened", "ESTALE", "ENOTCONN", "ECONNABORTED"))
    finally:
        if below.proc:
            os.kill(below.proc.pid, signal.SIGCONT)
        view.give_up()
        below.give_up()


@every_mode
def test_handles_are_opened_while_the_tree_changes(view):
    """Several opens run at once; each walks over the base, or waits for the
    walk of another."""
    _tree(view.base)
    for n in range(300):
        (view.base / f"d{n % 10}").mkdir(exist_ok=True)
        write_file(view.base / f"d{n % 10}/{n}", b"%d" % n)
    handles = {n: handle_of(view / f"d{n % 10}/{n}") for n in range(300)}
    drop_caches(view)
    wrong = []

    def open_some(first):
        for n in range(first, 300, 4):
            fd = open_handle(view.top, handles[n])
            if os.read(fd, 10) != b"%d" % n:
                wrong.append(n)
            os.close(fd)

    threads = [threading.Thread(target=open_some, args=(i,))
               for i in range(4)]
    for t in threads:
        t.start()
    if view.mode != "read":
        for n in range(60):
            os.rename(view / f"d{n % 10}", view / "away")
            os.rename(view / "away", view / f"d{n % 10}")
    for t in threads:
        t.join()
    assert not wrong
