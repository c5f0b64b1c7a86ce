# SPDX-License-Identifier: MIT
"""How mount tests run: fixtures, modes, isolation.

A test that uses the fixture `view` runs once for each mode, as root and as an
ordinary user. With MAPFS_TEST_PLAIN=1 it runs on a plain directory instead,
which shows that the test is right, and nothing about mapfs.

  MAPFS_BIN           the binary (default: build/mapfs)
  MAPFS_TEST_DIR      the parent of the scratch directories (default: TMPDIR)
  MAPFS_TEST_PLAIN=1  test the tests
  MAPFS_TEST_EVERY=1  all modes for root and for an ordinary user, instead of a
                      selection that has each mode and each user
  MAPFS_TEST_EXAMPLES how many random sequences the model tests play
  MAPFS_TEST_SEED     a number that selects other sequences
"""
import fcntl
import os
import platform
import shutil
import tempfile
from pathlib import Path

import pytest

from support import isolate, sysc
from support.disk import Disk
from support.view import View, binary, life_of, run

EVERY = os.environ.get("MAPFS_TEST_EVERY") == "1"
PLAIN = os.environ.get("MAPFS_TEST_PLAIN") == "1"


def pytest_report_header(config):
    place = os.environ.get("MAPFS_TEST_DIR", tempfile.gettempdir())
    kind = run("stat", "-f", "-c", "%T", place, check=False).text.strip()
    what = "a plain directory" if PLAIN else binary()
    return f"mapfs: testing {what}; scratch on {kind}; " \
           f"Linux {platform.release()}"


def pytest_configure(config):
    if not PLAIN and not os.access(binary(), os.X_OK):
        raise pytest.UsageError(
            f"{binary()} is missing: build first (tools/setup), or name "
            "the binary in MAPFS_BIN")


def _modes_of(metafunc):
    mark = metafunc.definition.get_closest_marker("modes")
    modes = list(mark.args) if mark else ["write", "copy", "kept"]
    people = mark.kwargs.get("people", ("root", "user")) if mark \
        else ("root", "user")
    if PLAIN:
        plain = mark.kwargs.get("plain", True) if mark else True
        modes = ["plain"] if plain else []
    wanted = [f"{p}-{m}" for p in people for m in modes]
    if {"root-kept", "user-copy"} <= set(wanted) and not EVERY:
        # The other two combinations would show nothing new.
        wanted = [w for w in wanted if w not in ("root-copy", "user-kept")]
    return wanted


def pytest_generate_tests(metafunc):
    if "view" in metafunc.fixturenames:
        modes = _modes_of(metafunc) or [pytest.param(
            "root-none", marks=pytest.mark.skip(reason="is about mapfs"))]
        metafunc.parametrize("view", modes, indirect=True)
    if "origin" in metafunc.fixturenames:
        metafunc.parametrize("origin", ["new"] if PLAIN else ["old", "new"],
                             indirect=True)


def pytest_collection_modifyitems(config, items):
    obstacle = None if PLAIN else isolate.obstacle()
    for item in items:
        if obstacle:
            item.add_marker(pytest.mark.skip(reason=obstacle))
        view = str(getattr(item, "callspec", None) and
                   item.callspec.params.get("view", ""))
        wants_root = view.startswith("root") or \
            item.get_closest_marker("root")
        if os.geteuid() != 0 and wants_root:
            item.add_marker(pytest.mark.skip(
                reason="needs root; run tools/check as root, too"))
        if PLAIN and "view" not in item.fixturenames and \
                not item.get_closest_marker("on_plain"):
            item.add_marker(pytest.mark.skip(reason="is about the mount"))


def _lock_alone(item):
    """Tests with the mark `alone` exclude each other, in other processes
    too."""
    if not item.get_closest_marker("alone"):
        return None
    lock = open(Path(tempfile.gettempdir()) /
                f"mapfs-test-alone.{os.geteuid()}", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def pytest_runtest_protocol(item, nextitem):
    if isolate.obstacle() and not PLAIN:
        return None	# pytest reports the skip; nothing runs
    place = os.environ.get("MAPFS_TEST_DIR")
    scratch = Path(tempfile.mkdtemp(prefix="mapfs-test-", dir=place))
    # An ordinary user must be able to enter it.
    os.chmod(scratch, 0o755)
    if isolate.runs_as_user(item) and os.geteuid() == 0:
        os.chown(scratch, isolate.USER_UID, isolate.USER_UID)
    lock = _lock_alone(item)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid,
                                       location=item.location)
    try:
        for report in isolate.run(item, nextitem, scratch):
            item.ihook.pytest_runtest_logreport(report=report)
    finally:
        if lock:
            lock.close()
        shutil.rmtree(scratch, ignore_errors=True)
        if scratch.exists():
            # Only rm can remove paths longer than PATH_MAX.
            run("rm", "-rf", scratch, check=False, timeout=120)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid,
                                        location=item.location)
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, "report_" + report.when, report)
    if report.failed:
        report.sections.append(isolate.rerun_section(item))
        for log in sorted(item.config.mapfs_scratch.glob("*.log")):
            text = log.read_text(errors="replace")[-4000:]
            if text:
                report.sections.append((log.name, text))


@pytest.fixture
def scratch(request):
    """The private directory of this test."""
    return request.config.mapfs_scratch


@pytest.fixture
def view(request, scratch):
    """A view that is not mounted yet; "root-kept" and the like name its user
    and its mode."""
    who, mode = request.param.split("-")
    yield from life_of(View(scratch, mode, who == "user"), request)


@pytest.fixture
def copy_view(request, scratch):
    yield from life_of(View(scratch, "copy"), request)


@pytest.fixture
def kept_view(request, scratch):
    yield from life_of(View(scratch, "kept"), request)


@pytest.fixture
def write_view(request, scratch):
    yield from life_of(View(scratch, "write"), request)


@pytest.fixture
def read_view(request, scratch):
    yield from life_of(View(scratch, "read"), request)


@pytest.fixture
def disk(scratch):
    """A disk of its own for the test, which may cut its power."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for tool in ("mkfs.ext4", "losetup"):
        if not shutil.which(tool, path="/sbin:/usr/sbin:/bin:/usr/bin"):
            pytest.skip(f"{tool} is missing")
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("there are no loop devices")
    os.environ["PATH"] += ":/sbin:/usr/sbin"
    disk = Disk(scratch)
    yield disk
    run("umount", "-l", disk.at, check=False)


class Origin:
    """Makes objects in the base before the mount (old), or in the view
    (new)."""

    def __init__(self, view, where):
        self.view = view
        self.is_old = where == "old"

    def place(self, name):
        if self.is_old:
            assert not self.view.mounted, "old things come first"
            return os.path.join(self.view.base, name)
        return self.view / name

    def file(self, name, data=b"", mode=0o644):
        sysc.write_file(self.place(name), data)
        os.chmod(self.place(name), mode)
        return Later(self.view, name)

    def dir(self, name, mode=0o755):
        os.mkdir(self.place(name))
        os.chmod(self.place(name), mode)
        return Later(self.view, name)

    def make(self, name, function, *args):
        """Makes `name` by function(path, *args)."""
        function(self.place(name), *args)
        return Later(self.view, name)


class Later(os.PathLike):
    """A path in the view; using it mounts the view."""

    def __init__(self, view, name):
        self.view = view
        self.name = name

    def __fspath__(self):
        return self.view / self.name

    def __truediv__(self, name):
        return os.path.join(self, name)


@pytest.fixture
def origin(request, view):
    """Whether the objects of a test are in the base or are made in the
    view."""
    return Origin(view, request.param)
