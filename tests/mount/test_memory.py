# SPDX-License-Identifier: MIT
"""The daemon's use of memory per inode, and of descriptors.

The aim is 600 bytes for each inode that the kernel remembers; the limit here
leaves room for another libc. The measured number is printed (pytest -s).
"""
import os
import resource

import pytest

from support.control import Info
from support.sysc import opened, write_file
from support.view import wait_for

INODES = 100_000
FEW = 10_000
BOUND_BYTES = 900
DIRS = 100


def _rss_bytes(pid):
    """The private memory of a process: mapped files belong to the page
    cache."""
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def _descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def _fill(view, inodes):
    view.base_stays = False	# comparing so many files takes long
    view.keep_base_in_memory()
    base = view.base
    for d in range(DIRS):
        os.mkdir(base / f"d{d}")
        fd = os.open(base / f"d{d}", os.O_RDONLY)
        for i in range(inodes // DIRS):
            os.mknod(f"f{i}", dir_fd=fd)
        os.close(fd)


def _look(view):
    count = 0
    for d in range(DIRS):
        with os.scandir(view / f"d{d}") as entries:
            for e in entries:
                e.stat(follow_symlinks=False)
                count += 1
    return count


@pytest.mark.root
@pytest.mark.limit(180)
@pytest.mark.parametrize("mode", ["copy", "write", "read"])
def test_an_inode_costs_few_bytes_and_no_descriptor(request, mode, scratch):
    view = request.getfixturevalue(f"{mode}_view")
    _fill(view, INODES)
    view.mount()
    pid = view.proc.pid
    before, fds = _rss_bytes(pid), _descriptors(pid)
    assert _look(view) == INODES
    each = (_rss_bytes(pid) - before) / INODES
    print(f"{mode}: {each:.0f} bytes per inode")
    assert each < BOUND_BYTES
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert _descriptors(pid) < limit
    assert _descriptors(pid) - fds < 2000
    view.unmount()


@pytest.mark.root
@pytest.mark.limit(180)
def test_memory_is_given_back_when_the_kernel_forgets(copy_view):
    v = copy_view
    _fill(v, FEW)
    v.mount()
    os.stat(v.top)
    start = Info(v.top).inodes_known
    assert _look(v) == FEW
    assert Info(v.top).inodes_known >= FEW

    def forgotten():
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("2")
        return Info(v.top).inodes_known < start + FEW // 10

    wait_for("the kernel to forget", forgotten, 60)
    v.unmount()


def test_view_of_many_files_works_with_few_descriptors(write_view):
    """The daemon keeps within the limit of open files of its process."""
    for i in range(300):
        write_file(write_view.base / f"f{i}", b"%d" % i)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    for i in range(300):
        with opened(write_view / f"f{i}", os.O_RDONLY) as fd:
            assert os.read(fd, 9) == b"%d" % i
    for i in range(300):
        os.rename(write_view / f"f{i}", write_view / f"g{i}")
