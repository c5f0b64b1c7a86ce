# SPDX-License-Identifier: MIT
"""rename(2) of every kind of object onto every other one [C3]."""
import errno
import os
import random
import stat

import pytest

from support.sysc import (RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT,
                          fails, getdents, in_child, opened, read_file,
                          renameat2, write_file)
from support.view import mapfs


def test_renamed_file_keeps_bytes_and_inode(view, origin):
    f = origin.file("a", b"bytes")
    ino = os.stat(f).st_ino
    os.rename(f, view / "b")
    assert read_file(view / "b") == b"bytes"
    assert os.stat(view / "b").st_ino == ino
    with fails(errno.ENOENT):
        os.stat(f)
    assert os.listdir(view.top) == ["b"]


def test_rename_over_a_file_replaces_it(view, origin):
    a = origin.file("a", b"new")
    b = origin.file("b", b"old")
    os.rename(a, b)
    assert read_file(b) == b"new"
    assert os.listdir(view.top) == ["b"]


def test_rename_of_a_new_file_over_an_old_one_replaces_it(view):
    write_file(view.base / "old", b"old")
    write_file(view / "tmp", b"new")
    os.rename(view / "tmp", view / "old")
    assert read_file(view / "old") == b"new"
    view.remount()
    assert read_file(view / "old") == b"new"


def test_replaced_file_lives_on_for_who_has_it_open(view, origin):
    a = origin.file("a", b"new")
    b = origin.file("b", b"old")
    with opened(b, os.O_RDONLY) as fd:
        os.rename(a, b)
        assert os.read(fd, 10) == b"old"
        assert os.fstat(fd).st_nlink == 0


def test_rename_over_a_whiteout_hides_the_old_file(view, origin):
    a = origin.file("a", b"new")
    b = origin.file("b", b"old")
    os.unlink(b)
    os.rename(a, b)
    assert read_file(b) == b"new"
    view.remount()
    assert os.listdir(view.top) == ["b"]
    os.unlink(b)
    with fails(errno.ENOENT):
        os.stat(b)


def test_name_left_behind_can_be_made_again(view, origin):
    a = origin.file("a", b"first")
    os.rename(a, view / "b")
    write_file(a, b"second")
    assert read_file(view / "b") == b"first"
    assert read_file(a) == b"second"


def test_directory_takes_its_whole_content_along(view, origin):
    origin.dir("d")
    origin.dir("d/e")
    origin.file("d/e/f", b"deep")
    origin.file("d/g", b"flat")
    os.rename(view / "d", view / "n")
    assert read_file(view / "n/e/f") == b"deep"
    assert sorted(os.listdir(view / "n")) == ["e", "g"]
    with fails(errno.ENOENT):
        os.stat(view / "d")
    view.remount()
    assert read_file(view / "n/e/f") == b"deep"
    write_file(view / "n/e/f", b"changed")
    os.unlink(view / "n/g")
    view.remount()
    assert read_file(view / "n/e/f") == b"changed"
    assert os.listdir(view / "n") == ["e"]


def test_directory_changed_before_its_move_keeps_the_change(view, origin):
    origin.dir("d")
    origin.file("d/gone")
    origin.file("d/kept", b"1")
    os.unlink(view / "d/gone")
    write_file(view / "d/new", b"2")
    os.rename(view / "d", view / "n")
    view.remount()
    assert sorted(os.listdir(view / "n")) == ["kept", "new"]
    assert read_file(view / "n/kept") == b"1"
    assert read_file(view / "n/new") == b"2"


def test_directory_moved_twice_and_back_is_itself(view, origin):
    origin.dir("d")
    origin.dir("x")
    origin.file("d/f", b"1")
    os.rename(view / "d", view / "x/d")
    os.rename(view / "x", view / "y")
    os.rename(view / "y/d", view / "d")
    view.remount()
    assert read_file(view / "d/f") == b"1"
    assert os.listdir(view / "y") == []


def test_two_directories_trade_places_by_three_moves(view, origin):
    for name in "ab":
        origin.dir(name)
        origin.file(name + "/" + name, name.encode())
    os.rename(view / "a", view / "t")
    os.rename(view / "b", view / "a")
    os.rename(view / "t", view / "b")
    view.remount()
    assert read_file(view / "a/b") == b"b"
    assert read_file(view / "b/a") == b"a"


def test_new_directory_at_an_old_place_is_empty(view, origin):
    d = origin.dir("d")
    origin.file("d/f")
    os.rename(d, view / "e")
    os.mkdir(d)
    assert os.listdir(d) == []
    view.remount()
    assert os.listdir(d) == []
    assert os.listdir(view / "e") == ["f"]


def test_directory_replaces_an_empty_directory(view, origin):
    origin.dir("a")
    origin.file("a/f", b"1")
    origin.dir("b")
    os.rename(view / "a", view / "b")
    assert os.listdir(view.top) == ["b"]
    assert read_file(view / "b/f") == b"1"


def test_directory_replaces_one_whose_names_were_all_removed(view, origin):
    origin.dir("a")
    origin.dir("b")
    origin.file("b/hidden")
    os.unlink(view / "b/hidden")
    os.rename(view / "a", view / "b")
    assert os.listdir(view / "b") == []
    view.remount()
    assert os.listdir(view / "b") == []


def test_directory_over_a_full_directory_is_enotempty(view, origin):
    origin.dir("a")
    origin.dir("b")
    origin.file("b/f", b"kept")
    with fails(errno.ENOTEMPTY, errno.EEXIST):
        os.rename(view / "a", view / "b")
    assert read_file(view / "b/f") == b"kept"


def test_directory_over_a_file_is_enotdir(view, origin):
    d = origin.dir("d")
    f = origin.file("f")
    with fails(errno.ENOTDIR):
        os.rename(d, f)


def test_file_over_a_directory_is_eisdir(view, origin):
    d = origin.dir("d")
    f = origin.file("f")
    with fails(errno.EISDIR):
        os.rename(f, d)


def test_directory_into_itself_is_einval(view, origin):
    origin.dir("d")
    origin.dir("d/e")
    with fails(errno.EINVAL):
        os.rename(view / "d", view / "d/e/x")


def test_rename_of_a_missing_name_is_enoent(view):
    with fails(errno.ENOENT):
        os.rename(view / "a", view / "b")


def test_rename_onto_the_same_file_does_nothing(view, origin):
    f = origin.file("a", b"1")
    os.link(f, view / "b")
    os.rename(f, view / "b")
    assert sorted(os.listdir(view.top)) == ["a", "b"]
    os.rename(f, f)
    assert read_file(f) == b"1"


def test_noreplace_over_an_existing_name_is_eexist(view, origin):
    a = origin.file("a", b"a")
    b = origin.file("b", b"b")
    with fails(errno.EEXIST):
        renameat2(a, b, RENAME_NOREPLACE)
    assert read_file(b) == b"b"
    renameat2(a, view / "c", RENAME_NOREPLACE)
    assert read_file(view / "c") == b"a"


def test_noreplace_over_a_removed_name_works(view, origin):
    a = origin.file("a", b"a")
    b = origin.file("b", b"b")
    os.unlink(b)
    renameat2(a, b, RENAME_NOREPLACE)
    assert read_file(b) == b"a"


def test_exchange_swaps_files(view, origin):
    a = origin.file("a", b"a")
    b = origin.file("b", b"bb")
    inos = os.stat(a).st_ino, os.stat(b).st_ino
    renameat2(a, b, RENAME_EXCHANGE)
    assert read_file(a) == b"bb"
    assert read_file(b) == b"a"
    assert (os.stat(b).st_ino, os.stat(a).st_ino) == inos
    view.remount()
    assert read_file(a) == b"bb"


def test_exchange_swaps_a_file_with_a_directory(view, origin):
    f = origin.file("f", b"1")
    d = origin.dir("d")
    origin.dir("sub")
    origin.file("d/g", b"2")
    os.rename(d, view / "sub/d")
    renameat2(f, view / "sub/d", RENAME_EXCHANGE)
    view.remount()
    assert read_file(view / "f/g") == b"2"
    assert read_file(view / "sub/d") == b"1"


def test_exchange_of_directories_swaps_their_content(view, origin):
    for name in "ab":
        origin.dir(name)
        origin.file(f"{name}/{name}", name.encode())
    renameat2(view / "a", view / "b", RENAME_EXCHANGE)
    view.remount()
    assert os.listdir(view / "a") == ["b"]
    assert os.listdir(view / "b") == ["a"]


def test_exchange_with_a_missing_name_is_enoent(view, origin):
    a = origin.file("a", b"a")
    with fails(errno.ENOENT):
        renameat2(a, view / "missing", RENAME_EXCHANGE)
    assert read_file(a) == b"a"


def test_exchange_of_a_directory_with_its_child_is_einval(view, origin):
    origin.dir("a")
    origin.dir("a/b")
    with fails(errno.EINVAL):
        renameat2(view / "a", view / "a/b", RENAME_EXCHANGE)


@pytest.fixture
def whiteouts(view):
    """Skips where the base's file system, which write mode depends on, has no
    whiteouts."""
    a, b = view.base / "probe", view.base / "probe2"
    write_file(a)
    try:
        renameat2(a, b, RENAME_WHITEOUT)
    except OSError as e:
        os.unlink(a)
        if e.errno == errno.EINVAL and not view.is_copy:
            pytest.skip("the base's file system makes no whiteouts")
    else:
        os.unlink(a)
        os.unlink(b)


def assert_whiteout(path, uid=None, gid=None):
    st = os.lstat(path)
    assert st.st_mode == stat.S_IFCHR
    assert (st.st_rdev, st.st_nlink, st.st_size) == (0, 1, 0)
    assert st.st_uid == (os.geteuid() if uid is None else uid)
    assert st.st_gid == (os.getegid() if gid is None else gid)


def test_whiteout_is_at_the_old_name_at_once_and_later(view, whiteouts,
                                                       origin):
    a = origin.file("a", b"bytes")
    ino = os.stat(a).st_ino
    renameat2(a, view / "b", RENAME_WHITEOUT)
    for _ in range(2):
        assert_whiteout(a)
        assert sorted(os.listdir(view.top)) == ["a", "b"]
        types = {e.name: e.is_file() for e in os.scandir(view.top)}
        assert types == {"a": False, "b": True}
        assert read_file(view / "b") == b"bytes"
        assert os.stat(view / "b").st_ino == ino
        assert os.lstat(a).st_ino != ino
        view.remount()


def test_whiteout_over_a_file_replaces_that(view, whiteouts, origin):
    a = origin.file("a", b"new")
    b = origin.file("b", b"old")
    with opened(b, os.O_RDONLY) as fd:
        renameat2(a, b, RENAME_WHITEOUT)
        assert os.read(fd, 10) == b"old"
        assert os.fstat(fd).st_nlink == 0
    view.remount()
    assert read_file(b) == b"new"
    assert_whiteout(a)


def test_whiteout_of_a_directory(view, whiteouts, origin):
    origin.dir("d")
    origin.file("d/f", b"1")
    origin.dir("to")
    links = os.stat(view.top).st_nlink, os.stat(view / "to").st_nlink
    renameat2(view / "d", view / "to/e", RENAME_WHITEOUT)
    for _ in range(2):
        assert_whiteout(view / "d")
        assert read_file(view / "to/e/f") == b"1"
        assert os.listdir(view / "to") == ["e"]
        now = os.stat(view.top).st_nlink, os.stat(view / "to").st_nlink
        # Some file systems count no subdirectories.
        assert now == (links[0] - 1, links[1] + 1) or now == links == (1, 1)
        view.remount()
    with fails(errno.ENOTDIR):
        os.stat(view / "d/f")


def test_whiteout_of_one_of_two_names(view, whiteouts, origin):
    a = origin.file("a", b"1")
    os.link(a, view / "b")
    renameat2(a, view / "b", RENAME_WHITEOUT)
    assert sorted(os.listdir(view.top)) == ["a", "b"]
    assert os.stat(a).st_ino == os.stat(view / "b").st_ino
    renameat2(a, view / "c", RENAME_WHITEOUT)
    for _ in range(2):
        assert_whiteout(a)
        assert os.stat(view / "b").st_ino == os.stat(view / "c").st_ino
        assert os.stat(view / "b").st_nlink == 2
        view.remount()


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
def test_whiteout_of_what_is_no_file(view, whiteouts, origin, kind):
    make = os.mkfifo if kind == "fifo" else lambda p: os.symlink("to", p)
    a = origin.make("a", make)
    mode = os.lstat(a).st_mode
    renameat2(a, view / "b", RENAME_WHITEOUT)
    assert_whiteout(a)
    assert os.lstat(view / "b").st_mode == mode


def test_whiteout_is_an_object_like_any_other(view, whiteouts, origin):
    a = origin.file("a", b"1")
    renameat2(a, view / "b", RENAME_WHITEOUT)
    renameat2(a, view / "w", RENAME_WHITEOUT)
    assert_whiteout(view / "w")
    assert_whiteout(a)
    os.unlink(a)
    with fails(errno.ENOENT):
        os.lstat(a)
    write_file(a, b"2")
    os.rename(a, view / "w")
    view.remount()
    assert read_file(view / "w") == b"2"
    assert sorted(os.listdir(view.top)) == ["b", "w"]


def test_whiteout_may_go_with_noreplace_and_not_with_exchange(
        view, whiteouts, origin):
    a = origin.file("a", b"a")
    b = origin.file("b", b"b")
    with fails(errno.EEXIST):
        renameat2(a, b, RENAME_WHITEOUT | RENAME_NOREPLACE)
    with fails(errno.EINVAL):
        renameat2(a, b, RENAME_WHITEOUT | RENAME_EXCHANGE)
    assert (read_file(a), read_file(b)) == (b"a", b"b")
    renameat2(a, view / "c", RENAME_WHITEOUT | RENAME_NOREPLACE)
    assert read_file(view / "c") == b"a"
    assert_whiteout(a)


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_whiteout_is_the_callers_and_obeys_a_set_gid_directory(
        view, whiteouts):
    for name, mode in ("d", 0o777), ("s", 0o2777):
        os.mkdir(view / name)
        os.chown(view / name, 0, 4712)
        os.chmod(view / name, mode)
        in_child(lambda: write_file(view / f"{name}/a"), 4711)
        in_child(lambda: renameat2(view / f"{name}/a", view / f"{name}/b",
                                   RENAME_WHITEOUT), 4711)
    for _ in range(2):
        assert_whiteout(view / "d/a", 4711, 4711)
        assert_whiteout(view / "s/a", 4711, 4712)
        view.remount()


@pytest.mark.modes("copy", "kept")
def test_running_listing_meets_what_leaves_a_whiteout(view, origin):
    """The new name is listed in the place of the old one, as after a rename
    without a whiteout."""
    origin.dir("d")
    for i in range(300):
        origin.file(f"d/f{i}")
    with opened(view / "d", os.O_RDONLY | os.O_DIRECTORY) as fd:
        met = [name for name, _ in getdents(fd, 600)]
        for i in range(300):
            renameat2(view / f"d/f{i}", view / f"d/g{i}", RENAME_WHITEOUT)
        while some := getdents(fd, 600):
            met += [name for name, _ in some]
    assert len(met) == len(set(met))
    for i in range(300):
        assert b"f%d" % i in met
    # Names that the kernel had fetched before appear as the old name only.
    assert sum(name[:1] == b"g" for name in met) >= 100


@pytest.mark.modes("kept", people=("root",), plain=False)
def test_diff_takes_a_whiteout_for_the_device_it_is(view):
    for name in "ab":
        write_file(view.base / name, b"1")
    view.mount()
    renameat2(view / "a", view / "a2", RENAME_WHITEOUT)
    os.rename(view / "b", view / "b2")
    os.mknod(view / "b", stat.S_IFCHR, 0)
    view.unmount()
    said = mapfs("diff", view.store, check=False).text.splitlines()
    assert said[:2] == ["T c a\tdevice 0:0", "A f a2"]
    assert [x.replace(" b", " a") for x in said[2:]] == said[:2]


def test_open_file_follows_its_rename(view, origin):
    origin.dir("d")
    f = origin.file("a", b"1234")
    with opened(f, os.O_RDWR) as fd:
        os.rename(f, view / "d/b")
        os.pwrite(fd, b"X", 1)
    assert read_file(view / "d/b") == b"1X34"


def test_rename_of_a_symlink_moves_the_link(view, origin):
    origin.file("f", b"1")
    link = origin.make("l", lambda p: os.symlink("f", p))
    os.rename(link, view / "m")
    assert os.readlink(view / "m") == "f"
    assert read_file(view / "f") == b"1"


@pytest.mark.modes("kept", plain=False)
def test_rename_of_a_large_old_directory_copies_nothing(view):
    os.mkdir(view.base / "big")
    for i in range(20):
        write_file(view.base / "big" / str(i), b"x" * (1 << 20))
    view.mount()
    before = view.stored_bytes()
    os.rename(view / "big", view / "moved")
    assert view.stored_bytes() - before <= 64 << 10
    assert len(os.listdir(view / "moved")) == 20


def test_random_moves_end_where_a_plain_model_ends(view):
    """Directories of the base are moved about; each content tells where it was
    at first."""
    rnd = random.Random(7)
    model = {}
    for i in range(6):
        os.mkdir(view.base / f"d{i}")
        write_file(view.base / f"d{i}" / "id", b"%d" % i)
        model[f"d{i}"] = i
    for step in range(60):
        old = rnd.choice(sorted(model))
        new = rnd.choice([f"d{rnd.randrange(6)}", f"n{step}",
                          rnd.choice(sorted(model)) + f"/s{step}"])
        inside = new == old or new.startswith(old + "/")
        taken = new in model
        if inside and new != old:
            with fails(errno.EINVAL):
                os.rename(view / old, view / new)
        elif taken and new != old:
            with fails(errno.ENOTEMPTY, errno.EEXIST):
                os.rename(view / old, view / new)
        else:
            os.rename(view / old, view / new)
            model = {new + k[len(old):]
                     if k == old or k.startswith(old + "/") else k: v
                     for k, v in model.items()}
        if step % 20 == 19:
            view.remount()
    for place, i in model.items():
        assert read_file(os.path.join(view / place, "id")) == b"%d" % i
