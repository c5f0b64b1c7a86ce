# SPDX-License-Identifier: MIT
"""mapfs discard: its messages, its refusals, and the files that remain."""
import os
import pty
import subprocess

import pytest

from support.load import patience
from support.sysc import write_file
from support.view import binary, mapfs, refused

pytestmark = pytest.mark.modes("kept", plain=False)


def _on_a_terminal(answer, *args):
    """Runs a command on a terminal with this answer; returns its exit status
    and output."""
    top, end = pty.openpty()
    os.write(top, answer)
    p = subprocess.run([binary(), *map(str, args)], stdin=end, stdout=end,
                       stderr=end, timeout=patience())
    os.close(end)
    text = b""
    try:
        while part := os.read(top, 4096):
            text += part
    except OSError:
        pass    # the end of a terminal
    os.close(top)
    return p.returncode, text.decode(errors="replace")


@pytest.fixture
def resting(view):
    write_file(view.base / "old", b"x")
    write_file(view / "new", b"y" * 5000)
    os.unlink(view / "old")
    mapfs("snapshot", view.mnt, "one")
    view.unmount()
    return view.store


def test_discard_says_what_goes_and_removes_it(resting):
    text = mapfs("discard", "-y", resting).text
    assert "1 added, 1 deleted" in text
    assert "8.0 KiB" in text
    assert "snapshots: 1" in text
    assert not resting.exists()


def test_without_a_terminal_it_asks_for_a_yes(resting):
    assert "say -y" in refused("discard", resting)
    assert mapfs("status", resting)


def test_on_a_terminal_it_asks(resting):
    for answer in (b"n\n", b"\n", b"\4"):
        status, text = _on_a_terminal(answer, "discard", resting)
        assert status == 1
        assert "Discard? [y/N]" in text and "nothing was changed" in text
        assert resting.exists()
    status, text = _on_a_terminal(b"y\n", "discard", resting)
    assert status == 0, text
    assert not resting.exists()


def test_a_mounted_store_isrefused(view):
    write_file(view / "f", b"x")
    for arg in (view.store, view.mnt):
        text = refused("discard", "-y", arg)
        assert f"mounted on {view.mnt}" in text and "umount" in text
    assert os.path.exists(view / "f")


def test_a_parent_is_refused_and_names_the_branch(resting, view):
    branch = view.scratch / "branch"
    mapfs("branch", f"{resting}@one", branch)
    assert f"has a branch, {branch}" in refused("discard", "-y", resting)
    mapfs("discard", "-y", branch)
    assert not branch.exists()
    mapfs("discard", "-y", resting)
    assert not resting.exists()


@pytest.mark.modes("kept", people=("root",))
def test_a_store_without_its_journal_is_removed(resting):
    for segment in (resting / "journal").iterdir():
        segment.unlink()
    text = mapfs("discard", "-y", resting).text
    assert "missing" in text and "nothing was changed" not in text
    assert not resting.exists()


@pytest.mark.modes("kept", people=("root",))
def test_data_under_the_names_of_a_damaged_store_stays(view):
    view / ""
    precious = view.scratch / "precious"
    (precious / "journal").mkdir(parents=True)
    for name in ("pages", "journal/1"):
        write_file(precious / name, b"mine")
    assert refused("discard", "-y", precious)
    assert sorted(os.listdir(precious)) == ["journal", "pages"]


def test_files_of_others_stay(resting):
    write_file(resting / "mine", b"precious")
    assert "not mapfs's" in refused("discard", "-y", resting)
    assert os.listdir(resting) == ["mine"]


def test_what_is_no_store_isrefused(view):
    view / ""
    precious = view.scratch / "precious"
    precious.mkdir()
    write_file(precious / "pages", b"mine")
    assert "nor a store" in refused("discard", "-y", precious)
    assert os.listdir(precious) == ["pages"]
    write_file(precious / "journal", b"mine")
    assert refused("discard", "-y", precious)
    assert sorted(os.listdir(precious)) == ["journal", "pages"]


def test_one_snapshot_isrefused(resting):
    assert "snapshot -d" in refused("discard", "-y", f"{resting}@one")
    assert resting.exists()
