# SPDX-License-Identifier: MIT
"""Lookups of names: found, not found, refused."""
import errno
import os
import random

import pytest

from support.sysc import fails, read_file, write_file


def test_file_shows_its_bytes(view, origin):
    f = origin.file("f", b"hello")
    assert read_file(f) == b"hello"


def test_missing_name_is_enoent(view):
    with fails(errno.ENOENT):
        os.stat(view / "missing")


def test_missing_name_is_found_once_it_is_made(view):
    with fails(errno.ENOENT):
        os.stat(view / "f")
    write_file(view / "f", b"x")
    assert os.stat(view / "f").st_size == 1


def test_removed_name_is_enoent(view, origin):
    f = origin.file("f", b"x")
    os.stat(f)
    os.unlink(f)
    with fails(errno.ENOENT):
        os.stat(f)
    assert os.listdir(view.top) == []


def test_removed_name_can_be_made_again(view, origin):
    f = origin.file("f", b"old bytes")
    os.unlink(f)
    write_file(f, b"new")
    assert read_file(f) == b"new"
    assert os.listdir(view.top) == ["f"]


def test_path_through_a_file_is_enotdir(view, origin):
    f = origin.file("f")
    with fails(errno.ENOTDIR):
        os.stat(f / "x")


def test_exclusive_creation_of_an_existing_name_is_eexist(view, origin):
    f = origin.file("f", b"kept")
    with fails(errno.EEXIST):
        os.open(f, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    assert read_file(f) == b"kept"


def test_opening_a_directory_for_writing_is_eisdir(view, origin):
    d = origin.dir("d")
    with fails(errno.EISDIR):
        os.open(d, os.O_WRONLY)


def test_opening_with_o_directory_a_file_is_enotdir(view, origin):
    f = origin.file("f")
    with fails(errno.ENOTDIR):
        os.open(f, os.O_DIRECTORY)


def test_names_of_255_arbitrary_bytes_survive(view, origin):
    rnd = random.Random(1)
    allowed = [b for b in range(1, 256) if b != ord("/")]
    names = {bytes(rnd.choices(allowed, k=255)) for _ in range(50)}
    names |= {b"\xff" * 255, b"\n" * 255, b" ", b"...", b"\\", b"-"}
    names |= {bytes([b]) * 3 for b in allowed}
    top = os.fsencode(origin.place(""))
    for name in names:
        write_file(os.path.join(top, name), name)
    assert set(os.listdir(os.fsencode(view.top))) == names
    for name in names:
        assert read_file(view / name) == name


def test_name_of_256_bytes_is_enametoolong(view):
    with fails(errno.ENAMETOOLONG):
        os.stat(view / ("n" * 256))
    with fails(errno.ENAMETOOLONG):
        os.open(view / ("n" * 256), os.O_CREAT | os.O_WRONLY)
    with fails(errno.ENAMETOOLONG):
        os.mkdir(view / ("n" * 256))


def _dig(top, name, depth):
    """Makes a chain of directories; returns a descriptor of the deepest
    one."""
    fd = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        try:
            os.mkdir(name, dir_fd=fd)
        except FileExistsError:
            pass
        fd, old = os.open(name, os.O_RDONLY, dir_fd=fd), fd
        os.close(old)
    return fd


def test_paths_beyond_path_max_work(view, origin):
    name, depth = "d" * 200, 40
    os.close(_dig(origin.place(""), name, depth))
    fd = _dig(view.top, name, depth)
    try:
        out = os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
        os.write(out, b"deep")
        os.close(out)
        inner = os.open("f", os.O_RDONLY, dir_fd=fd)
        assert os.read(inner, 10) == b"deep"
        os.close(inner)
        assert os.listdir(fd) == ["f"]
        os.rename("f", "g", src_dir_fd=fd, dst_dir_fd=fd)
        os.unlink("g", dir_fd=fd)
        assert os.listdir(fd) == []
    finally:
        os.close(fd)
    # At the end of the test whole trees are compared by path.
    os.rename(view / name, view / "x")
    _remove_chain(view.top, "x", name)


def _remove_chain(top, first, name):
    fds = [os.open(top, os.O_RDONLY)]
    names = [first]
    while True:
        try:
            fds.append(os.open(names[-1], os.O_RDONLY, dir_fd=fds[-1]))
        except FileNotFoundError:
            names.pop()
            break
        names.append(name)
    while names:
        os.close(fds.pop())
        os.rmdir(names.pop(), dir_fd=fds[-1])
    os.close(fds.pop())


def test_dot_and_dotdot_are_the_right_directories(view, origin):
    origin.dir("a")
    origin.dir("a/b")
    ino = os.stat(view / "a").st_ino
    assert os.stat(view / "a/b/..").st_ino == ino
    assert os.stat(view / "a/.").st_ino == ino


@pytest.mark.modes("copy", "kept", "write")
def test_st_ino_is_that_of_the_directory_entry(view, origin):
    origin.dir("d")
    origin.file("d/f")
    origin.make("d/l", lambda p: os.symlink("x", p))
    origin.dir("d/e")
    with os.scandir(view / "d") as entries:
        for e in entries:
            assert e.inode() == os.lstat(e.path).st_ino, e.name
