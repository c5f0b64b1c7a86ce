#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An empty file has no byte that could be mapped.

  empty.py FILE              FILE is empty
"""
import mmap
import os
import sys


def main(path):
    with open(path, "rb") as f:
        assert os.fstat(f.fileno()).st_size == 0
        for length in (0, 1, 4096):
            try:
                mmap.mmap(f.fileno(), length, access=mmap.ACCESS_READ)
            except ValueError as e:
                print(f"length {length}: {e}")
            else:
                raise AssertionError(f"mapped {length} bytes of nothing")


main(sys.argv[1])
