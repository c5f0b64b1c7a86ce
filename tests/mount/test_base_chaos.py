# SPDX-License-Identifier: MIT
"""A base that others change at random, with and without a mounted view.

Whatever they change, no command and no daemon crashes or hangs. When the same
directories are back in their places, the view is as it was.

  MAPFS_TEST_CHAOS   the number of seeds of each kind (default 3)
  MAPFS_TEST_SEED    the first seed
"""
import errno
import os
import random
import re
import shutil
import socket
import stat
import subprocess

import pytest

from support import sysc, tree
from support.load import patience
from support.sysc import opened, write_file
from support.view import binary, mapfs

PAGE = 4096
SEEDS = int(os.environ.get("MAPFS_TEST_CHAOS", "3"))
FIRST = int(os.environ.get("MAPFS_TEST_SEED", "1"))
FATAL = re.compile(r"Sanitizer|runtime error|[Aa]ssert|abort")
# For a binary with sanitizers.
ENV = {"ASAN_OPTIONS": "exitcode=127",
       "UBSAN_OPTIONS": "halt_on_error=1:exitcode=127:print_stacktrace=1",
       **os.environ}
pytestmark = [pytest.mark.root, pytest.mark.limit(300)]


def _quiet(function, *args):
    """Calls a function that may fail with an OSError, and with nothing
    else."""
    try:
        return function(*args)
    except OSError as e:
        # The answer of a mount whose daemon died.
        assert e.errno not in (errno.ENOTCONN, errno.ECONNABORTED), e
        return None


def _survives(*args):
    p = subprocess.run([binary(), *map(str, args)], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=patience(), env=ENV)
    said = p.stdout.decode(errors="replace")
    assert 0 <= p.returncode < 126 and not FATAL.search(said), \
        f"{args}: {p.returncode}\n{said[-4000:]}"
    return p.returncode, said


def _make_base(base):
    for d in ("a", "b", "c", "a/in", "b/in", "c/in", "a/in/most"):
        (base / d).mkdir()
        write_file(base / d / "small", d.encode() * 20)
        write_file(base / d / "big", d.encode() * 20000)
        write_file(base / d / "same", b"untouched")
        write_file(base / d / "gone", b"to be removed")
        os.symlink("small", base / d / "link")
        os.mkfifo(base / d / "fifo")
        os.link(base / d / "small", base / f"hard-{d.replace('/', '-')}")
        os.setxattr(base / d / "same", "user.of", d.encode())


def _change(view, rnd):
    """Makes changes of every kind at random places."""
    for d in ("a", "b", "c", "a/in", "b/in", "c/in", "a/in/most"):
        with opened(view / f"{d}/big", os.O_RDWR) as fd:
            os.pwrite(fd, b"mine", PAGE * rnd.randrange(4) + 7)
        if rnd.random() < 0.6:
            with opened(view / f"{d}/small", os.O_WRONLY | os.O_APPEND) as fd:
                os.write(fd, b"more")
        if rnd.random() < 0.6:
            write_file(view / f"{d}/new", b"n" * rnd.randrange(9000))
            os.mkdir(view / f"{d}/newdir")
            write_file(view / f"{d}/newdir/x", b"x")
        if rnd.random() < 0.6:
            os.unlink(view / f"{d}/gone")
        if rnd.random() < 0.3:
            os.setxattr(view / f"{d}/same", "user.mine", b"1")
        if rnd.random() < 0.3:
            os.chmod(view / d, 0o750)
        if rnd.random() < 0.3:
            os.unlink(view / f"{d}/link")
            os.symlink("new", view / f"{d}/link")
        if rnd.random() < 0.3:
            os.link(view / f"{d}/same", view / f"{d}/same2")
        if rnd.random() < 0.3:
            os.rename(view / f"{d}/fifo", view / f"{d}/pipe")
    if rnd.random() < 0.5:
        os.rename(view / "b", view / "b2")
        write_file(view / "b2/in/late", b"late")
    if rnd.random() < 0.4:
        os.rename(view / "a/in", view / "c/moved")
    if rnd.random() < 0.4:
        shutil.rmtree(view / "c/in")
        if rnd.random() < 0.5:
            os.mkdir(view / "c/in")
            write_file(view / "c/in/again", b"again")


class Chaos:
    """Changes to the base that can be undone, the newest first."""

    def __init__(self, base, attic, rnd):
        self.base = base
        self.attic = attic
        self.rnd = rnd
        self.undo = []
        self.is_exact = True	# no file that the view changed was touched
        attic.mkdir()

    def _objects(self, want_dirs):
        found = []
        for d, dirs, files in os.walk(self.base):
            found += [os.path.join(d, n) for n in dirs
                      if not os.path.islink(os.path.join(d, n))]
            if not want_dirs:
                found += [os.path.join(d, n) for n in files]
        return sorted(found)

    def _away(self, path):
        kept = self.attic / str(len(self.undo))
        os.rename(path, kept)
        self.undo.append(lambda: os.rename(kept, path))
        return kept

    def _put(self, make, path):
        """Puts another object in the place of `path`."""
        make()

        def take():
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        self.undo.append(take)

    def replace(self, path):
        kept = self._away(path)
        kind = self.rnd.randrange(9)
        if kind == 0:
            return
        makers = [
            lambda: write_file(path, b"another" * 100),
            lambda: os.mkdir(path),
            lambda: os.mkfifo(path),
            lambda: os.symlink(self.attic, path),
            lambda: os.symlink(os.path.basename(path), path),
            lambda: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3)),
            lambda: subprocess.run(["cp", "-a", kept, path], check=True),
            lambda: socket.socket(socket.AF_UNIX).bind(path),
        ]
        if kind == 8 and len(path) > 100:
            kind = 1
        self._put(makers[kind - 1], path)

    def _swap(self, a, b):
        def swap():
            sysc.renameat2(a, b, sysc.RENAME_EXCHANGE)
        swap()
        self.undo.append(swap)

    def _hide(self, path, mode):
        was = stat.S_IMODE(os.lstat(path).st_mode)
        os.chmod(path, mode)
        self.undo.append(lambda: os.chmod(path, was))

    def _cover(self, path):
        sysc.mount("none", path, "tmpfs", 0)
        self.undo.append(lambda: sysc.umount_lazy(path))

    def _empty(self, path):
        for name in os.listdir(path):
            inner = os.path.join(path, name)
            if os.path.isdir(inner) and not os.path.islink(inner):
                self._away(inner)

    def once(self, dirs_only):
        try:
            self._once(dirs_only)
        except OSError as e:
            # A mount point, and what contains one, cannot be moved.
            if e.errno != errno.EBUSY:
                raise

    def _once(self, dirs_only):
        objects = self._objects(dirs_only)
        if not objects:
            return
        path = self.rnd.choice(objects)
        if not os.path.isdir(path) or os.path.islink(path):
            self.is_exact = False
        what = self.rnd.randrange(10)
        if what < 5:
            self.replace(path)
        elif what == 5:
            other = self.rnd.choice(objects)
            if not other.startswith(path) and not path.startswith(other):
                if not os.path.isdir(other):
                    self.is_exact = False
                _quiet(self._swap, path, other)
        elif what == 6 and os.path.isdir(path):
            self._cover(path)
        elif what == 7 and os.path.isdir(path):
            self._hide(path, 0)
        elif what == 8:
            to = os.path.join(os.path.dirname(path), "elsewhere")
            if not os.path.lexists(to):
                os.rename(path, to)
                self.undo.append(lambda: os.rename(to, path))
        else:
            self._empty(self.base if self.rnd.random() < 0.3 else path) \
                if os.path.isdir(path) else self.replace(path)

    def take_back(self, keep=0):
        while len(self.undo) > keep:
            self.undo.pop()()


def _walk(top):
    """Lists and reads everything; errors are allowed."""
    seen = 0
    todo = [os.fspath(top)]
    while todo:
        path = todo.pop()
        seen += 1
        st = _quiet(os.lstat, path)
        _quiet(lambda: os.listxattr(path, follow_symlinks=False))
        if st is None:
            continue
        if stat.S_ISDIR(st.st_mode):
            todo += [os.path.join(path, n)
                     for n in _quiet(os.listdir, path) or []]
        elif stat.S_ISREG(st.st_mode):
            _quiet(_read, path, st.st_size)
        elif stat.S_ISLNK(st.st_mode):
            _quiet(os.readlink, path)
        assert seen < 5000, "a tree without an end"


def _read(path, size):
    with opened(path, os.O_RDONLY) as fd:
        for off in range(0, size, PAGE):
            _quiet(os.pread, fd, PAGE, off)
        _quiet(os.lseek, fd, 0, os.SEEK_HOLE)


def _work(top):
    """Changes whatever it finds."""
    found = []
    for d, dirs, files in os.walk(top):
        found += [os.path.join(d, n) for n in dirs + files]
    for n, path in enumerate(sorted(found)):
        if n % 7 == 0:
            _quiet(lambda: write_file(path + ".w", b"w"))
        elif n % 7 == 1:
            _quiet(os.unlink, path)
        elif n % 7 == 2:
            _quiet(os.rename, path, path + ".r")
        elif n % 7 == 3:
            _quiet(os.chmod, path, 0o700)
        elif n % 7 == 4:
            _quiet(os.truncate, path, 3)
        elif n % 7 == 5:
            _quiet(os.rmdir, path)
        else:
            _quiet(lambda: os.setxattr(path, "user.w", b"w"))


def _look_by_commands(what):
    for args in (["status"], ["status", "--json"], ["diff"], ["diff", "-p"],
                 ["diff", "--stat"], ["diff", "--json", "--pages"], ["log"],
                 ["export", "-o", "/dev/null"]):
        _survives(*args, what)
    _survives("diff", what, "one..")


def _view(kept_view, seed):
    view = kept_view
    view.base_stays = False
    view.expected.append("base|modified|drift|changed|[Ss]tale")
    rnd = random.Random(seed)
    _make_base(view.base)
    view / ""
    _change(view, rnd)
    mapfs("snapshot", view.mnt, "one")
    _change_more(view)
    return view, rnd, Chaos(view.base, view.scratch / "attic", rnd)


def _change_more(view):
    write_file(view / "last", b"last")
    for d in ("a", "c"):
        with opened(view / f"{d}/big", os.O_RDWR) as fd:
            os.pwrite(fd, b"later", 11)


def _seen(view):
    return tree.of(view.top, ("atime", "ctime", "mtime", "blocks")), \
        _survives("diff", view.mnt)


def _replace_top(view, chaos):
    """For a moment, another object or none is at the path of the base."""
    done = len(chaos.undo)
    chaos.replace(os.fspath(view.base))
    _look_by_commands(view.store)
    for args in (["commit", "-n"], ["commit", "-y", "--theirs"],
                 ["commit", "-y", "--ours"], ["revert"],
                 ["snapshot", "-d"], ["rollback", "-y"]):
        more = ["."] if args == ["revert"] else \
            ["one"] if args[0] in ("snapshot", "rollback") else []
        _survives(*args, view.store, *more)
    assert _survives("mount", "-s", view.store, view.base, view.mnt)[0] == 1
    chaos.take_back(done)


@pytest.mark.parametrize("dirs_only", [True, False])
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_store_survives_what_became_of_its_base(kept_view, seed, dirs_only):
    view, rnd, chaos = _view(kept_view, seed)
    before = _seen(view)
    view.unmount()
    for _ in range(rnd.randrange(1, 7)):
        chaos.once(dirs_only)
    if rnd.random() < 0.5:
        _replace_top(view, chaos)
    _look_by_commands(view.store)
    for resolution in ([], ["--ours"], ["--theirs"]):
        _survives("commit", "-n", *resolution, view.store)
    copy = view.scratch / "copy"
    for command in (["revert", "STORE", "."], ["rollback", "-y", "STORE",
                                               "one"]):
        shutil.copytree(view.store, copy, symlinks=True)
        _survives(*(copy if a == "STORE" else a for a in command))
        shutil.rmtree(copy)
    view / ""
    _walk(view.top)
    _look_by_commands(view.mnt)
    _walk(view.top)
    assert view.proc.poll() is None
    view.unmount()
    shutil.copytree(view.store, copy, symlinks=True)
    chaos.take_back()
    view / ""
    if chaos.is_exact:
        after = _seen(view)
        tree.assert_same(before[0], after[0], "the base is back, the view "
                         "is not")
        assert before[1] == after[1]
    else:
        _walk(view.top)
    view.unmount()
    for _ in range(rnd.randrange(1, 7)):
        chaos.once(dirs_only)
    store, view.store = view.store, copy
    view / ""
    _work(view.top)
    _walk(view.top)
    _look_by_commands(view.mnt)
    assert view.proc.poll() is None
    view.unmount()
    view.mount()
    _walk(view.top)
    view.unmount()
    view.store = store
    resolution = rnd.choice(["--ours", "--theirs"])
    if _survives("commit", "-y", resolution, copy)[0] == 0:
        _survives("commit", "--undo", "-y", copy)
    _survives("discard", "-y", copy)
    chaos.undo = [u for u in chaos.undo if "umount" in u.__code__.co_names]
    chaos.take_back()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_view_survives_what_becomes_of_its_base(kept_view, seed):
    view, rnd, chaos = _view(kept_view, seed)
    before = _seen(view)
    if rnd.random() < 0.5:
        view.remount()
    if rnd.random() < 0.5:
        _walk(view.top)
    for _ in range(rnd.randrange(1, 7)):
        chaos.once(True)
    if rnd.random() < 0.3:
        chaos.replace(os.fspath(view.base))
    _walk(view.top)
    _look_by_commands(view.mnt)
    _walk(view.top)
    assert view.proc.poll() is None
    chaos.take_back()
    _walk(view.top)
    view.remount()
    after = _seen(view)
    tree.assert_same(before[0], after[0], "the base is back, the view is not")
    assert before[1] == after[1]
    for _ in range(rnd.randrange(1, 7)):
        chaos.once(True)
    _work(view.top)
    _walk(view.top)
    assert view.proc.poll() is None
    view.unmount()
    chaos.take_back()
