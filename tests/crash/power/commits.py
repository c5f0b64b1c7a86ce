# SPDX-License-Identifier: MIT
"""Commits and undos. Step N is noted as in power/history.py; a state is what
base and view show after it.

Between two states a commit that was cut can be finished, undone, or abandoned;
finishing gives exactly the state after it, undoing exactly the one before.
"""
import os
from collections import namedtuple

from support import tree
from support.sysc import opened, write_file
from support.view import mapfs

from .history import known

State = namedtuple("State", "how base view")


class CommitLoad:
    """Rounds of changes, commits and undos of one store."""

    def __init__(self, view, history, rnd, kind):
        self.view = view
        self.note = history.note
        self.rnd = rnd
        self.states = []

    def base(self):
        base = self.view.base
        for d in range(3):
            os.makedirs(base / f"d{d}" / "deep")
            for n in range(6):
                write_file(base / f"d{d}" / f"f{n}",
                           b"%d.%d " % (d, n) * 3000)
        os.link(base / "d0" / "f0", base / "d1" / "linked")
        seen = tree.committed(base)
        self.states.append(State("begin", seen, seen))

    def _change(self):
        view, rnd = self.view, self.rnd
        step = len(self.states)
        view.mount()
        files = sorted(os.path.join(at, n) for at, _, names in
                       os.walk(view.top) for n in names)
        for path in rnd.sample(files, 6):
            with opened(path, os.O_RDWR) as fd:
                os.pwrite(fd, b"%d" % step * 300, rnd.randrange(20000))
        for path in rnd.sample(files, 2):
            os.unlink(path)
        for d in rnd.sample(range(3), 2):
            write_file(view / f"d{d}/deep/new{step}",
                       b"new%d" % step * rnd.randrange(5000))
        left = [f for f in files if os.path.lexists(f)]
        for path in rnd.sample(left, 2):
            os.rename(path, view / f"d{rnd.randrange(3)}/moved{step}")
        one, two = rnd.sample(range(3), 2)
        os.rename(view / f"d{one}/deep", view / "aside")
        os.rename(view / f"d{two}/deep", view / f"d{one}/deep")
        os.rename(view / "aside", view / f"d{two}/deep")
        os.chmod(view / f"d{one}", rnd.choice((0o700, 0o755)))
        os.link(view / f"d{one}/deep/new{step}"
                if os.path.exists(view / f"d{one}/deep/new{step}")
                else next(f for f in left if os.path.exists(f)),
                view / f"link{step}")
        seen = tree.committed(view.top)
        view.unmount()
        return seen

    def _step(self, how, do):
        number = len(self.states)
        self.note(f"begin {number}")
        base, view = do()
        self.states.append(State(how, base, view))
        self.note(f"synced {number}")

    def change(self):
        self._step("change", lambda: (self.states[-1].base, self._change()))

    def commit(self):
        def do():
            mapfs("commit", "-y", self.view.store)
            view = self.states[-1].view
            tree.assert_same(view, tree.committed(self.view.base), "commit")
            return view, view
        self._step("commit", do)

    def undo(self):
        def do():
            mapfs("commit", "--undo", "-y", self.view.store)
            return self.states[-2].base, self.states[-1].view
        self._step("undo", do)

    def run(self):
        for step in (self.change, self.commit, self.undo, self.commit,
                     self.change, self.commit, self.undo, self.change,
                     self.commit):
            step()


class CommitJudge:
    """Ends what a cut left, and compares base and view with the states."""

    def __init__(self, make_view, states, rnd, verdict):
        self.make_view = make_view
        self.states = states
        self.rnd = rnd
        self.verdict = verdict
        self.ended = {}

    def judge(self, notes, _):
        low, high = known(notes)
        view = self.make_view()
        view.base_stays = False
        states = self.states
        was_open = os.path.exists(view.store / "commit" / "open")
        assert not was_open or low < high, "a commit that ended is open"
        if was_open:
            state = self._end(view, states[low], states[high])
        else:
            state = self._state_of(view, states[low:high + 1])
        self._compare(view, state)
        if state is not None and state.how == "commit" and \
                self.rnd.random() < 0.5:
            before = states[states.index(state) - 1]
            mapfs("commit", "--undo", "-y", view.store)
            self._compare(view, before)

    def _count(self, how):
        self.ended[how] = self.ended.get(how, 0) + 1

    def _end(self, view, before, after):
        """Ends an interrupted commit; returns the state that it should have
        led to, or None if anything may be there."""
        ways = {"commit": ["finish", "finish", "undo", "undo", "abandon"],
                "undo": ["undo"] * 4 + ["abandon"]}[after.how]
        way = self.rnd.choice(ways)
        args = {"finish": [], "undo": ["--undo"],
                "abandon": ["--abandon"]}[way]
        p = mapfs("mount", "-s", view.store, view.base, view.mnt,
                  check=False)
        assert p.returncode == 1 and "interrupted" in p.text, p.text
        mapfs("commit", *args, "-y", view.store)
        self._count(f"{after.how}: {way}")
        if way == "abandon":
            return None
        if way == "finish" or after.how == "undo":
            return after
        return before

    def _state_of(self, view, states):
        seen = tree.committed(view.base)
        fit = [s for s in states if s.base == seen]
        if not fit:
            tree.assert_same(states[0].base, seen, "base, no commit open")
        if states[-1].how == "change" and len(states) == 2:
            # What is synced of a change is another load's matter.
            return None
        return fit[-1]

    def _compare(self, view, state):
        left = [n for n in os.listdir(view.base) if n.startswith(".mapfs")]
        assert not left or state is None, f"left in the base: {left}"
        if state is not None:
            tree.assert_same(state.base, tree.committed(view.base), "base")
        view.mount()
        try:
            seen = tree.committed(view.top)
            if state is not None:
                tree.assert_same(state.view, seen, "view")
            view.unmount()
        finally:
            view.give_up()
        self.verdict.checks += 2 * len(seen)
        self.verdict.bytes += 2 * sum(e.get("size", 0)
                                      for e in seen.values())
