# SPDX-License-Identifier: MIT
"""The largest values that a view accepts, which its store must read again.

Every test in mode kept ends with a new mount of the store, which must show
what the view accepted (support/view.py).
"""
import errno
import os
import random
import stat

import pytest

from support import sysc, tree
from support.sysc import fails, opened, read_file, write_file
from support.view import mapfs

PAGE = 4096
SIZE_MAX = (1 << 63) - 1
S = 10**9
PUNCH = sysc.FALLOC_PUNCH_HOLE | sysc.FALLOC_KEEP_SIZE
SEED = os.environ.get("MAPFS_TEST_SEED", "1")

# Edges of page tables, sizes and signed numbers.
EDGES = sorted({0, 1, 100} | {
    max(0, min(SIZE_MAX, (1 << bits) + d))
    for bits in (12, 18, 24, 30, 31, 32, 36, 42, 44, 48, 51, 54, 56, 59, 60,
                 61, 62, 63)
    for d in (-PAGE, -1, 0, 1, PAGE)})

# Errors that any file system may return at such an edge.
AT_AN_EDGE = {errno.EFBIG, errno.EINVAL, errno.ENOSPC, errno.ENXIO}


def _write(fd, r):
    os.pwrite(fd, r.randbytes(r.choice((1, 7, PAGE, 3 * PAGE))),
              r.choice(EDGES))


def _truncate(fd, r):
    os.ftruncate(fd, r.choice(EDGES))


def _allocate(fd, r):
    at = r.choice(EDGES)
    length = r.choice((1, PAGE, 10 * PAGE, SIZE_MAX - at, 1 << 55))
    mode = r.choice((0, sysc.FALLOC_KEEP_SIZE))
    sysc.fallocate(fd, mode, at, length)


def _punch(fd, r):
    at = r.choice(EDGES)
    length = r.choice((1, PAGE, 1 << 40, SIZE_MAX - at))
    sysc.fallocate(fd, r.choice((PUNCH, sysc.FALLOC_ZERO_RANGE,
                                 sysc.FALLOC_ZERO_RANGE |
                                 sysc.FALLOC_KEEP_SIZE)), at, length)


def _copy(fd, r):
    os.copy_file_range(fd, fd, r.choice((1, 2 * PAGE)), r.choice(EDGES),
                       r.choice(EDGES))


def _seek(fd, r):
    os.lseek(fd, r.choice(EDGES), r.choice((os.SEEK_DATA, os.SEEK_HOLE)))


def _read(fd, r):
    os.pread(fd, 3 * PAGE, r.choice(EDGES))


def _sync(fd, r):
    os.fsync(fd)


STEPS = (_write,) * 4 + (_truncate,) * 3 + (_allocate, _punch, _punch, _copy,
                                            _seek, _read, _sync)


def _play(view, r, steps):
    for _ in range(steps):
        name = r.choice(("old", "a", "b"))
        step = r.choice(STEPS)
        with opened(view / name, os.O_RDWR | os.O_CREAT) as fd:
            try:
                step(fd, r)
            except OSError as e:
                assert e.errno in AT_AN_EDGE, f"{step.__name__}: {e}"
    # The view did not become read-only.
    write_file(view / "sound", b"x")


@pytest.mark.modes("copy", "kept", plain=False)
@pytest.mark.parametrize("seed", range(6))
def test_files_of_extreme_sizes_are_the_same_after_a_remount(view, seed):
    r = random.Random(f"{SEED}/{seed}")
    write_file(view.base / "old", r.randbytes(5 * PAGE + 9))
    _play(view, r, 60)
    view.remount()
    _play(view, r, 30)


@pytest.mark.modes("kept", plain=False)
def test_snapshot_and_rollback_keep_extreme_sizes(view):
    r = random.Random(SEED)
    write_file(view.base / "old", r.randbytes(5 * PAGE + 9))
    _play(view, r, 80)
    os.truncate(view / "a", SIZE_MAX)
    before = view.look(("ctime",))
    mapfs("snapshot", view.mnt, "one")
    _play(view, r, 40)
    os.unlink(view / "b")
    view.unmount()
    mapfs("rollback", "-y", view.store, "one")
    view.mount()
    tree.assert_same(before, view.look(("ctime",)), "rolled back")


@pytest.mark.modes("kept", plain=False)
@pytest.mark.parametrize("at", [1 << 60, (1 << 60) - 1, (1 << 62) + 5,
                                SIZE_MAX - 1])
@pytest.mark.parametrize("size", [0, 1, PAGE, 1 << 60, SIZE_MAX])
def test_store_survives_a_truncate_of_a_far_byte(view, at, size):
    """Regression: the end of the page table was computed beyond the last page
    that a file can have."""
    write_file(view / "work", b"a day's work")
    with opened(view / "f", os.O_RDWR | os.O_CREAT) as fd:
        os.pwrite(fd, b"x", at)
        os.fsync(fd)
        os.ftruncate(fd, size)
        assert os.fstat(fd).st_size == size
        assert os.pread(fd, 1, at) == (b"" if size <= at else b"x")
    write_file(view / "more", b"x")
    view.remount()
    assert read_file(view / "work") == b"a day's work"
    assert os.stat(view / "f").st_size == size


def test_byte_that_no_file_can_have_is_refused_at_the_call(view):
    with opened(view / "f", os.O_RDWR | os.O_CREAT) as fd:
        os.write(fd, b"here")
        for at in (SIZE_MAX, SIZE_MAX - 1):
            # The errno depends on the place in the kernel that refuses.
            with fails(errno.EFBIG, errno.EINVAL):
                os.pwrite(fd, b"xy", at)
            with fails(errno.EFBIG):
                sysc.fallocate(fd, 0, at, 2)
        with fails(errno.EINVAL):
            sysc.fallocate(fd, 0, 0, 0)
        with fails(errno.EINVAL):
            os.ftruncate(fd, -1)
    assert read_file(view / "f") == b"here"


@pytest.mark.modes("write", plain=False)
def test_size_that_the_base_cannot_have_is_refused_as_the_base_does(view):
    got = []
    for path in (view.base / "a", view / "b"):
        codes = []
        with opened(path, os.O_RDWR | os.O_CREAT) as fd:
            for size in EDGES:
                codes.append(sysc.error_of(os.ftruncate, fd, size))
                codes.append(sysc.error_of(os.pwrite, fd, b"x", size))
                os.ftruncate(fd, 0)
        got.append(codes)
    assert got[0] == got[1]


@pytest.mark.modes("copy", "kept", plain=False)
def test_space_that_is_not_there_is_refused_and_none_is_taken(view):
    with opened(view / "f", os.O_RDWR | os.O_CREAT) as fd:
        before = os.statvfs(view.top).f_bavail
        with fails(errno.ENOSPC):
            sysc.fallocate(fd, 0, 0, 1 << 60)
        st = os.statvfs(view.top)
        # Other processes write as well; half of the disk should be ours.
        assert st.f_bavail > before // 2
        assert os.fstat(fd).st_size == 0


LONG = b"\xff" * 255
TIMES = [-(1 << 40) * S - 1, -S, -1, 0, 1, (1 << 31) * S, (1 << 33) * S + 5,
         (1 << 34) * S - 1, (1 << 33) * S - 1]


@pytest.mark.modes("copy", "kept", plain=False)
def test_extreme_names_targets_and_times_are_the_same_after_a_remount(view):
    os.mkdir(view / LONG)
    write_file(os.path.join(view / LONG, LONG), b"x")
    os.symlink(b"t" * 4095, os.path.join(view / LONG, b"l"))
    os.symlink(b"t" * 4095, view / (b"s" * 255))
    os.rename(os.path.join(view / LONG, LONG), view / (b"m" * 255))
    with fails(errno.ENAMETOOLONG):
        write_file(view / (b"n" * 256))
    with fails(errno.ENAMETOOLONG):
        os.symlink(b"t" * 4096, view / "toolong")
    for n, a in enumerate(TIMES):
        for m in TIMES:
            path = write_file(view / f"t{n}{m}", b"x")
            os.utime(path, ns=(a, m))
            st = os.stat(path)
            assert (st.st_atime_ns, st.st_mtime_ns) == (a, m)
    for n, a in enumerate(TIMES):
        os.mkdir(view / f"d{n}")
        os.utime(view / f"d{n}", ns=(a, -a))
        os.symlink("x", view / f"l{n}")
        os.utime(view / f"l{n}", ns=(a, -a), follow_symlinks=False)
    assert os.readlink(view / (b"s" * 255)) == b"t" * 4095


@pytest.mark.modes("copy", "kept", people=("root",), plain=False)
def test_extreme_owners_devices_and_modes_are_the_same_after_a_remount(view):
    most = (1 << 32) - 2
    for n, (uid, gid) in enumerate(((0, most), (most, 0), (most, most),
                                    (1 << 31, 1 << 31))):
        os.chown(write_file(view / f"f{n}"), uid, gid)
    for n, (major, minor) in enumerate(((0, 0), (4095, (1 << 20) - 1),
                                        (1, 1 << 19), (4095, 0))):
        for kind in (stat.S_IFCHR, stat.S_IFBLK):
            os.mknod(view / f"n{n}{kind}", kind | 0o600,
                     os.makedev(major, minor))
            assert os.lstat(view / f"n{n}{kind}").st_rdev == \
                os.makedev(major, minor)
    for mode in (0, 0o7777, 0o4711, 0o2000):
        os.chmod(write_file(view / f"m{mode}"), mode)
    view.remount()
    st = os.stat(view / "f2")
    assert (st.st_uid, st.st_gid) == (most, most)


@pytest.mark.modes("copy", "kept", people=("root",), plain=False)
def test_largest_extended_attributes_are_the_same_after_a_remount(view):
    write_file(view.base / "old", b"x")
    write_file(view / "f")
    for path in (view / "f", view / "old"):
        name = "user." + "n" * 250
        os.setxattr(path, name, b"v" * 65536)
        os.setxattr(path, "user.empty", b"")
        os.setxattr(path, "trusted." + "t" * 247, b"w" * 65536)
        with fails(errno.ERANGE):
            os.setxattr(path, name + "n", b"v")
        with fails(errno.E2BIG):
            os.setxattr(path, "user.a", b"v" * 65537)
        assert os.getxattr(path, name) == b"v" * 65536
        # As many as can be listed; one more is refused.
        code = None
        for n in range(1000):
            code = sysc.error_of(os.setxattr, path, f"user.{n:0240}", b"v")
            if code:
                break
        assert code == "ENOSPC"
        assert len(os.listxattr(path)) > 200
    view.remount()
    assert os.getxattr(view / "old", "user." + "n" * 250) == b"v" * 65536


def test_a_name_can_be_as_long_as_the_view_says(view):
    most = os.statvfs(view.top).f_namemax
    write_file(view / ("n" * most))
    with fails(errno.ENAMETOOLONG):
        write_file(view / ("n" * (most + 1)))


@pytest.mark.modes("kept", plain=False)
@pytest.mark.parametrize("name", ["new", "old"])
def test_commit_of_a_file_too_large_for_the_base_begins_nothing(view, name):
    write_file(view.base / "old", b"x")
    with opened(view.tmp, os.O_TMPFILE | os.O_RDWR) as fd:
        if sysc.error_of(os.ftruncate, fd, SIZE_MAX) != "EFBIG":
            pytest.skip("the file system below takes files of any size")
    write_file(view / "other", b"y")
    with opened(view / name, os.O_RDWR | os.O_CREAT) as fd:
        os.ftruncate(fd, SIZE_MAX)
    view.unmount()
    before = tree.of(view.base)
    p = mapfs("commit", "-y", view.store, check=False)
    assert p.returncode == 1
    assert f"{name}: it is larger than the file system" in p.text, p.text
    tree.assert_same(before, tree.of(view.base), "a refused commit")
    # The commit did not begin: the view is intact and can be corrected.
    os.truncate(view / name, 5)
    view.unmount()
    view.base_stays = False
    mapfs("commit", "-y", view.store)
    assert os.stat(view.base / name).st_size == 5
