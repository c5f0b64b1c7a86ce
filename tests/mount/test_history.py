# SPDX-License-Identifier: MIT
"""Snapshots, rollbacks and branches in the middle of random histories.

A view and a plain directory get the same changes; for each snapshot the plain
one is copied. After a rollback the view must be equal to the copy, and so must
a snapshot that is mounted beside the live view. A branch and its parent do not
affect each other.
"""
import os
import shutil

import pytest
from hypothesis import strategies as st

from support import model, tree
from support.view import mapfs, run

EXAMPLES = int(os.environ.get("MAPFS_TEST_EXAMPLES", "30"))

one_step = st.one_of(
    model.step, model.step, model.step, model.step,
    st.tuples(st.just("snapshot")),
    st.tuples(st.just("rollback"), st.integers(0, 20)))


def replace(directory, by):
    """Replaces the content of a directory; the directory itself stays."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    run("cp", "-a", os.path.join(by, "."), directory)


class Line:
    """A view of a kept store, and the plain directory that it must be equal
    to."""

    def __init__(self, place, view, plain):
        self.place = place
        self.view = view
        self.plain = plain
        self.snapshots = []

    def play(self, steps):
        for n, (op, *args) in enumerate(steps):
            if op == "snapshot":
                self.snapshot()
            elif op == "rollback":
                self.rollback(*args)
            elif op == "remount":
                self.view.remount()
            else:
                function = model.OPERATIONS[op][0]
                want = model.outcome(function, f"{self.plain}/", *args)
                got = model.outcome(function, f"{self.view.top}/", *args)
                model.assert_outcome(want, got,
                                     f"step {n}: {op}{tuple(args)}")

    def snapshot(self):
        name = f"s{len(self.snapshots)}"
        copy = self.place / f"copy-{self.plain.name}-{name}"
        mapfs("snapshot", self.view.top, name)
        run("cp", "-a", self.plain, copy)
        self.snapshots.append((name, copy))

    def rollback(self, which):
        if not self.snapshots:
            return
        name, copy = self.snapshots[which % len(self.snapshots)]
        mapfs("rollback", "-y", self.view.top, name)
        replace(self.plain, copy)
        self.compare(f"after the rollback to {name}")

    def compare(self, when):
        tree.assert_same(model.tree_of(self.plain),
                         model.tree_of(self.view.top),
                         f"plain and view differ {when}")

    def check_snapshots(self):
        beside = self.place / "beside"
        beside.mkdir(exist_ok=True)
        for name, copy in self.snapshots:
            mapfs("mount", "-s", f"{self.view.store}@{name}", self.view.base,
                  beside)
            try:
                tree.assert_same(model.tree_of(copy), model.tree_of(beside),
                                 f"snapshot {name} is not its copy")
            finally:
                mapfs("umount", beside)


def first_line(scratch, number):
    place = scratch / f"example{number}"
    view = model.view_at(place)
    model.make_base(view.base)
    plain = place / "plain"
    run("cp", "-a", view.base, plain)
    os.stat(view.top)
    return Line(place, view, plain)


def branch_of(line, name, copy):
    """A second line, a branch, which begins at a snapshot of the first."""
    view = model.view_at(line.place / "branch", line.view.log.parent)
    view.base = line.view.base
    mapfs("branch", f"{line.view.store}@{name}", view.store)
    plain = line.place / "plain-branch"
    run("cp", "-a", copy, plain)
    os.stat(view.top)
    return Line(line.place, view, plain)


def end(lines, well):
    try:
        for line in lines:
            if well:
                line.view.finish()
    finally:
        model.take_away(lines[0].place, *(line.view for line in lines))


@pytest.mark.root
@pytest.mark.limit(400)
@pytest.mark.parametrize("part", range(2))
def test_rollback_gives_the_tree_of_the_snapshot(scratch, part):
    number = iter(range(10**9))

    @model.examples(part, st.lists(one_step, min_size=10, max_size=60),
                    count=EXAMPLES)
    def play(steps):
        line = first_line(scratch, next(number))
        well = False
        try:
            line.play(steps)
            line.compare("in the end")
            line.check_snapshots()
            line.view.remount()
            line.compare("after mounting again")
            well = True
        finally:
            end([line], well)

    play()


@pytest.mark.root
@pytest.mark.limit(400)
@pytest.mark.parametrize("part", range(2))
def test_branch_and_parent_do_not_see_each_other(scratch, part):
    number = iter(range(10**9))
    steps = st.lists(one_step, min_size=5, max_size=30)

    @model.examples(part, steps, steps, steps, count=EXAMPLES)
    def play(before, on_parent, on_branch):
        parent = first_line(scratch, next(number))
        lines = [parent]
        well = False
        try:
            parent.play(before)
            parent.snapshot()
            branch = branch_of(parent, *parent.snapshots[-1])
            lines.append(branch)
            for a, b in zip(on_parent, on_branch):
                parent.play([a])
                branch.play([b])
            for line in lines:
                line.compare("while both are mounted")
                line.view.remount()
                line.compare("after mounting again")
            well = True
        finally:
            end(lines, well)

    play()
