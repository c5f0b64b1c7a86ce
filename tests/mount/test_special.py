# SPDX-License-Identifier: MIT
"""Fifos, sockets and devices."""
import errno
import os
import socket
import stat

import pytest

from support.sysc import fails, read_file


def test_fifo_carries_bytes_between_processes(view, origin):
    p = origin.make("p", os.mkfifo)
    path = os.fspath(p)
    assert stat.S_ISFIFO(os.lstat(path).st_mode)
    pid = os.fork()
    if pid == 0:
        with open(path, "wb") as f:
            f.write(b"through")
        os._exit(0)
    with open(path, "rb") as f:
        assert f.read() == b"through"
    os.waitpid(pid, 0)


def test_unix_socket_can_be_bound_and_reached(view):
    os.chdir(view.top)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        assert stat.S_ISSOCK(os.lstat("s").st_mode)
        server.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("s")
            peer, _ = server.accept()
            peer.send(b"hi")
            peer.close()
            assert client.recv(10) == b"hi"
    os.chdir("/")


def test_old_socket_file_is_shown_as_one(view):
    old = os.getcwd()
    os.chdir(view.base)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
    os.chdir(old)
    assert stat.S_ISSOCK(os.lstat(view / "s").st_mode)
    os.rename(view / "s", view / "t")
    view.remount()
    assert stat.S_ISSOCK(os.lstat(view / "t").st_mode)


@pytest.mark.modes("write", "copy", "kept", people=("root",))
@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK])
def test_device_numbers_are_kept(view, origin, kind):
    number = os.makedev(123, 456789)
    d = origin.make("d", lambda p: os.mknod(p, kind | 0o600, number))
    st = os.lstat(d)
    assert stat.S_IFMT(st.st_mode) == kind
    assert st.st_rdev == number
    os.chmod(d, 0o640)
    view.remount()
    assert os.lstat(d).st_rdev == number
    assert stat.S_IMODE(os.lstat(d).st_mode) == 0o640


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_character_device_0_0_is_an_ordinary_device(view, origin):
    """To overlayfs it is a whiteout; to mapfs it has no special meaning."""
    d = origin.make("d", lambda p: os.mknod(p, stat.S_IFCHR | 0o600, 0))
    assert stat.S_ISCHR(os.lstat(d).st_mode)
    assert os.listdir(view.top) == ["d"]


@pytest.mark.modes("write", "copy", "kept", people=("user",))
def test_device_made_by_a_user_is_eperm(view):
    with fails(errno.EPERM):
        os.mknod(view / "d", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    assert os.listdir(view.top) == []


def test_mknod_makes_a_regular_file(view):
    os.mknod(view / "f", stat.S_IFREG | 0o640)
    st = os.stat(view / "f")
    assert stat.S_IMODE(st.st_mode) == 0o640 and st.st_size == 0


def test_mknod_over_an_existing_name_is_eexist(view, origin):
    f = origin.file("f", b"kept")
    with fails(errno.EEXIST):
        os.mkfifo(f)
    assert read_file(f) == b"kept"


def test_special_files_can_be_renamed_linked_and_removed(view, origin):
    origin.make("p", os.mkfifo)
    os.link(view / "p", view / "q")
    os.rename(view / "p", view / "r")
    assert os.lstat(view / "q").st_nlink == 2
    os.unlink(view / "q")
    assert os.listdir(view.top) == ["r"]
    assert stat.S_ISFIFO(os.lstat(view / "r").st_mode)


def test_fifo_has_its_own_times_and_mode(view, origin):
    p = origin.make("p", os.mkfifo)
    os.chmod(p, 0o611)
    os.utime(p, ns=(5, 6))
    view.remount()
    st = os.lstat(p)
    assert stat.S_IMODE(st.st_mode) == 0o611
    assert st.st_mtime_ns == 6


def test_opening_a_socket_is_enxio(view, origin):
    s = origin.make("s", lambda p: os.mknod(p, stat.S_IFSOCK | 0o600))
    with fails(errno.ENXIO):
        os.open(s, os.O_RDONLY)
