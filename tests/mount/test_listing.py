# SPDX-License-Identifier: MIT
"""Listings of a directory that changes: no name twice, and they end.

The kernel asks for a page of names at a time, or uses cached ones. So most
tests read fewer names at once than the directory has.
"""
import os
import threading

import pytest

from support.disk import file_system
from support.sysc import getdents, opened, write_file
from support.view import View, mapfs, run

MANY = 700	# several pages of READDIR and READDIRPLUS
DOTS = (b".", b"..")


class Listing:
    """A listing that is read in small parts."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self.names = []
        self.numbers = []

    def part(self, room_bytes=600):
        """Reads the next part; returns False at the end."""
        entries = getdents(self.fd, room_bytes)
        for name, ino in entries:
            if name not in DOTS:
                self.names.append(name)
                self.numbers.append(ino)
        if not entries:
            os.close(self.fd)
        return bool(entries)

    def rest(self):
        while self.part():
            assert len(self.names) < 20 * MANY
        assert len(set(self.names)) == len(self.names)
        return self


def _listings_under_way(path):
    """Four listings, each stopped at another position of the directory."""
    listings = [Listing(path) for _ in range(4)]
    for n, listing in enumerate(listings):
        for _ in range(1 + 9 * n):
            assert listing.part()
    return listings


def _fill(origin, count):
    origin.dir("d")
    for i in range(count):
        origin.file(f"d/f{i}")


def _numbers(path):
    return sorted(e.inode() for e in os.scandir(path))


@pytest.mark.parametrize("count", [5, MANY])
def test_scandir_that_renames_what_it_meets_ends(view, origin, count):
    _fill(origin, count)
    for _ in range(2):
        met = 0
        for entry in os.scandir(view / "d"):
            met += 1
            assert met < 20 * count
            os.rename(entry.path, entry.path + "x")
        assert met == count or not view.is_copy
        assert len(os.listdir(view / "d")) == count
        view.remount()


def test_scandir_that_copies_what_it_meets_ends(view, origin):
    _fill(origin, MANY)
    met = 0
    for entry in os.scandir(view / "d"):
        met += 1
        assert met < 20 * MANY
        write_file(entry.path + ".bak")
    assert met >= MANY
    assert met == MANY or not view.is_copy
    assert len(os.listdir(view / "d")) >= 2 * MANY


def test_find_that_renames_what_it_finds_ends(view, origin):
    _fill(origin, 100)
    run("find", view / "d", "-type", "f", "-exec", "mv", "{}", "{}x", ";",
        timeout=40)
    names = os.listdir(view / "d")
    assert len(names) == 100
    assert all(name.endswith("x") for name in names)


@pytest.mark.modes("copy", "kept")
def test_every_file_is_met_once_however_often_it_is_renamed(view, origin):
    _fill(origin, MANY)
    numbers = _numbers(view / "d")
    names = {i: f"f{i}" for i in range(MANY)}
    listing = Listing(view / "d")
    turn = 0
    while listing.part():
        turn += 1
        for i in range(turn % 7, MANY, 7):
            os.rename(view / f"d/{names[i]}", view / f"d/r{i}.{turn}")
            names[i] = f"r{i}.{turn}"
    assert sorted(listing.numbers) == numbers
    assert len(set(listing.names)) == MANY
    view.remount()
    assert _numbers(view / "d") == numbers


@pytest.mark.modes("copy", "kept")
def test_listing_of_what_the_kernel_cached_goes_on_after_changes(view, origin):
    """During a listing, the kernel's cache is dropped and then filled by
    another listing."""
    _fill(origin, MANY)
    os.mkdir(view / "e")
    numbers = _numbers(view / "d")
    os.listdir(view / "d")
    listings = _listings_under_way(view / "d")
    for i in range(0, MANY, 2):
        os.rename(view / f"d/f{i}", view / f"d/r{i}")
    gone = os.stat(view / "d/f1").st_ino
    os.unlink(view / "d/f1")
    os.rename(view / "d/f3", view / "e/f3")
    os.rename(view / "e/f3", view / "d/f3")
    for i in range(50):
        write_file(view / f"d/new{i}")
    listings[0].part()
    os.listdir(view / "d")
    os.listdir(view / "d")
    numbers.remove(gone)
    for listing in listings:
        listing.rest()
        assert not [n for n in listing.names if n.startswith(b"new")]
        assert sorted(n for n in listing.numbers if n != gone) == numbers


@pytest.mark.modes("copy", "kept")
def test_names_that_come_back_are_not_met_twice(view, origin):
    """Names are removed and made again, replaced, exchanged, linked and moved
    back."""
    _fill(origin, MANY)
    listing = Listing(view / "d")
    for _ in range(10):
        listing.part()
    for i in range(0, MANY, 5):
        os.unlink(view / f"d/f{i}")
        write_file(view / f"d/f{i}")
        write_file(view / "d/tmp")
        os.rename(view / "d/tmp", view / f"d/f{i + 1}")
        os.rename(view / f"d/f{i + 2}", view / f"d/f{i + 3}")
        os.link(view / f"d/f{i + 3}", view / f"d/f{i + 2}")
        os.rename(view / f"d/f{i + 4}", view / "d/x")
        os.rename(view / f"d/f{i}", view / f"d/f{i + 4}")
        os.rename(view / "d/x", view / f"d/f{i}")
    listing.rest()
    replaced = {b"f%d" % i for i in range(1, MANY, 5)}
    assert replaced <= set(listing.names)
    assert sorted(os.listdir(view / "d")) == \
        sorted(f"f{i}" for i in range(MANY))


@pytest.mark.modes("kept")
def test_listing_goes_on_over_rollback_and_revert(view):
    os.mkdir(view.base / "d")
    for i in range(MANY):
        write_file(view.base / f"d/f{i}")
    for i in range(100):
        write_file(view / f"d/n{i}")
        os.rename(view / f"d/f{i}", view / f"d/r{i}")
    mapfs("snapshot", view.store, "s")
    for i in range(100):
        os.unlink(view / f"d/n{i}")
        os.rename(view / f"d/r{i}", view / f"d/q{i}")
        write_file(view / f"d/m{i}")
    for command in (("rollback", "-y", view.store, "s"),
                    ("revert", view / "d/f7"), ("revert", view / "d")):
        listings = _listings_under_way(view / "d")
        before = set(os.listdir(os.fsencode(view / "d")))
        mapfs(*command)
        write_file(view / f"d/after-{command[0]}")
        after = set(os.listdir(os.fsencode(view / "d")))
        for listing in listings:
            assert before & after <= set(listing.rest().names)
    assert f"f{MANY - 1}" in os.listdir(view / "d")


@pytest.mark.modes("copy", "kept")
def test_ls_beside_renames_shows_every_file_once(view, origin):
    _fill(origin, MANY)
    numbers = _numbers(view / "d")
    stop = threading.Event()

    def rename_on():
        turn = 0
        while not stop.is_set():
            turn += 1
            for i in range(MANY):
                was = f"f{i}" if turn == 1 else f"r{i}.{turn - 1}"
                os.rename(view / f"d/{was}", view / f"d/r{i}.{turn}")

    thread = threading.Thread(target=rename_on)
    thread.start()
    try:
        for _ in range(30):
            listing = Listing(view / "d").rest()
            assert sorted(listing.numbers) == numbers
            names = run("ls", "-U", view / "d").text.split()
            assert len(names) == len(set(names)) == MANY
    finally:
        stop.set()
        thread.join()


@pytest.mark.modes("kept")
def test_names_moved_by_others_below_stay_listed(view):
    os.mkdir(view.base / "d")
    for i in range(5):
        write_file(view.base / f"d/f{i}")
    os.rename(view / "d/f0", view / "d/r0")
    os.unlink(view / "d/f1")
    write_file(view / "d/f1")
    view.unmount()
    view.base_stays = False
    os.unlink(view.base / "d/f0")
    os.unlink(view.base / "d/f1")
    view.mount()
    assert sorted(os.listdir(view / "d")) == ["f1", "f2", "f3", "f4", "r0"]


@pytest.mark.root
@pytest.mark.parametrize("kind", ["btrfs", "xfs", "ext4", "tmpfs"])
def test_write_mode_ends_where_the_base_would(scratch, kind):
    """btrfs numbers its names in ascending order, and each open remembers the
    highest number."""
    with file_system(scratch, kind) as disk:
        view = View(disk, "write")
        try:
            for i in range(2000):
                write_file(view.base / f"f{i}")
            view.mount()
            met = 0
            seen = set()
            for entry in os.scandir(view.top):
                met += 1
                seen.add(entry.name)
                assert met < 10_000
                os.rename(entry.path, entry.path + "x")
            assert len(seen) == met
            assert met == 2000 or kind in ("xfs", "ext4")
            assert len(os.listdir(view.top)) == 2000
            with opened(view.top, os.O_RDONLY) as fd:
                assert len(getdents(fd, 600)) > 0
        finally:
            view.give_up()
