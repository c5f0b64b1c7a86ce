# SPDX-License-Identifier: MIT
"""Stores that are found again, and what killed commands leave: mapfs list
--stores, mapfs prune, and leftovers beside a parent that is in use."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from support.load import patience
from support.sysc import write_file
from support.terminal import Terminal
from support.view import binary, mapfs, refused, status_of, wait_for

DAY = 24 * 3600


@pytest.fixture
def place(scratch):
    os.environ["XDG_STATE_HOME"] = str(scratch / "state")
    for name in ("base", "mnt", "mnt2"):
        (scratch / name).mkdir()
    write_file(scratch / "base/f", b"base")
    yield scratch
    for mnt in ("mnt", "mnt2"):
        mapfs("umount", scratch / mnt, check=False)


@pytest.fixture(params=["root", pytest.param("user", marks=pytest.mark.user)])
def both(place):
    """The test runs as root and as an ordinary user."""
    return place


def mount(place, store="store", at="mnt"):
    mapfs("mount", "-s", place / store, place / "base", place / at)


def keep(place, store="store"):
    """A kept store with one change, at rest."""
    mount(place, store)
    write_file(place / f"mnt/{store}", b"x" * 5000)
    mapfs("umount", place / "mnt")


def listed():
    return {os.path.basename(row["store"]): row
            for row in json.loads(mapfs("list", "--stores", "--json").text)}


def states():
    return {name: row["state"] for name, row in listed().items()}


def make_old(store, days):
    """Sets the times of everything in it, as if nothing had happened since."""
    then = time.time() - days * DAY
    for top, dirs, files in os.walk(store):
        for name in dirs + files:
            os.utime(os.path.join(top, name), (then, then),
                     follow_symlinks=False)
    os.utime(store, (then, then))


def leave_part(store):
    """What a branch leaves that is killed right before its last step."""
    (store / "journal").rename(store / "journal.part")


def test_kept_stores_are_listed(both):
    place = both
    assert mapfs("list", "--stores").text == ""
    keep(place)
    mapfs("branch", place / "store", place / "branch")
    mount(place, "branch")
    rows = listed()
    assert list(rows) == ["branch", "store"]
    store = rows["store"]
    assert store["state"] == "kept" and not store["is_stale"]
    assert (store["base"], store["mountpoint"], store["note"]) == \
        (str(place / "base"), None, None)
    assert store["branches"] == 1 and store["size_bytes"] >= 8192
    assert abs(store["changed"] - time.time()) < DAY
    assert rows["branch"]["state"] == "mounted"
    assert rows["branch"]["mountpoint"] == str(place / "mnt")
    assert rows["branch"]["parent"] == str(place / "store")
    text = mapfs("list", "--stores").text
    head, line = text.splitlines()[0], text.splitlines()[2]
    assert head.split() == ["STORE", "STATE", "SIZE", "AGE", "BASE"]
    assert line.split()[0] == str(place / "store") and "<1h" in line


def test_memory_and_snapshots_are_not_listed(place):
    mapfs("mount", place / "base", place / "mnt")
    mapfs("mount", "-s", "memory", place / "base", place / "mnt2")
    assert listed() == {}
    mapfs("umount", place / "mnt")
    keep(place)
    mapfs("snapshot", place / "store", "one")
    shutil.rmtree(place / "state")
    mapfs("mount", "-s", f"{place}/store@one", place / "base", place / "mnt")
    assert listed() == {}


@pytest.mark.user
def test_the_home_directory_has_the_list(place):
    del os.environ["XDG_STATE_HOME"]
    keep(place)
    assert os.listdir(place / ".local/state/mapfs") == ["stores"]
    assert states() == {"store": "kept"}


def test_a_moved_store_is_found_once_it_is_mounted(place):
    keep(place)
    (place / "store").rename(place / "moved")
    assert listed() == {}
    assert os.listdir(place / "state/mapfs/stores") == []
    mount(place, "moved")
    assert states() == {"moved": "mounted"}


def test_a_discarded_store_leaves_no_entry(place):
    keep(place)
    mapfs("discard", "-y", place / "store")
    assert os.listdir(place / "state/mapfs/stores") == []


def test_stale_stores_are_named_with_what_to_do(place):
    for name in ("fine", "damaged", "left"):
        keep(place, name)
    mapfs("branch", place / "fine", place / "cut")
    leave_part(place / "cut")
    for segment in (place / "damaged/journal").iterdir():
        os.truncate(segment, 100)
    for name in "anchor", "pages":
        os.unlink(place / "left" / name)
    assert states() == {"fine": "kept", "damaged": "damaged",
                        "cut": "leftover", "left": "leftover"}
    text = mapfs("list", "--stores").text
    assert f"never finished; remove it with `mapfs discard {place}/cut`" in \
        text
    assert f"interrupted; remove it with `mapfs discard {place}/left`" in text
    assert (f"store {place}/damaged: segment 1 (journal/1) is damaged at byte "
            "100: ") in text
    (place / "base").rename(place / "away")
    row = listed()["fine"]
    assert row["state"] == "base-gone" and row["is_stale"]
    assert "is gone; put it back" in row["note"]
    (place / "base").mkdir()
    assert states()["fine"] == "base-replaced"


def test_no_entry_is_believed(place):
    """An entry is a path, and what is there gets the usual checks."""
    keep(place)
    entries = place / "state/mapfs/stores"
    for n, target in enumerate(("/etc/passwd", "relative", str(place),
                                "/nowhere", "/", str(place / "base"))):
        os.symlink(target, entries / f"{n:016x}")
    write_file(entries / ("a" * 16), b"no link")
    assert states() == {"store": "kept"}
    assert len(os.listdir(entries)) == 2
    os.chmod(place / "store", 0o777)
    row = listed()["store"]
    assert row["state"] == "foreign" and row["size_bytes"] is None
    make_old(place / "store", 100)
    assert "0 stores" in mapfs("prune", "--older-than", "1d", "-y").text
    os.chmod(place / "store", 0o700)
    os.chmod(entries, 0o777)
    assert "Operation not permitted" in refused("list", "--stores")
    keep(place, "other")    # no error, either


def test_without_a_place_for_the_list_all_works(place):
    write_file(place / "state", b"a file")
    keep(place)
    assert listed() == {}
    assert status_of(place / "store")["added"] == 1


def test_a_base_does_not_get_the_list(place):
    """[B1] also where the base is the home directory."""
    os.environ["XDG_STATE_HOME"] = str(place / "base/state")
    keep(place)
    assert os.listdir(place / "base") == ["f"]
    mapfs("branch", place / "store", place / "branch")
    mapfs("snapshot", place / "store", "s")
    assert os.listdir(place / "base") == ["f"]


def test_a_killed_import_is_listed(place):
    p = subprocess.Popen([binary(), "import", place / "base",
                          place / "store"], stdin=subprocess.PIPE)
    wait_for("a store", (place / "store/journal.part/1").exists)
    p.send_signal(signal.SIGKILL)
    p.wait(timeout=patience())
    p.stdin.close()
    assert states() == {"store": "leftover"}
    make_old(place / "store", 9)
    mapfs("prune", "--older-than", "1w", "-y")
    assert not (place / "store").exists()


def test_a_leftover_does_not_hold_a_mounted_parent(place):
    keep(place)
    mapfs("snapshot", place / "store", "s")
    mapfs("branch", f"{place}/store@s", place / "cut")
    leave_part(place / "cut")
    mount(place)
    says = f"{place}/cut: the rest of a branch or an import that was never " \
           f"finished; remove it with `mapfs discard {place}/cut`"
    for args in (("status", place / "cut"), ("log", place / "cut"),
                 ("mount", "-s", place / "cut", place / "base",
                  place / "mnt2")):
        assert says in refused(*args)
    mapfs("snapshot", place / "mnt", "t")
    mapfs("snapshot", "-d", place / "mnt", "s")
    assert status_of(place / "mnt")["branches"] == []
    mapfs("umount", place / "mnt")
    mapfs("discard", "-y", place / "cut")
    mapfs("discard", "-y", place / "store")
    assert listed() == {}


def test_a_branch_of_somebody_is_no_leftover(place):
    """Others could make a directory look as if it was the rest of a branch
    that was moved."""
    keep(place)
    mapfs("snapshot", place / "store", "s")
    mapfs("branch", f"{place}/store@s", place / "branch")
    shutil.copytree(place / "branch", place / "moved")
    leave_part(place / "branch")
    os.chmod(place / "branch", 0o777)
    assert "not at" in refused("snapshot", "-d", place / "store", "s")
    assert "not at" in refused("discard", "-y", place / "store")


def test_prune_takes_what_is_old_and_not_needed(both):
    place = both
    for name in ("old", "young", "parent", "used", "commit"):
        keep(place, name)
    mapfs("branch", place / "parent", place / "branch")
    os.unlink(place / "base/f")     # the base's own change: no conflict
    mount(place, "used")
    (place / "commit/commit").mkdir(exist_ok=True)
    write_file(place / "commit/commit/open", b"")
    for name in ("old", "parent", "used", "commit"):
        make_old(place / name, 31)
    make_old(place / "young", 29)
    said = mapfs("prune", "--older-than", "30d", "-n").text
    assert said.splitlines()[0].startswith(f"{place}/old: kept, ")
    assert "not changed for 31d" in said and "1 store, " in said
    assert (place / "old").exists()
    assert "say -y" in refused("prune", "--older-than", "30d")
    assert (place / "old").exists()
    mapfs("prune", "--older-than", "30d", "-y")
    assert set(states()) == {"young", "parent", "branch", "used", "commit"}
    # A parent becomes free when its branch is gone.
    mapfs("discard", "-y", place / "branch")
    make_old(place / "young", 57)
    said = mapfs("prune", "--older-than", "8w", "-y").text
    assert f"{place}/young" in said and "1 store, " in said
    said = mapfs("prune", "--older-than", "700h", "-y").text
    assert f"{place}/parent" in said and "1 store, " in said
    assert set(states()) == {"used", "commit"}


def test_prune_asks_on_a_terminal(place):
    keep(place)
    make_old(place / "store", 31)
    for answer, is_left in (("n", True), ("y", False)):
        t = Terminal(binary(), "prune", "--older-than", "30d")
        t.expect("Discard them? [y/N]")
        t.type(answer + "\n")
        assert t.end()[0] == is_left
        assert (place / "store").exists() == is_left


@pytest.mark.parametrize("age", ["", "30", "d", "-1d", "3m", "30dd", "1.5d",
                                 "99999999999999999999d"])
def test_wrong_ages_are_refused(place, age):
    p = mapfs("prune", "--older-than", age, check=False)
    assert p.returncode == 2 and "write 12h, 30d or 8w" in p.text
