# SPDX-License-Identifier: MIT
"""File handles (name_to_handle_at(2)), as an NFS server keeps them."""
import ctypes
import os
import struct
from pathlib import Path

from . import sysc
from .control import Info

HEAD = struct.Struct("=Ii")	# bytes, type
ROOM = 128
AT_HANDLE_CONNECTABLE = 0x002	# in the kernel since 6.13


def handle_of(path, flags=0):
    """(type, bytes) of the handle of an object; symbolic links are not
    followed."""
    buf = ctypes.create_string_buffer(HEAD.pack(ROOM, 0) + bytes(ROOM))
    mount_id = ctypes.c_int()
    sysc._check(sysc.libc.name_to_handle_at(
        sysc.AT_FDCWD, sysc._path(path), buf, ctypes.byref(mount_id), flags))
    size, kind = HEAD.unpack_from(buf)
    return kind, bytes(buf[HEAD.size:HEAD.size + size])


def open_handle(top, handle, flags=os.O_RDONLY):
    """Opens the object of a handle on the mount of `top`."""
    kind, data = handle
    buf = ctypes.create_string_buffer(HEAD.pack(len(data), kind) + data)
    at = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return sysc._check(sysc.libc.open_by_handle_at(
            at, buf, flags | os.O_CLOEXEC))
    finally:
        os.close(at)


def fuse_handle(nodeid, generation):
    """The handle that the kernel makes of a FUSE inode, without its parent."""
    return 0x81, struct.pack("=III", nodeid >> 32, nodeid & 0xffffffff,
                             generation)


def drop_caches(view, how=(b"2", b"3")):
    """Makes the kernel forget unused inodes; returns how many the daemon still
    knows."""
    for what in how * 2:
        Path("/proc/sys/vm/drop_caches").write_bytes(what)
    return Info(view.top).inodes_known
