# SPDX-License-Identifier: MIT
"""Attributes: modes, owners, times, and what clears what."""
import errno
import os
import stat
import time

import pytest

from support import sysc
from support.sysc import fails, opened, read_file, write_file

S = 10**9


def _mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o600, 0o755, 0o1777, 0o6711])
def test_chmod_sets_exactly_these_bits(view, origin, mode):
    f = origin.file("f", b"bytes")
    os.chmod(f, mode)
    assert _mode(f) == mode
    os.chmod(f, 0o644)
    assert read_file(f) == b"bytes"


def test_chmod_of_a_directory_sets_exactly_these_bits(view, origin):
    d = origin.dir("d")
    os.chmod(d, 0o1750)
    assert _mode(d) == 0o1750


def test_chmod_of_the_top_is_seen(view):
    os.chmod(view.top, 0o711)
    assert _mode(view.top) == 0o711


def test_chmod_changes_ctime_and_not_mtime(view, origin):
    f = origin.file("f")
    before = os.stat(f)
    time.sleep(0.02)
    os.chmod(f, 0o600)
    after = os.stat(f)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert after.st_ctime_ns > before.st_ctime_ns


def test_fchmod_of_an_open_file_is_seen_by_path(view, origin):
    f = origin.file("f")
    with opened(f, os.O_RDONLY) as fd:
        os.fchmod(fd, 0o640)
    assert _mode(f) == 0o640


def test_creation_mode_obeys_the_umask(view):
    old = os.umask(0o027)
    try:
        write_file(view / "f", mode=0o666)
        os.mkdir(view / "d", 0o777)
        os.mkfifo(view / "p", 0o666)
    finally:
        os.umask(old)
    assert _mode(view / "f") == 0o640
    assert _mode(view / "d") == 0o750
    assert _mode(view / "p") == 0o640


def test_new_objects_belong_to_who_made_them(view):
    write_file(view / "f")
    os.mkdir(view / "d")
    os.symlink("x", view / "l")
    for name in "fdl":
        st = os.lstat(view / name)
        assert (st.st_uid, st.st_gid) == (os.geteuid(), os.getegid()), name


def test_new_objects_inherit_group_and_bit_of_a_set_gid_directory(view,
                                                                  origin):
    d = origin.dir("d")
    if os.geteuid() == 0:
        os.chown(d, -1, 4712)
    os.chmod(d, 0o2775)
    os.mkdir(d / "e")
    write_file(d / "f")
    gid = os.stat(d).st_gid
    assert os.stat(d / "e").st_gid == gid
    assert os.stat(d / "f").st_gid == gid
    assert _mode(d / "e") == 0o2755
    assert _mode(d / "f") == 0o644


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_chown_sets_owner_and_group(view, origin):
    f = origin.file("f", b"bytes")
    os.chown(f, 12345, 54321)
    st = os.stat(f)
    assert (st.st_uid, st.st_gid) == (12345, 54321)
    os.chown(f, -1, 7)
    st = os.stat(f)
    assert (st.st_uid, st.st_gid) == (12345, 7)
    assert read_file(f) == b"bytes"


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_lchown_changes_the_link_and_not_its_target(view, origin):
    f = origin.file("f")
    link = origin.make("l", lambda p: os.symlink("f", p))
    os.lchown(link, 5, 6)
    assert os.lstat(link).st_uid == 5
    assert os.stat(f).st_uid == 0


@pytest.mark.modes("write", "copy", "kept", people=("user",))
def test_chown_to_oneself_works_and_to_another_is_eperm(view, origin):
    f = origin.file("f")
    os.chown(f, os.geteuid(), os.getegid())
    with fails(errno.EPERM):
        os.chown(f, 0, -1)
    with fails(errno.EPERM):
        os.chown(f, -1, 0)


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_chown_clears_set_id_bits_of_a_program(view, origin):
    f = origin.file("f", b"x", 0o6755)
    os.chown(f, 1, 1)
    assert _mode(f) == 0o755


def _write(path):
    with opened(path, os.O_WRONLY) as fd:
        os.pwrite(fd, b"y", 0)


def _allocate(path):
    with opened(path, os.O_WRONLY) as fd:
        sysc.fallocate(fd, 0, 0, 9000)


def _copy(path):
    with opened(path, os.O_RDWR) as fd:
        os.copy_file_range(fd, fd, 100, 0, 4000)


CHANGES = {"write": _write, "truncate": lambda p: os.truncate(p, 10),
           "allocate": _allocate, "copy-range": _copy}


@pytest.mark.modes("write", "copy", "kept", people=("user",))
@pytest.mark.parametrize("how", sorted(CHANGES))
def test_changing_the_bytes_clears_set_id_bits(view, origin, how):
    f = origin.file("f", b"x" * 5000, 0o6777)
    assert _mode(f) == 0o6777
    CHANGES[how](f)
    assert _mode(f) == 0o777


@pytest.mark.modes("write", "copy", "kept", people=("root",))
@pytest.mark.parametrize("how", sorted(CHANGES))
def test_root_changing_the_bytes_keeps_set_id_bits(view, origin, how):
    f = origin.file("f", b"x" * 5000, 0o6777)
    CHANGES[how](f)
    assert _mode(f) == 0o6777


def test_utimens_sets_both_times_to_the_nanosecond(view, origin):
    f = origin.file("f")
    os.utime(f, ns=(1 * S + 123456789, 2 * S + 987654321))
    st = os.stat(f)
    assert st.st_atime_ns == 1 * S + 123456789
    assert st.st_mtime_ns == 2 * S + 987654321


@pytest.mark.parametrize("second", [-1, 0, 2**31 - 1, 2**31, 2**33])
def test_times_beyond_32_bits_and_before_1970_survive(view, origin, second):
    f = origin.file("f")
    probe = view.tmp / "probe"
    try:
        write_file(probe)
        os.utime(probe, ns=(second * S, second * S))
        fits = os.stat(probe).st_mtime_ns == second * S
    finally:
        os.unlink(probe)
    if not fits:
        pytest.skip("the file system below cannot hold this time")
    os.utime(f, ns=(second * S, second * S))
    assert os.stat(f).st_mtime_ns == second * S


def test_utimens_of_a_directory_survives_looking_into_it(view, origin):
    d = origin.dir("d")
    origin_file = d / "f"
    write_file(origin_file)
    os.utime(d, ns=(5 * S, 6 * S))
    os.listdir(d)
    assert os.stat(d).st_mtime_ns == 6 * S


def test_utimens_of_a_symlink_leaves_its_target(view, origin):
    f = origin.file("f")
    link = origin.make("l", lambda p: os.symlink("f", p))
    before = os.stat(f).st_mtime_ns
    os.utime(link, ns=(3 * S, 4 * S), follow_symlinks=False)
    assert os.lstat(link).st_mtime_ns == 4 * S
    assert os.stat(f).st_mtime_ns == before


def test_utime_now_is_the_present(view, origin):
    f = origin.file("f")
    os.utime(f, ns=(1 * S, 1 * S))
    start = time.time_ns()
    os.utime(f)
    st = os.stat(f)
    assert abs(st.st_mtime_ns - start) < 60 * S
    assert abs(st.st_atime_ns - start) < 60 * S


def test_write_changes_mtime_and_ctime(view, origin):
    f = origin.file("f", b"x")
    os.utime(f, ns=(1 * S, 1 * S))
    before = os.stat(f)
    time.sleep(0.02)
    with opened(f, os.O_WRONLY) as fd:
        os.write(fd, b"y")
    after = os.stat(f)
    assert after.st_mtime_ns > before.st_mtime_ns
    assert after.st_ctime_ns > before.st_ctime_ns


def test_mtime_set_after_a_write_is_not_overtaken_by_it(view, origin):
    f = origin.file("f", b"x")
    with opened(f, os.O_WRONLY) as fd:
        os.write(fd, b"yy")
        os.utime(fd, ns=(5 * S, 6 * S))
    assert os.stat(f).st_mtime_ns == 6 * S
    sysc.syncfs(view.top)
    assert os.stat(f).st_mtime_ns == 6 * S
    assert read_file(f) == b"yy"


def test_name_changes_touch_the_directory_times(view, origin):
    d = origin.dir("d")
    os.utime(d, ns=(1 * S, 1 * S))
    write_file(d / "f")
    made = os.stat(d).st_mtime_ns
    assert made > S
    time.sleep(0.02)
    os.rename(d / "f", d / "g")
    moved = os.stat(d).st_mtime_ns
    assert moved > made
    time.sleep(0.02)
    os.unlink(d / "g")
    assert os.stat(d).st_mtime_ns > moved


def test_reading_changes_no_mtime(view, origin):
    f = origin.file("f", b"x" * 9000)
    before = os.stat(f)
    read_file(f)
    after = os.stat(f)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert after.st_ctime_ns == before.st_ctime_ns


def test_birth_time_never_changes(view, origin):
    f = origin.file("f", b"x")
    birth = sysc.birth_time_ns(f)
    if birth is None:
        pytest.skip("the kernel passes no birth time")
    time.sleep(0.02)
    write_file(f, b"changed")
    os.rename(f, view / "g")
    os.utime(view / "g", ns=(1, 1))
    assert sysc.birth_time_ns(view / "g") == birth


def test_old_file_keeps_all_attributes_on_its_first_change(view):
    write_file(view.base / "f", b"x" * 10000)
    os.chmod(view.base / "f", 0o4751)
    os.utime(view.base / "f", ns=(7 * S, 8 * S))
    before = os.stat(view / "f")
    os.chmod(view / "f", 0o4750)
    after = os.stat(view / "f")
    assert after.st_size == before.st_size
    assert after.st_ino == before.st_ino
    assert after.st_uid == before.st_uid
    assert after.st_mtime_ns == 8 * S
    assert after.st_atime_ns == 7 * S
    assert after.st_nlink == 1


def test_statfs_answers_like_a_file_system(view):
    st = os.statvfs(view.top)
    assert st.f_namemax == 255
    assert st.f_blocks >= st.f_bfree >= st.f_bavail
    assert st.f_bsize >= 512


def test_blocks_grow_with_data(view):
    write_file(view / "f", os.urandom(100000))
    sysc.syncfs(view.top)
    blocks = os.stat(view / "f").st_blocks
    assert blocks * 512 >= 100000
    assert blocks * 512 < 300000


def test_directory_link_count_follows_its_subdirectories(view, origin):
    d = origin.dir("d")
    if os.stat(d).st_nlink == 1:
        pytest.skip("the file system below does not count subdirectories")
    os.mkdir(d / "a")
    os.mkdir(d / "b")
    assert os.stat(d).st_nlink == 4
    os.rmdir(d / "a")
    assert os.stat(d).st_nlink == 3
    os.rename(d / "b", view / "b")
    assert os.stat(d).st_nlink == 2
