# SPDX-License-Identifier: MIT
"""mapfs run on a terminal: its question, signals and job control."""
import os
import re
import signal
import sys
import time

import pytest

from support.load import patience
from support.runs import (base_at, base_to_commit_to, kept_store,
                          nothing_is_left, others, stores, view_run)
from support.terminal import QUESTION, Terminal, on_terminal
from support.view import binary, mapfs, wait_for


@pytest.fixture
def place(scratch):
    with base_at(scratch):
        yield scratch


@pytest.fixture
def committing(scratch):
    return base_to_commit_to(scratch)


def test_terminal_is_shown_the_changes_and_asked(place):
    t = on_terminal("--", "sh", "-c", "echo new >f; rmdir sub; for i in 0 1 "
                    "2 3 4 5 6 7 8 9; do touch n$i; done; exit 4")
    shown = t.expect(QUESTION)
    lines = shown.replace("\r", "").splitlines()
    assert lines[:2] == ["M f f", "A f n0"] and len(lines) == 12, shown
    assert lines[10] == "... and 2 more"
    assert re.fullmatch("mapfs: 10 added, 1 modified, 1 deleted, "
                        r"\S+ KiB of pages", lines[11])
    t.type("d\n")
    assert t.end()[0] == 4
    assert stores(place) == []
    nothing_is_left(place)


@pytest.mark.parametrize("answer", ["k\n", "keep\n", "K\n", "\x04", "\x03"])
def test_keep_is_what_everything_but_an_answer_means(place, answer):
    t = on_terminal("--", "sh", "-c", "echo new >f")
    t.expect(QUESTION)
    t.type(answer)
    status, text = t.end()
    assert status == 0
    assert view_run("-s", kept_store(text), "--", "cat", "f").stdout == \
        b"new\n"


def test_other_words_are_asked_again(place):
    t = on_terminal("--", "touch", "g")
    for word in ("yes", "", "dd", "q"):
        t.expect(QUESTION)
        t.type(word + "\n")
        t.expect("type one of the letters in brackets")
    t.expect(QUESTION)
    t.type("discard\n")
    assert t.end()[0] == 0
    assert stores(place) == []


@pytest.mark.parametrize("word", ["f", "diff"])
def test_diff_goes_through_the_pager_and_asks_again(place, word):
    t = on_terminal("--", "sh", "-c", "echo new >f",
                    env=dict(os.environ, PAGER="sed s/^/paged:/"))
    t.expect(QUESTION)
    t.type(word + "\n")
    shown = t.expect(QUESTION)
    assert "paged:+new" in shown
    t.type("d\n")
    assert t.end()[0] == 0


def test_terminal_without_changes_is_told_so(place):
    t = on_terminal("--", "cat", "f")
    status, text = t.end()
    assert status == 0
    assert text.endswith("nothing was changed\r\n")
    assert stores(place) == []


def test_option_answers_before_the_question(place):
    t = on_terminal("--discard", "--", "touch", "g")
    assert t.end() == (0, "")
    t = on_terminal("--keep", "--", "touch", "g")
    status, text = t.end()
    assert status == 0 and "]iscard" not in text
    assert len(stores(place)) == 1


def test_old_store_cannot_be_discarded_by_the_question(place):
    view_run("-s", place / "store", "--", "touch", "early")
    t = on_terminal("-s", place / "store", "--", "touch", "late")
    t.expect("[c]ommit, [k]eep, di[f]f? ")
    t.type("d\n")
    t.expect("[c]ommit, [k]eep, di[f]f? ")
    t.type("k\n")
    assert t.end()[0] == 0
    assert view_run("-s", place / "store", "--", "ls").stdout == \
        b"early\nf\nlate\nsub\n"


def test_snapshot_raises_no_question(place):
    store = place / "store"
    mapfs("run", "-s", store, "--", "touch", "g")
    mapfs("snapshot", store, "one")
    status, said = on_terminal("-s", f"{store}@one", "--", "true").end()
    assert (status, said) == (0, "")


def test_what_was_typed_before_the_question_is_no_answer(place):
    t = on_terminal("--", "sh", "-c", "touch g; echo ready; sleep 0.3")
    t.expect("ready")
    t.type("d\n")
    t.expect(QUESTION)
    t.type("k\n")
    t.end()
    assert len(stores(place)) == 1


def test_terminal_left_raw_by_the_command_is_repaired(place):
    t = on_terminal("--", "sh", "-c", "touch g; stty raw -echo")
    t.expect(QUESTION)
    t.type("d\n")
    assert t.end()[0] == 0
    assert stores(place) == []


def test_ctrl_c_reaches_the_command_once(place):
    t = on_terminal("--discard", "--", "bash", "-c",
                    "n=0; trap 'n=$((n+1))' INT; echo ready; "
                    "for i in $(seq 50); do sleep 0.01; done; echo n=$n")
    t.expect("ready")
    t.type("\x03")
    t.expect("n=1")
    assert t.end()[0] == 0


def test_ctrl_c_ends_a_command_that_does_not_mind(place):
    t = on_terminal("--discard", "--", "sh", "-c",
                    "echo ready; exec sleep 1000")
    t.expect("ready")
    t.type("\x03")
    assert t.end()[0] == 128 + 2


def _shell(command):
    """A shell on a terminal, after the command was typed into it."""
    t = Terminal("bash", "--norc", "-i", env=dict(
        os.environ, PS1="> ", PROMPT_COMMAND="", TERM="dumb"))
    t.type(f"set +o history; {binary()} run --discard -- {command}\n")
    return t


def _stopped_and_continued(t):
    t.expect("Stopped")
    t.type("echo $((40+2))\n")
    t.expect("42")
    t.type("fg\n")
    t.expect(" run --discard")	# the shell shows what it continues


def test_ctrl_z_stops_run_and_command_and_both_go_on(place):
    """While the run is stopped, the shell that started it has the terminal."""
    t = _shell("sh -c 'echo rea''dy; read x; echo got $x'")
    t.expect("ready")
    t.type("\x1a")
    _stopped_and_continued(t)
    t.type("word\n")
    t.expect("got word")
    t.type("exit 7\n")
    assert t.end()[0] == 7
    nothing_is_left(place)


def test_shell_that_suspends_itself_comes_back(place):
    """The shell had the terminal, not the run."""
    t = _shell("bash --norc -i")
    t.type("echo inn''er$((40+1))\n")
    t.expect("inner41")
    t.type("suspend\n")
    _stopped_and_continued(t)
    t.type("echo ba''ck$((40+3))\n")
    t.expect("back43")
    t.type("exit\n")
    t.type("exit 7\n")
    assert t.end()[0] == 7
    nothing_is_left(place)


def test_shell_with_jobs_of_its_own_works(place):
    """The shell takes the terminal for itself, and gives it back."""
    t = on_terminal(env=dict(os.environ, SHELL="/bin/bash", PS1="> ",
                             PROMPT_COMMAND="", TERM="dumb"))
    t.type("set +o history; sleep 1000\n")
    wait_for("the job", lambda: any(
        c.startswith(b"sleep") for c in others().values()))
    t.type("\x1a")
    t.expect("Stopped")
    t.type("kill %1; echo new >f; echo $((40+2))\n")
    t.expect("42")
    t.type("exit\nexit\n")
    assert "M f f" in t.expect(QUESTION)
    t.type("d\n")
    t.end()
    nothing_is_left(place)


def test_terminal_is_not_taken_from_the_shell_that_sent_us_behind(place):
    fifo = place / "fifo"
    os.mkfifo(fifo)
    t = _shell(f"sh -c 'echo rea''dy; read x <{fifo}'")
    t.expect("ready")
    t.type("\x1a")
    t.expect("Stopped")
    t.type("bg\n")
    t.expect(" run --discard")
    fifo.write_text("word\n")
    wait_for("the end of the run", lambda: len(others()) == 1)
    t.type("echo $((40+2))\n")
    t.expect("42")
    t.type("exit 7\n")
    assert t.end()[0] == 7
    nothing_is_left(place)


def test_terminal_is_taken_back_from_a_shell_that_was_killed(place):
    t = on_terminal(env=dict(os.environ, SHELL="/bin/bash", PS1="> ",
                             PROMPT_COMMAND="", TERM="dumb"))
    t.type("set +o history; echo new >f; kill -9 $$\n")
    t.expect(QUESTION)
    t.type("d\n")
    assert t.end()[0] == 128 + 9
    assert stores(place) == []


def test_command_that_had_the_terminal_gets_it_back(place):
    script = place / "front.py"
    script.write_text("""if True:
        import os, signal
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpgrp())
        os.kill(os.getpid(), signal.SIGSTOP)
        print("in", "front:", os.tcgetpgrp(0) == os.getpgrp())""")
    t = _shell(f"{sys.executable} {script}")
    _stopped_and_continued(t)
    t.expect("in front: True")
    t.type("exit 7\n")
    assert t.end()[0] == 7


@pytest.mark.parametrize("sig", [
    signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP])
def test_signal_at_the_question_does_not_hide_the_changes(place, sig):
    t = on_terminal("--", "sh", "-c", "touch g; exit 3")
    t.expect(QUESTION)
    t.proc.send_signal(sig)
    status, said = t.end()
    assert status == 3
    assert "kept in" in said and stores(place)[0] in said


def test_terminal_that_goes_away_keeps_the_changes(place):
    t = on_terminal("--", "sh", "-c", "touch g")
    t.expect(QUESTION)
    os.close(t.fd)
    t.proc.wait(patience())
    assert len(stores(place)) == 1


# --- commit -----------------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 0.02, 0.1, 0.2, 0.3])
def test_ctrl_c_while_it_commits_tells_where_the_changes_are(committing,
                                                             delay):
    """If the commit is over before the signal, the message says how to undo
    it."""
    script = "for i in $(seq 100); do head -c 500000 /dev/urandom >n$i; " \
        "done; echo do''ne"
    t = on_terminal("--commit", "--", "sh", "-c", script)
    t.expect("done", 60)
    time.sleep(delay)
    t.type("\x03")
    status, said = t.end(60)
    assert status in (0, 1), said
    assert "kept in" in said and stores(committing)[0] in said
