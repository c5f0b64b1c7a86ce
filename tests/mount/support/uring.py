# SPDX-License-Identifier: MIT
"""The kernel's switch for FUSE over io_uring, which is off by default and
holds for the whole machine. It is on while one test runs, and is restored
afterwards.
"""
import contextlib
import fcntl
from pathlib import Path

import pytest

SWITCH = Path("/sys/module/fuse/parameters/enable_uring")


@contextlib.contextmanager
def uring_on():
    if not SWITCH.exists():
        pytest.skip("this kernel's FUSE knows no io_uring")
    with open(SWITCH, "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = SWITCH.read_text()
        try:
            SWITCH.write_text("Y")
        except OSError as e:
            pytest.skip(f"io_uring of FUSE cannot be switched on: {e}")
        try:
            yield
        finally:
            SWITCH.write_text(before)
