# SPDX-License-Identifier: MIT
"""The state of a directory tree: all facts that a program could see.

Reading a tree changes nothing, not even an access time if the reader may use
O_NOATIME.
"""
import errno
import hashlib
import os
import stat

SMALL = 4 << 20		# files up to this size are read whole
PAGE = 4096
SCAN = 64 << 10
TICK_NS = 10_000_000


def _open_quiet(path, flags):
    try:
        return os.open(path, flags | os.O_NOATIME | os.O_NOFOLLOW)
    except PermissionError:
        return os.open(path, flags | os.O_NOFOLLOW)


def _hash_range(h, fd, start, end):
    """Zero pages are skipped, so that holes and zeros are equal."""
    while start < end:
        buf = os.pread(fd, min(SCAN, end - start), start)
        if not buf:
            return
        for i in range(0, len(buf), PAGE):
            page = buf[i:i + PAGE]
            if page.count(0) != len(page):
                h.update(b"%d:%d:" % (start + i, len(page)))
                h.update(page)
        start += len(buf)


def _hash_file(h, fd, size):
    if size <= SMALL:
        _hash_range(h, fd, 0, size)
        return h.hexdigest()
    at = 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:
                break
            raise
        end = os.lseek(fd, at, os.SEEK_HOLE)
        # Pages are hashed with their offset, so the first one must be whole.
        _hash_range(h, fd, at - at % PAGE, end)
        at = end
    return h.hexdigest()


def content(path, size):
    """The hash of the bytes of a file, or the name of the error."""
    h = hashlib.blake2b(digest_size=16)
    try:
        fd = _open_quiet(path, os.O_RDONLY)
    except OSError as e:
        return errno.errorcode[e.errno]
    try:
        return _hash_file(h, fd, size)
    except OSError as e:
        # An ordinary user's daemon may not be able to read the file.
        return errno.errorcode[e.errno]
    finally:
        os.close(fd)


def xattrs(path):
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as e:
        return errno.errorcode[e.errno]
    found = {}
    for name in sorted(names):
        try:
            found[name] = os.getxattr(path, name, follow_symlinks=False)
        except OSError as e:
            found[name] = errno.errorcode[e.errno]
    return found


def _one(path, st, leave_out):
    kind = stat.S_IFMT(st.st_mode)
    entry = {"type": kind, "mode": oct(st.st_mode), "uid": st.st_uid,
             "gid": st.st_gid, "mtime": st.st_mtime_ns, "ino": st.st_ino,
             "ctime": st.st_ctime_ns, "atime": st.st_atime_ns,
             "nlink": st.st_nlink}
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        entry["rdev"] = st.st_rdev
    if kind != stat.S_IFDIR:
        entry["size"] = st.st_size
    if kind == stat.S_IFREG:
        entry["content"] = content(path, st.st_size)
    if kind == stat.S_IFLNK:
        entry["target"] = os.readlink(path)
        # Reading a symbolic link changes its access time.
        entry.pop("atime")
    entry["xattrs"] = xattrs(path)
    for name in leave_out:
        entry.pop(name, None)
    return entry


def _walk(fd, prefix, found, leave_out):
    """Collects everything below an open directory. It is reached through its
    descriptor, since a path may be longer than the kernel accepts."""
    names = [os.fsencode(n) for n in os.listdir(fd)]
    if len(names) != len(set(names)):
        raise AssertionError(f"{prefix!r} lists a name twice")
    for name in names:
        child = b"/proc/self/fd/%d/" % fd + name
        st = os.lstat(child)
        entry = found[prefix + name] = _one(child, st, leave_out)
        if not stat.S_ISDIR(st.st_mode):
            continue
        try:
            inner = _open_quiet(child, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as e:
            entry["list"] = errno.errorcode[e.errno]
            continue
        try:
            _walk(inner, prefix + name + b"/", found, leave_out)
        finally:
            os.close(inner)


def of(top, leave_out=()):
    """{relative name: all facts about it}; "." is the top itself.

    leave_out: facts that are not compared, such as "atime".
    """
    top = os.fsencode(top)
    found = {b".": _one(top, os.lstat(top), leave_out)}
    fd = _open_quiet(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _walk(fd, b"", found, leave_out)
    finally:
        os.close(fd)
    return found


def of_one(path, leave_out=()):
    """All facts about one object."""
    return _one(os.fsencode(path), os.lstat(path), leave_out)


def difference(a, b, limit=12):
    """Lines that tell how two trees differ; an empty list if they are
    equal."""
    lines = []
    for name in sorted(set(a) | set(b)):
        if name not in a:
            lines.append(f"{name!r}: only in the second: {b[name]}")
        elif name not in b:
            lines.append(f"{name!r}: only in the first: {a[name]}")
        else:
            for key in sorted(set(a[name]) | set(b[name])):
                x, y = a[name].get(key), b[name].get(key)
                if x != y:
                    lines.append(f"{name!r}: {key}: {x!r} != {y!r}")
    more = len(lines) - limit
    return lines[:limit] + ([f"... and {more} more"] if more > 0 else [])


def forgive_a_tick(a, b):
    """Allows the change time of a file to differ by one tick of the clock.

    With the writeback cache the kernel sets time stamps itself, and sends them
    with the next data. The daemon sets one as well for a new link or
    attribute, a moment later, and only that one is kept (tests/KNOWN-GAPS.md).
    """
    for name in set(a) & set(b):
        if abs(a[name].get("ctime", 0) - b[name].get("ctime", 0)) < TICK_NS:
            b[name]["ctime"] = a[name].get("ctime")


def assert_same(a, b, what):
    lines = difference(a, b)
    assert not lines, what + ":\n  " + "\n  ".join(lines)


def assert_same_but_a_tick(a, b, what):
    forgive_a_tick(a, b)
    assert_same(a, b, what)


def links(tree):
    """The groups of names that are one file, as sorted lists."""
    groups = {}
    for name, entry in tree.items():
        if entry["type"] != stat.S_IFDIR and entry["nlink"] > 1:
            groups.setdefault(entry["ino"], []).append(name)
    return sorted(sorted(g) for g in groups.values())


def committed(top):
    """The facts of a tree that a commit must bring into the base and an undo
    must restore: all but access and change times and inode numbers, with the
    groups of links."""
    found = of(top, ("atime", "ctime", "ino"))
    groups = links(of(top))
    for entry in found.values():
        # Attributes such as security labels belong to the file system.
        if isinstance(entry["xattrs"], dict):
            entry["xattrs"] = {k: v for k, v in entry["xattrs"].items()
                               if k.startswith("user.")}
        # Not every file system counts subdirectories.
        if entry["type"] == stat.S_IFDIR:
            entry.pop("nlink")
    found[b"\0links"] = {"groups": groups}
    return found
