# SPDX-License-Identifier: MIT
"""Commands to a mounted view: who may give them, which are refused, and that
they include everything that programs wrote before."""
import contextlib
import fcntl
import mmap
import os
import subprocess
import threading

import pytest

from support import control, isolate, sysc
from support.control import Info, finish, poll, read, start
from support.load import patience
from support.sysc import error_of, in_child, opened, write_file
from support.view import binary, mapfs, wait_for

PAGE = 4096
pytestmark = pytest.mark.modes("copy", "kept", plain=False)


def _root(view):
    return opened(view.top, os.O_RDONLY | os.O_DIRECTORY)


def _flush(fd):
    since = start(fd, "mark")
    sysc.syncfs(f"/proc/self/fd/{fd}")
    finish(fd, start(fd, "flush", since))


def _private_pages(view):
    return Info(view.top).private_pages


def test_flush_waits_for_pages_that_the_kernel_holds_back(view):
    """Without a barrier some pages arrive after the flush, now and then."""
    held_back = 0
    with _root(view) as fd:
        for n in range(1, 41):
            # close() would flush it.
            with opened(view / f"f{n}", os.O_RDWR | os.O_CREAT) as f:
                os.ftruncate(f, 512 * PAGE)
                with mmap.mmap(f, 512 * PAGE) as m:
                    m[:] = b"x" * 512 * PAGE
                    held_back += n * 512 - _private_pages(view)
                    _flush(fd)
                    assert _private_pages(view) == n * 512
    assert held_back, "the kernel held nothing back"


def test_flush_takes_pages_of_shared_mappings(view):
    write_file(view / "f", b"\1" * 300 * PAGE)
    with _root(view) as fd, opened(view / "f", os.O_RDWR) as f:
        _flush(fd)
        assert _private_pages(view) == 300
        os.ftruncate(f, 600 * PAGE)
        with mmap.mmap(f, 600 * PAGE) as m:
            for i in range(300, 600):
                m[i * PAGE] = 7
            _flush(fd)
            assert _private_pages(view) == 600


def test_flush_ends_while_others_write(view):
    stop = threading.Event()

    def writer(n):
        with opened(view / f"w{n}", os.O_RDWR | os.O_CREAT) as f:
            while not stop.is_set():
                for i in range(64):
                    os.pwrite(f, os.urandom(PAGE), i * PAGE)

    view / ""
    threads = [threading.Thread(target=writer, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    try:
        with _root(view) as fd:
            for n in range(30):
                before = _private_pages(view)
                with opened(view / f"f{n}", os.O_RDWR | os.O_CREAT) as f:
                    os.pwrite(f, os.urandom(100 * PAGE), 0)
                    _flush(fd)
                    assert _private_pages(view) >= before + 100
    finally:
        stop.set()
        for t in threads:
            t.join()


def test_two_flushes_at_once_do_not_wait_for_each_other(view):
    def many():
        with _root(view) as fd:
            for _ in range(100):
                _flush(fd)

    view / ""
    threads = [threading.Thread(target=many) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(patience())
        assert not t.is_alive()


def test_a_job_is_forgotten_once_its_end_was_told(view):
    with _root(view) as fd:
        job = start(fd, "flush")
        finish(fd, job)
        assert error_of(poll, fd, job) == "ENOENT"
        assert error_of(read, fd, job, 0) == "ENOENT"
        assert error_of(poll, fd, 0) == "ENOENT"
        assert error_of(poll, fd, 2**64 - 1) == "ENOENT"


def test_too_many_jobs_are_refused(view):
    with _root(view) as fd:
        jobs = []
        while len(jobs) < 100:
            try:
                jobs.append(start(fd, "flush"))
            except OSError as e:
                assert e.errno == 16, e    # EBUSY
                break
        assert 8 <= len(jobs) < 100
        for job in jobs:
            finish(fd, job)
        finish(fd, start(fd, "flush"))


def test_results_that_nobody_wants_are_in_nobodys_way(view):
    with _root(view) as fd:
        jobs = []
        with contextlib.suppress(OSError):
            while len(jobs) < 100:
                jobs.append(start(fd, "flush"))
        assert error_of(start, fd, "flush") == "EBUSY"
        wait_for("a place", lambda: error_of(start, fd, "flush") is None)
        assert error_of(poll, fd, jobs[0]) == "ENOENT"


def test_requests_that_make_no_sense_are_refused(view):
    def ask(fd, n, layout, size, *values):
        buf = bytearray(layout.pack(size, *values))
        fcntl.ioctl(fd, 3 << 30 | layout.size << 16 | ord("M") << 8 | n, buf)

    with _root(view) as fd:
        size = control.START.size
        good = (control.command("flush"), 0, 0, 0, b"", b"", b"")
        for change in ((0, *good), (size + 1, *good),
                       (size, 4711, *good[1:]),
                       (size, 2**32 - 1, *good[1:]),
                       (size, *good[:3], 1 << 63, *good[4:]),
                       (size, *good[:4], b"x" * 256, b"", b""),
                       (size, *good[:5], b"x" * 2048, b""),
                       (size, *good[:6], b"x" * 4096)):
            assert error_of(ask, fd, 0xf6, control.START, *change) in \
                ("EINVAL", "ENOTSUP")
        assert error_of(ask, fd, 0xf7, control.POLL, 5, 0, 1, 0, 0, 0, 0, 0,
                       b"") == "EINVAL"
        assert error_of(ask, fd, 0xf8, control.READ, 5, 0, 1, 0, b"") == \
            "EINVAL"
        for number in (0, 0xf5, 0xf6, 2**32 - 1, 3 << 30 | ord("M") << 8 |
                       0xf6, 1 << 30 | 16 << 16 | ord("M") << 8 | 0xf7):
            assert error_of(fcntl.ioctl, fd, number, bytearray(16384)) == \
                "ENOTTY"
        finish(fd, start(fd, "flush"))


def test_only_the_root_directory_is_asked(view):
    os.mkdir(view / "d")
    with opened(view / "d", os.O_RDONLY) as fd:
        assert error_of(start, fd, "flush") == "ENOTTY"


@pytest.mark.root
def test_other_users_may_not_ask(copy_view):
    view = copy_view
    view / ""
    with _root(view) as fd:
        for call in ((start, fd, "mark"), (start, fd, "flush"),
                     (poll, fd, 1), (read, fd, 1, 0)):
            assert in_child(lambda: error_of(*call), isolate.USER_UID) == \
                "EPERM"


def test_a_mount_with_a_job_can_be_unmounted(view):
    with _root(view) as fd:
        start(fd, "flush")
    view.unmount()


@pytest.mark.root
def test_flush_with_a_ring(kept_view):
    view = kept_view
    view.options = ["-o", "uring"]
    with _root(view) as fd:
        with opened(view / "f", os.O_RDWR | os.O_CREAT) as f:
            for i in range(500):
                os.pwrite(f, os.urandom(PAGE), 2 * i * PAGE)
            _flush(fd)
            assert _private_pages(view) == 500


def test_status_says_what_is_mounted(view):
    write_file(view / "f", b"x" * 5000)
    text = mapfs("status", view.mnt).text
    for words in (f"mounted on   {view.mnt}", f"base         {view.base}",
                  "mode         copy", "private      "):
        assert words in text, text


def test_status_refuses_what_is_no_view(view):
    view / ""
    for arg, words in ((view.base, "neither in a mapfs mount nor a store"),
                       (view.base / "none", "No such file")):
        p = subprocess.run([binary(), "status", str(arg)], timeout=patience(),
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert p.returncode == 1
        assert words in p.stderr.decode(), p.stderr
