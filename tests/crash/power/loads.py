# SPDX-License-Identifier: MIT
"""Loads whose every step is a moment of a history (power/history.py).

A load chooses its steps at random among those of its row in LOADS. Each step
is one change, so that between two steps there is no other moment.
"""
import mmap
import os
import time

from support.load import patience
from support.sysc import opened, write_file
from support.view import mapfs

from .history import PAGE, Dir, File, Link

STEPS = 160


def fill(name, step, size):
    """Bytes that belong to this file and this step only."""
    out = []
    for page in range((size + PAGE - 1) // PAGE):
        head = b"%s.%d.%d." % (name.encode(), step, page)
        out.append((head * (PAGE // len(head) + 1))[:PAGE])
    return b"".join(out)[:size]


class TreeLoad:
    """A view, its store on the disk, and its history."""

    def __init__(self, view, history, rnd, kind):
        self.view = view
        self.history = history
        self.rnd = rnd
        self.kind = kind
        # In writeback mode the kernel sends bytes when it likes.
        self.writeback = rnd.random() < 0.3
        self.options = [] if self.writeback else ["-o", "nowriteback"]
        self.count = 0
        self.compactions = 0

    # --- helpers -----------------------------------------------------------

    def base(self):
        """Makes the base, which is the moment before the first step."""
        tree = self.history.now.tree
        os.mkdir(self.view.base / "dir")
        for name in ("old", "dir/big", "dir/small", "third"):
            size = {"dir/big": 40, "old": 8}.get(name, 1) * PAGE + 100
            data = fill(name, 0, size)
            write_file(self.view.base / name, data)
            os.chmod(self.view.base / name, 0o644)
            tree[name] = File(0o644, self.history.new_file(data))
        os.chmod(self.view.base / "dir", 0o755)
        tree["dir"] = Dir(0o755)

    def run(self):
        self.view.mount(*self.options)
        weights = LOADS[self.kind]
        for _ in range(STEPS):
            step = self.rnd.choices(list(weights), weights.values())[0]
            getattr(self, step)()
        self.view.unmount()
        if self.rnd.random() < 0.5:
            self.discard()

    def paths(self, kind):
        return sorted(path for path, node in self.history.now.tree.items()
                      if isinstance(node, kind))

    def some(self, kind):
        found = self.paths(kind)
        return self.rnd.choice(found) if found else None

    def new_path(self):
        self.count += 1
        where = self.some(Dir) if self.rnd.random() < 0.5 else None
        name = f"n{self.count}"
        return os.path.join(where, name) if where else name

    def at(self, path):
        return self.view / path

    def step(self, change, do, synced=False):
        """One change of the model and of the view."""
        change(self.history.begin())
        do()
        self.history.end(synced)

    def content(self, path):
        return self.history.content(self.history.now.tree[path].number)

    def set_content(self, path, data, do, synced):
        """Writes that the kernel sends late must be synced in their step."""
        number = self.history.now.tree[path].number
        old = self.history.content(number)

        def change(_):
            self.history.set_content(number, data, len(data) > len(old))
        self.step(change, do, synced)

    # --- files -------------------------------------------------------------

    def create(self):
        if len(self.history.now.tree) > 90:
            return self.unlink()
        path = self.new_path()
        number = self.history.new_file()
        mode = self.rnd.choice((0o600, 0o644))

        def change(now):
            now.tree[path] = File(mode, number)

        def do():
            os.close(os.open(self.at(path), os.O_CREAT | os.O_EXCL |
                             os.O_WRONLY, mode))
        self.step(change, do)
        return self._write(path, 0, self.rnd.randrange(1, 3 * PAGE))

    def _write(self, path, at, size, sync=None):
        """Writes `size` bytes there."""
        old = self.content(path)
        step = len(self.history.moments)
        data = fill(path, step, at + size)[at:]
        new = old[:at].ljust(at, b"\0") + data + old[at + size:]
        sync = self.writeback or self.rnd.random() < 0.5 \
            if sync is None else sync

        def do():
            with opened(self.at(path), os.O_WRONLY) as fd:
                assert os.pwrite(fd, data, at) == size
                if sync:
                    self.rnd.choice((os.fsync, os.fdatasync))(fd)
        self.set_content(path, new, do, sync)

    def append(self):
        path = self.some(File)
        if path:
            size = len(self.content(path))
            if size < 60 * PAGE:
                self._write(path, size, self.rnd.randrange(1, 3 * PAGE), True)

    def overwrite(self):
        """Whole pages of a file that has them, in place."""
        path = self.some(File)
        pages = len(self.content(path)) // PAGE if path else 0
        if pages:
            first = self.rnd.randrange(pages)
            count = min(self.rnd.randrange(1, 9), pages - first)
            self._write(path, first * PAGE, count * PAGE)

    def patch(self):
        """Some bytes of a page."""
        path = self.some(File)
        size = len(self.content(path)) if path else 0
        if size > 200:
            at = self.rnd.randrange(size - 100)
            self._write(path, at, 100)

    def truncate(self):
        path = self.some(File)
        if not path:
            return
        old = self.content(path)
        size = self.rnd.randrange(len(old) + PAGE)
        new = old[:size].ljust(size, b"\0")
        self.step(lambda _: self.history.set_content(
            self.history.now.tree[path].number, new),
            lambda: os.truncate(self.at(path), size))

    def replace(self):
        """A new file, synced, gets the name of an old one."""
        target = self.some(File)
        if not target:
            return
        path = os.path.join(os.path.dirname(target), "tmp")
        number = self.history.new_file()

        def change(now):
            now.tree[path] = File(0o644, number)
        self.step(change, lambda: os.close(os.open(
            self.at(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)))
        self._write(path, 0, self.rnd.randrange(1, 4 * PAGE), True)
        self._move(path, target)

    def msync(self):
        """Pages stored through a mapping, in place, then msync(2)."""
        path = self.some(File)
        old = self.content(path) if path else b""
        pages = len(old) // PAGE
        if not pages:
            return
        first = self.rnd.randrange(pages)
        count = min(3, pages - first)
        start, end = first * PAGE, (first + count) * PAGE
        data = fill(path, len(self.history.moments), end)[start:]

        def do():
            with opened(self.at(path), os.O_RDWR) as fd:
                with mmap.mmap(fd, end) as m:
                    m[start:end] = data
                    m.flush()
        self.set_content(path, old[:start] + data + old[end:], do, True)

    def unlink(self):
        path = self.some((File, Link))
        if path:
            self.step(lambda now: now.tree.pop(path),
                      lambda: os.unlink(self.at(path)))

    def link(self):
        path = self.some(File)
        if path:
            new = self.new_path()

            def change(now):
                now.tree[new] = now.tree[path]
            self.step(change, lambda: os.link(self.at(path), self.at(new)))

    # --- names -------------------------------------------------------------

    def mkdir(self):
        if len(self.history.now.tree) > 90:
            return self.rmdir()
        path = self.new_path()

        def change(now):
            now.tree[path] = Dir(0o750)
        return self.step(change, lambda: os.mkdir(self.at(path), 0o750))

    def rmdir(self):
        """An empty directory, if there is one."""
        tree = self.history.now.tree
        empty = [d for d in self.paths(Dir)
                 if not any(p.startswith(d + "/") for p in tree)]
        if empty:
            path = self.rnd.choice(empty)
            self.step(lambda now: now.tree.pop(path),
                      lambda: os.rmdir(self.at(path)))

    def symlink(self):
        path = self.new_path()

        def change(now):
            now.tree[path] = Link("to" * 20)
        self.step(change, lambda: os.symlink("to" * 20, self.at(path)))

    def chmod(self):
        path = self.some(File)
        if path:
            mode = self.rnd.choice((0o600, 0o640, 0o444, 0o755))
            number = self.history.now.tree[path].number

            def change(now):
                for name, node in list(now.tree.items()):
                    if isinstance(node, File) and node.number == number:
                        now.tree[name] = File(mode, number)
            self.step(change, lambda: os.chmod(self.at(path), mode))

    def _move(self, old, new):
        def change(now):
            tree = now.tree
            # Two names of one file stay as they are.
            if isinstance(tree[old], File) and tree.get(new) == tree[old]:
                return
            moved = {p: n for p, n in tree.items()
                     if p == old or p.startswith(old + "/")}
            for p in moved:
                tree.pop(p)
            for p, n in moved.items():
                tree[new + p[len(old):]] = n
        self.step(change, lambda: os.rename(self.at(old), self.at(new)))

    def rename(self):
        """Over another file, or a directory with all that it has."""
        old = self.some((File, Dir, Link))
        if not old:
            return
        new = self.new_path()
        if not isinstance(self.history.now.tree[old], Dir) and \
                self.rnd.random() < 0.5:
            new = self.some(File) or new
        if new != old and not new.startswith(old + "/"):
            self._move(old, new)

    def sync(self):
        """fsync of a directory is one of everything before."""
        def do():
            with opened(self.view.top, os.O_RDONLY) as fd:
                os.fsync(fd)
        self.step(lambda now: None, do, True)

    # --- history of the store ----------------------------------------------

    def snapshot(self):
        snapshots = self.history.now.snapshots
        if len(snapshots) > 3:
            return self.unsnapshot()
        self.count += 1
        name = f"s{self.count}"
        frozen = self.history.frozen()

        def change(now):
            now.snapshots[name] = (frozen, dict(now.tree))
        return self.step(change, lambda: mapfs("snapshot", self.view.top,
                                               name), True)

    def unsnapshot(self):
        now = self.history.now
        free = [s for s in now.snapshots if s not in now.branches.values()]
        if free:
            name = self.rnd.choice(sorted(free))
            self.step(lambda now: now.snapshots.pop(name),
                      lambda: mapfs("snapshot", "-d", self.view.top, name),
                      True)

    def rollback(self):
        snapshots = self.history.now.snapshots
        if not snapshots:
            return
        name = self.rnd.choice(sorted(snapshots))
        frozen, tree = snapshots[name]

        def change(now):
            now.tree = dict(tree)
            for seen in frozen.values():
                if hasattr(seen, "data"):
                    self.history.set_content(seen.inode, seen.data)
        self.step(change, lambda: mapfs("rollback", "-y", self.view.top,
                                        name), True)

    def branch(self):
        now = self.history.now
        if not now.snapshots or len(now.branches) > 2:
            return self.unbranch()
        name = self.rnd.choice(sorted(now.snapshots))
        self.count += 1
        new = f"branch{self.count}"

        def change(now):
            now.branches[new] = name
        return self.step(change, lambda: mapfs(
            "branch", f"{self.view.store}@{name}",
            self.view.store.parent / new))

    def unbranch(self):
        branches = self.history.now.branches
        if branches:
            new = self.rnd.choice(sorted(branches))
            self.step(lambda now: now.branches.pop(new),
                      lambda: mapfs("discard", "-y",
                                    self.view.store.parent / new))

    def compact(self):
        """Enough records for a compaction, in attributes that stay unseen."""
        path = self.some(File)
        if not path or self.compactions > 1:
            return
        self.compactions += 1

        def do():
            for n in range(150):
                os.setxattr(self.at(path), "user.big",
                            b"%4d" % n * (15 << 10))
        before = self._newest_segment()
        self.step(lambda now: None, do)
        end = time.monotonic() + patience(15)
        while self._newest_segment() == before:
            assert time.monotonic() < end, "waited for a compaction"
            self.rnd.choice((self.overwrite, self.create, self.mkdir,
                             self.unlink))()
            time.sleep(0.05)

    def _newest_segment(self):
        return max(int(name)
                   for name in os.listdir(self.view.store / "journal")
                   if name.isdigit())

    def remount(self):
        """A clean end in the middle."""
        self.step(lambda now: None, lambda: self.again(self.view.unmount),
                  True)

    def kill(self):
        """The daemon is killed; the next one finds what reached it."""
        self.step(lambda now: None, lambda: self.again(self.view.kill))

    def again(self, end):
        end()
        self.view.mount(*self.options)

    def discard(self):
        """The last step; branches go first."""
        for _ in list(self.history.now.branches):
            self.unbranch()

        def change(now):
            now.discarded = True
        self.step(change, lambda: mapfs("discard", "-y", self.view.store))


FILES = {"create": 4, "append": 4, "overwrite": 6, "patch": 3, "truncate": 1,
         "replace": 4, "unlink": 2, "msync": 2, "chmod": 1}
NAMES = {"mkdir": 5, "rmdir": 1, "rename": 8, "symlink": 1, "link": 2,
         "create": 3, "sync": 2, "unlink": 1}
STORE = {"snapshot": 4, "unsnapshot": 1, "rollback": 2, "branch": 2,
         "unbranch": 1}
ENDS = {"remount": 0.3, "kill": 0.5}
LOADS = {
    "files": {**FILES, **ENDS},
    "names": {**NAMES, **ENDS},
    # Nothing is overwritten, so every page keeps its checksum.
    "fresh": {"create": 4, "replace": 4, "unlink": 3, "rename": 2, "sync": 1,
              **ENDS},
    "pages": {"overwrite": 10, "patch": 3, "msync": 4, "append": 3,
              "sync": 1, **ENDS},
    "snapshots": {**FILES, **NAMES, **STORE, **ENDS},
    "compaction": {**FILES, **NAMES, "compact": 1, "rollback": 1,
                   "snapshot": 1, **ENDS},
}
