# SPDX-License-Identifier: MIT
"""Views of windows: parts of files as files of their own."""
import errno
import mmap
import os
import random

import pytest

from support import sysc
from support.part import PartView
from support.sysc import fails, opened, read_file, write_file
from support.view import is_mounted, life_of, mapfs, refused, status_of

pytestmark = pytest.mark.modes("write", "copy", "kept", plain=False)

SIZE = (1 << 20) + 5
DISK = random.Random(9).randbytes(SIZE)
# Neither offsets nor lengths are those of pages.
WINDOWS = {"first": (0, 5000), "mid": (5000, 70001), "rest": (600000, None)}


def spec(name):
    off, length = WINDOWS[name]
    return f"{name}=disk.img:{off}" + (f":{length}" if length else "")


def part(name, disk=DISK):
    off, length = WINDOWS[name]
    return disk[off:off + length] if length else disk[off:]


@pytest.fixture
def view(request, scratch):
    """A view of the windows of one file."""
    who, mode = request.param.split("-")
    v = PartView(scratch, mode, who == "user")
    write_file(v.base / "disk.img", DISK)
    write_file(v.base / "other", b"hidden")
    for name in WINDOWS:
        v.window(spec(name))
    yield from life_of(v, request)


def whole(view):
    """Ends the mount; the bytes of the whole file with the changes, as a mount
    without windows shows them."""
    view.unmount()
    if view.mode != "kept":
        return read_file(view.base / "disk.img")
    mapfs("mount", "-s", view.store, view.base, view.mnt)
    found = read_file(view.mnt / "disk.img")
    mapfs("umount", view.mnt)
    return found


def check_whole(view, changed):
    """Ends the mount, and checks the bytes of the file. In mode copy nobody may
    read them, because the base must not change."""
    if view.mode == "copy":
        view.unmount()
    else:
        assert whole(view) == changed


# --- what is shown ----------------------------------------------------------

def test_root_shows_the_windows_and_nothing_else(view):
    assert sorted(os.listdir(view.top)) == sorted(WINDOWS)
    for name in WINDOWS:
        assert read_file(view / name) == part(name)
        assert os.stat(view / name).st_size == len(part(name))
    with fails(errno.ENOENT):
        os.stat(view / "disk.img")
    with fails(errno.ENOENT):
        os.stat(view / "other")


def test_names_of_the_root_cannot_change(view):
    # An ordinary user may not write to the root, which belongs to root.
    refusal = errno.EACCES if view.as_user else errno.EPERM
    for change in (lambda: write_file(view / "new"),
                   lambda: os.mkdir(view / "dir"),
                   lambda: os.unlink(view / "mid"),
                   lambda: os.rename(view / "mid", view / "other"),
                   lambda: os.link(view / "mid", view / "other"),
                   lambda: os.symlink("mid", view / "other")):
        with fails(refusal):
            change()
    assert sorted(os.listdir(view.top)) == sorted(WINDOWS)


@pytest.mark.modes("read", plain=False)
def test_windows_of_a_read_view_can_be_read_only(view):
    assert read_file(view / "mid") == part("mid")
    with fails(errno.EROFS):
        os.open(view / "mid", os.O_RDWR)


def test_numbers_of_windows_stay(view):
    before = {n: os.stat(view / n).st_ino for n in WINDOWS}
    assert len(set(before.values())) == len(WINDOWS)
    view.unmount()
    assert {n: os.stat(view / n).st_ino for n in WINDOWS} == before


# --- changes ----------------------------------------------------------------

def test_bytes_written_to_windows_are_those_of_the_file(view):
    changed = bytearray(DISK)
    for name, off, data in (("first", 4990, b"x" * 10), ("mid", 0, b"y" * 9),
                            ("mid", 4090, b"z" * 4100), ("rest", 3, b"w")):
        with opened(view / name, os.O_RDWR) as fd:
            assert os.pwrite(fd, data, off) == len(data)
            os.fsync(fd)
        at = WINDOWS[name][0] + off
        changed[at:at + len(data)] = data
    for name in WINDOWS:
        assert read_file(view / name) == part(name, changed)
    check_whole(view, changed)


def test_shared_mapping_of_a_window_writes_the_file(view):
    changed = bytearray(DISK)
    with opened(view / "mid", os.O_RDWR) as fd, \
            mmap.mmap(fd, 0) as m:
        assert m[:] == part("mid")
        m[4095:4097] = b"ab"
        m[-1:] = b"c"
        m.flush()
        assert os.pread(fd, 2, 4095) == b"ab"
    changed[5000 + 4095:5000 + 4097] = b"ab"
    changed[5000 + 70000] = ord("c")
    check_whole(view, changed)


def test_write_behind_the_end_of_a_fixed_window_is_enospc(view):
    with opened(view / "mid", os.O_RDWR) as fd:
        with fails(errno.ENOSPC):
            os.pwrite(fd, b"x", 70001)
        with fails(errno.ENOSPC):
            os.pwrite(fd, b"x", 1 << 40)
        assert os.pwrite(fd, b"four", 69999) == 2
        assert os.fstat(fd).st_size == 70001
        os.fsync(fd)
    changed = bytearray(DISK)
    changed[74999:75001] = b"fo"
    check_whole(view, changed)


def test_size_of_a_fixed_window_cannot_change(view):
    for size in 0, 70000, 70002:
        with fails(errno.EPERM):
            os.truncate(view / "mid", size)
    os.truncate(view / "mid", 70001)
    assert read_file(view / "mid") == part("mid")
    check_whole(view, DISK)


def test_open_window_is_the_tail_of_its_file(view):
    changed = bytearray(DISK)
    with opened(view / "rest", os.O_RDWR | os.O_APPEND) as fd:
        os.write(fd, b"more")
    changed += b"more"
    assert read_file(view / "rest") == part("rest", changed)
    os.truncate(view / "rest", 10)
    assert read_file(view / "rest") == DISK[600000:600010]
    os.truncate(view / "rest", 20)
    assert read_file(view / "rest") == DISK[600000:600010] + bytes(10)
    assert read_file(view / "mid") == part("mid")
    check_whole(view, DISK[:600010] + bytes(10))


def test_hole_can_be_punched(view):
    keep, punch = 1, 2
    with opened(view / "mid", os.O_RDWR) as fd:
        sysc.fallocate(fd, keep | punch, 8000, 20000)
    changed = DISK[:13000] + bytes(20000) + DISK[33000:]
    assert read_file(view / "mid") == part("mid", changed)
    check_whole(view, changed)


@pytest.mark.modes("write", plain=False)
def test_window_of_a_file_that_shrank_ends_with_it(view):
    with opened(view / "mid", os.O_RDWR) as fd:
        os.truncate(view.base / "disk.img", 6000)
        assert os.pread(fd, 5000, 0) == DISK[5000:6000]
        assert os.pread(fd, 10, 2000) == b""


# --- the store --------------------------------------------------------------

@pytest.mark.modes("kept", plain=False)
def test_store_has_the_changes_of_the_file(view):
    with opened(view / "mid", os.O_RDWR) as fd:
        os.pwrite(fd, b"one", 100)
    assert mapfs("diff", view.top, check=False).text == "M f disk.img\n"
    mapfs("snapshot", view.top, "s")
    with opened(view / "mid", os.O_RDWR) as fd:
        os.pwrite(fd, b"two", 100)
    assert read_file(view / "mid")[100:103] == b"two"
    mapfs("rollback", "-y", view.top, "s")
    assert read_file(view / "mid")[100:103] == b"one"
    words = refused("revert", view.top, "mid")
    assert "mid: is a part of disk.img" in words
    mapfs("revert", view.top, ".")
    assert read_file(view / "mid") == part("mid")
    mapfs("rollback", "-y", view.top, "s")
    view.unmount()
    assert mapfs("diff", view.store, check=False).text == "M f disk.img\n"


@pytest.mark.modes("kept", plain=False)
def test_commit_brings_the_bytes_of_windows_into_the_file(view):
    view.base_stays = False
    with opened(view / "mid", os.O_RDWR) as fd:
        os.pwrite(fd, b"one", 100)
    view.unmount()
    mapfs("commit", "-y", view.store)
    assert read_file(view.base / "disk.img") == \
        DISK[:5100] + b"one" + DISK[5103:]
    mapfs("commit", "--undo", "-y", view.store)
    assert read_file(view.base / "disk.img") == DISK


def test_status_lists_the_windows(view):
    read_file(view / "mid")
    found = status_of(view.top)
    assert found["windows"] == [
        {"name": n, "path": "disk.img", "offset": WINDOWS[n][0],
         "length": WINDOWS[n][1]} for n in WINDOWS]
    assert found["base_state"] == "fits"
    assert "mid=disk.img:5000:70001\n" in mapfs("status", view.top).text


@pytest.mark.modes("kept", plain=False)
def test_patch_is_made_of_the_store_and_not_of_the_windows(view):
    with opened(view / "mid", os.O_RDWR) as fd:
        os.pwrite(fd, b"one", 100)
    p = mapfs("diff", "-p", view.top, check=False)
    assert p.returncode == 2
    assert "does not show the whole files; unmount it" in p.text
    view.unmount()
    assert "Binary files a/disk.img and b/disk.img differ" in \
        mapfs("diff", "-p", view.store, check=False).text


# --- what is refused --------------------------------------------------------

@pytest.fixture
def place(scratch):
    """A base and a mount point."""
    for name in "base", "base/dir", "mnt", "tmp":
        (scratch / name).mkdir()
    os.environ["TMPDIR"] = str(scratch / "tmp")
    write_file(scratch / "base/disk.img", DISK)
    os.mkfifo(scratch / "base/fifo")
    os.symlink("disk.img", scratch / "base/link")
    yield scratch
    assert not is_mounted(scratch / "mnt")
    assert os.listdir(scratch / "tmp") == []
    assert read_file(scratch / "base/disk.img") == DISK


BAD = [
    ("a/b=disk.img:0", 2, "window a/b: its name has a slash"),
    ("..=disk.img:0", 2, "window ..: its name means a directory"),
    ("=disk.img:0", 2, "window =disk.img:0: it has no name"),
    ("a" * 256 + "=disk.img:0", 2, "its name is too long"),
    ("a=disk.img", 2, "window a: it has no offset"),
    ("a=disk.img:-1", 2, "window a: it has no offset"),
    ("a=disk.img:0:0", 2, "window a: its length is 0"),
    ("a=disk.img:0:5Q", 2, "window a: 5Q is no length; give a number with "),
    ("a=disk.img:0:1KB", 2, "window a: 1KB is no length; "),
    ("a=disk.img:0:-5", 2, "window a: -5 is no length; "),
    ("a", 2, "window a: it has no '='; write a window as NAME=PATH:OFFSET"),
    ("a=disk.img:-1:5", 1, "window a: disk.img:-1: No such file or directory; "
     "check the name; OFFSET and LENGTH are numbers "),
    ("a=disk.img:1.5K:5", 1, "window a: disk.img:1.5K: No such file or "
     "directory; check the name; OFFSET and LENGTH are numbers "),
    ("a=disk.img:1:8388608T", 2, "window a: 8388608T is too large"),
    ("a=disk.img:0x7fffffffffffffff:1", 2,
     "window a: it ends behind the largest file"),
    ("a=disk.img:0:2M", 1, "window a: "),
    ("a=disk.img:1048582", 1, "window a: "),
    ("a=nowhere:0", 1, "window a: nowhere: No such file"),
    ("a=dir:0", 1, "window a: dir "),
    ("a=fifo:0", 1, "window a: fifo "),
    ("a=link:0", 1, "window a: link "),
    ("a=../base/disk.img:0", 1, "window a: "),
    ("a=:0", 1, "window a: "),
]


@pytest.mark.parametrize("text, status, words", BAD,
                         ids=[b[0][:30] for b in BAD])
def test_window_that_cannot_be_shown_is_refused(place, text, status, words):
    for args in ["-w", text], ["-o", "window=" + text]:
        p = mapfs("mount", *args, place / "base", place / "mnt", check=False)
        assert p.returncode == status, p.text
        assert words in p.text and "; " in p.text
        assert p.text.count("\n") == 1 and p.text.startswith("mapfs: ")


@pytest.mark.parametrize("second", ["b=disk.img:4095:1", "b=disk.img:0",
                                    "b=./disk.img:100:100"])
def test_overlap_is_refused_by_both_names(place, second):
    words = refused("mount", "-w", "a=disk.img:0:4096", "-w", second,
                    place / "base", place / "mnt")
    assert "windows a and b: " in words, words


def test_two_windows_of_one_name_are_refused(place):
    p = mapfs("mount", "-w", "a=disk.img:0:1", "-o", "window=a=disk.img:1",
              place / "base", place / "mnt", check=False)
    assert p.returncode == 2
    assert "window a: two windows have this name; " in p.text


def test_windows_that_touch_do_not_overlap(place):
    mapfs("mount", "-w", "a=disk.img:0:4K", "-w", "b=disk.img:8s:0x10", "-w",
          "c=disk.img:4112", place / "base", place / "mnt")
    found = [read_file(place / "mnt" / n) for n in "abc"]
    assert b"".join(found) == DISK
    mapfs("umount", place / "mnt")


def test_path_may_have_commas_and_colons(place):
    write_file(place / "base/x,y:1:2", b"0123456789")
    write_file(place / "base/x:z", b"open")
    mapfs("mount", "-o", r"window=a=x\,y:1:2:3:4,window=b=x:z:1",
          place / "base", place / "mnt")
    assert read_file(place / "mnt/a") == b"3456"
    assert read_file(place / "mnt/b") == b"pen"
    mapfs("umount", place / "mnt")


def test_window_at_a_file(place):
    """A mount point that is a file shows the only window."""
    at = place / "base/fstab"
    write_file(at, b"covered")
    mapfs("mount", "-w", "a=disk.img:100:50", place / "base", at)
    assert read_file(at) == DISK[100:150]
    with opened(at, os.O_RDWR) as fd:
        with fails(errno.ENOSPC):
            os.pwrite(fd, b"x", 50)
        assert os.pwrite(fd, b"new", 10) == 3
        assert os.pread(fd, 5, 9) == DISK[109:110] + b"new" + DISK[113:114]
    mapfs("umount", at)
    assert read_file(at) == b"covered"
