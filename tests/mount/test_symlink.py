# SPDX-License-Identifier: MIT
"""Symbolic links."""
import errno
import os

import pytest

from support.sysc import fails, read_file, write_file


def _link(target):
    return lambda path: os.symlink(target, path)


@pytest.mark.parametrize("target", [
    "f", "../x/y", "/nowhere/at/all", "x" * 1000, b"\xff\xfe\n".decode(
        errors="surrogateescape"), "a" * 4000],
    ids=["name", "relative", "absolute", "long", "bytes", "longest"])
def test_target_is_kept_byte_for_byte(view, origin, target):
    link = origin.make("l", _link(target))
    assert os.readlink(link) == target
    assert os.lstat(link).st_size == len(os.fsencode(target))
    view.remount()
    assert os.readlink(link) == target


def test_link_leads_to_its_target(view, origin):
    origin.dir("d")
    origin.file("d/f", b"target")
    link = origin.make("l", _link("d/f"))
    assert read_file(link) == b"target"
    write_file(link, b"changed")
    assert read_file(view / "d/f") == b"changed"


def test_dangling_link_is_enoent_to_follow(view, origin):
    link = origin.make("l", _link("missing"))
    with fails(errno.ENOENT):
        os.stat(link)
    os.lstat(link)


def test_loop_of_links_is_eloop(view, origin):
    a = origin.make("a", _link("b"))
    origin.make("b", _link("a"))
    with fails(errno.ELOOP):
        os.stat(a)


def test_symlink_over_an_existing_name_is_eexist(view, origin):
    f = origin.file("f", b"kept")
    with fails(errno.EEXIST):
        os.symlink("x", f)
    assert read_file(f) == b"kept"


def test_readlink_of_a_file_is_einval(view, origin):
    f = origin.file("f")
    with fails(errno.EINVAL):
        os.readlink(f)


def test_removing_a_link_leaves_its_target(view, origin):
    f = origin.file("f", b"kept")
    link = origin.make("l", _link("f"))
    os.unlink(link)
    assert read_file(f) == b"kept"
    assert os.listdir(view.top) == ["f"]


def test_opening_a_link_with_nofollow_is_eloop(view, origin):
    origin.file("f")
    link = origin.make("l", _link("f"))
    with fails(errno.ELOOP):
        os.open(link, os.O_RDONLY | os.O_NOFOLLOW)


def test_link_out_of_the_base_is_followed_by_the_caller_not_the_daemon(view):
    """[S2] The daemon returns the link's text; the kernel follows it for the
    caller."""
    outside = view.tmp / "outside"
    write_file(outside, b"outside")
    os.symlink(outside, view.base / "l")
    os.symlink("../tmp/outside", view.base / "m")
    assert read_file(view / "l") == b"outside"
    assert read_file(view / "m") == b"outside"
    os.unlink(view / "m")
    assert read_file(outside) == b"outside"
    os.unlink(outside)


def test_link_to_a_directory_is_walked(view, origin):
    origin.dir("d")
    origin.file("d/f", b"x")
    link = origin.make("l", _link("d"))
    assert os.listdir(link) == ["f"]
    os.unlink(os.path.join(link, "f"))
    assert os.listdir(view / "d") == []
