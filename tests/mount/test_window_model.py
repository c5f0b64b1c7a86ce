# SPDX-License-Identifier: MIT
"""Random sequences of operations on windows and on plain files cut out of the
image give the same errors and the same bytes, and change nothing else of the
image (support/windows.py).
"""
import os

import pytest
from hypothesis import strategies as st

from support import model, windows
from support.programs import need
from support.sysc import read_file, write_file
from support.view import View, mapfs, run


class Pair:
    """A view of windows and the same parts as plain files, which get the same
    changes."""

    def __init__(self, place, mode, layout):
        self.layout = windows.LAYOUTS[layout]
        place.mkdir()
        self.view = View(place, mode)
        self.view.log = place.parent / "daemon.log"
        self.view.said = place.parent / "stderr.log"
        windows.make_base(self.view.base)
        self.view.windows = [windows.argument(*w) for w in self.layout]
        self.plain = place / "plain"
        self.plain.mkdir()
        self.cuts = [self._cut(*w) for w in self.layout]
        self.views = [windows.File(self.view / name, is_window=True).open()
                      for name, *_ in self.layout]
        self.snapshots = []

    def _cut(self, name, path, off, size):
        end = None if size is windows.OPEN else off + size
        write_file(self.plain / name, windows.content(path)[off:end])
        return windows.File(self.plain / name, size).open()

    def files(self):
        return self.cuts + self.views

    # --- operations on the view as a whole --------------------------------

    def remount(self, _):
        for f in self.views:
            f.close()
        self.view.remount()
        for f in self.views:
            f.open()

    def snapshot(self, _):
        if self.view.mode == "kept":
            mapfs("snapshot", self.view.mnt, f"s{len(self.snapshots)}")
            self.snapshots.append([f.all() for f in self.cuts])

    def rollback(self, number):
        """Descriptors and mappings stay open."""
        if not self.snapshots:
            return
        number %= len(self.snapshots)
        mapfs("rollback", "-y", self.view.mnt, f"s{number}")
        for f, data in zip(self.cuts, self.snapshots[number]):
            os.ftruncate(f.fd, 0)
            os.pwrite(f.fd, data, 0)

    # ----------------------------------------------------------------------

    def play(self, steps):
        for n, (op, number, *args) in enumerate(steps):
            function = windows.OPERATIONS[op][0]
            if function is None:
                getattr(self, op)(number)
                continue
            number %= len(self.layout)
            ends = []
            for files in (self.cuts, self.views):
                rest = list(args)
                if op == "copy":
                    rest[0] = files[args[0] % len(files)]
                ends.append(model.outcome(function, files[number], *rest))
            model.assert_outcome(*ends, f"step {n}: {op} of "
                                 f"{self.layout[number]} {tuple(args)}")

    def compare(self):
        for f, g in zip(self.cuts, self.views):
            for how, data in windows.read_in_each_way(g).items():
                assert_same(f.all(), data, f"{g.path}, by {how}")

    def whole(self, name):
        """What the image has to be."""
        data = bytearray(windows.content(name))
        for f, (_, path, off, size) in zip(self.cuts, self.layout):
            if path == name:
                end = len(data) if size is windows.OPEN else off + size
                data[off:end] = f.all()
        return bytes(data)

    def compare_images(self):
        """In a kept store, which is mounted without windows, or in the
        base."""
        want = {name: self.whole(name) for name in windows.IMAGES}
        for f in self.files():
            f.close()
        self.view.unmount()
        top = self.view.base
        if self.view.mode == "copy":
            return
        if self.view.mode == "kept":
            self.view.windows = []
            top = self.view.mount().mnt
        for name, data in want.items():
            assert_same(data, read_file(top / name), f"{top / name}")

    def end(self):
        for f in self.files():
            f.close()
        model.take_away(self.view.scratch, self.view)


def assert_same(want, got, what):
    """Says where two strings of bytes differ."""
    if want == got:
        return
    first = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b),
                 min(len(want), len(got)))
    raise AssertionError(f"{what}: {len(got)} bytes instead of {len(want)}, "
                         f"and byte {first} is the first that differs")


def _people():
    return [pytest.param(part, mode, id=f"{who}-{mode}", marks=mark)
            for part, (who, mark) in enumerate(
                [("root", pytest.mark.root), ("user", pytest.mark.user)])
            for mode in ("write", "copy", "kept")]


@pytest.mark.limit(400)
@pytest.mark.parametrize("part, mode", _people())
def test_windows_behave_as_plain_files(scratch, part, mode):
    number = iter(range(10**9))

    @model.examples(part, st.sampled_from(sorted(windows.LAYOUTS)),
                    st.lists(windows.step, min_size=10, max_size=60))
    def play(layout, steps):
        pair = Pair(scratch / f"example{next(number)}", mode, layout)
        try:
            pair.play(steps)
            pair.compare()
            pair.compare_images()
            pair.view.finish()
        finally:
            pair.end()

    play()


@pytest.mark.root
def test_model_ends_as_a_block_device(scratch):
    """The rules for a fixed window are those of a loop device, where the table
    in support/windows.py says so."""
    need("losetup")
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("there are no loop devices")
    data = windows.content("disk")[:10240]
    write_file(scratch / "image", data)
    write_file(scratch / "cut", data)
    path = run("losetup", "-f", "--show", scratch / "image").text.strip()
    device = windows.File(path)
    cut = windows.File(scratch / "cut", limit=len(data))
    try:
        for f in (device, cut):
            f.open()
        for op, *args in [("write", 0, 100, 1, False),
                          ("write", 10239, 100, 2, False),
                          ("write", 10240, 1, 3, False),
                          ("write", 20000, 1, 4, False),
                          ("write_held", 5000, 9000, 5),
                          ("append", 10, 6, False),
                          ("read", 10000, 1000, False),
                          ("read", 10240, 1, False),
                          ("read", 30000, 1, False)]:
            function = windows.OPERATIONS[op][0]
            ends = [model.outcome(function, f, *args) for f in (cut, device)]
            model.assert_outcome(*ends, f"{op}{tuple(args)}")
        assert_same(cut.all(), device.all(), "the device")
    finally:
        device.close()
        cut.close()
        run("losetup", "-d", path)
