#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Several processes store into one file at once, each through its own map.

  processes.py FILE

The bytes of each process lie between those of the others, in the same pages,
and each flushes after each round, so that every flush meets the stores of the
others.
"""
import mmap
import os
import sys

PROCESSES = 4
ROUNDS = 15


def worker(path, me):
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        for n in range(1, ROUNDS + 1):
            m[me::PROCESSES] = bytes([n * PROCESSES + me]) * \
                len(range(me, len(m), PROCESSES))
            m.flush()
            # Nobody else changes the bytes of this process.
            assert set(m[me::PROCESSES]) == {n * PROCESSES + me}


def start(path, me):
    pid = os.fork()
    if pid == 0:
        try:
            worker(path, me)
        except BaseException as e:
            print(f"process {me}: {e!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def main(path):
    with open(path, "r+b") as f:
        size = os.fstat(f.fileno()).st_size
    pids = [start(path, me) for me in range(PROCESSES)]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * PROCESSES
    last = bytes(ROUNDS * PROCESSES + me for me in range(PROCESSES))
    with open(path, "rb") as f:
        assert f.read() == (last * size)[:size]


main(sys.argv[1])
