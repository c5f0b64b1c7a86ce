# SPDX-License-Identifier: MIT
"""Random sequences of operations on a copy view and on a plain copy of its
base give the same errors, the same bytes and the same tree, also after the
view was unmounted and mounted again.
"""
import os

import pytest
from hypothesis import strategies as st

from support import model, tree
from support.view import run


class Pair:
    """A view and a plain copy that get the same changes."""

    def __init__(self, scratch, number):
        self.place = scratch / f"example{number}"
        self.view = model.view_at(self.place)
        model.make_base(self.view.base)
        self.plain = self.place / "plain"
        run("cp", "-a", self.view.base, self.plain)
        os.stat(self.view.top)

    def play(self, steps):
        v, p = str(self.view.top) + "/", str(self.plain) + "/"
        for n, (op, *args) in enumerate(steps):
            if op == "remount":
                self.view.remount()
                continue
            function = model.OPERATIONS[op][0]
            want = model.outcome(function, p, *args)
            got = model.outcome(function, v, *args)
            model.assert_outcome(want, got, f"step {n}: {op}{tuple(args)}")

    def compare(self):
        want = model.tree_of(self.plain)
        tree.assert_same(want, model.tree_of(self.view.top),
                         "plain and view differ")
        self.view.remount()
        tree.assert_same(want, model.tree_of(self.view.top),
                         "plain and view differ after mounting again")

    def end(self, well):
        try:
            if well:
                self.view.finish()
        finally:
            model.take_away(self.place, self.view)


@pytest.mark.limit(400)
@pytest.mark.parametrize("part", range(4))
def test_view_behaves_as_a_plain_copy(scratch, part):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    number = iter(range(10**9))

    @model.examples(part, st.lists(model.step, min_size=10, max_size=60))
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
