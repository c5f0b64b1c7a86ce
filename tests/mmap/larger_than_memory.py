#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A map of a file that is larger than memory: only touched pages are read.

  larger_than_memory.py FILE     FILE: more bytes than memory, nearly all holes
"""
import mmap
import os
import sys

MIB = 1 << 20


def main(path):
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        size = len(m)
        assert size == os.fstat(f.fileno()).st_size > memory
        for at in (0, MIB - 3, size // 2, memory - 1, size - 9):
            m[at:at + 5] = b"touch"
            assert m[at:at + 5] == b"touch"
        assert m[MIB + 10:MIB + 5000] == bytes(4990)
        assert m.rfind(b"touch", size - MIB) == size - 9
        assert m.find(b"touch", 1, MIB + 10) == MIB - 3
        m.flush()
        assert os.pread(f.fileno(), 5, size // 2) == b"touch"
        assert os.pread(f.fileno(), 5, size - 9) == b"touch"


main(sys.argv[1])
