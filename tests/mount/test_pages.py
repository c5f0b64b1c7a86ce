# SPDX-License-Identifier: MIT
"""mapfs pages: where each page of a file is."""
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

from support.load import patience
from support.sysc import opened, write_file
from support.terminal import Terminal
from support.view import binary, mapfs, refused

PAGE = 4096
MIB = 1 << 20
SENTENCE = re.compile(r"mapfs: [^\n]+; [^\n]+\n")
SOURCES = {"hole", "base", "parent", "snapshot", "private"}
pytestmark = pytest.mark.modes("kept", plain=False)


def _json(*args):
    """The answer, after a check of what must hold for each."""
    found = json.loads(mapfs("pages", "--json", *args).text)
    keys = {"off_bytes", "len_bytes", "source"}
    if len(args) > 1:
        keys.add("differs")
    at = 0
    for run in found["runs"]:
        assert set(run) == keys
        assert run["off_bytes"] == at and run["len_bytes"] > 0
        at += run["len_bytes"]
    assert at == found["size_bytes"]
    assert found["page_bytes"] == PAGE
    assert set(found["totals"]) == SOURCES | (keys & {"differs"})
    for source in SOURCES:
        assert found["totals"][source]["bytes"] == sum(
            run["len_bytes"] for run in found["runs"]
            if run["source"] == source)
    return found


def _sources(*args):
    """The source of each page of the file: "bbP." and the like."""
    letters = {"hole": ".", "base": "b", "parent": "p", "snapshot": "S",
               "private": "P"}
    return "".join(letters[run["source"]] * -(-run["len_bytes"] // PAGE)
                   for run in _json(*args)["runs"])


def _differing(*args):
    """The numbers of the pages that differ."""
    return [n for run in _json(*args)["runs"] if run["differs"]
            for n in range(run["off_bytes"] // PAGE,
                           -(-(run["off_bytes"] + run["len_bytes"])
                             // PAGE))]


def _poke(path, *pages, what=b"view"):
    with opened(path, os.O_RDWR) as fd:
        for page in pages:
            os.pwrite(fd, what, page * PAGE + 10)


def _grid(text):
    """The cells of a map in letters."""
    return "".join(line.split(" ", 1)[1] for line in text.splitlines()
                   if line.startswith("0x"))


@pytest.fixture
def poked(view):
    """A file of 8 pages: one is in snapshot one, one is private."""
    write_file(view.base / "f", b"b" * 8 * PAGE)
    _poke(view / "f", 1, 2)
    mapfs("snapshot", view.mnt, "one")
    _poke(view / "f", 2, 5)
    return view


def test_live_view_tells_each_source(poked):
    assert _sources(poked / "f") == "bSPbbPbb"
    # What only the kernel has counts, too.
    with opened(poked / "f", os.O_RDWR) as fd:
        os.pwrite(fd, b"x" * 2 * PAGE, 6 * PAGE)
        assert _sources(poked / "f") == "bSPbbPPP"


def test_store_tells_the_same_mounted_and_at_rest(poked):
    live = _json(poked / "f")
    assert _json(f"{poked.store}:f")["runs"] == live["runs"]
    assert _json(f"{poked.store}:/f")["runs"] == live["runs"]
    poked.unmount()
    assert _json(f"{poked.store}:f")["runs"] == live["runs"]


def test_snapshot_has_no_private_page(poked):
    want = "bSSbbbbb"
    assert _sources(f"{poked.store}@one:f") == want
    poked.unmount()
    assert _sources(f"{poked.store}@one:f") == want
    assert _sources(f"{poked.store}:f") == "bSPbbPbb"
    mapfs("snapshot", "-d", poked.store, "one")
    assert _sources(f"{poked.store}:f") == "bPPbbPbb"


def test_names_with_colons_are_found(view):
    write_file(view.base / "a:b@c", b"b" * PAGE)
    _poke(view / "a:b@c", 0)
    mapfs("snapshot", view.mnt, "at:12:30")
    assert _sources(view / "a:b@c") == "S"
    assert _sources(f"{view.store}:a:b@c") == "S"
    assert _sources(f"{view.store}@at:12:30:a:b@c") == "S"
    assert "has no snapshot at;" in \
        refused("pages", f"{view.store}@at:12:a:b@c")


def test_branch_tells_pages_of_its_parent(poked):
    branch = poked.scratch / "branch"
    mapfs("branch", f"{poked.store}@one", branch)
    assert _sources(f"{branch}:f") == "bppbbbbb"


def test_two_snapshots_are_compared(poked):
    mapfs("snapshot", poked.mnt, "two")
    # The same bytes as before make a private page that is no difference.
    _poke(poked / "f", 1, 2)
    _poke(poked / "f", 7, what=b"more")
    live = poked / "f"
    store = f"{poked.store}:f"
    for _ in range(2):
        assert _differing(store, "one..two") == [5]
        assert _differing(store, "one..one") == []
        assert _differing(store, "..one") == [1, 2]
        assert _differing(live, "two..") == [7]
        assert _differing(live, "one..") == [5, 7]
        assert _differing(live, "..") == [1, 2, 5, 7]
        assert _sources(store, "one..two") == "bSSbbSbb"
        assert _sources(live, "two..") == "bPPbbSbP"
        if poked.mounted:
            poked.unmount()
            live = store
    assert "names a snapshot already" in \
        refused("pages", f"{poked.store}@one:f", "one..two")
    assert "has no snapshot three" in refused("pages", store, "three..")


def test_new_and_grown_files_differ_behind_the_old_end(poked):
    write_file(poked / "new", b"n" * 2 * PAGE)
    with opened(poked / "f", os.O_RDWR) as fd:
        os.ftruncate(fd, 10 * PAGE + 1)
    assert _differing(poked / "new", "one..") == [0, 1]
    assert _differing(poked / "f", "one..") == [5, 8, 9, 10]
    assert _sources(poked / "f") == "bSPbbPbb..."


def _ranges(*args, **wanted):
    return [(r["off_bytes"], r["len_bytes"]) for r in _json(*args)["runs"]
            if all(r[k] == v for k, v in wanted.items())]


def test_window_is_a_map_of_its_own(view):
    """Also one that begins within a page of its file."""
    write_file(view.base / "img", b"b" * 64 * PAGE)
    view.options += ["-w", f"a=img:{16 * PAGE}:{8 * PAGE}",
                     "-w", f"b=img:{30 * PAGE + 1000}"]
    view.mount()
    _poke(view / "a", 2)
    _poke(view / "b", 4)
    mapfs("snapshot", view.mnt, "one")
    _poke(view / "a", 5)
    in_b = [(4 * PAGE - 1000, PAGE)]
    assert _sources(view / "a") == "bbSbbPbb"
    assert _ranges(view / "b", source="snapshot") == in_b
    assert _json(view / "b")["size_bytes"] == 34 * PAGE - 1000
    assert _differing(view / "a", "..") == [2, 5]
    assert _differing(view / "a", "one..") == [5]
    assert _differing(view / "a", "..one") == [2]
    assert _sources(view / "a", "..one") == "bbSbbbbb"
    assert _ranges(view / "b", "..", differs=True) == in_b
    assert _ranges(view / "b", "..one", differs=True) == in_b
    assert _ranges(view / "b", "one..", differs=True) == []
    assert _json(view / "b", "..")["totals"]["differs"]["pages"] == 1
    view.unmount()
    assert _differing(f"{view.store}:img", "..") == [18, 21, 34]


def test_file_of_a_store_that_is_mounted_as_windows(view):
    """All of the file, which no name in the mount shows."""
    write_file(view.base / "img", b"b" * 16 * PAGE)
    write_file(view.base / "other", b"o" * PAGE)
    _poke(view / "img", 9)
    view.unmount()
    view.options += ["-w", f"a=./img:{2 * PAGE}:{3 * PAGE}",
                     "-w", f"b=img:{12 * PAGE}"]
    view.mount()
    mapfs("snapshot", view.mnt, "one")
    _poke(view / "a", 1)
    _poke(view / "b", 3)
    img = f"{view.store}:img"
    for _ in range(2):
        assert _sources(img) == "bbbPbbbbbSbbbbbP"
        assert _sources(f"{view.store}:/./img") == "bbbPbbbbbSbbbbbP"
        assert _differing(img, "one..") == [3, 15]
        assert _differing(img, "..") == [3, 9, 15]
        assert _sources(img, "..one") == "bbbbbbbbbSbbbbbb"
        assert _sources(f"{view.store}@one:img") == "bbbbbbbbbSbbbbbb"
        if view.mounted:
            assert _sources(f"{view.store}:a") == "bPb"
            assert _differing(f"{view.store}:a", "..") == [1]
            assert "a directory" in refused("pages", f"{view.store}:")
            assert "no such file" in refused("pages", view / "img")
            words = refused("pages", f"{view.store}:other")
            assert "mounted as windows" in words, words
            assert f"such as {view.mnt}/a" in words and \
                SENTENCE.fullmatch(words)
            view.unmount()
    assert "no such file" in refused("pages", f"{view.store}:a")


def test_window_on_a_file_is_a_map_too(scratch):
    """Also if the base is a file, which the store then shows as a whole."""
    write_file(scratch / "img", b"b" * 8 * PAGE)
    store, at = scratch / "store", scratch / "at"
    write_file(at)
    mapfs("mount", "-s", store, "-w", f"a=:{4 * PAGE}:{2 * PAGE}",
          scratch / "img", at)
    try:
        _poke(at, 1)
        for name in at, f"{store}:a":
            assert _sources(name) == "bP"
            assert _differing(name, "..") == [1]
        assert _sources(f"{store}:img") == "bbbbbPbb"
        assert _differing(f"{store}:img", "..") == [5]
    finally:
        mapfs("umount", at)
    assert _sources(f"{store}:img") == "bbbbbPbb"


@pytest.mark.parametrize("over", [False, True])
def test_base_that_is_a_file_has_a_map(scratch, over):
    """At a directory, and at the file itself."""
    write_file(scratch / "img", b"b" * 8 * PAGE)
    store, mnt = scratch / "store", scratch / "mnt"
    mnt.mkdir()
    at = scratch / "img" if over else mnt
    file = at if over else mnt / "img"
    mapfs("mount", "-s", store, scratch / "img", at)
    try:
        _poke(file, 3)
        for name in (file, f"{store}:img"):
            assert _sources(name) == "bbbPbbbb"
            assert _differing(name, "..") == [3]
        mapfs("snapshot", at, "one")
        assert _sources(file, "..one") == "bbbSbbbb"
        assert "no such file" in refused("pages", f"{store}:other")
    finally:
        mapfs("umount", at)
    assert _sources(f"{store}@one:img") == "bbbSbbbb"


def test_empty_file_has_no_pages(view):
    write_file(view.base / "old")
    write_file(view / "new")
    for name in ("old", "new"):
        assert _json(view / name)["runs"] == []
        assert mapfs("pages", view / name).text.endswith(
            "0 bytes, no pages\n")
        mapfs("pages", "--svg", view.scratch / "p.svg", view / name)
        ET.parse(view.scratch / "p.svg")


def test_holes_of_base_and_view_are_holes(view):
    with open(view.base / "f", "wb") as f:
        f.truncate(4 * MIB)
        f.seek(MIB)
        f.write(b"d" * PAGE)
    _poke(view / "f", 0)
    assert [(r["off_bytes"], r["source"]) for r in
            _json(view / "f")["runs"]] == [
        (0, "private"), (PAGE, "hole"), (MIB, "base"),
        (MIB + PAGE, "hole")]


def test_huge_sparse_file_is_a_small_map(view):
    write_file(view / "f")
    size = 1 << 60
    with opened(view / "f", os.O_RDWR) as fd:
        os.ftruncate(fd, size)
        os.pwrite(fd, b"x", size - 1)
        os.pwrite(fd, b"x", size // 2)
    found = _json(view / "f")
    assert found["size_bytes"] == size
    assert [(r["off_bytes"], r["len_bytes"], r["source"])
            for r in found["runs"]] == [
        (0, size // 2, "hole"), (size // 2, PAGE, "private"),
        (size // 2 + PAGE, size // 2 - 2 * PAGE, "hole"),
        (size - PAGE, PAGE, "private")]
    text = mapfs("pages", view / "f").text
    cells = _grid(text)
    assert cells.count("P") == 2 and cells.endswith("P")
    assert len(text.splitlines()) < 24


@pytest.mark.modes("write", "read", plain=False)
def test_other_modes_have_base_and_holes(view):
    with open(view.base / "f", "wb") as f:
        f.truncate(2 * MIB)
        f.seek(MIB)
        f.write(b"d" * PAGE)
    assert [(r["off_bytes"], r["source"]) for r in
            _json(view / "f")["runs"]] == [
        (0, "hole"), (MIB, "base"), (MIB + PAGE, "hole")]
    assert f"mode {view.mode} has no changes" in \
        refused("pages", view / "f", "..")


@pytest.mark.modes("copy", plain=False)
def test_view_without_a_kept_store_has_private_pages(view):
    write_file(view.base / "f", b"b" * 4 * PAGE)
    _poke(view / "f", 1)
    assert _sources(view / "f") == "bPbb"
    assert _differing(view / "f", "..") == [1]
    assert "no kept store" in refused("pages", view / "f", "one..")


def _map(path, **env):
    p = subprocess.run(
        [binary(), "pages", path], stdout=subprocess.PIPE, check=True,
        timeout=patience(), env={**os.environ, **env})
    return p.stdout.decode()


def test_map_fits_the_width_and_shows_the_rarest(view):
    write_file(view.base / "f", b"b" * 1000 * PAGE)
    _poke(view / "f", 777)
    for columns in (20, 40, 80, 200):
        text = _map(view / "f", COLUMNS=str(columns))
        title, *lines = text.splitlines()
        assert max(map(len, lines)) <= max(columns, 44), text
        cells = _grid(text)
        pages = int(re.search(r"a cell is (\w+) page", title)[1]
                    .replace("a", "1"))
        assert len(cells) == -(-1000 // pages)
        assert cells.count("P") == 1 and cells.index("P") == 777 // pages
        assert len([n for n in lines if n.startswith("0x")]) <= 16
    assert re.search(r"^P private +1 page +4\.0 KiB  in the store", text,
                     re.M)
    assert re.search(r"^b base +999 pages +3\.9 MiB  in the base$", text,
                     re.M)


def test_colours_on_a_terminal_only(poked):
    def shown(**env):
        t = Terminal(binary(), "pages", poked / "f", env={
            **os.environ, "TERM": "xterm", **env})
        status, text = t.end()
        assert status == 0
        return text
    assert "\033[41m \033[0m" in shown()
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        text = shown(**env)
        assert "\033" not in text and "bSPbbPbb" in text
    assert "bSPbbPbb" in mapfs("pages", poked / "f").text


@pytest.mark.parametrize("name", ["f", "<&>\"'", "a\nb\x01", b"\xff",
                                  "\ufffe", "ä"])
def test_picture_is_xml_with_each_source(view, name):
    os.chdir(view.mount().mnt)
    write_file(name, b"b" * 300 * PAGE)
    mapfs("snapshot", ".", "one")
    _poke(name, 200)
    picture = view.scratch / "p.svg"
    assert mapfs("pages", "--svg", picture, name, "one..").text == ""
    os.chdir("/")
    root = ET.parse(picture).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    titles = [t.text for t in
              root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles.count("differs at 0xc8000") == 1
    assert titles[0] == "snapshot at 0x0"
    text = " ".join(t.text for t in
                    root.iter("{http://www.w3.org/2000/svg}text"))
    assert "private: 1 page, 4.0 KiB" in text
    assert "snapshot: 299 pages" in text


def test_picture_and_json_are_both_made(poked):
    picture = poked.scratch / "p.svg"
    both = mapfs("pages", "--svg", picture, "--json", poked / "f").text
    assert json.loads(both) == _json(poked / "f")
    assert len(ET.parse(picture).getroot()) > 8


def test_picture_that_cannot_be_written_is_told(poked):
    for where in ("nowhere/p.svg", "/dev/full"):
        assert SENTENCE.fullmatch(
            refused("pages", "--svg", where, poked / "f"))


def test_what_has_no_pages_is_refused(poked):
    os.mkdir(poked / "d")
    os.mkfifo(poked / "p")
    os.symlink("f", poked / "l")
    store = str(poked.store)
    for _ in range(2):
        for arg, words in (
                (poked.base / "f", "neither in a mapfs mount"),
                ("nowhere", "no such file"), ("nowhere:f", "no such file"),
                (f"{store}:d", "a directory"), (f"{store}:", "a directory"),
                (f"{store}:p", "not a regular file"),
                (f"{store}:l", "a symbolic link"),
                (f"{store}:l/x", "symbolic link"), (f"{store}:f/x", "no such file"),
                (f"{store}:none", "no such file"),
                (f"{store}:../f", "not a path in the view"),
                (f"{store}@two:f", "has no snapshot two"),
                (f"{store}@one:d", "no such file"),
                (store, "directory" if poked.mounted else "a store"),
                ("", "empty name")):
            text = refused("pages", arg)
            assert words in text and SENTENCE.fullmatch(text), text
        if poked.mounted:
            for name, words in (("", "a directory"), ("d", "a directory"),
                                ("p", "not a regular file"),
                                ("none", "no such file")):
                text = refused("pages", poked / name)
                assert words in text and SENTENCE.fullmatch(text), text
            assert _sources(poked / "l") == "bSPbbPbb"
            poked.unmount()


def test_store_that_lost_its_base_still_tells(poked):
    poked.unmount()
    poked.base_stays = False	# moving it changes its ctime
    moved = poked.scratch / "moved"
    poked.base.rename(moved)
    p = mapfs("pages", f"{poked.store}:f")
    moved.rename(poked.base)
    assert "is gone" in p.text and "bSPbbPbb" in p.text


def test_wrong_command_lines_are_refused(poked):
    for args in ([], [poked / "f", "x"], [poked / "f", "a..b", "c..d"]):
        assert mapfs("pages", *args, check=False).returncode == 2
