# SPDX-License-Identifier: MIT
"""Windows of one image under load: several writers at once, rollback below
mappings that are in use, many windows."""
import mmap
import os
import random
import threading

import pytest

from support.sysc import opened, read_file, write_file
from support.view import mapfs

PAGE = 4096
COUNT = 128
SIZE = 3 * PAGE + 700	# of a window: no page of one is a page of the image
START = 1000


def _image():
    return random.Random(9).randbytes(START + COUNT * SIZE + 5000)


def _mount(view, count=COUNT, size=SIZE):
    write_file(view.base / "disk", _image())
    view.windows = [f"w{i:03}=disk:{START + i * size}:{size}"
                    for i in range(count)]
    view.mount()
    return [view / f"w{i:03}" for i in range(count)]


def _part(data, n, size=SIZE):
    return data[START + n * size:START + (n + 1) * size]


def _direct(path):
    """The bytes that the view has, whatever the kernel's cache has."""
    with opened(path, os.O_RDONLY | os.O_DIRECT) as fd:
        return os.pread(fd, 1 << 24, 0)


def _store(path, data, at=0):
    with opened(path, os.O_WRONLY) as fd:
        os.pwrite(fd, data, at)


def _in_threads(count, function):
    """Runs function(n) in threads; the first exception is raised."""
    failed = []

    def run(n):
        try:
            function(n)
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]


def _while_written(write, then):
    """Calls then() while write(stop) runs in a thread."""
    stop = threading.Event()
    writer = threading.Thread(target=write, args=(stop,))
    writer.start()
    try:
        then()
    finally:
        stop.set()
        writer.join()


def _back(view):
    mapfs("rollback", "-y", view.mnt, "then")


@pytest.mark.modes("kept", plain=False)
def test_page_written_during_a_rollback_is_one_of_the_view(view):
    """A program writes one page after the other, each of them once. The view
    drops what is written before the kernel has forgotten the pages of before;
    then the kernel must not keep such a page, which nobody else would ever
    see."""
    large = 3000 * PAGE
    with open(view.base / "disk", "wb") as f:
        f.truncate(START + large + SIZE)
    view.windows = [f"large=disk:{START}:{large}",
                    f"rest=disk:{START + large}:{SIZE}"]
    view.mount()
    mapfs("snapshot", view.mnt, "then")
    for value in range(1, 7):
        with opened(view / "large", os.O_RDWR) as fd, \
                mmap.mmap(fd, large) as m:

            def write(stop):
                for at in range(0, large, PAGE):
                    m[at] = value
                    m.flush(at, PAGE)
                    if stop.is_set():
                        break

            _while_written(write, lambda: _back(view))
            os.fsync(fd)
            seen, kept = m[:], _direct(view / "large")
            only_cached = [at for at in range(0, large, PAGE)
                           if seen[at] != kept[at]]
        assert not only_cached


@pytest.mark.modes("kept", plain=False)
def test_pages_of_before_do_not_come_after(view):
    """Both windows have dirty pages at the moment of the rollback, since a
    program writes the first byte of each page all the time. The other bytes
    are those of the snapshot."""
    image = _image()
    size = 64 * PAGE
    maps = []
    for path in _mount(view, 2, size):
        with opened(path, os.O_RDWR) as fd:
            maps.append(mmap.mmap(fd, size))
    mapfs("snapshot", view.mnt, "then")

    def write(stop):
        while not stop.is_set():
            for m in maps:
                for at in range(0, size, PAGE):
                    m[at] = 1

    for _ in range(5):
        for m in maps:
            m[:] = b"n" * size
        _while_written(write, lambda: _back(view))
        for n, m in enumerate(maps):
            want = _part(image, n, size)
            assert [at for at in range(0, size, PAGE)
                    if m[at + 1:at + PAGE] != want[at + 1:at + PAGE]] == []


def test_windows_have_many_writers(view):
    """Several threads write to each window: with pwrite(2) and through a shared
    mapping, each of them its own bytes of every page."""
    writers = 4
    paths = _mount(view, 3, 16 * PAGE + 700)
    size = os.path.getsize(paths[0])

    def write(n):
        path, mine = paths[n % 3], n // 3
        random_order = random.Random(n)
        with opened(path, os.O_RDWR) as fd, mmap.mmap(fd, size) as m:
            for value in range(1, 40):
                places = list(range(mine * 100, size - 100, PAGE))
                random_order.shuffle(places)
                for at in places:
                    data = bytes([value]) * 100
                    if (value + at // PAGE + mine) % 2:
                        m[at:at + 100] = data
                    else:
                        os.pwrite(fd, data, at)
                    # In write mode a new time of modification makes the
                    # kernel drop its pages, also while pwrite(2) sends one.
                    if view.is_copy:
                        assert os.pread(fd, 100, at) == data
                        assert m[at:at + 100] == data
                if value % 13 == 0:
                    os.fsync(fd)

    _in_threads(3 * writers, write)
    image = bytearray(_image())
    for n in range(3):
        for mine in range(writers):
            for at in range(mine * 100, size - 100, PAGE):
                place = START + n * size + at
                image[place:place + 100] = bytes([39]) * 100
        assert read_file(paths[n]) == _part(image, n, size)
        assert _direct(paths[n]) == _part(image, n, size)
    view.unmount()
    if view.mode == "write":
        assert read_file(view.base / "disk") == image
    if view.mode == "kept":
        view.windows = []
        assert read_file(view / "disk") == image


def test_128_windows_have_their_part_each(view):
    image = bytearray(_image())
    paths = _mount(view, COUNT)
    assert sorted(os.listdir(view.mnt)) == [os.path.basename(p)
                                            for p in paths]
    assert len({os.stat(p).st_ino for p in paths}) == COUNT
    for n, path in enumerate(paths):
        assert read_file(path) == _part(image, n)
        _store(path, b"%03d" % n, SIZE - 3)
        end = START + (n + 1) * SIZE
        image[end - 3:end] = b"%03d" % n
    for n, path in enumerate(paths):
        assert read_file(path) == _part(image, n)
    view.unmount()
    if view.mode == "write":
        assert read_file(view.base / "disk") == image
