# SPDX-License-Identifier: MIT
"""Damaged stores: what mount -o salvage shows, what mapfs check finds, and
what mapfs check --repair makes of them [S5]."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from support import sysc
from support.load import patience
from support.sysc import read_file, write_file
from support.view import binary, mapfs, refused, run


def flip(path, off):
    with open(path, "r+b") as f:
        f.seek(off)
        byte = f.read(1)[0]
        f.seek(off)
        f.write(bytes([byte ^ 0xff]))


def bytes_of(store):
    """The content of every file of the store."""
    return {os.path.join(top, name): read_file(os.path.join(top, name))
            for top, _, names in os.walk(store) for name in names}


def segment(store, number):
    """The path of a segment, and the offset behind its last byte."""
    path = store / f"journal/{number}"
    return path, len(read_file(path).rstrip(b"\0"))


@pytest.fixture
def place(scratch):
    """A store with files early0..4, snapshot s1, files late0..9, snapshot s2;
    the first are in segment 1, the others in segment 2."""
    base, mnt, store = (scratch / n for n in ("base", "mnt", "store"))
    base.mkdir()
    mnt.mkdir()
    write_file(base / "f", b"base")
    for name, count, snapshot in ("early", 5, "s1"), ("late", 10, "s2"):
        mapfs("mount", "-s", store, base, mnt)
        for n in range(count):
            write_file(mnt / f"{name}{n}", b"%d" % n * 5000)
            with sysc.opened(mnt / f"{name}{n}", os.O_RDONLY) as fd:
                os.fsync(fd)
        mapfs("snapshot", mnt, snapshot)
        mapfs("umount", mnt)
    yield scratch
    mapfs("umount", mnt, check=False)


def names(mnt, word):
    return sorted(n for n in os.listdir(mnt) if n.startswith(word))


def check(store, status=1):
    """What `mapfs check --json` finds."""
    p = mapfs("check", "--json", store, check=False)
    assert p.returncode == status, p.text
    found = json.loads(p.text)
    assert found["sound"] == (status == 0)
    return found


def damage_a_group(place):
    path, end = segment(place / "store", 2)
    flip(path, 4096 + (end - 4096) // 2)


def test_snapshot_before_the_damage_simply_works(place):
    store, mnt = place / "store", place / "mnt"
    damage_a_group(place)
    mapfs("mount", "-s", f"{store}@s1", place / "base", mnt)
    assert names(mnt, "early") == [f"early{n}" for n in range(5)]
    assert read_file(mnt / "early3") == b"3" * 5000
    mapfs("umount", mnt)
    assert "s1" in mapfs("log", store).text
    mapfs("export", "-o", place / "layer", f"{store}@s1")
    assert "early4" in mapfs("diff", f"{store}@s1", check=False).text
    mapfs("branch", f"{store}@s1", place / "branch")
    for args in ("status", store), ("export", store), ("commit", "-n", store):
        assert "-o salvage" in refused(*args)


def test_salvage_shows_what_precedes_the_damage(place):
    store, mnt = place / "store", place / "mnt"
    damage_a_group(place)
    before = bytes_of(store)
    run("mount", "--bind", store, store)
    run("mount", "-o", "remount,bind,ro", store)
    said = mapfs("mount", "-o", "salvage", "-s", store, place / "base",
                 mnt).text
    assert "journal/2 is damaged at byte" in said
    assert "cannot be applied" in said
    assert len(names(mnt, "early")) == 5
    assert 0 < len(names(mnt, "late")) < 10
    with pytest.raises(OSError, match="Read-only"):
        write_file(mnt / "new", b"")
    mapfs("umount", mnt)
    run("umount", store)
    assert bytes_of(store) == before


@pytest.mark.parametrize("loss", ["header", "pages", "segment"])
def test_salvage_of_a_lost_file_shows_the_rest(place, loss):
    store, mnt = place / "store", place / "mnt"
    if loss == "header":
        flip(store / "journal/2", 20)
    elif loss == "segment":
        shutil.copy(store / "journal/2", store / "journal/3")
        os.unlink(store / "journal/2")
    else:
        os.unlink(store / "pages")
    said = mapfs("mount", "-o", "salvage", "-s", store, place / "base",
                 mnt).text
    assert len(names(mnt, "early")) == 5
    assert read_file(mnt / "f") == b"base"
    if loss == "pages":
        with pytest.raises(OSError, match="Input/output"):
            read_file(mnt / "early0")
    else:
        assert "journal/" in said
        assert read_file(mnt / "early0") == b"0" * 5000


def test_check_finds_a_sound_store_sound_also_while_it_is_used(place):
    store, mnt = place / "store", place / "mnt"
    before = bytes_of(store)
    found = check(store, 0)
    assert found["snapshots"] == 2 and found["pages"] == 30
    assert bytes_of(store) == before
    mapfs("mount", "-s", store, place / "base", mnt)
    write_file(mnt / "more", b"x" * 4096)
    assert check(mnt, 0)["pages"] == 31
    assert check(store, 0)["pages"] == 31


def test_check_names_the_group_that_is_lost(place):
    store = place / "store"
    damage_a_group(place)
    (one,) = check(store)["damage"]
    assert one["kind"] == "journal" and one["file"] == "journal/2"
    assert one["snapshots"] == ["s2"] and one["present"]
    said = mapfs("check", store, check=False).text
    assert "journal/2 is damaged at byte %d" % one["file_offset"] in said
    assert "-o salvage" in said
    assert mapfs("check", "-q", store, check=False).text == ""


def test_check_names_the_files_whose_pages_are_lost(place):
    store = place / "store"
    os.truncate(store / "pages", 4096)
    found = check(store)
    assert found["snapshots_damaged"] == 0
    lost = {d["path"]: d for d in found["damage"] if d["kind"] == "pages"}
    assert lost["early4"]["snapshots"] == ["s1", "s2"]
    assert lost["late0"]["snapshots"] == ["s2"]
    assert lost["late0"]["offset"] == 0 and lost["late0"]["length"] == 5000
    assert all(d["present"] for d in found["damage"])


def test_check_finds_lost_files_of_the_store(place):
    store, mnt = place / "store", place / "mnt"
    mapfs("mount", "-s", store, place / "base", mnt)
    write_file(mnt / "f", b"longer than it was")
    mapfs("umount", mnt)
    mapfs("commit", "-y", store)
    assert check(store, 0)
    flip(store / "commit/1/saved", 0)
    (one,) = check(store)["damage"]
    assert one["kind"] == "commit" and one["file"] == "commit/1/saved"
    flip(store / "commit/1/saved", 0)
    flip(store / "commit/1/plan", 50)
    (one,) = check(store)["damage"]
    assert one["kind"] == "commit" and one["file"] == "commit/1/plan"
    for path in (store / "journal").iterdir():
        os.unlink(path)
    kinds = {d["kind"] for d in check(store)["damage"]}
    assert kinds == {"commit", "journal"}


def test_what_cannot_be_checked_is_told_apart(place):
    p = mapfs("check", place / "base", check=False)
    assert p.returncode == 2 and "not a store" not in p.text.split(";")[1:]


def test_repair_makes_a_sound_store_of_what_is_sound(place):
    base, store, mnt, new = (place / n for n in
                             ("base", "store", "mnt", "new"))
    damage_a_group(place)
    before = bytes_of(store)
    said = mapfs("check", "--repair", new, store).text
    assert "journal/2 is damaged" in said
    assert bytes_of(store) == before
    found = check(new, 0)
    assert found["snapshots"] == 1
    mapfs("mount", "-s", new, base, mnt)
    late = names(mnt, "late")
    assert len(names(mnt, "early")) == 5 and 0 < len(late) < 10
    assert read_file(mnt / late[-2]) == late[-2][-1:].encode() * 5000
    write_file(mnt / "more", b"more")
    mapfs("rollback", mnt, "-y", "s1")
    assert names(mnt, "late") == [] and len(names(mnt, "early")) == 5
    mapfs("umount", mnt)
    check(new, 0)
    mapfs("commit", "-y", new)
    assert read_file(base / "early2") == b"2" * 5000


def test_repair_falls_back_to_a_snapshot(place):
    store, mnt, new = (place / n for n in ("store", "mnt", "new"))
    mapfs("mount", "-s", store, place / "base", mnt)
    write_file(mnt / "last", b"")
    mapfs("rollback", "-y", mnt, "s2")	# a journal that starts from nothing
    mapfs("umount", mnt)
    newest = max(int(n) for n in os.listdir(store / "journal")
                 if n.isdigit())
    flip(segment(store, newest)[0], 4200)
    assert mapfs("mount", "-s", store, place / "base", mnt,
                 check=False).returncode
    mapfs("check", "--repair", new, store)
    mapfs("mount", "-s", new, place / "base", mnt)
    assert len(names(mnt, "late")) == 10
    assert read_file(mnt / "late9") == b"9" * 5000


def test_repaired_branch_still_holds_its_parent(place):
    """Discarding the old branch, which has the same uuid, must not make the
    parent forget the repaired one."""
    store, mnt = place / "store", place / "mnt"
    old, new, branch = (place / n for n in ("old", "new", "branch"))
    mapfs("branch", f"{store}@s2", branch)
    mapfs("check", "--repair", new, branch)
    branch.rename(old)
    new.rename(branch)
    mapfs("discard", "-y", old)
    assert f"has a branch, {branch}" in refused("discard", "-y", store)
    mapfs("mount", "-s", branch, place / "base", mnt)
    assert read_file(mnt / "late9") == b"9" * 5000
    mapfs("umount", mnt)
    mapfs("discard", "-y", branch)
    mapfs("discard", "-y", store)


def test_repair_makes_no_store_in_the_base_or_in_the_old_one(place):
    base, store = place / "base", place / "store"
    for where, word in (base, "base"), (store, "store"):
        p = mapfs("check", "--repair", where / "new", store, check=False)
        assert p.returncode == 2 and f"lies inside the {word}" in p.text
    assert os.listdir(base) == ["f"] and not (store / "new").exists()


def test_repair_is_refused_while_the_store_is_used(place):
    mapfs("mount", "-s", place / "store", place / "base", place / "mnt")
    p = mapfs("check", "--repair", place / "new", place / "store", check=False)
    assert p.returncode == 2 and "unmount it first" in p.text
    assert not os.path.exists(place / "new")


def test_interrupted_check_continues(place):
    store, mnt = place / "store", place / "mnt"
    mapfs("mount", "-s", store, place / "base", mnt)
    with sysc.opened(mnt / "big", os.O_RDWR | os.O_CREAT) as fd:
        for n in range(64):
            os.pwrite(fd, b"x" * (1 << 20), n << 20)
    mapfs("umount", mnt)
    os.truncate(store / "pages", 8192)
    whole = check(store)
    stopped = False
    for delay in (0.02, 0.04, 0.08, 0.16, 0.32):
        p = subprocess.Popen([binary(), "check", store],
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
        time.sleep(delay)
        p.send_signal(signal.SIGINT)
        said = p.communicate(timeout=patience())[1].decode()
        if "continues the check" in said:
            stopped = True
            break
    if not stopped:
        pytest.skip("the check is too quick to be interrupted")
    again = check(store)
    assert again["resumed"]
    assert again["damage"] == whole["damage"]
    assert not check(store)["resumed"]


def test_bytes_that_are_lost_stay_lost_in_a_repaired_store(place):
    base, store, mnt, new = (place / n for n in
                             ("base", "store", "mnt", "new"))
    at = read_file(store / "pages").index(b"3" * 5000)
    flip(store / "pages", at + 100)
    (one,) = check(store)["damage"]
    assert one["path"] == "early3" or one["path"] == "late3"
    assert one["offset"] == 0 and one["length"] == 4096
    assert one["file"] == "pages" and one["file_offset"] == at
    mapfs("check", "--repair", new, store)
    assert check(new)["damage"] == [one]
    mapfs("mount", "-s", new, base, mnt)
    with pytest.raises(OSError, match="Input/output"):
        read_file(mnt / one["path"])
    assert read_file(mnt / "early4") == b"4" * 5000
    mapfs("umount", mnt)
    assert one["path"] in refused("commit", "-y", new)
    mapfs("commit", "-y", new, "early4")
    assert read_file(base / "early4") == b"4" * 5000
    assert not os.path.exists(base / one["path"])
