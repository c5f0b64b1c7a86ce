# SPDX-License-Identifier: MIT
"""What must hold of a store after a power cut.

  [D1] [D2]  the view is that of one moment, the last synced one or later
  [S3] [S4]  nothing is called damaged: reading is no EIO, opening no refusal
  [B1]       the base is as it was
"""
import json
import os
import re

from support import tree
from support.sysc import opened, write_file
from support.view import SUSPICIOUS, mapfs

from .history import Seen, known, last_ended, moments_of, same_as_frozen, scan

NEVER = re.compile(r"damage|checksum|does not fit|is a copy|EIO", re.I)
# Pages in flight, which DESIGN.md excepts from [S3]; a rollback while the kernel
# still has files that were closed just now.
FINE = re.compile(r"near an overwrite when the machine went down|"
                  r"open files? keeps? the size or time")


class Verdict:
    """What the checks of all cuts counted."""

    def __init__(self):
        self.checks = 0
        self.bytes = 0

    def saw(self, found):
        """A tree was read and compared."""
        self.checks += len(found)
        self.bytes += sum(len(e.data) for e in found.values()
                          if isinstance(e, Seen))


def has_check():
    return mapfs("check", "--help", check=False).returncode == 0


def is_store(view):
    """Discarding a store removes its pages first."""
    return os.path.exists(view.store / "pages") and \
        mapfs("log", view.store, check=False).returncode == 0


class TreeJudge:
    """Opens the store that a cut left, and compares it with a history."""

    def __init__(self, make_view, history, rnd, verdict):
        self.make_view = make_view
        self.history = history
        self.rnd = rnd
        self.verdict = verdict

    def judge(self, notes, base_before):
        low, high = known(notes)
        view = self.make_view()
        moments = self.history.moments
        if moments[high].discarded:
            if self._judge_discarded(view):
                return
        if low > 0 and has_check():
            mapfs("check", view.store)
        try:
            self._judge_view(view, low, high)
            self._judge_branches(view, last_ended(notes), high)
        finally:
            view.give_up()
        self._judge_words(view)
        tree.assert_same(base_before, tree.of(view.base, ("atime",)),
                         "the base changed [B1]")
        self.verdict.checks += len(base_before)

    def _judge_discarded(self, view):
        """A store that was being discarded is whole, or is gone after
        another discard."""
        if is_store(view):
            return False
        if view.store.exists():
            mapfs("discard", "-y", view.store)
        assert not view.store.exists(), "discard left a store"
        self.verdict.checks += 1
        return True

    def _judge_view(self, view, low, high):
        view.mount()
        found = scan(view.top)
        fit = moments_of(self.history, found, low, high)
        self.verdict.saw(found)
        names = {s["name"] for s in
                 json.loads(mapfs("log", "--json", view.top).text)}
        fit = [n for n in fit
               if set(self.history.moments[n].snapshots) == names]
        assert fit, f"snapshots {sorted(names)} are of no moment"
        self._judge_use(view, found)
        self._judge_snapshot(view, fit[-1])
        view.unmount()

    def _judge_use(self, view, found):
        """The store goes on, and shows the same after another mount."""
        write_file(view / "probe", b"probe" * 3000)
        with opened(view / "probe", os.O_RDONLY) as fd:
            os.fsync(fd)
        if self.rnd.random() < 0.3:
            view.remount()
        os.unlink(view / "probe")
        again = scan(view.top)
        same_as_frozen(again, found)
        self.verdict.saw(again)

    def _judge_snapshot(self, view, step):
        snapshots = self.history.moments[step].snapshots
        if snapshots:
            name = self.rnd.choice(sorted(snapshots))
            mapfs("rollback", "-y", view.top, name)
            found = scan(view.top)
            same_as_frozen(found, snapshots[name][0])
            self.verdict.saw(found)

    def _judge_branches(self, view, ended, high):
        """A branch is a store of its own, durable when its command ends."""
        moments = self.history.moments[ended:high + 1]
        for new in sorted({b for m in moments for b in m.branches}):
            must = all(new in m.branches for m in moments)
            branch = self.make_view()
            branch.store = view.store.parent / new
            is_there = is_store(branch)
            assert is_there or not must, f"{new} is gone"
            if is_there:
                self._judge_branch(branch, new, moments)
            elif branch.store.exists():
                mapfs("discard", "-y", branch.store)
                assert not branch.store.exists()
            self.verdict.checks += 1

    def _judge_branch(self, branch, new, moments):
        of = next(m for m in moments if new in m.branches)
        frozen, _ = of.snapshots[of.branches[new]]
        branch.mount()
        try:
            found = scan(branch.top)
            same_as_frozen(found, frozen)
            self.verdict.saw(found)
            branch.unmount()
        finally:
            branch.give_up()

    def _judge_words(self, view):
        for line in view.words().splitlines():
            said = line.replace(str(view.scratch), "")
            assert FINE.search(said) or not (
                NEVER.search(said) or SUSPICIOUS.search(said)), \
                f"the daemon said: {line}"
