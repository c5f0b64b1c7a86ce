# SPDX-License-Identifier: MIT
"""The sandbox of the daemon: what it refuses is tried by the daemon's own
thread, with a library that is loaded into it (tests/escape)."""
import errno
import os
import signal

import pytest

from support.isolate import USER_UID
from support.load import patience
from support.sysc import fails, opened, read_file, write_file
from support.view import binary, is_mounted, mapfs, status_of, wait_for

PARTS = ("no_new_privs", "caps", "seccomp", "landlock")
CALLS = ("exec", "unshare", "clone", "setuid", "socket", "socket-inet",
         "ptrace", "process_vm_readv", "kill", "mount", "umount", "fsopen",
         "move_mount", "pivot_root", "chroot", "setns", "bpf", "perf",
         "module", "kexec", "keyring", "userfaultfd", "io_uring")
OUTSIDE = ("read-outside", "list-outside", "write-outside",
           "truncate-outside")
IN_BASE = ("write-base", "mkdir-base", "link-base")


def _escape(view, *extra):
    """Mounts the view, and returns the errno of each attempt."""
    log = view.scratch / "escape.log"
    outside = view.scratch / "outside"
    write_file(view.base / "file", b"x")
    write_file(outside, b"x")
    library = os.path.join(os.path.dirname(binary()),
                           "tests/escape/libescape.so")
    os.environ.update(LD_PRELOAD=library, MAPFS_ESCAPE_LOG=str(log),
                      MAPFS_ESCAPE_BASE=str(view.base),
                      MAPFS_ESCAPE_OUTSIDE=str(outside))
    view.base_stays = False	# an attempt may succeed
    try:
        view.mount(*extra)
    finally:
        del os.environ["LD_PRELOAD"], os.environ["MAPFS_ESCAPE_LOG"]
    with pytest.raises(OSError):
        os.getxattr(view / "file", "user.mapfs-escape")
    lines = log.read_text().splitlines()
    return {what: int(err) for what, err in map(str.split, lines)}


def _status_of_threads(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as f:
            yield dict(line.rstrip("\n").split(":\t", 1) for line in f
                       if ":\t" in line)


@pytest.mark.modes("read", "write", "kept", plain=False)
def test_daemon_cannot_do_what_no_file_system_needs(view):
    tried = _escape(view)
    in_force = status_of(view.mnt)["sandbox"]
    if not in_force["seccomp"] or not in_force["landlock"]:
        pytest.skip("the kernel or the build lacks a part of the sandbox")
    assert in_force == dict.fromkeys(PARTS, True)
    assert {w: tried[w] for w in CALLS} == dict.fromkeys(CALLS, errno.EPERM)
    assert {w: tried[w] for w in OUTSIDE} == \
        dict.fromkeys(OUTSIDE, errno.EACCES)
    assert tried["read-base"] == 0
    expected = 0 if view.mode == "write" else errno.EACCES
    assert {w: tried[w] for w in IN_BASE} == dict.fromkeys(IN_BASE, expected)
    if os.geteuid() == 0:
        assert tried["bounding-set"] == tried["capset"] == errno.EPERM
    threads = list(_status_of_threads(status_of(view.mnt)["pid"]))
    assert len(threads) > 3
    assert {t["NoNewPrivs"] for t in threads} == {"1"}
    assert {t["Seccomp"] for t in threads} == {"2"}
    assert len({t["CapEff"] for t in threads}) == 1


@pytest.mark.modes("copy", people=("root",), plain=False)
def test_without_sandbox_the_same_attempts_succeed(view):
    tried = _escape(view, "-o", "nosandbox")
    assert status_of(view.mnt)["sandbox"] == dict.fromkeys(PARTS, False)
    assert "sandbox      none\n" in mapfs("status", view.mnt).text
    worked = ("exec", "setuid", "socket", "kill", "bounding-set",
              *OUTSIDE, *IN_BASE)
    assert {w: tried[w] for w in worked} == dict.fromkeys(worked, 0)
    assert errno.EPERM not in [tried[w] for w in ("umount", "chroot", "setns",
                                                  "move_mount", "mount")]


@pytest.mark.modes("copy", plain=False)
def test_each_part_can_be_left_out(view):
    tried = _escape(view, "-o", "sandbox=seccomp")
    assert tried["exec"] == tried["socket"] == errno.EPERM
    assert tried["read-outside"] == 0
    assert "sandbox      no_new_privs, seccomp\n" in \
        mapfs("status", view.mnt).text
    view.unmount()
    view.mount("-o", "sandbox=caps+landlock")
    assert status_of(view.mnt)["sandbox"] == {
        "no_new_privs": True, "caps": True, "seccomp": False,
        "landlock": True}


@pytest.mark.modes("copy", people=("user",), plain=False)
def test_unknown_part_is_refused(view):
    p = mapfs("mount", "-o", "sandbox=caps+nets", view.base, view.mnt,
              check=False)
    assert p.returncode == 2
    assert "caps+seccomp+landlock" in p.text


@pytest.mark.modes("copy", "write", plain=False)
def test_signal_unmounts_a_view_that_is_in_use(view):
    """An ordinary user's daemon needs fusermount3 for that."""
    write_file(view.base / "f", b"x")
    view.mount()
    view.expected.append("is in use")
    fd = os.open(view / "f", os.O_RDONLY)
    view.proc.send_signal(signal.SIGTERM)
    assert view.proc.wait(patience()) == 0
    assert not is_mounted(view.mnt)
    with pytest.raises(OSError):
        os.close(fd)
    view.proc = None


@pytest.mark.modes("kept", people=("root",), plain=False)
def test_broker_ends_with_a_killed_daemon(view):
    view.mount()
    pid = status_of(view.mnt)["pid"]
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        broker = int(f.read())
    with open(f"/proc/{broker}/comm") as f:
        assert f.read() == "mapfs-broker\n"
    view.kill()
    wait_for("the end of the broker",
             lambda: not os.path.exists(f"/proc/{broker}/exe") or
             b") Z " in read_file(f"/proc/{broker}/stat"))
    view.mount()


@pytest.mark.modes("copy", people=("root",), plain=False)
def test_daemon_of_root_sees_who_writes_to_a_users_file(view):
    """A lease on another user's file takes CAP_LEASE."""
    view.keep_base_in_memory()
    base = view.base / "f"
    write_file(base, b"x")
    os.truncate(base, 20 << 20)	# more than is copied up at once
    os.chown(base, USER_UID, USER_UID)
    view.expected.append("is open for writing")
    writer = os.open(base, os.O_RDWR)
    with opened(view / "f", os.O_RDWR) as fd:
        os.pwrite(fd, b"y", 0)
        with fails(errno.ETXTBSY):
            os.fsync(fd)
    os.close(writer)
