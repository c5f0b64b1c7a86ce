# SPDX-License-Identifier: MIT
"""A full disk below the store [D5]: the error, and the recovery from it."""
import errno
import os
import shutil

import pytest

from support import sysc
from support.disk import file_system
from support.sysc import fails, read_file, write_file, write_synced
from support.view import View, mapfs, run, wait_for

MIB = 1 << 20


def _view(scratch, store):
    v = View(scratch, "kept")
    v.store = store
    write_file(v.base / "old", b"o" * MIB)
    v.mount()
    yield v
    if v.mounted:
        v.unmount()


@pytest.fixture
def small(scratch):
    """A view whose store has 16 MiB and no more."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with file_system(scratch, "tmpfs", "size=16m") as disk:
        yield from _view(scratch, disk / "store")


@pytest.fixture
def limited(scratch):
    """A view whose store has a quota of 6 MiB."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not shutil.which("btrfs"):
        pytest.skip("btrfs is missing")
    with file_system(scratch, "btrfs") as disk:
        run("btrfs", "quota", "enable", disk)
        run("btrfs", "subvolume", "create", disk / "part")
        run("btrfs", "qgroup", "limit", str(6 * MIB), disk / "part")
        yield from _view(scratch, disk / "part/store")


def _fill(view):
    """Writes files of 1 MiB until the store is full; returns the names of the
    complete ones."""
    for n in range(64):
        try:
            write_synced(view / f"f{n}", b"x" * MIB, 0)
        except OSError as e:
            assert e.errno == errno.ENOSPC
            return [f"f{k}" for k in range(n)]
    raise AssertionError("64 MiB fit into 16")


def test_a_full_store_is_enospc_and_what_was_synced_stays(small):
    good = _fill(small)
    assert len(good) >= 8
    assert read_file(small / "old") == b"o" * MIB
    for name in good:
        assert read_file(small / name) == b"x" * MIB


def test_removing_files_makes_room_again(small):
    good = _fill(small)
    for name in good[:4]:
        os.unlink(small / name)

    def fits():
        try:
            write_synced(small / "again", b"x" * 2 * MIB, 0)
        except OSError as e:
            assert e.errno == errno.ENOSPC
            return False
        return True
    # Freed space can be used after the next sync point.
    wait_for("room", fits)


def _mkdir_with_xattr(view, n):
    os.mkdir(view / f"n{n}")
    os.setxattr(view / f"n{n}", "user.x", b"x" * 3500)


def _make_long_name(view, n):
    os.mknod(view / f"n{n:0200}")


def _leave_two_mebibytes(view):
    with sysc.opened(view.store / "../others", os.O_RDWR | os.O_CREAT) as fd:
        disk = os.fstatvfs(fd)
        sysc.fallocate(fd, 0, 0, disk.f_bavail * disk.f_frsize - 2 * MIB)


def _fill_with(view, grow):
    """Grows the store without pages until nothing fits."""
    failed = 0
    for n in range(20_000):
        try:
            grow(view, n)
        except OSError as e:
            assert e.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT)
            failed += 1
            if failed == 20:
                return
    raise AssertionError("20,000 changes fit")


def _fill_the_rest(view):
    """Others take what is left of the disk, to the last byte."""
    with sysc.opened(view.store / "../others", os.O_WRONLY) as fd:
        os.lseek(fd, 0, os.SEEK_END)
        with fails(errno.ENOSPC):
            while os.write(fd, b"x" * 4096):
                pass


def _remove_all(view):
    for name in os.listdir(view.top):
        try:
            os.rmdir(view / name)
        except NotADirectoryError:
            os.unlink(view / name)


@pytest.mark.parametrize("grow", [_mkdir_with_xattr, _make_long_name])
def test_all_can_be_removed_from_a_store_full_of_names(small, grow):
    """[A2] The journal's growth leaves what removals and closing need."""
    write_file(small / "new", b"n" * 5000)
    os.setxattr(small / "new", "user.x", b"x")
    _leave_two_mebibytes(small)
    _fill_with(small, grow)
    _fill_the_rest(small)
    os.removexattr(small / "new", "user.x")
    os.truncate(small / "new", 4096)
    small.unmount()
    small.mount()
    _remove_all(small)
    small.unmount()
    small.mount()
    assert os.listdir(small.top) == []
    os.mkdir(small / "new")


def test_renaming_does_not_fill_a_store(small):
    """The journal is compacted when it finds no space."""
    write_file(small / "n0", b"n")
    _leave_two_mebibytes(small)
    for n in range(6000):
        os.rename(small / f"n{n}", small / f"n{n + 1}")


def test_a_store_at_its_quota_can_be_emptied_and_used_again(limited):
    _fill_with(limited, _mkdir_with_xattr)
    limited.unmount()
    limited.mount()
    _remove_all(limited)
    os.mkdir(limited / "new")


@pytest.mark.parametrize("command", ["rollback", "revert"])
def test_a_rollback_and_a_revert_free_a_full_store(small, command):
    mapfs("snapshot", small.top, "before")
    _leave_two_mebibytes(small)
    _fill_with(small, _mkdir_with_xattr)
    if command == "rollback":
        mapfs(command, "-y", small.top, "before")
    else:
        mapfs(command, small.top, ".")
    assert os.listdir(small.top) == ["old"]
    # Its segment has everything that came after it, too.
    mapfs("snapshot", "-d", small.top, "before")
    os.mkdir(small / "new")


def _unlink(view, name):
    os.unlink(view / name)


def _truncate(view, name):
    os.truncate(view / name, 0)


def _punch(view, name):
    with sysc.opened(view / name, os.O_RDWR) as fd:
        sysc.fallocate(fd, sysc.FALLOC_PUNCH_HOLE | sysc.FALLOC_KEEP_SIZE,
                       0, MIB)


def _overwrite(view, name):
    """Saves as an editor does: a new file is renamed over the old one."""
    write_file(view / "empty", b"")
    os.rename(view / "empty", view / name)


@pytest.mark.parametrize("give_back", [_unlink, _truncate, _punch, _overwrite])
def test_space_given_back_can_be_written_at_once(small, give_back):
    for name in _fill(small)[:6]:
        give_back(small, name)
    write_synced(small / "again", b"x" * 4 * MIB, 0)
    assert read_file(small / "again") == b"x" * 4 * MIB


def test_space_given_back_can_be_allocated_and_copied_to_at_once(small):
    good = _fill(small)
    for name in good[:4]:
        os.unlink(small / name)
    with sysc.opened(small / "big", os.O_RDWR | os.O_CREAT) as fd:
        sysc.fallocate(fd, 0, 0, 3 * MIB)
        for name in good[4:7]:
            os.unlink(small / name)
        with sysc.opened(small / good[7], os.O_RDONLY) as src:
            assert os.copy_file_range(src, fd, MIB, 0, 3 * MIB) == MIB
        os.fsync(fd)
    assert read_file(small / "big") == bytes(3 * MIB) + b"x" * MIB


def test_a_full_file_is_written_anew_again_and_again(small):
    good = _fill(small)
    for n in range(6):
        for name in good:
            with sysc.opened(small / name, os.O_WRONLY | os.O_TRUNC) as fd:
                os.write(fd, bytes([n]) * MIB)
                os.fsync(fd)
    for name in good:
        assert read_file(small / name) == bytes([5]) * MIB


def test_removed_files_count_as_free_at_once(small):
    good = _fill(small)
    before = os.statvfs(small.top)
    for name in good[:6]:
        os.unlink(small / name)
    # The kernel forgets a removed file some time after the removal.
    with sysc.opened(small / "again", os.O_RDWR | os.O_CREAT) as fd:
        sysc.fallocate(fd, 0, 0, 4 * MIB)
        os.ftruncate(fd, 0)
        after = os.statvfs(small.top)
    gained = (after.f_bavail - before.f_bavail) * after.f_frsize
    assert gained >= 4 * MIB


def test_a_zeroed_range_can_be_written_when_the_store_is_full(small):
    with sysc.opened(small / "z", os.O_RDWR | os.O_CREAT) as fd:
        os.ftruncate(fd, 2 * MIB)
        sysc.fallocate(fd, sysc.FALLOC_ZERO_RANGE, 0, 2 * MIB)
        _fill(small)
        os.pwrite(fd, b"z" * 2 * MIB, 0)
        os.fsync(fd)
        # Pages that are allocated already need no more space.
        sysc.fallocate(fd, sysc.FALLOC_ZERO_RANGE, 0, 2 * MIB)
        assert os.pread(fd, 2 * MIB, 0) == bytes(2 * MIB)


def test_zeroing_more_than_fits_leaves_the_file_as_it_was(small):
    with sysc.opened(small / "z", os.O_RDWR | os.O_CREAT) as fd:
        os.write(fd, b"z" * MIB)
        with fails(errno.ENOSPC):
            sysc.fallocate(fd, sysc.FALLOC_ZERO_RANGE, 0, 64 * MIB)
        assert os.pread(fd, 2 * MIB, 0) == b"z" * MIB


def test_a_full_store_can_be_mounted_again(small):
    good = _fill(small)
    small.unmount()
    small.mount()
    for name in good:
        assert read_file(small / name) == b"x" * MIB
    with fails(errno.ENOENT):
        os.stat(small / "never")


def test_statfs_promises_no_room_that_is_kept_for_the_journal(small):
    st = os.statvfs(small.top)
    # Half a MiB less, which the journal may have taken.
    most = st.f_bavail * st.f_frsize - MIB // 2
    with sysc.opened(small / "big", os.O_RDWR | os.O_CREAT) as fd:
        sysc.fallocate(fd, 0, 0, most)
        with fails(errno.ENOSPC):
            sysc.fallocate(fd, 0, most, 2 * MIB)
