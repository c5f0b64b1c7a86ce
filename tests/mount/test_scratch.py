# SPDX-License-Identifier: MIT
"""A view without a base: `mapfs mount none`.

The mode "copy" is the one in memory, "kept" the one with a store.
"""
import errno
import json
import mmap
import os
import shutil
import sqlite3
import subprocess
import sys

import pytest

from support import sysc, tree
from support.isolate import USER_UID
from support.load import patience
from support.programs import need
from support.sysc import fails, opened, read_file, write_file
from support.view import (binary, is_mounted, mapfs, refused, run, status_of,
                          wait_for)

MIB = 1 << 20

pytestmark = pytest.mark.modes("copy", "kept", plain=False)
KEPT = pytest.mark.modes("kept", plain=False)
MEMORY = pytest.mark.modes("copy", plain=False)


@pytest.fixture
def empty(view):
    """A view of no base, mounted when it is first used."""
    view.source = "none"
    return view


def _letters(where, *args):
    return mapfs("diff", *args, where, check=False).text.splitlines()


# --- what it shows ----------------------------------------------------------

def test_it_begins_as_an_empty_directory_of_the_one_who_mounts(empty):
    st = os.stat(empty.top)
    assert os.listdir(empty.top) == []
    assert (st.st_mode & 0o7777, st.st_nlink) == (0o755, 2)
    assert (st.st_uid, st.st_gid) == (os.geteuid(), os.getegid())
    assert os.listxattr(empty.top) == []
    row = json.loads(mapfs("list", "--json").text)[0]
    assert (row["base"], row["mode"]) == ("none", "copy")
    status = status_of(empty.top)
    assert (status["base"], status["base_state"]) == ("none", "fits")


def test_files_of_every_sort_are_as_on_a_file_system(empty):
    write_file(empty / "f", b"f" * 3 * MIB)
    os.makedirs(empty / "a/b/c")
    os.symlink("f", empty / "l")
    os.link(empty / "f", empty / "a/hard")
    os.mkfifo(empty / "p")
    os.setxattr(empty / "f", "user.a", b"1")
    os.rename(empty / "a/b", empty / "b")
    os.rmdir(empty / "b/c")
    assert read_file(empty / "a/hard") == b"f" * 3 * MIB
    assert sorted(os.listdir(empty.top)) == ["a", "b", "f", "l", "p"]
    os.chmod(empty.top, 0o700)
    assert os.stat(empty.top).st_mode & 0o777 == 0o700


def test_a_name_that_was_removed_is_gone(empty):
    write_file(empty / "f", b"x")
    os.unlink(empty / "f")
    assert os.listdir(empty.top) == []
    assert _letters(empty.top) == []


CHILD = """
import mmap, os, sys
with open(sys.argv[1], "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
sys.stdout.write("ready\\n")
sys.stdout.flush()
for line in sys.stdin:
    at = int(line)
    m[at + 1] = m[at] + 1
    sys.stdout.write("done\\n")
    sys.stdout.flush()
"""


def test_two_processes_that_map_a_file_see_each_others_stores(empty):
    """Neither flushes anything: it is one memory."""
    write_file(empty / "shared", bytes(2 * mmap.PAGESIZE))
    with opened(empty / "shared", os.O_RDWR) as fd:
        m = mmap.mmap(fd, 0)
    other = subprocess.Popen(
        [sys.executable, "-c", CHILD, empty / "shared"], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == "ready\n"
        for at in (0, mmap.PAGESIZE - 1, mmap.PAGESIZE + 7):
            m[at] = 40
            print(at, file=other.stdin, flush=True)
            assert other.stdout.readline() == "done\n"
            assert m[at + 1] == 41
    finally:
        other.stdin.close()
        other.wait(patience())
    m.flush()
    m.close()
    with opened(empty / "shared", os.O_RDONLY) as fd:
        assert os.pread(fd, 2, mmap.PAGESIZE - 1) == bytes([40, 41])


def test_sqlite_works_in_it(empty):
    db = sqlite3.connect(empty / "app.db")
    db.execute("pragma journal_mode = wal")
    db.execute("create table t (n)")
    with db:
        db.executemany("insert into t values (?)", [(n,) for n in range(999)])
    other = sqlite3.connect(empty / "app.db")
    assert other.execute("select sum(n) from t").fetchone() == (499 * 999,)
    db.close()
    other.close()


def test_git_works_in_it(empty):
    need("git")
    env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null",
               GIT_CONFIG_SYSTEM="/dev/null")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", empty.top]
    run(*git, "init", "-q", env=env)
    write_file(empty / "a", b"a\n")
    run(*git, "add", "a", env=env)
    run(*git, "commit", "-qm", "one", env=env)
    assert run(*git, "status", "--porcelain", env=env).text == ""
    assert run(*git, "fsck", env=env).text == ""


# --- what stays -------------------------------------------------------------

@MEMORY
def test_in_memory_it_is_gone_when_unmounted(empty):
    write_file(empty / "f", b"x")
    empty.unmount()
    assert os.listdir(empty.mnt) == []
    assert os.listdir(empty / "") == []


@KEPT
def test_with_a_store_everything_stays_the_root_included(empty):
    os.mkdir(empty / "d")
    write_file(empty / "d/f", b"f" * 5000)
    write_file(empty / "gone", b"x")
    os.unlink(empty / "gone")
    before = empty.look()
    empty.unmount()
    empty.mount()
    tree.assert_same_but_a_tick(before, empty.look(), "mounted again")


ROOT = ("st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_size",
        "st_atime_ns", "st_mtime_ns", "st_ctime_ns")


@KEPT
def test_an_untouched_root_is_as_old_as_the_store(empty):
    before = os.stat(empty.top)
    tick = empty.scratch / "tick"	# outside of the view

    def is_later():
        write_file(tick)
        return os.stat(tick).st_mtime_ns > before.st_ctime_ns

    wait_for("the clock", is_later)
    empty.unmount()
    empty.mount()
    after = os.stat(empty.top)
    assert [getattr(after, name) for name in ROOT] == \
        [getattr(before, name) for name in ROOT]


@pytest.mark.modes("kept", people=("root",), plain=False)
def test_the_root_belongs_to_the_one_who_made_the_store(empty):
    """Root mounts the store of another user."""
    layer = empty.scratch / "layer.tar"
    write_file(layer, bytes(1024))
    os.chown(empty.scratch, USER_UID, USER_UID)
    with open(layer, "rb") as f:
        run("setpriv", f"--reuid={USER_UID}", f"--regid={USER_UID}",
            "--clear-groups", binary(), "import", "none", empty.store,
            stdin=f)
    empty.options = ["--trust"]
    st = os.stat(empty.top)
    assert (st.st_uid, st.st_gid) == (USER_UID, USER_UID)


@KEPT
def test_it_has_a_history(empty):
    write_file(empty / "a", b"one\n")
    mapfs("snapshot", empty.top, "first")
    write_file(empty / "a", b"one\ntwo\n")
    write_file(empty / "b", b"b")
    os.mkdir(empty / "d")
    assert _letters(empty.top) == ["A f a", "A f b", "A d d"]
    assert _letters(empty.top, "-p")[-2:] != []
    changed = mapfs("diff", empty.top, "first..", check=False).text
    assert changed.splitlines() == ["M f a", "A f b", "A d d"]
    patch = mapfs("diff", "-p", empty.top, check=False).text
    assert "--- /dev/null\n+++ b/a\n@@ -0,0 +1,2 @@\n+one\n+two\n" in patch
    mapfs("revert", empty / "b")
    assert not os.path.exists(empty / "b")
    mapfs("branch", f"{empty.store}@first", empty.scratch / "branch")
    mapfs("rollback", "-y", empty.top, "first")
    assert read_file(empty / "a") == b"one\n"
    assert os.listdir(empty.top) == ["a"]
    empty.unmount()
    assert _letters(empty.store) == ["A f a"]
    assert "first" in mapfs("log", empty.store).text
    empty.store = empty.scratch / "branch"
    assert read_file(empty / "a") == b"one\n"
    write_file(empty / "c", b"c")
    assert _letters(empty.top) == ["A f a", "A f c"]


@KEPT
def test_a_snapshot_can_be_mounted(empty):
    write_file(empty / "a", b"then")
    mapfs("snapshot", empty.top, "s")
    write_file(empty / "a", b"now")
    empty.unmount()
    store, empty.store = empty.store, f"{empty.store}@s"
    assert read_file(empty / "a") == b"then"
    assert os.statvfs(empty.top).f_flag & os.ST_RDONLY
    empty.unmount()
    empty.store = store
    assert read_file(empty / "a") == b"now"


@KEPT
def test_it_survives_the_death_of_its_daemon(empty):
    write_file(empty / "f", b"f" * MIB)
    with opened(empty / "f", os.O_RDONLY) as fd:
        os.fsync(fd)
    before = empty.look()
    empty.kill()
    tree.assert_same_but_a_tick(before, empty.look(), "after a kill")


@KEPT
def test_export_and_import_carry_it_to_another_store(empty):
    os.mkdir(empty / "d")
    write_file(empty / "d/f", b"f" * 5000)
    write_file(empty / "g", b"g")
    before = empty.look(("ino", "ctime", "atime", "mtime"))
    empty.unmount()
    layer = empty.scratch / "layer.tar"
    with open(layer, "wb") as out:
        subprocess.run([binary(), "export", empty.store], stdout=out,
                       check=True, timeout=patience())
    empty.store = empty.scratch / "other"
    with open(layer, "rb") as f:
        mapfs("import", "none", empty.store, stdin=f)
    assert empty.look(("ino", "ctime", "atime", "mtime")) == before


# --- its size ---------------------------------------------------------------

def _free_bytes(view):
    st = os.statvfs(view.top)
    return st.f_bavail * st.f_frsize


def _total_bytes(view):
    st = os.statvfs(view.top)
    return st.f_blocks * st.f_frsize


def _fill(view):
    """Writes files of 1 MiB until there is no room; their number."""
    for n in range(64):
        with opened(view / f"f{n}", os.O_WRONLY | os.O_CREAT) as fd:
            try:
                assert os.write(fd, b"x" * MIB) == MIB
            except OSError as e:
                assert e.errno == errno.ENOSPC
                os.unlink(view / f"f{n}")
                return n
    raise AssertionError("64 MiB fit")


@MEMORY
def test_half_of_memory_is_its_size(empty):
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert _total_bytes(empty) == _free_bytes(empty)
    assert abs(_total_bytes(empty) - memory // 2) < mmap.PAGESIZE
    empty.unmount()
    # A view of a directory that is kept in memory has the same limit.
    empty.source, empty.options = empty.base, ["-s", "memory"]
    assert abs(_total_bytes(empty) - memory // 2) < mmap.PAGESIZE


@pytest.mark.parametrize("size, want", [
    ("16M", 16 * MIB), ("16m", 16 * MIB), ("0x800000", 8 * MIB),
    ("4096s", 2 * MIB), ("1T", 1 << 40), ("5000", 8192)])
def test_df_shows_the_size(empty, size, want):
    empty.options = ["-o", f"size={size}"]
    assert _total_bytes(empty) == want


@MEMORY
def test_a_size_may_be_a_part_of_memory(empty):
    empty.options = ["-o", "size=10%"]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert abs(_total_bytes(empty) - memory // 10) < 2 * mmap.PAGESIZE


def test_a_full_view_is_enospc_until_something_is_removed(empty):
    empty.options = ["-o", "size=8M"]
    for _ in range(3):
        assert _fill(empty) == 8
        assert _free_bytes(empty) == 0
        with opened(empty / "more", os.O_RDWR | os.O_CREAT) as fd:
            with fails(errno.ENOSPC):
                sysc.fallocate(fd, 0, 0, 1)
            # The kernel forgets a removed file some time after the removal.
            os.truncate(empty / "f3", 0)
            sysc.fallocate(fd, 0, 0, MIB)
            with fails(errno.ENOSPC):
                sysc.fallocate(fd, 0, MIB, 1)
        for name in os.listdir(empty.top):
            os.truncate(empty / name, 0)
            os.unlink(empty / name)


def test_a_full_view_takes_bytes_where_it_has_pages(empty):
    empty.options = ["-o", "size=8M"]
    _fill(empty)
    with opened(empty / "f0", os.O_RDWR) as fd:
        os.pwrite(fd, b"y" * MIB, 0)
        os.ftruncate(fd, MIB // 2)
        os.pwrite(fd, b"z", MIB - 1)	# a hole, and one page
    assert read_file(empty / "f0") == \
        b"y" * (MIB // 2) + bytes(MIB // 2 - 1) + b"z"


def test_the_write_itself_fails_and_leaves_nothing(empty):
    empty.options = ["-o", "size=1M"]
    with opened(empty / "f", os.O_RDWR | os.O_CREAT) as fd:
        assert os.pwrite(fd, b"x" * MIB, 0) == MIB
        with fails(errno.ENOSPC):
            os.pwrite(fd, b"y", MIB)
        assert os.fstat(fd).st_size == MIB
    assert read_file(empty / "f") == b"x" * MIB


def test_the_cache_of_writes_can_be_had_with_a_size(empty):
    empty.options = ["-o", "size=1M,writeback"]
    with opened(empty / "f", os.O_RDWR | os.O_CREAT) as fd:
        os.pwrite(fd, b"x" * 2 * MIB, 0)
        with fails(errno.ENOSPC):
            os.fsync(fd)
        os.ftruncate(fd, 0)


@KEPT
def test_pages_of_a_snapshot_count(empty):
    empty.options = ["-o", "size=4M"]
    assert _fill(empty) == 4
    mapfs("snapshot", empty.top, "s")
    for n in range(4):
        os.unlink(empty / f"f{n}")
    assert _fill(empty) == 0
    mapfs("snapshot", "-d", empty.top, "s")
    for name in os.listdir(empty.top):
        os.unlink(empty / name)
    wait_for("the pages of the snapshot", lambda: _free_bytes(empty) >= 2 * MIB)
    write_file(empty / "again", b"x" * MIB)


@KEPT
def test_a_smaller_size_refuses_only_new_pages(empty):
    write_file(empty / "f", b"f" * 4 * MIB)
    empty.unmount()
    empty.options = ["-o", "size=1M"]
    assert read_file(empty / "f") == b"f" * 4 * MIB
    assert (_total_bytes(empty), _free_bytes(empty)) == (MIB, 0)
    with opened(empty / "f", os.O_RDWR) as fd:
        os.pwrite(fd, b"g" * MIB, 0)
        with fails(errno.ENOSPC):
            os.pwrite(fd, b"h", 4 * MIB)
        os.ftruncate(fd, MIB // 2)
        sysc.fallocate(fd, 0, MIB // 2, MIB // 4)
    assert _free_bytes(empty) == MIB // 4


@pytest.mark.modes("copy", people=("root",), plain=False)
def test_a_view_of_a_directory_has_a_size_too(empty):
    write_file(empty.base / "old", b"o" * 2 * MIB)
    empty.source, empty.options = empty.base, ["-o", "size=1M"]
    with opened(empty / "old", os.O_RDWR) as fd:
        os.pwrite(fd, b"n" * MIB, 0)
        assert _free_bytes(empty) == 0
        with fails(errno.ENOSPC):
            os.pwrite(fd, b"n", MIB)
    assert read_file(empty / "old") == b"n" * MIB + b"o" * MIB


@MEMORY
@pytest.mark.parametrize("size", ["0", "", "-1", "1X", "101%", "0%", "%", "1M2",
                                  "99999999999999999999", "9999999T"])
def test_what_is_no_size_is_refused(empty, size):
    p = mapfs("mount", "-o", f"size={size}", "none", empty.mnt, check=False)
    assert p.returncode == 2
    assert p.text.startswith(f"mapfs: option size={size}: not a size; ")
    assert not is_mounted(empty.mnt)


@MEMORY
def test_modes_without_private_pages_have_no_size(empty):
    p = mapfs("mount", "-m", "read", "-o", "size=1M", empty.base, empty.mnt,
              check=False)
    assert (p.returncode, "option size: only copy mode" in p.text) == (2, True)


@pytest.mark.modes("copy", people=("root",), plain=False)
def test_fstab_and_a_remount_know_the_size(empty):
    helper = empty.scratch / "mount.fuse.mapfs"
    os.symlink(binary(), helper)
    run(helper, "none", empty.mnt, "-o", "rw,size=4M")
    try:
        assert os.statvfs(empty.mnt).f_blocks * mmap.PAGESIZE == 4 * MIB
        run(helper, "none", empty.mnt, "-o", "remount,ro,size=4M")
        assert os.statvfs(empty.mnt).f_flag & os.ST_RDONLY
        p = run(helper, "none", empty.mnt, "-o", "remount,size=5M",
                check=False)
        assert (p.returncode, "option size: cannot change" in p.text) == \
            (2, True)
    finally:
        mapfs("umount", empty.mnt)


# --- what is refused --------------------------------------------------------

@KEPT
def test_there_is_nothing_to_commit_to(empty):
    write_file(empty / "a", b"a")
    empty.unmount()
    for extra in (["-y"], ["-n"], ["--undo", "-y"]):
        words = refused("commit", *extra, empty.store)
        assert "has no base" in words
        assert f"mapfs export {empty.store}" in words
    assert read_file(empty / "a") == b"a"


@KEPT
def test_store_and_directory_do_not_fit_together(empty):
    write_file(empty / "a", b"a")
    empty.unmount()
    words = refused("mount", "-s", empty.store, empty.base, empty.mnt)
    assert f"store {empty.store} has no base" in words
    assert f"mapfs mount -s {empty.store} none MOUNTPOINT" in words
    empty.store, empty.source = empty.scratch / "second", empty.base
    assert os.listdir(empty.top) == []
    empty.unmount()
    words = refused("mount", "-s", empty.store, "none", empty.mnt)
    assert "needs that base" in words
    assert f"mapfs mount -s {empty.store} {empty.base} MOUNTPOINT" in words
    assert not is_mounted(empty.mnt)


@MEMORY
@pytest.mark.parametrize("mode", ["read", "write"])
def test_only_copy_mode_has_it(empty, mode):
    p = mapfs("mount", "-m", mode, "none", empty.mnt, check=False)
    assert p.returncode == 2
    assert "there is none; use mode copy, or name a directory" in p.text


@MEMORY
def test_a_directory_of_that_name_needs_a_slash(empty):
    os.mkdir(empty.scratch / "none")
    write_file(empty.scratch / "none/f", b"f")
    os.chdir(empty.scratch)
    assert os.listdir(empty.top) == []
    empty.unmount()
    empty.source = "./none"
    assert os.listdir(empty.top) == ["f"]
    empty.unmount()
    os.chdir("/")
    shutil.rmtree(empty.scratch / "none")
