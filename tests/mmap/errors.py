#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a map refuses, and with which exception.

  errors.py FILE
"""
import mmap
import os
import sys

READ = mmap.ACCESS_READ


def refused(error, function, *args, **kw):
    try:
        function(*args, **kw)
    except error:
        return
    raise AssertionError(f"{function} should raise {error}")


def main(path):
    with open(path, "rb") as f:
        fd = f.fileno()
        size = os.fstat(fd).st_size
        m = mmap.mmap(fd, 0, access=READ)
        # An index behind the end.
        for index in (size, size + 1, -size - 1, 1 << 40):
            refused(IndexError, m.__getitem__, index)
        refused(ValueError, m.seek, size + 1)
        refused(ValueError, m.seek, -1)
        # A map for reading.
        refused(TypeError, m.__setitem__, 0, 1)
        refused(TypeError, m.__setitem__, slice(0, 3), b"abc")
        refused(TypeError, m.write, b"abc")
        refused(TypeError, m.resize, 10)
        assert os.pread(fd, 3, 0) == m[:3]
        # A closed map.
        m.close()
        refused(ValueError, m.read)
        # More than the file has.
        refused(ValueError, mmap.mmap, fd, size + 1, access=READ)
        refused(ValueError, mmap.mmap, fd, 0, access=READ,
                offset=(size // mmap.PAGESIZE + 1) * mmap.PAGESIZE)
        refused((ValueError, OverflowError), mmap.mmap, fd, -1, access=READ)
        # A descriptor for reading, and a map for writing.
        refused(PermissionError, mmap.mmap, fd, 0)
    # A closed descriptor.
    refused(OSError, mmap.mmap, fd, 0, access=READ)


main(sys.argv[1])
