# SPDX-License-Identifier: MIT
"""Hard links [C2]: one inode under many names, in the base and in the view."""
import errno
import os

import pytest

from support import tree
from support.sysc import fails, in_child, opened, read_file, write_file


def _two_names(origin):
    f = origin.file("a", b"one")
    origin.make("b", lambda p: os.link(os.path.join(os.path.dirname(p), "a"),
                                       p))
    return f


def test_write_through_one_name_is_seen_under_the_other(view, origin):
    _two_names(origin)
    assert read_file(view / "b") == b"one"
    with opened(view / "a", os.O_WRONLY) as fd:
        os.write(fd, b"TWO")
    assert read_file(view / "b") == b"TWO"
    assert os.stat(view / "a").st_ino == os.stat(view / "b").st_ino
    assert os.stat(view / "b").st_nlink == 2


def test_attributes_are_shared_by_all_names(view, origin):
    _two_names(origin)
    os.chmod(view / "a", 0o600)
    os.utime(view / "b", ns=(1, 2))
    a, b = os.stat(view / "a"), os.stat(view / "b")
    assert a == b
    assert a.st_mtime_ns == 2


def test_link_after_the_first_write_joins_the_same_file(view, origin):
    f = origin.file("a", b"one")
    with opened(f, os.O_WRONLY | os.O_APPEND) as fd:
        os.write(fd, b"two")
    os.link(f, view / "b")
    assert read_file(view / "b") == b"onetwo"
    assert os.stat(f).st_nlink == 2


def test_link_count_follows_link_and_unlink(view, origin):
    f = origin.file("a")
    for i in range(10):
        os.link(f, view / f"l{i}")
        assert os.stat(f).st_nlink == 2 + i
    for i in range(10):
        os.unlink(view / f"l{i}")
        assert os.stat(f).st_nlink == 10 - i


def test_unlinking_one_name_leaves_the_other(view, origin):
    _two_names(origin)
    os.unlink(view / "a")
    assert read_file(view / "b") == b"one"
    assert os.stat(view / "b").st_nlink == 1


def test_write_after_the_first_name_is_gone_goes_to_the_other(view, origin):
    _two_names(origin)
    with opened(view / "a", os.O_RDWR) as fd:
        os.unlink(view / "a")
        os.pwrite(fd, b"XYZ", 0)
        assert os.fstat(fd).st_nlink == 1
    assert read_file(view / "b") == b"XYZ"


def test_link_is_seen_across_directories_of_the_base(view, origin):
    origin.dir("d")
    f = origin.file("a", b"one")
    os.link(f, view / "d/b")
    with opened(view / "d/b", os.O_WRONLY) as fd:
        os.write(fd, b"TWO")
    assert read_file(f) == b"TWO"


def test_link_over_an_existing_name_is_eexist(view, origin):
    f = origin.file("a")
    origin.file("b", b"kept")
    with fails(errno.EEXIST):
        os.link(f, view / "b")
    assert read_file(view / "b") == b"kept"


def test_link_to_a_directory_is_eperm(view, origin):
    d = origin.dir("d")
    with fails(errno.EPERM):
        os.link(d, view / "e")


def test_link_changes_ctime_only(view, origin):
    f = origin.file("a")
    before = os.stat(f)
    os.link(f, view / "b")
    after = os.stat(f)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert after.st_ctime_ns >= before.st_ctime_ns


def test_st_ino_survives_first_write_rename_and_remount(view, origin):
    f = origin.file("a", b"x")
    origin.dir("d")
    ino = os.stat(f).st_ino
    with opened(f, os.O_WRONLY) as fd:
        os.write(fd, b"y")
    assert os.stat(f).st_ino == ino
    os.rename(f, view / "d/b")
    assert os.stat(view / "d/b").st_ino == ino
    view.remount()
    assert os.stat(view / "d/b").st_ino == ino


@pytest.mark.modes("copy", "kept")
def test_old_link_groups_are_the_same_groups_in_the_view(view):
    for i in range(5):
        os.mkdir(view.base / f"d{i}")
        write_file(view.base / f"f{i}", b"%d" % i)
        for j in range(i + 1):
            os.link(view.base / f"f{i}", view.base / f"d{j}" / f"l{i}")
    want = tree.links(tree.of(view.base))
    assert tree.links(view.look()) == want
    for i in range(5):
        write_file(view / f"f{i}", b"changed %d" % i)
    view.remount()
    assert tree.links(view.look()) == want
    for i in range(5):
        for j in range(i + 1):
            assert read_file(view / f"d{j}/l{i}") == b"changed %d" % i


def test_old_name_not_yet_looked_at_shows_the_change(view):
    """The daemon has been asked for only one of the two names."""
    os.mkdir(view.base / "d")
    write_file(view.base / "a", b"one")
    os.link(view.base / "a", view.base / "d/b")
    write_file(view / "a", b"changed")
    view.remount()
    assert read_file(view / "d/b") == b"changed"
    os.unlink(view / "a")
    view.remount()
    assert read_file(view / "d/b") == b"changed"
    assert os.stat(view / "d/b").st_nlink == 1


def test_hard_link_to_a_symlink_is_the_symlink(view, origin):
    link = origin.make("l", lambda p: os.symlink("nowhere", p))
    os.link(link, view / "m", follow_symlinks=False)
    assert os.readlink(view / "m") == "nowhere"
    assert os.lstat(link).st_ino == os.lstat(view / "m").st_ino


def test_new_name_of_a_removed_number_is_another_file(view, origin):
    """The base may use the inode number again; the new file must show no byte
    of the removed one."""
    f = origin.file("a", b"secret" * 1000)
    os.unlink(f)
    for i in range(50):
        write_file(view / f"n{i}", b"")
        os.truncate(view / f"n{i}", 6000)
    for i in range(50):
        assert read_file(view / f"n{i}") == bytes(6000)


def test_child_process_sees_the_link_at_once(view, origin):
    f = origin.file("a", b"x")
    os.link(f, view / "b")
    assert in_child(lambda: os.stat(view / "b").st_nlink) == "2"
