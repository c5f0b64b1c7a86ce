# SPDX-License-Identifier: MIT
"""tools/quickstart and the mount tests in places unlike a developer's clone.

The same tests run in a bare chroot and in a private clone (machine.py).
"""
import os
import re

import pytest

from machine import BareChroot, PrivateClone, Unavailable
from support import isolate

# A small part of the mount tests: as root and as an ordinary user, with and
# without namespaces, on a terminal, and mounts that the test itself makes.
SOME_MOUNT_TESTS = ("test_link.py", "test_mountpoint.py", "test_quickstart.py",
                    "test_run.py")
# It builds a clone, which is not what is tested here.
NOT = "test_a_clone_that_cannot_be_set_up_says_what_to_do"


@pytest.fixture(scope="module", params=[
    pytest.param(kind, marks=pytest.mark.xdist_group(kind.__name__))
    for kind in (BareChroot, PrivateClone)], ids=["chroot", "private-clone"])
def machine(request):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if isolate.obstacle():
        pytest.skip(isolate.obstacle())
    try:
        place = request.param()
    except Unavailable as reason:
        pytest.skip(str(reason))
    yield place
    place.remove()


def test_quickstart_shows_its_tour(machine):
    status, text = machine.run("tools/quickstart")
    assert status == 0, text
    assert "T   h   e   s   e" in text and "t   h   e   s   e" in text, text
    assert "is as it was" in text, text


def test_some_mount_tests_pass(machine):
    """After the part of tools/setup that is not about building mapfs."""
    status, text = machine.run("tools/setup", "--no-packages", "--no-build")
    assert status == 0, text
    status, text = machine.run(
        "/usr/bin/python3", "-m", "pytest", "-q", "-k", f"not {NOT}",
        *(f"tests/mount/{name}" for name in SOME_MOUNT_TESTS))
    print(text)
    assert status == 0, text[-20000:]
    passed = re.search(r"(\d+) passed", text)
    assert passed and int(passed[1]) > 150, text


# Commands that run another one with less than it needs, and what it must be
# told to do.
OBSTACLES = {
    "no-cap-sys-admin": (["setpriv", "--bounding-set=-sys_admin"],
                         "--cap-add SYS_ADMIN"),
    "no-dev-fuse": (["sh", "-ec", "mount -t tmpfs none /dev; "
                     'mknod -m 666 /dev/null c 1 3; exec "$@"', "sh"],
                    "--device /dev/fuse"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_where_nothing_can_be_mounted_every_test_is_skipped(machine, obstacle):
    command, remedy = OBSTACLES[obstacle]
    status, text = machine.run(*command, "/usr/bin/python3", "-m", "pytest",
                               "-q", "tests/mount/test_link.py")
    assert status == 0, text
    assert re.search(r"\d+ skipped", text) and remedy in text, text
    assert "passed" not in text and "failed" not in text, text
