# SPDX-License-Identifier: MIT
"""How long to wait for something that must end, on a machine that is busy.

A limit only ends what hangs; nothing is measured by it. A limit that is too
long therefore costs nothing, and one that is too short fails a sound test. No
test waits for a fixed number of seconds: it waits for patience().
"""
import os

PATIENCE = 50.0	# seconds, below the limit of a test (support/isolate.py)


def load_factor():
    """1 on a machine with nothing else to do; the load per processor above.

    The averages of the load lag behind, so the number of tasks that can run
    at this moment counts as well.
    """
    running = 0
    try:
        with open("/proc/loadavg") as f:
            running = int(f.read().split()[3].split("/")[0])
    except OSError:
        pass
    load = max(*os.getloadavg()[:2], running)
    return min(16.0, max(1.0, load / (os.cpu_count() or 1)))


def patience(seconds=PATIENCE):
    """The seconds to wait for what takes less on a machine of its own."""
    return seconds * load_factor()
