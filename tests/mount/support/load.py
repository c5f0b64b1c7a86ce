# SPDX-License-Identifier: MIT
"""How much longer things may take because others use the machine."""
import os


def load_factor():
    """1 on a machine with nothing else to do; the load per processor above.

    Limits only end what hangs, so one that is too long costs nothing.
    """
    load = max(os.getloadavg()[:2])
    return min(8.0, max(1.0, load / (os.cpu_count() or 1)))
