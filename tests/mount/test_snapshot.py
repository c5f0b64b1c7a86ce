# SPDX-License-Identifier: MIT
"""Snapshots of a mounted view and of an unmounted store: their content, the
pages that they pin, and the space that deleting one frees."""
import contextlib
import json
import mmap
import os
import subprocess
import threading
import time

import pytest

from support import tree
from support.control import Info
from support.load import patience
from support.sysc import opened, read_file, write_file
from support.view import binary, mapfs, refused

PAGE = 4096
pytestmark = pytest.mark.modes("kept", plain=False)


@contextlib.contextmanager
def _stepping(program, path):
    """Runs a generator on the opened file in a child, step by step."""
    go, done = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(go[1])
            f = os.open(path, os.O_RDWR | os.O_CREAT)
            steps = program(f)
            while os.read(go[0], 1):
                next(steps, None)
                os.write(done[1], b".")
        finally:
            os._exit(0)
    os.close(go[0])
    os.close(done[1])

    def step():
        os.write(go[1], b".")
        assert os.read(done[0], 1) == b".", "the child died"

    try:
        yield step
    finally:
        os.close(go[1])
        os.close(done[0])
        os.waitpid(pid, 0)


def _log(where):
    return json.loads(mapfs("log", "--json", where).text)


def _rollback_at_rest(view, name):
    view.unmount()
    mapfs("rollback", "-y", view.store, name)
    view.mount()


@pytest.mark.parametrize("pages", [2, 512])
def test_snapshot_has_what_the_kernel_holds_back(view, pages):
    """The file is neither closed nor synced; bytes written later are not in
    the snapshot."""
    half = pages * PAGE

    def program(f):
        os.ftruncate(f, 2 * half)
        with mmap.mmap(f, 2 * half) as m:
            m[:half] = b"m" * half
            os.pwrite(f, b"w" * half, half)
            yield
            m[:] = b"x" * len(m)

    # A process of its own: a fork with the file open would flush it.
    with _stepping(program, view / "f") as step:
        step()
        mapfs("snapshot", view.mnt, "one")
        step()
    _rollback_at_rest(view, "one")
    assert read_file(view / "f") == b"m" * half + b"w" * half


def test_snapshots_below_a_writer_are_moments(view):
    """Each pass of the writer writes its number into one file after the other.
    All that it wrote before the snapshot was asked for is in the snapshot."""
    files, stop = 8, threading.Event()
    fds = [os.open(view / f"f{n}", os.O_RDWR | os.O_CREAT)
           for n in range(files)]

    def writer():
        value = 0
        while not stop.is_set():
            value += 1
            for fd in fds:
                os.pwrite(fd, b"%08d" % value, 0)

    t = threading.Thread(target=writer)
    t.start()
    lower = []
    try:
        for n in range(5):
            lower.append(int(os.pread(fds[-1], 8, 0) or 0))
            mapfs("snapshot", view.mnt, f"s{n}")
    finally:
        stop.set()
        t.join()
        for fd in fds:
            os.close(fd)
    view.unmount()
    for n in reversed(range(5)):
        mapfs("rollback", "-y", view.store, f"s{n}")
        view.mount()
        for i in range(files):
            assert int(read_file(view / f"f{i}") or 0) >= lower[n]
        view.unmount()


def test_rollback_at_rest_gives_the_tree_of_then(view):
    os.mkdir(view / "d")
    write_file(view / "d/f", b"then" * 3000)
    os.symlink("d/f", view / "l")
    then = view.look()
    mapfs("snapshot", view.mnt, "then")
    write_file(view / "d/f", b"now")
    os.rename(view / "d", view / "e")
    os.unlink(view / "l")
    view.unmount()
    assert [s["name"] for s in _log(view.store)] == ["then"]
    mapfs("rollback", "-y", view.store, "then")
    view.mount()
    tree.assert_same_but_a_tick(then, view.look(), "not the tree of then")


def test_snapshot_of_a_resting_store(view):
    write_file(view / "f", b"then")
    view.unmount()
    mapfs("snapshot", "-m", "at rest", view.store, "then")
    view.mount()
    write_file(view / "f", b"now")
    _rollback_at_rest(view, "then")
    assert read_file(view / "f") == b"then"


def test_commands_at_rest_wait_for_each_other(view):
    """Regression: they named a mount without a path, which had to be unmounted
    first."""
    write_file(view / "f", b"x")
    view.unmount()
    running = [subprocess.Popen([binary(), "snapshot", view.store, f"s{n}"],
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT) for n in range(12)]
    said = [p.communicate(timeout=patience())[0] for p in running]
    assert said == [b""] * 12
    assert len(_log(view.store)) == 12


def test_log_says_name_time_pages_and_message(view):
    assert _log(view.top) == []
    write_file(view / "f", os.urandom(10 * PAGE))
    before = time.time()
    mapfs("snapshot", view.mnt, "one", "-m", "first \u00e9\n word")
    write_file(view / "g", os.urandom(10 * PAGE))
    mapfs("snapshot", view.mnt, "two")
    one, two = _log(view.mnt)
    assert (one["name"], two["name"]) == ("one", "two")
    assert one["id"] != two["id"]
    assert (one["private_pages"], two["private_pages"]) == (10, 20)
    assert (one["message"], two["message"]) == ("first \u00e9\n word", "")
    assert before - 1 < one["time"] <= two["time"] < time.time() + 1
    assert one["reachable"] is True
    text = mapfs("log", view.mnt).text.splitlines()
    assert len(text) == 3
    assert "one" in text[1] and "first \u00e9\\n word" in text[1]
    view.unmount()
    assert _log(view.store) == [one, two]


def test_names_are_refused_with_a_word(view):
    write_file(view / "f", b"x")
    mapfs("snapshot", view.mnt, "one")
    assert "has a snapshot one already" in \
        refused("snapshot", view.mnt, "one")
    for name in ("a/b", "a@b", "", ".."):
        assert "snapshot name" in refused("snapshot", view.mnt, name)
    assert "too long" in refused("snapshot", view.mnt, "n" * 300)
    assert "has no snapshot two" in refused("snapshot", "-d", view.mnt,
                                             "two")
    assert "has no snapshot two" in refused("rollback", "-y", view.mnt,
                                             "two")
    assert [s["name"] for s in _log(view.mnt)] == ["one"]


def test_the_snapshot_of_a_commit_cannot_be_deleted(view):
    """Without it the commit could not be undone."""
    write_file(view / "f", b"x")
    view.base_stays = False
    view.unmount()
    mapfs("commit", "-y", view.store)
    assert "mapfs's own" in refused("snapshot", "-d", view.store,
                                     ".commit-1")
    mapfs("commit", "-y", "--undo", view.store)
    assert not os.path.exists(view.base / "f")


def test_deleting_gives_pages_back(view):
    def used():
        return Info(view.top).private_pages

    write_file(view / "f", os.urandom(1000 * PAGE))
    mapfs("snapshot", view.mnt, "one")
    write_file(view / "f", os.urandom(1000 * PAGE))
    mapfs("snapshot", view.mnt, "two")
    os.unlink(view / "f")
    assert used() >= 2000
    mapfs("snapshot", "-d", view.mnt, "one")
    assert 1000 <= used() < 1100
    mapfs("snapshot", "-d", view.mnt, "two")
    assert used() < 100
    assert _log(view.mnt) == []


def test_a_view_without_a_store_has_no_snapshots(scratch, copy_view):
    copy_view / ""
    text = refused("snapshot", copy_view.mnt, "one")
    assert "no kept store; mount it with -s STORE" in text, text


def test_a_store_whose_name_has_an_at_sign(view):
    view.store = view.store.with_name("st@re@x")
    view.store.mkdir()  # a new one of that name would be a snapshot's
    write_file(view / "f", b"then")
    view.unmount()
    mapfs("snapshot", view.store, "one")
    assert [s["name"] for s in _log(view.store)] == ["one"]
    mapfs("branch", f"{view.store}@one", view.scratch / "br")
    assert "No such file" in refused("log", f"{view.scratch}/none@x")


@pytest.mark.limit(180)
@pytest.mark.root
def test_snapshot_of_a_gibibyte(kept_view, capsys):
    """The time is printed and not checked: the machine may be busy."""
    view = kept_view
    with opened(view / "f", os.O_RDWR | os.O_CREAT) as f:
        block = os.urandom(1 << 20)
        for i in range(1024):
            os.pwrite(f, block, i << 20)
        os.fsync(f)
    took = []
    for n in range(5):
        t = time.perf_counter()
        mapfs("snapshot", view.mnt, f"s{n}")
        took.append((time.perf_counter() - t) * 1000)
    assert _log(view.mnt)[0]["private_pages"] == 1 << 18
    print("snapshot of 1 GiB, ms:", [round(t, 1) for t in took])
