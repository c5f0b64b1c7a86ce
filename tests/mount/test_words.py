# SPDX-License-Identifier: MIT
"""Messages for wrong arguments: one sentence that helps, and no change.

The form is "OBJECT: reason; next step". The exit status is 1, or 2 for wrong
command lines and for mapfs diff.
"""
import os
import re
import signal
import subprocess

import pytest

from support.load import patience
from support.sysc import read_file, write_file
from support.view import binary, mapfs, run, status_of

SENTENCE = re.compile(r"mapfs: [^\n]+: [^\n]+; [^\n]+\n")
pytestmark = pytest.mark.modes("kept", plain=False)


@pytest.fixture
def changed(view):
    write_file(view.base / "f", b"base")
    write_file(view / "f", b"view")
    mapfs("snapshot", view.mnt, "one")
    return view


def _says(status, *args):
    p = mapfs(*args, check=False)
    assert p.returncode == status, p.text
    assert SENTENCE.fullmatch(p.text), p.text
    return p.text


def _modified(where):
    return status_of(where)["modified"]


def test_an_empty_path_does_not_mean_everything(changed):
    assert "say . for everything" in _says(1, "revert", changed.mnt, "")
    assert _modified(changed.mnt) == 1
    changed.unmount()
    p = mapfs("commit", "-y", changed.store, "", check=False)
    assert p.returncode == 2 and "say . for everything" in p.text
    assert _modified(changed.store) == 1


@pytest.mark.parametrize("command", ["status", "diff", "log", "export",
                                     "discard"])
def test_an_empty_name_is_told(changed, command):
    assert "''" in _says(2 if command == "diff" else 1, command, "")


@pytest.mark.parametrize("args", [
    ["mount", "nothere", "."], ["mount", "-m", "read", "nothere", "."],
    ["import", "nothere", "s"], ["commit", "-n", "nothere"],
    ["commit", "-n", "."], ["mount", "-s", "no/where", ".", "."]])
def test_a_wrong_name_gets_a_next_step(changed, args):
    base = str(changed.base)
    _says(1, *[base if a == "." else a for a in args])


@pytest.mark.parametrize("args", [["status"], ["log"], ["rollback", "-y"],
                                  ["revert"]])
def test_a_snapshot_is_not_taken_for_its_store(changed, args):
    changed.unmount()
    more = {"rollback": ["one"], "revert": ["f"]}.get(args[0], [])
    assert "@one" in _says(1, *args, f"{changed.store}@one", *more)


def test_a_name_that_reads_as_a_range_is_refused(changed):
    assert "'a..b'" in _says(1, "snapshot", changed.mnt, "a..b")


def test_status_tells_private_bytes(changed):
    live = status_of(changed.mnt)
    assert live["private_bytes"] == 4096 * live["private_pages"] == 4096


@pytest.mark.modes("kept", people=("root",), plain=False)
def test_store_of_somebody_else_is_not_called_missing(changed):
    changed.unmount()
    os.chmod(changed.scratch, 0o755)
    p = mapfs("status", changed.store, check=False, user=4711, group=4711,
              extra_groups=[])
    assert p.returncode == 1 and "ask its owner or root" in p.text


@pytest.mark.parametrize("args", [
    ["list"], ["list", "--json"], ["status"], ["status", "--json"], ["log"]])
def test_a_list_that_could_not_be_written_is_no_success(changed, args):
    where = [] if args[0] == "list" else [changed.mnt]
    with open("/dev/full", "wb") as full:
        p = subprocess.run([binary(), *args, *where], stdout=full,
                           stderr=subprocess.PIPE, timeout=patience(),
                           check=False)
    assert p.returncode == 1
    assert SENTENCE.fullmatch(p.stderr.decode())


def test_failure_of_a_helper_is_seen_by_who_ignores_children(changed):
    with open(changed / "f", "rb"):
        p = mapfs("umount", changed.mnt, check=False, preexec_fn=lambda:
                  signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        assert p.returncode == 1
        assert "in use" in p.text and SENTENCE.fullmatch(p.text)


def test_files_of_a_store_do_not_become_missing_outputs(scratch):
    """With a closed standard stream, the next file that is opened would get
    its number."""
    base, mnt = scratch / "base", scratch / "mnt"
    base.mkdir()
    mnt.mkdir()
    write_file(base / "f", b"base")
    run("sh", "-c", f"exec {binary()} mount -s {scratch}/store {base} {mnt} "
        "<&- >&- 2>&-")
    try:
        assert read_file(mnt / "f") == b"base"
        write_file(mnt / "g", b"view")
    finally:
        mapfs("umount", mnt)
    assert mapfs("diff", scratch / "store", check=False).text == "A f g\n"
    p = run("sh", "-c", f"exec {binary()} commit -y {scratch}/store "
            "<&- >&- 2>&-", check=False)
    assert p.returncode == 0
    assert sorted(os.listdir(base)) == ["f", "g"]
    assert read_file(base / "g") == b"view"
