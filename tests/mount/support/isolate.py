# SPDX-License-Identifier: MIT
"""Each test runs in a process of its own, which leaves nothing behind.

pytest (root)
  `- keeper     enters private mount, pid and ipc namespaces
       `- init  pid 1 of them; reaps orphans; when it ends the kernel kills
            |   every process inside, and with the last one go the mounts
            `- test   becomes the ordinary user if the test asks for one,
                      runs set-up, body and tear-down, reports by pipe

So a leaked daemon, a leaked mount or a hung file system cannot outlive its
test, and nothing is changed system-wide: where ordinary users may not open
/dev/fuse, they see a private node of it. Without root there are no namespaces,
and tests for root are skipped.
"""
import errno
import faulthandler
import functools
import os
import pickle
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from . import sysc
from .load import patience

REPO = Path(__file__).resolve().parents[3]
USER_UID = 4711
GRACE_SECONDS = 10	# between the stack dump and the kill


def runs_as_user(item):
    if item.get_closest_marker("user"):
        return True
    call = getattr(item, "callspec", None)
    return call is not None and \
        str(call.params.get("view", "")).startswith("user")


def limit_of(item):
    """The seconds that a test may take, more on a loaded machine."""
    mark = item.get_closest_marker("limit")
    return patience(mark.args[0] if mark else 60)


def _try_namespaces():
    """Tries in a child what every test on a mount needs; returns the reason
    why it cannot be had, or ""."""
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse; run 'modprobe fuse', or start the " \
               "container with '--device /dev/fuse'"
    if os.geteuid() != 0:
        return ""
    try:
        sysc.unshare(sysc.CLONE_NEWNS | sysc.CLONE_NEWPID | sysc.CLONE_NEWIPC)
        own_the_root()
    except OSError as e:
        return f"root may not make mount namespaces ({e.strerror}); start " \
               "the container with '--cap-add SYS_ADMIN', or '--privileged'"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as e:
        return f"/dev/fuse cannot be opened ({e.strerror}); start the " \
               "container with '--device /dev/fuse'"
    return ""


@functools.lru_cache(maxsize=1)
def obstacle():
    """The reason why no test on a mount can run on this machine, or ""."""
    return sysc.in_child(_try_namespaces)


def own_the_root():
    """Makes "/" the root of this mount namespace, and private.

    In a plain chroot "/" is no mount point: mount(2) cannot name its mount,
    and unshare(CLONE_NEWUSER) fails. Joining our own mount namespace leads to
    its root; from there a copy of our tree becomes the root by pivot_root(2).
    """
    try:
        sysc.mount(None, "/", None, sysc.MS_REC | sysc.MS_PRIVATE)
        return
    except OSError as e:
        if e.errno != errno.EINVAL:
            raise
    old = os.open("/", os.O_PATH | os.O_DIRECTORY)
    self = os.pidfd_open(os.getpid())
    sysc.setns(self, sysc.CLONE_NEWNS)
    sysc.mount(None, "/", None, sysc.MS_REC | sysc.MS_PRIVATE)
    os.fchdir(old)
    tree = sysc.open_tree(".", sysc.OPEN_TREE_CLONE | sysc.AT_RECURSIVE)
    sysc.move_mount(tree, ".")
    os.fchdir(tree)
    sysc.pivot_root(".", ".")
    sysc.umount_lazy(".")
    os.chroot(".")
    os.chdir("/")
    for fd in (old, self, tree):
        os.close(fd)


def _closed_directory(path):
    """The first directory above `path` that is closed to others, or None.

    The root itself cannot be covered, and is open on any machine.
    """
    for above in list(reversed(Path(path).resolve().parents))[1:]:
        if not os.stat(above).st_mode & 0o001:
            return above
    return None


def _open_the_way(*places):
    """Lets the ordinary user reach `places` below a closed directory.

    This is needed for a clone in /root, for example. An empty directory covers
    the closed one, and `places` are mounted at their paths again.
    """
    for place in places:
        closed = _closed_directory(place)
        if closed is None:
            continue
        inside = [p for p in places if Path(p).is_relative_to(closed)]
        trees = [sysc.open_tree(p, sysc.OPEN_TREE_CLONE | sysc.AT_RECURSIVE)
                 for p in inside]
        here = os.getcwd()
        sysc.mount("none", closed, "tmpfs", sysc.MS_NOSUID, "mode=755")
        for path, tree in zip(inside, trees):
            os.makedirs(path, exist_ok=True)
            sysc.move_mount(tree, path)
            os.close(tree)
        os.chdir(here)


def _enter_namespaces(scratch):
    here = os.getcwd()
    own_the_root()
    sysc.mount("proc", "/proc", "proc", 0)
    _open_the_way(REPO, scratch)
    os.chdir(here)
    with open("/proc/self/mountinfo") as f:
        inherited = [line.split() for line in f]
    for field in reversed(inherited):
        if field[field.index("-") + 1] == "fuse.mapfs":
            # A mount outside this test.
            sysc.umount_lazy(field[4])
    if os.path.isdir("/run/mount"):
        sysc.mount("none", "/run/mount", "tmpfs", sysc.MS_NOSUID)
    _name_the_user(scratch)
    if os.path.exists("/dev/fuse") and \
            os.stat("/dev/fuse").st_mode & 0o666 != 0o666:
        node = scratch.with_name(scratch.name + ".dev")
        node.mkdir()
        sysc.mount("none", node, "tmpfs", sysc.MS_NOSUID)
        os.mknod(node / "fuse", 0o020666, os.makedev(10, 229))
        os.chmod(node / "fuse", 0o666)
        sysc.mount(node / "fuse", "/dev/fuse", None, sysc.MS_BIND)
        sysc.umount_lazy(node)
        node.rmdir()


def _name_the_user(scratch):
    """Adds a name for the user's uid, without which fusermount3 refuses to
    mount."""
    try:
        pwd.getpwuid(USER_UID)
        return
    except KeyError:
        pass
    private = scratch.with_name(scratch.name + ".passwd")
    private.write_text(Path("/etc/passwd").read_text() +
                       f"mapfs-test:x:{USER_UID}:{USER_UID}::/:/bin/sh\n")
    sysc.mount(private, "/etc/passwd", None, sysc.MS_BIND)
    os.unlink(private)


def become_user(uid=USER_UID):
    """This process belongs to the user from now on, and to no other group."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    # setuid makes a process undumpable, so that root owns its /proc files.
    sysc._check(sysc.libc.prctl(4, 1, 0, 0, 0))


def _take_signals():
    """Restores the default actions: nohup and `&` in a script leave signals
    ignored, in all children too."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for sig in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM,
                signal.SIGCHLD):
        signal.signal(sig, signal.SIG_DFL)


class _Run:
    """One run of a test, passed on between its processes."""

    def __init__(self, item, nextitem, scratch):
        self.item = item
        self.nextitem = nextitem
        self.scratch = scratch
        self.stderr = str(scratch) + ".stderr"
        self.state = str(scratch) + ".state"
        # Computed once, since it depends on the load of the moment.
        self.limit = limit_of(item)
        self.reader, self.pipe = os.pipe()


def _test(r):
    """The innermost process, which runs the test."""
    item, scratch = r.item, r.scratch
    _take_signals()
    with open(r.stderr, "wb", buffering=0) as err:
        faulthandler.dump_traceback_later(r.limit, exit=True, file=err)
        try:
            mark = item.get_closest_marker("prepare")
            if mark and os.geteuid() == 0:
                base = scratch / "base"
                base.mkdir()
                if runs_as_user(item):
                    os.chown(base, USER_UID, USER_UID)
                mark.kwargs["function"](base)
            if runs_as_user(item) and os.geteuid() == 0:
                become_user()
            os.environ["HOME"] = os.environ["XDG_RUNTIME_DIR"] = str(scratch)
            # root's list of stores would be the machine's.
            os.environ["XDG_STATE_HOME"] = r.state
            os.umask(0o022)
            item.config.mapfs_scratch = scratch
            reports = runtestprotocol(item, nextitem=r.nextitem, log=False)
            to = item.config.hook.pytest_report_to_serializable
            data = [to(config=item.config, report=one) for one in reports]
            with open(r.pipe, "wb") as f:
                pickle.dump(data, f)
        except BaseException:
            err.write(traceback.format_exc().encode())
            os._exit(1)
    os._exit(0)


def _init(r):
    """Pid 1 of the test's namespaces."""
    sysc.die_with_parent()
    try:
        _enter_namespaces(r.scratch)
    except OSError as e:
        Path(r.stderr).write_text(f"cannot set up the namespaces: {e}\n")
        os._exit(1)
    child = os.fork()
    if child == 0:
        _test(r)
    os.close(r.pipe)
    while True:
        pid, _ = os.wait()
        if pid == child:
            os._exit(0)


def _keeper(r):
    sysc.die_with_parent()
    if os.geteuid() != 0:
        os.setpgid(0, 0)
        _test(r)
    sysc.unshare(sysc.CLONE_NEWNS | sysc.CLONE_NEWPID | sysc.CLONE_NEWIPC)
    init = os.fork()
    if init == 0:
        _init(r)
    os.close(r.pipe)
    os.waitpid(init, 0)
    os._exit(0)


def _insiders(keeper):
    """The processes of the test, as pids outside its namespace, the oldest
    first."""
    found, todo = [], [keeper]
    while todo:
        pid = todo.pop(0)
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as f:
                    todo += map(int, f.read().split())
        except OSError:
            continue
    return found


def kernel_stacks(pids):
    lines = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                cmd = f.read().replace(b"\0", b" ").decode(errors="replace")
            for task in sorted(os.listdir(f"/proc/{pid}/task")):
                with open(f"/proc/{pid}/task/{task}/stack") as f:
                    stack = f.read().split("\n")
                lines.append(f"pid {pid} task {task}: {cmd[:150]}")
                lines += ["    " + s for s in stack[:12] if s]
        except OSError:
            continue
    return "\n".join(lines)


def _abort(keeper):
    """Ends a test that hangs: first its FUSE mounts, then its processes."""
    pids = _insiders(keeper)
    mounts = []
    try:
        with open(f"/proc/{pids[-1]}/mountinfo") as f:
            for line in f:
                field = line.split()
                if field[field.index("-") + 1].startswith("fuse"):
                    mounts.append(field[4])
    except (OSError, ValueError, IndexError):
        pass
    for target in mounts:
        try:
            subprocess.run(["nsenter", f"--mount=/proc/{pids[-1]}/ns/mnt",
                            "umount", "-f", "-l", target], timeout=patience(5),
                           stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired):
            pass
    for pid in reversed(pids):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _collect(keeper, r):
    """Waits for the test; returns the bytes of its reports, and the kernel
    stacks if it hung."""
    data, stacks, dumped, aborted = b"", "", False, False
    start = time.monotonic()
    while True:
        ready, _, _ = select.select([r.reader], [], [], 0.5)
        if ready:
            chunk = os.read(r.reader, 1 << 20)
            if not chunk:
                return data, stacks
            data += chunk
        spent = time.monotonic() - start
        if spent > r.limit - 1 and not dumped:
            dumped = True
            stacks = kernel_stacks(_insiders(keeper))
        if spent > r.limit + patience(GRACE_SECONDS) and not aborted:
            aborted = True
            _abort(keeper)


def run(item, nextitem, scratch):
    """Runs one test; returns its reports."""
    r = _Run(item, nextitem, scratch)
    sys.stdout.flush()
    sys.stderr.flush()
    keeper = os.fork()
    if keeper == 0:
        os.close(r.reader)
        try:
            _keeper(r)
        finally:
            os._exit(1)
    os.close(r.pipe)
    data, stacks = _collect(keeper, r)
    os.close(r.reader)
    if os.geteuid() != 0:
        try:
            os.killpg(keeper, signal.SIGKILL)
        except ProcessLookupError:
            pass
    os.waitpid(keeper, 0)
    shutil.rmtree(r.state, ignore_errors=True)
    said = ""
    if os.path.exists(r.stderr):
        said = Path(r.stderr).read_text(errors="replace")
        os.unlink(r.stderr)
    if data:
        load = item.config.hook.pytest_report_from_serializable
        return [load(config=item.config, data=d) for d in pickle.loads(data)]
    return [_died(r, said, stacks)]


def _died(r, said, stacks):
    item, logs = r.item, ""
    for log in sorted(r.scratch.glob("*.log")):
        tail = log.read_text(errors="replace")[-4000:]
        logs += f"\n--- {log.name} ---\n{tail}"
    text = (f"the test ended without a report; its limit is "
            f"{r.limit:.0f} s\n{said}\n{stacks}{logs}")
    return pytest.TestReport(
        nodeid=item.nodeid, location=item.location,
        keywords={k: 1 for k in item.keywords}, outcome="failed",
        longrepr=text, when="call", sections=[rerun_section(item)])


def rerun_section(item):
    binary = os.environ.get("MAPFS_BIN")
    env = f"MAPFS_BIN={binary} " if binary else ""
    root = Path(item.config.rootpath)
    return ("rerun just this test",
            f"{env}/usr/bin/python3 -m pytest -p no:xdist "
            f"'{root}/{item.nodeid}'")
