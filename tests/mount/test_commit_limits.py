# SPDX-License-Identifier: MIT
"""What the file system of the base would refuse halfway is refused before a
commit writes anything."""
import contextlib
import os
import resource
import shutil
import subprocess

import pytest

from support import sysc, tree
from support.disk import file_system
from support.load import patience
from support.sysc import write_file
from support.view import View, binary, run

pytestmark = pytest.mark.root


@contextlib.contextmanager
def _disk(scratch, *mkfs, megabytes=200):
    at = scratch / "disk"
    at.mkdir()
    with open(scratch / "image", "wb") as f:
        f.truncate(megabytes << 20)
    run(*mkfs, scratch / "image")
    run("mount", "-o", "loop", scratch / "image", at)
    try:
        yield at
    finally:
        sysc.umount_lazy(at)


def _view(scratch, at):
    v = View(scratch, "kept")
    v.base_stays = False
    v.base = at / "base"
    v.base.mkdir(exist_ok=True)
    write_file(v.base / "f", b"old")
    v.mount()
    write_file(v / "f", b"new")
    return v


def _commit(v, limits=()):
    def set_limits():
        for what, number in limits:
            resource.setrlimit(what, (number, number))

    p = subprocess.run([binary(), "commit", "-y", v.store],
                       stdin=subprocess.DEVNULL, capture_output=True,
                       text=True, timeout=patience(), preexec_fn=set_limits)
    return p.returncode, p.stdout + p.stderr


def _assert_refused(v, *words, limits=()):
    v.unmount()
    before = tree.committed(v.base)
    status, text = _commit(v, limits)
    assert status == 1 and "nothing was written" in text, text
    for word in words:
        assert word in text, text
    assert not (v.store / "commit/open").exists()
    tree.assert_same(before, tree.committed(v.base), "refused commit")
    v.mount()
    assert sysc.read_file(v / "f") == b"new"
    v.unmount()


def test_extended_attributes_that_do_not_fit(scratch):
    with _disk(scratch, "mkfs.ext4", "-q", "-b", "1024", "-I", "128") as at:
        v = _view(scratch, at)
        write_file(v / "small", b"")
        write_file(v / "many", b"")
        os.setxattr(v / "small", "user.x", b"x" * 100)
        os.setxattr(v / "many", "user.x", b"x" * 2000)
        _assert_refused(v, "many: ", "extended attributes")


def test_target_that_is_too_long(scratch):
    with _disk(scratch, "mkfs.ext4", "-q", "-b", "1024") as at:
        v = _view(scratch, at)
        os.symlink("t" * 1500, v / "link")
        _assert_refused(v, "link: ", "target")


@pytest.mark.parametrize("options, words", [
    ("size=1m", ["free"]), ("nr_inodes=20", ["inodes"])])
def test_space_and_inodes(scratch, options, words):
    with file_system(scratch, "tmpfs", options) as at:
        v = _view(scratch, at)
        for n in range(30):
            write_file(v / f"f{n}", b"x" * 50000)
        v.unmount()
        status, text = _commit(v)
        assert status == 1 and words[0] in text, text
        assert sysc.read_file(v.base / "f") == b"old"
        assert os.listdir(v.base) == ["f"]


def test_quota(scratch):
    if not shutil.which("btrfs"):
        pytest.skip("btrfs is missing")
    with _disk(scratch, "mkfs.btrfs", "-q", megabytes=300) as at:
        run("btrfs", "quota", "enable", at)
        run("btrfs", "subvolume", "create", at / "sub")
        run("btrfs", "qgroup", "limit", "10M", at / "sub")
        v = _view(scratch, at / "sub")
        write_file(v / "large", b"x" * (20 << 20))
        _assert_refused(v, "quota")


def test_limits_of_the_process(scratch):
    v = _view(scratch, scratch)
    with open(v / "large", "wb") as f:
        f.truncate(900 << 20)
    _assert_refused(v, "large: ", "ulimit -f",
                    limits=[(resource.RLIMIT_FSIZE, 600 << 20)])


def test_few_descriptors_are_too_few_or_enough(scratch):
    (scratch / "base").mkdir()
    for n in range(150):
        (scratch / f"base/d{n}").mkdir()
        write_file(scratch / f"base/d{n}/f", b"old")
    v = View(scratch, "kept")
    v.base_stays = False
    write_file(v.base / "f", b"old")
    v.mount()
    write_file(v / "f", b"new")
    for n in range(150):
        write_file(v / f"d{n}/f", b"new")
        os.rename(v / f"d{n}/f", v / f"d{n}/g")
    _assert_refused(v, "ulimit -n", limits=[(resource.RLIMIT_NOFILE, 50)])
    status, text = _commit(v, [(resource.RLIMIT_NOFILE, 64)])
    assert status == 0, text
    assert sysc.read_file(v.base / "d149/g") == b"new"
