# SPDX-License-Identifier: MIT
"""Pages of a store that the disk changed: they are never shown or committed
[S3]."""
import errno
import json
import mmap
import os
import shutil

import pytest

from support.sysc import fails, opened, read_file, write_file
from support.view import mapfs, refused

PAGE = 4096
pytestmark = pytest.mark.modes("kept", people=("root",), plain=False)


def _page(n):
    return (b"page%04d" % n) * (PAGE // 8)


def _pages_of(view, text):
    """Where the page that begins with this text is in STORE/pages."""
    data = (view.store / "pages").read_bytes()
    return data.index(text)


def _change(view, text, to):
    """The disk has other bytes in the place of these."""
    at = _pages_of(view, text)
    with opened(view.store / "pages", os.O_RDWR) as f:
        os.pwrite(f, to, at)


def _damaged(view):
    return json.loads(mapfs("status", "--json", view.mnt).text)["damaged"]


def _write_pages(path, count, first=0):
    with opened(path, os.O_RDWR | os.O_CREAT) as f:
        for n in range(count):
            os.pwrite(f, _page(first + n), n * PAGE)
        os.fsync(f)


def _assert_readable_but(path, bad, count, first=0):
    with opened(path, os.O_RDONLY) as f:
        for n in range(count):
            if n in bad:
                with fails(errno.EIO):
                    os.pread(f, PAGE, n * PAGE)
            else:
                assert os.pread(f, PAGE, n * PAGE) == _page(first + n)


def test_damaged_page_is_eio_and_named_until_it_is_written(view):
    """A flipped bit was served, committed to the base and kept by snapshots."""
    view.base_stays = False	# the test reads it, which leaves access times
    (view.base / "f").write_bytes(b"x" * (64 * PAGE))
    f = view / "f"
    _write_pages(f, 64)
    mapfs("snapshot", view.mnt, "s")
    view.unmount()
    _change(view, _page(7), b"q")
    view.mount()
    view.expected = ["damaged"]
    with opened(f, os.O_RDONLY) as fd, fails(errno.EIO):
        while os.read(fd, 1 << 20):
            pass
    _assert_readable_but(f, {7}, 64)
    with opened(f, os.O_RDONLY) as fd:
        with mmap.mmap(fd, 64 * PAGE, prot=mmap.PROT_READ) as m:
            assert m[6 * PAGE:7 * PAGE] == _page(6)
            assert m[8 * PAGE:9 * PAGE] == _page(8)
    assert _damaged(view) == [{
        "path": "f", "offset": 7 * PAGE, "bytes": PAGE,
        "store": str(view.store), "page": _pages_of(view, b"qage") // PAGE}]
    assert "f, bytes 28672 to 32767 (page" in mapfs("status", view.mnt).text
    assert "f (inode" in view.words() and "mapfs check" in view.words()
    assert "damaged" in mapfs("diff", view.mnt, check=False).text
    view.unmount()
    mapfs("branch", f"{view.store}@s", view.scratch / "branch")
    assert refused("commit", "-y", view.store)
    assert read_file(view.base / "f") == b"x" * (64 * PAGE)
    view.mount()
    with opened(f, os.O_RDWR) as fd:
        with fails(errno.EIO):
            os.pread(fd, 1, 7 * PAGE)
        os.pwrite(fd, _page(7), 7 * PAGE)
        os.fsync(fd)
    _assert_readable_but(f, set(), 64)
    assert _damaged(view) == []
    # The snapshot still has the page that was damaged.
    view.unmount()
    mapfs("mount", "-s", view.scratch / "branch", view.base, view.mnt)
    _assert_readable_but(f, {7}, 64)
    mapfs("umount", view.mnt)
    shutil.rmtree(view.scratch / "branch")
    view.mount()


def test_new_file_with_a_damaged_page_is_not_committed(view):
    """Nobody compares a new file with the base, so only its sums tell."""
    view.base_stays = False
    (view.base / "old").write_bytes(b"old")
    write_file(view / "old", b"new")
    _write_pages(view / "f", 8)
    view.unmount()
    _change(view, _page(3), b"\0" * PAGE)
    said = refused("commit", "-y", view.store)
    assert "f: bytes 12288 to 16383 are damaged" in said
    assert sorted(os.listdir(view.base)) == ["old"]
    assert read_file(view.base / "old") == b"old"
    view.expected = ["damaged"]
    view.mount()
    os.truncate(view / "f", 0)


def test_pages_of_two_files_are_not_mistaken_for_each_other(view):
    _write_pages(view / "a", 4)
    _write_pages(view / "b", 4, first=100)
    view.unmount()
    _change(view, _page(2), _page(102))
    at = (view.store / "pages").read_bytes().rindex(_page(102))
    with opened(view.store / "pages", os.O_RDWR) as f:
        os.pwrite(f, _page(2), at)
    view.expected = ["damaged"]
    view.mount()
    _assert_readable_but(view / "a", {2}, 4)
    _assert_readable_but(view / "b", {2}, 4, first=100)
    os.unlink(view / "a")
    os.unlink(view / "b")
