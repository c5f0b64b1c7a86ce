#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Bytes stored in a shared map are the bytes of the file.

  assign.py FILE
"""
import mmap
import os
import sys


def refused(error, function, *args):
    try:
        function(*args)
    except error:
        return
    raise AssertionError(f"{function} should raise {error}")


def store(m):
    m[0:5] = b"HELLO"
    m[4094:4098] = b"page"
    m[5000] = ord("x")
    m[6000:6010:2] = b"extra"
    m[-3:] = b"end"
    m.seek(7000)
    assert m.write(b"written as a file") == 17
    m.write_byte(ord("!"))
    assert m.tell() == 7018
    m.move(9000, 7000, 18)
    # A map has a fixed length: nothing is inserted, and nothing removed.
    refused(IndexError, m.__setitem__, slice(0, 5), b"longer than five")
    m.seek(-2, os.SEEK_END)
    refused(ValueError, m.write, b"over the end")


def main(path):
    with open(path, "rb") as f:
        want = bytearray(f.read())
    want[0:5] = b"HELLO"
    want[4094:4098] = b"page"
    want[5000] = ord("x")
    want[6000:6010:2] = b"extra"
    want[-3:] = b"end"
    want[7000:7018] = want[9000:9018] = b"written as a file!"
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        store(m)
        # Others see them at once; flush is for the disk.
        assert os.pread(f.fileno(), 5, 0) == b"HELLO"
        m.flush(0, mmap.PAGESIZE)
        m.flush()
    with open(path, "rb") as f:
        assert f.read() == want


main(sys.argv[1])
