# SPDX-License-Identifier: MIT
"""A model of windows: operations that a window and a plain file, cut out of
the image, must answer alike.

A window with a length (*fixed*) ends as a block device of that size, and a
plain file does not. There, and only there, the model answers itself. What
Linux says of a block device (block/fops.c; test_window_model asks a loop
device) and what a window says instead:

  operation              block device            window
  read behind the end    0 bytes                 the same
  write across the end   what fits, then ENOSPC  the same
  append                 ENOSPC                  the same
  truncate               EINVAL                  EPERM; to its size: nothing
  open with O_TRUNC      is ignored              EPERM: it is a regular file
  punch across the end   EINVAL, or cut off      cut off, as of a regular file
  allocate, zero range   EINVAL, or cut off      ENOSPC: it promises room
    across the end
  copy to across the end no such call            what fits, then ENOSPC

An *open* window, without a length, is the tail of its file: the plain file
answers everything.
"""
import contextlib
import errno
import mmap
import os
import random

from hypothesis import strategies as st

from . import sysc
from .sysc import FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE

OPEN = None
# Of each file of the base: size, and the holes in its random bytes.
IMAGES = {"disk": (100_000, [(12288, 28672), (81920, 90112)]),
          "sub/more": (30_000, [(8192, 12288)])}
# Lists of (name, file, offset, length). "tail" has open windows only, so that
# the kernel has its writeback cache in copy mode.
LAYOUTS = {
    "many": [("a", "disk", 1000, 10000), ("b", "disk", 11000, 20481),
             ("c", "disk", 40960, 16384), ("rest", "disk", 70003, OPEN),
             ("other", "sub/more", 4097, 9000)],
    "tail": [("rest", "disk", 5001, OPEN), ("other", "sub/more", 0, OPEN)],
}

window = st.integers(0, 4)
offset = st.one_of(st.integers(0, 40000), st.integers(8500, 10500),
                   st.sampled_from([0, 3096, 4095, 4096, 4097, 8192, 10000,
                                    16383, 16384, 20481, 29997]))
length = st.one_of(st.integers(1, 20000),
                   st.sampled_from([1, 904, 4095, 4096, 4097, 8192]))
byte = st.integers(1, 255)
flag = st.booleans()


def content(name):
    """The bytes of a file of the base."""
    size, holes = IMAGES[name]
    data = bytearray(random.Random(name).randbytes(size))
    for start, end in holes:
        data[start:end] = bytes(end - start)
    return bytes(data)


def _write_sparse(path, data):
    """Pages of zeros become holes."""
    with open(path, "wb") as f:
        for at in range(0, len(data), mmap.PAGESIZE):
            page = data[at:at + mmap.PAGESIZE]
            if page.strip(b"\0"):
                f.seek(at)
                f.write(page)
        f.truncate(len(data))


def make_base(base):
    os.mkdir(base / "sub")
    for name in IMAGES:
        _write_sparse(base / name, content(name))


def argument(name, path, off, size):
    """As `mapfs mount -w` has it."""
    return f"{name}={path}:{off}" + ("" if size is OPEN else f":{size}")


class File:
    """A file that is kept open: a window, or what is cut out of the image.

    `limit`: of the latter, the size if the window is fixed.
    """

    def __init__(self, path, limit=OPEN, is_window=False):
        self.path = path
        self.limit = limit
        self.is_window = is_window
        self.fd = self.map = None

    def open(self):
        self.fd = os.open(self.path, os.O_RDWR)
        return self

    def close(self):
        if self.map:
            self.map.close()
        if self.fd is not None:
            os.close(self.fd)
        self.fd = self.map = None

    def size(self):
        return os.fstat(self.fd).st_size

    def all(self):
        return os.pread(self.fd, 1 << 20, 0)

    def room(self, at, size):
        """How much of what is written there fits?"""
        if self.limit is OPEN:
            return size
        if at >= self.limit:
            raise OSError(errno.ENOSPC, "behind the end")
        return min(size, self.limit - at)

    @contextlib.contextmanager
    def opened(self, flags, direct=False):
        """Another descriptor; a plain file may refuse O_DIRECT, so it does
        not get it."""
        if direct and self.is_window:
            flags |= os.O_DIRECT
        with sysc.opened(self.path, flags) as fd:
            yield fd

    @contextlib.contextmanager
    def mapped(self, keep):
        """A shared mapping; with `keep` one that stays for later calls, which
        see its pages as they were cached then."""
        if self.map and len(self.map) == self.size():
            yield self.map
            return
        shared = mmap.mmap(self.fd, self.size())
        yield shared
        if keep and not self.map:
            self.map = shared
        else:
            shared.close()


def _bytes(size, value):
    """A shorter string is the beginning of a longer one."""
    return (random.Random(value).randbytes(5003) * 4)[:size]


def _write(f, at, size, value, direct):
    with f.opened(os.O_WRONLY, direct) as fd:
        return os.pwrite(fd, _bytes(f.room(at, size), value), at)


def _write_held(f, at, size, value):
    return os.pwrite(f.fd, _bytes(f.room(at, size), value), at)


def _append(f, size, value, direct):
    with f.opened(os.O_WRONLY | os.O_APPEND, direct) as fd:
        at = os.lseek(fd, 0, os.SEEK_END)
        return os.write(fd, _bytes(f.room(at, size), value))


def _store_by_appender(f, at, value):
    """A mapping writes where its pages are, whatever O_APPEND says."""
    with f.opened(os.O_RDWR | os.O_APPEND) as fd:
        size = os.fstat(fd).st_size
        if size:
            with mmap.mmap(fd, size) as m:
                m[at % size] = value
                m.flush()


def _read(f, at, size, direct):
    with f.opened(os.O_RDONLY, direct) as fd:
        return os.pread(fd, size, at)


def _truncate(f, size):
    if f.limit is not OPEN:
        if size == f.limit:
            return
        raise OSError(errno.EPERM, "a fixed window")
    os.ftruncate(f.fd, size)


def _replace(f, size, value):
    if f.limit is not OPEN:
        raise OSError(errno.EPERM, "a fixed window")
    with f.opened(os.O_WRONLY | os.O_TRUNC) as fd:
        return os.write(fd, _bytes(size, value))


def _reserve(f, mode, at, size):
    if f.limit is not OPEN and at + size > f.limit:
        raise OSError(errno.ENOSPC, "no room")
    sysc.fallocate(f.fd, mode, at, size)


def _allocate(f, at, size, keep):
    _reserve(f, FALLOC_KEEP_SIZE if keep else 0, at, size)


def _zero(f, at, size, keep):
    mode = FALLOC_ZERO_RANGE | (FALLOC_KEEP_SIZE if keep else 0)
    try:
        _reserve(f, mode, at, size)
    except OSError as e:
        if e.errno != errno.EOPNOTSUPP or f.is_window:
            raise
        # The file system of the test lacks it, and a copy view has it.
        end = min(at + size, f.size()) if keep else at + size
        os.pwrite(f.fd, bytes(max(0, end - at)), at)


def _punch(f, at, size):
    sysc.fallocate(f.fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, at, size)


def _store(f, at, size, value, sync):
    if f.size() == 0:
        return
    with f.mapped(keep=sync) as m:
        at %= len(m)
        size = min(size, len(m) - at)
        m[at:at + size] = _bytes(size, value)
        if sync:
            m.flush()


def _store_privately(f, at, value):
    """Returns what the mapping shows, and what the file has."""
    if f.size() == 0:
        return None
    with mmap.mmap(f.fd, 0, access=mmap.ACCESS_COPY) as m:
        at %= len(m)
        m[at] = value
        return m[:], f.all()


def _copy(f, g, at, to, size):
    """The kernel refuses an overlap, which it judges without the limit."""
    left = min(size, max(0, f.size() - at))
    if left == 0:
        return 0
    if f is g and at < to + left and to < at + left:
        raise OSError(errno.EINVAL, "overlap")
    return os.copy_file_range(f.fd, g.fd, g.room(to, left), at, to)


def _seek(f, at):
    """Each byte that SEEK_DATA skips is zero; returns whether there is one."""
    data = f.all()
    try:
        found = os.lseek(f.fd, at, os.SEEK_DATA)
    except OSError as e:
        assert e.errno == errno.ENXIO
        found = len(data)
    assert not data[at:found].strip(b"\0"), f"hidden data at {at}"
    if at < len(data):
        hole = os.lseek(f.fd, at, os.SEEK_HOLE)
        assert at <= hole <= len(data)
        assert found <= len(data)
        if found > at:
            assert hole == at
    return at < len(data)


def _sync(f, how):
    (os.fsync, os.fdatasync)[how](f.fd)


def _size(f):
    with open(f.path, "rb") as other:
        return f.size(), os.stat(f.path).st_size, other.seek(0, os.SEEK_END)


def _reopen(f):
    f.close()
    f.open()


def read_in_each_way(f):
    """The bytes by read(2), a mapping, and without the kernel's cache."""
    found = {"read": f.all()}
    if f.size():
        with f.mapped(keep=True) as m:
            found["mapping"] = m[:]
    with f.opened(os.O_RDONLY, direct=True) as fd:
        found["direct"] = os.pread(fd, 1 << 20, 0)
    return found


# The first argument of each is a window; of "copy" the second one, too.
OPERATIONS = {
    "write": (_write, offset, length, byte, flag),
    "write_held": (_write_held, offset, length, byte),
    "append": (_append, length, byte, flag),
    "store_by_appender": (_store_by_appender, offset, byte),
    "read": (_read, offset, length, flag),
    "truncate": (_truncate, offset),
    "replace": (_replace, length, byte),
    "allocate": (_allocate, offset, length, flag),
    "zero": (_zero, offset, length, flag),
    "punch": (_punch, offset, length),
    "store": (_store, offset, length, byte, flag),
    "store_privately": (_store_privately, offset, byte),
    "copy": (_copy, window, offset, offset, length),
    "seek": (_seek, offset),
    "sync": (_sync, flag),
    "size": (_size,),
    "reopen": (_reopen,),
    "look": (read_in_each_way,),
    "remount": (None,),
    "snapshot": (None,),
    "rollback": (None,),
}

step = st.one_of([st.tuples(st.just(op), window, *arguments)
                  for op, (_, *arguments) in OPERATIONS.items()])
