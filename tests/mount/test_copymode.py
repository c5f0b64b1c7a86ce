# SPDX-License-Identifier: MIT
"""Copy mode never changes the base [B1]. Every test checks that at its end;
the tests here use the less obvious ways to change it."""
import errno
import mmap
import os
import time

import pytest

from support import sysc, tree
from support.sysc import error_of, fails, opened, read_file, write_file
from support.view import run

YEAR = 365 * 86400 * 10**9


@pytest.fixture(params=["root", pytest.param("user",
                                             marks=pytest.mark.user)])
def anyone(request):
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture
def base(copy_view):
    """A base with one object of each kind, and access times that a read would
    change."""
    b = copy_view.base
    write_file(b / "f", b"bytes" * 20000)
    os.mkdir(b / "d")
    for i in range(20):
        write_file(b / f"d/{i}", b"%d" % i * 5000)
    os.symlink("f", b / "l")
    os.link(b / "f", b / "hard")
    os.mkfifo(b / "p")
    try:
        os.setxattr(b / "f", "user.a", b"1")
    except OSError:
        pass
    old = time.time_ns() - 2 * YEAR
    for top, dirs, files in os.walk(b, topdown=False):
        for name in dirs + files:
            os.utime(os.path.join(top, name), ns=(old, old + YEAR),
                     follow_symlinks=False)
    os.utime(b, ns=(old, old + YEAR))
    return b


def test_reading_everything_changes_no_timestamp(copy_view, anyone, base):
    before = tree.of(base)
    run("tar", "-cf", "/dev/null", "-C", copy_view.top, ".")
    run("ls", "-lR", copy_view.top)
    with opened(copy_view / "f", os.O_RDONLY) as fd:
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as m:
            assert m[:5] == b"bytes"
    tree.assert_same(before, tree.of(base), "a timestamp changed")


def test_changing_everything_changes_nothing_below(copy_view, anyone, base):
    before = tree.of(base)
    v = copy_view
    with opened(v / "f", os.O_RDWR) as fd:
        os.pwrite(fd, b"X", 50000)
        with mmap.mmap(fd, 0) as m:
            m[0] = 0
        sysc.fallocate(fd, 3, 8192, 8192)
        os.fsync(fd)
    for i in range(10):
        os.unlink(v / f"d/{i}")
    os.rename(v / "d", v / "e")
    os.chmod(v / "f", 0)
    os.utime(v / "hard", ns=(1, 1))
    os.link(v / "e/11", v / "e/new")
    os.truncate(v / "e/12", 0)
    os.unlink(v / "l")
    os.unlink(v / "p")
    os.mkdir(v / "d")
    sysc.syncfs(v.top)
    tree.assert_same(before, tree.of(base), "the base changed")
    run("rm", "-rf", *[v / n for n in os.listdir(v.top)])
    assert os.listdir(v.top) == []
    copy_view.unmount()
    tree.assert_same(before, tree.of(base), "the base changed")


def test_view_starts_as_the_base_in_everything(copy_view, anyone, base):
    want = tree.of(base)
    tree.assert_same(want, copy_view.look(), "view and base differ")


def test_rm_rf_of_the_whole_view_leaves_the_base(copy_view, anyone, base):
    before = tree.of(base)
    run("rm", "-rf", *[copy_view / n for n in os.listdir(copy_view.top)])
    tree.assert_same(before, tree.of(base), "the base changed")


def test_ephemeral_changes_are_gone_after_unmounting(copy_view, anyone,
                                                     base):
    write_file(copy_view / "new", b"x")
    os.unlink(copy_view / "f")
    copy_view.unmount()
    assert os.listdir(copy_view.tmp) == []
    assert not os.path.exists(copy_view / "new")
    assert os.path.exists(copy_view / "f")


def test_base_may_be_read_only(copy_view):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    write_file(copy_view.base / "f", b"old")
    sysc.mount(copy_view.base, copy_view.base, None, sysc.MS_BIND)
    sysc.mount(None, copy_view.base, None, sysc.MS_BIND | 1 | 32)
    with fails(errno.EROFS):
        write_file(copy_view.base / "g")
    write_file(copy_view / "f", b"new")
    write_file(copy_view / "g")
    assert read_file(copy_view / "f") == b"new"
    copy_view.unmount()
    copy_view.base_stays = False
    sysc.umount_lazy(copy_view.base)


@pytest.mark.user
def test_unprivileged_view_of_an_unwritable_base_can_be_changed(copy_view):
    b = copy_view.base
    os.mkdir(b / "d")
    write_file(b / "d/f", b"old")
    os.chmod(b / "d/f", 0o444)
    os.chmod(b / "d", 0o555)
    v = copy_view
    os.chmod(v / "d", 0o755)
    os.chmod(v / "d/f", 0o644)
    write_file(v / "d/f", b"new")
    write_file(v / "d/g", b"more")
    os.unlink(v / "d/f")
    assert os.listdir(v / "d") == ["g"]
    run("rm", "-rf", v / "d")


def test_base_changed_by_others_under_a_changed_file_is_eio(kept_view):
    """[S1] The view must not mix two versions of a file silently."""
    v = kept_view
    v.base_stays = False
    v.expected.append("base|drift|changed|signature")
    write_file(v.base / "f", b"a" * 100000)
    with opened(v / "f", os.O_WRONLY) as fd:
        os.pwrite(fd, b"X", 0)
    v.unmount()
    time.sleep(0.02)
    write_file(v.base / "f", b"b" * 100000)
    v.mount()
    with opened(v / "f", os.O_RDONLY) as fd:
        with fails(errno.EIO):
            os.pread(fd, 4096, 50000)
        assert os.pread(fd, 1, 0) == b"X"
    v.unmount()


def test_base_grown_by_others_under_a_changed_file_is_never_mixed(kept_view):
    v = kept_view
    v.base_stays = False
    v.expected.append("base|drift|changed|signature")
    write_file(v.base / "f", b"a" * 100000)
    write_file(v.base / "g", b"a" * 100000)
    os.chmod(v / "f", 0o600)
    with opened(v / "g", os.O_WRONLY) as fd:
        os.pwrite(fd, b"X", 99999)
    v.unmount()
    time.sleep(0.02)
    for name in "fg":
        with open(v.base / name, "ab") as f:
            f.write(b"more")
    v.mount()
    for name in "fg":
        with opened(v / name, os.O_RDONLY) as fd:
            assert error_of(os.pread, fd, 4096, 0) == "EIO", name
    v.unmount()


def test_unchanged_file_changed_by_others_shows_the_base(kept_view):
    v = kept_view
    v.base_stays = False
    write_file(v.base / "f", b"a" * 1000)
    write_file(v / "other", b"x")
    v.unmount()
    write_file(v.base / "f", b"bbb")
    v.mount()
    assert read_file(v / "f") == b"bbb"


def test_mount_point_inside_the_base_does_not_hang(copy_view):
    """[S2] In the view the mount point is an empty directory."""
    v = copy_view
    v.base_stays = False	# in the base, the mount itself is visible
    os.mkdir(v.base / "m")
    write_file(v.base / "f", b"x")
    v.mnt = v.base / "m"
    assert read_file(v / "f") == b"x"
    assert os.listdir(v / "m") == []
    write_file(v / "m/inner", b"y")
    assert read_file(v / "m/inner") == b"y"
    v.unmount()
    assert os.listdir(v.base / "m") == []


def test_file_system_mounted_inside_the_base_is_not_entered(copy_view):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    v = copy_view
    os.mkdir(v.base / "m")
    sysc.mount("none", v.base / "m", "tmpfs", 0)
    write_file(v.base / "m/secret")
    assert os.listdir(v / "m") == []
    v.unmount()
    v.base_stays = False
    sysc.umount_lazy(v.base / "m")


def test_full_store_is_enospc_and_nothing_is_lost(kept_view):
    """[D5] There is no SIGBUS, and what was written before stays."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    v = kept_view
    v.expected.append("[Nn]o space|ENOSPC|space")
    write_file(v.base / "old", b"o" * 100000)
    v.store.mkdir()
    sysc.mount("none", v.store, "tmpfs", 0, "size=24m")
    v.mount()
    written = 0
    with opened(v / "f", os.O_RDWR | os.O_CREAT) as fd:
        with fails(errno.ENOSPC):
            for i in range(64):
                os.pwrite(fd, bytes([i + 1]) * (1 << 20), i << 20)
                os.fsync(fd)
                written += 1
        assert written >= 4
        for i in range(written):
            assert os.pread(fd, 1 << 20, i << 20) == \
                bytes([i + 1]) * (1 << 20)
    assert read_file(v / "old") == b"o" * 100000
    os.unlink(v / "f")
    for _ in range(3):
        # The kernel has not reported the failed writes yet.
        assert error_of(sysc.syncfs, v.top) in (None, "ENOSPC")
        with opened(v.top, os.O_RDONLY) as fd:
            os.fsync(fd)
    write_file(v / "g", b"g" * (1 << 20))
    v.unmount()
    v.mount()
    assert read_file(v / "g") == b"g" * (1 << 20)
    assert read_file(v / "old") == b"o" * 100000


def test_mapping_on_a_full_store_kills_neither_program_nor_daemon(kept_view):
    """[D5] If there is no room for dirty pages of a mapping, a later call
    reports an error."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    v = kept_view
    v.expected.append("[Nn]o space|ENOSPC|space")
    v.store.mkdir()
    sysc.mount("none", v.store, "tmpfs", 0, "size=16m")
    v.mount()
    size = 48 << 20
    with opened(v / "f", os.O_RDWR | os.O_CREAT) as fd:
        os.ftruncate(fd, size)
        with mmap.mmap(fd, size) as m:
            for at in range(0, size, 4096):
                m[at] = 1
            with fails(errno.ENOSPC, errno.EIO):
                m.flush()
                os.fsync(fd)
    os.unlink(v / "f")
    assert v.proc.poll() is None
    assert os.listdir(v.top) == []
    v.unmount()
