# SPDX-License-Identifier: MIT
"""Inode flags: chattr(1), lsattr(1), ioctl_iflags(2)."""
import contextlib
import errno
import fcntl
import mmap
import os
import struct

import pytest

from support import isolate, sysc
from support.disk import file_system
from support.sysc import fails, in_child, opened, read_file, write_file
from support.view import View, run

GETFLAGS = 0x80086601
SETFLAGS = 0x40086602
GETVERSION = 0x80087601
GETVERSION_32 = 0x80047601
SETFLAGS_32 = 0x40046602
FSGETXATTR = 0x801c581f
FSSETXATTR = 0x401c5820
FSXATTR = struct.Struct("=IIIII8s")
SYNC, IMMUTABLE, APPEND, NODUMP, NOATIME = 8, 16, 32, 64, 128
JOURNAL_DATA = 0x4000
X_NODUMP = 0x80

DISKS = ("ext4", "xfs", "btrfs", "tmpfs")
MODES = ("read", "write", "copy", "kept")


def _number(path, request):
    with opened(path, os.O_RDONLY | os.O_NONBLOCK) as fd:
        return struct.unpack("=I4x", fcntl.ioctl(fd, request, bytes(8)))[0]


def flags_of(path):
    return _number(path, GETFLAGS)


def set_flags(path, flags, request=SETFLAGS):
    with opened(path, os.O_RDONLY | os.O_NONBLOCK) as fd:
        fcntl.ioctl(fd, request, struct.pack("=I4x", flags))


def fsxattr_of(path):
    with opened(path, os.O_RDONLY) as fd:
        return FSXATTR.unpack(fcntl.ioctl(fd, FSGETXATTR, bytes(28)))


def set_fsxattr(path, *values):
    with opened(path, os.O_RDONLY) as fd:
        fcntl.ioctl(fd, FSSETXATTR, FSXATTR.pack(*values))


@contextlib.contextmanager
def view_on(kind, scratch, mode):
    """A view whose base and store are on a file system of this kind."""
    with file_system(scratch, kind) as disk:
        view = View(disk, mode)
        view.options = ["-o", "allow_other"]
        try:
            yield view
            view.finish()
        finally:
            view.give_up()
            run("chattr", "-R", "-f", "-i", "-a", view.base, check=False)


@pytest.mark.root
@pytest.mark.parametrize("kind", DISKS)
def test_write_view_has_the_bases_flags(scratch, kind):
    with view_on(kind, scratch, "write") as view:
        write_file(view.base / "f", b"x")
        (view.base / "d").mkdir()
        for name in ("f", "d"):
            assert flags_of(view / name) == flags_of(view.base / name)
            assert fsxattr_of(view / name) == fsxattr_of(view.base / name)
        before = flags_of(view.base / "f")
        set_flags(view / "f", before | NODUMP | NOATIME)
        assert flags_of(view.base / "f") == before | NODUMP | NOATIME
        assert flags_of(view / "f") == before | NODUMP | NOATIME
        set_flags(view / "f", before)
        assert flags_of(view.base / "f") == before
        x = fsxattr_of(view / "f")
        set_fsxattr(view / "f", x[0] | X_NODUMP, *x[1:])
        assert fsxattr_of(view.base / "f")[0] == x[0] | X_NODUMP


@pytest.mark.root
@pytest.mark.parametrize("kind", DISKS)
def test_immutable_file_of_a_write_view_is_immutable(scratch, kind):
    with view_on(kind, scratch, "write") as view:
        write_file(view / "f", b"x")
        run("chattr", "+i", view / "f")
        assert "i" in run("lsattr", view.base / "f").text.split()[0]
        for change in (lambda: write_file(view / "f", b"y"),
                       lambda: os.unlink(view / "f"),
                       lambda: os.rename(view / "f", view / "g"),
                       lambda: os.chmod(view / "f", 0o600),
                       lambda: os.link(view / "f", view / "g"),
                       lambda: os.truncate(view / "f", 0)):
            with fails(errno.EPERM, errno.EACCES):
                change()
        run("chattr", "-i", view / "f")
        write_file(view / "f", b"y")


@pytest.mark.root
@pytest.mark.parametrize("kind", DISKS)
def test_append_only_file_of_a_write_view_can_be_appended_to(scratch, kind):
    with view_on(kind, scratch, "write") as view:
        write_file(view / "f", b"one ")
        run("chattr", "+a", view / "f")
        with opened(view / "f", os.O_WRONLY | os.O_APPEND) as fd:
            os.write(fd, b"two ")
            os.write(fd, b"three")
        assert read_file(view / "f") == b"one two three"
        for change in (lambda: os.open(view / "f", os.O_WRONLY),
                       lambda: os.truncate(view / "f", 0),
                       lambda: os.unlink(view / "f")):
            with fails(errno.EPERM):
                change()
        with opened(view / "f", os.O_RDWR | os.O_APPEND) as fd:
            with fails(errno.EACCES, errno.ENODEV):
                mmap.mmap(fd, 13)
        assert read_file(view.base / "f") == b"one two three"
        run("chattr", "-a", view / "f")


def _as_user(function, uid=isolate.USER_UID):
    """Calls the function as an ordinary user; returns the name of the errno,
    or None."""
    return sysc.error_of(in_child, function, uid, uid)


@pytest.mark.root
@pytest.mark.parametrize("kind", DISKS)
@pytest.mark.parametrize("mode", ("write", "copy"))
def test_roots_daemon_gives_nobody_more_rights(scratch, kind, mode):
    with view_on(kind, scratch, mode) as view:
        view.base_stays = False
        for name, uid in (("own", isolate.USER_UID), ("other", 0)):
            write_file(view.base / name, b"x")
            os.chown(view.base / name, uid, uid)
        os.chmod(scratch, 0o755)
        before = flags_of(view.base / "own")
        top = view.top

        def attempt(name, flags, request=SETFLAGS):
            return _as_user(lambda: set_flags(os.path.join(top, name), flags,
                                              request))

        assert attempt("other", before | NODUMP) in ("EPERM", "EACCES")
        for privileged in (IMMUTABLE, APPEND, IMMUTABLE | APPEND):
            assert attempt("own", before | privileged) == "EPERM"
        assert attempt("own", before | JOURNAL_DATA) in \
            ("EPERM", "ENOTSUP")
        # The kernel does not check this request, so the daemon must refuse it.
        for request in (SETFLAGS_32, 0x40047602, 0x40087602):
            assert attempt("own", before | IMMUTABLE, request) in \
                ("ENOTTY", "ENOTSUP", "EINVAL")
        assert flags_of(view.base / "own") == before
        assert flags_of(view.base / "other") == before
        if mode == "write":
            assert attempt("own", before | NODUMP) is None
            assert flags_of(view.base / "own") == before | NODUMP
            # Another user set it, and the owner cannot clear it.
            run("chattr", "+i", view.base / "own")
            assert attempt("own", before) == "EPERM"
            assert flags_of(view.base / "own") & IMMUTABLE


@pytest.mark.root
@pytest.mark.parametrize("kind", DISKS)
def test_who_owned_a_file_a_moment_ago_cannot_set_its_flags(scratch, kind):
    """The kernel checks the owner that it has cached, the base checks the
    present one."""
    with view_on(kind, scratch, "write") as view:
        write_file(view.base / "f", b"x")
        os.chown(view.base / "f", isolate.USER_UID, isolate.USER_UID)
        before = flags_of(view.base / "f")
        with opened(view / "f", os.O_RDONLY) as fd:
            os.fstat(fd)
            os.chown(view.base / "f", 0, 0)
            assert _as_user(lambda: fcntl.ioctl(
                fd, SETFLAGS, struct.pack("=I4x", before | NODUMP))) == "EPERM"
        assert flags_of(view.base / "f") == before


@pytest.mark.root
@pytest.mark.parametrize("kind", DISKS)
@pytest.mark.parametrize("mode", MODES)
def test_lsattr_and_copies_work_in_every_mode(scratch, kind, mode):
    with view_on(kind, scratch, mode) as view:
        (view.base / "d/e").mkdir(parents=True)
        write_file(view.base / "d/f", b"bytes")
        os.symlink("f", view.base / "d/l")
        os.mkfifo(view.base / "d/p")
        os.setxattr(view.base / "d/f", "user.a", b"1")
        said = run("lsattr", "-R", view / "d").text
        assert "d/f" in said and "d/e" in said
        for bad in ("Inappropriate", "not permitted", "Invalid"):
            assert not [line for line in said.splitlines() if bad in line]
        there = run("lsattr", "-d", "-v", view.base / "d", check=False)
        run("lsattr", "-d", "-v", view / "d", check=there.returncode == 0)
        run("cp", "-a", view / "d", scratch / "out")
        run("rsync", "-aX", str(view / "d") + "/", scratch / "out2/")
        assert read_file(scratch / "out2/f") == b"bytes"
        if mode != "read":
            run("cp", "-a", view / "d", view / "d2")
            run("rsync", "-aX", str(view / "d") + "/", str(view / "d3/"))
            assert read_file(view / "d3/f") == b"bytes"
            assert os.getxattr(view / "d3/f", "user.a") == b"1"
            run("lsattr", "-R", view / "d2")


@pytest.mark.root
@pytest.mark.parametrize("kind", DISKS)
@pytest.mark.parametrize("mode", ("copy", "kept"))
def test_copy_view_accepts_no_flag_that_it_would_not_keep(scratch, kind, mode):
    with view_on(kind, scratch, mode) as view:
        write_file(view.base / "f", b"x")
        run("chattr", "+d", view.base / "f")
        before = flags_of(view.base / "f")
        write_file(view / "new", b"x")
        assert flags_of(view / "new") == 0
        assert flags_of(view / "f") == NODUMP
        for name, now in (("f", NODUMP), ("new", 0)):
            set_flags(view / name, now)
            for more in (IMMUTABLE, APPEND, SYNC, NOATIME):
                with fails(errno.EOPNOTSUPP):
                    set_flags(view / name, now | more)
            x = fsxattr_of(view / name)
            set_fsxattr(view / name, *x)
            with fails(errno.EOPNOTSUPP):
                set_fsxattr(view / name, x[0] ^ X_NODUMP, *x[1:])
            with fails(errno.EOPNOTSUPP):
                set_fsxattr(view / name, *x[:3], 7, *x[4:])
        write_file(view / "f", b"changed")
        assert flags_of(view / "f") == NODUMP
        assert flags_of(view.base / "f") == before


@pytest.mark.root
@pytest.mark.parametrize("mode", ("copy", "kept"))
def test_copy_view_of_an_immutable_file_can_change_it(scratch, mode):
    """So the view does not show the flag, which would claim the opposite."""
    with view_on("ext4", scratch, mode) as view:
        write_file(view.base / "f", b"x")
        run("chattr", "+i", view.base / "f")
        assert not flags_of(view / "f") & (IMMUTABLE | APPEND)
        write_file(view / "f", b"yy")
        assert read_file(view / "f") == b"yy"
        os.unlink(view / "f")


@pytest.mark.root
@pytest.mark.parametrize("kind", DISKS)
def test_read_view_shows_flags_and_sets_none(scratch, kind):
    with view_on(kind, scratch, "read") as view:
        write_file(view.base / "f", b"x")
        run("chattr", "+i", view.base / "f")
        now = flags_of(view.base / "f")
        assert flags_of(view / "f") == now
        with fails(errno.EROFS):
            set_flags(view / "f", now & ~IMMUTABLE)
        assert flags_of(view.base / "f") == now


@pytest.mark.root
@pytest.mark.parametrize("mode", MODES)
def test_version_of_a_file_is_answered(scratch, mode):
    with view_on("ext4", scratch, mode) as view:
        write_file(view.base / "f", b"x")
        there = _number(view.base / "f", GETVERSION)
        here = _number(view / "f", GETVERSION)
        assert here == _number(view / "f", GETVERSION_32)
        if mode in ("read", "write"):
            assert here == there


@pytest.mark.modes("read", "write", "copy", "kept", people=("user",),
                   plain=False)
def test_flags_work_in_an_ordinary_users_view(view):
    write_file(view.base / "f", b"x")
    before = flags_of(view.base / "f")
    seen = flags_of(view / "f")
    if view.mode == "write":
        set_flags(view / "f", before | NODUMP)
        assert flags_of(view.base / "f") == before | NODUMP
        with fails(errno.EPERM):
            set_flags(view / "f", before | IMMUTABLE)
    else:
        assert seen == before & (NODUMP | NOATIME) or view.mode == "read"
        with fails(errno.EOPNOTSUPP, errno.EROFS):
            set_flags(view / "f", seen | NODUMP)


@pytest.mark.modes("read", "write", "copy", "kept", people=("root",),
                   plain=False)
def test_other_ioctls_are_refused(view):
    write_file(view.base / "f", b"x")
    for request in (0x40047602, 0x40087602, 0x5401, 0xc0044d77):
        with fails(errno.ENOTTY):
            with opened(view / "f", os.O_RDONLY) as fd:
                fcntl.ioctl(fd, request, bytes(8))
