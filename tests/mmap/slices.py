#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A map read as a string of bytes, and as a file.

  slices.py FILE
"""
import mmap
import os
import sys


def as_bytes(m, data):
    assert len(m) == m.size() == len(data)
    assert m[:] == data
    assert m[10:20] == data[10:20]
    assert m[4090:4100] == data[4090:4100]
    assert m[-30:-10] == data[-30:-10]
    assert m[5:9000:1000] == data[5:9000:1000]
    assert m[::-1] == data[::-1]
    assert (m[0], m[-1]) == (data[0], data[-1])
    assert m[len(data):] == m[20:10] == b""
    assert bytes(memoryview(m)[100:200]) == data[100:200]


def as_file(m, f):
    assert m.tell() == 0
    assert m.read(15) == f.read(15)
    assert m.tell() == f.tell() == 15
    assert m.readline() == f.readline()
    m.seek(5000)
    f.seek(5000)
    assert m.readline() == f.readline()
    assert m.tell() == f.tell()
    m.seek(-100, os.SEEK_CUR)
    f.seek(-100, os.SEEK_CUR)
    assert m.read(200) == f.read(200)
    m.seek(-1, os.SEEK_END)
    assert m.read_byte() == m[-1]
    assert m.tell() == len(m)
    assert m.read() == m.readline() == b""
    m.seek(0)
    f.seek(0)
    assert list(iter(m.readline, b"")) == f.readlines()


def main(path):
    with open(path, "rb") as f:
        data = f.read()
        f.seek(0)
        with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
            as_bytes(m, data)
            as_file(m, f)


main(sys.argv[1])
