# SPDX-License-Identifier: MIT
"""Views that show parts of their base: windows, or a base that is a file."""
import os

from . import tree
from .sysc import write_file
from .view import View


class PartView(View):
    """A view of the base's windows, or of one file of the base."""

    def __init__(self, scratch, mode, as_user=False):
        super().__init__(scratch, mode, as_user)
        self.shown = self.base

    def show_file(self, name, at_file=None):
        """The base is a file, and the mount point, too, if at_file names
        one."""
        self.shown = self.base / name
        if at_file is not None:
            self.mnt.rmdir()
            self.mnt = at_file
            if not at_file.exists():
                write_file(at_file)

    def window(self, text):
        """Adds a window NAME=PATH:OFFSET[:LENGTH]."""
        self.options += ["-w", text]

    def command(self, *extra):
        return [self.shown if a == str(self.base) else a
                for a in super().command(*extra)]

    @property
    def path(self):
        """The mount point that is a file; mounts it."""
        return self.top

    def look(self, leave_out=()):
        if os.path.isdir(self.top):
            found = super().look(leave_out)
            # The root is as old as the mount.
            for name in "atime", "ctime", "mtime":
                found[b"."].pop(name, None)
            return found
        return {b".": tree.of_one(self.top, leave_out)}

    def _compare_with_base(self):
        """The base has other files than the view; tests compare the bytes."""
        self.unmount()
