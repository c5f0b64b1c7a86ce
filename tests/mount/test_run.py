# SPDX-License-Identifier: MIT
"""mapfs run: a command with a view in place of a directory."""
import ctypes
import os
import platform
import re
import resource
import signal
import struct
import subprocess
import sys

import pytest

from support import isolate, sysc
from support.load import patience
from support.runs import (base_at, base_to_commit_to, kept_store,
                          nothing_is_left, others, stores, view_run)
from support.sysc import read_file, write_file
from support.terminal import QUESTION, on_terminal
from support.view import binary, mapfs, run, wait_for

EVERYBODY = ["root", pytest.param("user", marks=pytest.mark.user)]
everybody = pytest.mark.parametrize("who", EVERYBODY, indirect=True)


@pytest.fixture
def place(scratch):
    with base_at(scratch):
        yield scratch


@pytest.fixture
def who(request):
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("needs root")
    if request.param == "user" and \
            run("unshare", "-Urm", "true", check=False).returncode:
        pytest.skip("no user namespaces for ordinary users here")
    return request.param


@everybody
def test_command_changes_the_view_and_not_the_base(place, who):
    p = view_run("--", "sh", "-ec",
                 "echo new >f; mkdir d; mv sub d/; rm -r d/sub; cat f; ls")
    assert (p.returncode, p.stdout, p.words) == (0, b"new\nd\nf\n", "")
    assert read_file("f") == b"bytes"
    nothing_is_left(place)


@everybody
def test_run_without_a_base_is_in_an_empty_directory(place, who):
    p = view_run("-C", "none", "-o", "size=1M", "--", "sh", "-ec",
                 "pwd; ls -A; echo new >f; cat f; stat -fc %b.%S .")
    where, *rest = p.stdout.decode().split()
    assert (p.returncode, p.words, rest) == (0, "", ["new", "256.4096"])
    assert not os.path.exists(where)
    nothing_is_left(place)


@everybody
def test_what_a_run_without_a_base_made_can_be_kept(place, who):
    p = view_run("-C", "none", "--keep", "--", "sh", "-c", "echo new >f")
    store = kept_store(p.words)
    assert "mapfs commit" not in p.words
    assert f"mapfs run -s {store} -C none" in p.words
    p = view_run("-C", "none", "-s", store, "--", "cat", "f")
    assert (p.returncode, p.stdout) == (0, b"new\n"), p.words
    p = view_run("-C", "none", "--commit", "--", "true")
    assert (p.returncode, "there is no base" in p.words) == (2, True)
    nothing_is_left(place)


@everybody
def test_view_of_a_file_is_in_place_of_it_and_the_command_beside_it(place,
                                                                    who):
    os.chdir("sub")
    p = view_run("-C", "../f", "--", "sh", "-ec",
                 "pwd; echo $PWD; echo new >f; cat f; mv f g || ls")
    assert (p.returncode, p.stdout.decode().split()) == \
        (0, [f"{place}/base"] * 2 + ["new", "f", "sub"]), p.words
    assert read_file("../f") == b"bytes"
    nothing_is_left(place)


@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 1", 1), ("exit 200", 200),
    ("kill -TERM $$", 128 + 15), ("kill -KILL $$", 128 + 9),
])
def test_status_is_that_of_the_command(place, script, status):
    assert view_run("--", "sh", "-c", script).returncode == status


def test_command_that_is_missing_is_127_and_named(place):
    p = view_run("--", "no such command")
    assert p.returncode == 127
    assert "no such command" in p.words


def test_command_that_cannot_be_executed_is_126_and_named(place):
    p = view_run("--", "./f")
    assert p.returncode == 126
    assert "./f" in p.words


def test_arguments_are_passed_as_they_are(place):
    args = ["", " ", "a b", "x\ny", "--", "-s", "--keep", "*", "$HOME",
            "\\", "'", '"', "--help"]
    script = "import sys; print(sys.argv[1:])"
    p = view_run("--", sys.executable, "-c", script, *args)
    assert p.stdout.decode() == f"{args}\n"
    # Without "--" the command begins at the first word that is no option.
    p = view_run(sys.executable, "-c", script, *args)
    assert p.stdout.decode() == f"{args}\n"


def test_bytes_that_are_no_text_are_passed_too(place):
    p = view_run("--", "printf", "%s", b"\xff\xfe")
    assert p.stdout == b"\xff\xfe"


def test_input_and_outputs_are_the_callers(place):
    p = view_run("--", "sh", "-c", "cat; echo e >&2", stdin=None,
                 input=b"given")
    assert (p.stdout, p.stderr) == (b"given", b"e\n")


def test_command_has_the_callers_environment_and_signals(place):
    show = "grep -E 'SigBlk|SigIgn' /proc/self/status; echo $TOKEN; umask"
    env = dict(os.environ, TOKEN="42")
    plain = run("sh", "-c", show, env=env)
    assert view_run("--", "sh", "-c", show, env=env).stdout == plain.stdout


def test_no_descriptor_of_the_run_reaches_the_command(place):
    p = view_run("--", "ls", "/proc/self/fd")
    assert p.stdout.split() == [b"0", b"1", b"2", b"3"]


@everybody
def test_directory_is_the_same_below_the_base(place, who):
    os.chdir("sub")
    p = view_run("-C", "..", "--", "sh", "-ec",
                 "pwd; touch ../g here; ls ../g here")
    assert p.stdout.decode() == f"{place}/base/sub\n../g\nhere\n", p.words


def test_directory_elsewhere_is_the_top_of_the_view(place):
    os.chdir(place / "tmp")
    p = view_run("-C", "../base", "--", "sh", "-c", "pwd; touch g; ls")
    assert p.stdout.decode() == f"{place}/base\ng\nf\nsub\n".replace(
        "g\nf\n", "f\ng\n")


def test_base_beside_one_whose_name_it_begins_with(place):
    """/base-two is not below /base."""
    (place / "base-two").mkdir()
    os.chdir(place / "base-two")
    p = view_run("-C", place / "base", "--", "pwd")
    assert p.stdout.decode() == f"{place}/base\n"


def test_without_a_command_the_users_shell_runs(place):
    p = view_run(stdin=None, input=b"echo $0; touch g; ls\n",
                 env=dict(os.environ, SHELL="/bin/sh"))
    assert p.stdout == b"/bin/sh\nf\ng\nsub\n", p.words


def test_missing_directory_is_125_and_named(place):
    p = view_run("-C", "nowhere", "--", "true")
    assert p.returncode == 125
    assert "nowhere" in p.words


def test_root_directory_is_refused(place):
    p = view_run("-C", "/", "--", "true")
    assert p.returncode == 125
    assert p.words.startswith("mapfs: /: ")


@pytest.mark.parametrize("args", [
    ["--keep", "--discard"], ["-o", "mode=write"], ["-o", "nonsense"],
    ["-s", "memory", "--keep"], ["--nonsense"],
])
def test_command_line_that_makes_no_sense_is_2(place, args):
    p = view_run(*args, "--", "touch", place / "tmp/ran")
    assert p.returncode == 2
    assert p.words
    assert os.listdir(place / "tmp") == []


# --- stores -----------------------------------------------------------------

@everybody
def test_store_keeps_the_changes_for_the_next_run(place, who):
    p = view_run("-s", place / "store", "--", "sh", "-c", "echo new >f")
    assert (p.returncode, p.words) == (0, "")
    p = view_run("-s", place / "store", "--", "cat", "f")
    assert p.stdout == b"new\n"
    nothing_is_left(place)


@everybody
def test_keep_makes_a_store_and_says_where(place, who):
    p = view_run("--keep", "--", "sh", "-c", "echo new >f; exit 3")
    assert p.returncode == 3
    store = kept_store(p.words)
    assert store.startswith(f"{place}/.local/state/mapfs/")
    assert os.stat(os.path.dirname(store)).st_mode & 0o77 == 0
    p = view_run("-s", store, "--", "cat", "f")
    assert p.stdout == b"new\n"


def test_state_directory_is_where_the_user_says(place):
    p = view_run("--keep", "--", "touch", "g",
                 env=dict(os.environ, XDG_STATE_HOME=f"{place}/state"))
    assert kept_store(p.words).startswith(f"{place}/state/mapfs/run-")


def test_state_directory_in_the_base_is_avoided(place):
    p = view_run("--keep", "--", "touch", "g",
                 env=dict(os.environ, HOME=f"{place}/base",
                          XDG_STATE_HOME=f"{place}/base/state"))
    assert kept_store(p.words).startswith(f"{place}/tmp/mapfs/run-")


def test_discard_removes_a_store_that_the_run_made(place):
    p = view_run("--discard", "-s", place / "store", "--", "touch", "g")
    assert p.returncode == 0, p.words
    assert not (place / "store").exists()


def test_discard_of_a_store_with_earlier_changes_is_refused(place):
    view_run("-s", place / "store", "--", "touch", "early")
    p = view_run("--discard", "-s", place / "store", "--", "touch", "g")
    assert p.returncode == 2
    assert str(place / "store") in p.words
    p = view_run("-s", place / "store", "--", "ls")
    assert p.stdout == b"early\nf\nsub\n"


@pytest.mark.parametrize("option", ["--commit", "--discard"])
def test_snapshot_is_not_taken_for_its_store(place, option):
    """Otherwise the newest state would be committed, which the command did not
    see."""
    store = place / "store"
    view_run("-s", store, "--", "touch", "g")
    mapfs("snapshot", store, "one")
    view_run("-s", store, "--", "touch", "h")
    p = view_run(option, "-s", f"{store}@one", "--", "ls")
    assert p.returncode == 2
    assert p.words == f"mapfs: {store}@one: a snapshot cannot be changed; " \
        f"run without {option}\n"
    p = view_run("-s", f"{store}@one", "--", "ls")
    assert p.stdout.split() == [b"f", b"g", b"sub"]


def test_store_in_use_is_named_and_the_command_not_run(place):
    (place / "mnt").mkdir()
    mapfs("mount", "-s", place / "store", place / "base", place / "mnt")
    p = view_run("-s", place / "store", "--", "touch", place / "tmp/ran")
    mapfs("umount", place / "mnt")
    assert p.returncode == 125
    assert "in use" in p.words
    assert os.listdir(place / "tmp") == []


# --- on a terminal ----------------------------------------------------------

@pytest.fixture
def committing(scratch):
    return base_to_commit_to(scratch)


def test_commit_applies_the_changes_and_returns_the_commands_status(
        committing):
    p = view_run("--commit", "--", "sh", "-c", "echo new >f; exit 6")
    assert p.returncode == 6, p.words
    assert read_file("f") == b"new\n"
    store = re.search(r"kept in (\S+)", p.words).group(1)
    mapfs("commit", "--undo", "-y", store)
    assert read_file("f") == b"bytes"


def test_commit_of_nothing_leaves_no_store(committing):
    assert view_run("--commit", "--", "true").returncode == 0
    assert stores(committing) == []


def test_commit_that_fails_is_1_and_keeps_the_store(committing):
    begun, go = committing / "begun", committing / "go"
    script = f"echo more >>f; touch {begun}; " \
        f"while ! test -e {go}; do sleep 0.01; done"
    t = subprocess.Popen([binary(), "run", "-s", committing / "two",
                          "--commit", "--", "sh", "-c", script],
                         stderr=subprocess.PIPE)
    wait_for("the command", begun.exists)
    write_file("f", b"somebody else's")
    write_file(go)
    err = t.communicate(timeout=patience())[1].decode()
    assert t.returncode == 1, err
    assert read_file("f") == b"somebody else's"
    assert (committing / "two/journal").exists()


def test_a_run_in_a_run_commits_to_the_outer_one(committing):
    p = view_run("--commit", "--", "sh", "-c",
                 f"{binary()} run --commit -- sh -c 'echo inner >f' && cat f")
    assert (p.returncode, p.stdout) == (0, b"inner\n"), p.words
    assert p.words.count("mapfs: ") == p.words.count("mapfs: committed") == 2
    assert read_file("f") == b"inner\n"


def test_answer_commit_applies_the_changes(committing):
    t = on_terminal("--", "sh", "-c", "echo new >f; exit 2")
    t.expect(QUESTION)
    t.type("c\n")
    assert t.end()[0] == 2
    assert read_file("f") == b"new\n"


# --- privileges -------------------------------------------------------------

@pytest.mark.root
def test_nobody_else_sees_the_view(place):
    ready, done = place / "tmp/ready", place / "tmp/done"
    p = subprocess.Popen([binary(), "run", "--", "sh", "-c",
                          f"echo new >f; touch {ready}; "
                          f"until test -e {done}; do sleep 0.01; done"])
    wait_for("the command", ready.exists)
    assert read_file("f") == b"bytes"
    with open("/proc/self/mountinfo") as f:
        assert "fuse.mapfs" not in f.read()
    write_file(done)
    assert p.wait(patience()) == 0


@pytest.mark.user
@pytest.mark.parametrize("who", ["user"], indirect=True)
def test_user_stays_who_they_are_without_capabilities(place, who):
    p = view_run("--", "sh", "-c", "id -u; id -g; grep CapEff "
                 "/proc/self/status; stat -c %u f; touch g; stat -c %u g")
    uid, gid = str(os.getuid()), str(os.getgid())
    assert p.stdout.decode().split() == [
        uid, gid, "CapEff:", "0" * 16, uid, uid], p.words


def _strangers_file(base):
    (base / "strange").mkdir()
    write_file(base / "strange/file", b"x")
    os.chown(base / "strange", isolate.USER_UID, isolate.USER_UID)
    os.chown(base / "strange/file", 0, 12345)


@pytest.fixture
def prepared(scratch):
    os.environ["TMPDIR"] = str(scratch)
    os.chdir(scratch / "base")
    return scratch


@pytest.mark.user
@pytest.mark.prepare(function=_strangers_file)
@pytest.mark.parametrize("who", ["user"], indirect=True)
def test_strangers_files_keep_their_owners_in_the_store(prepared, who):
    """A daemon inside the user namespace would record their owner as
    nobody."""
    p = view_run("-s", prepared / "store", "--", "sh", "-c",
                 "mv strange moved; stat -c %u moved/file")
    assert p.returncode == 0, p.words
    (prepared / "mnt").mkdir()
    mapfs("mount", "-s", prepared / "store", prepared / "base",
          prepared / "mnt")
    st = os.stat(prepared / "mnt/moved/file")
    mapfs("umount", prepared / "mnt")
    assert (st.st_uid, st.st_gid) == (0, 12345)


def _strangers_list(base):
    write_file(base / "f", b"bytes")
    acl = struct.pack("<IHHIHHIHHIHHIHHI", 2, 1, 6, 0xffffffff, 2, 6, 12345,
                      4, 4, 0xffffffff, 16, 6, 0xffffffff, 32, 4, 0xffffffff)
    try:
        os.setxattr(base / "f", "system.posix_acl_access", acl)
    except OSError:
        (base / "f").unlink()


@pytest.mark.user
@pytest.mark.prepare(function=_strangers_list)
@pytest.mark.parametrize("outer", [[], ["unshare", "-Urm"]])
def test_files_with_an_acl_that_names_strangers_can_be_read(prepared, outer):
    """In a user namespace the kernel refuses such an ACL."""
    if not (prepared / "base/f").exists():
        pytest.skip("the file system below has no ACLs")
    if run("unshare", "-Urm", "true", check=False).returncode:
        pytest.skip("no user namespaces for ordinary users here")
    p = run(*outer, binary(), "run", "-s", prepared / "store", "--", "cat",
            "f", check=False)
    assert p.text == "bytes"


def _refuse_unshare():
    """Installs a seccomp filter. PR_SET_NO_NEW_PRIVS is needed only without
    root."""
    number = {"x86_64": 272, "aarch64": 97}[platform.machine()]
    code = [(0x20, 0, 0, 0),		# load the number of the call
            (0x15, 0, 1, number),	# is it unshare?
            (0x06, 0, 0, 0x00050001),	# EPERM
            (0x06, 0, 0, 0x7fff0000)]	# allow
    filters = ctypes.create_string_buffer(
        b"".join(struct.pack("=HBBI", *c) for c in code))
    program = struct.pack("@HP", len(code), ctypes.addressof(filters))
    sysc._check(sysc.libc.prctl(22, 2, program, 0, 0))


@pytest.fixture
def lonely(scratch):
    """A base of the ordinary user, and a function that runs a command there
    without namespaces."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("the number of unshare is not known")
    (scratch / "base/sub").mkdir(parents=True)
    (scratch / "tmp").mkdir()
    write_file(scratch / "base/f", b"bytes")
    for name in ("", "base", "base/sub", "base/f", "tmp"):
        os.chown(scratch / name, isolate.USER_UID, isolate.USER_UID)
    os.environ["TMPDIR"] = os.environ["XDG_RUNTIME_DIR"] = \
        str(scratch / "tmp")
    os.chdir(scratch / "base")

    def become():
        _refuse_unshare()
        isolate.become_user()

    def go(*args, **kw):
        return view_run(*args, preexec_fn=become, **kw)
    go.become = become
    go.place = scratch
    return go


def _plain_chroot(room):
    """Makes a root directory that is no mount point and has the content of
    "/"."""
    room.mkdir()
    for entry in os.scandir("/"):
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), room / entry.name)
        elif entry.is_dir():
            (room / entry.name).mkdir()
            sysc.mount(entry.path, room / entry.name, None,
                       sysc.MS_BIND | sysc.MS_REC)
    return room


@pytest.mark.root
def test_in_a_plain_chroot_the_view_is_in_place(place):
    """Regression: "/" is no mount point there, and mount(2) failed with
    EINVAL."""
    room = _plain_chroot(place / "room")
    outside = os.readlink("/proc/self/ns/mnt")
    p = run("chroot", room, binary(), "run", "-C", place / "base", "--", "sh",
            "-ec", "echo new >f; cat f; pwd; readlink /proc/self/ns/mnt")
    said, where, inside = p.text.split("\n")[:3]
    assert said == "new" and where == str(place / "base"), p.text
    assert inside.startswith("mnt:") and inside != outside
    with open("/proc/self/mountinfo") as f:
        assert "fuse.mapfs" not in f.read()


def test_without_namespaces_the_view_is_elsewhere_and_that_is_said(lonely):
    os.chdir("sub")
    p = lonely("-C", "..", "--", "sh", "-ec",
               "pwd; echo $PWD; echo new >../f; cat ../f")
    assert p.returncode == 0, p.words
    where, also, new = p.stdout.decode().split()
    assert where == also and new == "new"
    assert re.fullmatch(f"{lonely.place}/tmp/mapfs-[^/]*/sub", where)
    assert os.path.dirname(where) in p.words and "differ" in p.words
    assert read_file(lonely.place / "base/f") == b"bytes"
    nothing_is_left(lonely.place)


def test_without_namespaces_the_view_of_a_file_is_elsewhere(lonely):
    p = lonely("-C", "f", "--", "sh", "-ec", "pwd; ls; echo new >f; cat f")
    assert p.returncode == 0, p.words
    where, name, new = p.stdout.decode().split()
    assert (name, new) == ("f", "new")
    assert re.fullmatch(f"{lonely.place}/tmp/mapfs-[^/]*", where)
    assert where in p.words and "differ" in p.words
    assert read_file(lonely.place / "base/f") == b"bytes"
    nothing_is_left(lonely.place)


@pytest.mark.parametrize("where", [".", "f"])
def test_without_namespaces_a_killed_run_leaves_nothing(lonely, where):
    p = subprocess.Popen([binary(), "run", "-C", where, "--", "sleep", "1000"],
                         preexec_fn=lonely.become)
    wait_for("the command", lambda: any(
        c.startswith(b"sleep") for c in others().values()))
    p.kill()
    p.wait(patience())
    nothing_is_left(lonely.place)


def test_without_namespaces_inherited_children_are_left_alone(lonely):
    out = run("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!; "
              f"exec {binary()} run -- true 2>/dev/null", timeout=30,
              preexec_fn=lonely.become).text
    pid = int(out)
    assert pid in others()
    os.kill(pid, signal.SIGKILL)
    nothing_is_left(lonely.place)


# --- signals and the end ----------------------------------------------------

def _started(place, script, *args):
    """Starts a run, and waits until its command is ready."""
    ready = place / "ready"
    p = subprocess.Popen(
        [binary(), "run", *args, "--", "sh", "-c",
         script.replace("READY", f"touch {ready}")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    wait_for("the command", ready.exists)
    os.unlink(ready)
    return p


@pytest.mark.parametrize("sig", [
    signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT,
    signal.SIGUSR1, signal.SIGUSR2])
def test_signal_from_a_process_is_passed_on(place, sig):
    name = sig.name[3:]
    p = _started(place, f"trap 'echo got; exit 9' {name}; READY; "
                 "while :; do sleep 0.01; done")
    p.send_signal(sig)
    out, err = p.communicate(timeout=patience())
    assert (p.returncode, out, err) == (9, b"got\n", b"")
    nothing_is_left(place)


def test_command_ended_by_a_passed_signal_is_128_plus_it(place):
    p = _started(place, "READY; exec sleep 1000")
    p.terminate()
    assert p.wait(patience()) == 128 + 15


@everybody
def test_killed_run_takes_command_and_daemon_along(place, who):
    p = _started(place, "sleep 1000 & READY; sleep 1000",
                 "-s", place / "store")
    p.kill()
    p.wait(patience())
    # A process that exits loses its command line before its files.
    wait_for("the end of the daemon", lambda: not any(
        not c or os.fsencode(binary()) in c for c in others().values()))
    # The children of the command still run; their view is dead.
    for pid in others():
        with pytest.raises(OSError):
            os.listdir(f"/proc/{pid}/cwd/")
        os.kill(pid, signal.SIGKILL)
    nothing_is_left(place)
    assert view_run("-s", place / "store", "--", "cat", "f").stdout == \
        b"bytes"


@everybody
def test_what_the_command_leaves_running_is_ended(place, who):
    script = "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 0.05; " \
        "done' & sleep 1000 & echo new >f"
    p = view_run("-s", place / "store", "--", "sh", "-c", script)
    assert p.returncode == 0
    assert "still ran" in p.words
    nothing_is_left(place)
    assert view_run("-s", place / "store", "--", "cat", "f").stdout == \
        b"new\n"


def test_children_the_run_inherited_are_left_alone(place):
    """A shell that calls exec passes its background jobs on to the run."""
    out = run("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!; "
              f"exec {binary()} run -- true", timeout=30).text
    pid = int(out)
    assert pid in others()
    os.kill(pid, signal.SIGKILL)
    nothing_is_left(place)


def test_unwritten_pages_of_the_command_are_in_the_store(place):
    script = """if True:
        import mmap, os
        fd = os.open("big", os.O_RDWR | os.O_CREAT)
        os.truncate(fd, 8 << 20)
        m = mmap.mmap(fd, 8 << 20)
        m[:] = b"x" * (8 << 20)
        os._exit(0)"""
    p = view_run("-s", place / "store", "--", sys.executable, "-c", script)
    assert p.returncode == 0
    p = view_run("-s", place / "store", "--", "sh", "-c",
                 "tr -d x <big | wc -c; wc -c <big")
    assert p.stdout.split() == [b"0", b"8388608"]


def test_killed_daemon_is_told_and_the_run_fails(place):
    p = _started(place, "READY; while mkdir d && rmdir d; do sleep 0.01; "
                 "done; exit 5", "-s", place / "store")
    (pid,) = [n for n, c in others().items()
              if os.fsencode(binary()) in c and n != p.pid and
              read_file(f"/proc/{n}/comm") == b"mapfs\n"]
    os.kill(pid, signal.SIGKILL)
    err = p.communicate(timeout=patience())[1].decode()
    assert p.returncode == 1
    assert "daemon" in err
    nothing_is_left(place)


def test_view_that_ends_before_the_command_is_told(place):
    script = f"cd /; umount {place}/base && cat >/dev/null; exit 7"
    p = subprocess.Popen([binary(), "run", "-s", place / "store", "--", "sh",
                          "-c", script], stdin=subprocess.PIPE,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = p.stderr.readline().decode()
    assert "ended before the command" in said
    assert p.communicate(timeout=patience())[1] == b"" and p.returncode == 7


def test_limit_of_file_sizes_is_for_the_command_only(place):
    """The daemon writes larger files, and a signal would end the whole
    view."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE,
                           (50000, resource.RLIM_INFINITY))
    write = "head -c 40000 /dev/zero >a; cp a b; cp a c; " \
        "head -c 60000 /dev/zero >d; echo $?"
    p = view_run("-s", place / "store", "--", "sh", "-c", write,
                 preexec_fn=limit)
    assert (p.returncode, p.stdout) == (0, b"153\n")
    show = view_run("-s", place / "store", "--", "sh", "-c", "stat -c %s ?")
    assert show.stdout.split() == [b"40000", b"40000", b"40000", b"50000",
                                   b"5"]


def test_closed_outputs_are_closed_for_the_command_too(place):
    p = view_run("-s", place / "store", "--", "sh", "-c", f"""
        exec {binary()} run -s {place}/inner -- sh -c 'ls /proc/self/fd >out
            echo error >&2 || echo closed >>out' 2>&-""")
    assert p.returncode == 0
    p = view_run("-s", place / "inner", "--", "cat", "out")
    assert p.stdout.split() == [b"0", b"1", b"2", b"closed"]


def test_word_that_nobody_reads_does_not_end_the_run(place):
    r, w = os.pipe()
    os.close(r)
    script = "sleep 1000 & echo new >f"
    p = subprocess.run([binary(), "run", "-s", place / "store", "--", "sh",
                        "-c", script], stderr=w, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, timeout=30, check=False)
    os.close(w)
    assert p.returncode == 0
    nothing_is_left(place)


# --- a system without /etc/mtab ---------------------------------------------

def _hide_mtab(place):
    """Gives the mount namespace of this test an /etc without mtab."""
    etc = place / "etc"
    run("cp", "-a", "/etc", etc)
    (etc / "mtab").unlink(missing_ok=True)
    sysc.mount(etc, "/etc", None, sysc.MS_BIND)


def test_view_that_could_not_be_unmounted_is_refused(lonely):
    """fusermount3 unmounts only what it finds in /etc/mtab. Regression: each
    run left a dead mount, without a message."""
    _hide_mtab(lonely.place)
    p = lonely("--", "sh", "-c", "echo new >f")
    assert p.returncode == 125, p.words
    assert re.fullmatch("mapfs: /etc/mtab: [^;]+; [^;\n]*\n", p.words)
    assert "ln -s" in p.words and "as root" in p.words
    with open("/proc/self/mountinfo") as f:
        assert "fuse.mapfs" not in f.read()
    assert os.listdir(lonely.place / "tmp") == []
    assert read_file(lonely.place / "base/f") == b"bytes"
    nothing_is_left(lonely.place)


def test_view_in_a_namespace_needs_no_mtab(lonely):
    _hide_mtab(lonely.place)
    p = view_run("--", "sh", "-c", "echo new >f; cat f",
                 preexec_fn=isolate.become_user)
    assert (p.returncode, p.stdout) == (0, b"new\n"), p.words
    nothing_is_left(lonely.place)
