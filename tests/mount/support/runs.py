# SPDX-License-Identifier: MIT
"""`mapfs run`, started by a test whose working directory is the base."""
import contextlib
import os
import re
import subprocess

from . import tree
from .load import patience
from .sysc import write_file
from .view import binary, wait_for


@contextlib.contextmanager
def base_at(scratch):
    """The working directory is a base, which must not change [B1]."""
    (scratch / "base/sub").mkdir(parents=True)
    (scratch / "tmp").mkdir()
    write_file(scratch / "base/f", b"bytes")
    os.environ["TMPDIR"] = str(scratch / "tmp")
    os.environ["XDG_STATE_HOME"] = str(scratch / ".local/state")
    os.chdir(scratch / "base")
    before = tree.of(scratch / "base", ("atime",))
    yield scratch
    after = tree.of(scratch / "base", ("atime",))
    tree.assert_same(before, after, "the base changed [B1]")


def base_to_commit_to(scratch):
    """The working directory is a base, which commits may change."""
    (scratch / "base").mkdir()
    write_file(scratch / "base/f", b"bytes")
    os.environ["XDG_STATE_HOME"] = str(scratch / ".local/state")
    os.chdir(scratch / "base")
    return scratch


def view_run(*args, timeout=30, **kw):
    """`mapfs run`, with stdout and stderr apart."""
    kw.setdefault("stdin", subprocess.DEVNULL)
    p = subprocess.run([binary(), "run", *map(os.fspath, args)],
                       timeout=patience(timeout), stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, **kw)
    p.words = p.stderr.decode(errors="replace")
    return p


def others():
    """{pid: command line} of every process but init, the test and its
    parent."""
    found = {}
    known = {1, os.getpid(), os.getppid()}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                command = f.read().replace(b"\0", b" ")
            with open(f"/proc/{pid}/stat") as f:
                state = f.read().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if int(pid) not in known and state not in "ZX":
            found[int(pid)] = command
    return found


def nothing_is_left(place):
    wait_for("the end of all processes", lambda: not others())
    assert os.listdir(place / "tmp") == []
    with open("/proc/self/mountinfo") as f:
        assert "fuse.mapfs" not in f.read()


def kept_store(words):
    return re.search(r"kept in (\S+)", words).group(1)


def stores(place):
    """The stores that runs have kept; beside them is the list of all stores."""
    where = place / ".local/state/mapfs"
    found = os.listdir(where) if where.exists() else []
    return sorted(name for name in found if name != "stores")
