# SPDX-License-Identifier: MIT
"""Branches: stores that begin at a snapshot of another store."""
import os

import pytest

from support import tree
from support.sysc import opened, read_file, write_file
from support.view import View, mapfs, refused, status_of

PAGE = 4096
pytestmark = pytest.mark.modes("kept", plain=False)


def _disk_bytes(store):
    return sum(os.lstat(os.path.join(d, n)).st_blocks * 512
               for d, _, names in os.walk(store) for n in names)


@pytest.fixture
def second(view):
    """A second view over the same base, for a store that the test makes as a
    branch."""
    other = View.__new__(View)
    other.__dict__.update(view.__dict__, mnt=view.scratch / "mnt2",
                          store=view.scratch / "branch", proc=None)
    other.mnt.mkdir()
    try:
        yield other
        if other.mounted:
            other.unmount()
    finally:
        other.give_up()


def test_parent_and_branch_go_their_ways(view, second):
    """The parent stays mounted while the branch is made, and both are
    changed."""
    write_file(view.base / "base", b"b" * 10 * PAGE)
    write_file(view / "f", b"then" * 10 * PAGE)
    with opened(view / "base", os.O_RDWR) as fd:
        os.pwrite(fd, b"then", 5 * PAGE)
        # Only the branch itself flushes it.
        mapfs("branch", view.store, second.store)
        os.pwrite(fd, b"parent", 5 * PAGE)
    write_file(view / "f", b"parent")
    second.mount()
    assert read_file(second / "f") == b"then" * 10 * PAGE
    assert read_file(second / "base")[5 * PAGE:][:6] == b"thenbb"
    with opened(second / "f", os.O_RDWR) as fd:
        os.pwrite(fd, b"branch", 5 * PAGE)
    os.unlink(second / "base")
    write_file(second / "only", b"here")
    assert read_file(view / "f") == b"parent"
    assert read_file(view / "base")[5 * PAGE:][:6] == b"parent"
    assert not os.path.exists(view / "only")
    mine = second.look()
    second.unmount()
    second.mount()
    tree.assert_same_but_a_tick(mine, second.look(),
                                "the branch forgot something")
    name = status_of(view.top)["branches"][0]["snapshot"]
    assert name.startswith("branch-20")


def test_branch_of_a_named_snapshot(view, second):
    write_file(view / "f", b"one")
    mapfs("snapshot", view.mnt, "one")
    write_file(view / "f", b"two")
    view.unmount()
    mapfs("branch", f"{view.store}@one", second.store)
    assert status_of(second.store)["parent"] == str(view.store)
    assert status_of(second.store)["parent_snapshot"] == "one"
    assert status_of(view.store)["snapshots"] == 1
    second.mount()
    assert read_file(second / "f") == b"one"
    view.mount()
    assert read_file(view / "f") == b"two"


def test_many_branches_share_the_pages(view, second):
    write_file(view / "f", os.urandom(1000 * PAGE))
    mapfs("snapshot", view.mnt, "one")
    view.unmount()
    for n in range(20):
        store = view.scratch / f"b{n}"
        mapfs("branch", f"{view.store}@one", store)
        assert _disk_bytes(store) < 50 * PAGE
        assert status_of(store)["added"] == 1
    assert len(status_of(view.store)["branches"]) == 20


def test_snapshot_with_a_branch_stays(view, second):
    write_file(view / "f", b"x")
    mapfs("snapshot", view.mnt, "one")
    mapfs("branch", f"{view.store}@one", second.store)
    assert str(second.store) in refused("snapshot", "-d", view.mnt, "one")
    mapfs("discard", "-y", second.store)
    mapfs("snapshot", "-d", view.mnt, "one")


def test_branches_that_cannot_be_arerefused(view, second):
    write_file(view / "f", b"x")
    mapfs("snapshot", view.mnt, "one")
    assert "has no snapshot two" in \
        refused("branch", f"{view.store}@two", second.store)
    assert not second.store.exists()
    assert str(view.store) in \
        refused("branch", f"{view.store}@one", view.store)
    assert "inside the base" in \
        refused("branch", f"{view.store}@one", view.base / "st")
    second.store.mkdir()
    write_file(second.store / "mine", b"precious")
    assert "not empty" in \
        refused("branch", f"{view.store}@one", second.store)
    assert os.listdir(second.store) == ["mine"]
    assert status_of(view.store)["branches"] == []


def test_a_branch_that_cannot_be_leaves_no_snapshot(view, second):
    """Regression: each failed attempt left a snapshot, which pinned all
    pages."""
    write_file(view / "f", b"x")
    second.store.mkdir()
    write_file(second.store / "mine", b"precious")
    assert "not empty" in refused("branch", view.mnt, second.store)
    assert status_of(view.top)["snapshots"] == 0
    view.unmount()
    assert "not empty" in refused("branch", view.store, second.store)
    assert status_of(view.store)["snapshots"] == 0


def test_a_branch_that_is_gone_is_said_to_be(view, second):
    """Regression: the user was told to discard the branch, whatever was at its
    path."""
    write_file(view / "f", b"x")
    mapfs("snapshot", view.mnt, "one")
    view.unmount()
    mapfs("branch", f"{view.store}@one", second.store)
    moved = view.scratch / "moved"
    second.store.rename(moved)
    (_, _, [uuid]), = os.walk(view.store / "branches")
    for args in (("snapshot", "-d", view.store, "one"),
                 ("discard", "-y", view.store)):
        text = refused(*args)
        assert f"not at {second.store} any more" in text
        assert f"remove {view.store}/branches/{uuid}" in text
    second.mount()      # another store in its place
    second.unmount()
    assert "any more" in refused("snapshot", "-d", view.store, "one")
    mapfs("discard", "-y", moved)
    mapfs("snapshot", "-d", view.store, "one")


@pytest.mark.modes("kept", people=("user",), plain=False)
def test_a_discard_cut_short_lets_the_parent_go(view, second):
    """Regression: the branch was gone, but the snapshot of the parent stayed
    pinned for ever."""
    write_file(view / "f", b"x")
    mapfs("snapshot", view.mnt, "one")
    second.store = view.scratch / "closed/branch"
    second.store.parent.mkdir()
    mapfs("branch", f"{view.store}@one", second.store)
    second.store.parent.chmod(0o555)
    assert "ermission denied" in refused("discard", "-y", second.store)
    second.store.parent.chmod(0o755)
    assert not os.listdir(second.store)
    mapfs("snapshot", "-d", view.mnt, "one")
