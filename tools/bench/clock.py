# SPDX-License-Identifier: MIT
"""Measures how long a whole command takes.

With a timeout, subprocess polls for the end after 0.5, 1, 2, 4, 8 ms, so that
every measured time would be one of 7.5, 15.5, 31.5 ms. So the timeout is an
alarm.
"""
import signal
import subprocess
import time


def _give_up(signum, frame):
    raise TimeoutError("a command took too long")


def took_ms(*command, limit_s=120, may_exit=(0,)):
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(limit_s)
    try:
        begin = time.perf_counter()
        status = subprocess.call(command, stdout=subprocess.DEVNULL)
        took = time.perf_counter() - begin
    finally:
        signal.alarm(0)
    if status not in may_exit:
        raise subprocess.CalledProcessError(status, command)
    return took * 1e3
