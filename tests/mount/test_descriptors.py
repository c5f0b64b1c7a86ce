# SPDX-License-Identifier: MIT
"""How many files can be open in a view, and errors at that limit."""
import errno
import os
import resource
import subprocess

import pytest

from support.load import patience
from support.sysc import fails, write_file
from support.view import binary

FEW = 256


def limit_daemon(v, soft, hard):
    """The next mount's daemon starts with these limits; the test keeps its
    own."""
    plain = v.command
    v.command = lambda *extra: [
        "prlimit", f"--nofile={soft}:{hard}", *plain(*extra)]


def open_at_most(paths):
    """Opens files until an open fails; returns the descriptors, and the errno
    or None."""
    fds = []
    for path in paths:
        try:
            fds.append(os.open(path, os.O_RDONLY))
        except OSError as e:
            return fds, e.errno
    return fds, None


def close_all(fds):
    for fd in fds:
        os.close(fd)


def make_files(place, count):
    for n in range(count):
        write_file(place / f"f{n}", b"%d" % n)


@pytest.mark.modes("write", plain=False)
def test_the_soft_limit_of_who_mounts_does_not_count(view):
    limit_daemon(view, FEW, 8 * FEW)
    make_files(view.base, 2 * FEW)
    fds, err = open_at_most(view / f"f{n}" for n in range(2 * FEW))
    assert err is None, f"{len(fds)} files, then {os.strerror(err)}"
    close_all(fds)


def _may_raise_limits():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard + 1))
    except (ValueError, OSError):
        return False
    return True


@pytest.mark.modes("write", people=("root",), plain=False)
@pytest.mark.limit(150)
def test_root_may_hold_more_files_than_its_limit_says(view):
    """All 30,000 files can be read, whatever the limits of the caller were."""
    count = 30_000
    if not _may_raise_limits():
        pytest.skip("root without CAP_SYS_RESOURCE")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 1000, count + 1000))
    limit_daemon(view, 1024, 4096)
    view.keep_base_in_memory()
    make_files(view.base, count)
    fds, err = open_at_most(view / f"f{n}" for n in range(count))
    assert err is None, f"{len(fds)} files, then {os.strerror(err)}"
    for n in range(0, count, 997):
        assert os.pread(fds[n], 20, 0) == b"%d" % n
    close_all(fds)


@pytest.mark.modes("write", people=("user",), plain=False)
def test_at_the_limit_only_the_open_fails(view):
    limit_daemon(view, FEW, FEW)
    make_files(view.base, 2 * FEW)
    os.mkdir(view.base / "d")
    write_file(view.base / "d/inside", b"x")
    view.expected.append("too many open files")
    fds, err = open_at_most(view / f"f{n}" for n in range(2 * FEW))
    assert err == errno.EMFILE
    assert len(fds) > FEW // 2
    # Files that are open stay usable.
    for n, fd in enumerate(fds):
        assert os.pread(fd, 20, 0) == b"%d" % n
        assert os.fstat(fd).st_size == len(b"%d" % n)
    # Operations that need a descriptor for a moment get one.
    assert len(os.listdir(view.top)) == 2 * FEW + 1
    assert os.listdir(view / "d") == ["inside"]
    os.mkdir(view / "new")
    os.symlink("x", view / "link")
    assert os.readlink(view / "link") == "x"
    os.rename(view / "f1", view / "new/f1")
    os.chmod(view / "new/f1", 0o600)
    os.truncate(view / "f3", 0)
    os.unlink(view / "f2")
    assert os.pread(fds[2], 20, 0) == b"2"
    assert not os.path.exists(view.base / "f2")
    with fails(errno.EMFILE):
        os.open(view / "f500", os.O_RDONLY)
    with fails(errno.EMFILE):
        os.open(view / "made", os.O_WRONLY | os.O_CREAT)
    assert not os.path.exists(view / "made")
    # And then it is over.
    close_all(fds)
    fds, err = open_at_most(view / f"f{n}" for n in range(300, 300 + FEW // 2))
    assert err is None
    close_all(fds)
    said = [x for x in view.words().splitlines() if "too many" in x]
    assert len(said) == 1, said
    assert f"limit of {FEW} descriptors" in said[0]


@pytest.mark.modes("write", people=("user",), plain=False)
def test_a_file_that_many_read_costs_one_descriptor(view):
    limit_daemon(view, FEW, FEW)
    write_file(view.base / "f", b"bytes")
    fds, err = open_at_most([view / "f"] * (4 * FEW))
    assert err is None, f"{len(fds)} opens, then {os.strerror(err)}"
    os.close(fds.pop())
    assert all(os.pread(fd, 9, 0) == b"bytes" for fd in fds)
    close_all(fds)


@pytest.mark.modes("write", people=("user",), plain=False)
def test_unlinked_files_are_reached_as_long_as_they_are_open(view):
    """There are more unlinked files than descriptors which the daemon keeps
    for them."""
    count = FEW // 2
    limit_daemon(view, FEW, FEW)
    make_files(view.base, count)
    fds = [os.open(view / f"f{n}", os.O_RDWR) for n in range(count)]
    for n in range(count):
        os.unlink(view / f"f{n}")
    for n, fd in enumerate(fds):
        assert os.fstat(fd).st_nlink == 0
        assert os.pread(fd, 20, 0) == b"%d" % n
        os.fchmod(fd, 0o640)
        os.ftruncate(fd, 1)
        assert os.fstat(fd).st_size == 1
    close_all(fds)


@pytest.mark.modes("copy", "kept", people=("user",), plain=False)
def test_copy_view_needs_no_descriptor_for_an_open_file(view):
    count = 4 * FEW
    limit_daemon(view, FEW, FEW)
    make_files(view.base, count)
    fds, err = open_at_most(view / f"f{n}" for n in range(count))
    assert err is None, f"{len(fds)} files, then {os.strerror(err)}"
    for n in range(count):
        os.unlink(view / f"f{n}")
    for n, fd in enumerate(fds):
        assert os.pread(fd, 20, 0) == b"%d" % n
        assert os.fstat(fd).st_nlink == 0
    close_all(fds)


@pytest.mark.root
def test_command_of_a_run_has_the_callers_limits(scratch):
    """Programs that use select() rely on a low limit."""
    (scratch / "base").mkdir()
    p = subprocess.run(
        ["prlimit", "--nofile=777:3333", binary(), "run", "-C",
         str(scratch / "base"), "--", "sh", "-c", "ulimit -Sn; ulimit -Hn"],
        timeout=patience(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    assert p.stdout.split() == [b"777", b"3333"], p
