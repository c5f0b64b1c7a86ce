#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures mapfs diff in a large base; prints times, asserts nothing.

  tools/bench/diff_numbers.py [MAPFS [FILES]]

* the base has FILES files (default 1000000), 1000 in each directory
* 100 changes are spread over it: writing, renaming, removing, creating, chmod
* the time is that of the whole command, on the mounted view and on the store
  after unmounting; for this base and for one that is a hundred times smaller
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from clock import took_ms

ROOT = Path(__file__).resolve().parents[2]
MAPFS = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/mapfs")
FILES = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
CHANGES = 100
ROUNDS = 7


def make_base(base, files):
    for d in range(max(1, files // 1000)):
        top = f"{base}/d{d // 32}/e{d}"
        os.makedirs(top)
        for f in range(1000):
            fd = os.open(f"{top}/f{f}", os.O_WRONLY | os.O_CREAT, 0o644)
            os.truncate(fd, 8192)
            os.close(fd)


def change(mnt, files):
    dirs = max(1, files // 1000)
    for n in range(CHANGES):
        d = n * dirs // CHANGES
        path = f"{mnt}/d{d // 32}/e{d}/f{n}"
        if n % 5 == 0:
            with open(path, "r+b") as f:
                f.write(b"changed")
        elif n % 5 == 1:
            os.rename(path, path + ".moved")
        elif n % 5 == 2:
            os.unlink(path)
        elif n % 5 == 3:
            with open(path + ".new", "wb") as f:
                f.write(b"new")
        else:
            os.chmod(path, 0o600)


def measure(target):
    took = [took_ms(MAPFS, "diff", target, limit_s=600, may_exit=(0, 1))
            for _ in range(ROUNDS)]
    lines = subprocess.run([MAPFS, "diff", target], stdout=subprocess.PIPE,
                           timeout=600).stdout.count(b"\n")
    print(f"    {lines} changes: {statistics.median(took):.1f} ms "
          f"(median of {ROUNDS}, at most {max(took):.1f})")


def run(files):
    top = tempfile.mkdtemp(prefix="mapfs-bench-")
    base, mnt, store = f"{top}/base", f"{top}/mnt", f"{top}/store"
    try:
        os.mkdir(mnt)
        make_base(base, files)
        subprocess.run([MAPFS, "mount", "-s", store, base, mnt], check=True,
                       timeout=30)
        try:
            change(mnt, files)
            print(f"base of {files} files, mounted view:")
            measure(mnt)
        finally:
            subprocess.run([MAPFS, "umount", mnt], check=True, timeout=60)
        print(f"base of {files} files, store at rest:")
        measure(store)
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    run(max(1000, FILES // 100))
    run(FILES)
