# SPDX-License-Identifier: MIT
"""Snapshots, diffs, reverts and rollbacks while programs work: no program
hangs or gets an error other than those of missing names, and afterwards the
kernel, the daemon and the store agree."""
import contextlib
import errno
import mmap
import os
import random
import signal
import subprocess
import time

import pytest

from support import control, sysc, tree
from support.load import patience
from support.sysc import opened, read_file, write_file
from support.view import mapfs

PAGE = 4096
SECONDS = 4
pytestmark = pytest.mark.modes("kept", plain=False)

# The errors of a name or an inode that was removed.
USUAL = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ESTALE,
         errno.ENOTDIR, errno.EISDIR, errno.EPERM}


def _pairs(top, rng):
    """a is written and synced before b, so b must never be newer than a."""
    with opened(f"{top}/a", os.O_RDWR | os.O_CREAT) as a, \
            opened(f"{top}/b", os.O_RDWR | os.O_CREAT) as b:
        n = 0
        while True:
            n += 1
            os.pwrite(a, n.to_bytes(8, "little"), 0)
            os.fsync(a)
            os.pwrite(b, n.to_bytes(8, "little"), 0)
            yield


def _appends(top, rng):
    with opened(f"{top}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT) as f:
        while True:
            os.write(f, b"%07d\n" % rng.randrange(10**7) * 30)
            if rng.random() < 0.05:
                os.ftruncate(f, rng.randrange(0, 20000, 8))
            if rng.random() < 0.05:
                os.fsync(f)
            yield


def _maps(top, rng):
    """The file exists from the start and is never shorter."""
    with opened(f"{top}/map", os.O_RDWR) as f, mmap.mmap(f, 64 * PAGE) as m:
        while True:
            at = rng.randrange(64)
            m[at * PAGE:(at + 1) * PAGE] = bytes([rng.randrange(256)]) * PAGE
            if rng.random() < 0.02:
                m.flush()
            yield


def _names(top, rng):
    places = [f"{top}/n{i}" for i in range(4)]
    calls = (
        lambda p, q: write_file(p, b"n" * rng.randrange(9000)),
        lambda p, q: os.mkdir(p),
        lambda p, q: os.rename(p, q),
        lambda p, q: os.link(p, q),
        lambda p, q: os.symlink("target", p),
        lambda p, q: os.unlink(p),
        lambda p, q: os.rmdir(p),
        lambda p, q: os.chmod(p, rng.choice((0o600, 0o755))),
        lambda p, q: os.setxattr(p, "user.x", b"%d" % rng.randrange(9)),
        lambda p, q: os.truncate(p, rng.randrange(9000)),
        lambda p, q: os.listdir(top),
        lambda p, q: read_file(p),
    )
    while True:
        rng.choice(calls)(rng.choice(places), rng.choice(places))
        yield


def _attributes(top, rng):
    while True:
        p = f"{top}/kept{rng.randrange(3)}"
        what = rng.randrange(4)
        if what == 0:
            os.chmod(p, rng.choice((0o600, 0o640, 0o755)))
        elif what == 1:
            os.utime(p, ns=(0, rng.randrange(10**18)))
        elif what == 2:
            os.truncate(p, rng.randrange(3 * PAGE))
        else:
            os.stat(p)
        yield


def _builds(top, rng):
    while True:
        p = subprocess.run(["make", "-s", "-C", top], timeout=patience(),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if p.returncode and b"Input/output error" in p.stdout:
            raise OSError(errno.EIO, p.stdout.decode())
        yield


def _overwrites(top, rng):
    with opened(f"{top}/in", os.O_RDWR) as f:
        while True:
            os.pwrite(f, bytes([rng.randrange(1, 256)]) * 100,
                      rng.randrange(40000))
            if rng.random() < 0.3:
                os.fsync(f)
            if rng.random() < 0.1:
                os.ftruncate(f, rng.randrange(50000))
            yield


def _extends(top, rng):
    with opened(f"{top}/in", os.O_WRONLY | os.O_APPEND) as f:
        while True:
            os.write(f, b"x" * rng.randrange(1, 3000))
            if rng.random() < 0.3:
                os.fsync(f)
            if rng.random() < 0.03:
                os.ftruncate(f, rng.randrange(50000))
            yield


WORK = (_pairs, _appends, _maps, _names, _names, _attributes, _builds)


def _stored(path):
    """The bytes that the daemon has, read past the kernel's cache."""
    with opened(path, os.O_RDONLY | os.O_DIRECT) as f, \
            mmap.mmap(-1, 1 << 20) as m:
        return m[:os.preadv(f, [m], 0)]


def _work(work, top, seed, stop):
    """Runs one program; returns the unexpected error that it met, or
    nothing."""
    rng = random.Random(seed)
    steps, rounds = work(top, rng), 0
    while not os.path.exists(stop):
        try:
            next(steps)
            rounds += 1
        except OSError as e:
            if e.errno not in USUAL:
                return f"{work.__name__}: {e}"
            steps = work(top, rng)
    return "" if rounds else f"{work.__name__}: never got round"


@contextlib.contextmanager
def _programs(view, works):
    """Each program is a process of its own, because a mapping may end with a
    signal."""
    stop, said = view.scratch / "stop", view.scratch / "said"
    stop.unlink(missing_ok=True)
    pids = []
    for n, work in enumerate(works):
        pid = os.fork()
        if pid == 0:
            try:
                words = _work(work, view.top + "/d", n, stop)
            except BaseException as e:
                words = f"{work.__name__}: {e!r}"
            if words:
                with open(said, "a") as f:
                    f.write(words + "\n")
            os._exit(0)
        pids.append(pid)
    try:
        yield
    finally:
        stop.touch()
        ends = _ends(pids)
    assert ends == [0] * len(pids), f"they hang or died: {ends}"
    assert not said.exists(), said.read_text()


def _ends(pids):
    """The exit status of each program; one that hangs is killed, and so counts
    as failed."""
    deadline = time.monotonic() + patience()
    ends = []
    for pid in pids:
        end = (0, 0)
        while end[0] == 0 and time.monotonic() < deadline:
            end = os.waitpid(pid, os.WNOHANG)
            time.sleep(0.005)
        if end[0] == 0:
            os.kill(pid, signal.SIGKILL)
            end = os.waitpid(pid, 0)
        ends.append(end[1])
    return ends


def _make(top):
    os.mkdir(f"{top}/d")
    write_file(f"{top}/d/map", b"m" * 64 * PAGE)
    for n in range(3):
        write_file(f"{top}/d/kept{n}", b"k" * n * PAGE)
    write_file(f"{top}/d/in", b"in" * 1000)
    write_file(f"{top}/d/Makefile", b"all: out\n\nout: in\n"
               b"\tcp in out.new && mv out.new out && touch in\n")


def _ask(fd, command, **kw):
    """Asks as the command does; returns the name of the errno, or None."""
    since = control.start(fd, "mark")
    # It may list files that a rollback removed.
    assert sysc.error_of(sysc.syncfs, f"/proc/self/fd/{fd}") in \
        (None, "ESTALE")
    job = control.start(fd, command, since, **kw)
    try:
        size = control.finish(fd, job)
    except OSError as e:
        return errno.errorcode[e.errno]
    at = 0
    while at < size:
        at += len(control.read(fd, job, at))
    return None


@contextlib.contextmanager
def _beside(view, name):
    """Mounts a snapshot beside the live view."""
    where = view.scratch / f"at-{name}"
    where.mkdir()
    mapfs("mount", "-s", f"{view.store}@{name}", view.base, where)
    try:
        yield str(where)
    finally:
        mapfs("umount", where)


def _number(path):
    """The number in the file; 0 for an empty file."""
    try:
        return int.from_bytes(read_file(path), "little")
    except FileNotFoundError:
        return 0


@pytest.mark.limit(90)
def test_snapshots_below_programs_are_moments(view):
    _make(view.base)
    taken = 0
    with opened(view.top, os.O_RDONLY | os.O_DIRECTORY) as fd:
        with _programs(view, WORK):
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                assert _ask(fd, "snapshot", name=b"s%d" % taken) is None
                taken += 1
                assert _ask(fd, "diff", name=b"s%d" % (taken // 2)) is None
                assert _ask(fd, "revert", path=b"d/kept1") is None
                time.sleep(0.02)
        assert _ask(fd, "snapshot", name=b"last") is None
    assert taken > 5
    with _beside(view, "last") as where:
        tree.assert_same_but_a_tick(view.look(("atime",)),
                                    tree.of(where, ("atime",)),
                                    "the last snapshot and the view")
    for n in range(0, taken, taken // 5):
        with _beside(view, f"s{n}") as where:
            a, b = _number(f"{where}/d/a"), _number(f"{where}/d/b")
            assert b <= a, f"snapshot {n} of {taken}"
            mapped = read_file(f"{where}/d/map")
            assert len(mapped) == 64 * PAGE


@pytest.mark.limit(90)
def test_rollbacks_below_programs(view):
    """Rolls back while programs run. After every test the view must be equal
    to what a new mount shows."""
    _make(view.base)
    view / ""
    with opened(view.top, os.O_RDONLY | os.O_DIRECTORY) as fd:
        assert _ask(fd, "snapshot", name=b"s0") is None
        with _programs(view, WORK):
            deadline = time.monotonic() + SECONDS
            n = 0
            while time.monotonic() < deadline:
                n += 1
                if n % 4 == 0:
                    _ask(fd, "snapshot_delete", name=b"s1")
                    assert _ask(fd, "snapshot", name=b"s1") is None
                assert _ask(fd, "rollback",
                            name=b"s0" if n % 3 or n < 5 else b"s1") is None
                assert _ask(fd, "revert", path=b"d/kept1") is None
                time.sleep(0.02)
    assert n > 10


@pytest.mark.limit(90)
@pytest.mark.parametrize("work", [_overwrites, _extends])
def test_kernel_and_daemon_agree_after_a_rollback(view, work):
    """Bytes that are written while the caches are corrected may be there or
    not, but must not be in the kernel's cache alone."""
    _make(view.base)
    path = view / "d/in"
    with opened(view.top, os.O_RDONLY | os.O_DIRECTORY) as fd:
        assert _ask(fd, "snapshot", name=b"then") is None
        for n in range(10):
            with _programs(view, (work, work)):
                for _ in range(6):
                    time.sleep(0.02)
                    assert _ask(fd, "rollback", name=b"then") is None
            seen, stored = read_file(path), _stored(path)
            assert len(seen) == len(stored) == os.stat(path).st_size
            assert seen == stored, f"in round {n}"
