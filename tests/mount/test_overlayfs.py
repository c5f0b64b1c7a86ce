# SPDX-License-Identifier: MIT
"""A view as the upper directory of the kernel's overlayfs.

overlayfs needs RENAME_WHITEOUT, unnamed files, extended attributes and names
with types; it refuses a FUSE file system that lacks one of them.
"""
import contextlib
import errno
import os
import stat

import pytest

from support import sysc, tree
from support.sysc import error_of, read_file, write_file

pytestmark = [
    pytest.mark.root,
    pytest.mark.modes("write", "copy", "kept", people=("root",), plain=False),
]
# Facts that depend on the layers or on the clock.
LEAVE_OUT = ("ino", "atime", "mtime", "ctime")


def _make_lower(top):
    os.makedirs(top / "d/sub")
    os.mkdir(top / "empty")
    for name in "f", "g", "h", "d/x", "d/y", "d/sub/z":
        write_file(top / name, name.encode() * 3000)
    os.link(top / "h", top / "hard")
    os.symlink("f", top / "l")


class Overlay:
    """One overlay mount; its layers exist before and after it."""

    def __init__(self, lower, layers, at):
        self.lower, self.layers, self.at = lower, layers, at
        at.mkdir()
        for name in "upper", "work":
            os.mkdir(os.path.join(layers, name))

    def mount(self):
        sysc.mount("overlay", self.at, "overlay", 0,
                   f"lowerdir={self.lower},upperdir={self.layers}/upper,"
                   f"workdir={self.layers}/work")

    def unmount(self):
        os.sync()
        sysc.umount(self.at)

    def upper(self):
        """The kind of each object in the upper layer, where overlayfs links
        its whiteouts."""
        found = tree.of(os.path.join(self.layers, "upper"), LEAVE_OUT)
        for entry in found.values():
            del entry["nlink"]
            entry["xattrs"] = sorted(entry["xattrs"])
        return found


def _first(top):
    yield lambda: write_file(top / "new", b"n" * 5000)
    yield lambda: write_file(top / "f", b"copied up")
    yield lambda: os.rename(top / "f", top / "f2")
    yield lambda: os.rename(top / "g", top / "d/sub/g")
    yield lambda: os.rename(top / "new", top / "d/x")
    yield lambda: os.unlink(top / "d/y")
    yield lambda: os.unlink(top / "hard")
    yield lambda: os.rmdir(top / "empty")
    yield lambda: os.rename(top / "d/sub", top / "sub")
    yield lambda: os.mkdir(top / "made")
    yield lambda: write_file(top / "made/in", b"1")
    yield lambda: os.rename(top / "made", top / "empty")
    yield lambda: sysc.renameat2(top / "l", top / "f2",
                                 sysc.RENAME_EXCHANGE)
    yield lambda: os.link(top / "f2", top / "linked")


def _second(top):
    yield lambda: os.unlink(top / "f")
    yield lambda: os.unlink(top / "d/x")
    yield lambda: os.unlink(top / "d/sub/g")
    yield lambda: write_file(top / "d/y", b"again")
    yield lambda: os.rename(top / "d/y", top / "h")
    yield lambda: os.unlink(top / "empty/in")
    yield lambda: os.rmdir(top / "empty")
    yield lambda: os.mkdir(top / "empty")
    yield lambda: os.chmod(top / "empty", 0o700)
    yield lambda: os.setxattr(top / "h", "user.a", b"b")


def _play(part, *overlays):
    for n, calls in enumerate(zip(*(part(o.at) for o in overlays))):
        said = [error_of(call) for call in calls]
        assert said[0] == said[1], f"step {n}"


def _compare(plain, seen):
    tree.assert_same(tree.of(plain.at, LEAVE_OUT),
                     tree.of(seen.at, LEAVE_OUT), "the overlays differ")


def _probe(plain):
    """Skips if overlayfs cannot use even a plain directory."""
    a, b = plain / "probe", plain / "probe2"
    try:
        write_file(a)
        sysc.renameat2(a, b, sysc.RENAME_WHITEOUT)
    except OSError as e:
        if e.errno != errno.EINVAL:
            raise
        pytest.skip("the file system here makes no whiteouts")


@pytest.fixture
def overlays(view, scratch):
    """One overlay on a plain directory, and one on the view."""
    lower, layers = scratch / "lower", scratch / "layers"
    _make_lower(lower)
    layers.mkdir()
    _probe(layers)
    plain = Overlay(lower, layers, scratch / "plain")
    try:
        plain.mount()
    except OSError as e:
        pytest.skip(f"no overlayfs on a plain directory here: {e.strerror}")
    seen = Overlay(lower, view.top, scratch / "seen")
    seen.mount()
    yield plain, seen
    for o in plain, seen:
        with contextlib.suppress(OSError):
            sysc.umount_lazy(o.at)


def test_overlay_on_a_view_is_an_overlay_on_a_directory(view, overlays):
    plain, seen = overlays
    _play(_first, plain, seen)
    _compare(plain, seen)
    for o in overlays:
        o.unmount()
    tree.assert_same(plain.upper(), seen.upper(), "the layers differ")
    view.remount()
    for o in overlays:
        o.mount()
    _compare(plain, seen)
    _play(_second, plain, seen)
    _compare(plain, seen)
    for o in overlays:
        o.unmount()
    tree.assert_same(plain.upper(), seen.upper(), "the layers differ")


def test_names_removed_in_the_overlay_are_devices_of_the_view(view, overlays):
    _, seen = overlays
    os.unlink(seen.at / "h")
    os.rename(seen.at / "f", seen.at / "moved")
    assert not os.path.lexists(seen.at / "h")
    seen.unmount()
    view.remount()
    for name in "h", "f":
        st = os.lstat(view / f"upper/{name}")
        assert (st.st_mode, st.st_rdev) == (stat.S_IFCHR, 0)
    assert read_file(view / "upper/moved") == b"f" * 3000
