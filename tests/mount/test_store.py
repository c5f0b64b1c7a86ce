# SPDX-License-Identifier: MIT
"""Stores: what they keep, who may open them, and which are refused."""
import contextlib
import errno
import fcntl
import mmap
import os
import shutil
import signal
import stat
import subprocess
import threading

import pytest

from support import sysc, tree
from support.load import patience
from support.sysc import opened, read_file, write_file
from support.view import View, binary, mapfs, wait_for


def _refused(view, *words):
    """The mount must fail with one sentence that has all these words."""
    p = subprocess.run(view.command(), stdin=subprocess.DEVNULL,
                       timeout=patience(),
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    text = p.stderr.decode(errors="replace")
    assert p.returncode > 0, text
    for word in words:
        assert str(word) in text, f"{word!r} is missing in: {text}"
    lines = [line for line in text.split("\n") if line]
    assert len(lines) == 1, f"more than a sentence: {text}"
    return text


def _fill(view):
    """Makes a change of every kind, to old objects and to new ones."""
    b = view.base
    os.mkdir(b / "d")
    for i in range(10):
        write_file(b / f"d/{i}", b"%d" % i * 9000)
    os.link(b / "d/1", b / "hard")
    os.symlink("d/1", b / "l")
    v = view
    with opened(v / "d/1", os.O_RDWR) as fd:
        os.pwrite(fd, b"changed", 5000)
        sysc.fallocate(fd, 3, 0, 4096)
    os.unlink(v / "d/2")
    os.rename(v / "d", v / "e")
    os.mkdir(v / "d")
    os.rename(v / "e/3", v / "d/three")
    os.chmod(v / "e/4", 0o4711)
    os.utime(v / "e/5", ns=(123456789, 987654321))
    os.truncate(v / "e/6", 5)
    os.truncate(v / "e/6", 50000)
    os.symlink(b"\xff" * 50, os.fsencode(v / "sym"))
    os.mkfifo(v / "p", 0o612)
    write_file(v / "new", os.urandom(300000))
    os.link(v / "new", v / "d/newlink")
    for path in (v / "new", v / "d", v / "e/7"):
        try:
            os.setxattr(path, "user.a", b"value")
        except OSError as e:
            assert e.errno == errno.EOPNOTSUPP
    if os.geteuid() == 0:
        os.chown(v / "e/8", 12, 34)
        os.mknod(v / "dev", stat.S_IFCHR | 0o600, os.makedev(9, 99))


@pytest.mark.modes("kept", plain=False)
def test_remount_keeps_everything(view):
    _fill(view)
    before = view.look()
    for _ in range(3):
        view.remount()
        tree.assert_same_but_a_tick(before, view.look(), "something was lost")


@pytest.mark.modes("kept", plain=False)
def test_changes_after_a_remount_join_the_earlier_ones(view):
    _fill(view)
    view.remount()
    os.rename(view / "d", view / "e/d")
    with opened(view / "new", os.O_RDWR) as fd:
        os.pwrite(fd, b"again", 250000)
    os.unlink(view / "e/d/newlink")
    before = view.look()
    view.remount()
    tree.assert_same_but_a_tick(before, view.look(), "something was lost")
    assert os.stat(view / "new").st_nlink == 1


@pytest.mark.modes("kept", plain=False)
def test_store_of_many_changes_is_opened_again(view):
    """If the journal was compacted, nothing is lost."""
    os.mkdir(view / "d")
    for i in range(1500):
        write_file(view / f"d/{i}", b"%d" % i)
    for i in range(0, 1500, 3):
        os.unlink(view / f"d/{i}")
    for i in range(1, 1500, 3):
        os.rename(view / f"d/{i}", view / f"d/m{i}")
    with opened(view / "f", os.O_RDWR | os.O_CREAT) as fd:
        for i in range(2000):
            os.pwrite(fd, b"%06d" % i, (i * 7919) % 1000 * 4096)
    view.remount()
    assert len(os.listdir(view / "d")) == 1000
    assert read_file(view / "d/m1") == b"1"


def test_copy_of_a_store_in_use_is_mounted_with_a_warning(kept_view, scratch):
    """`cp -r` of a mounted store was opened without a word."""
    with opened(kept_view / "f", os.O_RDWR | os.O_CREAT) as fd:
        os.write(fd, b"synced")
        os.fsync(fd)
    copy = scratch / "copy"
    shutil.copytree(kept_view.store, copy)
    kept_view.unmount()
    text = mapfs("mount", "-s", copy, kept_view.base, kept_view.mnt).text
    assert f"store {copy} is a copy that was taken while" in text
    assert text.count("\n") == 1
    assert read_file(kept_view.mnt / "f") == b"synced"
    mapfs("umount", kept_view.mnt)
    assert mapfs("mount", "-s", copy, kept_view.base,
                 kept_view.mnt).text == ""
    mapfs("umount", kept_view.mnt)


def test_segment_cut_off_after_a_clean_end_is_refused(kept_view):
    """Half of the synced files were missing, without a word."""
    for n in range(20):
        write_file(kept_view / f"{n}", b"x")
    kept_view.unmount()
    segment = kept_view.store / "journal/1"
    os.truncate(segment, segment.stat().st_size * 2 // 3)
    _refused(kept_view, f"store {kept_view.store}: segment 1 (journal/1) is "
             "damaged at byte ", "`mapfs check", "-o salvage")


def test_directory_that_does_not_exist_becomes_the_store(kept_view):
    assert not kept_view.store.exists()
    write_file(kept_view / "f", b"x")
    kept_view.unmount()
    assert (kept_view.store / "README").exists()
    text = (kept_view.store / "README").read_text()
    assert "mapfs" in text


def test_store_is_of_its_owner_only(kept_view):
    """The pages may hold content of files that others cannot read."""
    write_file(kept_view / "f", b"secret")
    kept_view.unmount()
    if not os.stat(kept_view.store).st_mode & 0o077:
        return
    for part in ("pages", "journal"):
        assert not os.stat(kept_view.store / part).st_mode & 0o077, part


def test_store_in_use_is_refused_naming_its_mount(kept_view, scratch):
    write_file(kept_view / "f", b"x")
    other = View(scratch, "kept")
    other.mnt = scratch / "mnt2"
    other.mnt.mkdir()
    text = _refused(other, kept_view.store, kept_view.mnt,
                    "in use")
    assert str(kept_view.proc.pid) in text
    assert read_file(kept_view / "f") == b"x"
    kept_view.remount()
    assert read_file(kept_view / "f") == b"x"


def test_store_is_free_again_after_a_kill(kept_view):
    write_file(kept_view / "f", b"x")
    kept_view.kill()
    assert read_file(kept_view / "f") == b"x"


def test_store_of_another_base_is_refused(kept_view, scratch):
    write_file(kept_view / "f", b"x")
    kept_view.unmount()
    right, kept_view.base = kept_view.base, scratch / "base2"
    kept_view.base.mkdir()
    _refused(kept_view, kept_view.store, right)
    kept_view.base = right
    assert read_file(kept_view / "f") == b"x"


def test_store_inside_the_base_is_refused(kept_view):
    kept_view.store = kept_view.base / "store"
    _refused(kept_view, kept_view.store, kept_view.base, "inside")
    assert not kept_view.store.exists() or \
        os.listdir(kept_view.store) == []


def test_base_inside_the_store_is_refused(kept_view):
    kept_view.store.mkdir()
    kept_view.base = kept_view.store / "base"
    kept_view.base.mkdir()
    write_file(kept_view.base / "f", b"kept")
    _refused(kept_view, kept_view.store, kept_view.base)
    assert read_file(kept_view.base / "f") == b"kept"


def test_base_as_its_own_store_is_refused(kept_view):
    write_file(kept_view.base / "f", b"kept")
    kept_view.store = kept_view.base
    _refused(kept_view, kept_view.base)
    assert os.listdir(kept_view.base) == ["f"]


def test_directory_with_other_things_is_not_taken_as_a_store(kept_view):
    kept_view.store.mkdir()
    write_file(kept_view.store / "thesis", b"precious")
    _refused(kept_view, kept_view.store, "not a store")
    assert os.listdir(kept_view.store) == ["thesis"]


def test_file_as_a_store_is_refused(kept_view):
    write_file(kept_view.store, b"precious")
    _refused(kept_view, kept_view.store, "not a directory")
    assert read_file(kept_view.store) == b"precious"


def test_store_without_permission_is_refused(kept_view, scratch):
    closed = scratch / "closed"
    closed.mkdir()
    kept_view.store = closed / "store"
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        sysc.mount("none", closed, "tmpfs", 1)
        closed.exists()
    _refused(kept_view, kept_view.store)


def _segments(view):
    return sorted(p for p in (view.store / "journal").iterdir()
                  if p.name.isdigit() and p.stat().st_size)


def test_store_of_a_newer_format_is_refused(kept_view):
    """The segment's header has a version above ours."""
    v = kept_view
    write_file(v / "f", b"x")
    v.unmount()
    hit = False
    for seg in _segments(v):
        data = bytearray(seg.read_bytes())
        for at in range(8, 24):
            if data[at] == 1 and data[at + 1] == 0:
                newer = bytearray(data)
                newer[at] = 99
                seg.write_bytes(newer)
                p = subprocess.run(v.command(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, timeout=patience(),
                                   stderr=subprocess.PIPE)
                assert p.returncode > 0
                hit = hit or b"newer" in p.stderr
        seg.write_bytes(data)
    assert hit, "no refusal spoke of a newer version"
    v.expected.append("newer|damage|journal")
    assert read_file(v / "f") == b"x"


def _content(view):
    """The bytes of all files of the view; None for a file that cannot be
    read."""
    found = {}
    for name in os.listdir(view.top):
        try:
            found[name] = read_file(view / name)
        except OSError as e:
            found[name] = e.errno
    return found


@pytest.mark.limit(120)
@pytest.mark.parametrize("part", ["journal", "pages"])
def test_flipped_bytes_are_refused_or_harmless(kept_view, part):
    """[S1] No crash and no invented names. A refusal names the store and
    changes nothing, so that the store opens again when the byte is put
    back."""
    v = kept_view
    v.base_stays = False
    for i in range(8):
        write_file(v / f"f{i}", b"%d" % i * 5000)
    v.unmount()
    want = {f"f{i}": b"%d" % i * 5000 for i in range(8)}
    files = _segments(v) if part == "journal" else [v.store / "pages"]
    refused = 0
    step = 0
    for path in files:
        good = path.read_bytes()
        end = max(1, len(good.rstrip(b"\0")))
        for at in sorted({0, 5, 9, 20, 33, 60, 90, end // 3, end // 2,
                          end - 40, end - 2}):
            if not 0 <= at < end:
                continue
            step += 1
            keep = v.store.with_name(f"keep{step}")
            shutil.copytree(v.store, keep)
            bad = bytearray(good)
            bad[at] ^= 0x41
            path.write_bytes(bad)
            p = subprocess.run(
                [binary(), "mount", "-m", "copy", "-s", v.store, "--log",
                 v.log, v.base, v.mnt], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=patience())
            assert p.returncode >= 0, f"killed by a signal, byte {at}"
            if p.returncode:
                refused += 1
                assert str(v.store).encode() in p.stdout, p.stdout
                assert path.read_bytes() == bytes(bad), \
                    "the refusal changed the store"
            else:
                names = set(os.listdir(v.mnt))
                assert names <= set(want), f"byte {at}: {names}"
                for name in names & set(want):
                    try:
                        got = read_file(v.mnt / name)
                    except OSError:
                        continue
                    if part == "journal":
                        assert got == want[name], f"byte {at}: {name}"
                mapfs("umount", v.mnt)
            shutil.rmtree(v.store)
            os.rename(keep, v.store)
    if part == "journal":
        assert refused >= 1
    v.expected += [".*"]
    assert _content(v) == want
    v.unmount()


def test_truncated_journal_is_refused_or_an_earlier_state(kept_view):
    v = kept_view
    v.expected.append("journal|store")
    for i in range(8):
        write_file(v / f"f{i}", b"%d" % i * 5000)
    v.unmount()
    seg = _segments(v)[-1]
    data = seg.read_bytes().rstrip(b"\0")
    seg.write_bytes(data[:len(data) // 2])
    p = subprocess.run(
        [binary(), "mount", "-m", "copy", "-s", v.store, "--log", v.log,
         v.base, v.mnt], stdin=subprocess.DEVNULL, timeout=patience(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert p.returncode >= 0
    if p.returncode == 0:
        for name in os.listdir(v.mnt):
            assert name in {f"f{i}" for i in range(8)}
        mapfs("umount", v.mnt)


def test_missing_pages_of_a_store_are_refused(kept_view):
    v = kept_view
    write_file(v / "f", b"x" * 5000)
    v.unmount()
    os.rename(v.store / "pages", v.scratch / "pages")
    _refused(v, v.store)
    if (v.store / "pages").exists():
        os.unlink(v.store / "pages")
    os.rename(v.scratch / "pages", v.store / "pages")
    assert read_file(v / "f") == b"x" * 5000


def test_store_in_memory_leaves_nothing_on_disk(copy_view):
    v = copy_view
    v.options += ["-o", "store=memory"]
    write_file(v.base / "f", b"old" * 10000)
    write_file(v / "f", b"new")
    write_file(v / "g", b"x" * 100000)
    assert read_file(v / "f") == b"new"
    assert os.listdir(v.tmp) == []


def test_a_store_that_is_read_is_waited_for(kept_view):
    """This holds after a kill as well, when the lock file still names the dead
    daemon."""
    v = kept_view
    write_file(v / "f", b"new")
    v.kill()
    with opened(v.store / "lock", os.O_RDONLY) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        text = _refused(v, "in use by a command that reads it")
        assert "process" not in text
        threading.Timer(1, fcntl.flock, (lock, fcntl.LOCK_UN)).start()
        assert read_file(v / "f") == b"new"


def test_daemon_told_to_stop_unmounts_and_keeps_everything(kept_view):
    v = kept_view
    write_file(v / "f", b"x" * 10000)
    v.proc.send_signal(signal.SIGTERM)
    assert v.proc.wait(patience()) == 0
    v.proc = None
    wait_for("the unmount", lambda: not os.path.ismount(v.mnt))
    v.expected.append("got|in use")
    assert read_file(v / "f") == b"x" * 10000


@pytest.mark.modes("kept", "write")
@pytest.mark.parametrize("by", ["write", "mmap"])
def test_daemon_told_to_stop_waits_for_what_the_kernel_holds(view, by):
    """A file is open, so the daemon can only detach the mount."""
    size = 64 << 20
    fd = os.open(view / "f", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, size)
    with mmap.mmap(fd, size) as m:
        if by == "mmap":
            m.write(b"x" * size)
        else:
            os.pwrite(fd, b"x" * size, 0)
        view.proc.send_signal(signal.SIGTERM)
        assert view.proc.wait(patience()) == 0
        view.proc = None
    with contextlib.suppress(OSError):
        os.close(fd)
    view.expected.append("got|in use")
    view.mount()
    assert read_file(view / "f") == b"x" * size


@pytest.mark.modes("kept")
@pytest.mark.limit(180)
def test_a_long_history_is_compacted_and_survives_a_kill(view):
    """The journal keeps the present state, not everything that happened."""
    write_file(view / "busy", b"x")
    os.link(view / "busy", view / "second")
    os.mkdir(view / "d")
    write_file(view / "d/file", b"y" * 10000)
    journal = view.store / "journal"

    def newest():
        return max(int(n) for n in os.listdir(journal) if n.isdigit())
    first = newest()
    for n in range(80_000):
        os.chmod(view / "busy", 0o600 | n & 0o77)
    wait_for("a compacted journal", lambda: newest() > first)
    wait_for("old segments to go",
             lambda: [n for n in os.listdir(journal) if n.isdigit()]
             == [str(newest())])
    assert (journal / str(newest())).stat().st_size < 8 << 20
    os.chmod(view / "busy", 0o640)
    before = view.look()
    view.kill()
    view.mount()
    after = view.look()
    tree.assert_same_but_a_tick(before, after, "the kill changed the view")
    assert os.stat(view / "busy").st_nlink == 2
