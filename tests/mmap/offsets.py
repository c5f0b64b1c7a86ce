#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A map of a part: its offset is a multiple of ALLOCATIONGRANULARITY.

  offsets.py FILE
"""
import mmap
import sys

STEP = mmap.ALLOCATIONGRANULARITY


def part(fd, offset, length):
    """The bytes at any offset: the map begins at the step below it."""
    start = offset - offset % STEP
    with mmap.mmap(fd, offset - start + length, offset=start,
                   access=mmap.ACCESS_READ) as m:
        return m[offset - start:]


def main(path):
    with open(path, "rb") as f:
        data = f.read()
        fd = f.fileno()
        # The file in pieces of one step, as for a file of any size.
        for start in range(0, len(data), STEP):
            length = min(STEP, len(data) - start)
            with mmap.mmap(fd, length, offset=start,
                           access=mmap.ACCESS_READ) as m:
                assert m[:] == data[start:start + length]
        # Length 0: from the offset to the end.
        with mmap.mmap(fd, 0, offset=STEP, access=mmap.ACCESS_READ) as m:
            assert len(m) == len(data) - STEP
            assert m[:] == data[STEP:]
        for offset in (0, 1, STEP - 1, STEP + 17, len(data) - 10):
            assert part(fd, offset, 10) == data[offset:offset + 10]
        try:
            mmap.mmap(fd, 10, offset=STEP + 1, access=mmap.ACCESS_READ)
        except OSError as e:
            assert e.errno == 22, e
        else:
            raise AssertionError("an offset between two pages was accepted")


main(sys.argv[1])
