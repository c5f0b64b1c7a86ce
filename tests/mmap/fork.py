#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Maps are shared over fork: an anonymous one, and one of a file.

  fork.py FILE
"""
import mmap
import os
import struct
import sys


def child(anonymous, m):
    """Counts the lines of the file for the parent, and marks the file."""
    anonymous.write(struct.pack("q", len(m[:].splitlines())))
    anonymous.write(b"from the child")
    m[0:5] = b"CHILD"


def main(path):
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m, \
            mmap.mmap(-1, 4096) as anonymous, \
            mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE) as private:
        lines = len(f.readlines())
        anonymous[100:106] = b"parent"
        pid = os.fork()
        if pid == 0:
            try:
                assert anonymous[100:106] == b"parent"
                private[0:5] = b"child"
                child(anonymous, m)
            except BaseException:
                os._exit(1)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert struct.unpack("q", anonymous.read(8)) == (lines,)
        assert anonymous.read(14) == b"from the child"
        assert private[0:5] == bytes(5)
        assert m[0:5] == b"CHILD"
        assert os.pread(f.fileno(), 5, 0) == b"CHILD"


main(sys.argv[1])
