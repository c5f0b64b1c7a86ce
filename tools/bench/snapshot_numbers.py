#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures snapshot, branch, rollback and run; prints times, asserts nothing.

  tools/bench/snapshot_numbers.py [MAPFS [MIB]]

* the view has MIB MiB of private pages (default 1024), all synced
* the time is that of the whole command: snapshot and rollback of the mounted
  view, branch of a snapshot, and a run of true
* the space of a branch is measured, too
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
MIB = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
ROUNDS = 9


def show(what, took):
    print(f"{what}: {statistics.median(took):.1f} ms "
          f"(median of {len(took)}, at most {max(took):.1f})")


def fill(mnt):
    chunk = os.urandom(1 << 20)
    with open(f"{mnt}/private", "wb") as f:
        for _ in range(MIB):
            f.write(chunk)
        os.fsync(f.fileno())


def dirty_a_page(mnt, n):
    with open(f"{mnt}/private", "r+b") as f:
        f.seek(n * 1000003 % (MIB << 20))
        f.write(b"x")
        os.fsync(f.fileno())


def space_kib(top):
    return sum(os.lstat(os.path.join(d, n)).st_blocks
               for d, _, names in os.walk(top) for n in names) // 2


def measure(top, store, mnt):
    snapshots, rollbacks, branches = [], [], []
    fill(mnt)
    for n in range(ROUNDS):
        dirty_a_page(mnt, n)
        snapshots.append(took_ms(MAPFS, "snapshot", mnt, f"s{n}"))
    show(f"snapshot, {MIB} MiB private", snapshots)
    for n in range(ROUNDS):
        branches.append(took_ms(MAPFS, "branch", f"{store}@s0",
                                f"{top}/b{n}"))
    show(f"branch, {MIB} MiB private, {space_kib(f'{top}/b0')} KiB each",
         branches)
    for n in range(ROUNDS):
        dirty_a_page(mnt, n)
        rollbacks.append(took_ms(MAPFS, "rollback", "-y", mnt, f"s{n}"))
    show(f"rollback, {MIB} MiB private", rollbacks)


def main():
    top = tempfile.mkdtemp(prefix="mapfs-bench-")
    base, mnt, store = f"{top}/base", f"{top}/mnt", f"{top}/store"
    try:
        os.mkdir(base)
        os.mkdir(mnt)
        subprocess.run([MAPFS, "mount", "-s", store, base, mnt], check=True,
                       timeout=30)
        try:
            measure(top, store, mnt)
        finally:
            subprocess.run([MAPFS, "umount", mnt], check=True, timeout=60)
        show("run -- true", [took_ms(MAPFS, "run", "-C", base, "--", "true")
                             for _ in range(ROUNDS)])
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    main()
