# SPDX-License-Identifier: MIT
"""tools/quickstart, on a terminal and without one."""
import os
import shutil
import subprocess

import pytest

from support import tree
from support.load import patience
from support.sysc import read_file, write_file
from support.terminal import QUESTION, Terminal
from support.view import REPO, run

pytestmark = [pytest.mark.root, pytest.mark.limit(300),
              # tools/setup uses the package manager, which has a lock.
              pytest.mark.xdist_group("quickstart")]

QUICKSTART = REPO / "tools/quickstart"


@pytest.fixture
def place(scratch):
    write_file(scratch / "note", b"")
    (scratch / "tmp").mkdir()
    os.environ["TMPDIR"] = str(scratch / "tmp")
    os.environ["SHELL"] = "/bin/sh"
    os.environ["PS1"] = "$ "
    (scratch / "mine").mkdir()
    write_file(scratch / "mine/notes.txt", b"old\n")
    return scratch


def test_without_a_terminal_there_is_a_tour(place):
    text = run(QUICKSTART, timeout=200).text
    assert "T   h   e   s   e" in text and "t   h   e   s   e" in text
    assert "is as it was" in text
    assert os.listdir(place / "tmp") == []


def test_shell_knows_mapfs_and_asks_at_its_end(place):
    before = tree.of(place / "mine", ("atime",))
    t = Terminal(QUICKSTART, place / "mine")
    greeting = t.expect("then you choose", 200)
    assert "mapfs diff ." in greeting and "mapfs rollback" in greeting
    t.type("echo new >>notes.txt; mapfs diff .\n")
    t.expect("M f notes.txt")
    t.type("mapfs snapshot . one && rm notes.txt && mapfs rollback . one\n")
    t.expect("Roll back? [y/N]")
    t.type("y\ncat notes.txt\n")
    t.expect("old\r\nnew\r\n")
    t.type("exit\n")
    t.expect(QUESTION)
    tree.assert_same(before, tree.of(place / "mine", ("atime",)), "base")
    t.type("d\n")
    assert t.end()[0] == 0
    assert os.listdir(place / "tmp") == []
    tree.assert_same(before, tree.of(place / "mine", ("atime",)), "base")


def test_what_the_shell_did_can_be_committed(place):
    t = Terminal(QUICKSTART, place / "mine")
    t.expect("then you choose", 200)
    t.type("echo new >>notes.txt; exit\n")
    t.expect(QUESTION)
    t.type("c\n")
    assert t.end()[0] == 0
    assert read_file(place / "mine/notes.txt") == b"old\nnew\n"


def test_a_clone_that_cannot_be_set_up_says_what_to_do(place):
    """If the compiler fails: its last lines, the place of the rest, and what
    to do."""
    clone = place / "clone"
    run("git", "-c", "safe.directory=*", "clone", "-q", REPO, clone)
    for name in os.listdir(REPO / "subprojects"):
        if name.startswith("fuse") and not (clone / "subprojects" /
                                            name).exists():
            os.symlink(REPO / "subprojects" / name,
                       clone / "subprojects" / name)
    write_file(clone / "core/mapfs.h", b"#error broken on purpose\n")
    p = subprocess.run([clone / "tools/setup"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=patience(250))
    text = p.stdout.decode(errors="replace")
    assert p.returncode == 1
    assert "broken on purpose" in text and "the build failed" in text
    assert len(text.splitlines()) < 40, text
    shutil.rmtree(clone)
