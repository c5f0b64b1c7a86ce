# SPDX-License-Identifier: MIT
"""A model of a file system: operations that a view and a plain directory must
answer alike.

An example is a list of operations on few names, so that operations meet.
Hypothesis chooses the examples. Times, inode numbers and the sizes of
directories differ by nature and are left out; test_attr has the set-id bits.
"""
import contextlib
import mmap
import os
import shutil
import stat

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from . import sysc, tree
from .sysc import error_of, write_file
from .view import View, is_mounted, run

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


def make_base(base):
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


def tree_of(top):
    found = tree.of(top, LEAVE_OUT)
    # Attributes such as security labels belong to the file system.
    for entry in found.values():
        if isinstance(entry["xattrs"], dict):
            entry["xattrs"] = {k: v for k, v in entry["xattrs"].items()
                               if k.startswith("user.")}
    return found


def outcome(function, *args):
    try:
        return "ok", function(*args)
    except OSError as e:
        return "error", error_of(_raise, e)


def _raise(e):
    raise e


def assert_outcome(want, got, what):
    """Compares the outcomes of an operation on the plain directory and on the
    view."""
    # The view is mounted nodev, so the kernel does not look for the device.
    if (want, got) != (("error", "ENXIO"), ("error", "EACCES")):
        assert got == want, what


def play(top, steps):
    """Plays the steps in the directory `top`, whatever their outcome."""
    for op, *args in steps:
        if op != "remount":
            outcome(OPERATIONS[op][0], f"{os.fspath(top)}/", *args)


def play_view(view, steps):
    """Plays the steps in a view, which is mounted again between them."""
    for one in steps:
        if one[0] == "remount":
            view.remount()
        else:
            play(view.top, [one])


def examples(part, *strategies, count=EXAMPLES):
    """The function is called with many examples; other parts get others."""
    return lambda function: seed(SEED + part)(settings(
        max_examples=count, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), print_blob=False)(
            given(*strategies)(function)))


def view_at(place, logs=None):
    """A view of a kept store in the new directory `place`.

    Its logs are written beside it, or into the directory `logs`: what a test
    prints when it fails outlives its examples.
    """
    place.mkdir()
    view = View(place, "kept")
    view.log = (logs or place.parent) / "daemon.log"
    view.said = (logs or place.parent) / "stderr.log"
    return view


@contextlib.contextmanager
def example(place, fill=make_base):
    """A view at `place`, whose base fill() makes, for one example."""
    view = view_at(place)
    try:
        fill(view.base)
        yield view
        view.finish()
    finally:
        take_away(place, view)


def take_away(place, *views):
    """Ends the views of an example, well or not, and removes its directory."""
    for view in views:
        view.give_up()
        for path in (view.mnt, view.base):
            if not is_mounted(path):
                continue
            if os.geteuid() == 0:
                sysc.umount_lazy(path)
            else:
                run("fusermount3", "-u", "-z", path)
    shutil.rmtree(place)
