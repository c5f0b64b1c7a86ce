# SPDX-License-Identifier: MIT
"""mapfs status of a mounted view and of an unmounted store."""
import json
import os

import pytest

from support.sysc import opened, read_file, write_file
from support.view import mapfs, status_of

PAGE = 4096
pytestmark = pytest.mark.modes("kept", plain=False)
COUNTS = ("added", "modified", "deleted", "renamed", "retyped", "snapshots",
          "private_pages", "drift", "branches", "parent", "commits",
          "commit_interrupted", "base", "store", "mode")


def _change(view):
    for name in ("m", "d1", "d2", "r", "t", "same"):
        write_file(view.base / name, name.encode() * 3000)
    write_file(view / "a", b"new")
    with opened(view / "m", os.O_RDWR) as fd:
        os.pwrite(fd, b"other", 100)
    os.unlink(view / "d1")
    os.unlink(view / "d2")
    os.rename(view / "r", view / "r2")
    os.unlink(view / "t")
    os.mkdir(view / "t")
    with opened(view / "same", os.O_RDWR) as fd:
        st = os.fstat(fd)
        os.pwrite(fd, b"same", 0)
        os.utime(fd, ns=(st.st_atime_ns, st.st_mtime_ns))


def test_changes_are_counted_live_and_at_rest_alike(view):
    _change(view)
    mapfs("snapshot", view.mnt, "one")
    live = status_of(view.mnt)
    assert [live[k] for k in ("added", "modified", "deleted", "renamed",
                              "retyped")] == [1, 1, 2, 1, 1]
    assert live["snapshots"] == 1
    assert live["private_pages"] == 3
    assert live["mountpoint"] == str(view.mnt)
    assert live["latched"] is False
    assert live["space_left_bytes"] > 0
    assert live["requests"]["lookup"] > 0
    by_store = status_of(view.store)
    assert by_store["mountpoint"] == str(view.mnt)
    assert {k: by_store[k] for k in COUNTS} == {k: live[k] for k in COUNTS}
    text = mapfs("status", view.mnt).text
    assert "changes      1 added, 1 modified, 2 deleted, 1 renamed, " \
        "1 retyped\n" in text
    view.unmount()
    rest = status_of(view.store)
    assert {k: rest[k] for k in COUNTS} == {k: live[k] for k in COUNTS}
    assert rest["mountpoint"] is None
    assert "mounted on   nothing" in mapfs("status", view.store).text


def test_counting_without_comparing_tells_what_was_done(view):
    _change(view)
    out = json.loads(mapfs("status", "--json", "--count", view.mnt).text)
    # "t" was removed and made again, and "same" has the bytes that it had.
    assert [out[k] for k in ("added", "modified", "deleted", "renamed",
                             "retyped")] == [1, 3, 2, 1, 0]
    assert out["compared"] is False and out["drift"] is None
    assert "changed_bytes" not in out
    text = mapfs("status", "--count", view.mnt).text
    assert "(counted; mapfs status --all compares)" in text
    assert "drift        not looked for" in text
    assert status_of(view.mnt)["compared"] is True
    view.unmount()
    rest = json.loads(mapfs("status", "--json", "--count", view.store).text)
    assert {k: rest[k] for k in out if k in COUNTS} == \
        {k: out[k] for k in out if k in COUNTS}


def test_unwritten_pages_count(view):
    with opened(view / "f", os.O_RDWR | os.O_CREAT) as fd:
        os.pwrite(fd, b"x" * 100, 0)
        assert status_of(view.mnt)["changed_bytes"] == 100


def test_nothing_changed(view):
    write_file(view.base / "f", b"x")
    assert read_file(view / "f") == b"x"
    assert "changes      none" in mapfs("status", view.mnt).text


def test_drift_is_named(view):
    for name in ("changed", "gone", "fine", "untouched"):
        write_file(view.base / name, b"x" * 3 * PAGE)
    for name in ("changed", "gone", "fine"):
        with opened(view / name, os.O_RDWR) as fd:
            os.pwrite(fd, b"view", 0)
    assert status_of(view.mnt)["drift"] == []
    write_file(view.base / "changed", b"y" * 3 * PAGE)
    write_file(view.base / "untouched", b"y" * 3 * PAGE)
    os.unlink(view.base / "gone")
    want = [{"path": "changed", "gone": False}, {"path": "gone",
                                                 "gone": True}]
    view.expected.append("was modified")
    try:
        for where in (view.mnt, view.store):
            drift = status_of(where)["drift"]
            assert sorted(drift, key=lambda d: d["path"]) == want
    finally:
        view.base_stays = False
        view.unmount()
    drift = status_of(view.store)["drift"]
    assert sorted(drift, key=lambda d: d["path"]) == want


@pytest.mark.modes("copy", "read", "write", plain=False)
def test_other_modes(view):
    write_file(view.base / "f", b"x")
    view / ""
    status = status_of(view.mnt)
    assert status["mode"] == view.mode
    assert status["store"] is None
    assert ("added" in status) == view.is_copy
    text = mapfs("status", view.mnt).text
    assert f"mode         {view.mode}" in text
    assert ("temporary" in text) == view.is_copy
