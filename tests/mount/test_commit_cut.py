# SPDX-License-Identifier: MIT
"""Power cuts in the middle of `mapfs commit` and of its undo.

The store, the base, or both are on the disk that loses its power. Afterwards
the store cannot be mounted until the same command has finished the work.
"""
import os
import random
import subprocess
import time

import pytest

from support import tree
from support.interruption import interrupt
from support.sysc import opened, write_file
from support.view import View, binary, mapfs

CUTS = 6


def _make_base(base):
    for d in range(4):
        os.makedirs(base / f"d{d}" / "deep")
        for n in range(12):
            write_file(base / f"d{d}" / f"f{n}", b"%d.%d " % (d, n) * 3000)
    os.link(base / "d0" / "f0", base / "d1" / "linked")


def _change(view):
    for d in range(3):
        for n in range(0, 12, 2):
            with opened(view / f"d{d}/f{n}", os.O_RDWR) as fd:
                os.pwrite(fd, b"changed", 5000)
        os.unlink(view / f"d{d}/f1")
        write_file(view / f"d{d}/deep/new", b"new" * 5000)
        os.rename(view / f"d{d}/f3", view / f"d{(d + 1) % 3}/moved")
    os.rename(view / "d3", view / "d0/deep/d3")
    os.link(view / "d0/deep/new", view / "linked")
    os.chmod(view / "d2", 0o700)


def _begin_and_cut(disk, store, args, delay, flush_log):
    """Cuts the power `delay` seconds after the command began; returns whether
    the command failed."""
    end = time.monotonic() + delay
    status = interrupt([binary(), "commit", *args, "-y", store],
                       lambda: time.monotonic() >= end,
                       lambda p: disk.cut_power(flush_log),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    disk.umount()
    disk.mount()
    return status != 0


def _finish(view, args):
    if os.path.exists(view.store / "commit" / "open"):
        p = mapfs("mount", "-s", view.store, view.base, view.mnt, check=False)
        assert p.returncode != 0 and "interrupted" in p.text, p.text
    p = mapfs("commit", *args, "-y", view.store, check=False)
    assert p.returncode == 0 or "nothing was committed" in p.text, p.text


def _cut_both(view, disk, rnd, took, flush_log):
    """Cuts one commit and one undo; returns how many of the two were cut
    before their end."""
    before = tree.committed(view.base)
    view.mount()
    _change(view)
    seen = tree.committed(view.top)
    view.unmount()
    os.sync()
    cuts = _begin_and_cut(disk, view.store, [], rnd.uniform(0, took),
                          flush_log)
    _finish(view, [])
    tree.assert_same(seen, tree.committed(view.base), "finished commit")
    assert not [n for n in os.listdir(view.base) if n.startswith(".mapfs")]
    os.sync()
    cuts += _begin_and_cut(disk, view.store, ["--undo"],
                           rnd.uniform(0, took), flush_log)
    _finish(view, ["--undo"])
    tree.assert_same(before, tree.committed(view.base), "finished undo")
    mapfs("revert", view.store, ".")
    return cuts


@pytest.mark.alone
@pytest.mark.limit(300)
@pytest.mark.parametrize("where", ["both", "store", "base"])
def test_commit_survives_power_cuts(scratch, disk, where):
    v = View(scratch, "kept")
    v.base_stays = False
    if where != "base":
        v.store = disk.at / "store"
    if where != "store":
        v.base = disk.at / "base"
        v.base.mkdir()
    _make_base(v.base)
    rnd = random.Random(int(os.environ.get("MAPFS_TEST_SEED", "0")))
    v.mount()
    _change(v)
    v.unmount()
    start = time.monotonic()
    mapfs("commit", "-y", v.store)
    took = time.monotonic() - start
    mapfs("commit", "--undo", "-y", v.store)
    mapfs("revert", v.store, ".")
    cuts = 0
    for n in range(CUTS):
        cuts += _cut_both(v, disk, rnd, took, n % 2 == 0)
    assert cuts > 0, "the power went too late to matter"
    disk.umount()
