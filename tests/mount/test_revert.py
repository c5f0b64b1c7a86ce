# SPDX-License-Identifier: MIT
"""Reverting files and trees to the base, live and at rest."""
import os
import shutil

import pytest

from support import tree
from support.sysc import error_of, opened, read_file, write_file
from support.view import mapfs, refused, status_of

PAGE = 4096
pytestmark = pytest.mark.modes("kept", plain=False)


def _changes(where):
    s = status_of(where)
    return [s[k] for k in ("added", "modified", "deleted", "renamed",
                           "retyped")]


def _make(view):
    b = view.base
    os.makedirs(b / "d/sub")
    for name in ("f", "d/x", "d/y", "d/sub/z"):
        write_file(b / name, name.encode() * 2000)
    os.symlink("f", b / "d/l")


def _change(view):
    write_file(view / "f", b"changed")
    os.unlink(view / "d/x")
    os.rename(view / "d/y", view / "d/yy")
    write_file(view / "d/new", b"new")
    os.mkdir(view / "d/newdir")
    write_file(view / "d/sub/z", b"")
    os.chmod(view / "d/sub", 0o700)


@pytest.mark.parametrize("live", [True, False])
def test_everything_back_to_the_base(view, live):
    _make(view)
    before = view.look()
    _change(view)
    assert view.look() != before
    if live:
        mapfs("revert", view.mnt, ".")
        # The kernel sets the times of directories in use.
        tree.assert_same_but_a_tick(before, view.look(), "live")
        view.unmount()
    else:
        view.unmount()
        mapfs("revert", view.store, ".")
    assert _changes(view.store) == [0, 0, 0, 0, 0]
    view.mount()
    tree.assert_same_but_a_tick(before, view.look(), "mounted again")


def test_one_file_with_its_users(view):
    _make(view)
    _change(view)
    with opened(view / "f", os.O_RDWR) as fd:
        os.pwrite(fd, b"unwritten" * 1000, 0)
        mapfs("revert", view.mnt, "f")
        assert os.pread(fd, 1 << 20, 0) == b"f" * 2000
        assert os.fstat(fd).st_size == 2000
    assert read_file(view / "f") == b"f" * 2000
    assert read_file(view / "d/new") == b"new"
    view.remount()
    assert read_file(view / "f") == b"f" * 2000


def test_one_tree_and_not_the_rest(view):
    _make(view)
    _change(view)
    mapfs("revert", view.mnt, "d/sub")
    assert read_file(view / "d/sub/z") == b"d/sub/z" * 2000
    assert os.stat(view / "d/sub").st_mode & 0o777 == 0o755
    assert read_file(view / "d/new") == b"new"
    assert read_file(view / "f") == b"changed"


def test_a_removed_name_is_back_and_a_new_one_gone(view):
    _make(view)
    _change(view)
    assert error_of(os.stat, view / "d/x") == "ENOENT"
    mapfs("revert", view.mnt, "d/x", "d/new")
    assert read_file(view / "d/x") == b"d/x" * 2000
    assert error_of(os.stat, view / "d/new") == "ENOENT"
    assert "new" not in os.listdir(view / "d")


def test_paths_count_from_where_they_are_named(view):
    _make(view)
    _change(view)
    mapfs("revert", view.mnt, view / "f")
    assert read_file(view / "f") == b"f" * 2000
    mapfs("revert", view.mnt, ".//d/./x/")
    assert read_file(view / "d/x") == b"d/x" * 2000
    for path in ("../f", "/etc/passwd", "d/../f"):
        assert "not a path in the view" in refused("revert", view.mnt, path)
    assert refused("revert", view.mnt, "nowhere/at/all")


def test_paths_need_no_mount_point_before_them(view):
    _make(view)
    _change(view)
    mapfs("revert", view / "d/sub/z", view / "f")
    assert read_file(view / "d/sub/z") == b"d/sub/z" * 2000
    assert read_file(view / "f") == b"f" * 2000
    # A removed and a new file, by paths relative to the current directory.
    os.unlink(view / "f")
    mapfs("revert", "f", "./d/x", "d/new", cwd=view.mnt)
    assert read_file(view / "f") == b"f" * 2000
    assert read_file(view / "d/x") == b"d/x" * 2000
    assert error_of(os.stat, view / "d/new") == "ENOENT"
    # A directory that was removed together with its parents.
    shutil.rmtree(view / "d")
    assert "mapfs: d: no directory of the view" in refused("revert", view / "d/sub/z")
    mapfs("revert", view / "d")
    assert read_file(view / "d/sub/z") == b"d/sub/z" * 2000
    write_file(view / "d/sub/z", b"again")
    mapfs("revert", ".", cwd=view / "d/sub")
    assert read_file(view / "d/sub/z") == b"d/sub/z" * 2000


def test_a_link_is_put_back_itself(view):
    os.symlink("f", view.base / "l")
    write_file(view.base / "f", b"old")
    os.unlink(view / "l")
    os.symlink("d", view / "l")
    write_file(view / "f", b"new")
    mapfs("revert", view / "l")
    assert os.readlink(view / "l") == "f"
    assert read_file(view / "f") == b"new"


def test_paths_outside_are_refused_and_nothing_is_done(view):
    _make(view)
    _change(view)
    for path in (view.base / "f", view.base / "none", "/none/at/all"):
        text = refused("revert", view / "f", path)
        assert "not in a mounted view" in text, text
        assert read_file(view / "f") != b"f" * 2000
    assert "say . for everything" in refused("revert", view.mnt)


def _linked(view):
    b = view.base
    os.makedirs(b / "one")
    os.mkdir(b / "two")
    write_file(b / "one/x", b"base")
    os.link(b / "one/x", b / "two/y")
    write_file(b / "other", b"other")


def _names_agree(view, path, count):
    """The file must have as many names as its link count says, before and
    after a remount."""
    for _ in range(2):
        ino = os.stat(view / path).st_ino
        names = [e for top, _, files in os.walk(view.top) for e in files
                 if os.lstat(os.path.join(top, e)).st_ino == ino]
        assert (len(names), os.stat(view / path).st_nlink) == (count, count)
        view.remount()


def test_links_are_counted_without_names_that_stay_away(view):
    """Regression: the link count was that of the base, so the pages were never
    freed."""
    _linked(view)
    write_file(view / "one/x", b"changed")
    os.unlink(view / "two/y")
    mapfs("revert", view.mnt, "one")
    assert read_file(view / "one/x") == b"base"
    assert error_of(os.stat, view / "two/y") == "ENOENT"
    _names_agree(view, "one/x", 1)
    write_file(view / "one/x", b"x" * 100 * PAGE)
    os.unlink(view / "one/x")
    view.unmount()
    status = status_of(view.store)
    assert status["private_pages"] == 0


def test_one_name_of_a_file_that_lost_all(view):
    _linked(view)
    os.unlink(view / "one/x")
    os.unlink(view / "two/y")
    mapfs("revert", view.mnt, "one/x")
    assert read_file(view / "one/x") == b"base"
    _names_agree(view, "one/x", 1)
    mapfs("revert", view.mnt, "two")
    _names_agree(view, "one/x", 2)


def test_what_a_moved_file_had_replaced_stays_away(view):
    """Regression: the replaced file reappeared beside the name to which the
    other was moved back."""
    _linked(view)
    os.rename(view / "other", view / "kept")
    os.rename(view / "one", view / "other")
    mapfs("revert", view.mnt, "one")
    assert read_file(view / "one/x") == b"base"
    assert error_of(os.stat, view / "other") == "ENOENT"
    assert read_file(view / "kept") == b"other"
    _names_agree(view, "kept", 1)


@pytest.mark.parametrize("first", ["one/x", "two/y"])
def test_a_file_is_found_by_each_of_its_names(view, first):
    """Regression: nothing was reverted if the view had looked up another name
    first."""
    _linked(view)
    os.stat(view / first)
    write_file(view / "two/y", b"changed")
    mapfs("revert", view.mnt, "one")
    assert read_file(view / "one/x") == read_file(view / "two/y") == b"base"
    os.unlink(view / "two/y")
    write_file(view / "one/x", b"changed")
    mapfs("revert", view.mnt, "one/x")
    assert read_file(view / "one/x") == b"base"
    assert error_of(os.stat, view / "two/y") == "ENOENT"
    _names_agree(view, "one/x", 1)
