# SPDX-License-Identifier: MIT
"""O_TMPFILE: files without a name."""
import errno
import os
import stat

from support.sysc import (fails, linkat_fd, opened, read_file, write_file)


def test_unnamed_file_holds_bytes_and_appears_nowhere(view, origin):
    d = origin.dir("d")
    with opened(d, os.O_TMPFILE | os.O_RDWR, 0o600) as fd:
        os.write(fd, b"nameless" * 1000)
        assert os.pread(fd, 8, 4000) == b"nameless"
        assert os.fstat(fd).st_nlink == 0
        assert os.listdir(d) == []


def test_unnamed_file_can_be_named(view, origin):
    d = origin.dir("d")
    with opened(d, os.O_TMPFILE | os.O_RDWR, 0o640) as fd:
        os.write(fd, b"bytes")
        linkat_fd(fd, d / "f")
        assert os.fstat(fd).st_nlink == 1
        os.write(fd, b"more")
    assert read_file(d / "f") == b"bytesmore"
    assert stat.S_IMODE(os.stat(d / "f").st_mode) == 0o640
    view.remount()
    assert read_file(d / "f") == b"bytesmore"


def test_exclusive_unnamed_file_cannot_be_named(view, origin):
    d = origin.dir("d")
    flags = os.O_TMPFILE | os.O_RDWR | os.O_EXCL
    with opened(d, flags, 0o600) as fd:
        os.write(fd, b"x")
        with fails(errno.ENOENT):
            linkat_fd(fd, d / "f")
    assert os.listdir(d) == []


def test_naming_over_an_existing_name_is_eexist(view, origin):
    f = origin.file("f", b"kept")
    with opened(view.top, os.O_TMPFILE | os.O_RDWR, 0o600) as fd:
        with fails(errno.EEXIST):
            linkat_fd(fd, f)
    assert read_file(f) == b"kept"


def test_unnamed_file_belongs_to_its_maker_and_obeys_the_umask(view):
    old = os.umask(0o027)
    try:
        with opened(view.top, os.O_TMPFILE | os.O_WRONLY, 0o666) as fd:
            st = os.fstat(fd)
    finally:
        os.umask(old)
    assert stat.S_IMODE(st.st_mode) == 0o640
    assert st.st_uid == os.geteuid()


def test_unnamed_file_for_reading_only_is_einval(view):
    with fails(errno.EINVAL):
        os.open(view.top, os.O_TMPFILE | os.O_RDONLY)


def test_many_unnamed_files_are_kept_apart(view):
    fds = [os.open(view.top, os.O_TMPFILE | os.O_RDWR, 0o600)
           for _ in range(50)]
    for i, fd in enumerate(fds):
        os.write(fd, b"%04d" % i)
    for i, fd in enumerate(fds):
        assert os.pread(fd, 9, 0) == b"%04d" % i
        os.close(fd)
    write_file(view / "after")
    assert os.listdir(view.top) == ["after"]
