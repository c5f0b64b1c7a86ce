#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures a view in copy mode; prints numbers, asserts nothing.

  tools/bench/first_numbers.py [MAPFS]

* one byte of a file of 10 GiB is changed: time, and size of the store
* unchanged files are listed, opened, read and closed: requests and time
* the kernel knows 100000 inodes: memory and descriptors of the daemon
* mounting: time
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clock import took_ms

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/mount"))

from support import control  # noqa: E402

MAPFS = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/mapfs")
FILES = 100_000
ROUNDS = 7


def read_all(top):
    """Reads all files, without the fstat that open() of Python makes."""
    for name in os.listdir(top):
        fd = os.open(f"{top}/{name}", os.O_RDONLY)
        while os.read(fd, 65536):
            pass
        os.close(fd)


class View:
    """A view in copy mode, mounted for the time of the `with` block."""

    def __init__(self, base, *options):
        self.base = base
        self.options = options
        self.mnt = tempfile.mkdtemp(prefix="mapfs-bench-mnt-")

    def __enter__(self):
        self.mount_ms = took_ms(MAPFS, "mount", *self.options, self.base,
                                self.mnt)
        listed = json.loads(subprocess.run(
            [MAPFS, "list", "--json"], check=True, capture_output=True,
            timeout=30).stdout)
        self.pid = next(m["pid"] for m in listed
                        if m["mountpoint"] == self.mnt)
        return self

    def __exit__(self, *_):
        subprocess.run([MAPFS, "umount", self.mnt], check=True, timeout=90)
        os.rmdir(self.mnt)

    def rss(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().split("\n"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmRSS")

    def requests(self):
        return control.Info(self.mnt).requests


def disk_usage(path):
    out = subprocess.run(["du", "-s", "-B1", path], check=True,
                         capture_output=True, text=True)
    return int(out.stdout.split()[0])


def one_byte(scratch):
    base = scratch / "base"
    base.mkdir()
    with open(base / "big", "wb") as f:
        f.truncate(10 << 30)
        f.seek(5 << 30)
        f.write(os.urandom(1 << 20))
    times = []
    for n in range(ROUNDS):
        store = scratch / f"store{n}"
        with View(str(base), "-s", str(store)) as view:
            begin = time.perf_counter()
            fd = os.open(f"{view.mnt}/big", os.O_RDWR)
            opened = time.perf_counter()
            os.pwrite(fd, b"X", 5 << 30)
            os.fdatasync(fd)
            times.append(((time.perf_counter() - begin) * 1e3,
                          (opened - begin) * 1e3))
            os.close(fd)
            size = disk_usage(store)
    total = statistics.median(t for t, _ in times)
    opening = statistics.median(t for _, t in times)
    print(f"one byte of 10 GiB: {total:.2f} ms with fdatasync "
          f"({opening:.3f} ms of it opening), store {size / 1024:.0f} KiB; "
          f"median of {ROUNDS}")


def requests(scratch):
    base = scratch / "small"
    base.mkdir()
    for n in range(1000):
        (base / f"f{n}").write_bytes(b"x" * 100)
    with View(str(base)) as view:
        print(f"mounting: {view.mount_ms:.0f} ms")
        for _ in range(2):      # the second pass is warm
            read_all(view.mnt)
        before = view.requests()
        begin = time.perf_counter()
        read_all(view.mnt)
        took = time.perf_counter() - begin
        after = view.requests()
        spent = {k: after[k] - before.get(k, 0) for k in after
                 if after[k] != before.get(k, 0) and k != "ioctl"}
        print(f"list, open, read, close 1000 unchanged files, warm: "
              f"{spent or 'no request'}; {took * 1e3:.1f} ms")


def memory(scratch):
    base = scratch / "many"
    base.mkdir()
    for n in range(FILES // 1000):
        sub = base / f"d{n}"
        sub.mkdir()
        for m in range(1000):
            (sub / f"file-{m}").touch()
    with View(str(base)) as view:
        before = view.rss()
        for top, dirs, names in os.walk(view.mnt):
            for name in dirs + names:
                os.lstat(os.path.join(top, name))
        after = view.rss()
        fds = len(os.listdir(f"/proc/{view.pid}/fd"))
        print(f"{FILES} inodes remembered: {(after - before) / FILES:.0f} "
              f"bytes each, {fds} descriptors open")


def main():
    scratch = Path(tempfile.mkdtemp(prefix="mapfs-bench-"))
    try:
        one_byte(scratch)
        requests(scratch)
        memory(scratch)
    finally:
        shutil.rmtree(scratch)


main()
