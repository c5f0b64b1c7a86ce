# SPDX-License-Identifier: MIT
"""flock and fcntl locks between processes."""
import errno
import fcntl
import os
import struct

from support.sysc import fails, in_child, opened, read_file


def _try_flock(path, kind):
    with opened(path, os.O_RDWR) as fd:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)


def _try_range(path, kind, start, size):
    with opened(path, os.O_RDWR) as fd:
        fcntl.lockf(fd, kind | fcntl.LOCK_NB, size, start)


def test_flock_excludes_another_process(view, origin):
    f = origin.file("f")
    with opened(f, os.O_RDWR) as fd:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with fails(errno.EWOULDBLOCK):
            in_child(lambda: _try_flock(f, fcntl.LOCK_EX))
        fcntl.flock(fd, fcntl.LOCK_SH)
        in_child(lambda: _try_flock(f, fcntl.LOCK_SH))
        fcntl.flock(fd, fcntl.LOCK_UN)
        in_child(lambda: _try_flock(f, fcntl.LOCK_EX))


def test_flock_ends_with_its_file(view, origin):
    f = origin.file("f")
    with opened(f, os.O_RDWR) as fd:
        fcntl.flock(fd, fcntl.LOCK_EX)
    in_child(lambda: _try_flock(f, fcntl.LOCK_EX))


def test_record_locks_exclude_by_range(view, origin):
    f = origin.file("f", b"x" * 100)
    with opened(f, os.O_RDWR) as fd:
        fcntl.lockf(fd, fcntl.LOCK_EX, 10, 20)
        with fails(errno.EAGAIN, errno.EACCES):
            in_child(lambda: _try_range(f, fcntl.LOCK_EX, 25, 1))
        in_child(lambda: _try_range(f, fcntl.LOCK_EX, 30, 10))
        fcntl.lockf(fd, fcntl.LOCK_UN, 10, 20)
        in_child(lambda: _try_range(f, fcntl.LOCK_EX, 25, 1))


def test_getlk_names_the_holder(view, origin):
    f = origin.file("f", b"x" * 100)
    with opened(f, os.O_RDWR) as fd:
        fcntl.lockf(fd, fcntl.LOCK_EX, 10, 20)

        def ask():
            with opened(f, os.O_RDWR) as other:
                want = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
                got = fcntl.fcntl(other, fcntl.F_GETLK, want)
                return struct.unpack("hhqqi4x", got)

        got = eval(in_child(ask))
    assert got[0] == fcntl.F_WRLCK
    assert got[2:4] == (20, 10)
    assert got[4] == os.getpid()


def test_waiting_lock_is_granted_when_it_is_released(view, origin):
    f = origin.file("f", b"")
    path = os.fspath(f)
    r, w = os.pipe()
    with opened(path, os.O_RDWR) as fd:
        fcntl.flock(fd, fcntl.LOCK_EX)
        pid = os.fork()
        if pid == 0:
            mine = os.open(path, os.O_RDWR)
            os.write(w, b"r")
            fcntl.flock(mine, fcntl.LOCK_EX)
            os.write(mine, b"got it")
            os._exit(0)
        os.read(r, 1)
        fcntl.flock(fd, fcntl.LOCK_UN)
        assert os.waitpid(pid, 0)[1] == 0
    assert read_file(path) == b"got it"


def test_locks_hold_under_both_names_of_one_file(view, origin):
    f = origin.file("a")
    os.link(f, view / "b")
    with opened(f, os.O_RDWR) as fd:
        fcntl.lockf(fd, fcntl.LOCK_EX)
        with fails(errno.EAGAIN, errno.EACCES):
            in_child(lambda: _try_range(view / "b", fcntl.LOCK_EX, 0, 0))


def test_counter_under_a_lock_counts_right(view, origin):
    f = origin.file("f", b"0")
    path = os.fspath(f)
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            for _ in range(50):
                with opened(path, os.O_RDWR) as fd:
                    fcntl.lockf(fd, fcntl.LOCK_EX)
                    n = int(os.read(fd, 20))
                    os.pwrite(fd, b"%d" % (n + 1), 0)
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    assert read_file(f) == b"200"
