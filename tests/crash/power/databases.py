# SPDX-License-Identifier: MIT
"""Transactions of SQLite in a view: a transaction that was committed is there,
whole, and the database is sound."""
import contextlib
import sqlite3

from .history import known

TRANSACTIONS = 60


def blob(number):
    return b"%d." % number * (number * 37 % 1500)


class DatabaseLoad:
    """One database; each transaction is a step."""

    def __init__(self, view, history, rnd, kind):
        self.view = view
        self.note = history.note
        self.mode = rnd.choice(("DELETE", "TRUNCATE", "PERSIST", "WAL"))

    def base(self):
        with contextlib.closing(sqlite3.connect(self.view.base / "db")) as db:
            db.executescript("""
                CREATE TABLE rows (number INTEGER PRIMARY KEY, data);
                CREATE TABLE sums (name, newest);
                INSERT INTO sums VALUES ('a', 0), ('b', 0);""")

    def run(self):
        self.view.mount()
        db = sqlite3.connect(self.view / "db", isolation_level=None)
        db.execute(f"PRAGMA journal_mode = {self.mode}")
        db.execute("PRAGMA synchronous = EXTRA")
        db.execute("PRAGMA wal_autocheckpoint = 40")
        for number in range(1, TRANSACTIONS + 1):
            self.note(f"begin {number}")
            db.execute("BEGIN")
            db.execute("UPDATE sums SET newest = ?", (number,))
            db.execute("INSERT INTO rows VALUES (?, ?)",
                       (number, blob(number)))
            db.execute("COMMIT")
            self.note(f"synced {number}")
        db.close()
        self.view.unmount()


class DatabaseJudge:
    """Opens the database of a cut as its program would."""

    def __init__(self, make_view, _, rnd, verdict):
        self.make_view = make_view
        self.verdict = verdict

    def judge(self, notes, _):
        low, high = known(notes)
        view = self.make_view()
        view.mount()
        try:
            with contextlib.closing(sqlite3.connect(view / "db")) as db:
                self._look(db, low, high)
            view.unmount()
        finally:
            view.give_up()

    def _look(self, db, low, high):
        sound = db.execute("PRAGMA integrity_check").fetchall()
        assert sound == [("ok",)], sound
        newest = db.execute("SELECT DISTINCT newest FROM sums").fetchall()
        assert len(newest) == 1, f"half a transaction: {newest}"
        number = newest[0][0]
        assert low <= number <= high, \
            f"transaction {number} is the newest, not {low} to {high}"
        rows = db.execute("SELECT * FROM rows ORDER BY number").fetchall()
        assert rows == [(n, blob(n)) for n in range(1, number + 1)], \
            "the rows are not those of the transactions"
        self.verdict.checks += number + 2
        self.verdict.bytes += sum(len(data) for _, data in rows)
