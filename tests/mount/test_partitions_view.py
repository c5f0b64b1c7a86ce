# SPDX-License-Identifier: MIT
"""`mapfs partitions IMAGE MOUNTPOINT` shows each partition as a file, on which
the programs of its file system work without root."""
import errno
import json
import os
import subprocess

import pytest

from support import image, sysc, tree
from support.image import MIB
from support.sysc import fails, opened, read_file, write_file
from support.view import binary, mapfs, refused, run, wait_for

EVERYBODY = ["root", pytest.param("user", marks=pytest.mark.user)]
FAT, EXT4, XFS = (1, 20), (21, 8), (30, 320)	# start and size, in MiB


def partitions(*args):
    return mapfs("partitions", *args)


def listed(disk, *args):
    return json.loads(partitions("--json", *args, disk).text)["partitions"]


def open_quietly(path):
    """Reading the image must not move its access time, which is compared."""
    return open(os.open(path, os.O_RDONLY | os.O_NOATIME), "rb")


def slice_of(disk, start, size):
    with open_quietly(disk) as f:
        f.seek(start)
        return f.read(size)


def facts(path):
    """What must not change in an image."""
    st = os.stat(path)
    return tree.content(path, st.st_size), st.st_size, st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns


@pytest.fixture
def mnt(scratch):
    (scratch / "mnt").mkdir()
    (scratch / "tmp").mkdir()
    os.environ["TMPDIR"] = str(scratch / "tmp")
    return scratch / "mnt"


@pytest.fixture
def disk(scratch):
    """A GPT with a FAT, an ext4 and an XFS."""
    disk = image.disk(scratch / "disk.img", 352 * MIB, ["label: gpt"] + [
        f"start={start * 2048}, size={size * 2048}"
        for start, size in (FAT, EXT4, XFS)])
    for kind, (start, size) in ("vfat", FAT), ("ext4", EXT4), ("xfs", XFS):
        fs = image.file_system(scratch / "fs", size * MIB, kind, "LABEL")
        image.place(disk, start * MIB, fs)
        os.unlink(fs)
    return disk


@pytest.fixture
def small(scratch):
    """Two partitions without a file system, whose bytes tell their place."""
    disk = image.disk(scratch / "small.img", 8 * MIB, [
        "label: gpt", "start=2048, size=2049", "start=5000, size=100"])
    for at in range(34 * 512, 8 * MIB - 33 * 512, 512):
        image.patch(disk, at, b"%08d" % at)
    return disk


# --- the files ----------------------------------------------------------------

@pytest.mark.parametrize("who", EVERYBODY)
def test_each_partition_is_a_file_of_its_bytes(small, mnt, who):
    before = facts(small)
    partitions(small, mnt)
    assert sorted(os.listdir(mnt)) == ["p1", "p2"]
    for p in listed(small):
        assert read_file(mnt / p["name"]) == slice_of(
            small, p["start_bytes"], p["size_bytes"])
    mapfs("umount", mnt)
    assert facts(small) == before


def test_with_all_the_files_in_their_order_are_the_image(small, mnt):
    partitions("--all", small, mnt)
    names = [p["name"] for p in listed(small, "--all")]
    assert sorted(names) == sorted(os.listdir(mnt))
    assert b"".join(read_file(mnt / n) for n in names) == read_file(small)
    mapfs("umount", mnt)


def test_logical_partitions_and_large_sectors(scratch, mnt):
    disk = image.disk_4096(
        scratch / "d4.img", 40 * MIB, "o", "n", "p", "1", "256", "+10M",
        "n", "e", "2", "", "", "n", "l", "", "+10M", "n", "l", "", "+5M")
    fs = image.file_system(scratch / "fs", 10 * MIB, "ext4", "LABEL")
    second = listed(disk, "-b", "4096")[1]
    image.place(disk, second["start_bytes"], fs)
    partitions(disk, mnt)
    assert {n: os.stat(mnt / n).st_size for n in os.listdir(mnt)} == {
        "p1": 10 * MIB, "p5": 10 * MIB, "p6": 5 * MIB}
    assert read_file(mnt / "p5") == read_file(fs)
    mapfs("umount", mnt)


def test_a_partition_has_the_bounds_of_a_device(small, mnt):
    partitions(small, mnt)
    size = 2049 * 512
    with opened(mnt / "p1", os.O_RDWR) as fd:
        assert os.pwrite(fd, b"xy", size - 1) == 1
        with fails(errno.ENOSPC):
            os.pwrite(fd, b"x", size)
        with fails(errno.EPERM):
            os.ftruncate(fd, size + 1)
    with fails(errno.EPERM):
        write_file(mnt / "new")
    with fails(errno.EPERM):
        os.unlink(mnt / "p1")
    assert os.stat(mnt / "p1").st_size == size
    mapfs("umount", mnt)


def test_a_bare_file_system_can_be_mounted_on_a_file(scratch, mnt):
    fs = image.file_system(scratch / "fs", 8 * MIB, "ext4", "LABEL")
    before = facts(fs)
    write_file(scratch / "place")
    partitions(fs, scratch / "place")
    run("debugfs", "-w", "-R", "mkdir d", scratch / "place")
    run("e2fsck", "-f", "-n", scratch / "place")
    assert "d" in run("debugfs", "-R", "ls", scratch / "place").text.split()
    mapfs("umount", scratch / "place")
    assert facts(fs) == before
    partitions(fs, mnt)
    assert os.listdir(mnt) == ["p1"]
    mapfs("umount", mnt)


@pytest.mark.limit(120)
def test_128_partitions_are_128_files(scratch, mnt):
    disk = image.disk(scratch / "disk", 130 * MIB,
                      ["label: gpt"] + ["size=2048"] * 128)
    image.patch(disk, 128 * MIB, b"last")
    partitions(disk, mnt)
    assert len(os.listdir(mnt)) == 128
    assert read_file(mnt / "p128")[:4] == b"last"
    mapfs("umount", mnt)


# --- the programs -------------------------------------------------------------

def check_ext4(p, scratch):
    image.need("debugfs")
    write_file(scratch / "note", b"hello")
    run("debugfs", "-w", "-R", f"write {scratch}/note note", p)
    run("e2fsck", "-f", "-y", p)
    assert "hello" in run("debugfs", "-R", "cat note", p).text
    run("tune2fs", "-L", "CHANGED", p)


def check_vfat(p, scratch):
    image.need("mcopy", "fsck.vfat")
    write_file(scratch / "note", b"hello")
    run("mcopy", "-i", p, scratch / "note", "::NOTE")
    assert "NOTE" in run("mdir", "-i", p, "::").text
    assert run("mtype", "-i", p, "::NOTE").text == "hello"
    run("fsck.vfat", "-n", p)
    run("mlabel", "-i", p, "::CHANGED")


def check_xfs(p, scratch):
    image.need("xfs_repair", "xfs_db")
    run("xfs_repair", "-f", p)
    run("xfs_db", "-x", "-f", "-c", "label CHANGED", p)
    run("xfs_repair", "-f", "-n", p)


@pytest.mark.limit(180)
@pytest.mark.parametrize("who", EVERYBODY)
def test_programs_change_the_view_and_not_the_image(disk, mnt, scratch, who):
    before = facts(disk)
    partitions(disk, mnt)
    check_vfat(mnt / "p1", scratch)
    check_ext4(mnt / "p2", scratch)
    check_xfs(mnt / "p3", scratch)
    for name in "p1", "p2", "p3":
        assert run("blkid", "-p", "-o", "value", "-s", "LABEL",
                   mnt / name).text.strip() == "CHANGED"
    assert {p["label"] for p in listed(disk)} == {"LABEL"}
    mapfs("umount", mnt)
    assert facts(disk) == before


@pytest.mark.limit(180)
@pytest.mark.parametrize("who", EVERYBODY)
def test_store_keeps_the_changes_of_the_whole_image(disk, mnt, scratch, who):
    before = facts(disk)
    partitions("-s", scratch / "store", disk, mnt)
    check_ext4(mnt / "p2", scratch)
    mapfs("snapshot", mnt, "one")
    run("debugfs", "-w", "-R", "rm note", mnt / "p2")
    p = mapfs("diff", mnt, check=False)
    assert (p.returncode, p.text) == (1, "M f disk.img\n")
    mapfs("umount", mnt)
    assert facts(disk) == before

    write_file(scratch / "whole")
    mapfs("mount", "-s", scratch / "store", disk, scratch / "whole")
    assert [p["label"] for p in listed(scratch / "whole")] == [
        "LABEL", "CHANGED", "LABEL"]
    mapfs("umount", scratch / "whole")

    mapfs("rollback", "-y", scratch / "store", "one")
    partitions("-s", scratch / "store", disk, mnt)
    assert "hello" in run("debugfs", "-R", "cat note", mnt / "p2").text
    mapfs("umount", mnt)
    mapfs("commit", "-y", scratch / "store")
    assert listed(disk)[1]["label"] == "CHANGED"


@pytest.mark.root
@pytest.mark.alone
@pytest.mark.limit(120)
@pytest.mark.parametrize("name,kind", [("p1", "vfat"), ("p2", "ext4"),
                                       ("p3", "xfs")])
def test_a_partition_is_mounted_through_a_loop_device(disk, mnt, scratch,
                                                      name, kind):
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("there are no loop devices")
    before = facts(disk)
    partitions(disk, mnt)
    inner = scratch / "inner"
    inner.mkdir()
    p = run("mount", "-o", "loop", mnt / name, inner, check=False)
    if "unknown filesystem type" in p.text:
        pytest.skip(f"this kernel has no {kind}")
    sysc.umount(inner)
    for data in b"first", b"second":
        run("mount", "-o", "loop", mnt / name, inner)
        write_file(inner / "note", data * 10000)
        sysc.umount(inner)
        run("mount", "-o", "loop,ro", mnt / name, inner)
        assert read_file(inner / "note") == data * 10000
        sysc.umount(inner)
    wait_for("the end of the loop device", lambda: mapfs(
        "umount", mnt, check=False).returncode == 0)
    assert facts(disk) == before


# --- modes --------------------------------------------------------------------

def test_in_write_mode_a_change_goes_to_its_place_in_the_image(small, mnt):
    data = bytearray(read_file(small))
    partitions("-m", "write", small, mnt)
    with opened(mnt / "p2", os.O_RDWR) as fd:
        os.pwrite(fd, b"changed", 1000)
        os.fsync(fd)
    mapfs("umount", mnt)
    data[5000 * 512 + 1000:5000 * 512 + 1007] = b"changed"
    assert read_file(small) == data


def test_in_read_mode_nothing_can_be_changed(small, mnt):
    partitions("-o", "mode=read", small, mnt)
    with fails(errno.EROFS):
        os.close(os.open(mnt / "p1", os.O_RDWR))
    assert read_file(mnt / "p2")[:8] == b"%08d" % (5000 * 512)
    mapfs("umount", mnt)


@pytest.mark.root
@pytest.mark.alone
def test_partitions_of_a_block_device(small, mnt):
    before = facts(small)
    with image.loop_device(small) as device:
        for mode in "copy", "read":
            partitions("-m", mode, device, mnt)
            assert read_file(mnt / "p2") == slice_of(small, 5000 * 512,
                                                     100 * 512)
            if mode == "copy":
                with opened(mnt / "p1", os.O_RDWR) as fd:
                    os.pwrite(fd, b"changed", 5)
                assert read_file(mnt / "p1")[5:12] == b"changed"
            mapfs("umount", mnt)
        assert "use mode copy or read" in refused(
            "partitions", "-m", "write", device, mnt)
    assert facts(small)[0] == before[0]


# --- what is refused ----------------------------------------------------------

def test_tables_that_cannot_be_shown_are_not_mounted(scratch, small, mnt):
    empty = image.disk(scratch / "empty.img", 4 * MIB, ["label: gpt"])
    assert "has no partitions" in refused("partitions", empty, mnt)
    partitions("--all", empty, mnt)
    assert sorted(os.listdir(mnt)) == ["gap1", "table", "table2"]
    mapfs("umount", mnt)
    dos = image.disk(scratch / "dos.img", 4 * MIB, [
        "label: dos", "start=2048, size=2000", "start=5000, size=1000"])
    image.patch(dos, 446 + 16 + 8, (2100).to_bytes(4, "little"))
    assert "overlap" in refused("partitions", dos, mnt)
    image.patch(dos, 446 + 16 + 8, (8000).to_bytes(4, "little"))
    assert "ends behind the image" in refused("partitions", dos, mnt)
    os.truncate(small, 2 * MIB)
    assert "ends at byte" in refused("partitions", small, mnt)
    assert os.listdir(mnt) == []


def test_one_damaged_copy_of_a_gpt_does_not_prevent_the_mount(small, mnt):
    sound = listed(small)
    image.patch(small, 512 + 60, b"damage")
    p = partitions(small, mnt)
    assert "primary GPT" in p.text
    assert len(os.listdir(mnt)) == len(sound)
    mapfs("umount", mnt)


@pytest.mark.parametrize("args,says", [
    (["-m", "copy"], "MOUNTPOINT is missing"),
    (["-s", "store"], "MOUNTPOINT is missing"),
    (["--json", "mnt"], "give one of them"),
    (["-o", "remount", "mnt"], "remount"),
    (["-o", "nonsense", "mnt"], "nonsense"),
    (["-m", "half", "mnt"], "half"),
    (["-m", "read", "-s", "store", "mnt"], "store"),
    (["mnt", "mnt"], "too many arguments")])
def test_a_wrong_command_line_is_told(small, mnt, args, says):
    os.chdir(small.parent)
    p = subprocess.run([binary(), "partitions", small, *args],
                       capture_output=True, timeout=60, text=True)
    assert p.returncode == 2 and says in p.stderr, p.stderr
    assert not os.path.exists("store")


def test_a_wrong_mount_point_is_told(small, mnt, scratch):
    assert "make it first" in refused("partitions", small, scratch / "no")
    write_file(scratch / "file")
    assert "file" in refused("partitions", small, scratch / "file")
    partitions(small, mnt)
    assert "run mapfs umount" in refused("partitions", small, mnt)
    mapfs("umount", mnt)
