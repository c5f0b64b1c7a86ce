# SPDX-License-Identifier: MIT
"""`mapfs partitions` lists the partitions of a disk image."""
import json
import os
import re
import struct
import subprocess

import pytest

from support import image
from support.image import MIB
from support.load import patience
from support.view import binary, run

SENTENCE = re.compile(r"mapfs: [^\n]+: [^\n]+; [^\n]+\n")
BACKUP_HEADER = -512	# of a GPT, from the end of the image

GPT = ["label: gpt",
       "start=2048, size=20MiB, type=U, name=boot",
       "size=8MiB, name=\"r\u00f6\u00f6t\""]
# 3 and 4 come before and behind the logical ones in their numbers only.
DOS = ["label: dos",
       "1: start=2048, size=4096, type=c",
       "2: start=8192, size=40000, type=5",
       "3: start=50000, size=2000, type=82",
       "5: start=10240, size=4096",
       "6: start=16384, size=8192, type=83",
       "7: start=30000, size=100"]


def listing(*args, status=0, says=""):
    """The object that --json prints; what is said on stderr has the form of a
    message."""
    p = subprocess.run([binary(), "partitions", "--json",
                        *map(os.fspath, args)], timeout=patience(),
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    text = p.stderr.decode()
    assert p.returncode == status, text
    assert re.search(says, text) if says else text == ""
    assert re.fullmatch(f"({SENTENCE.pattern})*", text), text
    return json.loads(p.stdout) if p.stdout else None


def refused(*args, says):
    assert listing(*args, status=1, says=says) is None


def _entry(start, size, kind=0x83):
    """An entry of an MBR, in sectors."""
    return struct.pack("<4sB3sII", b"", kind, b"", start, size)


def where(table):
    return {p["name"]: (p["start_bytes"], p["size_bytes"])
            for p in table["partitions"]}


def assert_every_byte_once(table):
    at = 0
    for p in table["partitions"]:
        assert p["start_bytes"] == at and p["size_bytes"] > 0, p
        at += p["size_bytes"]
    assert at == table["size_bytes"]


@pytest.fixture
def gpt(scratch):
    return image.disk(scratch / "gpt.img", 40 * MIB, GPT)


@pytest.fixture
def dos(scratch):
    return image.disk(scratch / "dos.img", 40 * MIB, DOS)


@pytest.fixture
def gpt_4096(scratch):
    return image.disk_4096(scratch / "g4.img", 40 * MIB, "g",
                           "n", "1", "256", "+10M", "n", "2", "", "+5M")


@pytest.fixture
def dos_4096(scratch):
    return image.disk_4096(
        scratch / "d4.img", 40 * MIB, "o",
        "n", "p", "1", "256", "+10M", "n", "e", "2", "", "",
        "n", "l", "", "+10M", "n", "l", "", "+5M")


# --- what is listed -----------------------------------------------------------

def test_gpt_is_listed_as_sfdisk_made_it(gpt):
    table = listing(gpt)
    assert table["image"] == str(gpt)
    assert (table["table"], table["sector_bytes"]) == ("gpt", 512)
    assert table["size_bytes"] == 40 * MIB
    made = json.loads(run("sfdisk", "--json", gpt).text)["partitiontable"]
    assert table["id"] == made["id"]
    for p, m in zip(table["partitions"], made["partitions"], strict=True):
        assert p["start_bytes"] == m["start"] * 512
        assert p["size_bytes"] == m["size"] * 512
        assert (p["type_id"], p["partuuid"]) == (m["type"], m["uuid"])
        assert p["partlabel"] == m["name"]
        assert p["kind"] == "partition"
    assert [p["type"] for p in table["partitions"]] == [
        "EFI System", "Linux filesystem"]
    assert [p["number"] for p in table["partitions"]] == [1, 2]


def test_logical_partitions_are_listed_without_their_container(dos):
    table = listing(dos)
    assert table["table"] == "dos"
    assert where(table) == {
        "p1": (2048 * 512, 4096 * 512), "p3": (50000 * 512, 2000 * 512),
        "p5": (10240 * 512, 4096 * 512), "p6": (16384 * 512, 8192 * 512),
        "p7": (30000 * 512, 100 * 512)}
    assert [p["number"] for p in table["partitions"]] == [1, 3, 5, 6, 7]
    assert [p["type_id"] for p in table["partitions"]] == [
        "0x0c", "0x82", "0x83", "0x83", "0x83"]
    assert table["partitions"][2]["partuuid"] == table["id"][2:] + "-05"


@pytest.mark.parametrize("kind,size", [("ext4", 8), ("vfat", 20), ("xfs", 320),
                                       ("btrfs", 120)])
def test_file_system_of_a_partition_is_recognized(scratch, kind, size):
    fs = image.file_system(scratch / "fs", size * MIB, kind, "LABEL")
    disk = image.disk(scratch / "disk", (size + 4) * MIB,
                      ["label: gpt", f"start=2048, size={size}MiB", ""])
    image.place(disk, MIB, fs)
    p, = listing(disk)["partitions"]
    assert (p["fs"], p["label"]) == (kind, "LABEL")
    assert p["uuid"] == run("blkid", "-p", "-o", "value", "-s", "UUID",
                            fs).text.strip()


@pytest.mark.parametrize("kind,size", [("ext4", 8), ("vfat", 8), ("xfs", 320),
                                       ("btrfs", 120)])
def test_bare_file_system_is_one_partition(scratch, kind, size):
    """A FAT's boot sector has the signature of an MBR."""
    fs = image.file_system(scratch / "fs", size * MIB, kind, "LABEL")
    for args in [], ["--all"]:
        table = listing(*args, fs)
        assert table["table"] == "none" and table["id"] is None
        assert where(table) == {"p1": (0, size * MIB)}
        assert table["partitions"][0]["fs"] == kind


def test_boot_loader_does_not_hide_a_bare_file_system(scratch):
    fs = image.file_system(scratch / "fs", 8 * MIB, "ext4", "LABEL")
    image.patch(fs, 510, b"\x55\xaa")
    assert where(listing(fs)) == {"p1": (0, 8 * MIB)}


def test_code_in_the_boot_sector_of_a_fat_is_no_table(scratch):
    fs = image.file_system(scratch / "fs", 8 * MIB, "vfat", "LABEL")
    image.patch(fs, 446, _entry(2048, 100) + b"boot loader")
    assert where(listing(fs)) == {"p1": (0, 8 * MIB)}


def test_signatures_of_two_file_systems_are_ambiguous(scratch):
    image.need("mkswap")
    fs = image.file_system(scratch / "fs", 8 * MIB, "vfat", "LABEL")
    swap = image.sparse(scratch / "swap", 8 * MIB)
    run("mkswap", swap)
    with open(swap, "rb") as f:
        image.patch(fs, 1024, f.read(4096)[1024:])
    p, = listing(fs)["partitions"]
    assert (p["fs"], p["label"]) == ("ambiguous", None)


def test_table_for_people_has_aligned_columns(gpt):
    text = run(binary(), "partitions", gpt).text.splitlines()
    assert text[0] == f"{gpt}: gpt, sectors of 512 bytes, 40.0 MiB"
    assert text[1].split() == ["NAME", "START", "BYTES", "SIZE", "TYPE",
                               "PARTLABEL"]
    assert text[2].split() == ["p1", "1048576", "20971520", "20.0", "MiB",
                               "EFI", "System", "boot"]
    assert text[3].split()[-1] == "r\u00f6\u00f6t"
    assert text[2].index("EFI") == text[1].index("TYPE")
    assert not any(line.endswith(" ") for line in text)


def test_listing_128_partitions(scratch):
    disk = image.disk(scratch / "disk", 130 * MIB,
                      ["label: gpt"] + ["size=2048"] * 128)
    table = listing(disk)
    assert [p["name"] for p in table["partitions"]] == [
        f"p{i}" for i in range(1, 129)]
    assert_every_byte_once(listing("--all", disk))


# --- every byte ---------------------------------------------------------------

def test_all_lists_both_copies_of_a_gpt_and_the_gaps(gpt):
    table = listing("--all", gpt)
    assert_every_byte_once(table)
    assert where(table) == {
        "table": (0, 34 * 512), "gap1": (34 * 512, MIB - 34 * 512),
        "p1": (MIB, 20 * MIB), "p2": (21 * MIB, 8 * MIB),
        "gap2": (29 * MIB, 11 * MIB - 33 * 512),
        "table2": (40 * MIB - 33 * 512, 33 * 512)}
    assert [p["kind"] for p in table["partitions"]] == [
        "table", "gap", "partition", "partition", "gap", "table"]


def test_all_lists_the_boot_records_of_logical_partitions(dos):
    table = listing("--all", dos)
    assert_every_byte_once(table)
    found = where(table)
    assert found["table"] == (0, 512)
    assert found["table2"] == (8192 * 512, 512)
    with open(dos, "rb") as f:
        for name in "table", "table2", "table3", "table4":
            start, size = found[name]
            f.seek(start)
            assert f.read(size)[-2:] == b"\x55\xaa", name
    assert "table5" not in found


@pytest.mark.parametrize("script", [["label: gpt"], ["label: dos"]])
def test_table_without_partitions_is_listed(scratch, script):
    disk = image.disk(scratch / "disk", 4 * MIB, script)
    assert listing(disk)["partitions"] == []
    assert "no partitions" in run(binary(), "partitions", disk).text
    table = listing("--all", disk)
    assert_every_byte_once(table)
    assert {p["kind"] for p in table["partitions"]} == {"table", "gap"}


def test_file_system_at_the_start_of_a_gap_is_recognized(scratch):
    """A partition that was deleted."""
    fs = image.file_system(scratch / "fs", 4 * MIB, "ext4", "LOST")
    disk = image.disk(scratch / "disk", 20 * MIB,
                      ["label: gpt", "start=2048, size=4MiB"])
    image.place(disk, 5 * MIB, fs)
    gap, = [p for p in listing("--all", disk)["partitions"]
            if p["name"] == "gap2"]
    assert (gap["start_bytes"], gap["label"]) == (5 * MIB, "LOST")


# --- sectors of other sizes ---------------------------------------------------

def test_gpt_tells_the_size_of_its_sectors(gpt_4096):
    table = listing("--all", gpt_4096)
    assert (table["table"], table["sector_bytes"]) == ("gpt", 4096)
    assert_every_byte_once(table)
    found = where(table)
    assert found["table"] == (0, 2 * 4096 + 16384)
    assert found["p1"] == (MIB, 10 * MIB)
    assert found["p2"][1] == 5 * MIB
    assert found["table2"] == (40 * MIB - 16384 - 4096, 16384 + 4096)


def test_contents_decide_the_size_of_the_sectors_of_an_mbr(scratch, dos_4096):
    fs = image.file_system(scratch / "fs", 10 * MIB, "ext4", "L")
    image.place(dos_4096, MIB, fs)
    table = listing("--all", dos_4096)
    assert table["sector_bytes"] == 4096
    assert_every_byte_once(table)
    found = where(table)
    assert found["p1"] == (MIB, 10 * MIB)
    assert found["p5"][1] == 10 * MIB and found["p6"][1] == 5 * MIB
    assert found["table2"][1] == 4096


def test_empty_chain_decides_the_size_of_the_sectors_of_an_mbr(scratch):
    """Its only boot record is where sectors of 4096 bytes have it."""
    disk = image.disk_4096(scratch / "disk", 40 * MIB, "o", "n", "p", "1",
                           "256", "+10M", "n", "e", "2", "", "")
    table = listing(disk)
    assert table["sector_bytes"] == 4096
    assert where(table) == {"p1": (MIB, 10 * MIB)}


def test_broken_chain_may_be_one_of_other_sectors(scratch):
    disk = image.disk_4096(scratch / "disk", 40 * MIB, "o", "n", "p", "1",
                           "256", "+10M", "n", "e", "2", "", "")
    image.patch(disk, 11 * MIB + 510, bytes(2))
    asks = "missing; if the sectors .* say --sector-size 4096, else repair "
    listing(disk, status=1, says=asks)
    for size in "512", "4096":
        listing("-b", size, disk, status=1, says="missing; repair a view ")


def test_sector_size_can_be_named(dos):
    assert listing("--sector-size", "512", dos)["sector_bytes"] == 512
    listing("--sector-size", "4096", dos, status=1, says="ends behind")
    p = run(binary(), "partitions", "-b", "513", dos, check=False)
    assert p.returncode == 2 and SENTENCE.fullmatch(p.text)


@pytest.mark.root
@pytest.mark.alone
def test_block_device_is_an_image(gpt, gpt_4096):
    with image.loop_device(gpt, "-r") as device:
        assert where(listing("--all", device)) == where(listing("--all", gpt))
    with image.loop_device(gpt_4096, "-b", "4096") as device:
        assert where(listing(device)) == where(listing(gpt_4096))
    with image.loop_device(gpt_4096) as device:
        assert listing(device)["sector_bytes"] == 4096


# --- nothing changes ----------------------------------------------------------

@pytest.mark.parametrize("who", [
    "root", pytest.param("user", marks=pytest.mark.user)])
def test_image_is_only_read(gpt, who):
    os.utime(gpt, (1, 2))	# relatime would set an access time so old
    os.chmod(gpt, 0o400)
    before, data = os.stat(gpt), gpt.read_bytes()
    os.utime(gpt, (1, 2))
    before = os.stat(gpt)
    listing("--all", gpt)
    after = os.stat(gpt)
    for field in "st_atime_ns", "st_mtime_ns", "st_ctime_ns", "st_blocks":
        assert getattr(before, field) == getattr(after, field), field
    assert gpt.read_bytes() == data


# --- damage -------------------------------------------------------------------

@pytest.mark.parametrize("offset,which", [
    (512 + 60, "primary"), (1024 + 40, "primary"),
    (BACKUP_HEADER + 60, "backup")])
def test_one_damaged_copy_of_a_gpt_is_told_and_the_other_used(gpt, offset,
                                                             which):
    sound = listing("--all", gpt)
    image.patch(gpt, offset, b"damage")
    assert listing("--all", gpt, says=f"the {which} GPT") == sound


def test_gpt_without_a_sound_copy_is_refused(gpt):
    image.patch(gpt, 512 + 60, b"damage")
    image.patch(gpt, BACKUP_HEADER + 60, b"damage")
    refused(gpt, says="so is the backup")


def test_gpt_without_its_mbr_is_refused(gpt):
    image.patch(gpt, 0, bytes(512))
    refused(gpt, says="GPT is damaged")


def test_image_of_a_gpt_that_was_cut_off_is_refused(gpt, gpt_4096):
    for disk in gpt, gpt_4096:
        os.truncate(disk, 30 * MIB)
        refused(disk, says=f"ends at byte {30 * MIB}.*for {40 * MIB} bytes")


def test_image_that_has_grown_is_listed(gpt):
    os.truncate(gpt, 50 * MIB)
    table = listing("--all", gpt, says="not on the end")
    assert_every_byte_once(table)
    assert where(table)["gap3"] == (40 * MIB, 10 * MIB)


def test_partition_that_ends_behind_the_image_is_told(dos):
    sound = where(listing(dos))
    os.truncate(dos, 51000 * 512)
    table = listing(dos, status=1, says="partition 3 ends behind the image")
    assert where(table) == sound


def test_partitions_behind_a_damaged_boot_record_are_missed_aloud(dos):
    sound = where(listing("--all", dos))
    image.patch(dos, sound["table3"][0], bytes(512))
    table = listing(dos, status=1, says="partitions may be missing")
    assert "p5" in where(table) and "p6" not in where(table)
    os.truncate(dos, 10000 * 512)
    listing("--all", dos, status=1, says="partitions may be missing")


def test_overlapping_partitions_are_told(scratch):
    disk = image.disk(scratch / "disk", 4 * MIB, ["label: dos"])
    image.patch(disk, 446, _entry(2048, 1000) + _entry(2050, 10) +
                _entry(3048, 100))
    table = listing(disk, status=1, says="partitions 1 and 2 overlap")
    assert set(where(table)) == {"p1", "p2", "p3"}
    image.patch(disk, 446, _entry(2048, 2) + _entry(2050, 998))
    listing(disk)	# partitions that only touch


def test_hybrid_image_of_a_cd_is_listed(scratch):
    """Its first partition begins at byte 0 and holds the second one."""
    disk = image.sparse(scratch / "iso", 4 * MIB)
    image.patch(disk, 16 * 2048, b"\x01CD001\x01\0" + b" " * 32 + b"CD".ljust(
        32) + bytes(8) + struct.pack("<I", 2048))
    image.patch(disk, 446, _entry(0, 8192, 0x17) + _entry(64, 32, 0xef))
    image.patch(disk, 510, b"\x55\xaa")
    table = listing("--all", disk, status=1, says="1 and 2 overlap")
    assert where(table) == {"p1": (0, 4 * MIB), "p2": (64 * 512, 32 * 512)}


def test_chain_of_boot_records_in_a_circle_ends(dos):
    image.patch(dos, 8192 * 512 + 446 + 16, _entry(0, 100, 5))
    listing("--all", dos, status=1, says="overlap")


def test_no_table_and_no_file_system_is_refused(scratch):
    disk = image.sparse(scratch / "disk", MIB)
    refused(disk, says="no partition table and no file system")
    image.patch(disk, 0, os.urandom(100))
    os.truncate(disk, 100)
    refused(disk, says="no partition table and no file system")


def test_what_is_no_image_is_refused_at_once(scratch):
    empty = image.sparse(scratch / "empty", 0)
    refused(empty, says="is empty")
    os.mkfifo(scratch / "fifo")
    refused(scratch / "fifo", says="is a FIFO")
    refused(scratch, says="is a directory")
    refused("/dev/null", says="is a character device")
    refused(scratch / "missing", says="check the name")
    refused("", says="check the name")


@pytest.mark.user
def test_image_of_somebody_else_is_refused(gpt):
    os.chmod(gpt, 0)
    refused(gpt, says="ask its owner or root")


def test_list_that_could_not_be_written_is_no_success(gpt):
    for args in [], ["--json"]:
        with open("/dev/full", "wb") as full:
            p = subprocess.run([binary(), "partitions", *args, gpt],
                               stdout=full, stderr=subprocess.PIPE,
                               timeout=patience())
        assert p.returncode == 1 and SENTENCE.fullmatch(p.stderr.decode())
