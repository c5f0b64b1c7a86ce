# SPDX-License-Identifier: MIT
"""mapfs commit on real mounts: the base becomes the view, and back again."""
import fcntl
import json
import os
import shutil
import struct
import subprocess

import pytest
from hypothesis import strategies as st

from support import model, sysc, tree
from support.disk import file_system
from support.interruption import kill_commit
from support.load import patience
from support.sysc import opened, write_file
from support.view import View, binary, mapfs, refused, run, status_of


def _round_trip(view, steps):
    before = tree.committed(view.base)
    os.stat(view.top)
    model.play_view(view, steps)
    view.remount()
    seen = tree.committed(view.top)
    view.unmount()
    mapfs("commit", "-y", view.store)
    tree.assert_same(seen, tree.committed(view.base),
                     "view and committed base differ")
    assert mapfs("diff", view.store).text == ""
    view.mount()
    tree.assert_same(seen, tree.committed(view.top),
                     "the view changed by its commit")
    view.unmount()
    p = mapfs("commit", "--undo", "-y", view.store, check=False)
    # Without a change there is no commit to undo.
    if before == seen and p.returncode == 1:
        assert "nothing was committed" in p.text
    else:
        assert p.returncode == 0, p.text
    tree.assert_same(before, tree.committed(view.base),
                     "undo left a different base")
    view.mount()
    tree.assert_same(seen, tree.committed(view.top),
                     "undo lost changes of the view")
    view.unmount()


def _in_parts(view, steps, parts):
    """Commits some names one by one, then the rest."""
    os.stat(view.top)
    model.play_view(view, steps)
    view.remount()
    seen = tree.committed(view.top)
    view.unmount()
    for name in parts:
        p = mapfs("commit", "-y", view.store, name, check=False)
        if p.returncode:
            assert "commit both" in p.text or "together" in p.text, p.text
            continue
        view.mount()
        tree.assert_same(seen, tree.committed(view.top),
                         f"the view changed by committing {name}")
        view.unmount()
    mapfs("commit", "-y", view.store)
    tree.assert_same(seen, tree.committed(view.base),
                     "view and committed base differ")


def _play_examples(scratch, apart, check, *more):
    number = iter(range(10**9))

    @model.examples(0, st.tuples(
        st.lists(model.step, min_size=10, max_size=60), *more))
    def play(args):
        with model.example(scratch / f"example{next(number)}",
                           lambda base: None) as view:
            view.base_stays = False
            if apart:
                view.keep_base_in_memory()
            model.make_base(view.base)
            check(view, *args)

    play()


@pytest.mark.limit(600)
@pytest.mark.root
@pytest.mark.parametrize("store", ["beside", "elsewhere"])
def test_commit_makes_the_base_the_view_and_undo_unmakes_it(scratch, store):
    _play_examples(scratch, store == "elsewhere", _round_trip)


@pytest.mark.limit(600)
@pytest.mark.root
def test_commit_of_parts_never_changes_the_view(scratch):
    _play_examples(scratch, False, _in_parts,
                   st.lists(model.name, min_size=1, max_size=4, unique=True))


def _changed(view):
    write_file(os.path.join(view.base, "f"), b"old")
    os.stat(view.top)
    write_file(os.path.join(view.top, "f"), b"new")
    write_file(os.path.join(view.top, "g"), b"g")
    view.base_stays = False


@pytest.mark.modes("kept")
def test_commit_of_an_ordinary_user_and_of_root(view):
    _changed(view)
    view.unmount()
    mapfs("commit", "-y", view.store)
    assert sysc.read_file(os.path.join(view.base, "f")) == b"new"
    mapfs("commit", "-y", "--undo", view.store)
    assert sysc.read_file(os.path.join(view.base, "f")) == b"old"
    assert os.listdir(view.base) == ["f"]


@pytest.mark.modes("kept", people=("root",))
def test_commit_refuses_while_mounted_and_without_yes(view):
    _changed(view)
    p = mapfs("commit", "-y", view.store, check=False)
    assert p.returncode == 1
    assert str(view.mnt) in p.text and "unmount" in p.text
    view.unmount()
    p = mapfs("commit", view.store, check=False)
    assert p.returncode == 1 and "-y" in p.text
    assert sysc.read_file(os.path.join(view.base, "f")) == b"old"


@pytest.mark.modes("kept", people=("root",))
def test_dry_run_says_what_would_be_done_and_does_nothing(view):
    _changed(view)
    view.unmount()
    before = tree.of(view.base)
    text = mapfs("commit", "-n", view.store).text
    assert "M f f" in text and "A f g" in text
    told = json.loads(mapfs("commit", "-n", "--json", view.store).text)
    assert (told["added"], told["modified"]) == (1, 1)
    assert told["committed"] is False
    tree.assert_same(before, tree.of(view.base), "-n changed the base")


@pytest.mark.modes("kept", people=("root",))
def test_nothing_to_commit_is_said_and_nobody_is_asked(view):
    _changed(view)
    view.unmount()
    said = mapfs("commit", view.store, "no/such/name").text
    assert "holds no changes of these paths" in said
    assert sysc.read_file(os.path.join(view.base, "f")) == b"old"
    mapfs("commit", "-y", view.store)
    assert "holds no changes" in mapfs("commit", view.store).text
    mapfs("commit", "--undo", "-y", view.store)
    assert sysc.read_file(os.path.join(view.base, "f")) == b"old"


@pytest.mark.modes("kept", people=("root",))
def test_conflict_is_told_with_both_sides(view):
    _changed(view)
    view.unmount()
    write_file(os.path.join(view.base, "f"), b"theirs")
    p = mapfs("commit", "-y", view.store, check=False)
    assert p.returncode == 1
    assert "3 bytes" in p.text and "6 bytes" in p.text
    assert "--ours" in p.text and "--theirs" in p.text
    assert sysc.read_file(os.path.join(view.base, "f")) == b"theirs"
    mapfs("commit", "-y", "--theirs", view.store)
    assert sysc.read_file(os.path.join(view.base, "f")) == b"theirs"
    assert sysc.read_file(os.path.join(view.base, "g")) == b"g"


@pytest.mark.modes("kept", people=("root",))
def test_commit_names_other_views_of_its_base(view):
    _changed(view)
    view.unmount()
    other = view.scratch / "other"
    other.mkdir()
    mapfs("mount", view.base, other)
    try:
        assert str(other) in mapfs("commit", "-y", view.store).text
    finally:
        mapfs("umount", other)


@pytest.mark.modes("kept", people=("root",))
def test_read_only_base_is_refused_before_anything_is_begun(view):
    view.keep_base_in_memory()
    try:
        _changed(view)
        view.unmount()
        for args in ([], ["--undo"]):
            run("mount", "-o", "remount,ro", view.base)
            p = mapfs("commit", *args, "-y", view.store, check=False)
            assert p.returncode == 1 and "mounted read-only" in p.text
            assert not os.path.exists(view.store / "commit" / "open")
            run("mount", "-o", "remount,rw", view.base)
            mapfs("commit", *args, "-y", view.store)
        assert sysc.read_file(os.path.join(view.base, "f")) == b"old"
    finally:
        view.unmount()
        sysc.umount_lazy(view.base)


def _refused(view, *says):
    """The commit must fail before it begins: there is nothing to finish or to
    undo."""
    p = mapfs("commit", "-y", view.store, check=False)
    assert p.returncode == 1, p.text
    assert all(s in p.text for s in says), p.text
    assert not os.path.exists(view.store / "commit" / "open")
    assert not [n for n in os.listdir(view.base) if n.startswith(".mapfs")]


@pytest.mark.modes("kept", people=("root",))
def test_immutable_objects_are_refused_before_anything_is_begun(view):
    _changed(view)
    os.mkdir(view / "d")
    view.unmount()
    mapfs("commit", "-y", view.store)
    view.base_stays = False
    for name, flag in (("f", "i"), ("d", "a")):
        if run("chattr", "+" + flag, view.base / name, check=False).returncode:
            pytest.skip("no file attributes here")
        try:
            view.mount()
            path = view / name
            if name == "d":
                write_file(os.path.join(path, "in"), b"in")
            else:
                os.unlink(path)
            view.unmount()
            _refused(view, name + ": ", "chattr")
        finally:
            run("chattr", "-" + flag, view.base / name)
        mapfs("commit", "-y", "--ours", view.store)


@pytest.mark.root
@pytest.mark.modes("kept", people=("root",))
def test_what_somebody_mounted_in_the_base_is_named(view):
    os.makedirs(view.base / "d" / "e")
    view.base_stays = False
    os.rename(view / "d/e", view / "d/f")
    view.unmount()
    sysc.mount("none", view.base / "d" / "e", "tmpfs", 0)
    try:
        _refused(view, "d/e: something else is mounted there")
    finally:
        sysc.umount_lazy(view.base / "d" / "e")
    mapfs("commit", "-y", view.store)


SUBVOL_CREATE = 0x5000940e


@pytest.mark.root
def test_numbers_in_another_subvolume_are_other_files(scratch):
    """A file with a hard link outside the base is deleted; a file of the inner
    subvolume has the same inode number."""
    with file_system(scratch, "btrfs") as disk:
        (disk / "base").mkdir()
        with opened(disk / "base", os.O_RDONLY) as fd:
            fcntl.ioctl(fd, SUBVOL_CREATE,
                        bytearray(struct.pack("q4088s", 0, b"in")))
        for n in range(9):
            write_file(disk / f"base/f{n}", b"outer %d" % n)
            write_file(disk / f"base/in/s{n}", b"inner %d" % n)
        inner = {os.stat(disk / f"base/in/s{n}").st_ino for n in range(9)}
        victim = next(disk / f"base/f{n}" for n in range(9)
                      if os.stat(disk / f"base/f{n}").st_ino in inner)
        bytes_before = sysc.read_file(victim)
        os.link(victim, disk / "outside")
        view = View(disk, "kept")
        view.base_stays = False
        os.unlink(view / victim.name)
        view.unmount()
        mapfs("commit", "-y", view.store)
        os.unlink(disk / "outside")
        mapfs("commit", "--undo", "-y", view.store)
        assert sysc.read_file(victim) == bytes_before


@pytest.mark.root
@pytest.mark.modes("kept", people=("root",))
def test_a_full_store_gets_its_space_back(view):
    """The bytes that the commit overwrites do not fit into the store."""
    with file_system(view.scratch, "tmpfs", "size=8m") as disk:
        view.base_stays = False
        view.store = disk / "store"
        write_file(view.base / "f", b"f" * (12 << 20))
        with opened(view / "f", os.O_WRONLY | os.O_TRUNC):
            pass
        view.unmount()
        free = os.statvfs(disk).f_bavail
        assert "No space left" in refused("commit", "-y", view.store)
        assert os.statvfs(disk).f_bavail > free - 16
        assert status_of(view.store)["commits"] == 0


@pytest.mark.modes("kept", people=("root",))
def test_half_a_plan_does_not_pass_for_a_whole_one(view):
    _changed(view)
    view.unmount()
    with open("/dev/full", "wb") as full:
        p = subprocess.run([binary(), "commit", "-n", view.store],
                           stdin=subprocess.DEVNULL, stdout=full,
                           stderr=subprocess.PIPE, timeout=patience())
    assert p.returncode == 1 and b"No space left" in p.stderr, p.stderr


@pytest.mark.modes("kept", people=("root",))
def test_conflict_of_the_base_itself_is_named(view):
    os.chmod(view.top, 0o700)
    view.unmount()
    view.base_stays = False
    os.chmod(view.base, 0o711)
    p = mapfs("commit", "-y", view.store, check=False)
    assert p.returncode == 1 and "mapfs: .: changed in" in p.text, p.text


def _kill_when_begun(view, *args):
    """Tries again as long as the command ends before it is killed."""
    for _ in range(20):
        if kill_commit(view.store, *args):
            return
        mapfs("commit", "-y", *([] if args else ["--undo"]), view.store)
    pytest.skip("it was always too fast")


def _flip_the_kept_delta(store):
    with open(store / "journal/1", "r+b") as f:
        f.seek(5000)
        byte = f.read(1)[0]
        f.seek(5000)
        f.write(bytes([byte ^ 1]))


@pytest.mark.modes("kept", people=("root",))
def test_damage_of_the_kept_delta_stops_an_undo_before_the_base(view):
    view.base_stays = False
    for n in range(300):
        write_file(view / f"f{n}", b"new")
    view.unmount()
    mapfs("commit", "-y", view.store)
    after = tree.committed(view.base)
    _flip_the_kept_delta(view.store)
    text = refused("commit", "--undo", "-y", view.store)
    assert "journal/1" in text and "nothing was changed" in text
    tree.assert_same(after, tree.committed(view.base), "the base was changed")
    assert not (view.store / "commit/open").exists()


@pytest.mark.modes("kept", people=("root",))
def test_undo_can_be_abandoned_when_the_kept_delta_is_damaged(view):
    view.base_stays = False
    for n in range(300):
        write_file(view / f"f{n}", b"new")
    view.unmount()
    mapfs("commit", "-y", view.store)
    _kill_when_begun(view, "--undo")
    _flip_the_kept_delta(view.store)
    assert "--abandon" in refused("commit", "--undo", "-y", view.store)
    assert "cannot be read" in mapfs("commit", "--abandon", "-y", view.store,
                                     check=False).text
    mapfs("discard", "-y", view.store)
    assert not view.store.exists()


@pytest.mark.modes("kept", people=("root",))
def test_interrupted_commit_that_lost_its_file_open_is_noticed(view):
    view.base_stays = False
    for n in range(300):
        write_file(view / f"f{n}", b"new")
    view.unmount()
    for _ in range(20):
        _kill_when_begun(view)
        # It may have been killed before the base was touched.
        if any(view.base.glob(".mapfs-commit-*")):
            break
        mapfs("commit", "--undo", "-y", view.store)
    else:
        pytest.skip("it was always killed too early")
    (view.store / "commit/open").unlink()
    for what in (["commit", "-y", view.store],
                 ["commit", "--undo", "-y", view.store],
                 ["mount", "-s", view.store, view.base, view.mnt],
                 ["check", view.store]):
        text = refused(*what)
        assert "commit/open is missing" in text and "--abandon" in text
    mapfs("commit", "--abandon", "-y", view.store, check=False)
    view.mount()
    view.unmount()


@pytest.mark.modes("kept", people=("root",))
def test_what_was_interrupted_is_not_taken_for_something_else(view):
    view.base_stays = False
    for n in range(300):
        write_file(view / f"f{n}", b"new")
    mapfs("snapshot", view.mnt, "all")
    view.unmount()
    _kill_when_begun(view)
    for what in (["diff", view.store], ["export", view.store],
                 ["mount", "-s", f"{view.store}@all", view.base, view.mnt]):
        p = mapfs(*what, check=False)
        assert p.returncode > 0 and "interrupted" in p.text, p.text
    assert "interrupted" in mapfs("status", view.store).text
    for more in (["f1"], ["--ours"], ["-n"]):
        p = mapfs("commit", "-y", view.store, *more, check=False)
        assert p.returncode == 1 and "interrupted" in p.text, p.text
    mapfs("commit", "-y", view.store)
    _kill_when_begun(view, "--undo")
    for what in (["commit", "-y", "--json", view.store],
                 ["mount", "-s", view.store, view.base, view.mnt],
                 ["discard", "-y", view.store], ["status", view.store]):
        p = mapfs(*what, check=False)
        assert "--undo" in p.text, p.text
    mapfs("commit", "--undo", "-y", view.store)
    assert os.listdir(view.base) == []


def _many(view):
    for d in range(3):
        os.makedirs(view.base / f"d{d}")
        for n in range(40):
            write_file(view.base / f"d{d}/f{n}", b"old" * 3000)
    os.stat(view.top)
    for d in range(3):
        for n in range(40):
            with opened(view / f"d{d}/f{n}", os.O_RDWR) as fd:
                os.pwrite(fd, b"new", 0)
    view.base_stays = False
    view.unmount()


@pytest.mark.modes("kept", people=("root",))
def test_what_others_removed_is_left_out_and_told(view):
    _many(view)
    _kill_when_begun(view)
    shutil.rmtree(view.base / "d1")
    os.symlink("/etc", view.base / "d1")
    p = mapfs("commit", "-y", view.store, check=False)
    assert p.returncode in (1, 3), p.text
    if p.returncode == 1:  # nothing was begun in the base yet
        assert "--undo" in p.text
        p = mapfs("commit", "--undo", "-y", view.store, check=False)
    assert p.returncode == 3 and "d1/f1: others have" in p.text, p.text
    assert "d0/f1:" not in p.text
    assert "d1/f1: others have" in (view.store / "commit/1/left").read_text()
    assert os.readlink(view.base / "d1") == "/etc"
    assert sysc.read_file(view.base / "d2/f1")[:3] == b"new"
    assert len(os.listdir("/etc")) > 3
    view.mount()
    assert sysc.read_file(view / "d0/f1")[:3] == b"new"
    view.unmount()


@pytest.mark.modes("kept", people=("root",))
def test_abandoned_commit_lets_the_store_be_used(view):
    _many(view)
    _kill_when_begun(view)
    p = mapfs("commit", "--abandon", view.store, check=False)
    assert p.returncode == 1 and "-y" in p.text, p.text
    for what in (["mount", "-s", view.store, view.base, view.mnt],
                 ["discard", "-y", view.store]):
        p = mapfs(*what, check=False)
        assert p.returncode == 1 and "--abandon" in p.text, p.text
    p = mapfs("commit", "--abandon", "-y", view.store)
    assert "d1/f1: its bytes" in p.text, p.text
    assert "d1/f1: its bytes" in (view.store / "commit/1/left").read_text()
    view.mount()
    with opened(view / "d0/f1", os.O_RDONLY) as fd:
        assert os.pread(fd, 3, 0) == b"new"
    view.unmount()
    mapfs("commit", "--theirs", "-y", view.store)
    p = mapfs("commit", "--abandon", "-y", view.store, check=False)
    assert p.returncode == 1 and "nothing to abandon" in p.text, p.text
