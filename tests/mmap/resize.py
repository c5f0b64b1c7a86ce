#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""resize() changes the length of the map, and that of its file.

  resize.py FILE [fixed]     fixed: the size of the file cannot change
"""
import errno
import mmap
import os
import sys


def expect_fixed(m, size):
    for new in (2 * size, size // 2):
        try:
            m.resize(new)
        except OSError as e:
            assert e.errno == errno.EPERM, e
        else:
            raise AssertionError(f"resized to {new}")
    assert len(m) == size
    m[-5:] = b"fixed"
    m.flush()


def grow_and_shrink(m, f, data):
    size = len(data)
    m.resize(size + 20000)
    assert os.fstat(f.fileno()).st_size == len(m) == size + 20000
    assert m[:size] == data
    assert m[size:] == bytes(20000)
    m[size:size + 5] = b"grown"
    m[-1] = ord(".")
    m.flush()
    m.resize(size + 5)
    assert os.fstat(f.fileno()).st_size == len(m) == size + 5
    assert m[size:] == b"grown"
    m.resize(5000)
    assert m[:] == data[:5000]
    # Bytes behind an earlier end are zero, whatever was there.
    m.resize(size + 5)
    assert m[5000:] == bytes(size + 5 - 5000)
    m[-5:] = b"again"
    m.flush()


def main(path, *fixed):
    with open(path, "r+b") as f:
        data = f.read()
        with mmap.mmap(f.fileno(), 0) as m:
            if fixed:
                expect_fixed(m, len(data))
                want = data[:-5] + b"fixed"
            else:
                grow_and_shrink(m, f, data)
                want = data[:5000] + bytes(len(data) - 5000) + b"again"
    with open(path, "rb") as f:
        assert f.read() == want


main(*sys.argv[1:])
