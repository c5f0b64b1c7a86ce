# SPDX-License-Identifier: MIT
"""Direct I/O, and asynchronous direct I/O (io_submit(2)) as databases use it.

Python offers neither. The buffers of O_DIRECT must begin at a page, as
anonymous mappings do.
"""
import ctypes
import mmap
import os
import platform

from . import sysc

PAGE = 4096
# io_setup, io_destroy, io_getevents, io_submit
_NUMBERS = {"x86_64": (206, 207, 208, 209)}.get(platform.machine(),
                                                 (0, 1, 4, 2))
_SETUP, _DESTROY, _GETEVENTS, _SUBMIT = _NUMBERS
_PWRITE = 1


class _Iocb(ctypes.Structure):
    _fields_ = [("data", ctypes.c_uint64), ("key", ctypes.c_uint32),
                ("rw_flags", ctypes.c_int32), ("opcode", ctypes.c_uint16),
                ("reqprio", ctypes.c_int16), ("fildes", ctypes.c_uint32),
                ("buf", ctypes.c_uint64), ("nbytes", ctypes.c_uint64),
                ("offset", ctypes.c_int64), ("reserved", ctypes.c_uint64),
                ("flags", ctypes.c_uint32), ("resfd", ctypes.c_uint32)]


class _Event(ctypes.Structure):
    _fields_ = [("data", ctypes.c_uint64), ("obj", ctypes.c_uint64),
                ("res", ctypes.c_int64), ("res2", ctypes.c_int64)]


def buffer(data):
    """A buffer of whole pages for O_DIRECT, which begins with `data`."""
    pages = max(1, (len(data) + PAGE - 1) // PAGE)
    b = mmap.mmap(-1, pages * PAGE)
    b[:len(data)] = data
    return b


class Context:
    """Several writes under way at once."""

    def __init__(self, depth=32):
        self._depth = depth
        self._id = ctypes.c_ulong(0)
        sysc._check(sysc.libc.syscall(_SETUP, depth, ctypes.byref(self._id)))

    def write(self, fd, buf, *offsets):
        """Writes all of `buf`, from buffer(), to each offset at once."""
        at = ctypes.addressof(ctypes.c_char.from_buffer(buf))
        cbs = (_Iocb * len(offsets))()
        for cb, offset in zip(cbs, offsets):
            cb.opcode, cb.fildes, cb.buf = _PWRITE, fd, at
            cb.nbytes, cb.offset = len(buf), offset
        pointers = (ctypes.c_void_p * len(offsets))(
            *[ctypes.addressof(cb) for cb in cbs])
        events = (_Event * len(offsets))()
        sent = sysc._check(sysc.libc.syscall(
            _SUBMIT, self._id, ctypes.c_long(len(offsets)), pointers))
        n = sysc._check(sysc.libc.syscall(
            _GETEVENTS, self._id, ctypes.c_long(sent), ctypes.c_long(sent),
            events, None))
        assert (sent, n) == (len(offsets), sent)
        for event in events:
            if event.res < 0:
                raise OSError(-event.res, os.strerror(-event.res))
            assert event.res == len(buf)

    def close(self):
        sysc.libc.syscall(_DESTROY, self._id)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def write_at(fd, data, offset=0):
    """One asynchronous write; fd is open with O_DIRECT."""
    with Context() as context:
        context.write(fd, buffer(data), offset)
