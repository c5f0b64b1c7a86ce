# SPDX-License-Identifier: MIT
"""The typical uses of mapfs, with the programs that users have."""
import contextlib
import sqlite3
import textwrap

import pytest

from support import tree
from support.programs import Postgres, make_project, need
from support.sysc import read_file
from support.view import binary, is_mounted, mapfs, run

LEAVE_OUT = ("atime", "ctime", "ino")


@pytest.fixture
def place(scratch):
    """At the end of the test nothing here may be mounted."""
    yield scratch
    for name in ("view", "one", "two"):
        if is_mounted(scratch / name):
            mapfs("umount", "-l", scratch / name, check=False)


@contextlib.contextmanager
def mounted(store, base, at):
    at.mkdir(exist_ok=True)
    mapfs("mount", "-s", store, base, at)
    try:
        yield at
    finally:
        mapfs("umount", at)


@pytest.mark.root
def test_a_build_is_run_and_discarded_or_kept(place):
    need("make", "gcc")
    project = place / "project"
    make_project(project)
    before = tree.of(project, ("atime",))
    built = run(binary(), "run", "-C", project, "--", "make", timeout=100)
    assert "gcc" in built.text or "cc" in built.text
    tree.assert_same(before, tree.of(project, ("atime",)), "base")
    run(binary(), "run", "-s", place / "built", "-C", project, "--", "make",
        timeout=100)
    tree.assert_same(before, tree.of(project, ("atime",)), "base")
    names = mapfs("diff", "--name-only", place / "built",
                  check=False).text.split()
    assert any(n.endswith(".o") for n in names), names
    # In the kept view, make has nothing to do.
    with mounted(place / "built", project, place / "view") as view:
        assert "up to date" in run("make", "-C", view, timeout=100).text
    mapfs("discard", "-y", place / "built")
    assert not (place / "built").exists()
    tree.assert_same(before, tree.of(project, ("atime",)), "base")


def rows(path, text):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(text).fetchall()


@pytest.mark.root
def test_a_database_is_upgraded_on_a_branch_and_committed(place):
    data, store, upgrade = place / "data", place / "store", place / "upgrade"
    data.mkdir()
    with contextlib.closing(sqlite3.connect(data / "app.db")) as db:
        db.executescript(textwrap.dedent("""\
            PRAGMA page_size = 4096;
            CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
                                    WHERE i < 50000)
            INSERT INTO users SELECT i, 'user ' || i || ' of many' FROM n;
            """))
    original = tree.of(data, LEAVE_OUT)
    with mounted(store, data, place / "view"):
        mapfs("snapshot", "-m", "before the upgrade", place / "view", "now")
        mapfs("branch", f"{store}@now", upgrade)
        with mounted(upgrade, data, place / "one") as one:
            with contextlib.closing(sqlite3.connect(one / "app.db")) as db:
                db.executescript("ALTER TABLE users ADD COLUMN mail TEXT;"
                                 "UPDATE users SET mail = 'a@b' "
                                 "WHERE id % 5000 = 0;")
            assert mapfs("diff", "--name-only", one,
                         check=False).text == "app.db\n"
            few = mapfs("diff", "--stat", one, check=False).text
            pages = int(few.split(" pages")[0].split()[-1])
            assert 0 < pages < 40, few
        assert len(rows(place / "view" / "app.db",
                        "SELECT * FROM users LIMIT 1")[0]) == 2
    tree.assert_same(original, tree.of(data, LEAVE_OUT), "base")
    mapfs("commit", "-y", upgrade)
    assert rows(data / "app.db",
                "SELECT count(*) FROM users WHERE mail = 'a@b'") == [(10,)]
    assert rows(data / "app.db", "PRAGMA integrity_check") == [("ok",)]
    assert mapfs("diff", upgrade).returncode == 0
    mapfs("commit", "--undo", "-y", upgrade)
    tree.assert_same(original, tree.of(data, LEAVE_OUT), "base after undo")
    # A parent cannot be discarded before its branch.
    refused = mapfs("discard", "-y", store, check=False)
    assert refused.returncode == 1
    assert str(upgrade) in refused.text
    mapfs("discard", "-y", upgrade)
    mapfs("discard", "-y", store)


@pytest.mark.root
@pytest.mark.limit(240)
def test_two_branches_of_one_cluster_run_side_by_side(place):
    class Here:
        scratch = place
    pg = Postgres(Here)
    base, store = place / "base", place / "store"
    base.mkdir()
    pg.make_cluster(base / "pg")
    pg.start(base / "pg")
    pg.tool("pgbench", "-h", pg.sockets, "-i", "-s", "1", "-q", "postgres",
            timeout=100)
    pg.stop(base / "pg")
    before = tree.of(base)
    with mounted(store, base, place / "view"):
        mapfs("snapshot", place / "view", "clean")
    for name in ("one", "two"):
        mapfs("branch", f"{store}@clean", place / f"store-{name}")
    with mounted(place / "store-one", base, place / "one") as one, \
            mounted(place / "store-two", base, place / "two") as two:
        for port, at in ((5001, one), (5002, two)):
            with open(at / "pg/postgresql.conf", "a") as f:
                f.write(f"port = {port}\n")
            pg.start(at / "pg")
        for port, transactions in ((5001, 30), (5002, 50)):
            pg.tool("pgbench", "-h", pg.sockets, "-p", str(port), "-c", "2",
                    "-t", str(transactions), "postgres", timeout=150)
        for port, count in ((5001, "60"), (5002, "100")):
            assert pg.tool("psql", "-h", pg.sockets, "-p", str(port),
                           "-XAtqc", "SELECT count(*) FROM pgbench_history",
                           "postgres", timeout=60).text.strip() == count
        for at in (one, two):
            pg.stop(at / "pg")
    tree.assert_same(before, tree.of(base), "the base changed [B1]")
    assert read_file(base / "pg/postgresql.conf").count(b"port = 500") == 0
