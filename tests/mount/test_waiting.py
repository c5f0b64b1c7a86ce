# SPDX-License-Identifier: MIT
"""Commands on a store whose daemon is about to end.

umount(8) returns before the daemon has closed the store. The tests stop the
daemon before they unmount, so that closing the store takes any time they need.
"""
import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support import sysc
from support.load import patience
from support.sysc import read_file, write_file, write_synced
from support.terminal import Terminal
from support.view import binary, is_mounted, mapfs, run, wait_for



@pytest.fixture
def place(scratch):
    (scratch / "base").mkdir()
    (scratch / "tmp").mkdir()
    for name in "mnt", "other":
        (scratch / name).mkdir()
    os.environ["TMPDIR"] = str(scratch / "tmp")
    write_file(scratch / "base/f", b"base")
    return scratch


def daemon_of(place):
    """The pid in the lock file of the store."""
    text = (place / "store/lock").read_text()
    return int(re.search(r" by process (\d+)", text).group(1))


def mount(place, where="mnt", **kw):
    return mapfs("mount", "-s", place / "store", place / "base",
                 place / where, **kw)


def begin(*args):
    return subprocess.Popen([binary(), *map(os.fspath, args)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def _open_files(pid):
    try:
        fds = os.listdir(f"/proc/{pid}/fd")
        return [os.readlink(f"/proc/{pid}/fd/{n}") for n in fds]
    except OSError:
        return []


def wait_until_asked_for(place, daemon, name="lock"):
    """Waits until a process other than the daemon has the store's lock
    open."""
    lock = str(place / "store" / name)
    wait_for("somebody at the store", lambda: any(
        lock in _open_files(pid) for pid in os.listdir("/proc")
        if pid.isdigit() and int(pid) not in (daemon, os.getpid())))


def finish(p):
    out, _ = p.communicate(timeout=patience())
    return p.returncode, out.decode(errors="replace")


def stop_and_umount(pid, target):
    """Stops the daemon and unmounts. A daemon that is stopped while it looks
    at its own mount keeps the mount busy; then it is continued and stopped
    again."""
    def is_gone():
        os.kill(pid, signal.SIGSTOP)
        try:
            # Not umount(8), which looks at the mount before.
            sysc.umount(target)
        except OSError as e:
            os.kill(pid, signal.SIGCONT)
            assert e.errno == errno.EBUSY
            return False
        return True
    wait_for("the mount to be free", is_gone)


def continue_when_asked_for(place, pid, p, name="lock"):
    """Continues the stopped daemon once the command `p` waits for it; returns
    the exit status and the output of the command."""
    try:
        wait_until_asked_for(place, pid, name)
        time.sleep(0.2)		# longer than a refusal takes
    finally:
        os.kill(pid, signal.SIGCONT)
    return finish(p)


def umount_of_stopped(place):
    """Unmounts while the daemon is stopped, so that it does not notice;
    returns its pid."""
    pid = daemon_of(place)
    if os.geteuid() == 0:
        stop_and_umount(pid, place / "mnt")
    else:
        os.kill(pid, signal.SIGSTOP)
        run("fusermount3", "-u", place / "mnt")
    assert not is_mounted(place / "mnt")
    return pid


COMMANDS = {
    "mount": ["mount", "-s", "store", "base", "other"],
    "run": ["run", "-s", "store", "-C", "base", "--", "true"],
    "discard": ["discard", "-y", "store"],
    "commit": ["commit", "-y", "store"],
    "plan": ["commit", "-n", "store"],
    "diff": ["diff", "store"],
    "status": ["status", "store"],
    "export": ["export", "-o", "layer.tar", "store"],
    "snapshot": ["snapshot", "store", "two"],
    "unsnapshot": ["snapshot", "-d", "store", "one"],
    "rollback": ["rollback", "-y", "store", "one"],
    "revert": ["revert", "store", "f"],
    "branch": ["branch", "store", "new"],
}


@pytest.mark.root
@pytest.mark.parametrize("command", COMMANDS)
def test_command_waits_for_the_daemon_of_a_mount_that_is_gone(place, command):
    os.chdir(place)
    mount(place)
    write_file(place / "mnt/f", b"new")
    mapfs("snapshot", place / "mnt", "one")
    write_file(place / "mnt/g", b"newer")
    os.sync()
    pid = umount_of_stopped(place)
    p = begin(*COMMANDS[command])
    code, said = continue_when_asked_for(place, pid, p)
    assert code == (1 if command == "diff" else 0), said
    assert "in use" not in said
    if command == "mount":
        assert read_file(place / "other/g") == b"newer"
    if command == "commit":
        assert read_file(place / "base/g") == b"newer"


@pytest.mark.user
def test_ordinary_user_waits_for_it_too(place):
    mount(place)
    write_synced(place / "mnt/f", b"new")
    pid = umount_of_stopped(place)
    p = begin("mount", "-s", place / "store", place / "base", place / "mnt")
    code, said = continue_when_asked_for(place, pid, p)
    assert code == 0, said
    assert read_file(place / "mnt/f") == b"new"
    mapfs("umount", place / "mnt")


@pytest.mark.root
def test_umount_and_mount_in_turn_always_work(place):
    mount(place)
    for n in range(20):
        for k in range(50):
            write_file(place / f"mnt/f{k}", b"%d" % n)
        run("umount", place / "mnt")
        mount(place)
    assert read_file(place / "mnt/f49") == b"19"
    mapfs("umount", place / "mnt")


@pytest.mark.root
def test_mount_that_is_there_is_refused_whatever_its_daemon_does(place):
    """The refusal is immediate: the daemon of the mount is neither asked nor
    waited for."""
    mount(place)
    pid = daemon_of(place)
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    p = mount(place, "other", check=False)
    spent = time.monotonic() - begun
    os.kill(pid, signal.SIGCONT)
    assert p.returncode == 1
    assert p.text == f"mapfs: store {place}/store is in use, mounted on " \
        f"{place}/mnt by process {pid}; unmount that first, or choose " \
        "another store\n"
    assert spent < patience(4), "it waited as long as for one that is gone"
    mapfs("umount", place / "mnt")


@pytest.mark.root
def test_mount_that_was_moved_or_bound_elsewhere_is_found(place):
    mount(place)
    (place / "third").mkdir()
    run("mount", "--bind", place / "mnt", place / "third")
    run("umount", place / "mnt")
    p = mount(place, "other", check=False)
    assert p.returncode == 1
    assert f"mounted on {place}/third by process {daemon_of(place)};" in p.text
    run("umount", place / "third")
    mount(place, "other")
    run("umount", place / "other")


@pytest.mark.root
def test_mount_of_another_namespace_is_named(place):
    mount(place)
    keeper = subprocess.Popen(
        ["unshare", "-m", "--propagation", "private", "sh", "-c",
         "echo; read x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    keeper.stdout.readline()
    run("umount", place / "mnt")
    p = mount(place, "other", check=False)
    assert p.returncode == 1
    assert f"is in use by process {daemon_of(place)}, mounted on " \
        f"{place}/mnt in the mount namespace of process {keeper.pid};" \
        in p.text
    keeper.communicate(b"\n")
    mount(place, "other")
    run("umount", place / "other")


@pytest.mark.root
def test_view_of_a_command_that_runs_is_refused_and_then_free(place):
    p = subprocess.Popen(
        [binary(), "run", "-s", place / "store", "-C", place / "base", "--",
         "sh", "-c", "echo; read x; echo new >f"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.readline()
    refused = mount(place, check=False)
    assert refused.returncode == 1
    assert f"is in use by process {daemon_of(place)}, mounted on " \
        f"{place}/base in the mount namespace of process " in refused.text
    p.communicate(b"\n")
    mount(place)
    assert read_file(place / "mnt/f") == b"new\n"
    mapfs("umount", place / "mnt")


@pytest.mark.root
def test_files_open_after_a_lazy_unmount_are_given_as_the_reason(place):
    mount(place)
    with open(place / "mnt/f", "rb"):
        run("umount", "-l", place / "mnt")
        pid = daemon_of(place)
        p = mount(place, check=False)
        assert p.returncode == 1
        assert re.fullmatch(
            f"mapfs: store {place}/store is in use by process {pid}, whose "
            f"mount on {place}/mnt is in no mount table .*lazy unmount.*; "
            ".*\n", p.text), p.text
    mount(place)
    mapfs("umount", place / "mnt")


@pytest.mark.root
def test_stopped_daemon_is_named_with_what_to_do(place):
    mount(place)
    pid = umount_of_stopped(place)
    p = mount(place, check=False)
    assert p.returncode == 1
    assert f"process {pid}, which unmounts {place}/mnt but is stopped; " \
        f"continue it (kill -CONT {pid})" in p.text
    os.kill(pid, signal.SIGCONT)
    mount(place)
    mapfs("umount", place / "mnt")


def _steal(pid, path):
    """Duplicates the descriptor that `pid` has of `path`, so that its lock
    outlives the process."""
    for n in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{n}") == str(path):
            return sysc.descriptor_of(pid, int(n))
    raise AssertionError(f"{pid} does not have {path} open")


@pytest.mark.root
def test_killed_daemon_is_waited_for_while_it_is_taken_apart(place):
    """The dead mount is still in the mount table, and the lock is still
    held."""
    d = subprocess.Popen(
        [binary(), "mount", "-f", "-s", place / "store", place / "base",
         place / "mnt"], stdin=subprocess.DEVNULL)
    wait_for("the mount", lambda: is_mounted(place / "mnt") and
             "device" in (place / "store/lock").read_text())
    write_synced(place / "mnt/f", b"new")
    lock = _steal(d.pid, place / "store/lock")
    d.kill()
    wait_for("its death", lambda: " Z " in
             Path(f"/proc/{d.pid}/stat").read_text())
    p = begin("mount", "-s", place / "store", place / "base", place / "other")
    wait_until_asked_for(place, d.pid)
    time.sleep(0.3)
    os.close(lock)
    code, said = finish(p)
    d.wait()
    assert code == 0, said
    assert read_file(place / "other/f") == b"new"
    mapfs("umount", place / "other")
    sysc.umount_lazy(place / "mnt")


@pytest.mark.root
def test_kill_and_mount_in_turn_always_work(place):
    mount(place)
    for n in range(10):
        write_synced(place / "mnt/f", b"%d" % n)
        os.kill(daemon_of(place), signal.SIGKILL)
        mount(place)
        assert read_file(place / "mnt/f") == b"%d" % n
    mapfs("umount", place / "mnt")


@pytest.mark.root
def test_terminal_is_told_what_is_waited_for(place):
    mount(place)
    pid = umount_of_stopped(place)
    t = Terminal(binary(), "mount", "-s", place / "store", place / "base",
                 place / "mnt")
    t.expect(f"mapfs: store {place}/store: waiting for process {pid} to "
             "close it")
    os.kill(pid, signal.SIGCONT)
    status, said = t.end()
    assert status == 0, said
    mapfs("umount", place / "mnt")


@pytest.mark.root
@pytest.mark.parametrize("command", [["discard", "-y", "store"],
                                     ["snapshot", "-d", "store", "one"]],
                         ids=["discard", "delete"])
def test_unmounted_snapshot_is_waited_for_too(place, command):
    os.chdir(place)
    mount(place)
    write_file(place / "mnt/f", b"new")
    mapfs("snapshot", place / "mnt", "one")
    mapfs("umount", place / "mnt")
    mapfs("mount", "-s", f"{place}/store@one", place / "base", place / "mnt")
    listed = json.loads(mapfs("list", "--json").text)
    (row,) = listed["mounts"] if isinstance(listed, dict) else listed
    stop_and_umount(row["pid"], place / "mnt")
    p = begin(*command)
    code, said = continue_when_asked_for(place, row["pid"], p, "readers")
    assert code == 0, said


@pytest.mark.root
def test_two_mounts_of_a_new_store_at_once_lose_nothing(place):
    """The second mount must see what the first one made while the second one
    waited."""
    (place / "store").mkdir()
    with open(place / "store/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        p = begin("mount", "-s", place / "store", place / "base",
                  place / "other")
        wait_until_asked_for(place, 0)
        # The files that a holder of the lock would have made.
        made = place / "made"
        mapfs("mount", "-s", made, place / "base", place / "mnt")
        write_file(place / "mnt/f", b"new")
        mapfs("umount", place / "mnt")
        for name in "pages", "anchor", "journal", "readers":
            os.rename(made / name, place / "store" / name)
    code, said = finish(p)
    assert code == 0, said
    assert read_file(place / "other/f") == b"new"
    mapfs("umount", place / "other")


@pytest.mark.root
def test_daemon_killed_in_the_moment_of_mounting_dies(place):
    """At this moment the daemon looks at its own mount, and no other process
    could answer."""
    for _ in range(50):
        d = subprocess.Popen(
            [binary(), "mount", "-f", "-s", place / "store", place / "base",
             place / "mnt"], stdin=subprocess.DEVNULL)
        while not is_mounted(place / "mnt"):
            assert d.poll() is None
        os.kill(d.pid, signal.SIGSTOP)
        d.kill()
        try:
            d.wait(patience(10))
        except subprocess.TimeoutExpired:
            _abort_all()
            raise AssertionError("a daemon that cannot be killed") from None
        sysc.umount_lazy(place / "mnt")
    mount(place)
    mapfs("umount", place / "mnt")


def _abort_all():
    """Aborts the FUSE connections of this namespace; otherwise nothing here
    could end."""
    control = "/sys/fs/fuse/connections"
    if not os.listdir(control):
        sysc.mount("none", control, "fusectl", 0)
    with open("/proc/self/mountinfo") as f:
        for line in f:
            if " fuse.mapfs " in line:
                number = line.split()[2].split(":")[1]
                write_file(f"{control}/{number}/abort", b"1")
