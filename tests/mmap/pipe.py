#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A pipe has no pages: it cannot be mapped, with a name or without.

  pipe.py FILE               FILE is a FIFO
"""
import errno
import mmap
import os
import sys


def refused(fd):
    for access in (mmap.ACCESS_READ, mmap.ACCESS_WRITE, mmap.ACCESS_COPY):
        try:
            mmap.mmap(fd, 4096, access=access)
        except OSError as e:
            # EACCES: one end is for writing only.
            assert e.errno in (errno.ENODEV, errno.EACCES), e
        else:
            raise AssertionError("a pipe was mapped")


def main(path):
    for fd in os.pipe():
        refused(fd)
    fd = os.open(path, os.O_RDWR)
    refused(fd)
    # It is still a pipe.
    os.write(fd, b"through it")
    assert os.read(fd, 100) == b"through it"
    os.close(fd)


main(sys.argv[1])
