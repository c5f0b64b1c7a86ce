# SPDX-License-Identifier: MIT
"""Snapshots, rollbacks and branches in the middle of random histories.

A view and a plain directory are changed in step; a snapshot is a copy of the
plain one.  A rollback gives the snapshot's tree, whatever happened since; a
snapshot mounted beside the live view shows its copy; a branch and its parent
go their own ways.
"""
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from support import sysc, tree
from support.view import View, mapfs, run
from test_model import (OPERATIONS, SEED, _make_base, _outcome, _tree,
                        assert_outcome, step)

EXAMPLES = int(os.environ.get("MAPFS_TEST_EXAMPLES", "30"))

verb = st.one_of(
    step, step, step, step,
    st.tuples(st.just("snapshot")),
    st.tuples(st.just("rollback"), st.integers(0, 20)))


def replace(directory, by):
    """The directory stays, what is in it changes."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    run("cp", "-a", os.path.join(by, "."), directory)


class Line:
    """A view of a kept store and the plain directory it must look like."""

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
                function = OPERATIONS[op][0]
                want = _outcome(function, str(self.plain) + "/", *args)
                got = _outcome(function, str(self.view.top) + "/", *args)
                assert_outcome(want, got, f"step {n}: {op}{tuple(args)}")

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
        tree.assert_same(_tree(self.plain), _tree(self.view.top),
                         f"plain and view differ {when}")

    def check_snapshots(self):
        beside = self.place / "beside"
        beside.mkdir(exist_ok=True)
        for name, copy in self.snapshots:
            mapfs("mount", "-s", f"{self.view.store}@{name}", self.view.base,
                  beside)
            try:
                tree.assert_same(_tree(copy), _tree(beside),
                                 f"snapshot {name} is not its copy")
            finally:
                mapfs("umount", beside)


def first_line(scratch, number):
    place = scratch / f"example{number}"
    place.mkdir()
    view = View(place, "kept")
    view.log = scratch / "daemon.log"
    view.said = scratch / "stderr.log"
    _make_base(view.base)
    plain = place / "plain"
    run("cp", "-a", view.base, plain)
    os.stat(view.top)
    return Line(place, view, plain)


def branch_of(line, name, copy):
    """A second line that begins as a snapshot of the first."""
    place = line.place / "branch"
    place.mkdir()
    view = View(place, "kept")
    view.log, view.said = line.view.log, line.view.said
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
        for line in lines:
            line.view.give_up()
            if os.path.ismount(line.view.mnt):
                sysc.umount_lazy(line.view.mnt)
        shutil.rmtree(lines[0].place)


def random_histories(part, *given_steps):
    def decorate(function):
        return seed(SEED + part)(settings(
            max_examples=EXAMPLES, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), print_blob=False)(
                given(*given_steps)(function)))
    return decorate


@pytest.mark.root
@pytest.mark.limit(400)
@pytest.mark.parametrize("part", range(2))
def test_rollback_gives_the_tree_of_the_snapshot(scratch, part):
    number = iter(range(10**9))

    @random_histories(part, st.lists(verb, min_size=10, max_size=60))
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
    steps = st.lists(verb, min_size=5, max_size=30)

    @random_histories(part, steps, steps, steps)
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
