# SPDX-License-Identifier: MIT
"""What a mount says of itself: the ioctl of fs/control.h.

The names of the requests are read from that header, so that the two cannot
disagree.
"""
import fcntl
import os
import re
import struct

from .view import REPO

OPS = 64
LAYOUT = struct.Struct(f"=IIiIQQQQ{OPS}Q32s4096s4096s")
NUMBER = 2 << 30 | LAYOUT.size << 16 | ord("M") << 8 | 0xf5


def _names():
    text = (REPO / "fs/control.h").read_text()
    body = re.search(r"enum mapfs_op \{(.*?)\};", text, re.S).group(1)
    names = re.findall(r"MAPFS_OP_(\w+)", body)
    return [n.lower() for n in names if n != "COUNT"]


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
    """Requests that reach the daemon while the body runs."""

    def __init__(self, view):
        self.top = view.top
        self.seen = {}

    def __enter__(self):
        self._before = Info(self.top).requests
        return self

    def __exit__(self, *exc):
        after = Info(self.top).requests
        # The second question is itself one ioctl; forgets come at any time.
        self.seen = {n: after[n] - self._before[n] for n in after
                     if n not in ("ioctl", "forget") and
                     after[n] != self._before[n]}
