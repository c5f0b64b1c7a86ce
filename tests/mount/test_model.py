# SPDX-License-Identifier: MIT
"""Random sequences of operations on a copy view and on a plain copy of the
directory give the same errors, the same bytes and the same tree; after
unmounting and mounting again, too.

Every example is a list of operations on a small set of names, so that they
meet.  What differs by nature is left out: times, inode numbers, and the size
of directories; set-id bits are for test_attr.
"""
import contextlib
import mmap
import os
import shutil
import stat

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from support import sysc, tree
from support.sysc import error_of, write_file
from support.view import View, run

EXAMPLES = int(os.environ.get("MAPFS_TEST_EXAMPLES", "25"))
SEED = int(os.environ.get("MAPFS_TEST_SEED", "0"))
LEAVE_OUT = ("atime", "mtime", "ctime", "ino")

NAMES = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/c", "e", "e/a", "l", "n",
         "n/a", "n/d", "old", "big"]
name = st.sampled_from(NAMES)
offset = st.one_of(st.integers(0, 40000),
                   st.sampled_from([0, 4095, 4096, 4097, 8192, 12288]))
length = st.one_of(st.integers(1, 20000),
                   st.sampled_from([1, 4095, 4096, 4097, 8192]))
byte = st.integers(1, 255)
mode = st.sampled_from([0o600, 0o644, 0o755, 0o700, 0o1777])


@contextlib.contextmanager
def _open(path, flags):
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise IsADirectoryError(21, "not a file")
        yield fd
    finally:
        os.close(fd)


def _write(top, path, at, size, value):
    with _open(top + path, os.O_WRONLY) as fd:
        return os.pwrite(fd, bytes([value]) * size, at)


def _create(top, path, size, value):
    with _open(top + path, os.O_WRONLY | os.O_CREAT) as fd:
        os.write(fd, bytes([value]) * size)


def _replace(top, path, size, value):
    with _open(top + path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as fd:
        os.write(fd, bytes([value]) * size)


def _append(top, path, size, value):
    with _open(top + path, os.O_WRONLY | os.O_APPEND) as fd:
        os.write(fd, bytes([value]) * size)


def _read(top, path, at, size):
    with _open(top + path, os.O_RDONLY) as fd:
        return os.pread(fd, size, at)


def _truncate(top, path, size):
    with _open(top + path, os.O_WRONLY) as fd:
        os.ftruncate(fd, size)


def _store(top, path, at, value):
    with _open(top + path, os.O_RDWR) as fd:
        size = os.fstat(fd).st_size
        if size:
            with mmap.mmap(fd, size) as m:
                m[at % size] = value


def _punch(top, path, at, size):
    with _open(top + path, os.O_RDWR) as fd:
        sysc.fallocate(fd, 3, at, size)


def _allocate(top, path, at, size):
    with _open(top + path, os.O_RDWR) as fd:
        sysc.fallocate(fd, 0, at, size)


def _copy_range(top, path, other, at, to, size):
    with _open(top + path, os.O_RDONLY) as src, \
            _open(top + other, os.O_WRONLY) as dst:
        return os.copy_file_range(src, dst, size, at, to)


def _sync(top, path):
    with _open(top + path, os.O_RDONLY) as fd:
        os.fsync(fd)


def _write_unlinked(top, path, at, size, value):
    with _open(top + path, os.O_RDWR) as fd:
        os.unlink(top + path)
        os.pwrite(fd, bytes([value]) * size, at)
        return os.pread(fd, 60000, 0)


def _name_tmpfile(top, path, size, value):
    with sysc.opened(top, os.O_TMPFILE | os.O_RDWR, 0o600) as fd:
        os.write(fd, bytes([value]) * size)
        sysc.linkat_fd(fd, top + path)


def _facts(top, path):
    s = os.lstat(top + path)
    facts = [s.st_mode, s.st_nlink, s.st_uid]
    return facts if stat.S_ISDIR(s.st_mode) else facts + [s.st_size]


OPERATIONS = {
    "create": (_create, name, length, byte),
    "replace": (_replace, name, length, byte),
    "write": (_write, name, offset, length, byte),
    "append": (_append, name, length, byte),
    "read": (_read, name, offset, length),
    "truncate": (_truncate, name, offset),
    "store": (_store, name, offset, byte),
    "punch": (_punch, name, offset, length),
    "allocate": (_allocate, name, offset, length),
    "copy_range": (_copy_range, name, name, offset, offset, length),
    "sync": (_sync, name),
    "unlink": (lambda t, p: os.unlink(t + p), name),
    "write_unlinked": (_write_unlinked, name, offset, length, byte),
    "name_tmpfile": (_name_tmpfile, name, length, byte),
    "mkdir": (lambda t, p, m: os.mkdir(t + p, m & 0o777), name, mode),
    "rmdir": (lambda t, p: os.rmdir(t + p), name),
    "rename": (lambda t, p, q: os.rename(t + p, t + q), name, name),
    "rename again": (lambda t, p, q: os.rename(t + p, t + q), name, name),
    "noreplace": (lambda t, p, q: sysc.renameat2(
        t + p, t + q, sysc.RENAME_NOREPLACE), name, name),
    "exchange": (lambda t, p, q: sysc.renameat2(
        t + p, t + q, sysc.RENAME_EXCHANGE), name, name),
    "whiteout": (lambda t, p, q: sysc.renameat2(
        t + p, t + q, sysc.RENAME_WHITEOUT), name, name),
    "link": (lambda t, p, q: os.link(t + p, t + q, follow_symlinks=False),
             name, name),
    "symlink": (lambda t, p, q: os.symlink(q, t + p), name, name),
    "mkfifo": (lambda t, p: os.mkfifo(t + p), name),
    "chmod": (lambda t, p, m: os.chmod(t + p, m), name, mode),
    "utime": (lambda t, p, n: os.utime(t + p, ns=(n, n)), name, offset),
    "setxattr": (lambda t, p, v: os.setxattr(t + p, "user.a", b"%d" % v),
                 name, byte),
    "removexattr": (lambda t, p: os.removexattr(t + p, "user.a"), name),
    "list": (lambda t, p: sorted(os.listdir(t + p)), name),
    "stat": (_facts, name),
    "readlink": (lambda t, p: os.readlink(t + p), name),
    "remount": (None,),
}

step = st.one_of([st.tuples(st.just(op), *arguments)
                  for op, (_, *arguments) in OPERATIONS.items()])


def _make_base(base):
    os.mkdir(base / "d")
    os.mkdir(base / "d/e")
    os.mkdir(base / "e")
    write_file(base / "a", b"A" * 10000)
    write_file(base / "d/a", b"B" * 5000)
    write_file(base / "d/e/c", b"C" * 4096)
    write_file(base / "old", b"")
    with open(base / "big", "wb") as f:
        f.seek(20480)
        f.write(b"D" * 10000)
        f.truncate(60000)
    os.link(base / "a", base / "d/b")
    os.symlink("d/a", base / "l")
    os.chmod(base / "d/a", 0o755)


def _tree(top):
    found = tree.of(top, LEAVE_OUT)
    # Security labels and the like are not the model's matter.
    for entry in found.values():
        if isinstance(entry["xattrs"], dict):
            entry["xattrs"] = {k: v for k, v in entry["xattrs"].items()
                               if k.startswith("user.")}
    return found


def _outcome(function, *args):
    try:
        return "ok", function(*args)
    except OSError as e:
        return "error", error_of(_raise, e)


def _raise(e):
    raise e


def assert_outcome(want, got, what):
    """Of an operation on the plain directory, and on the view."""
    # The view is mounted nodev: no device is even looked for.
    if (want, got) != (("error", "ENXIO"), ("error", "EACCES")):
        assert got == want, what


class Pair:
    """A view and a plain copy, changed in step."""

    def __init__(self, scratch, number):
        place = scratch / f"example{number}"
        place.mkdir()
        self.view = View(place, "kept")
        self.view.log = scratch / "daemon.log"
        self.view.said = scratch / "stderr.log"
        _make_base(self.view.base)
        self.plain = place / "plain"
        self.place = place
        run("cp", "-a", self.view.base, self.plain)
        os.stat(self.view.top)

    def play(self, steps):
        v, p = str(self.view.top) + "/", str(self.plain) + "/"
        for n, (op, *args) in enumerate(steps):
            if op == "remount":
                self.view.remount()
                continue
            function = OPERATIONS[op][0]
            want = _outcome(function, p, *args)
            got = _outcome(function, v, *args)
            assert_outcome(want, got, f"step {n}: {op}{tuple(args)}")

    def compare(self):
        want = _tree(self.plain)
        tree.assert_same(want, _tree(self.view.top), "plain and view differ")
        self.view.remount()
        tree.assert_same(want, _tree(self.view.top),
                         "plain and view differ after mounting again")

    def end(self, well):
        try:
            if well:
                self.view.finish()
        finally:
            self.view.give_up()
            if os.path.ismount(self.view.mnt):
                sysc.umount_lazy(self.view.mnt)
            shutil.rmtree(self.place)


@pytest.mark.limit(400)
@pytest.mark.parametrize("part", range(4))
def test_view_behaves_as_a_plain_copy(scratch, part):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    number = iter(range(10**9))

    @seed(SEED + part)
    @settings(max_examples=EXAMPLES, deadline=None, database=None,
              suppress_health_check=list(HealthCheck), print_blob=False)
    @given(st.lists(step, min_size=10, max_size=60))
    def play(steps):
        pair = Pair(scratch, next(number))
        well = False
        try:
            pair.play(steps)
            pair.compare()
            well = True
        finally:
            pair.end(well)

    play()
