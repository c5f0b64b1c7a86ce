# SPDX-License-Identifier: MIT
"""Real programs on views."""
import mmap
import os
import shutil
import signal
import sqlite3
import stat
import sys
import time

import pytest

from support import sysc, tree
from support.programs import Postgres, make_project, need
from support.sysc import read_file, write_file
from support.view import run, wait_for

MODES = pytest.mark.modes("write", "copy", "kept")


def _git(where, *args):
    env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null",
               GIT_CONFIG_SYSTEM="/dev/null", GIT_AUTHOR_NAME="a",
               GIT_AUTHOR_EMAIL="a@b", GIT_COMMITTER_NAME="a",
               GIT_COMMITTER_EMAIL="a@b")
    return run("git", "-c", "init.defaultBranch=main", "-c",
               "protocol.file.allow=always", "-C", where, *args, env=env,
               timeout=100).text


def _make_repository(at):
    at.mkdir()
    _git(at, "init", "-q")
    for c in range(5):
        for i in range(40):
            os.makedirs(at / f"dir{i % 7}", exist_ok=True)
            write_file(at / f"dir{i % 7}/file{i}",
                       b"commit %d of file %d\n" % (c, i) * 30)
        write_file(at / "binary", os.urandom(50000))
        _git(at, "add", "-A")
        _git(at, "commit", "-qm", f"commit {c}")


@MODES
@pytest.mark.limit(120)
def test_git_works_in_an_old_repository(view):
    need("git")
    _make_repository(view.base / "repo")
    repo = view / "repo"
    assert _git(repo, "status", "--porcelain") == ""
    write_file(view / "repo/dir1/file1", b"changed\n")
    os.unlink(view / "repo/dir2/file2")
    _git(repo, "mv", "dir3", "moved")
    write_file(view / "repo/new", b"new\n")
    _git(repo, "add", "-A")
    _git(repo, "commit", "-qm", "in the view")
    assert _git(repo, "status", "--porcelain") == ""
    _git(repo, "checkout", "-q", "HEAD~3")
    _git(repo, "checkout", "-q", "main")
    _git(repo, "gc", "-q", "--aggressive", "--prune=now")
    _git(repo, "fsck", "--full", "--strict")
    assert _git(repo, "status", "--porcelain") == ""
    view.remount()
    assert _git(repo, "status", "--porcelain") == ""
    assert _git(repo, "log", "--oneline").count("\n") == 6


@MODES
@pytest.mark.limit(120)
def test_git_clones_within_the_view(view):
    need("git")
    _make_repository(view.base / "repo")
    _git(view.top, "clone", "-q", view / "repo", view / "clone")
    write_file(view / "clone/new", b"new\n")
    _git(view / "clone", "add", "new")
    _git(view / "clone", "commit", "-qm", "new")
    _git(view / "clone", "gc", "-q")
    assert _git(view / "clone", "status", "--porcelain") == ""
    _git(view / "repo", "pull", "-q", view / "clone", "main")
    assert read_file(view / "repo/new") == b"new\n"
    _git(view / "repo", "fsck", "--full")


def _sqlite_writer(path, who, rows):
    db = sqlite3.connect(path, timeout=60)
    for i in range(rows):
        db.execute("INSERT INTO t VALUES (?, ?, ?)", (who, i, "x" * 100))
        db.commit()
    db.close()


@MODES
@pytest.mark.limit(120)
def test_sqlite_in_wal_mode_with_two_processes_keeps_every_row(view):
    db = sqlite3.connect(view.base / "db")
    db.execute("CREATE TABLE t (who, i, text)")
    db.executemany("INSERT INTO t VALUES (0, ?, ?)",
                   [(i, "y" * 200) for i in range(2000)])
    db.commit()
    db.close()
    path = view / "db"
    db = sqlite3.connect(path, timeout=60)
    assert db.execute("PRAGMA journal_mode=wal").fetchone() == ("wal",)
    pids = []
    for who in (1, 2):
        pid = os.fork()
        if pid == 0:
            try:
                _sqlite_writer(path, who, 100)
            except BaseException:
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    counts = []
    while pids:
        n = db.execute("SELECT count(*) FROM t").fetchone()[0]
        counts.append(n)
        pid, status = os.waitpid(pids[0], os.WNOHANG)
        if pid:
            assert status == 0
            pids.remove(pid)
    assert counts == sorted(counts)
    assert db.execute("SELECT who, count(*) FROM t GROUP BY who ORDER BY who"
                      ).fetchall() == [(0, 2000), (1, 100), (2, 100)]
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    view.remount()
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM t").fetchone() == (2200,)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


@MODES
def test_make_builds_and_rebuilds_what_changed(view):
    need("make", "cc")
    make_project(view.base / "p")
    p = view / "p"
    run("make", "-C", p, timeout=100)
    assert run(view / "p/demo").text == "42\n"
    assert "up to date" in run("make", "-C", p).text
    time.sleep(0.05)
    write_file(view / "p/b.c", b"int b(void); int b(void) { return 3; }\n")
    text = run("make", "-C", p).text
    assert "b.o" in text and "main.o main.c" not in text
    assert run(view / "p/demo").text == "43\n"


@MODES
@pytest.mark.limit(120)
def test_meson_configures_and_ninja_builds(view):
    need("meson", "ninja", "cc")
    make_project(view.base / "p")
    env = dict(os.environ, PATH="/usr/bin:/bin:" + os.environ["PATH"])
    run("meson", "setup", view / "p/build", view / "p", env=env, timeout=100)
    run("ninja", "-C", view / "p/build", env=env, timeout=100)
    assert run(view / "p/build/demo").text == "42\n"
    assert "no work to do" in run("ninja", "-C", view / "p/build",
                                  env=env).text
    view.remount()
    assert "no work to do" in run("ninja", "-C", view / "p/build",
                                  env=env).text


def _make_tree(at):
    """Makes a tree with links, holes, modes, times, attributes and unusual
    names."""
    at.mkdir()
    for i in range(30):
        os.makedirs(at / f"d{i % 5}/e{i % 3}", exist_ok=True)
        write_file(at / f"d{i % 5}/e{i % 3}/f{i}", os.urandom(i * 500))
        os.utime(at / f"d{i % 5}/e{i % 3}/f{i}", ns=(i * 10**9, i * 10**9))
    os.link(at / "d0/e0/f0", at / "hard")
    os.symlink("d0", at / "soft")
    os.mkfifo(at / "pipe")
    os.chmod(at / "d1", 0o751)
    write_file(os.fsencode(at) + b"/\xff\n name", b"odd")
    with open(at / "sparse", "wb") as f:
        f.seek(10 << 20)
        f.write(b"end")
    try:
        os.setxattr(at / "hard", "user.a", b"1")
        run("setfacl", "-m", "u:1234:rw", at / "hard")
    except (OSError, AssertionError):
        pass


LEAVE_OUT = ("atime", "ctime", "ino")


def _file_times_only(entries):
    for entry in entries.values():
        if entry["type"] != stat.S_IFREG:
            del entry["mtime"]
    return entries


@MODES
def test_tar_unpacks_exactly_what_was_packed(view):
    need("tar")
    _make_tree(view.tmp / "src")
    archive = view.tmp / "a.tar"
    options = ["--xattrs", "--acls", "--sparse"]
    run("tar", *options, "-C", view.tmp / "src", "-cf", archive, ".")
    os.mkdir(view / "dst")
    run("tar", *options, "-C", view / "dst", "-xpf", archive)
    tree.assert_same(tree.of(view.tmp / "src", LEAVE_OUT),
                     tree.of(view / "dst", LEAVE_OUT), "source and copy")
    run("tar", *options, "-C", view / "dst", "-cf", view.tmp / "b.tar", ".")
    run("tar", *options, "-C", view / "dst", "--compare", "-f",
        view.tmp / "b.tar")
    shutil.rmtree(view.tmp)
    view.tmp.mkdir()


@MODES
def test_rsync_copies_exactly_and_then_has_nothing_to_do(view):
    need("rsync")
    _make_tree(view.base / "src")
    # Only the times of regular files: not every rsync keeps the others.
    cmd = ["rsync", "-aHAXSO", f"{view / 'src'}/", f"{view / 'dst'}/"]
    run(*cmd)
    tree.assert_same(_file_times_only(tree.of(view / "src", LEAVE_OUT)),
                     _file_times_only(tree.of(view / "dst", LEAVE_OUT)),
                     "source and copy")
    assert run(*cmd, "-i").text == ""
    write_file(view / "src/d1/new", b"new")
    os.unlink(view / "src/d2/e2/f2")
    text = run(*cmd, "-i", "--delete").text
    assert "d1/new" in text and "d2/e2/f2" in text
    tree.assert_same(_file_times_only(tree.of(view / "src", LEAVE_OUT)),
                     _file_times_only(tree.of(view / "dst", LEAVE_OUT)),
                     "source and copy")


@MODES
def test_cp_and_mv_and_diff_agree(view):
    _make_tree(view.base / "src")
    run("cp", "-a", view / "src", view / "copy")
    run("rm", view / "src/pipe", view / "copy/pipe")
    run("diff", "-r", view / "src", view / "copy")
    run("mv", view / "copy", view / "moved")
    run("diff", "-r", view / "src", view / "moved")
    run("rm", "-rf", view / "src")
    assert os.listdir(view.top) == ["moved"]


@MODES
def test_python_maps_searches_and_edits_a_file(view):
    lines = b"".join(b"line %06d\n" % i for i in range(50000))
    write_file(view.base / "f", lines)
    with open(view / "f", "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        at = m.find(b"line 043210")
        assert at == 43210 * 12
        m[at:at + 4] = b"LINE"
        m.move(0, 12, 12)
        m.flush()
    want = lines[12:24] + lines[12:43210 * 12] + b"LINE" + \
        lines[43210 * 12 + 4:]
    assert read_file(view / "f") == want


@MODES
def test_python_compiles_and_imports_modules_of_the_view(view):
    for i in range(30):
        write_file(view.base / f"mod{i}.py", b"value = %d\n" % i)
    code = "import sys; sys.path.insert(0, sys.argv[1]); " + \
        "; ".join(f"import mod{i}" for i in range(30)) + \
        "; print(sum(sys.modules[f'mod{i}'].value for i in range(30)))"
    env = {k: v for k, v in os.environ.items()
           if k != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(2):
        assert run(sys.executable, "-c", code, view.top,
                   env=env).text == "435\n"
    assert len(os.listdir(view / "__pycache__")) == 30


@pytest.mark.limit(240)
@pytest.mark.modes("write", "kept", people=("root",))
def test_postgresql_cluster_of_the_base_runs_pgbench_on_the_view(view):
    pg = Postgres(view)
    pg.make_cluster(view.base / "pg")
    at = view / "pg"
    pg.start(at)
    pg.tool("pgbench", "-h", pg.sockets, "-i", "-s", "2", "-q", "postgres",
            timeout=100)
    text = pg.tool("pgbench", "-h", pg.sockets, "-c", "4", "-j", "2", "-t",
                   "60", "postgres", timeout=150).text
    assert "processed: 240/240" in text, text
    assert pg.sql("SELECT count(*) FROM pgbench_history") == "240"
    # The server crashes, and the view stays.
    pg.stop(at, "immediate")
    view.remount()
    pg.start(at)
    assert pg.sql("SELECT count(*) FROM pgbench_history") == "240"
    assert pg.sql("SELECT sum(abalance) FROM pgbench_accounts") == \
        pg.sql("SELECT sum(delta) FROM pgbench_history")
    pg.stop(at)
    if (pg.bin / "pg_checksums").exists():
        pg.tool("pg_controldata", "-D", at)


@pytest.mark.root
@pytest.mark.limit(180)
def test_postgresql_survives_a_kill_of_the_daemon(kept_view):
    v = kept_view
    pg = Postgres(v)
    pg.make_cluster(v.base / "pg")
    pg.start(v / "pg")
    pg.sql("CREATE TABLE t (i int); INSERT INTO t SELECT generate_series("
           "1, 1000)")
    postmaster = int(read_file(v / "pg/postmaster.pid").split()[0])
    v.kill()
    os.kill(postmaster, signal.SIGKILL)
    wait_for("the server's end", lambda: not _alive(postmaster))
    time.sleep(0.2)
    v.mount()
    os.unlink(v / "pg/postmaster.pid")
    pg.start(v / "pg")
    assert pg.sql("SELECT count(*), sum(i) FROM t") == "1000|500500"
    pg.stop(v / "pg")


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.modes("write", "copy", "kept", people=("root",))
def test_cache_dropping_between_steps_changes_nothing(view):
    _make_tree(view.base / "src")
    run("cp", "-a", view / "src", view / "copy")
    sysc.syncfs(view.top)
    before = tree.of(view / "copy", LEAVE_OUT)
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("2")
    tree.assert_same(before, tree.of(view / "copy", LEAVE_OUT), "changed")
