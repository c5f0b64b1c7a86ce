# SPDX-License-Identifier: MIT
"""Options of mount(8) and fstab, with the real mount(8)."""
import errno
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from support import sysc
from support.sysc import fails, read_file, write_file
from support.view import binary, is_mounted, mapfs, run, wait_for

pytestmark = pytest.mark.root


@pytest.fixture
def place(scratch):
    """A base, a mount point, a helper where mount(8) looks for it, and an
    fstab of the test."""
    (scratch / "base").mkdir()
    (scratch / "mnt").mkdir()
    (scratch / "tmp").mkdir()
    os.environ["TMPDIR"] = str(scratch / "tmp")
    write_file(scratch / "base/f", b"bytes")
    target = Path("/sbin/mount.fuse.mapfs")
    room = scratch / "room"
    room.mkdir()
    sysc.mount("none", room, "tmpfs", 0, "mode=755")
    for name in "up", "work":
        (room / name).mkdir()
    try:
        sysc.mount("none", "/sbin", "overlay", 0,
                   f"lowerdir={os.path.realpath('/sbin')},"
                   f"upperdir={room}/up,workdir={room}/work")
    except OSError:
        pytest.skip("no overlay to show a helper in /sbin")
    if os.path.lexists(target):
        os.unlink(target)
    os.symlink(binary(), target)
    write_file(scratch / "fstab")
    sysc.mount(scratch / "fstab", "/etc/fstab", None, 4096)
    return scratch


def fstab(place, options, base="base"):
    (place / "fstab").write_text(
        f"{place}/{base} {place}/mnt fuse.mapfs {options} 0 0\n")


def mount8(place, options, **kw):
    return run("mount", "-t", "fuse.mapfs", "-o", options, place / "base",
               place / "mnt", **kw)


def flags(place):
    """The options of the mount and, after a dash, those of its file system."""
    with open("/proc/self/mountinfo") as f:
        for line in f:
            field = line.split()
            if field[4] == str(place / "mnt"):
                mine = set(field[5].split(","))
                return mine | {"-" + x for x in field[-1].split(",")}
    raise AssertionError("not mounted")


def umount(place):
    run("umount", place / "mnt")


def test_helper_heeds_every_list_of_options(place):
    """A wrapper may add an -o of its own, and -s may follow."""
    run("/sbin/mount.fuse.mapfs", place / "base", place / "mnt", "-o",
        f"noexec,store={place}/st,frobnicate", "-o", "nodev,noatime", "-s")
    assert {"noexec", "nodev", "noatime"} <= flags(place)
    umount(place)
    assert os.path.isdir(place / "st")


# --- each option ------------------------------------------------------------
@pytest.mark.parametrize("given,there,missing", [
    ("defaults", "rw", "ro nosuid nodev noexec noatime"),
    ("nosuid,nodev,noexec", "nosuid nodev noexec", ""),
    ("nosuid,suid", "rw", "nosuid"),
    ("user", "nosuid nodev noexec", ""),
    ("users", "nosuid nodev noexec", ""),
    ("user,exec", "nosuid nodev", "noexec"),
    ("owner", "nosuid nodev", "noexec"),
    ("group", "nosuid nodev", "noexec"),
    ("noatime", "noatime", "relatime"),
    ("noatime,atime", "relatime", "noatime"),
    ("nodiratime", "nodiratime relatime", ""),
    ("relatime,norelatime,nostrictatime", "relatime", ""),
    ("sync", "-sync", ""),
    ("sync,async", "rw", "-sync"),
    ("dirsync", "-dirsync", "-sync"),
    ("nosymfollow", "nosymfollow", ""),
    ("nosymfollow,symfollow", "rw", "nosymfollow"),
    ("ro", "ro -ro", "rw"),
    ("ro,rw", "rw -rw", "ro"),
    ("silent,loud,nomand,noiversion,nolazytime", "rw", ""),
    ("auto,noauto,nouser,nofail,_netdev,comment=x", "rw", "nosuid"),
    ("x-systemd.automount,X-foo=1", "rw", ""),
    ("context=system_u:object_r:tmp_t:s0", "rw", ""),
])
def test_option_does_what_the_manual_says(place, given, there, missing):
    mount8(place, "mode=write," + given)
    has = flags(place)
    assert set(there.split()) <= has
    assert not set(missing.split()) & has
    umount(place)


@pytest.mark.parametrize("word", (
    "auto noauto user user=me nouser users nousers owner noowner group "
    "nogroup defaults nofail _netdev comment=x x-y X-y=z silent loud async "
    "exec dev suid atime diratime relatime norelatime nostrictatime "
    "nolazytime noiversion nomand symfollow rw helper=x uhelper=x "
    "context=x").split())
def test_word_that_mount_8_keeps_to_itself_is_known_too(place, word):
    mapfs("mount", "-m", "write", "-o", word, place / "base", place / "mnt")
    umount(place)


@pytest.mark.parametrize("option", ["strictatime", "lazytime", "iversion",
                                    "mand"])
@pytest.mark.parametrize("mode", ["copy", "write"])
def test_option_that_cannot_be_kept_is_refused_with_a_reason(place, option,
                                                             mode):
    p = mount8(place, f"mode={mode},{option}", check=False)
    assert p.returncode != 0
    assert re.search(f"^mapfs: option {option}: [^;]+; [^;]+$", p.text, re.M)
    assert not is_mounted(place / "mnt")
    p = mapfs("mount", "-o", option, place / "base", place / "mnt",
              check=False)
    assert p.returncode == 2
    assert f"option {option}: " in p.text


def test_unknown_option_is_refused_unless_sloppy(place):
    p = mount8(place, "nonsense", check=False)
    assert p.returncode != 0 and "option nonsense: unknown" in p.text
    run("mount", "-s", "-t", "fuse.mapfs", "-o", "nonsense", place / "base",
        place / "mnt")
    umount(place)


def test_option_ro_of_the_command_line_is_kept(place):
    run("mount", "-r", "-t", "fuse.mapfs", place / "base", place / "mnt")
    assert {"ro", "-ro"} <= flags(place)
    umount(place)
    run("/sbin/mount.fuse.mapfs", place / "base", place / "mnt", "-r")
    assert {"ro", "-ro"} <= flags(place)
    umount(place)


@pytest.mark.parametrize("option", ["sync", "dirsync"])
@pytest.mark.parametrize("mode", ["write", "copy"])
def test_names_are_durable_at_once(place, mode, option):
    """Traces the flushes of the daemon."""
    trace = place / "trace"
    if not os.path.exists("/usr/bin/strace"):
        pytest.skip("strace is missing")
    store = f",store={place}/store" if mode == "copy" else ""
    mount8(place, f"mode={mode},{option}{store}")
    m = place / "mnt"
    pid = json.loads(mapfs("list", "--json").text)
    pid = (pid["mounts"] if isinstance(pid, dict) else pid)[0]["pid"]
    spy = subprocess.Popen(
        ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", trace,
         "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for("the spy", lambda: all(
            f"TracerPid:\t{spy.pid}\n" in
            Path(f"/proc/{pid}/task/{t}/status").read_text()
            for t in os.listdir(f"/proc/{pid}/task")))
        seen = 0
        for act in (lambda: os.mkdir(m / "d"), lambda: os.mkfifo(m / "p"),
                    lambda: os.symlink("x", m / "l"),
                    lambda: os.link(m / "f", m / "h"),
                    lambda: os.close(os.open(m / "n", os.O_CREAT)),
                    lambda: os.rename(m / "n", m / "d/n"),
                    lambda: os.unlink(m / "h"), lambda: os.unlink(m / "d/n"),
                    lambda: os.rmdir(m / "d")):
            act()
            now = trace.read_text().count("sync(")
            assert now > seen, "nothing was flushed"
            seen = now
        if option == "sync":
            os.chmod(m / "f", 0o600)
            assert trace.read_text().count("sync(") > seen
            seen = trace.read_text().count("sync(")
            write_file(m / "f", b"new")
            assert trace.read_text().count("sync(") > seen
    finally:
        spy.terminate()
        spy.wait()
    umount(place)


# --- fstab ------------------------------------------------------------------
def test_mount_a_twice_mounts_once(place):
    os.symlink("base", place / "link")
    for base in "base", "base/", "link":
        fstab(place, f"mode=copy,store={place}/store,x-a=b,nofail", base)
        run("mount", "-a")
        run("mount", "-a")
        with open("/proc/self/mountinfo") as f:
            assert sum(" fuse.mapfs " in line for line in f) == 1
        umount(place)


def test_missing_base_is_an_error_but_with_nofail(place):
    fstab(place, "mode=write,nofail", "nowhere")
    assert run("mount", "-a").text == ""
    assert not is_mounted(place / "mnt")
    fstab(place, "mode=write", "nowhere")
    p = run("mount", "-a", check=False)
    assert p.returncode != 0 and "nowhere" in p.text


def test_windows_in_fstab(place):
    write_file(place / "base/a,b", b"0123456789")
    fstab(place, r"mode=copy,window=x=f:1:3,window=y=a\,b:2")
    run("mount", "-a")
    assert sorted(os.listdir(place / "mnt")) == ["x", "y"]
    assert read_file(place / "mnt/x") == b"yte"
    assert read_file(place / "mnt/y") == b"23456789"
    # mount(8) repeats the options of fstab, the windows among them.
    run("mount", "-o", "remount,ro", place / "mnt")
    assert {"ro", "-ro"} <= flags(place)
    umount(place)


def test_remount_refuses_another_range_of_a_window_in_fstab(place):
    """mount(8) gives both: the window of fstab, and the one of its command
    line."""
    fstab(place, "mode=copy,window=x=f:1:3")
    run("mount", "-a")
    p = run("mount", "-o", "remount,ro,window=x=f:0:5", place / "mnt",
            check=False)
    assert p.returncode != 0
    assert "option window: cannot change while mounted; " in p.text
    assert {"rw", "-rw"} <= flags(place)
    run("mount", "-o", "remount,ro,window=x=f:1:3", place / "mnt")
    assert {"ro", "-ro"} <= flags(place)
    umount(place)


def test_file_in_fstab_is_mounted_over_itself(place):
    (place / "fstab").write_text(
        f"{place}/base/f {place}/base/f fuse.mapfs store={place}/store 0 0\n")
    run("mount", "-a")
    write_file(place / "base/f", b"new")
    run("mount", "-o", "remount,ro", place / "base/f")
    with fails(errno.EROFS):
        write_file(place / "base/f", b"newer")
    run("umount", place / "base/f")
    assert read_file(place / "base/f") == b"bytes"
    run("mount", "-a")
    assert read_file(place / "base/f") == b"new"
    run("umount", place / "base/f")


# --- remount ----------------------------------------------------------------
@pytest.mark.parametrize("mode", ["copy", "write"])
def test_remount_makes_a_view_read_only_and_back(place, mode):
    mount8(place, f"mode={mode}")
    write_file(place / "mnt/g", b"new")
    run("mount", "-o", "remount,ro", place / "mnt")
    assert {"ro", "-ro"} <= flags(place)
    with fails(errno.EROFS):
        write_file(place / "mnt/g", b"newer")
    assert read_file(place / "mnt/g") == b"new"
    run("mount", "-o", "remount,rw", place / "mnt")
    write_file(place / "mnt/g", b"newer")
    umount(place)


def test_remount_read_only_writes_back_first(place):
    store = f"mode=copy,store={place}/store"
    mount8(place, store)
    write_file(place / "mnt/g", b"x" * 1000000)
    run("mount", "-o", "remount,ro", place / "mnt")
    umount(place)
    mount8(place, store)
    assert read_file(place / "mnt/g") == b"x" * 1000000
    umount(place)


def test_remount_by_fstab_takes_its_options_for_granted(place):
    fstab(place, f"mode=copy,store={place}/store,nosuid,max_threads=3,nouring,"
          "x-foo,noauto")
    run("mount", place / "mnt")
    run("mount", "-o", "remount,ro", place / "mnt")
    assert {"ro", "nosuid"} <= flags(place)
    run("mount", "-o", "remount,rw,noexec,noatime", place / "mnt")
    assert {"rw", "nosuid", "noexec", "noatime"} <= flags(place)
    run("mount", "-o", "remount,exec,relatime,suid", place / "mnt")
    assert not {"noexec", "noatime", "nosuid", "ro"} & flags(place)
    umount(place)


def test_remount_keeps_what_is_not_named(place):
    mount8(place, "mode=copy,nosuid,nodev,noexec,nosymfollow,noatime,sync")
    before = flags(place)
    mapfs("mount", "-o", "remount,ro", place / "base", place / "mnt")
    assert {"ro", "-ro"} <= flags(place)
    mapfs("mount", "-o", "remount,rw", place / "base", place / "mnt")
    assert flags(place) == before
    run("mount", "-o", "remount,ro", place / "mnt")
    run("mount", "-o", "remount,rw", place / "mnt")
    assert flags(place) == before
    run("mount", "-o", "remount,exec,relatime", place / "mnt")
    assert before - flags(place) == {"noexec", "noatime"}
    umount(place)


@pytest.mark.parametrize("option,name", [
    ("mode=write", "mode"), ("store=/other", "store"), ("noxattr", "xattr"),
    ("nowriteback", "writeback"), ("max_threads=9", "max_threads"),
    ("logfile=/tmp/x", "logfile"), ("sync", "sync"), ("dirsync", "dirsync"),
    ("strictatime", "strictatime"), ("uring", "uring"),
    ("window=x=f:0", "window")])
def test_remount_refuses_by_name_what_only_a_new_mount_can(place, option,
                                                          name):
    mount8(place, f"mode=copy,store={place}/store")
    before = flags(place)
    p = run("mount", "-o", f"remount,ro,{option}", place / "mnt", check=False)
    assert p.returncode != 0
    assert re.search(f"^mapfs: option {name}: [^;]+; [^;]+$", p.text, re.M)
    assert flags(place) == before, "half of it was done"
    umount(place)


def test_remount_refuses_other_windows(place):
    mapfs("mount", "-w", "x=f:0:1", "-w", "y=f:1", place / "base",
          place / "mnt")
    for windows in ("window=x=f:0:1", "window=x=f:0:1,window=y=f:2",
                    "window=x=f:0:2,window=y=f:2"):
        p = run("mount", "-o", f"remount,ro,{windows}", place / "mnt",
                check=False)
        assert p.returncode != 0
        assert "option window: cannot change while mounted; " in p.text
    run("mount", "-o", "remount,ro", place / "mnt")
    assert {"ro", "-ro"} <= flags(place)
    umount(place)


def test_remount_refuses_noatime_where_the_daemon_minds(place):
    mount8(place, "mode=write")
    p = run("mount", "-o", "remount,noatime", place / "mnt", check=False)
    assert p.returncode != 0 and "option noatime: " in p.text
    umount(place)


def test_remount_refuses_to_write_to_a_read_view(place):
    mount8(place, "ro")
    p = run("mount", "-o", "remount,rw", place / "mnt", check=False)
    assert p.returncode != 0
    assert f"option rw: {place}/mnt shows its base in mode read; " in p.text
    run("mount", "-o", "remount,ro,noexec", place / "mnt")
    assert "noexec" in flags(place)
    umount(place)


def test_remount_with_a_file_open_for_writing_is_busy(place):
    mount8(place, "mode=copy")
    with open(place / "mnt/f", "r+b") as f:
        p = run("mount", "-o", "remount,ro", place / "mnt", check=False)
        assert p.returncode != 0 and "open for writing" in p.text
        f.write(b"still")
    run("mount", "-o", "remount,ro", place / "mnt")
    umount(place)


def test_remount_of_nothing_is_refused(place):
    p = mapfs("mount", "-o", "remount,ro", place / "base", place / "mnt",
              check=False)
    assert p.returncode == 2
    assert p.text == f"mapfs: {place}/mnt: not a mapfs mount; mount " \
        "it first\n"
    p = mapfs("run", "-o", "remount", "-C", place / "base", "--", "true",
              check=False)
    assert p.returncode != 0 and "option remount: " in p.text
