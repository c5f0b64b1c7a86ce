# SPDX-License-Identifier: MIT
"""Extended attributes, in all namespaces that the caller may use."""
import errno
import os

import pytest

from support.sysc import fails, opened, read_file, write_file

KINDS = {"file": lambda o: o.file("f", b"bytes"), "dir": lambda o: o.dir("f")}


@pytest.fixture(params=sorted(KINDS))
def thing(request, origin):
    return KINDS[request.param](origin)


def _skip_without_user_xattrs(view):
    path = write_file(view.tmp / "probe")
    try:
        os.setxattr(path, "user.probe", b"1")
    except OSError as e:
        assert e.errno == errno.EOPNOTSUPP
        pytest.skip("the file system below has no user xattrs")
    finally:
        os.unlink(path)


def test_value_is_read_back_exactly(view, thing):
    _skip_without_user_xattrs(view)
    for value in (b"", b"1", bytes(range(256)), b"x" * 1000):
        os.setxattr(thing, "user.a", value)
        assert os.getxattr(thing, "user.a") == value
    view.remount()
    assert os.getxattr(thing, "user.a") == b"x" * 1000


def test_list_names_exactly_what_is_set(view, thing):
    _skip_without_user_xattrs(view)
    for i in range(10):
        os.setxattr(thing, f"user.n{i}", b"%d" % i)
    os.removexattr(thing, "user.n3")
    want = sorted(f"user.n{i}" for i in range(10) if i != 3)
    assert sorted(n for n in os.listxattr(thing)
                  if n.startswith("user.")) == want


def test_missing_attribute_is_enodata(view, thing):
    _skip_without_user_xattrs(view)
    with fails(errno.ENODATA):
        os.getxattr(thing, "user.missing")
    with fails(errno.ENODATA):
        os.removexattr(thing, "user.missing")


def test_create_and_replace_flags_are_obeyed(view, thing):
    _skip_without_user_xattrs(view)
    with fails(errno.ENODATA):
        os.setxattr(thing, "user.a", b"1", os.XATTR_REPLACE)
    os.setxattr(thing, "user.a", b"1", os.XATTR_CREATE)
    with fails(errno.EEXIST):
        os.setxattr(thing, "user.a", b"2", os.XATTR_CREATE)
    os.setxattr(thing, "user.a", b"3", os.XATTR_REPLACE)
    assert os.getxattr(thing, "user.a") == b"3"


def test_old_attributes_can_be_changed_added_and_removed(view):
    _skip_without_user_xattrs(view)
    f = write_file(view.base / "f", b"bytes")
    for name in ("kept", "changed", "gone"):
        os.setxattr(f, "user." + name, b"old")
    os.setxattr(view / "f", "user.changed", b"new")
    os.removexattr(view / "f", "user.gone")
    os.setxattr(view / "f", "user.added", b"new")
    view.remount()
    got = {n: os.getxattr(view / "f", n) for n in os.listxattr(view / "f")
           if n.startswith("user.")}
    assert got == {"user.kept": b"old", "user.changed": b"new",
                   "user.added": b"new"}
    assert read_file(view / "f") == b"bytes"


def test_attributes_follow_a_rename(view, thing):
    _skip_without_user_xattrs(view)
    os.setxattr(thing, "user.a", b"1")
    os.rename(thing, view / "g")
    assert os.getxattr(view / "g", "user.a") == b"1"


def test_recreated_name_has_no_old_attributes(view, origin):
    _skip_without_user_xattrs(view)
    f = origin.file("f")
    os.setxattr(f, "user.a", b"1")
    os.unlink(f)
    write_file(f)
    with fails(errno.ENODATA):
        os.getxattr(f, "user.a")


def test_value_too_large_is_refused_and_changes_nothing(view, thing):
    _skip_without_user_xattrs(view)
    os.setxattr(thing, "user.a", b"1")
    with fails(errno.E2BIG, errno.ENOSPC, errno.ERANGE):
        os.setxattr(thing, "user.a", b"x" * 65537)
    assert os.getxattr(thing, "user.a") == b"1"


@pytest.mark.modes("copy", "kept", plain=False)
def test_value_of_64_kib_fits_whatever_the_base_can(view, thing):
    os.setxattr(thing, "user.big", b"x" * 65536)
    view.remount()
    assert os.getxattr(thing, "user.big") == b"x" * 65536


def test_setting_changes_ctime_and_not_mtime(view, thing):
    _skip_without_user_xattrs(view)
    before = os.stat(thing)
    os.setxattr(thing, "user.a", b"1")
    after = os.stat(thing)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert after.st_ctime_ns >= before.st_ctime_ns


def test_user_attribute_of_a_symlink_is_eperm(view, origin):
    link = origin.make("l", lambda p: os.symlink("x", p))
    with fails(errno.EPERM):
        os.setxattr(link, "user.a", b"1", follow_symlinks=False)


def test_unknown_namespace_is_eopnotsupp(view, thing):
    with fails(errno.EOPNOTSUPP):
        os.setxattr(thing, "nonsense.a", b"1")


def test_open_file_shows_attributes_set_by_path(view, origin):
    _skip_without_user_xattrs(view)
    f = origin.file("f")
    with opened(f, os.O_RDONLY) as fd:
        os.setxattr(f, "user.a", b"1")
        assert os.getxattr(fd, "user.a") == b"1"
        os.setxattr(fd, "user.b", b"2")
    assert os.getxattr(f, "user.b") == b"2"


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_trusted_and_security_attributes_work_for_root(view, thing):
    os.setxattr(thing, "trusted.a", b"t")
    os.setxattr(thing, "security.a", b"s")
    view.remount()
    assert os.getxattr(thing, "trusted.a") == b"t"
    assert os.getxattr(thing, "security.a") == b"s"
    assert {"trusted.a", "security.a"} <= set(os.listxattr(thing))


@pytest.mark.modes("write", "copy", "kept", people=("user",))
def test_trusted_attributes_are_eperm_and_unseen_for_a_user(view, thing):
    with fails(errno.EPERM):
        os.setxattr(thing, "trusted.a", b"1")
    with fails(errno.ENODATA, errno.EPERM):
        os.getxattr(thing, "trusted.a")


@pytest.mark.modes("write", "copy", "kept", people=("root",))
@pytest.mark.parametrize("change", ["write", "truncate", "chown"])
def test_file_capabilities_are_dropped_by_a_change(view, origin, change):
    caps = bytes.fromhex("0100000200200000000000000000000000000000")
    f = origin.file("f", b"program", 0o755)
    try:
        os.setxattr(f, "security.capability", caps)
    except OSError as e:
        assert e.errno == errno.EOPNOTSUPP
        pytest.skip("no file capabilities here")
    assert os.getxattr(f, "security.capability")[:4] == caps[:4]
    if change == "write":
        with opened(f, os.O_WRONLY) as fd:
            os.write(fd, b"P")
    elif change == "truncate":
        os.truncate(f, 3)
    else:
        os.chown(f, 1, 1)
    with fails(errno.ENODATA):
        os.getxattr(f, "security.capability")


def test_many_attributes_survive(view, thing):
    _skip_without_user_xattrs(view)
    want = {f"user.attribute{i}": b"v%d" % i for i in range(30)}
    for name, value in want.items():
        os.setxattr(thing, name, value)
    view.remount()
    got = {n: os.getxattr(thing, n) for n in os.listxattr(thing)
           if n.startswith("user.")}
    assert got == want
