#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures a view with many changes; prints numbers, asserts nothing.

  tools/bench/looking_numbers.py [MAPFS [CHANGES [DIRECTORY]]]

* the view has CHANGES changed files (default 300000), 1000 in each directory:
  one half are files of the base with another mode, the other half are new
  files of one byte
* mounting: time, and memory of the daemon
* status, diff --stat, diff, and revert of one directory: time, memory of the
  daemon afterwards and its peak, and the longest time for which a program that
  reads attributes, reads and creates files had to wait for one call
* DIRECTORY keeps what was made, for the next run
"""
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from clock import took_ms

ROOT = Path(__file__).resolve().parents[2]
MAPFS = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/mapfs")
CHANGES = int(sys.argv[2]) if len(sys.argv) > 2 else 300_000
KEPT = sys.argv[3] if len(sys.argv) > 3 else None
LIMIT_S = 600
IN_DIR = 1000


def dirs():
    return max(1, CHANGES // 2 // IN_DIR)


def make_base(base):
    for d in range(dirs()):
        os.makedirs(f"{base}/d{d}")
        for f in range(IN_DIR):
            os.close(os.open(f"{base}/d{d}/f{f}",
                             os.O_WRONLY | os.O_CREAT, 0o644))


def layer(out):
    """The new files, as a layer of an image."""
    with tarfile.open(fileobj=out, mode="w|", bufsize=1 << 20) as tar:
        for d in range(dirs()):
            one = tarfile.TarInfo(f"new{d}")
            one.type = tarfile.DIRTYPE
            one.mode = 0o755
            tar.addfile(one)
            for f in range(IN_DIR):
                one = tarfile.TarInfo(f"new{d}/f{f}")
                one.size = 1
                tar.addfile(one, io.BytesIO(b"x"))


def import_layer(base, store):
    with subprocess.Popen([MAPFS, "import", base, store],
                          stdin=subprocess.PIPE) as p:
        layer(p.stdin)
        p.stdin.close()
        if p.wait(LIMIT_S):
            raise RuntimeError("import failed")


def change_modes(mnt, part, parts):
    for d in range(part, dirs(), parts):
        fd = os.open(f"{mnt}/d{d}", os.O_RDONLY)
        for f in range(IN_DIR):
            os.chmod(f"f{f}", 0o600, dir_fd=fd)
        os.close(fd)


def prepare(top):
    base, store, mnt = f"{top}/base", f"{top}/store", f"{top}/mnt"
    os.mkdir(mnt)
    make_base(base)
    import_layer(base, store)
    subprocess.run([MAPFS, "mount", "-s", store, base, mnt], check=True,
                   timeout=LIMIT_S)
    parts = os.cpu_count()
    workers = [multiprocessing.Process(target=change_modes,
                                       args=(mnt, n, parts))
               for n in range(parts)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    subprocess.run([MAPFS, "umount", mnt], check=True, timeout=LIMIT_S)
    Path(f"{top}/made").write_text("[]")


def memory_mib(pid):
    """
    Of the daemon: its own memory, and the peak of that and of mapped pages of
    files since the last call.
    """
    mib = {}
    for line in Path(f"/proc/{pid}/status").read_text().split("\n"):
        if line.startswith(("RssAnon", "VmHWM")):
            mib[line.split(":")[0]] = int(line.split()[1]) >> 10
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return mib["RssAnon"], mib["VmHWM"]


def program(mnt, end, worst):
    """Attributes, bytes and a new name, again and again."""
    os.makedirs(f"{mnt}/program", exist_ok=True)
    n = 0
    while not end.is_set():
        n += 1
        d, f = n * 7919 % dirs(), n * 104729 % IN_DIR
        for step in (lambda: os.stat(f"{mnt}/new{d}/f{f}"),
                     lambda: Path(f"{mnt}/new{d}/f{f}").read_bytes(),
                     lambda: Path(f"{mnt}/program/x").write_bytes(b"x"),
                     lambda: os.unlink(f"{mnt}/program/x")):
            begin = time.perf_counter()
            step()
            worst.value = max(worst.value, time.perf_counter() - begin)


def measure(what, pid, mnt, *command):
    end, worst = multiprocessing.Event(), multiprocessing.Value("d", 0.0)
    load = multiprocessing.Process(target=program, args=(mnt, end, worst))
    load.start()
    time.sleep(0.5)
    idle = worst.value
    worst.value = 0.0
    memory_mib(pid)
    try:
        took = took_ms(MAPFS, *command, limit_s=LIMIT_S, may_exit=(0, 1))
    finally:
        end.set()
        load.join()
    rss, peak = memory_mib(pid)
    print(f"{what}: {took / 1e3:.2f} s, a program waited for "
          f"{worst.value * 1e3:.0f} ms (before: {idle * 1e3:.0f} ms), "
          f"daemon {rss} MiB, at most {peak} MiB", flush=True)


def daemon_of(mnt):
    listed = json.loads(subprocess.run([MAPFS, "list", "--json"], check=True,
                                       capture_output=True,
                                       timeout=LIMIT_S).stdout)
    return next(m["pid"] for m in listed if m["mountpoint"] == mnt)


def look(top):
    base, store, mnt = f"{top}/base", f"{top}/store", f"{top}/mnt"
    done = json.loads(Path(f"{top}/made").read_text())
    took = took_ms(MAPFS, "mount", "-s", store, base, mnt, limit_s=LIMIT_S)
    pid = daemon_of(mnt)
    rss, peak = memory_mib(pid)
    print(f"{CHANGES} changes; mount: {took / 1e3:.2f} s, daemon {rss} MiB, "
          f"at most {peak} MiB", flush=True)
    try:
        measure("status", pid, mnt, "status", mnt)
        measure("diff --stat", pid, mnt, "diff", "--stat", mnt)
        measure("diff", pid, mnt, "diff", mnt)
        measure("revert of one directory", pid, mnt, "revert",
                f"{mnt}/d{len(done)}")
        done += [len(done)]
        Path(f"{top}/made").write_text(json.dumps(done))
    finally:
        subprocess.run([MAPFS, "umount", mnt], check=True, timeout=LIMIT_S)


def main():
    top = KEPT or tempfile.mkdtemp(prefix="mapfs-bench-")
    os.makedirs(top, exist_ok=True)
    try:
        if not os.path.exists(f"{top}/made"):
            prepare(top)
        look(top)
    finally:
        if not KEPT:
            shutil.rmtree(top)


if __name__ == "__main__":
    main()
