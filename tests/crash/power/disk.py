# SPDX-License-Identifier: MIT
"""A disk whose writes and flushes are logged, and the disks that a power cut
could have left.

While a load runs, the file system is on a loop device over the file of
log_disk.c. A cut is a position in the log: what was written before the last
flush in front of it is on the disk; of the later writes the disk kept all,
none, or some of their blocks.
"""
import mmap
import os
import random
import shutil
import struct
import subprocess
from collections import namedtuple
from pathlib import Path

from support.load import patience
from support.view import REPO, is_mounted, run, wait_for

BLOCK = 4096
WRITE, FLUSH, NOTE = 1, 2, 3
KEPT, DROPPED, SOME = "kept", "dropped", "some"

# Mostly holes, so that the image of a cut is made quickly.
MKFS = {
    "ext4": (192, ["-q", "-b", "4096", "-J", "size=4", "-E",
                  "lazy_itable_init=0"]),
    "xfs": (300, ["-q", "-K"]),
    "btrfs": (256, ["-q", "-K"]),
}
# Discards would need a file that can have holes.
OPTIONS = {"ext4": "nodiscard", "xfs": "nouuid", "btrfs": "nodiscard"}

Entry = namedtuple("Entry", "kind offset start length")


def helper():
    build = Path(os.environ.get("MAPFS_BIN", REPO / "build" / "mapfs")).parent
    return build / "tests" / "crash" / "log_disk"


def copy_image(source, target):
    """Copies the parts that are no holes."""
    if os.path.exists(target):
        os.unlink(target)
    with open(source, "rb") as src, open(target, "wb") as dst:
        size = os.fstat(src.fileno()).st_size
        dst.truncate(size)
        at = 0
        while at < size:
            try:
                at = os.lseek(src.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(src.fileno(), at, os.SEEK_HOLE)
            while at < end:
                n = os.copy_file_range(src.fileno(), dst.fileno(), end - at,
                                       at, at)
                assert n > 0
                at += n


class Ground:
    """The directory of one run, on a tmpfs, and where its disk is mounted."""

    def __init__(self, at, kind):
        self.at = Path(at)
        self.kind = kind
        self.start = self.at / "start.img"
        self.still_image = self.at / "still.img"
        self.live = self.at / "live.img"
        self.log = self.at / "log"
        self.disk = self.at / "disk"
        self.still = self.at / "still"	# a disk that keeps its power
        self.raw = self.at / "raw"
        self.proc = None
        for d in (self.disk, self.still, self.raw):
            d.mkdir()

    def make(self):
        """An empty file system."""
        megabytes, options = MKFS[self.kind]
        with open(self.start, "wb") as f:
            f.truncate(megabytes << 20)
        run("mkfs." + self.kind, *options, self.start)
        run("fallocate", "--dig-holes", self.start)
        with open(self.still_image, "wb") as f:
            f.truncate(32 << 20)
        run("mkfs.ext4", "-q", self.still_image)

    def mount(self, image):
        run("mount", "-t", self.kind, "-o", "loop," + OPTIONS[self.kind],
            image, self.disk)

    def mount_still(self):
        run("mount", "-o", "loop", self.still_image, self.still)

    def umount(self):
        def done():
            return run("umount", self.disk, check=False).returncode == 0
        wait_for("the disk to be free", done)

    def begin(self):
        """From here on the disk is logged; returns the file of the notes."""
        copy_image(self.start, self.live)
        self.proc = subprocess.Popen(
            [helper(), self.live, self.log, self.raw],
            stdin=subprocess.DEVNULL)
        wait_for("the logged disk", lambda: is_mounted(self.raw) or
                 self.proc.poll() is not None)
        assert self.proc.poll() is None, "log_disk ended"
        self.mount(self.raw / "disk")
        return os.open(self.raw / "notes", os.O_WRONLY)

    def end(self):
        self.umount()
        run("umount", self.raw)
        assert self.proc.wait(patience()) == 0, "log_disk failed"
        self.live.unlink()


class Log:
    """The entries of a log, and its notes with their positions."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        self.entries = []
        self.notes = []	# (position, text)
        at = 0
        while at < len(self.data):
            kind, length, offset = struct.unpack_from("=IIQ", self.data, at)
            entry = Entry(kind, offset, at + 16, length)
            if kind == NOTE:
                self.notes.append((len(self.entries),
                                   self.bytes_of(entry).decode()))
            self.entries.append(entry)
            at += 16 + length

    def bytes_of(self, entry):
        return self.data[entry.start:entry.start + entry.length]

    def notes_before(self, cut):
        return [text for at, text in self.notes if at < cut]

    def positions(self, rnd, count):
        """`count` cuts: before a flush, where the most is at stake, just
        after a note, where the most is promised, and anywhere."""
        flushes = [i for i, e in enumerate(self.entries) if e.kind == FLUSH]
        notes = [at + 1 for at, _ in self.notes]
        anywhere = range(1, len(self.entries) + 1)
        cuts = [rnd.choice(rnd.choice((flushes, notes, anywhere)))
                for _ in range(count)]
        return sorted(cuts)


class Cutter:
    """Makes the disks of cuts, in the order of the log."""

    def __init__(self, ground, log):
        self.ground = ground
        self.log = log
        self.durable = ground.at / "durable.img"
        self.image = ground.at / "cut.img"
        self.done = 0	# entries that are in self.durable
        copy_image(ground.start, self.durable)

    def _write(self, fd, entry):
        os.pwrite(fd, self.log.bytes_of(entry), entry.offset)

    def _advance(self, cut):
        """Everything that was flushed before the cut."""
        flushed = self.done
        for i in range(self.done, cut):
            if self.log.entries[i].kind == FLUSH:
                flushed = i
        fd = os.open(self.durable, os.O_WRONLY)
        for entry in self.log.entries[self.done:flushed]:
            if entry.kind == WRITE:
                self._write(fd, entry)
        os.close(fd)
        self.done = flushed

    def _write_some(self, fd, entry, rnd):
        """Each block of it is on the disk, or not."""
        end = entry.offset + entry.length
        at = entry.offset
        while at < end:
            after = min(end, (at // BLOCK + 1) * BLOCK)
            if rnd.random() < 0.5:
                start = entry.start + at - entry.offset
                os.pwrite(fd, self.log.data[start:start + after - at], at)
            at = after

    def make(self, cut, how, seed):
        """The disk after a power cut before entry `cut`; the same arguments
        give the same disk. Returns how many writes were at stake."""
        self._advance(cut)
        copy_image(self.durable, self.image)
        rnd = random.Random(f"{seed} {cut}")
        pending = [e for e in self.log.entries[self.done:cut]
                   if e.kind == WRITE]
        fd = os.open(self.image, os.O_WRONLY)
        for entry in pending:
            if how == KEPT:
                self._write(fd, entry)
            elif how == SOME:
                self._write_some(fd, entry, rnd)
        os.close(fd)
        return len(pending)


def missing(kind):
    """Why this machine cannot cut the power of such a file system, or ""."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists("/dev/loop-control"):
        return "there are no loop devices"
    with open("/proc/filesystems") as f:
        if kind not in f.read().split():
            return f"the kernel has no {kind}"
    if not shutil.which("mkfs." + kind):
        return f"mkfs.{kind} is missing"
    return ""
