# SPDX-License-Identifier: MIT
"""A sample of what tests/crash/long does: 40 power cuts.

  [D1] what was synced is there           [B1] the base is as it was
  [D2] what is there is of one moment     [S3] [S4] nothing is called damaged
and a commit that was cut can be finished, undone and abandoned.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from power.disk import missing
from support.load import patience

CUTS = Path(__file__).resolve().parent / "cuts.py"
SEED = os.environ.get("MAPFS_TEST_SEED", "0")
PLAN = {
    "ext4": {"files": 4, "snapshots": 3, "commits": 4, "database": 3},
    "xfs": {"pages": 4, "names": 2, "compaction": 4, "commits": 3},
    "btrfs": {"fresh": 4, "files": 3, "snapshots": 3, "commits": 3},
}


def _cut(kind, load, count):
    """The numbers of one run; a failure shows what it said."""
    keep = Path(tempfile.gettempdir()) / f"mapfs-cuts-{kind}-{load}-{SEED}"
    shutil.rmtree(keep, ignore_errors=True)
    p = subprocess.run(
        [sys.executable, "-B", CUTS, "--fs", kind, "--load", load, "--seed",
         SEED, "--cuts", str(count), "--keep", keep],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=patience(300), text=True)
    assert p.returncode == 0, p.stdout[-6000:]
    return json.loads(p.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", list(PLAN))
def test_store_survives_power_cuts(kind, record_property):
    why = missing(kind)
    if why:
        pytest.skip(why)
    numbers = [_cut(kind, load, count) for load, count in PLAN[kind].items()]
    for what in ("cuts", "checks", "bytes"):
        total = sum(n[what] for n in numbers)
        record_property({"bytes": "counted bytes compared"}.get(
            what, f"counted {what}"), total)
    print(numbers)
