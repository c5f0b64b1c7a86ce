# SPDX-License-Identifier: MIT
"""Read mode: changes are refused, and those of others become visible."""
import errno
import mmap
import os
import time

import pytest

from support import sysc, tree
from support.sysc import (error_of, fails, opened, read_file, renameat2,
                          write_file)
from support.view import run, wait_for

SEEN_WITHIN = 1.5	# the promise is 1 s; the rest is scheduling


@pytest.fixture
def base(read_view):
    """A base with one object of each kind."""
    b = read_view.base
    write_file(b / "f", b"bytes" * 2000)
    os.mkdir(b / "d")
    write_file(b / "d/g", b"x")
    os.symlink("f", b / "l")
    os.mkfifo(b / "p")
    os.link(b / "f", b / "hard")
    return b


CHANGES = {
    "create": lambda v: os.open(v / "new", os.O_CREAT | os.O_WRONLY),
    "open-write": lambda v: os.open(v / "f", os.O_WRONLY),
    "open-rdwr": lambda v: os.open(v / "f", os.O_RDWR),
    "open-trunc": lambda v: os.open(v / "f", os.O_RDONLY | os.O_TRUNC),
    "truncate": lambda v: os.truncate(v / "f", 0),
    "chmod": lambda v: os.chmod(v / "f", 0o600),
    "chown": lambda v: os.chown(v / "f", 1, 1),
    "utime": lambda v: os.utime(v / "f", ns=(1, 1)),
    "mkdir": lambda v: os.mkdir(v / "new"),
    "rmdir": lambda v: os.rmdir(v / "d"),
    "unlink": lambda v: os.unlink(v / "f"),
    "rename": lambda v: os.rename(v / "f", v / "g"),
    "exchange": lambda v: renameat2(v / "f", v / "d", sysc.RENAME_EXCHANGE),
    "whiteout": lambda v: renameat2(v / "f", v / "x", sysc.RENAME_WHITEOUT),
    "link": lambda v: os.link(v / "f", v / "new"),
    "symlink": lambda v: os.symlink("x", v / "new"),
    "mkfifo": lambda v: os.mkfifo(v / "new"),
    "mknod": lambda v: os.mknod(v / "new", 0o020600, os.makedev(1, 3)),
    "setxattr": lambda v: os.setxattr(v / "f", "user.a", b"1"),
    "removexattr": lambda v: os.removexattr(v / "f", "user.a"),
    "tmpfile": lambda v: os.open(v.top, os.O_TMPFILE | os.O_RDWR),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_every_change_is_erofs(read_view, base, change):
    with fails(errno.EROFS):
        CHANGES[change](read_view)
    assert read_file(read_view / "f") == b"bytes" * 2000


def test_everything_of_the_base_is_shown(read_view, base):
    want = tree.of(base, ("atime",))
    got = read_view.look(("atime",))
    tree.assert_same(want, got, "base and view differ")


def test_missing_name_is_enoent(read_view, base):
    with fails(errno.ENOENT):
        os.stat(read_view / "missing")


def test_new_file_of_the_base_is_seen_within_a_second(read_view, base):
    read_view.base_stays = False
    assert error_of(os.stat, read_view / "new") == "ENOENT"
    assert "new" not in os.listdir(read_view.top)
    write_file(base / "new", b"fresh")
    wait_for("the new name", lambda: os.path.exists(read_view / "new"),
             SEEN_WITHIN)
    assert read_file(read_view / "new") == b"fresh"
    wait_for("the new listing", lambda: "new" in os.listdir(read_view.top),
             SEEN_WITHIN)


def test_removed_file_of_the_base_is_gone_within_a_second(read_view, base):
    read_view.base_stays = False
    os.stat(read_view / "d/g")
    os.unlink(base / "d/g")
    wait_for("its absence",
             lambda: error_of(os.stat, read_view / "d/g") == "ENOENT",
             SEEN_WITHIN)
    wait_for("the listing", lambda: os.listdir(read_view / "d") == [],
             SEEN_WITHIN)


def test_changed_attributes_of_the_base_are_seen_within_a_second(read_view,
                                                                 base):
    read_view.base_stays = False
    os.stat(read_view / "f")
    os.chmod(base / "f", 0o601)
    os.utime(base / "f", ns=(5 * 10**9, 6 * 10**9))
    wait_for("the new mode",
             lambda: os.stat(read_view / "f").st_mode & 0o777 == 0o601,
             SEEN_WITHIN)
    assert os.stat(read_view / "f").st_mtime_ns == 6 * 10**9


@pytest.mark.parametrize("grow", [True, False], ids=["longer", "same-size"])
def test_changed_bytes_of_the_base_are_seen_within_a_second(read_view, base,
                                                            grow):
    read_view.base_stays = False
    assert read_file(read_view / "f") == b"bytes" * 2000
    new = b"BYTES" * (3000 if grow else 2000)
    time.sleep(0.02)
    write_file(base / "f", new)
    wait_for("the new bytes", lambda: read_file(read_view / "f") == new,
             SEEN_WITHIN)


def test_replaced_file_of_the_base_is_seen_within_a_second(read_view, base):
    read_view.base_stays = False
    with opened(read_view / "f", os.O_RDONLY) as fd:
        old = os.pread(fd, 100, 0)
        write_file(base / "tmp", b"replaced")
        os.rename(base / "tmp", base / "f")
        wait_for("the new file",
                 lambda: read_file(read_view / "f") == b"replaced",
                 SEEN_WITHIN)
        # As on NFS, a read of the replaced file may fail with ESTALE.
        if error_of(os.pread, fd, 100, 0) != "ESTALE":
            assert os.pread(fd, 100, 0) == old


def test_base_truncated_while_mapped_does_not_kill_the_daemon(read_view,
                                                              base):
    read_view.base_stays = False
    read_view.expected.append("truncated|shorter|fault|changed")
    size = 8 << 20
    write_file(base / "big", os.urandom(size))
    with opened(read_view / "big", os.O_RDONLY) as fd:
        assert len(os.pread(fd, 4096, 0)) == 4096
        os.truncate(base / "big", 4096)
        for at in range(0, size, 256 << 10):
            try:
                os.pread(fd, 4096, at)
            except OSError as e:
                assert e.errno == errno.EIO
    assert read_file(read_view / "d/g") == b"x"


def test_shared_mapping_can_be_read(read_view, base):
    with opened(read_view / "f", os.O_RDONLY) as fd:
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as m:
            assert m[:] == b"bytes" * 2000


def test_read_mode_needs_no_right_to_write_the_base(read_view, base):
    os.chmod(base / "f", 0o444)
    os.chmod(base, 0o555)
    assert read_file(read_view / "f") == b"bytes" * 2000


@pytest.mark.user
def test_read_mode_works_for_an_ordinary_user(read_view, base):
    want = tree.of(base, ("atime",))
    tree.assert_same(want, read_view.look(("atime",)), "view differs")
    with fails(errno.EROFS):
        os.unlink(read_view / "f")


def test_mount_is_shown_as_read_only(read_view, base):
    os.stat(read_view.top)
    text = run("findmnt", "-no", "OPTIONS", read_view.mnt).text
    assert "ro" in text.strip().split(",")
