#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures mapfs partitions on a GPT with 128 partitions; prints times, asserts
nothing.

  tools/bench/partition_numbers.py [MAPFS]

* mounting the image as one file, its 128 partitions, and every byte of it
* listing the partitions

All of them take turns in each round. Times are medians of whole commands, and
differences are medians of the differences of each round.
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
COUNT = 128
ROUNDS = 15
WAYS = {
    "the image": ["mount"],
    f"{COUNT} partitions": ["partitions"],
    "every byte": ["partitions", "--all"],
}


def make_image(path):
    with open(path, "wb") as f:
        f.truncate((COUNT + 2) << 20)
    script = ["label: gpt"] + ["size=2048"] * COUNT
    subprocess.run(["sfdisk", "-q", path], check=True, timeout=60,
                   input="\n".join(script).encode())


def mount_ms(image, mnt, command):
    took = took_ms(MAPFS, *command, image, mnt)
    subprocess.run([MAPFS, "umount", mnt], check=True, timeout=90)
    return took


def main():
    if not shutil.which("sfdisk"):
        sys.exit("sfdisk is missing; install fdisk or util-linux")
    times = {name: [] for name in [*WAYS, "listing"]}
    with tempfile.TemporaryDirectory(prefix="mapfs-bench-") as scratch:
        image, mnt = f"{scratch}/disk.img", f"{scratch}/mnt"
        make_image(image)
        os.mkdir(mnt)
        for _ in range(ROUNDS):
            for name, command in WAYS.items():
                times[name].append(mount_ms(image, mnt, command))
            times["listing"].append(took_ms(MAPFS, "partitions", image))
    plain = times["the image"]
    for name in WAYS:
        more = statistics.median(a - b for a, b in zip(times[name], plain))
        print(f"mounting {name}: {statistics.median(times[name]):.1f} ms, "
              f"{more:+.1f} ms; median of {ROUNDS}")
    print(f"listing {COUNT} partitions: "
          f"{statistics.median(times['listing']):.1f} ms")


if __name__ == "__main__":
    main()
