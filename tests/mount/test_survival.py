# SPDX-License-Identifier: MIT
"""kill -9 of the daemon, and power cuts.

A writer makes files in which each page holds the name and the version of its
file. It notes each finished step in a file outside the view. So the checks
know what must be there, and that everything else was really written.

  [D3] after a kill, every close that returned is there
  [D1] after a power cut, every fsync that returned is there
  [D2] whatever else is there is whole: no zeros, no bytes of other files
"""
import errno
import os
import random
import signal
import time

import pytest

from support import sysc
from support.sysc import opened, read_file, write_file
from support.view import View, wait_for

PAGE = 4096
ROUNDS = 20


def _page(name, version, number):
    """4096 bytes that belong to this page of this version only."""
    head = b"%s.%d.%d." % (name, version, number)
    return (head * (PAGE // len(head) + 1))[:PAGE]


def _body(name, version):
    pages = version % 5 + 1
    return b"".join(_page(name, version, i) for i in range(pages))


def _work(top, notes, seed, sync):
    """Replaces and unlinks files until it is killed. Its notes are lines
    "begin WHAT NAME VERSION" and "done ..."; each line is written before the
    next system call on the view."""
    rnd = random.Random(seed)
    out = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    known = {}
    # By descriptor: without the mount, a path would lead below it.
    here = os.open(top, os.O_RDONLY)

    def note(*words):
        os.write(out, " ".join(map(str, words)).encode() + b"\n")

    for version in range(1, 10**6):
        name = f"f{rnd.randrange(12)}"
        what = rnd.randrange(10)
        if what == 0 and name in known:
            note("begin", "unlink", name, version)
            os.unlink(name, dir_fd=here)
            known.pop(name)
            _maybe_sync(here, sync)
            note("done", "unlink", name, version)
            continue
        note("begin", "replace", name, version)
        fd = os.open("tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644,
                     dir_fd=here)
        os.write(fd, _body(name.encode(), version))
        _maybe_sync(fd, sync)
        os.close(fd)
        os.rename("tmp", name, src_dir_fd=here, dst_dir_fd=here)
        _maybe_sync(here, sync)
        known[name] = version
        note("done", "replace", name, version)


def _maybe_sync(fd, sync):
    if sync:
        os.fsync(fd)


def _overwrite(top, notes, seed, sync):
    """Overwrites pages of one old file in place: page i has version v."""
    rnd = random.Random(seed)
    out = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    here = os.open(top, os.O_RDONLY)
    held = os.open("old", os.O_RDWR, dir_fd=here)
    for version in range(1, 10**6):
        i = rnd.randrange(64)
        fd = held if sync else os.open("old", os.O_RDWR, dir_fd=here)
        os.write(out, b"begin page %d %d\n" % (i, version))
        os.pwrite(fd, _page(b"old", version, i), i * PAGE)
        if not sync:
            os.close(fd)
            # close() does not notice a dead daemon: the kernel drops
            # what it cannot send.  This request cannot go unanswered.
            os.utime("old", dir_fd=here)
            os.write(out, b"done page %d %d\n" % (i, version))
        elif version % 4 == 0:
            os.fdatasync(fd)
            os.write(out, b"synced page 0 %d\n" % version)


def _start(function, *args):
    pid = os.fork()
    if pid:
        return pid
    try:
        function(*args)
    except OSError:
        pass
    finally:
        os._exit(0)


def _notes(path):
    if not os.path.exists(path):
        return []
    lines = read_file(path).decode().split("\n")[:-1]
    return [line.split() for line in lines]


def _check_files(view, notes):
    """Every finished step must be there; the last unfinished one may be."""
    must, begun = {}, {}
    for state, what, name, version in _notes(notes):
        new = None if what == "unlink" else int(version)
        if state == "done":
            must[name] = new
            begun.pop(name, None)
        else:
            begun[name] = new
    for name in sorted(set(must) | set(begun)):
        path = view / name
        got = read_file(path) if os.path.exists(path) else None
        allowed = [must.get(name)] + ([begun[name]] if name in begun else [])
        wanted = [None if v is None else _body(name.encode(), v)
                  for v in allowed]
        assert got in wanted, \
            f"{name}: allowed versions {allowed}, got {got and got[:40]}"
    extra = set(os.listdir(view.top)) - set(must) - set(begun) - \
        {"tmp", "old"}
    assert not extra


def _check_pages(view, notes):
    """Each page must be whole, and at least as new as what was closed or
    synced."""
    must, history = {}, {}
    for state, _, i, version in _notes(notes):
        i, version = int(i), int(version)
        if state == "begin":
            history.setdefault(i, [0]).append(version)
        elif state == "done":
            must[i] = version
        else:
            for j, versions in history.items():
                must[j] = max(v for v in versions if v <= version)
    data = read_file(view / "old")
    assert len(data) == 64 * PAGE
    for i in range(64):
        page = data[i * PAGE:(i + 1) * PAGE]
        allowed = [v for v in history.get(i, [0]) if v >= must.get(i, 0)]
        assert page in [_page(b"old", v, i) for v in allowed], \
            f"page {i}: allowed {allowed[:9]}, got {page[:40]}"


def _end(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for pid in pids:
        os.waitpid(pid, 0)


def _make_old(base):
    write_file(base / "old", b"".join(_page(b"old", 0, i)
                                      for i in range(64)))


def _begin_round(view):
    """Every round begins with the same state: pages of version 0 and no
    files."""
    for name in os.listdir(view.top):
        if name != "old":
            os.unlink(view / name)
    with opened(view / "old", os.O_RDWR) as fd:
        for i in range(64):
            os.pwrite(fd, _page(b"old", 0, i), i * PAGE)
        os.fsync(fd)


class Load:
    """The two writers of one round, and their notes."""

    def __init__(self, view, n, sync):
        self.view = view
        self.files = view.scratch / f"notes{n}"
        self.pages = view.scratch / f"pages{n}"
        self.pids = [_start(_work, view.top, self.files, n, sync),
                     _start(_overwrite, view.top, self.pages, n, sync)]
        wait_for("the first work", lambda: len(_notes(self.files)) > 10 and
                 len(_notes(self.pages)) > 10)

    def end(self):
        _end(self.pids)

    def check(self):
        _check_files(self.view, self.files)
        _check_pages(self.view, self.pages)


@pytest.mark.limit(200)
def test_closed_files_survive_20_kills_of_the_daemon(kept_view):
    """[D3] fsync is never called."""
    v = kept_view
    _make_old(v.base)
    for n in range(ROUNDS):
        _begin_round(v)
        load = Load(v, n, False)
        time.sleep(0.02 * (n % 5))
        v.kill(load.end)
        v.mount()
        load.check()


@pytest.mark.alone
@pytest.mark.limit(300)
@pytest.mark.parametrize("part", range(2))
def test_synced_files_survive_10_power_cuts(scratch, disk, part):
    """[D1] [D2] In half of the cuts the disk's own journal is flushed."""
    v = View(scratch, "kept")
    v.store = disk.at / "store"
    v.expected.append(".*")	# the daemon may log any error
    _make_old(v.base)
    for n in range(ROUNDS // 2 * part, ROUNDS // 2 * (part + 1)):
        _begin_round(v)
        load = Load(v, n, True)
        time.sleep(0.03 * (n % 7))
        disk.cut_power(flush_log=n % 2 == 0)
        load.end()
        v.kill()
        disk.umount()
        disk.mount()
        v.mount()
        load.check()
    v.finish()
    disk.umount()


@pytest.mark.alone
@pytest.mark.limit(120)
def test_sync_that_fails_is_reported_and_latched(scratch, disk):
    """[D4] When the disk is gone, fsync fails and so does every change; no
    call reports success."""
    v = View(scratch, "kept")
    v.store = disk.at / "store"
    v.expected.append(".*")
    write_file(v.base / "f", b"x" * 10000)
    write_file(v / "g", b"g" * 10000)
    with opened(v / "g", os.O_RDWR) as fd:
        os.fsync(fd)
        with opened(v / "g", os.O_RDWR) as late:
            os.pwrite(late, b"late", 0)
        # The daemon has these bytes; only the disk is gone.
        disk.cut_power(flush_log=False)
        with sysc.fails(errno.EIO, errno.EROFS):
            os.fsync(fd)
        with sysc.fails(errno.EROFS):
            os.mkdir(v / "d")
        with sysc.fails(errno.EROFS):
            os.chmod(v / "f", 0o600)
        with sysc.fails(errno.EIO, errno.EROFS):
            os.fsync(fd)
        assert read_file(v / "f") == b"x" * 10000
    v.kill()
    disk.umount()
    disk.mount()
    assert read_file(v / "g") in (b"g" * 10000, b"late" + b"g" * 9996)
    write_file(v / "after", b"fine")
    v.unmount()
    disk.umount()


@pytest.mark.alone
@pytest.mark.limit(120)
def test_work_without_any_sync_is_one_moment_after_a_cut(scratch, disk):
    """[D2] Files must survive in the order in which they were made."""
    v = View(scratch, "kept")
    v.store = disk.at / "store"
    v.expected.append(".*")
    v.mount()
    for n in range(3):
        made = []
        for i in range(300):
            path = f"r{n}.{i:04}"
            write_file(v / path, _page(path.encode(), 1, 0))
            made.append(path)
            if i == 100:
                sysc.syncfs(v.top)
                with opened(v.top, os.O_RDONLY) as fd:
                    os.fsync(fd)
        disk.cut_power(flush_log=n % 2 == 0)
        v.kill()
        disk.umount()
        disk.mount()
        v.mount()
        got = [p for p in made if os.path.exists(v / p)]
        assert got == made[:len(got)], "a later name survived an earlier one"
        assert len(got) >= 101
        for p in got[:101]:
            assert read_file(v / p) == _page(p.encode(), 1, 0), p
        for p in got[101:]:
            data = read_file(v / p)
            # Bytes in the kernel's cache never reached the daemon.
            assert data in (b"", _page(p.encode(), 1, 0)), p
    v.unmount()
    disk.umount()
