# SPDX-License-Identifier: MIT
"""An unlinked file stays usable as long as it is open."""
import os

import pytest

from support import sysc
from support.sysc import opened, write_file

OLD = bytes(range(1, 251)) * 100


@pytest.mark.parametrize("touched", [False, True],
                         ids=["unread", "read-before"])
def test_unlinked_file_is_read_whole(view, origin, touched):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDONLY) as fd:
        if touched:
            os.pread(fd, 1, 0)
        os.unlink(f)
        assert os.pread(fd, len(OLD) + 1, 0) == OLD
        assert os.fstat(fd).st_nlink == 0
        assert os.listdir(view.top) == []


def test_unlinked_file_can_be_written_truncated_and_grown(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        os.unlink(f)
        os.pwrite(fd, b"new", 10000)
        assert os.pread(fd, 5, 9999) == OLD[9999:10000] + b"new" + \
            OLD[10003:10004]
        os.ftruncate(fd, 100)
        os.ftruncate(fd, 200)
        os.fsync(fd)
        assert os.pread(fd, 300, 0) == OLD[:100] + bytes(100)
        assert os.fstat(fd).st_size == 200


def test_unlinked_file_keeps_its_attributes_changeable(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        os.unlink(f)
        os.fchmod(fd, 0o600)
        os.utime(fd, ns=(1, 2))
        st = os.fstat(fd)
        assert st.st_mode & 0o777 == 0o600
        assert st.st_mtime_ns == 2


def test_new_file_of_the_same_name_is_another_one(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as old:
        os.unlink(f)
        write_file(f, b"other")
        os.pwrite(old, b"!!", 0)
        with opened(f, os.O_RDONLY) as new:
            assert os.read(new, 10) == b"other"
            assert os.fstat(new).st_ino != os.fstat(old).st_ino
        assert os.pread(old, 3, 0) == b"!!" + OLD[2:3]


def test_unlinked_file_survives_pressure_on_the_caches(view, origin):
    f = origin.file("f", OLD)
    with opened(f, os.O_RDWR) as fd:
        os.pwrite(fd, b"mine", 5)
        os.unlink(f)
        sysc.syncfs(view.top)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        for i in range(200):
            write_file(view / f"n{i}", b"x" * 5000)
        want = OLD[:5] + b"mine" + OLD[9:]
        assert os.pread(fd, len(OLD), 0) == want


def test_unlinked_directory_can_still_be_listed(view, origin):
    d = origin.dir("d")
    with opened(d, os.O_RDONLY) as fd:
        os.rmdir(d)
        assert os.listdir(fd) == []
        assert os.fstat(fd).st_nlink in (0, 1)


def test_many_unlinked_files_stay_apart(view, origin):
    fds = []
    for i in range(100):
        f = origin.file(f"f{i}", b"%03d" % i * 2000)
        if not origin.is_old:
            fds.append(os.open(f, os.O_RDONLY))
            os.unlink(f)
    if origin.is_old:
        for i in range(100):
            fds.append(os.open(view / f"f{i}", os.O_RDONLY))
            os.unlink(view / f"f{i}")
    for i, fd in enumerate(fds):
        assert os.pread(fd, 9000, 0) == b"%03d" % i * 2000
        os.close(fd)
    assert os.listdir(view.top) == []


@pytest.mark.modes("kept", people=("root",), plain=False)
def test_closing_an_unlinked_file_gives_its_space_back(view):
    for _ in range(8):
        with opened(view / "f", os.O_RDWR | os.O_CREAT) as fd:
            os.write(fd, os.urandom(8 << 20))
            os.fsync(fd)
            os.unlink(view / "f")
    with opened(view / "g", os.O_RDWR | os.O_CREAT) as fd:
        os.write(fd, b"x")
        os.fsync(fd)
        os.fsync(fd)
    assert view.stored_bytes() < 40 << 20


@pytest.mark.modes("kept", plain=False)
def test_file_unlinked_while_open_is_gone_after_a_kill(view):
    fd = os.open(view / "f", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"x" * 100000)
    os.fsync(fd)
    os.unlink(view / "f")
    view.kill()
    view.mount()
    assert os.listdir(view.top) == []
    write_file(view / "g", b"after")
