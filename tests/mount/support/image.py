# SPDX-License-Identifier: MIT
"""Disk images with partition tables and file systems, made without root."""
import contextlib
import os
import shutil

import pytest

from .view import run

MIB = 1 << 20
SBIN = ":/sbin:/usr/sbin"


def need(*tools):
    """Skips the test if a program is missing."""
    if SBIN not in os.environ["PATH"]:
        os.environ["PATH"] += SBIN
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is missing")


def sparse(path, size):
    with open(path, "wb") as f:
        f.truncate(size)
    return path


def disk(path, size, script):
    """An image with the partition table that a script for sfdisk makes."""
    need("sfdisk")
    run("sfdisk", "-q", sparse(path, size), stdin=None,
        input="\n".join(script).encode() + b"\n")
    return path


def disk_4096(path, size, kind, *commands):
    """The same with sectors of 4096 bytes and commands of fdisk; kind is g
    for a GPT, o for an MBR."""
    need("fdisk")
    lines = [kind, *commands, "w", ""]
    run("fdisk", "-b", "4096", sparse(path, size), stdin=None,
        input="\n".join(lines).encode())
    return path


def file_system(path, size, kind, label):
    """An image of a bare file system, with no table."""
    need("mkfs." + kind)
    name = {"vfat": ["-n", label]}.get(kind, ["-q", "-L", label])
    run("mkfs." + kind, *name, sparse(path, size))
    return path


def place(image, offset, source):
    """Writes the data of the file `source` into the image at this byte."""
    with open(source, "rb") as f, open(image, "r+b") as to:
        while block := f.read(MIB):
            if block.count(0) != len(block):
                to.seek(offset)
                to.write(block)
            offset += len(block)


def patch(image, offset, data):
    with open(image, "r+b") as f:
        f.seek(offset, os.SEEK_END if offset < 0 else os.SEEK_SET)
        f.write(data)


@contextlib.contextmanager
def loop_device(image, *options):
    """A block device of the image, as root."""
    need("losetup")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("there are no loop devices")
    device = run("losetup", "--show", *options, "-f", image).text.strip()
    try:
        yield device
    finally:
        run("losetup", "-d", device)
