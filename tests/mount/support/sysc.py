# SPDX-License-Identifier: MIT
"""System calls that Python does not offer, and how tests name errors.

Every wrapper raises OSError with the errno of the call, as os.* does.
"""
import contextlib
import ctypes
import errno
import os
import platform
import struct

libc = ctypes.CDLL(None, use_errno=True)

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_SYMLINK_NOFOLLOW = 0x100
AT_SYMLINK_FOLLOW = 0x400
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
RENAME_WHITEOUT = 4
FALLOC_KEEP_SIZE = 1
FALLOC_PUNCH_HOLE = 2
FALLOC_COLLAPSE_RANGE = 8
FALLOC_ZERO_RANGE = 16
O_TMPFILE = os.O_TMPFILE
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_BIND = 4096
MS_NOSUID = 2
CLONE_NEWNS = 0x20000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
MOVE_MOUNT_F_EMPTY_PATH = 4
SYS_PIVOT_ROOT = {"x86_64": 155}.get(platform.machine(), 41)
SYS_OPEN_TREE = 428
SYS_PIDFD_GETFD = 438
SYS_MOVE_MOUNT = 429
PR_SET_PDEATHSIG = 1
STATX_MODE = 0x2
STATX_BTIME = 0x800
STATX_BASIC = 0x7ff
EXT4_IOC_SHUTDOWN = 0x8004587d
EXT4_GOING_LOGFLUSH = 1
EXT4_GOING_NOLOGFLUSH = 2


@contextlib.contextmanager
def fails(*codes):
    """The body must raise OSError with one of these codes."""
    names = "/".join(errno.errorcode[c] for c in codes)
    try:
        yield
    except OSError as e:
        if e.errno not in codes:
            got = errno.errorcode.get(e.errno, e.errno)
            raise AssertionError(f"wanted {names}, got {got}: {e}") from e
    else:
        raise AssertionError(f"wanted {names}, but it succeeded")


def error_of(function, *args, **kw):
    """The name of the errno with which a call fails, or None if it
    succeeds."""
    try:
        function(*args, **kw)
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))
    return None


def _check(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _path(path):
    return os.fsencode(path)


def renameat2(old, new, flags):
    _check(libc.renameat2(AT_FDCWD, _path(old), AT_FDCWD, _path(new),
                          ctypes.c_uint(flags)))


def fallocate(fd, mode, offset, length):
    _check(libc.fallocate(fd, mode, ctypes.c_int64(offset),
                          ctypes.c_int64(length)))


def linkat_fd(fd, new):
    """Gives a name to an unnamed file, through /proc, as any user may."""
    _check(libc.linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD,
                       _path(new), AT_SYMLINK_FOLLOW))


def syncfs(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        _check(libc.syncfs(fd))
    finally:
        os.close(fd)


def mount(source, target, fstype, flags, data=None):
    def raw(s):
        return None if s is None else _path(s)
    _check(libc.mount(raw(source), raw(target), raw(fstype),
                      ctypes.c_ulong(flags), raw(data)))


def umount(target):
    _check(libc.umount2(_path(target), 0))


def descriptor_of(pid, fd):
    """A descriptor of our own of what another process has open as `fd`."""
    process = os.pidfd_open(pid)
    try:
        return _check(libc.syscall(SYS_PIDFD_GETFD, process, fd, 0))
    finally:
        os.close(process)


def umount_lazy(target):
    _check(libc.umount2(_path(target), 2))


def unshare(flags):
    _check(libc.unshare(flags))


def setns(fd, flags):
    _check(libc.setns(fd, flags))


def open_tree(path, flags):
    return _check(libc.syscall(SYS_OPEN_TREE, AT_FDCWD, _path(path), flags))


def move_mount(tree, path):
    """Attaches what open_tree() cloned at `path`."""
    _check(libc.syscall(SYS_MOVE_MOUNT, tree, b"", AT_FDCWD, _path(path),
                        MOVE_MOUNT_F_EMPTY_PATH))


def pivot_root(new, old):
    _check(libc.syscall(SYS_PIVOT_ROOT, _path(new), _path(old)))


def die_with_parent():
    _check(libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0))


def birth_time_ns(path):
    """Birth time through statx, or None when the file system has none."""
    buf = ctypes.create_string_buffer(256)
    _check(libc.statx(AT_FDCWD, _path(path), AT_SYMLINK_NOFOLLOW,
                      STATX_BTIME | STATX_BASIC, buf))
    if not struct.unpack_from("=I", buf, 0)[0] & STATX_BTIME:
        return None
    sec, nsec = struct.unpack_from("=qI", buf, 80)
    return sec * 10**9 + nsec


def mode_alone(path):
    """The mode, asked for without anything else: the cached one that the
    kernel uses for exec.

    stat(2) asks for times and sizes as well; for these the kernel may ask the
    daemon, and it gets the mode along with them.
    """
    buf = ctypes.create_string_buffer(256)
    _check(libc.statx(AT_FDCWD, _path(path), AT_SYMLINK_NOFOLLOW,
                      STATX_MODE, buf))
    return struct.unpack_from("=H", buf, 28)[0]


class Dir:
    """A directory stream with telldir() and seekdir()."""

    class _Dirent(ctypes.Structure):
        _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64),
                    ("reclen", ctypes.c_ushort), ("type", ctypes.c_ubyte),
                    ("name", ctypes.c_char * 256)]

    def __init__(self, path):
        libc.opendir.restype = ctypes.c_void_p
        libc.readdir.restype = ctypes.POINTER(self._Dirent)
        libc.telldir.restype = ctypes.c_long
        self._dir = libc.opendir(_path(path))
        if not self._dir:
            _check(-1)

    def read(self):
        """(name, ino, type, cookie behind it), or None at the end."""
        ctypes.set_errno(0)
        ent = libc.readdir(ctypes.c_void_p(self._dir))
        if not ent:
            if ctypes.get_errno():
                _check(-1)
            return None
        e = ent.contents
        return e.name, e.ino, e.type, e.off

    def __iter__(self):
        while (entry := self.read()) is not None:
            yield entry

    def tell(self):
        return libc.telldir(ctypes.c_void_p(self._dir))

    def seek(self, cookie):
        libc.seekdir(ctypes.c_void_p(self._dir), ctypes.c_long(cookie))

    def close(self):
        libc.closedir(ctypes.c_void_p(self._dir))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def getdents(fd, room_bytes):
    """The next few names at the descriptor's position, with their inode
    numbers."""
    buf = ctypes.create_string_buffer(room_bytes)
    n = libc.getdents64(fd, buf, ctypes.c_size_t(room_bytes))
    _check(min(n, 0))
    at = 0
    entries = []
    while at < n:
        ino, _, length = struct.unpack_from("=QqH", buf, at)
        entries.append((buf[at + 19:at + length].split(b"\0", 1)[0], ino))
        at += length
    return entries


def write_synced(path, data, flags=os.O_TRUNC):
    """Writes a file that is on disk when this returns."""
    with opened(path, os.O_WRONLY | os.O_CREAT | flags, 0o644) as fd:
        os.write(fd, data)
        os.fsync(fd)


def write_file(path, data=b"", mode=0o644):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        while data:
            data = data[os.write(fd, data):]
    finally:
        os.close(fd)
    return path


def read_file(path):
    with open(path, "rb", buffering=0) as f:
        return f.read()


@contextlib.contextmanager
def opened(path, flags, mode=0o644):
    fd = os.open(path, flags, mode)
    try:
        yield fd
    finally:
        os.close(fd)


def in_child(function, uid=None, gid=None, groups=()):
    """Calls a function in a child, as another user if asked (root only).

    Returns what the function returns, as text, and raises what it raised: an
    OSError keeps its errno, anything else becomes an AssertionError.
    """
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(r)
            if uid is not None:
                os.setgroups(list(groups))
                os.setresgid(*[uid if gid is None else gid] * 3)
                os.setresuid(*[uid] * 3)
            answer = f"ok {function()}"
        except OSError as e:
            answer = f"os {e.errno} {e}"
        except BaseException as e:  # the child must not return into pytest
            answer = f"py {type(e).__name__}: {e}"
        os.write(w, answer.encode()[:60000])
        os._exit(0)
    os.close(w)
    with open(r, "rb") as f:
        answer = f.read().decode()
    os.waitpid(pid, 0)
    kind, _, rest = answer.partition(" ")
    if kind == "os":
        code, _, text = rest.partition(" ")
        raise OSError(int(code), text)
    if kind != "ok":
        raise AssertionError(f"in the child: {rest or 'it died'}")
    return rest
