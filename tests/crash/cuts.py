#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs one load on a logged disk and cuts the power COUNT times.

    cuts.py [--fs ext4|xfs|btrfs] [--load NAME] [--seed N] [--cuts COUNT]
            [--only POSITION:HOW] [--keep]

The same seed plays the same steps and chooses the cuts; when the kernel writes
and flushes differs from run to run, so a failure keeps its log of the disk
(--keep says where) and --log DIRECTORY judges its cuts again. As root, in
namespaces of its own. The last line has the numbers, as JSON.
"""
import argparse
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent),
                str(Path(__file__).resolve().parents[1] / "mount")]

from power.commits import CommitJudge, CommitLoad	# noqa: E402
from power.databases import DatabaseJudge, DatabaseLoad	# noqa: E402
from power.disk import (Cutter, Ground, Log, KEPT,	# noqa: E402
                        DROPPED, SOME)
from power.history import History	# noqa: E402
from power.judge import TreeJudge, Verdict	# noqa: E402
from power.loads import LOADS, TreeLoad	# noqa: E402
from support import sysc, tree	# noqa: E402
from support.view import View, run	# noqa: E402

KINDS = {**{name: (TreeLoad, TreeJudge) for name in LOADS},
         "commits": (CommitLoad, CommitJudge),
         "database": (DatabaseLoad, DatabaseJudge)}
SAVED = ("start.img", "still.img", "log")


class Run:
    """One load on one file system, and its cuts."""

    def __init__(self, args, at):
        self.args = args
        self.at = Path(at)
        self.rnd = random.Random(f"{args.fs} {args.load} {args.seed}")
        self.ground = Ground(self.at, args.fs)
        self.verdict = Verdict()
        # A commit changes its base, which therefore loses power with it.
        self.base_on_disk = self.rnd.random() < 0.5 or args.load == "commits"
        self.views = 0
        self.history = None
        self.facts = None	# what the judge compares with
        self.base_tree = None

    def make_view(self):
        self.views += 1
        at = self.at / f"view{self.views}"
        at.mkdir()
        view = View(at, "kept")
        view.base_stays = False
        view.store = self.ground.disk / "store"
        view.base = (self.ground.disk if self.base_on_disk
                     else self.ground.still) / "base"
        return view

    def record(self):
        load_class, _ = KINDS[self.args.load]
        ground = self.ground
        ground.make()
        ground.mount_still()
        ground.mount(ground.start)
        view = self.make_view()
        view.base.mkdir()
        self.history = History(None)
        load = load_class(view, self.history, self.rnd, self.args.load)
        load.base()
        self.base_tree = tree.of(view.base, ("atime",))
        ground.umount()
        notes = ground.begin()

        def note(text):
            os.write(notes, text.encode())
        self.history.note = load.note = note
        try:
            load.run()
        finally:
            os.close(notes)
            view.give_up()
        ground.end()
        self.history.note = None
        self.facts = getattr(load, "states", self.history)

    def save(self, to):
        """What judging again needs."""
        shutil.rmtree(to, ignore_errors=True)
        os.makedirs(to)
        run("umount", self.ground.still)
        for name in SAVED:
            run("cp", "--sparse=always", self.at / name, Path(to) / name)
        with open(Path(to) / "facts", "wb") as f:
            pickle.dump((self.facts, self.base_tree, self.base_on_disk), f)

    def load_saved(self, at):
        for name in SAVED:
            run("cp", "--sparse=always", Path(at) / name, self.at / name)
        with open(Path(at) / "facts", "rb") as f:
            self.facts, self.base_tree, self.base_on_disk = pickle.load(f)
        self.ground.mount_still()

    def judge(self, cuts):
        """The failures, as (position, how, text)."""
        log = Log(self.ground.log)
        cutter = Cutter(self.ground, log)
        failures = []
        cuts = cuts or self.choose(log)
        for n, (cut, how) in enumerate(cuts, 1):
            pending = cutter.make(cut, how, self.args.seed)
            self.ground.mount(cutter.image)
            try:
                self._judge_one(log.notes_before(cut), f"{cut} {how}")
            except Exception:	# any is a failure of this cut
                failures.append((cut, how, pending, traceback.format_exc()))
                print(f"FAILED, cut {n} of {len(cuts)}: at {cut} of "
                      f"{len(log.entries)}, {pending} writes {how}:\n"
                      f"{failures[-1][-1]}", flush=True)
            self.ground.umount()
        return failures

    def _judge_one(self, notes, cut):
        if self.args.run:
            print(f"notes end with {notes[-3:]}", flush=True)
            subprocess.run(self.args.run, shell=True, cwd=self.at,
                           check=False)
            return
        _, judge_class = KINDS[self.args.load]
        rnd = random.Random(f"{self.args.seed} {cut}")
        judge_class(self.make_view, self.facts, rnd,
                    self.verdict).judge(notes, self.base_tree)

    def choose(self, log):
        rnd = random.Random(self.args.seed)
        return [(cut, rnd.choice((KEPT, DROPPED, SOME, SOME)))
                for cut in log.positions(rnd, self.args.cuts)]


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--fs", default="ext4", choices=("ext4", "xfs", "btrfs"))
    p.add_argument("--load", default="files", choices=sorted(KINDS))
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--cuts", type=int, default=20)
    p.add_argument("--only", metavar="POSITION:HOW")
    p.add_argument("--keep", metavar="DIRECTORY",
                   help="keep the log of a run that failed there")
    p.add_argument("--run", metavar="COMMAND",
                   help="run a shell command on the disk of --only instead "
                   "of judging it")
    p.add_argument("--log", metavar="DIRECTORY",
                   help="judge the cuts of a log that was kept")
    return p.parse_args()


def work(args, at):
    os.environ["HOME"] = os.environ["XDG_STATE_HOME"] = at
    os.environ["TMPDIR"] = at
    start = time.monotonic()
    the_run = Run(args, at)
    if args.log:
        the_run.load_saved(args.log)
    else:
        the_run.record()
    recorded = time.monotonic()
    only = args.only.split(":") if args.only else None
    failures = the_run.judge([(int(only[0]), only[1])] if only else None)
    if failures and args.keep:
        the_run.save(args.keep)
        print(f"kept in {args.keep}; with --log {args.keep} --only "
              f"{failures[0][0]}:{failures[0][1]} the first one is judged "
              "again")
    print(json.dumps({
        "fs": args.fs, "load": args.load, "seed": args.seed,
        "cuts": 1 if only else args.cuts, "failures": len(failures),
        "checks": the_run.verdict.checks, "bytes": the_run.verdict.bytes,
        "record_s": round(recorded - start, 1),
        "judge_s": round(time.monotonic() - recorded, 1)}))
    return 1 if failures else 0


def main():
    args = arguments()
    if os.environ.get("MAPFS_CUTS_INSIDE") != "1":
        os.environ["MAPFS_CUTS_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork",
                              "--kill-child", "--mount-proc", "--propagation",
                              "private", sys.executable, *sys.argv])
    # Always the same path, which stores remember; nobody else sees this
    # mount, so several runs do not disturb each other.
    at = os.path.join(tempfile.gettempdir(), "mapfs-cuts")
    os.makedirs(at, exist_ok=True)
    sysc.mount("none", at, "tmpfs", 0, "size=4G,mode=755")
    return work(args, at)


if __name__ == "__main__":
    sys.exit(main())
