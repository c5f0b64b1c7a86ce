# SPDX-License-Identifier: MIT
"""Commands that are struck in the middle of their work: killed, or cut off."""
import os
import subprocess

from .load import patience
from .view import binary, wait_for


def interrupt(command, is_time, strike=subprocess.Popen.kill, **kw):
    """Starts the command, and calls strike(its process) once is_time() is
    true or the command has ended; its exit status."""
    kw.setdefault("stdin", subprocess.DEVNULL)
    with subprocess.Popen(list(map(os.fspath, command)), **kw) as p:
        wait_for("the moment to interrupt it",
                 lambda: p.poll() is not None or is_time())
        strike(p)
        return p.wait(patience())


def kill_commit(store, *args, program=None):
    """kill -9 of `mapfs commit` after its plan is in the store; whether that
    was before its end."""
    plan = store / "commit/open"
    interrupt([program or binary(), "commit", "-y", *args, store],
              plan.exists, stderr=subprocess.DEVNULL)
    return plan.exists()
