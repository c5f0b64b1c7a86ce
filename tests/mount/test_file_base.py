# SPDX-License-Identifier: MIT
"""A base that is a file, on a directory and on a file, which may be the base
itself."""
import errno
import json
import mmap
import os
import random
import socket
import stat

import pytest

from support import isolate
from support.part import PartView
from support.programs import need
from support.runs import view_run
from support.sysc import fails, opened, read_file, write_file
from support.view import is_mounted, life_of, mapfs, refused, run

pytestmark = pytest.mark.modes("write", "copy", "kept", plain=False)

IMAGE = random.Random(10).randbytes((1 << 20) + 7)


def make(scratch, mode, who):
    v = PartView(scratch, mode, who == "user")
    write_file(v.base / "disk.img", IMAGE)
    write_file(v.base / "other", b"hidden")
    return v


@pytest.fixture
def view(request, scratch):
    """The image as the only file of a directory."""
    who, mode = request.param.split("-")
    v = make(scratch, mode, who)
    v.show_file("disk.img")
    yield from life_of(v, request)


@pytest.fixture(params=["elsewhere", "itself"])
def at_file(request, view):
    """The image in place of a file, or of itself."""
    at = view.base / "disk.img" if request.param == "itself" \
        else view.scratch / "file"
    view.show_file("disk.img", at)
    return view


def check_base(view, changed):
    """Ends the mount, and checks what the base has then; in mode copy nobody
    may read it."""
    view.unmount()
    if view.mode == "write":
        assert read_file(view.base / "disk.img") == changed


# --- on a directory ---------------------------------------------------------

def test_directory_shows_the_file_and_nothing_else(view):
    assert os.listdir(view.top) == ["disk.img"]
    assert read_file(view / "disk.img") == IMAGE
    with fails(errno.ENOENT):
        os.stat(view / "other")


def test_file_in_the_directory_is_written_as_any_file(view):
    with opened(view / "disk.img", os.O_RDWR) as fd:
        os.pwrite(fd, b"new", 4095)
        os.ftruncate(fd, 10000)
        os.fsync(fd)
    changed = IMAGE[:4095] + b"new" + IMAGE[4098:10000]
    assert read_file(view / "disk.img") == changed
    check_base(view, changed)


# --- on a file --------------------------------------------------------------

def test_mounted_file_has_the_bytes_and_the_attributes_of_the_base(at_file):
    st = os.stat(at_file.base / "disk.img")
    before = (st.st_mode, st.st_uid, st.st_size, st.st_mtime_ns)
    assert read_file(at_file.path) == IMAGE
    st = os.stat(at_file.path)
    assert (st.st_mode, st.st_uid, st.st_size, st.st_mtime_ns) == before
    assert st.st_dev != os.stat(at_file.scratch).st_dev


def test_mounted_file_is_written_as_any_file(at_file):
    with opened(at_file.path, os.O_RDWR) as fd:
        os.pwrite(fd, b"new", 4095)
        assert os.fstat(fd).st_size == len(IMAGE)
        os.pwrite(fd, b"tail", len(IMAGE))
        os.fsync(fd)
    changed = IMAGE[:4095] + b"new" + IMAGE[4098:] + b"tail"
    assert read_file(at_file.path) == changed
    assert os.stat(at_file.path).st_size == len(changed)
    check_base(at_file, changed)


def test_size_of_a_mounted_file_can_change(at_file):
    os.truncate(at_file.path, 10)
    assert read_file(at_file.path) == IMAGE[:10]
    os.truncate(at_file.path, 5000)
    assert read_file(at_file.path) == IMAGE[:10] + bytes(4990)
    with open(at_file.path, "wb") as f:
        f.write(b"short")
    assert read_file(at_file.path) == b"short"
    check_base(at_file, b"short")


def test_mounted_file_can_be_mapped(at_file):
    with opened(at_file.path, os.O_RDWR) as fd, mmap.mmap(fd, 0) as m:
        assert m[:] == IMAGE
        m[4095:4097] = b"ab"
        m.flush()
        assert os.pread(fd, 2, 4095) == b"ab"
        with opened(at_file.path, os.O_RDONLY) as again:
            assert os.pread(again, 2, 4095) == b"ab"
    check_base(at_file, IMAGE[:4095] + b"ab" + IMAGE[4097:])


def test_mode_of_a_mounted_file_can_change(at_file):
    os.chmod(at_file.path, 0o600)
    assert stat.S_IMODE(os.stat(at_file.path).st_mode) == 0o600


def test_mounted_file_cannot_be_removed_or_renamed(at_file):
    read_file(at_file.path)
    with fails(errno.EBUSY):
        os.unlink(at_file.path)
    with fails(errno.EBUSY):
        os.rename(at_file.path, at_file.scratch / "away")


@pytest.mark.modes("read", plain=False)
def test_file_of_a_read_view_can_be_read_only(at_file):
    assert read_file(at_file.path) == IMAGE
    with fails(errno.EROFS):
        os.open(at_file.path, os.O_RDWR)


def test_every_command_knows_a_mounted_file(at_file):
    read_file(at_file.path)
    status = json.loads(mapfs("status", "--json", at_file.path).text)
    assert status["mountpoint"] == str(at_file.mnt)
    assert status["base"] == str(at_file.base / "disk.img")
    assert status["base_state"] == "fits"
    [line] = [x for x in json.loads(mapfs("list", "--json").text)
              if x["mountpoint"] == str(at_file.mnt)]
    assert line["state"] == "alive" and line["pid"] == at_file.proc.pid


# --- the store --------------------------------------------------------------

@pytest.mark.modes("kept", plain=False)
def test_history_of_a_mounted_file(at_file):
    path = at_file.path
    one, two = b"1" + IMAGE[1:], b"2" * 5000
    with opened(path, os.O_RDWR) as fd:
        os.pwrite(fd, b"1", 0)
    mapfs("snapshot", path, "one")
    with open(path, "wb") as f:
        f.write(two)
    assert mapfs("diff", path, check=False).text == "M f disk.img\n"
    mapfs("snapshot", path, "two")
    mapfs("rollback", "-y", path, "one")
    assert read_file(path) == one
    assert os.stat(path).st_size == len(one)
    mapfs("rollback", "-y", path, "two")
    assert read_file(path) == two
    mapfs("revert", path, ".")
    assert read_file(path) == IMAGE
    assert mapfs("diff", path).text == ""
    mapfs("rollback", "-y", path, "one")
    at_file.remount()
    assert read_file(at_file.path) == one


@pytest.mark.modes("kept", plain=False)
def test_rollback_reaches_a_program_that_has_the_file_open(at_file):
    with opened(at_file.path, os.O_RDWR) as fd, mmap.mmap(fd, 0) as m:
        mapfs("snapshot", at_file.path, "old")
        m[:5] = b"newer"
        os.pwrite(fd, b"tail", len(IMAGE))
        mapfs("rollback", "-y", at_file.path, "old")
        assert m[:5] == IMAGE[:5]
        assert os.fstat(fd).st_size == len(IMAGE)
        assert os.pread(fd, 10, len(IMAGE) - 3) == IMAGE[-3:]


@pytest.mark.modes("copy", "kept", plain=False)
def test_patch_of_a_mounted_text(view):
    write_file(view.base / "text", b"a\nb\n")
    for at in view.base / "text", view.scratch / "mnt":
        view.show_file("text")
        view.mnt = at
        with open(view.top if at.is_file() else view / "text", "ab") as f:
            f.write(b"c\n")
        assert mapfs("diff", "-p", view.top, check=False).text == \
            "diff --git a/text b/text\n--- a/text\n+++ b/text\n" \
            "@@ -1,2 +1,3 @@\n a\n b\n+c\n"
        view.unmount()
        if view.mode == "kept":
            mapfs("discard", "-y", view.store)


@pytest.mark.modes("kept", plain=False)
def test_commit_and_undo(at_file):
    at_file.base_stays = False
    with opened(at_file.path, os.O_RDWR) as fd:
        os.pwrite(fd, b"new", 5000)
    assert "mounted" in refused("commit", "-y", at_file.store)
    at_file.unmount()
    image = at_file.base / "disk.img"
    assert read_file(image) == IMAGE
    mapfs("commit", "-y", at_file.store)
    assert read_file(image) == IMAGE[:5000] + b"new" + IMAGE[5003:]
    mapfs("commit", "--undo", "-y", at_file.store)
    assert read_file(image) == IMAGE


@pytest.mark.modes("kept", plain=False)
def test_store_in_use_is_refused_for_a_file_too(at_file):
    read_file(at_file.path)
    at = at_file.scratch / "second"
    write_file(at)
    words = refused("mount", "-s", at_file.store, at_file.base / "disk.img",
                    at)
    assert str(at_file.store) in words and "in use" in words, words
    assert not is_mounted(at)


@pytest.mark.modes("write", plain=False)
@pytest.mark.parametrize("mode", ["write", "copy"])
def test_image_that_is_written_is_refused_a_second_time(at_file, mode):
    # By another name, because the first mount may cover the image.
    os.link(at_file.base / "disk.img", at_file.scratch / "name")
    read_file(at_file.path)
    at = at_file.scratch / "second"
    write_file(at)
    words = refused("mount", "-m", mode, at_file.scratch / "name", at)
    assert "write mode" in words and words.count("\n") == 1, words
    assert not is_mounted(at)


# --- the end ----------------------------------------------------------------

def test_dead_mount_over_a_file_is_cleared_by_the_next_one(at_file):
    read_file(at_file.path)
    at_file.proc.kill()
    at_file.proc.wait()
    # stat(2) might be answered by the kernel's cache.
    with fails(errno.ENOTCONN, errno.ECONNABORTED):
        os.statvfs(at_file.mnt)
    at_file.proc = None
    mapfs(*(a for a in at_file.command()[1:] if a != "-f"))
    assert read_file(at_file.mnt) == IMAGE
    mapfs("umount", at_file.mnt)
    assert not is_mounted(at_file.mnt)


def test_dead_mount_over_a_file_can_be_unmounted(at_file):
    read_file(at_file.path)
    at_file.proc.kill()
    at_file.proc.wait()
    at_file.proc = None
    mapfs("umount", at_file.mnt)
    assert not is_mounted(at_file.mnt)
    assert stat.S_ISREG(os.stat(at_file.mnt).st_mode)


def test_daemon_that_is_ended_writes_an_open_file_back(at_file):
    """The daemon gets SIGTERM while a program has written to the file."""
    at_file.expected = ["lose it", "got Terminated"]
    fd = os.open(at_file.path, os.O_RDWR)
    m = mmap.mmap(fd, 0)
    m[:3] = b"end"
    at_file.proc.terminate()
    assert at_file.proc.wait(60) == 0
    at_file.proc = None
    m.close()
    os.close(fd)
    assert not is_mounted(at_file.mnt)
    if at_file.mode == "write":
        assert read_file(at_file.base / "disk.img")[:3] == b"end"
    elif at_file.mode == "kept":
        assert read_file(at_file.path)[:3] == b"end"


# --- what is refused --------------------------------------------------------

@pytest.fixture
def place(scratch):
    for name in "base", "mnt", "tmp":
        (scratch / name).mkdir()
    os.environ["TMPDIR"] = str(scratch / "tmp")
    write_file(scratch / "base/disk.img", IMAGE)
    write_file(scratch / "file", b"kept")
    yield scratch
    assert os.listdir(scratch / "tmp") == []


def _fifo(path):
    os.mkfifo(path)


def _socket(path):
    socket.socket(socket.AF_UNIX).bind(str(path))


def _device(path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))


def _dangling(path):
    os.symlink("nowhere", path)


@pytest.mark.parametrize("make_one", [_fifo, _socket, _device, _dangling])
@pytest.mark.parametrize("at", ["mnt", "file"])
def test_base_that_can_be_no_base_is_refused_at_once(place, make_one, at):
    make_one(place / "base/x")
    words = refused("mount", place / "base/x", place / at)
    assert f"{place}/base/x" in words and "; " in words, words
    assert words.count("\n") == 1
    assert not is_mounted(place / at)


def test_mount_point_that_is_missing_may_be_what_fits(place):
    either = "make a directory (mkdir) or a file (touch) first"
    directory = "no such directory; make it first (mkdir)"
    disk, base = place / "base/disk.img", place / "base"
    window = "-w", "a=disk.img:1:2"
    for args, words in (([disk], either), ([*window, base], either),
                        ([base], directory), (["none"], directory),
                        ([*window, "-w", "b=disk.img:3", base], directory)):
        said = refused("mount", *args, place / "nowhere")
        assert said == f"mapfs: {place}/nowhere: " + (
            "no such file or directory; " if words == either else ""
        ) + words + "\n"


def test_view_without_a_base_is_refused_on_a_file(place):
    for args in [], ["-w", "a=disk.img:1:2"]:
        assert refused("mount", *args, "none", place / "file") == \
            f"mapfs: {place}/file: a file, but a view without a base is a " \
            "directory; mount on a directory\n"
    assert read_file(place / "file") == b"kept"


def test_fifo_as_mount_point_is_refused_at_once(place):
    os.mkfifo(place / "x")
    words = refused("mount", place / "base/disk.img", place / "x")
    assert f"{place}/x: neither a directory nor a regular file; " in words


@pytest.mark.user
def test_user_who_may_not_write_to_the_mount_point_is_told(place):
    if os.geteuid() != isolate.USER_UID:
        pytest.skip("needs root, to become an ordinary user")
    os.chmod(place / "file", 0o444)
    words = refused("mount", place / "base/disk.img", place / "file")
    assert words.startswith(f"mapfs: {place}/file: you cannot write to this "
                            "file: Permission denied; "), words


# --- block devices ----------------------------------------------------------

@pytest.fixture
def device(place):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("there are no loop devices")
    need("losetup")
    write_file(place / "disk", IMAGE[:1 << 20])
    name = run("losetup", "-f", "--show", place / "disk").text.strip()
    yield name
    run("losetup", "-d", name)


def test_block_device_is_shown_as_a_file(place, device):
    name = os.path.basename(device)
    at = place / "mnt" / name
    mapfs("mount", "-s", place / "store", device, place / "mnt")
    assert os.listdir(place / "mnt") == [name]
    assert stat.S_ISREG(os.stat(at).st_mode)
    assert os.stat(at).st_size == 1 << 20
    with opened(at, os.O_RDWR) as fd:
        os.pwrite(fd, b"new", 4095)
    assert read_file(at) == IMAGE[:4095] + b"new" + IMAGE[4098:1 << 20]
    mapfs("umount", place / "mnt")
    assert read_file(device) == IMAGE[:1 << 20]
    words = refused("commit", "-y", place / "store")
    assert "device" in words and words.count("\n") == 1, words
    assert read_file(device) == IMAGE[:1 << 20]


def test_window_of_a_block_device_on_a_file(place, device):
    mapfs("mount", "-m", "read", "-w", "part=:8s:4K", device, place / "file")
    assert read_file(place / "file") == IMAGE[4096:8192]
    mapfs("umount", place / "file")


def test_block_device_is_refused_in_write_mode(place, device):
    words = refused("mount", "-m", "write", device, place / "mnt")
    assert device in words and words.count("\n") == 1, words


# --- mapfs run --------------------------------------------------------------

def test_run_on_an_image(place):
    need("qemu-img", "qemu-io")
    image = place / "base/disk.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", image, "10M")
    before = read_file(image)
    p = view_run("-C", image, "--", "qemu-img", "info", "disk.qcow2")
    assert p.returncode == 0 and b"file format: qcow2" in p.stdout, p.words
    p = view_run("-s", place / "store", "--commit", "-C", image, "--",
                 "qemu-io", "-c", "write -P 7 1M 64k", "disk.qcow2")
    assert p.returncode == 0, p.words
    assert read_file(image) != before
    run("qemu-img", "check", "-q", image)
    assert "verify" not in run("qemu-io", "-c", "read -P 7 1M 64k",
                               image).text
    mapfs("commit", "--undo", "-y", place / "store")
    assert read_file(image) == before


def test_run_keeps_the_changes_of_a_file(place):
    image = place / "base/disk.img"
    p = view_run("-s", place / "store", "--keep", "-C", image, "--", "sh",
                 "-c", "printf new | dd conv=notrunc status=none of=disk.img")
    assert p.returncode == 0, p.words
    assert read_file(image) == IMAGE
    p = view_run("-s", place / "store", "-C", image, "--", "head", "-c", "3",
                 "disk.img")
    assert p.stdout == b"new", p.words
    assert mapfs("diff", place / "store", check=False).text == \
        "M f disk.img\n"
