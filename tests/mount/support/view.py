# SPDX-License-Identifier: MIT
"""One mapfs mount with its own base, store, mount point and daemon log.

At the end of each test, finish() checks what must hold in its mode:
  copy, kept, read   the base did not change, down to its timestamps [B1]
  kept               unmounting and mounting again changes nothing
  write              the base is equal to the view, unless that has windows
  all                the daemon exited with 0 and logged nothing suspicious
"""
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from . import sysc, tree
from .load import PATIENCE, patience

REPO = Path(__file__).resolve().parents[3]

SUSPICIOUS = re.compile(
    r"error|assert|sanitizer|runtime error|corrupt|abort|fatal|panic|"
    r"segfault|signal|leak|overflow|warning|bug\b|unexpected", re.I)


def binary():
    return os.environ.get("MAPFS_BIN", str(REPO / "build" / "mapfs"))


def run(*args, check=True, timeout=PATIENCE, **kw):
    """Runs a command; if it fails, its output is in the message."""
    kw.setdefault("stdin", subprocess.DEVNULL)
    p = subprocess.run([os.fspath(a) for a in args],
                       timeout=patience(timeout),
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       **kw)
    p.text = p.stdout.decode(errors="replace")
    if check and p.returncode != 0:
        raise AssertionError(f"{args} exited {p.returncode}:\n"
                             f"{p.text[-6000:]}")
    return p


def mapfs(*args, **kw):
    return run(binary(), *args, **kw)


def refused(*args):
    """The output of a command that must fail with exit status 1."""
    p = mapfs(*args, check=False)
    assert p.returncode == 1, p.text
    return p.text


def status_of(where):
    """The output of `mapfs status --json` for a store or a mount."""
    return json.loads(mapfs("status", "--json", where).text)


def is_mounted(path):
    with open("/proc/self/mountinfo") as f:
        return any(line.split()[4] == str(path) for line in f)


def wait_for(what, condition, seconds=PATIENCE):
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > patience(seconds):
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.003)


class View:
    """A directory seen through mapfs, or the directory itself in mode
    plain."""

    def __init__(self, scratch, mode, as_user=False):
        self.scratch = Path(scratch)
        self.mode = mode
        self.as_user = as_user
        self.base = self.scratch / "base"
        self.base.mkdir(exist_ok=True)
        self.source = None	# named as the base; None: that directory
        self.mnt = self.scratch / "mnt"
        self.store = self.scratch / "store" if mode == "kept" else None
        self.tmp = self.scratch / "tmp"
        self.tmp.mkdir(exist_ok=True)
        if mode == "plain":
            self.mnt = self.base
        else:
            self.mnt.mkdir(exist_ok=True)
        self.log = self.scratch / "daemon.log"
        self.said = self.scratch / "stderr.log"
        self.proc = None
        self.options = []	# further arguments of every mount
        self.windows = []	# what the view shows instead of the base
        self.expected = []	# suspicious lines that the test expects
        self.base_stays = mode in ("copy", "kept", "read")
        self._base_tree = None

    # --- life -------------------------------------------------------------

    @property
    def is_copy(self):
        return self.mode in ("copy", "kept")

    @property
    def mounted(self):
        return self.proc is not None

    def keep_base_in_memory(self):
        """Puts the base on a tmpfs, where making it takes less time; as
        root."""
        sysc.mount("none", self.base, "tmpfs", 0, "mode=755")

    def command(self, *extra):
        kind = "copy" if self.mode == "kept" else self.mode
        cmd = [binary(), "mount", "-f", "-m", kind, "--log", str(self.log)]
        if self.store:
            cmd += ["-s", str(self.store)]
        for window in self.windows:
            cmd += ["-w", window]
        return cmd + [*self.options, *extra,
                      str(self.source or self.base), str(self.mnt)]

    def mount(self, *extra):
        if self.mode == "plain":
            return self
        assert self.proc is None
        if self.base_stays and self._base_tree is None:
            self._base_tree = self._look_at_base()
        env = dict(os.environ, TMPDIR=str(self.tmp))
        with open(self.said, "ab") as out:
            self.proc = subprocess.Popen(
                self.command(*extra), stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, env=env, start_new_session=True)
        deadline = time.monotonic() + patience()
        while not is_mounted(self.mnt):
            if self.proc.poll() is not None:
                raise AssertionError(
                    f"mapfs mount exited {self.proc.returncode}:\n"
                    f"{self.words()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"not mounted:\n{self.words()}")
            time.sleep(0.002)
        os.stat(self.mnt)
        return self

    def unmount(self):
        if self.mode == "plain" or self.proc is None:
            return
        mapfs("umount", self.mnt)
        proc, self.proc = self.proc, None
        try:
            code = proc.wait(patience())
        except subprocess.TimeoutExpired:
            proc.kill()
            raise AssertionError("the daemon outlived its mount by "
                                 f"{PATIENCE} s:\n{self.words()}") from None
        assert code == 0, f"the daemon exited {code}:\n{self.words()}"
        assert not is_mounted(self.mnt)

    def remount(self):
        """Mounts a kept store again, which must change nothing; in other modes
        it does nothing."""
        if self.mode == "kept":
            self.unmount()
            self.mount()

    def kill(self, meanwhile=lambda: None):
        """kill -9 of the daemon, then unmounts the dead mount.

        `meanwhile` runs between the two: programs that still work must not
        continue in the bare mount point.
        """
        self.proc.kill()
        self.proc.wait(patience())
        self.proc = None
        meanwhile()
        if os.geteuid() == 0:
            sysc.umount_lazy(self.mnt)
        else:
            run("fusermount3", "-u", "-z", self.mnt)

    def stored_bytes(self):
        """The space that the kept store takes on its file system."""
        return sum(os.lstat(os.path.join(d, n)).st_blocks * 512
                   for d, _, names in os.walk(self.store) for n in names)

    def words(self):
        """All output of the daemon."""
        text = ""
        for path in (self.said, self.log):
            if path.exists():
                text += path.read_text(errors="replace")
        return text

    # --- places -----------------------------------------------------------

    def __truediv__(self, name):
        """A path in the view, which is mounted when it is first used."""
        if not self.mounted and self.mode != "plain":
            self.mount()
        if isinstance(name, bytes):
            return os.path.join(os.fsencode(self.mnt), name)
        return os.path.join(self.mnt, name)

    @property
    def top(self):
        return os.path.normpath(self / "")

    # --- what must always hold --------------------------------------------

    def _look_at_base(self):
        found = tree.of(self.base)
        for entry in found.values():
            # Only the owner may use O_NOATIME.
            if os.geteuid() not in (0, entry["uid"]):
                entry.pop("atime", None)
        return found

    def look(self, leave_out=()):
        found = tree.of(self.top, leave_out)
        if self.windows:
            # The directory of windows is as old as its mount.
            for time_of in ("atime", "mtime", "ctime"):
                found[b"."].pop(time_of, None)
        return found

    def finish(self):
        """Checks what must always hold, for a test that has passed so far."""
        if self.mode == "plain":
            return
        if self.mounted:
            self._check_end_of_mode()
        if self.base_stays and self._base_tree is not None:
            tree.assert_same(self._base_tree, self._look_at_base(),
                             "the base changed [B1]")
        left = os.listdir(self.tmp)
        assert not left, f"left behind in TMPDIR: {left}"
        for line in self.words().splitlines():
            # Chance gives the directory its name, which may have such a word.
            said = line.replace(str(self.scratch), "")
            if SUSPICIOUS.search(said) and \
                    not any(re.search(e, line) for e in self.expected):
                raise AssertionError(f"the daemon said: {line}")

    def _check_end_of_mode(self):
        if self.mode == "kept":
            before = self.look()
            self.unmount()
            self.mount()
            after = self.look()
            tree.assert_same_but_a_tick(
                before, after, "mounting the store again changed the view")
            self.unmount()
        elif self.mode == "write" and not self.windows:
            self._compare_with_base()
        else:
            self.unmount()

    def _compare_with_base(self):
        """Changes made by others a moment ago may take a second to show."""
        leave_out = ("atime", "ino")	# access times need not be equal
        for may_wait in (True, False):
            seen = self.look(leave_out)
            if not tree.difference(seen, tree.of(self.base, leave_out)):
                break
            if may_wait:
                time.sleep(1.1)
        self.unmount()
        tree.assert_same(seen, tree.of(self.base, leave_out),
                         "view and base differ")

    def give_up(self):
        """Ends the daemon of a test that failed."""
        if self.proc is not None:
            self.proc.send_signal(signal.SIGKILL)
            self.proc.wait(patience())
            self.proc = None


def life_of(view, request):
    """The life of a fixture that yields `view`: at the end of a test that has
    passed, it checks what must always hold."""
    try:
        yield view
        report = getattr(request.node, "report_call", None)
        if report is not None and report.passed:
            view.finish()
    finally:
        view.give_up()
