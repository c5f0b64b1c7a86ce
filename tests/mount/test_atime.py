# SPDX-License-Identifier: MIT
"""Access times of the base under a write view."""
import mmap
import os
import time

import pytest

from support import sysc
from support.sysc import read_file, write_file
from support.view import run

OLD = 10**18		# ns; long before all other times of the files
BIG = 1 << 20		# larger than what the daemon reads with pread


def age(path, atime=OLD):
    st = os.lstat(path)
    os.utime(path, ns=(atime, st.st_mtime_ns), follow_symlinks=False)


def atime(path):
    return os.lstat(path).st_atime_ns


def make(base):
    """Makes one object of each kind whose access time a read can change."""
    write_file(base / "small", b"x" * 100)
    write_file(base / "big", b"x" * BIG)
    os.mkdir(base / "d")
    write_file(base / "d/inside", b"y" * 100)
    os.symlink("small", base / "link")
    for name in "small", "big", "d/inside", "link", "d", ".":
        age(base / name)


def read_all(view):
    os.listdir(view.top)
    os.listdir(view / "d")
    os.readlink(view / "link")
    read_file(view / "link")
    read_file(view / "d/inside")
    read_file(view / "big")
    with open(view / "big", "rb") as f:
        f.seek(BIG - 10)
        f.read()
        with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
            assert m[BIG // 2] == ord("x")
        with open(view / "copy", "wb") as out:
            os.copy_file_range(f.fileno(), out.fileno(), BIG, 0)
    run("grep", "-r", "z", view.top, check=False)


def moved(base, names):
    return [n for n in names if atime(base / n) != OLD]


def stay_on(path, flags):
    """Mounts a file system with its own rules for access times over `path`."""
    sysc.mount("none", path, "tmpfs", flags, "mode=755")


@pytest.mark.modes("write", people=("root",), plain=False)
def test_noatime_leaves_every_access_time_alone(view):
    view.options += ["-o", "noatime"]
    make(view.base)
    read_all(view)
    # Files that are made in the view are no exception.
    with open(view / "new", "w+b") as f:
        f.write(b"x" * 5000)
        f.flush()
        os.utime(view / "new", ns=(OLD, OLD))
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        f.seek(0)
        f.read()
    assert moved(view.base, ["small", "big", "d/inside", "link", "d", ".",
                             "new"]) == []
    assert os.statvfs(view.top).f_flag & os.ST_NOATIME


@pytest.mark.modes("write", people=("user",), plain=False)
def test_noatime_of_a_user_leaves_its_own_files_alone(view):
    """Symbolic links are an exception, as the README says."""
    view.options += ["-o", "noatime"]
    make(view.base)
    os.listdir(view / "d")
    read_file(view / "d/inside")
    read_file(view / "big")
    with open(view / "big", "rb") as f:
        f.seek(BIG - 10)
        f.read()
    os.listdir(view.top)
    assert moved(view.base, ["small", "big", "d/inside", "d", "."]) == []


@pytest.mark.modes("write", plain=False)
def test_nodiratime_is_about_directories_only(view):
    view.options += ["-o", "nodiratime"]
    make(view.base)
    os.listdir(view.top)
    os.listdir(view / "d")
    read_file(view / "d/inside")
    assert moved(view.base, ["d/inside", "d", "."]) == ["d/inside"]


@pytest.mark.modes("write", plain=False)
def test_reading_moves_access_times_as_relatime_does(view):
    make(view.base)
    read_all(view)
    for name in "small", "big", "d/inside", "link", "d":
        assert atime(view.base / name) != OLD, name
    # And not again, until there is something new to read.
    names = ["small", "big", "d/inside", "d"]
    times = [atime(view.base / n) for n in names]
    time.sleep(0.02)
    read_all(view)
    assert [atime(view.base / n) for n in names] == times


@pytest.mark.modes("write", plain=False)
@pytest.mark.parametrize("size", [100, BIG])
def test_reading_what_was_written_in_the_view_counts_too(view, size):
    """The kernel's cache has the bytes, so the read does not reach the
    base."""
    write_file(view / "f", b"x" * size)
    os.utime(view / "f", ns=(OLD, OLD + 5))
    with open(view / "f", "rb") as f:
        f.seek(size - 10)
        assert f.read() == b"x" * 10
    assert atime(view.base / "f") > OLD + 5
    before = atime(view.base / "f")
    time.sleep(0.02)
    read_file(view / "f")
    assert atime(view.base / "f") == before
    with open(view / "f", "r+b") as f:
        f.seek(size - 5)
        f.write(b"y")
    with open(view / "f", "rb") as f:
        f.seek(size - 10)
        f.read()
    assert atime(view.base / "f") > before


@pytest.mark.modes("write", people=("root",), plain=False)
def test_base_mounted_noatime_stays_so(view):
    stay_on(view.base, 1024)
    make(view.base)
    read_all(view)
    assert moved(view.base, ["small", "big", "d/inside", "link", "d"]) == []


@pytest.mark.modes("write", people=("root",), plain=False)
def test_relatime_is_what_it_says_whatever_the_base_has(view):
    stay_on(view.base, 1024)
    view.options += ["-o", "relatime"]
    make(view.base)
    read_all(view)
    assert moved(view.base, ["big", "d/inside", "link", "d"]) == \
        ["big", "d/inside", "link", "d"]


@pytest.mark.modes("write", people=("user",), plain=False)
def test_last_word_on_access_times_counts(view):
    view.options += ["-o", "noatime,nodiratime,atime,diratime"]
    make(view.base)
    os.listdir(view / "d")
    read_file(view / "d/inside")
    assert moved(view.base, ["d/inside", "d"]) == ["d/inside", "d"]
    assert not os.statvfs(view.top).f_flag & os.ST_NOATIME


@pytest.mark.modes("write", people=("root",), plain=False)
def test_write_view_with_noatime_changes_the_base_like_any_other(view):
    """The view reads through a clone of the base's mount; writes must not be
    affected."""
    view.options += ["-o", "noatime"]
    make(view.base)
    os.rename(view / "small", view / "d/moved")
    os.link(view / "d/moved", view / "second")
    fd = os.open(view.top, os.O_TMPFILE | os.O_RDWR)
    os.write(fd, b"named later")
    sysc.linkat_fd(fd, view / "late")
    os.close(fd)
    os.unlink(view / "link")
    assert read_file(view.base / "late") == b"named later"
    assert os.stat(view.base / "second").st_nlink == 2
    assert not os.path.lexists(view.base / "link")
