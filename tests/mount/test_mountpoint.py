# SPDX-License-Identifier: MIT
"""Mounting and unmounting, and the messages of what is refused."""
import errno
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from support import sysc
from support.load import patience
from support.sysc import fails, read_file, write_file
from support.view import binary, is_mounted, mapfs, run, wait_for


@pytest.fixture
def place(scratch):
    """A base and a mount point; mounts that are left end with the
    namespace."""
    (scratch / "base").mkdir(exist_ok=True)
    (scratch / "mnt").mkdir()
    (scratch / "tmp").mkdir()
    os.environ["TMPDIR"] = str(scratch / "tmp")
    write_file(scratch / "base/f", b"bytes")
    return scratch


def _refused(*args, names, says=""):
    """The command must fail and print one sentence on stderr that names the
    object."""
    p = subprocess.run([binary(), *map(os.fspath, args)], timeout=patience(),
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    text = p.stderr.decode(errors="replace")
    assert p.returncode > 0, f"it succeeded: {text}"
    assert p.stdout == b""
    assert str(names) in text, f"{names} is not named: {text}"
    assert re.search(says, text), f"{says!r} not in: {text}"
    assert len([x for x in text.split("\n") if x]) == 1, text
    return text


def _processes():
    """The pids of daemons and brokers in the namespace of this test."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue
        if exe == os.path.realpath(binary()):
            found.append(int(pid))
    return found


def _daemons():
    return [pid for pid in _processes()
            if read_file(f"/proc/{pid}/comm") == b"mapfs\n"]


def test_background_mount_answers_when_the_command_returns(place):
    mapfs("mount", place / "base", place / "mnt")
    assert read_file(place / "mnt/f") == b"bytes"
    write_file(place / "mnt/f", b"new")
    mapfs("umount", place / "mnt")
    assert not is_mounted(place / "mnt")
    assert read_file(place / "base/f") == b"bytes"
    wait_for("the daemon's end", lambda: not _processes())


def test_copy_is_the_default_mode(place):
    mapfs("mount", place / "base", place / "mnt")
    write_file(place / "mnt/g")
    assert not (place / "base/g").exists()
    mapfs("umount", place / "mnt")


def test_daemon_keeps_no_descriptor_or_directory_of_its_caller(place):
    r, w = os.pipe()
    os.set_inheritable(w, True)
    p = subprocess.run([binary(), "mount", place / "base", place / "mnt"],
                       pass_fds=[w], timeout=patience(), cwd=place / "tmp",
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    assert p.returncode == 0, p.stdout
    os.close(w)
    assert os.read(r, 1) == b""
    for pid in _processes():
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
    mapfs("umount", place / "mnt")


def test_relative_paths_are_those_of_the_caller(place):
    os.chdir(place)
    mapfs("mount", "base", "mnt")
    assert read_file("mnt/f") == b"bytes"
    mapfs("umount", "mnt")
    assert not is_mounted(place / "mnt")


def test_mode_is_taken_from_the_option_list_too(place):
    mapfs("mount", "-o", "mode=read", place / "base", place / "mnt")
    with fails(errno.EROFS):
        write_file(place / "mnt/g")
    mapfs("umount", place / "mnt")


def test_list_shows_each_mount(place):
    (place / "mnt2").mkdir()
    mapfs("mount", "-m", "write", place / "base", place / "mnt")
    mapfs("mount", "-s", place / "store", place / "base", place / "mnt2")
    out = json.loads(mapfs("list", "--json").text)
    mounts = out["mounts"] if isinstance(out, dict) else out
    by_place = {m["mountpoint"]: m for m in mounts}
    assert set(by_place) == {str(place / "mnt"), str(place / "mnt2")}
    one, two = by_place[str(place / "mnt")], by_place[str(place / "mnt2")]
    assert one["base"] == two["base"] == str(place / "base")
    assert (one["mode"], two["mode"]) == ("write", "copy")
    assert two["store"] == str(place / "store")
    text = mapfs("list").text
    assert str(place / "mnt") in text and str(place / "mnt2") in text
    mapfs("umount", place / "mnt")
    mapfs("umount", place / "mnt2")
    out = json.loads(mapfs("list", "--json").text)
    assert (out["mounts"] if isinstance(out, dict) else out) == []


def test_list_survives_a_mount_whose_daemon_hangs(place):
    mapfs("mount", place / "base", place / "mnt")
    (pid,) = _daemons()
    os.kill(pid, signal.SIGSTOP)
    try:
        assert str(place / "mnt") in mapfs("list", timeout=15).text
    finally:
        os.kill(pid, signal.SIGCONT)
    mapfs("umount", place / "mnt")


def test_view_on_its_own_base_is_compared_with_a_snapshot(place):
    """The daemon must not look at its own view for the base's bytes."""
    base = place / "base"
    mapfs("mount", "-s", place / "store", base, base)
    mapfs("snapshot", base, "one")
    write_file(base / "f", b"other")
    p = mapfs("diff", base, "one..", check=False)
    assert (p.returncode, p.text) == (1, "M f f\n")
    mapfs("umount", base)
    assert read_file(base / "f") == b"bytes"


def test_missing_base_is_refused(place):
    _refused("mount", place / "nowhere", place / "mnt",
             names=place / "nowhere", says="does not exist|[Nn]o such")
    assert not is_mounted(place / "mnt")


def test_missing_mount_point_is_refused(place):
    _refused("mount", place / "base", place / "nowhere",
             names=place / "nowhere", says="does not exist|[Nn]o such")


def test_mount_point_that_is_a_file_is_refused_for_a_directory(place):
    write_file(place / "file", b"kept")
    _refused("mount", place / "base", place / "file", names=place / "file",
             says="is a directory; mount on a directory")
    assert read_file(place / "file") == b"kept"


def test_mount_point_that_is_a_file_shows_one_window_only(place):
    write_file(place / "file", b"kept")
    _refused("mount", "-w", "a=f:0:1", "-w", "b=f:1", place / "base",
             place / "file", names=place / "file", says="only one of the 2 ")
    assert read_file(place / "file") == b"kept"


def test_mount_point_that_is_a_fifo_is_refused(place):
    os.mkfifo(place / "fifo")
    _refused("mount", place / "base", place / "fifo", names=place / "fifo",
             says="neither a directory nor a regular file")


def test_mount_point_in_use_is_refused(place):
    mapfs("mount", place / "base", place / "mnt")
    write_file(place / "mnt/g", b"mine")
    _refused("mount", place / "base", place / "mnt", names=place / "mnt",
             says="already|mounted")
    assert read_file(place / "mnt/g") == b"mine"
    mapfs("umount", place / "mnt")
    assert not is_mounted(place / "mnt")


@pytest.mark.user
def test_base_without_permission_is_refused(place):
    os.chmod(place / "base", 0o000)
    _refused("mount", place / "base", place / "mnt", names=place / "base",
             says="permission|[Pp]ermission|may not|denied|accessible")
    os.chmod(place / "base", 0o755)


@pytest.mark.user
def test_mount_point_without_permission_is_refused(place):
    os.chmod(place / "mnt", 0o555)
    _refused("mount", place / "base", place / "mnt", names=place / "mnt",
             says="permission|[Pp]ermission|may not|denied|write")


@pytest.mark.user
def test_ordinary_user_mounts_and_unmounts(place):
    mapfs("mount", place / "base", place / "mnt")
    write_file(place / "mnt/f", b"new")
    assert read_file(place / "base/f") == b"bytes"
    mapfs("umount", place / "mnt")
    assert not is_mounted(place / "mnt")


@pytest.mark.user
def test_allow_other_without_leave_is_refused_saying_so(place):
    if re.search(r"^\s*user_allow_other",
                 Path("/etc/fuse.conf").read_text(), re.M):
        pytest.skip("user_allow_other is set here")
    _refused("mount", "-o", "allow_other", place / "base", place / "mnt",
             names="allow_other", says="user_allow_other")
    assert not is_mounted(place / "mnt")


def _in_user_namespace(place, script):
    return run("unshare", "-Urm", "sh", "-ec", script,
               env=dict(os.environ, M=binary(), P=str(place)), check=False,
               timeout=40)


@pytest.mark.user
def test_mount_works_inside_a_user_namespace(place):
    if run("unshare", "-Urm", "true", check=False).returncode:
        pytest.skip("no user namespaces for ordinary users here")
    p = _in_user_namespace(place, """
        $M mount -s $P/store $P/base $P/mnt
        test "$(cat $P/mnt/f)" = bytes
        echo new >$P/mnt/f
        mkdir $P/mnt/d
        chmod 700 $P/mnt/d
        test "$(cat $P/base/f)" = bytes
        $M umount $P/mnt
        $M mount -s $P/store $P/base $P/mnt
        test "$(cat $P/mnt/f)" = new
        $M umount $P/mnt
        echo fine""")
    assert p.returncode == 0 and p.text.endswith("fine\n"), p.text


@pytest.mark.parametrize("mode", ["read", "write", "copy"])
@pytest.mark.user
def test_every_mode_mounts_inside_a_user_namespace(place, mode):
    if run("unshare", "-Urm", "true", check=False).returncode:
        pytest.skip("no user namespaces for ordinary users here")
    p = _in_user_namespace(place, f"""
        $M mount -m {mode} $P/base $P/mnt
        cmp $P/base/f $P/mnt/f
        $M umount $P/mnt""")
    assert p.returncode == 0, p.text


@pytest.mark.parametrize("who", ["root", pytest.param(
    "user", marks=pytest.mark.user)])
def test_abandoned_mount_is_replaced(place, who):
    """It answers ENOTCONN; a new mount unmounts it first."""
    if who == "root" and os.geteuid() != 0:
        pytest.skip("needs root")
    mapfs("mount", place / "base", place / "mnt")
    (pid,) = _daemons()
    os.kill(pid, signal.SIGKILL)
    wait_for("its end", lambda: not _processes())
    with fails(errno.ENOTCONN, errno.ECONNABORTED):
        os.stat(place / "mnt/f")
    mapfs("mount", place / "base", place / "mnt")
    assert read_file(place / "mnt/f") == b"bytes"
    mapfs("umount", place / "mnt")
    assert not is_mounted(place / "mnt")


def test_umount_of_an_abandoned_mount_takes_it_away(place):
    mapfs("mount", place / "base", place / "mnt")
    (pid,) = _daemons()
    os.kill(pid, signal.SIGKILL)
    wait_for("its end", lambda: not _processes())
    mapfs("umount", place / "mnt")
    assert not is_mounted(place / "mnt")


def test_umount_of_what_is_not_mounted_is_refused(place):
    _refused("umount", place / "mnt", names=place / "mnt",
             says="not (a mount|mounted)|no mapfs|not")
    _refused("umount", place / "nowhere", names=place / "nowhere")


@pytest.mark.root
def test_umount_of_another_file_system_is_refused(place):
    sysc.mount("none", place / "mnt", "tmpfs", 0)
    _refused("umount", place / "mnt", names=place / "mnt")
    assert is_mounted(place / "mnt")


@pytest.mark.root
def test_mount_out_of_sight_is_not_taken_for_the_one_in_its_place(place):
    """Another mount further up hides it, and has a directory of the same
    path."""
    outer = place / "outer"
    (outer / "mnt").mkdir(parents=True)
    mapfs("mount", place / "base", outer / "mnt")
    sysc.mount("none", outer, "tmpfs", 0)
    try:
        (outer / "mnt").mkdir()
        p = mapfs("status", outer / "mnt", check=False)
        assert "neither in a mapfs mount" in p.text
        mapfs("mount", "-s", place / "store", place / "base", outer / "mnt")
        write_file(outer / "mnt/new")
        assert mapfs("diff", outer / "mnt", check=False).text == "A f new\n"
        mapfs("umount", outer / "mnt")
        p = mapfs("umount", outer / "mnt", check=False)
        assert "nothing is mounted here" in p.text
    finally:
        sysc.umount_lazy(outer)
    mapfs("umount", outer / "mnt")


def test_umount_of_a_busy_mount_is_refused_and_does_no_harm(place):
    mapfs("mount", place / "base", place / "mnt")
    with open(place / "mnt/f", "r+b") as f:
        f.write(b"mine!")
        f.flush()
        _refused("umount", place / "mnt", names=place / "mnt",
                 says="busy|in use")
        assert is_mounted(place / "mnt")
        f.seek(0)
        assert f.read() == b"mine!"
    mapfs("umount", place / "mnt")


@pytest.mark.root
def test_umount_names_the_other_place_it_is_mounted_on(place):
    (place / "other").mkdir()
    mapfs("mount", place / "base", place / "mnt")
    run("mount", "--bind", place / "mnt", place / "other")
    _refused("umount", place / "mnt", names=place / "mnt",
             says=f"mounted on {place}/other, too")
    run("umount", place / "other")
    wait_for("the daemon's end", lambda: not _processes())


@pytest.mark.root
def test_umount_names_who_has_it_in_another_namespace(place):
    mapfs("mount", place / "base", place / "mnt")
    keeper = subprocess.Popen(["unshare", "--mount", "--propagation",
                               "private", "sleep", "60"])
    wait_for("its namespace",
             lambda: os.readlink(f"/proc/{keeper.pid}/ns/mnt") !=
             os.readlink("/proc/self/ns/mnt"))
    _refused("umount", place / "mnt", names=place / "mnt",
             says=f"process {keeper.pid} has it")
    keeper.kill()
    keeper.wait(timeout=patience())
    wait_for("the daemon's end", lambda: not _processes())


@pytest.mark.root
def test_mount_8_mounts_it_through_its_helper(place):
    """`mount -t fuse.mapfs`, as fstab uses it; the helper is beside the
    binary, in a /sbin that is private to the test."""
    helper = Path(binary()).resolve().with_name("mount.fuse.mapfs")
    target = Path("/sbin/mount.fuse.mapfs")
    if not target.exists():
        shadow = place / "sbin"
        shadow.mkdir()
        work = place / "work"
        work.mkdir()
        try:
            sysc.mount("none", "/sbin", "overlay", 0,
                       f"lowerdir={os.path.realpath('/sbin')},"
                       f"upperdir={shadow},workdir={work}")
        except OSError:
            pytest.skip("no overlay to show a helper in /sbin")
        os.symlink(helper if helper.exists() else binary(), target)
    run("mount", "-t", "fuse.mapfs", "-o", f"mode=copy,store={place}/store",
        place / "base", place / "mnt")
    write_file(place / "mnt/g", b"kept")
    run("umount", place / "mnt")
    wait_for("the daemon's end", lambda: not _processes())
    run("mount", "-t", "fuse.mapfs", "-o", f"mode=copy,store={place}/store",
        place / "base", place / "mnt")
    assert read_file(place / "mnt/g") == b"kept"
    run("umount", place / "mnt")


@pytest.mark.root
def test_plain_umount_8_keeps_everything(place):
    mapfs("mount", "-s", place / "store", place / "base", place / "mnt")
    write_file(place / "mnt/g", b"x" * 100000)
    run("umount", place / "mnt")
    wait_for("the daemon's end", lambda: not _processes())
    mapfs("mount", "-s", place / "store", place / "base", place / "mnt")
    assert read_file(place / "mnt/g") == b"x" * 100000
    mapfs("umount", place / "mnt")


@pytest.mark.parametrize("args,word", [
    (["mount"], "BASE"), (["mount", "one"], "MOUNTPOINT|BASE"),
    (["mount", "-m", "sideways", "a", "b"], "sideways"),
    (["mount", "-o", "nonsense", "a", "b"], "nonsense"),
    (["frobnicate"], "frobnicate"), (["umount"], "MOUNTPOINT")])
def test_wrong_usage_is_refused_with_a_hint(place, args, word):
    p = mapfs(*args, check=False)
    assert p.returncode > 0
    assert re.search(word, p.text), p.text


def test_store_in_write_mode_is_refused(place):
    _refused("mount", "-m", "write", "-s", place / "store", place / "base",
             place / "mnt", names="store", says="copy")
    assert not (place / "store").exists()


@pytest.mark.parametrize("args", [
    ["--help"], ["mount", "--help"], ["umount", "--help"],
    ["list", "--help"]])
def test_help_is_on_standard_output(place, args):
    p = subprocess.run([binary(), *args], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=patience())
    assert p.returncode == 0
    assert b"mapfs" in p.stdout and p.stderr == b""


def test_version_is_a_version(place):
    assert re.search(r"\d+\.\d+", mapfs("--version").text)


def test_two_views_of_one_base_are_independent(place):
    (place / "mnt2").mkdir()
    mapfs("mount", place / "base", place / "mnt")
    mapfs("mount", place / "base", place / "mnt2")
    write_file(place / "mnt/f", b"one")
    write_file(place / "mnt2/f", b"two")
    assert read_file(place / "mnt/f") == b"one"
    assert read_file(place / "mnt2/f") == b"two"
    assert read_file(place / "base/f") == b"bytes"
    mapfs("umount", place / "mnt")
    mapfs("umount", place / "mnt2")


def test_view_of_a_view_works(place):
    (place / "mnt2").mkdir()
    mapfs("mount", place / "base", place / "mnt")
    write_file(place / "mnt/f", b"one")
    mapfs("mount", place / "mnt", place / "mnt2")
    assert read_file(place / "mnt2/f") == b"one"
    write_file(place / "mnt2/f", b"two")
    os.rename(place / "mnt2/f", place / "mnt2/g")
    assert read_file(place / "mnt/f") == b"one"
    assert read_file(place / "mnt2/g") == b"two"
    mapfs("umount", place / "mnt2")
    mapfs("umount", place / "mnt")


def test_mounting_a_directory_over_itself_works(place):
    """The daemon reaches the base through its descriptor, not through its
    path, which the mount covers."""
    mapfs("mount", place / "base", place / "base")
    assert read_file(place / "base/f") == b"bytes"
    write_file(place / "base/f", b"new")
    assert read_file(place / "base/f") == b"new"
    mapfs("umount", place / "base")
    assert read_file(place / "base/f") == b"bytes"
