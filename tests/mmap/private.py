#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""ACCESS_COPY: what is stored in the map stays in this process.

  private.py FILE
"""
import mmap
import os
import sys


def main(path):
    # A descriptor for reading is enough.
    with open(path, "rb") as f:
        data = f.read()
        with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY) as m:
            m[0:7] = b"private"
            m[4000:5000] = bytes(1000)
            m[-1] = 0
            m.flush()
            assert m[:] == b"private" + data[7:4000] + bytes(1000) + \
                data[5000:-1] + b"\0"
            assert os.pread(f.fileno(), len(data), 0) == data
            # A second map is a copy of its own.
            with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY) as other:
                assert other[:] == data
    with open(path, "rb") as f:
        assert f.read() == data


main(sys.argv[1])
