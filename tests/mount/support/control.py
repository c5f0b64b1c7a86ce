# SPDX-License-Identifier: MIT
"""The control ioctls of a mount (fs/control/protocol.h): facts, and jobs.

The names of the commands are read from that header, and those of the requests
from fs/mount/operation.h, so that they cannot differ.
"""
import fcntl
import os
import re
import struct
import time

from .load import patience
from .view import REPO

OPS = 64
LAYOUT = struct.Struct(f"=IIiIQQQQ{OPS}Q32s4096s4096s")
NUMBER = 2 << 30 | LAYOUT.size << 16 | ord("M") << 8 | 0xf5


START = struct.Struct("=IIQQQ256s2048s4096s")
POLL = struct.Struct("=IIQQQQiI1024s")
READ = struct.Struct("=IIQQ8192s")
WAITS, RUNS, DONE, FAILED = range(4)


def _number(layout, n):
    return 3 << 30 | layout.size << 16 | ord("M") << 8 | n


def _enum(header, name, prefix):
    text = (REPO / header).read_text()
    body = re.search(r"enum %s \{(.*?)\};" % name, text, re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    names = re.findall(prefix + r"(\w+)", body)
    return [n.lower() for n in names if n != "COUNT"]


def _names():
    return _enum("fs/mount/operation.h", "mapfs_op", "MAPFS_OP_")


def command(name):
    return _enum("fs/control/protocol.h", "mapfs_command",
                 "MAPFS_COMMAND_").index(name)


def ask(fd, n, layout, *values):
    """One ioctl; returns the answer as a tuple of the layout."""
    buf = bytearray(layout.pack(layout.size, *values))
    fcntl.ioctl(fd, _number(layout, n), buf)
    return layout.unpack(buf)


def start(fd, what, since=0, name=b"", message=b"", path=b"", flags=0):
    """Starts a job; returns its number, or the moment for "mark"."""
    r = ask(fd, 0xf6, START, command(what), since, 0, flags, name, message,
            path)
    return r[2] if what == "mark" else r[3]


def poll(fd, job):
    """(state, bytes of the result, errno) of a job."""
    r = ask(fd, 0xf7, POLL, 0, job, 0, 0, 0, 0, 0, b"")
    return r[1], r[5], r[6]


def read(fd, job, off):
    r = ask(fd, 0xf8, READ, 0, job, off, b"")
    return r[4][:r[1]]


def finish(fd, job):
    deadline = time.monotonic() + patience()
    while True:
        state, size, err = poll(fd, job)
        if state == DONE:
            return size
        if state == FAILED:
            raise OSError(-err, os.strerror(-err))
        assert time.monotonic() < deadline, "the job does not end"
        time.sleep(0.0005)


class Info:
    def __init__(self, path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            buf = bytearray(LAYOUT.size)
            fcntl.ioctl(fd, NUMBER, buf)
        finally:
            os.close(fd)
        (size, self.mode, self.pid, self.owner_uid, self.private_pages,
         self.journal_bytes, self.inodes_known, self.inodes_changed,
         *rest) = LAYOUT.unpack(buf)
        assert size == LAYOUT.size
        self.requests = dict(zip(_names(), rest[:OPS]))
        self.version = rest[OPS].rstrip(b"\0").decode()
        self.base = rest[OPS + 1].rstrip(b"\0")
        self.store = rest[OPS + 2].rstrip(b"\0")


class Counting:
    """Counts the requests that reach the daemon while the body runs."""

    def __init__(self, view):
        self.top = view.top
        self.seen = {}

    def __enter__(self):
        self._before = Info(self.top).requests
        return self

    def __exit__(self, *exc):
        after = Info(self.top).requests
        # Info() is an ioctl itself, and a forget may arrive at any time.
        self.seen = {n: after[n] - self._before[n] for n in after
                     if n not in ("ioctl", "forget") and
                     after[n] != self._before[n]}
