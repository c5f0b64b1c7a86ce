# SPDX-License-Identifier: MIT
"""These tests share the helpers of the mount tests (tests/mount/support)."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mount"))
