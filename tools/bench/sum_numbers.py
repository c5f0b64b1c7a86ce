#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures what the sums of pages cost; prints numbers, asserts nothing.

  tools/bench/sum_numbers.py BEFORE AFTER [MIB [ROUNDS]]

BEFORE and AFTER are two programs mapfs. In each round both do the same in a
view of their own, the first one in turns, on a file of MIB MiB (default 256).
Beside the time it shows the CPU time of the daemon, which says more on a
machine that has other work:

* write       in pieces of 1 MiB, with one fsync
* read warm   after another mount, so that each page is verified; the store is
              in the kernel's cache
* read again  the same once more, with nothing of the view in the cache
* read cold   after the caches of the machine were dropped (as root)
* random      1000 writes of 4 KiB to places of their own, with one fsync; just
              after another mount, so that every region was left alone
* fsync       200 writes of 4 KiB, each with an fsync
* log         2000 appends of 100 bytes, an fsync after each 100
"""
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BEFORE, AFTER = sys.argv[1:3]
MIB = int(sys.argv[3]) if len(sys.argv) > 3 else 256
ROUNDS = int(sys.argv[4]) if len(sys.argv) > 4 else 9
PAGE = 4096


def mapfs(program, *args):
    subprocess.run([program, *args], check=True, timeout=120)


def cpu_ms(pid):
    """Of all threads of the process so far."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat",
                  encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e6


def drop_from_cache(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def drop_caches():
    os.sync()
    if os.geteuid() == 0:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write("3")


def write_all(path, chunk):
    with open(path, "wb", buffering=0) as f:
        for _ in range(MIB):
            f.write(chunk)
        os.fsync(f.fileno())


def read_all(path):
    with open(path, "rb", buffering=0) as f:
        while f.read(1 << 20):
            pass


def write_random(path, places, each):
    fd = os.open(path, os.O_WRONLY)
    page = os.urandom(PAGE)
    for at in places:
        os.pwrite(fd, page, at * PAGE)
        if each:
            os.fsync(fd)
    os.fsync(fd)
    os.close(fd)


def append(path):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for n in range(2000):
        os.write(fd, b"x" * 100)
        if n % 100 == 99:
            os.fsync(fd)
    os.close(fd)


class Side:
    """One of the two programs, with a base and a store of its own."""

    def __init__(self, top, name, program):
        self.program = program
        self.pid = 0
        self.took = {}
        self.dir = f"{top}/{name}"
        self.mnt = f"{self.dir}/mnt"
        self.file = f"{self.mnt}/private"
        os.makedirs(self.mnt)
        os.mkdir(f"{self.dir}/base")

    def mount(self):
        mapfs(self.program, "mount", "-s", f"{self.dir}/store",
              f"{self.dir}/base", self.mnt)
        listed = json.loads(subprocess.run(
            [self.program, "list", "--json"], check=True, capture_output=True,
            timeout=30).stdout)
        self.pid = next(m["pid"] for m in listed
                        if m["mountpoint"] == self.mnt)

    def unmount(self):
        mapfs(self.program, "umount", self.mnt)

    def remount(self):
        self.unmount()
        self.mount()

    def timed(self, what, fn, *args):
        cpu, begin = cpu_ms(self.pid), time.perf_counter()
        fn(*args)
        took = (time.perf_counter() - begin) * 1e3
        self.took.setdefault(what, []).append(
            (took, cpu_ms(self.pid) - cpu))

    def play(self, chunk, places):
        self.mount()
        try:
            os.sync()
            self.timed("write", write_all, self.file, chunk)
            self.remount()
            self.timed("read warm", read_all, self.file)
            drop_from_cache(self.file)
            self.timed("read again", read_all, self.file)
            self.remount()
            drop_caches()
            self.timed("read cold", read_all, self.file)
            self.remount()
            read_all(f"{self.dir}/store/pages")
            self.timed("random", write_random, self.file, places, False)
            self.timed("fsync", write_random, self.file, places[:200], True)
            self.timed("log", append, f"{self.mnt}/log")
        finally:
            self.unmount()
        shutil.rmtree(f"{self.dir}/store")


def main():
    top = tempfile.mkdtemp(prefix="mapfs-bench-")
    sides = [Side(top, "before", BEFORE), Side(top, "after", AFTER)]
    chunk = os.urandom(1 << 20)
    rng = random.Random(7)
    try:
        for n in range(ROUNDS):
            places = rng.sample(range(MIB << 8), 1000)
            for side in (sides if n % 2 == 0 else sides[::-1]):
                side.play(chunk, places)
        print(f"{'':10} {'before':>10} {'after':>10} {'':8}"
              f"{'cpu before':>12} {'cpu after':>10}")
        for what, before in sides[0].took.items():
            both = [[statistics.median(one) for one in zip(*took)]
                    for took in (before, sides[1].took[what])]
            (b, b_cpu), (a, a_cpu) = both
            print(f"{what:10} {b:7.1f} ms {a:7.1f} ms {(a / b - 1) * 100:+5.1f} %"
                  f"  {b_cpu:8.1f} ms {a_cpu:7.1f} ms"
                  f" {(a_cpu - b_cpu) / b * 100:+5.1f} % of the time before")
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    main()
