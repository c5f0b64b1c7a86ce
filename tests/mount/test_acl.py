# SPDX-License-Identifier: MIT
"""POSIX ACLs: kept, inherited, masked, enforced."""
import errno
import os
import shutil
import stat

import pytest

from support.sysc import fails, in_child, read_file, write_file
from support.view import run


@pytest.fixture(autouse=True)
def _need_acls(view):
    if not shutil.which("setfacl"):
        pytest.skip("setfacl is missing")
    path = write_file(view.tmp / "probe")
    p = run("setfacl", "-m", "u:1234:r", path, check=False)
    os.unlink(path)
    if p.returncode != 0:
        pytest.skip("the file system below has no ACLs")


def _acl(path, *options):
    text = run("getfacl", "-cnpE", *options, path).text
    return sorted(line for line in text.split("\n") if line)


def test_access_acl_is_kept(view, origin):
    f = origin.file("f", b"x", 0o640)
    run("setfacl", "-m", "u:1234:rw,g:77:r", f)
    want = ["group:77:r--", "group::r--", "mask::rw-", "other::---",
            "user:1234:rw-", "user::rw-"]
    assert _acl(f) == want
    assert stat.S_IMODE(os.stat(f).st_mode) == 0o660
    view.remount()
    assert _acl(f) == want


def test_chmod_changes_the_mask(view, origin):
    f = origin.file("f", b"x", 0o640)
    run("setfacl", "-m", "u:1234:rw", f)
    os.chmod(f, 0o604)
    assert _acl(f) == ["group::r--", "mask::---", "other::r--",
                       "user:1234:rw-", "user::rw-"]


def test_acl_that_a_mode_can_say_becomes_a_mode(view, origin):
    f = origin.file("f", b"x", 0o600)
    run("setfacl", "-m", "g::rw,o::r", f)
    assert stat.S_IMODE(os.stat(f).st_mode) == 0o664
    assert "system.posix_acl_access" not in os.listxattr(f)


def test_removed_acl_leaves_the_mode(view, origin):
    f = origin.file("f", b"x", 0o640)
    run("setfacl", "-m", "u:1234:rw", f)
    run("setfacl", "-b", f)
    assert _acl(f) == ["group::r--", "other::---", "user::rw-"]
    assert stat.S_IMODE(os.stat(f).st_mode) == 0o640


def test_default_acl_is_inherited_by_files_and_directories(view, origin):
    d = origin.dir("d")
    run("setfacl", "-d", "-m", "u::rwx,u:1234:rwx,g::rx,o::-,m::rwx", d)
    old = os.umask(0o077)
    try:
        write_file(d / "f", mode=0o666)
        os.mkdir(d / "e", 0o777)
        os.mkfifo(d / "p", 0o640)
    finally:
        os.umask(old)
    assert _acl(d / "f") == ["group::r-x", "mask::rw-", "other::---",
                             "user:1234:rwx", "user::rw-"]
    assert _acl(d / "p") == ["group::r-x", "mask::r--", "other::---",
                             "user:1234:rwx", "user::rw-"]
    want = ["group::r-x", "mask::rwx", "other::---", "user:1234:rwx",
            "user::rwx"]
    assert _acl(d / "e", "-a") == want
    assert _acl(d / "e", "-d") == want
    view.remount()
    assert _acl(d / "e", "-d") == want


def test_default_acl_overrules_the_umask(view, origin):
    d = origin.dir("d")
    run("setfacl", "-d", "-m", "u::rwx,g::rwx,o::r", d)
    old = os.umask(0o077)
    try:
        write_file(d / "f", mode=0o666)
        os.mkdir(d / "e", 0o777)
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(d / "f").st_mode) == 0o664
    assert stat.S_IMODE(os.stat(d / "e").st_mode) == 0o774


def test_default_acl_goes_to_no_symlink(view, origin):
    d = origin.dir("d")
    run("setfacl", "-d", "-m", "u:1234:rwx", d)
    os.symlink("x", d / "l")
    assert os.lstat(d / "l").st_mode == 0o120777


def test_default_acl_on_a_file_is_eacces(view, origin):
    f = origin.file("f")
    d = origin.dir("d")
    run("setfacl", "-d", "-m", "u:1234:rwx", d)
    value = os.getxattr(d, "system.posix_acl_default")
    with fails(errno.EACCES):
        os.setxattr(f, "system.posix_acl_default", value)


def test_nonsense_is_einval(view, origin):
    f = origin.file("f")
    with fails(errno.EINVAL, errno.EOPNOTSUPP):
        os.setxattr(f, "system.posix_acl_access", b"nonsense")


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_acl_grants_and_denies_other_users(view, origin):
    view.options += ["-o", "allow_other"]
    f = origin.file("f", b"secret", 0o600)
    os.chmod(view.scratch, 0o755)
    with fails(errno.EACCES):
        in_child(lambda: read_file(f), 1234)
    run("setfacl", "-m", "u:1234:r", f)
    assert in_child(lambda: read_file(f), 1234) == "b'secret'"
    with fails(errno.EACCES):
        in_child(lambda: read_file(f), 1235)
    run("setfacl", "-m", "m::-", f)
    with fails(errno.EACCES):
        in_child(lambda: read_file(f), 1234)


def test_old_acl_is_seen_and_inherited(view):
    os.mkdir(view.base / "d")
    run("setfacl", "-m", "u:1234:rwx", "-dm", "u:1234:rwx", view.base / "d")
    write_file(view.base / "f")
    run("setfacl", "-m", "u:1234:rwx", view.base / "f")
    want = _acl(view.base / "f")
    write_file(view / "d/new")
    assert _acl(view / "f") == want
    assert "user:1234:rwx" in _acl(view / "d/new")
    os.chmod(view / "f", 0o600)
    assert "mask::---" in _acl(view / "f")
