# SPDX-License-Identifier: MIT
"""File systems that a test makes for itself: of any kind, or on a disk that
can lose its power."""
import contextlib
import ctypes
import fcntl
import os
import shutil

import pytest

from . import sysc
from .view import run, wait_for


@contextlib.contextmanager
def file_system(scratch, kind, options=""):
    """A new file system of this kind, mounted at scratch/"disk" with 400 MiB,
    or a tmpfs with the mount options `options`."""
    at = scratch / "disk"
    at.mkdir()
    if kind == "tmpfs":
        sysc.mount("none", at, "tmpfs", 0, options)
    else:
        if not shutil.which("mkfs." + kind):
            pytest.skip(f"mkfs.{kind} is missing")
        with open(scratch / "image", "wb") as f:
            f.truncate(400 << 20)
        run("mkfs." + kind, "-q", scratch / "image")
        run("mount", "-o", "loop", scratch / "image", at)
    try:
        yield at
    finally:
        sysc.umount_lazy(at)


class Disk:
    """A loop device with ext4 on it that can lose its power."""

    def __init__(self, scratch, megabytes=96):
        self.image = scratch / "disk.img"
        self.at = scratch / "disk"
        self.at.mkdir()
        with open(self.image, "wb") as f:
            f.truncate(megabytes << 20)
        run("mkfs.ext4", "-q", "-O", "^metadata_csum_seed", "-J", "size=4",
            self.image)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop", self.image, self.at)

    def umount(self):
        wait_for("the disk to be free", lambda: run(
            "umount", self.at, check=False).returncode == 0)

    def cut_power(self, flush_log):
        fd = os.open(self.at, os.O_RDONLY)
        try:
            how = ctypes.c_uint32(sysc.EXT4_GOING_LOGFLUSH if flush_log
                                  else sysc.EXT4_GOING_NOLOGFLUSH)
            fcntl.ioctl(fd, sysc.EXT4_IOC_SHUTDOWN, how)
        finally:
            os.close(fd)
