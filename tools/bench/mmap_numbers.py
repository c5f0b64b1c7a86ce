#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures maps against files on views, and windows against files of a view;
prints times, asserts nothing.

  tools/bench/mmap_numbers.py [MAPFS]

* what tutorials of memory maps measure, on a file of 10 MiB: seeking and reading
  against slicing, searching, a regular expression, replacing; on a plain directory
  and on a view in each mode. A view must not change who wins
* a window against the same bytes as a file of a view: sequential and random reads,
  writes with fsync, a map. The kernel's cache is dropped before each reading
* mounting 128 windows, and a view without windows

All places take turns in each round. Times are medians, and ratios are medians of
the ratios of each round.
"""
import contextlib
import mmap
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clock import took_ms

ROOT = Path(__file__).resolve().parents[2]
MAPFS = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/mapfs")
MIB = 1 << 20
PAGE = 4096
ROUNDS = 7
EVEN = 1.1	# up to this ratio, nobody wins
LINE = b"line %07d: a wet day, a dry pot, and the quick brown fox\n"
MODES = {
    "read": ["-m", "read"],
    "write": ["-m", "write"],
    "copy": ["-m", "copy"],
    "copy, nowriteback": ["-m", "copy", "-o", "nowriteback"],
}


@contextlib.contextmanager
def mounted(base, mnt, *options):
    os.makedirs(mnt)
    subprocess.run([MAPFS, "mount", *options, base, mnt], check=True,
                   timeout=60)
    try:
        yield mnt
    finally:
        subprocess.run([MAPFS, "umount", mnt], check=True, timeout=120)


def timed(function, *args):
    begin = time.perf_counter()
    function(*args)
    return (time.perf_counter() - begin) * 1e3


class Times:
    """The milliseconds of each subject, one of each round."""

    def __init__(self):
        self.of = {}

    def add(self, subject, took):
        self.of.setdefault(subject, []).append(took)

    def median(self, subject):
        return statistics.median(self.of[subject])

    def ratio(self, subject, other):
        return statistics.median(
            a / b for a, b in zip(self.of[subject], self.of[other]))


# --- file against map ---------------------------------------------------------


@contextlib.contextmanager
def map_of(path, mode="rb"):
    access = mmap.ACCESS_READ if mode == "rb" else mmap.ACCESS_WRITE
    with open(path, mode) as f, mmap.mmap(f.fileno(), 0, access=access) as m:
        yield m


def seek_file(path, places):
    with open(path, "rb") as f:
        for at in places:
            f.seek(at)
            f.read(64)


def seek_map(path, places):
    with map_of(path) as m:
        for at in places:
            m[at:at + 64]


def find_file(path, word):
    with open(path, "rb") as f:
        assert f.read().find(word) > 0


def find_map(path, word):
    with map_of(path) as m:
        assert m.find(word) > 0


def regex_file(path, expression):
    with open(path, "rb") as f:
        assert expression.findall(f.read())


def regex_map(path, expression):
    with map_of(path) as m:
        assert expression.findall(m)


def replace_file(path, sync):
    with open(path, "r+b") as f:
        text = f.read()
        f.seek(0)
        f.write(swapped(text))
        if sync:
            f.flush()
            os.fsync(f.fileno())


def replace_map(path, sync):
    with map_of(path, "r+b") as m:
        m[:] = swapped(m[:])
        if sync:
            m.flush()


def swapped(text):
    """The same work in every round: one animal becomes the other one."""
    if b"fox" in text[:1000]:
        return text.replace(b"fox", b"cat")
    return text.replace(b"cat", b"fox")


PLACES = random.Random(1).sample(range(10 * MIB - 100), 20_000)
TASKS = {
    "20000 seeks": (seek_file, seek_map, "text", PLACES),
    "find": (find_file, find_map, "text", b"line 0165000:"),
    "regex": (regex_file, regex_map, "text",
              re.compile(rb"\b\d+9999: a wet .* pot")),
    "replace": (replace_file, replace_map, "changed", False),
    "replace, synced": (replace_file, replace_map, "changed", True),
}


def may_run(task, place):
    return place != "read" or TASKS[task][2] == "text"


def tutorial_rounds(tops):
    """{task: its times}; a subject is (place, "file" or "map")."""
    times = {task: Times() for task in TASKS}
    for n in range(ROUNDS + 1):
        for task, (by_file, by_map, name, arg) in TASKS.items():
            for place, top in tops.items():
                if not may_run(task, place):
                    continue
                for how, function in ("file", by_file), ("map", by_map):
                    took = timed(function, f"{top}/{name}", arg)
                    if n > 0:	# the first round fills the caches
                        times[task].add((place, how), took)
    return times


def winner(times, place):
    ratio = times.ratio((place, "file"), (place, "map"))
    if max(ratio, 1 / ratio) < EVEN:
        return "even", ratio
    return ("map" if ratio > 1 else "file"), max(ratio, 1 / ratio)


def show_tutorial(times):
    print(f"{'10 MiB':16} {'place':18} {'file ms':>8} {'map ms':>8}  "
          f"{'wins':12} {'file/plain':>10} {'map/plain':>10}")
    changed = []
    for task, t in times.items():
        at_home = winner(t, "plain")[0]
        for place in ("plain", *MODES):
            if not may_run(task, place):
                continue
            who, by = winner(t, place)
            if {who, at_home} == {"file", "map"}:
                changed.append(f"{task} in {place}: {who}")
            ratios = "" if place == "plain" else "".join(
                f" {t.ratio((place, how), ('plain', how)):10.2f}"
                for how in ("file", "map"))
            print(f"{task:16} {place:18} {t.median((place, 'file')):8.2f} "
                  f"{t.median((place, 'map')):8.2f}  "
                  f"{who + (f' {by:.1f}x' if who != 'even' else ''):12}"
                  f"{ratios}")
    print("who wins: " + ("as on the plain directory, in every place"
                          if not changed else "; ".join(changed)))


def tutorial(scratch):
    text = b"".join(LINE % n for n in range(10 * MIB // len(LINE % 0) + 1))
    tops = {}
    with contextlib.ExitStack() as stack:
        for place in ("plain", *MODES):
            base = scratch / f"base-{place.replace(', ', '-')}"
            base.mkdir()
            for name in ("text", "changed"):
                (base / name).write_bytes(text[:10 * MIB])
            tops[place] = str(base) if place == "plain" else \
                stack.enter_context(mounted(
                    str(base), f"{base}.mnt", *MODES[place]))
        show_tutorial(tutorial_rounds(tops))


# --- window against file ------------------------------------------------------

WINDOW_BYTES = 16 * MIB
WINDOW_OFFSET = 3 * MIB
RANDOM_PAGES = [p * PAGE for p in random.Random(2).sample(
    range(WINDOW_BYTES // PAGE), 1000)]


def sequential_read(fd):
    for at in range(0, WINDOW_BYTES, MIB):
        assert len(os.pread(fd, MIB, at)) == MIB


def random_read(fd):
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    for at in RANDOM_PAGES:
        os.pread(fd, PAGE, at)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_NORMAL)


def map_read(fd):
    with mmap.mmap(fd, WINDOW_BYTES, access=mmap.ACCESS_READ) as m:
        for at in range(0, WINDOW_BYTES, PAGE):
            m[at]


def sequential_write(fd):
    chunk = os.urandom(MIB)
    for at in range(0, WINDOW_BYTES, MIB):
        os.pwrite(fd, chunk, at)
    os.fsync(fd)


def random_write(fd):
    page = os.urandom(PAGE)
    for at in RANDOM_PAGES:
        os.pwrite(fd, page, at)
    os.fsync(fd)


ACCESSES = {
    "sequential read": sequential_read,
    "random read, 1000 pages": random_read,
    "map, every page": map_read,
    "sequential write, fsync": sequential_write,
    "random write, 1000 pages, fsync": random_write,
}
WINDOWS = {
    "open window": f"w=image:{WINDOW_OFFSET}",
    "fixed window": f"w=image:{WINDOW_OFFSET}:{WINDOW_BYTES}",
}
# The last row of each is the noise. A view with a fixed window has no writeback
# cache; in write mode no view has one.
COMPARED = {
    "write": [("open window", "file"), ("fixed window", "file"),
              ("file again", "file")],
    "copy": [("open window", "file"), ("fixed window", "file"),
             ("fixed window", "file, nowriteback"), ("file again", "file")],
}


def has_windows():
    said = subprocess.run([MAPFS, "mount", "--help"], capture_output=True,
                          timeout=30, check=False)
    return b"--window" in said.stdout


def window_rounds(paths):
    """{access: its times}; a subject is a place. All reading is done before
    anything is written."""
    times = {access: Times() for access in ACCESSES}
    places = list(paths)
    for access, function in ACCESSES.items():
        for n in range(ROUNDS + 1):
            # No place is always the one behind the same other one.
            random.Random(n).shuffle(places)
            for place in places:
                fd = os.open(paths[place], os.O_RDWR)
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                took = timed(function, fd)
                os.close(fd)
                if n > 0:
                    times[access].add(place, took)
    return times


def show_windows(times, mode):
    print(f"\n{WINDOW_BYTES // MIB} MiB, {mode} mode")
    for access, t in times.items():
        for a, b in COMPARED[mode]:
            print(f"  {access:32} {a + ' / ' + b:32} {t.median(a):8.2f} / "
                  f"{t.median(b):8.2f} ms  {t.ratio(a, b):5.2f}")


def windows(scratch, mode):
    paths = {}
    with contextlib.ExitStack() as stack:
        def place(name, at, *options):
            base = scratch / f"{mode}-{len(paths)}"
            base.mkdir()
            with open(base / "image", "wb") as f:
                f.write(os.urandom(WINDOW_OFFSET + WINDOW_BYTES))
            mnt = stack.enter_context(mounted(
                str(base), f"{base}.mnt", "-m", mode, *options))
            paths[name] = f"{mnt}/{at}"

        place("file", "image")
        place("file again", "image")
        if mode == "copy":
            place("file, nowriteback", "image", "-o", "nowriteback")
        for name, window in WINDOWS.items():
            place(name, "w", "-w", window)
        show_windows(window_rounds(paths), mode)


def many_windows(scratch, many=128):
    base, mnt = scratch / "many", scratch / "many.mnt"
    base.mkdir()
    mnt.mkdir()
    with open(base / "image", "wb") as f:
        f.truncate(many * MIB)
    times = Times()
    for _ in range(ROUNDS):
        for count in (0, many):
            words = [word for n in range(count)
                     for word in ("-w", f"p{n + 1}=image:{n * MIB}:{MIB}")]
            times.add(count, took_ms(MAPFS, "mount", *words, str(base),
                                     str(mnt)))
            assert len(os.listdir(mnt)) == max(1, count)
            subprocess.run([MAPFS, "umount", mnt], check=True, timeout=60)
    print(f"\nmounting {many} windows: {times.median(many):.1f} ms; a view "
          f"without windows: {times.median(0):.1f} ms")


def main():
    scratch = Path(tempfile.mkdtemp(prefix="mapfs-bench-"))
    try:
        tutorial(scratch)
        if has_windows():
            windows(scratch, "write")
            windows(scratch, "copy")
            many_windows(scratch)
        else:
            print("windows: this mapfs has none; not measured")
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
