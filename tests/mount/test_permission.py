# SPDX-License-Identifier: MIT
"""Permissions are those of a copy of the directory."""
import errno
import os

import pytest

from support.isolate import USER_UID
from support.sysc import (error_of, fails, in_child, opened, read_file,
                          write_file)

OTHER = 4712


@pytest.mark.modes("write", "copy", "kept", people=("user",))
def test_file_without_read_permission_is_eacces(view, origin):
    f = origin.file("f", b"secret", 0o000)
    with fails(errno.EACCES):
        os.open(f, os.O_RDONLY)
    with fails(errno.EACCES):
        os.open(f, os.O_WRONLY)
    os.chmod(f, 0o400)
    with fails(errno.EACCES):
        os.open(f, os.O_WRONLY)
    if origin.is_old and view.is_copy:
        # The daemon runs as that user, with that user's rights on the base.
        with fails(errno.EACCES):
            read_file(f)
        os.chmod(f, 0o000)
    else:
        assert read_file(f) == b"secret"


@pytest.mark.modes("write", "copy", "kept", people=("user",))
def test_directory_without_permission_is_eacces(view, origin):
    d = origin.dir("d")
    origin.file("d/f", b"x")
    os.chmod(d, 0o000)
    with fails(errno.EACCES):
        os.listdir(d)
    with fails(errno.EACCES):
        os.stat(d / "f")
    with fails(errno.EACCES):
        write_file(d / "g")
    os.chmod(d, 0o500)
    assert os.listdir(d) == ["f"]
    with fails(errno.EACCES):
        os.unlink(d / "f")
    with fails(errno.EACCES):
        os.mkdir(d / "e")
    with fails(errno.EACCES):
        os.rename(d / "f", d / "g")
    os.chmod(d, 0o700)
    os.unlink(d / "f")


def _foreign(base):
    """Makes objects of another user inside the base of an ordinary user."""
    write_file(base / "secret", b"root's")
    os.chmod(base / "secret", 0o600)
    write_file(base / "open", b"public" * 1000)
    os.chmod(base / "open", 0o644)
    os.mkdir(base / "closed", 0o700)
    write_file(base / "closed/f", b"x")
    os.mkdir(base / "sticky")
    os.chmod(base / "sticky", 0o1777)
    write_file(base / "sticky/f", b"x")
    for name in ("secret", "open", "closed", "closed/f", "sticky/f"):
        os.chown(base / name, OTHER, OTHER)


@pytest.mark.prepare(function=_foreign)
@pytest.mark.modes("write", "copy", "kept", people=("user",), plain=False)
def test_foreign_files_without_permission_are_eacces_as_on_the_base(view):
    with fails(errno.EACCES):
        os.open(view / "secret", os.O_RDONLY)
    with fails(errno.EACCES):
        os.listdir(view / "closed")
    with fails(errno.EACCES):
        os.stat(view / "closed/f")
    assert read_file(view / "open") == b"public" * 1000
    assert os.stat(view / "secret").st_uid == OTHER
    with fails(errno.EACCES):
        os.open(view / "open", os.O_WRONLY)
    with fails(errno.EPERM):
        os.chmod(view / "open", 0o666)
    with fails(errno.EPERM):
        os.utime(view / "open", ns=(1, 1))
    with fails(errno.EPERM):
        os.unlink(view / "sticky/f")


@pytest.mark.prepare(function=_foreign)
@pytest.mark.modes("copy", "kept", people=("user",), plain=False)
def test_foreign_files_in_an_own_directory_can_be_removed_and_replaced(view):
    """The directory belongs to the user, and so do the names in it, as in a
    copy."""
    os.unlink(view / "secret")
    os.rename(view / "open", view / "moved")
    write_file(view / "open", b"mine")
    assert read_file(view / "moved") == b"public" * 1000
    view.remount()
    assert sorted(os.listdir(view.top)) == ["closed", "moved", "open",
                                            "sticky"]
    assert os.stat(view / "moved").st_uid == OTHER


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_other_users_get_what_the_mode_says(view, origin):
    f = origin.file("f", b"secret", 0o640)
    os.chmod(view.scratch, 0o755)
    with fails(errno.EACCES):
        in_child(lambda: read_file(f), OTHER)
    os.chmod(f, 0o644)
    assert in_child(lambda: read_file(f), OTHER) == "b'secret'"
    with fails(errno.EACCES):
        in_child(lambda: write_file(view / "new"), OTHER)
    os.chown(f, OTHER, OTHER)
    os.chmod(f, 0o600)
    in_child(lambda: os.truncate(f, 3), OTHER)
    assert read_file(f) == b"sec"


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_supplementary_groups_count(view, origin):
    f = origin.file("f", b"secret", 0o040)
    os.chown(f, 0, 4800)
    with fails(errno.EACCES):
        in_child(lambda: read_file(f), OTHER)
    got = in_child(lambda: read_file(f), OTHER, groups=(4800,))
    assert got == "b'secret'"


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_sticky_directory_protects_the_files_of_others(view, origin):
    d = origin.dir("d", 0o1777)
    f = origin.file("d/f", b"x", 0o666)
    os.chown(f, USER_UID, USER_UID)
    with fails(errno.EPERM):
        in_child(lambda: os.unlink(f), OTHER)
    with fails(errno.EPERM):
        in_child(lambda: os.rename(f, d / "g"), OTHER)
    in_child(lambda: os.unlink(f), USER_UID)


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_objects_of_other_users_belong_to_them(view, origin):
    d = origin.dir("d", 0o777)

    os.stat(d)

    def make():
        write_file(d / "f")
        os.mkdir(d / "e")
        os.symlink("x", d / "l")
        os.mkfifo(d / "p")

    in_child(make, OTHER, 4800)
    for name in "felp":
        st = os.lstat(d / name)
        assert (st.st_uid, st.st_gid) == (OTHER, 4800), name


def test_access_says_what_open_does(view, origin):
    files = {mode: origin.file("f%o" % mode, b"x", mode)
             for mode in (0o000, 0o400, 0o200, 0o600, 0o700)}
    for mode, f in files.items():
        for ask, flag in ((os.R_OK, os.O_RDONLY), (os.W_OK, os.O_WRONLY)):
            may = error_of(lambda: os.close(os.open(f, flag))) is None
            assert os.access(f, ask) == may, oct(mode)
        assert os.access(f, os.X_OK) == bool(mode & 0o100)
        os.chmod(f, 0o600)


@pytest.mark.modes("write", "copy", "kept", people=("user",))
def test_bytes_written_before_a_chmod_can_still_be_written_after(view,
                                                                 origin):
    """The right to write is checked at open."""
    f = origin.file("f", b"x" * 10000)
    with opened(f, os.O_RDWR) as fd:
        os.chmod(f, 0o000)
        os.pwrite(fd, b"late", 5000)
        assert os.pread(fd, 4, 5000) == b"late"
    os.chmod(f, 0o600)
    assert read_file(f)[5000:5004] == b"late"
