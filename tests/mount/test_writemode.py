# SPDX-License-Identifier: MIT
"""Write mode: the base is the file system."""
import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from support import sysc
from support.load import patience
from support.sysc import error_of, fails, opened, read_file, write_file
from support.view import run, wait_for

SEEN_WITHIN = 1.5


def test_every_kind_of_change_is_in_the_base_at_once(write_view):
    v, b = write_view, write_view.base
    write_file(v / "f", b"bytes")
    assert read_file(b / "f") == b"bytes"
    os.mkdir(v / "d")
    assert os.path.isdir(b / "d")
    os.symlink("f", v / "l")
    assert os.readlink(b / "l") == "f"
    os.link(v / "f", v / "h")
    assert os.stat(b / "h").st_nlink == 2
    os.chmod(v / "f", 0o600)
    assert os.stat(b / "f").st_mode & 0o777 == 0o600
    os.utime(v / "f", ns=(5, 6))
    assert os.stat(b / "f").st_mtime_ns == 6
    os.rename(v / "h", v / "d/h")
    assert os.listdir(b / "d") == ["h"]
    os.truncate(v / "f", 2)
    assert read_file(b / "f") == b"by"
    os.unlink(v / "l")
    assert not os.path.lexists(b / "l")


def test_written_bytes_are_in_the_base_after_close(write_view):
    write_file(write_view / "f", b"x" * 100000)
    assert read_file(write_view.base / "f") == b"x" * 100000


def test_stored_bytes_are_in_the_base_after_msync(write_view):
    import mmap
    write_file(write_view.base / "f", bytes(8192))
    with opened(write_view / "f", os.O_RDWR) as fd:
        with mmap.mmap(fd, 0) as m:
            m[5000] = 5
            m.flush()
            assert read_file(write_view.base / "f")[5000] == 5


@pytest.mark.parametrize("grow", [True, False], ids=["longer", "same-size"])
def test_bytes_written_by_others_are_seen_at_the_next_open(write_view, grow):
    """Close-to-open consistency, as on NFS: at once, not after a timeout."""
    write_file(write_view.base / "f", b"a" * 10000)
    assert read_file(write_view / "f") == b"a" * 10000
    time.sleep(0.02)
    new = b"b" * (20000 if grow else 10000)
    write_file(write_view.base / "f", new)
    assert read_file(write_view / "f") == new


def test_file_replaced_by_others_is_seen(write_view):
    write_file(write_view.base / "f", b"old")
    assert read_file(write_view / "f") == b"old"
    write_file(write_view.base / "t", b"new")
    os.rename(write_view.base / "t", write_view.base / "f")
    wait_for("the new file", lambda: read_file(write_view / "f") == b"new",
             SEEN_WITHIN)


def test_name_made_by_others_is_never_missed(write_view):
    assert error_of(os.stat, write_view / "f") == "ENOENT"
    write_file(write_view.base / "f", b"new")
    assert read_file(write_view / "f") == b"new"


def test_name_removed_by_others_is_gone_within_a_second(write_view):
    write_file(write_view.base / "f", b"x")
    os.stat(write_view / "f")
    os.unlink(write_view.base / "f")
    wait_for("its absence",
             lambda: error_of(os.stat, write_view / "f") == "ENOENT",
             SEEN_WITHIN)


def test_listing_shows_names_made_by_others(write_view):
    os.listdir(write_view.top)
    write_file(write_view.base / "f")
    wait_for("the name", lambda: os.listdir(write_view.top) == ["f"],
             SEEN_WITHIN)


def test_st_ino_is_that_of_the_base(write_view):
    write_file(write_view.base / "f")
    assert os.stat(write_view / "f").st_ino == \
        os.stat(write_view.base / "f").st_ino


@pytest.mark.parametrize("what", ["fsync", "fdatasync", "msync", "dir"])
def test_sync_reaches_the_disk_before_it_returns(write_view, scratch, what):
    """Traces the system calls of the daemon."""
    if not shutil.which("strace"):
        pytest.skip("strace is missing")
    import mmap
    import subprocess
    write_file(write_view.base / "f", bytes(8192))
    os.stat(write_view / "f")
    trace = scratch / "trace"
    spy = subprocess.Popen(
        ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range,"
         "syncfs", "-o", trace, "-p", str(write_view.proc.pid)],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        def attached():
            tasks = Path(f"/proc/{write_view.proc.pid}/task")
            return all(f"TracerPid:\t{spy.pid}\n" in
                       (t / "status").read_text() for t in tasks.iterdir())
        try:
            wait_for("strace", attached, 5)
        except AssertionError:
            pytest.skip("processes may not be traced here")
        fd = os.open(write_view / "f", os.O_RDWR)
        if what == "dir":
            os.close(fd)
            write_file(write_view / "new")
            fd = os.open(write_view.top, os.O_RDONLY)
            os.fsync(fd)
        elif what == "msync":
            with mmap.mmap(fd, 0) as m:
                m[0] = 1
                m.flush()
        else:
            os.pwrite(fd, b"x", 0)
            getattr(os, what)(fd)
        wait_for("a sync in the trace",
                 lambda: trace.exists() and "sync" in trace.read_text(), 5)
        os.close(fd)
    finally:
        spy.terminate()
        spy.wait(patience())


def test_o_sync_write_is_synced(write_view):
    write_file(write_view.base / "f", bytes(8192))
    with opened(write_view / "f", os.O_WRONLY | os.O_SYNC) as fd:
        os.pwrite(fd, b"x", 0)
        assert read_file(write_view.base / "f")[:1] == b"x"


def test_enospc_of_the_base_is_reported_by_write_or_fsync(write_view):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    sysc.mount("none", write_view.base, "tmpfs", 0, "size=1m")
    with opened(write_view / "f", os.O_WRONLY | os.O_CREAT) as fd:
        with fails(errno.ENOSPC):
            for _ in range(40):
                os.write(fd, b"x" * 65536)
            os.fsync(fd)
    assert os.stat(write_view / "f").st_size <= 4 << 20


def test_base_truncated_by_others_does_not_kill_the_daemon(write_view):
    write_view.expected.append("truncated|shorter|fault|changed")
    size = 8 << 20
    write_file(write_view.base / "big", os.urandom(size))
    with opened(write_view / "big", os.O_RDONLY) as fd:
        os.pread(fd, 4096, 0)
        os.truncate(write_view.base / "big", 4096)
        for at in range(0, size, 256 << 10):
            try:
                os.pread(fd, 4096, at)
            except OSError as e:
                assert e.errno == errno.EIO
    write_file(write_view / "after", b"alive")


def test_file_system_mounted_inside_the_base_is_not_entered(write_view):
    """[S2] Its mount point is shown as an empty directory."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    os.mkdir(write_view.base / "m")
    sysc.mount("none", write_view.base / "m", "tmpfs", 0)
    write_file(write_view.base / "m/secret")
    assert os.listdir(write_view / "m") == []
    assert error_of(os.stat, write_view / "m/secret") == "ENOENT"
    sysc.umount_lazy(write_view.base / "m")


def test_rsync_of_a_tree_into_the_view_arrives_in_the_base(write_view):
    if not shutil.which("rsync"):
        pytest.skip("rsync is missing")
    src = write_view.tmp / "src"
    os.makedirs(src / "a/b")
    for i in range(50):
        write_file(src / f"a/b/{i}", os.urandom(i * 100))
    run("rsync", "-a", f"{src}/", write_view / "dst/")
    run("diff", "-r", src, write_view.base / "dst")
    shutil.rmtree(src)
