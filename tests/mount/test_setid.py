# SPDX-License-Identifier: MIT
"""Set-id bits and file capabilities after a change of data.

Once a call that changes data has returned, the kernel and the daemon must have
cleared the bits that the file system below clears. So every way of writing is
tried in a plain directory as well, and must have the same effect.

If the daemon clears a bit that the kernel still has in its cache, the kernel
runs the new bytes with the rights of the file's owner.
"""
import mmap
import os
import shutil
import struct

import pytest

from support import aio, sysc
from support.isolate import USER_UID
from support.sysc import error_of, in_child, opened
from support.uring import uring_on
from support.view import run

PAGE = 4096
GROUP = 4800
STRANGER = 4712
CAPABILITY = "security.capability"
CAP_FSETID = 4
# cap_net_raw+ep, as setcap(8) stores it.
NET_RAW = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
# Set-gid has another meaning if the group may not execute the file.
RIGHTS = ((0o6777, False), (0o6767, True), (0o4666, False), (0o777, True))
BYTES = b"b" * 3 * PAGE


def _write(path, other):
    with opened(path, os.O_WRONLY) as f:
        os.pwrite(f, b"x", 5)


def _append(path, other):
    with opened(path, os.O_WRONLY | os.O_APPEND) as f:
        os.write(f, b"x")


def _write_synced(path, other):
    with opened(path, os.O_WRONLY | os.O_SYNC) as f:
        os.pwrite(f, b"x" * PAGE, PAGE)


def _write_direct(path, other):
    with opened(path, os.O_WRONLY | os.O_DIRECT) as f:
        os.pwritev(f, [aio.buffer(b"x" * PAGE)], 0)


def _extend_direct(path, other):
    with opened(path, os.O_WRONLY | os.O_DIRECT) as f:
        os.pwritev(f, [aio.buffer(b"x" * PAGE)], 8 * PAGE)


def _write_asynchronously(path, other):
    with opened(path, os.O_WRONLY | os.O_DIRECT) as f:
        aio.write_at(f, b"x" * PAGE)


def _extend_asynchronously(path, other):
    with opened(path, os.O_WRONLY | os.O_DIRECT) as f:
        aio.write_at(f, b"x" * PAGE, 8 * PAGE)


def _splice(path, other):
    r, w = os.pipe()
    os.write(w, b"x" * 100)
    with opened(path, os.O_WRONLY) as f:
        assert os.splice(r, f, 100, offset_dst=0) == 100


def _sendfile(path, other):
    with opened(other, os.O_RDONLY) as src, opened(path, os.O_WRONLY) as f:
        assert os.sendfile(f, src, 0, PAGE) == PAGE


def _copy_file_range(path, other):
    with opened(other, os.O_RDONLY) as src, opened(path, os.O_WRONLY) as f:
        assert os.copy_file_range(src, f, PAGE, 0, 0) == PAGE


def _copy_within(path, other):
    with opened(path, os.O_RDWR) as f:
        assert os.copy_file_range(f, f, PAGE, 0, 2 * PAGE) == PAGE


def _copy_from_elsewhere(path, other):
    src = os.memfd_create("elsewhere")
    os.write(src, b"x" * PAGE)
    with opened(path, os.O_WRONLY) as f:
        # The kernel may refuse to copy between file systems; cp then writes.
        if error_of(os.copy_file_range, src, f, PAGE, 0, 0) is not None:
            os.sendfile(f, src, 0, PAGE)


def _fallocate(mode, offset, length=PAGE):
    def allocate(path, other):
        with opened(path, os.O_WRONLY) as f:
            sysc.fallocate(f, mode, offset, length)
    return allocate


def _truncate(size):
    def truncate(path, other):
        os.truncate(path, size)
    return truncate


def _ftruncate(path, other):
    with opened(path, os.O_WRONLY) as f:
        os.ftruncate(f, PAGE + 1)


def _open_truncating(path, other):
    os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))


def _store_in_mapping(path, other):
    with opened(path, os.O_RDWR) as f, mmap.mmap(f, 3 * PAGE) as m:
        m[10] = 0
        m.flush()


def _write_behind_a_mapping(path, other):
    with opened(path, os.O_RDWR | os.O_DIRECT) as f, \
            mmap.mmap(f, 3 * PAGE) as m:
        m[10] = 0
        os.pwritev(f, [aio.buffer(b"x" * PAGE)], 0)
        m[PAGE] = 0


def _nothing(path, other):
    with opened(path, os.O_RDWR) as f:
        os.pwrite(f, b"", 0)
        os.fsync(f)


WAYS = {
    "write": _write,
    "append": _append,
    "O_SYNC write": _write_synced,
    "direct write": _write_direct,
    "direct write beyond the end": _extend_direct,
    "direct aio": _write_asynchronously,
    "direct aio beyond the end": _extend_asynchronously,
    "direct write behind a mapping": _write_behind_a_mapping,
    "splice": _splice,
    "sendfile": _sendfile,
    "copy_file_range": _copy_file_range,
    "copy_file_range within": _copy_within,
    "copy_file_range from elsewhere": _copy_from_elsewhere,
    "fallocate": _fallocate(0, 8 * PAGE),
    "fallocate within": _fallocate(0, 0),
    "fallocate that keeps the size": _fallocate(sysc.FALLOC_KEEP_SIZE,
                                                8 * PAGE),
    "punch": _fallocate(sysc.FALLOC_PUNCH_HOLE | sysc.FALLOC_KEEP_SIZE, 0),
    "zero": _fallocate(sysc.FALLOC_ZERO_RANGE, 0),
    "truncate": _truncate(100),
    "truncate to nothing": _truncate(0),
    "truncate to the same size": _truncate(len(BYTES)),
    "truncate upwards": _truncate(5 * PAGE),
    "ftruncate": _ftruncate,
    "O_TRUNC": _open_truncating,
    "store in a mapping": _store_in_mapping,
    "nothing written": _nothing,
}


def _make(path, mode, with_capability, owner):
    with opened(path, os.O_WRONLY | os.O_CREAT, 0o600) as f:
        os.write(f, BYTES)
    if os.geteuid() == 0:
        os.chown(path, owner, GROUP)
    if with_capability:
        os.setxattr(path, CAPABILITY, NET_RAW)
    os.chmod(path, mode)


def _rights(path):
    """The set-id bits and capabilities of a file, as the kernel has them
    cached."""
    capable = error_of(os.getxattr, path, CAPABILITY) is None
    return f"{sysc.mode_alone(path) & 0o7777:04o}" + "+cap" * capable


def _cases(view):
    for way in WAYS:
        for mode, cap in RIGHTS:
            if cap and os.geteuid() != 0:
                continue  # only root can set capabilities
            if view.mode == "write" and way == "store in a mapping" and \
                    (cap or view.as_user):
                continue  # see tests/KNOWN-GAPS.md
            yield way, mode, cap


def _drop_fsetid():
    """Drops CAP_FSETID, as for root in a container that may not keep set-id
    bits."""
    header = struct.pack("=Ii", 0x20080522, 0)
    data = bytearray(24)
    buf = (sysc.ctypes.c_char * 24).from_buffer(data)
    sysc._check(sysc.libc.capget(header, buf))
    for at in (0, 4, 8):
        low = struct.unpack_from("=I", data, at)[0] & ~(1 << CAP_FSETID)
        struct.pack_into("=I", data, at, low)
    sysc._check(sysc.libc.capset(header, buf))


class Writer:
    """A process that writes: its user, its groups, and what it does to itself
    before."""

    def __init__(self, uid=None, groups=(), before=lambda: None):
        self.uid = uid
        self.groups = groups
        self.before = before

    def do(self, function):
        def both():
            self.before()
            function()
        return error_of(in_child, both, self.uid, groups=self.groups)


def _in_a_user_namespace():
    """Gives all capabilities, of which none is valid outside the namespace."""
    sysc.unshare(sysc.CLONE_NEWUSER)


WRITERS = {
    "stranger": Writer(STRANGER),
    "member": Writer(STRANGER, groups=(GROUP,)),
    "namespaced": Writer(STRANGER, before=_in_a_user_namespace),
    "root": Writer(),
    "bare root": Writer(before=_drop_fsetid),
}


def _after(place, view, writer, owner):
    """Writes in every way in the directory `place`; returns [(case, errno,
    rights)]."""
    results = []
    other = os.path.join(place, "other")
    _make(other, 0o666, False, owner)
    for n, (way, mode, cap) in enumerate(_cases(view)):
        path = os.path.join(place, f"f{n}")
        _make(path, mode, cap, owner)
        before = _rights(path)
        assert before == f"{mode:04o}" + "+cap" * cap, (way, before)
        err = writer.do(lambda: WAYS[way](path, other))
        results.append((f"{way} {before}", err, _rights(path)))
    return results


def _plain_directory(view):
    """A directory beside the view, whose file system sets the standard."""
    plain = view.scratch / "plain"
    os.mkdir(plain)
    os.chmod(plain, 0o777)
    return plain


def _compare(view, writer, owner):
    plain = _plain_directory(view)
    want = _after(plain, view, writer, owner)
    got = _after(view.top, view, writer, owner)
    bad = [f"{g[0]}: {g[1:]}, the base {w[1:]}"
           for g, w in zip(got, want) if g != w]
    assert not bad, "\n".join(bad)
    # The state of the daemon, without the kernel's cache.
    view.remount()
    where = view.base if view.mode == "write" else view.top
    for n, (case, _, rights) in enumerate(want):
        assert _rights(os.path.join(where, f"f{n}")) == rights, case


@pytest.mark.limit(120)
@pytest.mark.parametrize("who", list(WRITERS))
@pytest.mark.modes("write", "kept", people=("root",), plain=False)
def test_every_way_of_writing_leaves_the_rights_it_leaves_on_the_base(view,
                                                                      who):
    view.options = ["-o", "allow_other,suid"]
    _compare(view, WRITERS[who], 0)


@pytest.mark.limit(120)
@pytest.mark.modes("write", "copy", people=("user",), plain=False)
def test_every_way_of_writing_in_a_users_own_view_does_so_too(view):
    """Here the kernel of the base clears the bits, not the daemon."""
    _compare(view, WRITERS["root"], USER_UID)


@pytest.mark.limit(120)
@pytest.mark.modes("copy", people=("root",), plain=False)
def test_every_way_of_writing_without_the_writeback_cache_does_so_too(view):
    view.options = ["-o", "allow_other,suid,nowriteback"]
    _compare(view, WRITERS["stranger"], 0)


@pytest.mark.limit(120)
@pytest.mark.modes("write", "kept", people=("root",), plain=False)
def test_every_way_of_writing_through_io_uring_does_so_too(view):
    view.options = ["-o", "allow_other,suid,uring"]
    with uring_on():
        _compare(view, WRITERS["stranger"], 0)
    assert "offers no io_uring" not in view.log.read_text()


def _become(path, uid, gid):
    return lambda: os.chown(path, uid, gid)


@pytest.mark.modes("write", "kept", people=("root",), plain=False)
def test_change_of_owner_leaves_the_rights_it_leaves_on_the_base(view):
    view.options = ["-o", "allow_other,suid"]
    plain = _plain_directory(view)
    results = []
    for place in (plain, view.top):
        found = []
        for who, uid, gid in (("root", 7, -1), ("root", -1, 7),
                              ("bare root", 7, 7), ("member", -1, GROUP),
                              ("member", -1, STRANGER),
                              ("stranger", -1, STRANGER)):
            for mode, cap in RIGHTS:
                path = os.path.join(place, "f")
                _make(path, mode, cap, 0 if "root" in who else STRANGER)
                before = _rights(path)
                err = WRITERS[who].do(_become(path, uid, gid))
                found.append((who, uid, gid, before, err, _rights(path)))
                os.unlink(path)
        results.append(found)
    assert results[1] == results[0]


@pytest.mark.modes("write", "kept", people=("root",), plain=False)
def test_bytes_of_a_stranger_do_not_run_as_the_owner(view):
    view.options = ["-o", "allow_other,suid"]
    program = view / "program"
    shutil.copy(shutil.which("true"), program)
    os.chmod(program, 0o6777)
    assert sysc.mode_alone(program) & 0o7777 == 0o6777
    with open(shutil.which("id"), "rb") as f:
        image = aio.buffer(f.read())

    def replace():
        with opened(program, os.O_RDWR | os.O_DIRECT) as f:
            assert os.pwritev(f, [image], 0) == len(image)
        return run(program, "-u").text.strip()

    assert in_child(replace, STRANGER) == str(STRANGER)


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_capability_given_after_a_write_outlives_its_writeback(view, origin):
    f = origin.file("f", BYTES, 0o755)
    with opened(f, os.O_RDWR) as fd:
        os.pwrite(fd, b"x", 0)
        os.setxattr(f, CAPABILITY, NET_RAW)
        os.fsync(fd)
        assert os.getxattr(f, CAPABILITY) == NET_RAW
    view.remount()
    assert os.getxattr(f, CAPABILITY) == NET_RAW
