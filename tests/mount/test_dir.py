# SPDX-License-Identifier: MIT
"""Making, listing and removing directories, small and large."""
import errno
import os
import shutil
import stat

import pytest

from support.sysc import Dir, fails, opened, write_file
from support.view import run

KINDS = {4: stat.S_IFDIR, 8: stat.S_IFREG, 10: stat.S_IFLNK, 1: stat.S_IFIFO}


def test_new_directory_is_empty_and_usable(view, origin):
    d = origin.dir("d")
    assert os.listdir(d) == []
    write_file(d / "f", b"x")
    assert os.listdir(d) == ["f"]


def test_mkdir_of_an_existing_name_is_eexist(view, origin):
    d = origin.dir("d")
    f = origin.file("f")
    for path in (d, f):
        with fails(errno.EEXIST):
            os.mkdir(path)


def test_rmdir_of_a_full_directory_is_enotempty(view, origin):
    d = origin.dir("d")
    origin.file("d/f")
    with fails(errno.ENOTEMPTY):
        os.rmdir(d)


def test_rmdir_after_its_names_were_removed_works(view, origin):
    d = origin.dir("d")
    origin.file("d/f")
    origin.dir("d/e")
    os.unlink(d / "f")
    os.rmdir(d / "e")
    os.rmdir(d)
    with fails(errno.ENOENT):
        os.stat(d)
    assert os.listdir(view.top) == []


def test_recreated_directory_does_not_show_its_old_names(view, origin):
    d = origin.dir("d")
    origin.file("d/f")
    os.unlink(d / "f")
    os.rmdir(d)
    os.mkdir(d)
    assert os.listdir(d) == []
    with fails(errno.ENOENT):
        os.stat(d / "f")
    view.remount()
    assert os.listdir(d) == []


def test_unlink_of_a_directory_is_eisdir_and_rmdir_of_a_file_enotdir(
        view, origin):
    d = origin.dir("d")
    f = origin.file("f")
    with fails(errno.EISDIR):
        os.unlink(d)
    with fails(errno.ENOTDIR):
        os.rmdir(f)


def test_making_names_in_a_removed_directory_is_enoent(view, origin):
    d = origin.dir("d")
    with opened(d, os.O_RDONLY) as fd:
        os.rmdir(d)
        with fails(errno.ENOENT):
            os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
        with fails(errno.ENOENT):
            os.mkdir("e", dir_fd=fd)
        assert os.listdir(fd) == []


def test_listing_names_every_entry_once_with_type_and_number(view, origin):
    origin.dir("d")
    origin.file("d/file")
    origin.dir("d/dir")
    origin.make("d/link", lambda p: os.symlink("x", p))
    origin.make("d/pipe", os.mkfifo)
    os.listdir(view / "d")
    with Dir(view / "d") as stream:
        seen = {name: (ino, kind) for name, ino, kind, _ in stream}
    assert sorted(seen) == [b".", b"..", b"dir", b"file", b"link", b"pipe"]
    assert seen[b"."][0] == os.stat(view / "d").st_ino
    assert seen[b".."][0] == os.stat(view.top).st_ino
    for name in (b"dir", b"file", b"link", b"pipe"):
        st = os.lstat(view / (b"d/" + name))
        assert seen[name][0] == st.st_ino
        assert KINDS[seen[name][1]] == stat.S_IFMT(st.st_mode)


def test_listing_mixes_old_new_removed_and_renamed_names(view):
    for i in range(100):
        write_file(view.base / f"old{i}")
    for i in range(0, 100, 2):
        os.unlink(view / f"old{i}")
    for i in range(1, 100, 4):
        os.rename(view / f"old{i}", view / f"moved{i}")
    for i in range(50):
        write_file(view / f"new{i}")
    want = {f"old{i}" for i in range(3, 100, 4)}
    want |= {f"moved{i}" for i in range(1, 100, 4)}
    want |= {f"new{i}" for i in range(50)}
    assert sorted(os.listdir(view.top)) == sorted(want)
    view.remount()
    assert sorted(os.listdir(view.top)) == sorted(want)


def test_listing_started_before_a_change_still_ends(view, origin):
    """A name that exists all the time is listed exactly once."""
    origin.dir("d")
    for i in range(1200):
        origin.file(f"d/stay{i:04}") if i % 2 else origin.file(f"d/go{i:04}")
    seen = []
    with Dir(view / "d") as stream:
        for n, (name, _, _, _) in enumerate(stream):
            seen.append(name)
            if n == 300:
                for i in range(0, 1200, 2):
                    os.unlink(view / f"d/go{i:04}")
                for i in range(500):
                    write_file(view / f"d/new{i}")
            assert n < 5000
    stay = sorted(n for n in seen if n.startswith(b"stay"))
    assert stay == [b"stay%04d" % i for i in range(1, 1200, 2)]
    assert len(seen) == len(set(seen))


def test_removing_while_listing_misses_no_name(view, origin):
    """As `rm -rf` does on old systems: reads some names, removes them, reads
    on."""
    origin.dir("d")
    for i in range(1200):
        origin.file(f"d/f{i}")
    with Dir(view / "d") as stream:
        for name, _, _, _ in stream:
            if name not in (b".", b".."):
                os.unlink(view / (b"d/" + name))
    os.rmdir(view / "d")


def test_telldir_cookies_lead_back_to_the_same_entry(view, origin):
    origin.dir("d")
    for i in range(500):
        origin.file(f"d/f{i}")
    with Dir(view / "d") as stream:
        places = []
        while True:
            cookie = stream.tell()
            entry = stream.read()
            if entry is None:
                break
            places.append((cookie, entry[0]))
        for cookie, name in places[::37]:
            stream.seek(cookie)
            assert stream.read()[0] == name


def test_telldir_cookie_survives_the_removal_of_its_neighbours(view, origin):
    origin.dir("d")
    for i in range(200):
        origin.file(f"d/f{i}")
    with Dir(view / "d") as stream:
        for _ in range(50):
            stream.read()
        cookie = stream.tell()
        rest = [name for name, *_ in stream]
        gone = [name for name in rest if name[:1] == b"f"][:10]
        for name in gone:
            os.unlink(view / (b"d/" + name))
        stream.seek(cookie)
        assert [name for name, *_ in stream if name not in gone] == \
            [name for name in rest if name not in gone]


def test_rewound_stream_shows_what_is_new(view, origin):
    origin.dir("d")
    origin.file("d/a")
    with Dir(view / "d") as stream:
        assert len(list(stream)) == 3
        write_file(view / "d/b")
        stream.seek(0)
        assert {n for n, *_ in stream} == {b".", b"..", b"a", b"b"}


def _fill(view, entries):
    """Makes a directory d in the base with so many empty files."""
    view.base_stays = False	# comparing so many files takes long
    view.keep_base_in_memory()
    os.mkdir(view.base / "d")
    fd = os.open(view.base / "d", os.O_RDONLY)
    for i in range(entries):
        os.close(os.open(f"f{i}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


@pytest.mark.limit(180)
@pytest.mark.modes("write", "copy", people=("root",), plain=False)
def test_directory_of_100000_old_entries_is_listed_whole(view):
    _fill(view, 100_000)
    names = os.listdir(view / "d")
    assert len(names) == 100000
    assert len(set(names)) == 100000
    os.unlink(view / "d/f77777")
    write_file(view / "d/new")
    names = set(os.listdir(view / "d"))
    assert len(names) == 100000
    assert "new" in names and "f77777" not in names
    view.unmount()


@pytest.mark.limit(180)
@pytest.mark.modes("write", "kept", people=("root",), plain=False)
def test_rm_rf_of_40000_entries_leaves_nothing(view):
    _fill(view, 40_000)
    run("rm", "-rf", view / "d", timeout=170)
    assert os.listdir(view.top) == []
    os.mkdir(view / "d")
    assert os.listdir(view / "d") == []
    view.remount()
    assert os.listdir(view / "d") == []


def test_rm_rf_of_old_and_new_entries_leaves_nothing(view):
    os.mkdir(view.base / "d")
    for i in range(800):
        write_file(view.base / f"d/old{i}")
    for i in range(800):
        write_file(view / f"d/new{i}")
    run("rm", "-rf", view / "d", timeout=50)
    assert os.listdir(view.top) == []


def test_large_new_directory_is_listed_whole(view):
    os.mkdir(view / "d")
    for i in range(2000):
        write_file(view / f"d/{i}")
    assert len(set(os.listdir(view / "d"))) == 2000
    view.remount()
    assert len(set(os.listdir(view / "d"))) == 2000


def test_copytree_of_an_old_tree_is_the_same_tree(view):
    for i in range(5):
        os.makedirs(view.base / f"t/{i}/{i}")
        write_file(view.base / f"t/{i}/{i}/f", b"%d" % i * 5000)
    shutil.copytree(view / "t", view / "u")
    for i in range(5):
        with open(view / f"u/{i}/{i}/f", "rb") as f:
            assert f.read() == b"%d" % i * 5000
