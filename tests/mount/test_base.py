# SPDX-License-Identifier: MIT
"""A store, and a mounted view, whose base directory is replaced, removed or
moved."""
import json
import os
import shutil
import stat
import subprocess

import pytest

from support import tree
from support.load import patience
from support.sysc import opened, read_file, write_file
from support.view import binary, mapfs

PAGE = 4096


def _run(*args, **kw):
    """Runs a command that must not crash; returns its exit status and its
    output."""
    p = mapfs(*args, check=False, **kw)
    assert 0 <= p.returncode < 126, f"{args}: {p.returncode}\n{p.text}"
    return p.returncode, p.text


def _status(where):
    return json.loads(subprocess.run(
        [binary(), "status", "--json", where], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, timeout=patience()).stdout)


def _fill(base):
    (base / "sub").mkdir()
    write_file(base / "a", b"one\n")
    write_file(base / "sub/f", b"two\n")
    write_file(base / "sub/big", b"b" * 4 * PAGE)


def _changed(view):
    """Leaves a store with changes, unmounted; its base is unchanged."""
    view.base_stays = False
    _fill(view.base)
    write_file(view / "new", b"new\n")
    with opened(view / "sub/f", os.O_WRONLY | os.O_APPEND) as fd:
        os.write(fd, b"more\n")
    os.unlink(view / "a")
    mapfs("snapshot", "-m", "why", view.mnt, "one")
    view.unmount()
    return view


def _replace(base):
    """Replaces the base as a restore from a backup does: the same names, but
    other directories."""
    old = base.with_name("old")
    base.rename(old)
    subprocess.run(["cp", "-a", old, base], check=True)
    return old


def _put_back(base, old):
    if base.exists():
        shutil.rmtree(base)
    old.rename(base)


REFUSED = [
    ("diff", "STORE"), ("diff", "--json", "STORE"), ("diff", "-p", "STORE"),
    ("diff", "STORE", "one.."), ("diff", "STORE@one"),
    ("snapshot", "STORE", "two"), ("snapshot", "-d", "STORE", "one"),
    ("rollback", "-y", "STORE", "one"), ("branch", "STORE", "BRANCH"),
    ("branch", "STORE@one", "BRANCH"), ("revert", "STORE", "."),
    ("commit", "-n", "STORE"), ("commit", "-y", "--theirs", "STORE"),
    ("commit", "-y", "--ours", "STORE"),
    ("mount", "-s", "STORE", "BASE", "MNT"),
    ("mount", "-s", "STORE@one", "BASE", "MNT"), ("status", "STORE"),
    ("run", "-s", "STORE", "-C", "BASE", "--keep", "--", "true"),
]


@pytest.mark.root
def test_replaced_base_is_refused_by_every_command(kept_view):
    """Regression: most commands crashed, and so did the daemon of a mount."""
    view = _changed(kept_view)
    words = {"STORE": view.store, "BASE": view.base, "MNT": view.mnt,
             "STORE@one": f"{view.store}@one",
             "BRANCH": view.scratch / "branch"}
    before = words_of_diff = mapfs("diff", view.store, check=False).text
    assert words_of_diff == "D f a\nA f new\nM f sub/f\n"
    old = _replace(view.base)
    seen = tree.of(view.base)
    for command in REFUSED:
        code, said = _run(*(words.get(a, a) for a in command))
        assert code != 0, command
        assert f"store {view.store}: its base {view.base} was replaced; put " \
            "the old one back, or export this store and import it onto the " \
            "new one\n" in said, command
    assert not (view.scratch / "branch").exists()
    tree.assert_same(seen, tree.of(view.base), "a command changed the base")
    _put_back(view.base, old)
    assert mapfs("diff", view.store, check=False).text == before
    assert read_file(view / "sub/f") == b"two\nmore\n"


def test_status_of_a_replaced_base_says_what_can_be_said(kept_view):
    view = _changed(kept_view)
    assert _status(view.store)["base_state"] == "fits"
    old = _replace(view.base)
    code, said = _run("status", view.store)
    assert code == 1
    assert f"base         {view.base} (was replaced" in said
    assert "private      2 pages" in said and "snapshots    1" in said
    assert "changes      unknown without the base" in said
    status = _status(view.store)
    assert status["base_state"] == "replaced" and "added" not in status
    shutil.rmtree(view.base)
    assert _status(view.store)["base_state"] == "gone"
    code, said = _run("status", view.store)
    assert code == 1 and f"base {view.base} is gone; put it back" in said
    _put_back(view.base, old)
    assert _status(view.store)["added"] == 1


@pytest.mark.parametrize("loss", ["replaced", "gone", "a file"])
def test_store_without_its_base_can_be_read_and_thrown_away(kept_view, loss):
    view = _changed(kept_view)
    listed = mapfs("log", view.store).text
    assert "one" in listed and "why" in listed
    if loss == "replaced":
        _replace(view.base)
    else:
        shutil.rmtree(view.base)
    if loss == "a file":
        write_file(view.base, b"x")
    assert mapfs("log", view.store).text == listed
    said = mapfs("discard", "-y", view.store).text
    assert "private pages: 8.0 KiB; snapshots: 1" in said
    assert "unknown without the base" in said
    assert not view.store.exists()


@pytest.mark.parametrize("then", ["nothing", "another"])
def test_base_that_moved_is_found_by_the_next_mount(kept_view, then):
    view = _changed(kept_view)
    was = view.base
    view.base = view.scratch / "elsewhere"
    was.rename(view.base)
    if then == "another":
        was.mkdir()
        want = f"store {view.store}: its base {was} was replaced; "
    else:
        want = f"store {view.store}: its base {was} is gone; put it back, " \
            "or mount the store with the path it has now: mapfs mount -s " \
            f"{view.store} BASE MOUNTPOINT\n"
    for command in (("diff",), ("commit", "-n"), ("revert",), ("status",)):
        more = ["."] if command == ("revert",) else []
        code, said = _run(*command, view.store, *more)
        assert code in (1, 2) and want in said, command
    assert read_file(view / "sub/f") == b"two\nmore\n"
    assert read_file(view / "new") == b"new\n"
    view.unmount()
    assert _status(view.store)["base"] == str(view.base)
    assert _run("diff", view.store) == (1, "D f a\nA f new\nM f sub/f\n")
    mapfs("commit", "-y", view.store)
    assert read_file(view.base / "sub/f") == b"two\nmore\n"


def test_copy_of_the_base_is_not_the_base(kept_view):
    view = _changed(kept_view)
    was = view.base
    view.base = view.scratch / "copy"
    subprocess.run(["cp", "-a", was, view.base], check=True)
    code, said = _run(*view.command()[1:])
    assert code == 1
    assert f"store {view.store} holds changes of {was}, not of {view.base}; " \
        "mount it with that base" in said
    view.base = was
    assert read_file(view / "new") == b"new\n"


def test_branch_knows_its_base_too(kept_view):
    view = _changed(kept_view)
    branch = view.scratch / "branch"
    mapfs("branch", f"{view.store}@one", branch)
    old = _replace(view.base)
    code, said = _run("diff", branch)
    assert code == 2 and f"store {branch}: its base {view.base} was replaced" \
        in said
    _put_back(view.base, old)
    assert _run("diff", branch) == (1, "D f a\nA f new\nM f sub/f\n")


@pytest.mark.parametrize("loss", ["moved", "replaced", "removed"])
def test_view_survives_that_its_base_is_replaced_below_it(kept_view, loss):
    """Regression: the daemon crashed on status and on diff."""
    view = _changed(kept_view)
    view.expected.append("base|modified")
    assert read_file(view / "new") == b"new\n"
    old = view.scratch / "old"
    if loss == "removed":
        shutil.rmtree(view.base)
    elif loss == "moved":
        view.base.rename(old)
    else:
        assert _replace(view.base) == old
    state = "replaced" if loss == "replaced" else "gone"
    assert _status(view.mnt)["base_state"] == state
    code, said = _run("status", view.mnt)
    assert code == 0 and f"base         {view.base} (" in said
    code, said = _run("diff", view.mnt)
    assert code == 1 and "A f new\n" in said
    assert read_file(view / "new") == b"new\n"
    write_file(view / "newer", b"newer\n")
    assert _run("log", view.mnt)[0] == 0
    if loss != "removed":
        assert read_file(view / "sub/f") == b"two\nmore\n"
        assert read_file(view / "sub/big") == b"b" * 4 * PAGE
    view.unmount()
    if loss != "removed":
        _put_back(view.base, old)
        assert read_file(view / "newer") == b"newer\n"


# --- below the top ----------------------------------------------------------

def _deep(view):
    """Changes contents, names, and both, in three directories of the base."""
    view.base_stays = False
    view.expected.append("modified|[Ss]tale")
    for d in ("files", "names", "both"):
        os.makedirs(view.base / d / "in")
        write_file(view.base / d / "small", b"small\n")
        write_file(view.base / d / "big", b"b" * 4 * PAGE)
        write_file(view.base / d / "same", b"same\n")
        write_file(view.base / d / "in/f", b"in\n")
    for d in ("files", "both"):
        with opened(view / f"{d}/small", os.O_WRONLY | os.O_APPEND) as fd:
            os.write(fd, b"more\n")
        with opened(view / f"{d}/big", os.O_RDWR) as fd:
            os.pwrite(fd, b"mine", PAGE)
        with opened(view / f"{d}/in/f", os.O_WRONLY | os.O_APPEND) as fd:
            os.write(fd, b"deeper\n")
    for d in ("names", "both"):
        write_file(view / f"{d}/new", b"new\n")
        os.mkdir(view / f"{d}/newdir")
        write_file(view / f"{d}/newdir/x", b"x\n")
        os.unlink(view / f"{d}/same")
    view.unmount()
    return view


def _lose(base, how):
    attic = base.with_name("attic")
    attic.mkdir()
    for d in ("files", "names", "both"):
        (base / d).rename(attic / d)
        if how == "replaced":
            subprocess.run(["cp", "-a", attic / d, base / d], check=True)
        elif how == "a file":
            write_file(base / d, b"another\n")
        elif how == "a link":
            os.symlink(attic / d, base / d)
        elif how == "a fifo":
            os.mkfifo(base / d)

    def put_back():
        for d in ("files", "names", "both"):
            if (base / d).is_dir() and not (base / d).is_symlink():
                shutil.rmtree(base / d)
            elif os.path.lexists(base / d):
                (base / d).unlink()
            (attic / d).rename(base / d)
    return put_back


LOSSES = ["removed", "replaced", "a file", "a link", "a fifo"]


@pytest.mark.parametrize("how", LOSSES)
@pytest.mark.parametrize("when", ["at rest", "mounted"])
def test_what_the_view_has_of_a_lost_directory_stays(kept_view, how, when):
    """Regression: a replaced directory was shown as if the view had changed
    nothing in it."""
    view = _deep(kept_view)
    if when == "mounted":
        assert os.listdir(view / "names")
    put_back = _lose(view.base, how)
    for d in ("files", "both"):
        assert read_file(view / f"{d}/small") == b"small\nmore\n"
        assert read_file(view / f"{d}/in/f") == b"in\ndeeper\n"
        with opened(view / f"{d}/big", os.O_RDONLY) as fd:
            assert os.pread(fd, 8, PAGE) == b"minebbbb"
            with pytest.raises(OSError, match="Errno 5"):
                os.pread(fd, 8, 3 * PAGE)
    for d in ("names", "both"):
        assert read_file(view / f"{d}/new") == b"new\n"
        assert read_file(view / f"{d}/newdir/x") == b"x\n"
        assert {"new", "newdir"} <= set(os.listdir(view / d))
        assert "same" not in os.listdir(view / d)
    assert {"small", "big", "in"} <= set(os.listdir(view / "files"))
    assert {"small", "big", "in"} <= set(os.listdir(view / "both"))
    view.unmount()
    put_back()
    assert read_file(view / "both/big").count(b"b") == 4 * PAGE - 4
    assert sorted(os.listdir(view / "both")) == [
        "big", "in", "new", "newdir", "small"]
    assert read_file(view / "names/small") == b"small\n"


@pytest.mark.parametrize("how", LOSSES)
def test_lost_directory_is_drift_and_what_is_in_it_a_difference(kept_view,
                                                                how):
    view = _deep(kept_view)
    _lose(view.base, how)

    def check(where):
        drift = {e["path"] for e in _status(where)["drift"] if e["gone"]}
        assert drift == {
            "names", "both", "files/small", "files/big", "files/in/f",
            "both/small", "both/big", "both/in/f"}
        code, said = _run("diff", where)
        assert code == 1
        listed = {line.split()[-1]: line[0] for line in said.splitlines()}
        changed = {"files/small", "files/big", "files/in/f", "both/small",
                   "both/big", "both/in/f"}
        added = {f"{d}/{n}" for d in ("names", "both")
                 for n in ("new", "newdir", "newdir/x")}
        assert changed | added <= set(listed), said
        assert {listed[n] for n in added} == {"A"}
        assert {listed[n] for n in changed} <= {"A", "M"}

    check(view.store)
    view.mount()
    check(view.mnt)
    view.unmount()
    seen = tree.of(view.base, ("atime",))
    for resolution in ([], ["--ours"]):
        code, said = _run("commit", "-y", *resolution, view.store)
        assert code != 0 and "both" in said
        tree.assert_same(seen, tree.of(view.base, ("atime",)),
                         "half of it was applied")
    mapfs("commit", "-y", "--theirs", view.store)
    after = tree.of(view.base, ("atime",))
    for d in (b"names", b"both"):
        assert {n: e for n, e in seen.items() if n.startswith(d)} == \
            {n: e for n, e in after.items() if n.startswith(d)}


def test_number_that_was_given_again_is_another_object(kept_view):
    """Regression: the new object was shown with the content of the removed
    one."""
    view = kept_view
    view.base_stays = False
    view.expected.append("modified|[Ss]tale")
    view.keep_base_in_memory()
    for n in range(50):
        (view.base / f"d{n}").mkdir()
        write_file(view.base / f"f{n}", b"old\n")
    for n in range(50):
        write_file(view / f"d{n}/new", b"new\n")
        with opened(view / f"f{n}", os.O_WRONLY | os.O_APPEND) as fd:
            os.write(fd, b"more\n")
    view.unmount()
    for n in range(50):
        os.rmdir(view.base / f"d{n}")
        os.unlink(view.base / f"f{n}")
    for n in range(50):
        (view.base / f"other-d{n}").mkdir()
        write_file(view.base / f"other-f{n}", b"another\n")
    for n in range(50):
        try:
            assert read_file(view / f"other-f{n}") == b"another\n"
        except OSError:
            pass	# its inode number is in use in this view
        try:
            assert os.listdir(view / f"other-d{n}") == []
        except OSError:
            pass
        assert read_file(view / f"f{n}") == b"old\nmore\n"
        assert read_file(view / f"d{n}/new") == b"new\n"
    assert "drift" in mapfs("status", view.mnt).text
    view.unmount()


def test_lost_files_can_be_removed_and_reverted(kept_view):
    view = _deep(kept_view)
    _lose(view.base, "removed")
    shutil.rmtree(view / "both/newdir")
    os.unlink(view / "both/small")
    os.rename(view / "both/new", view / "saved")
    write_file(view / "both/newer", b"newer\n")
    assert "small" not in os.listdir(view / "both")
    view.remount()
    assert "small" not in os.listdir(view / "both")
    assert read_file(view / "both/newer") == b"newer\n"
    assert read_file(view / "saved") == b"new\n"
    for d in ("files", "names", "both"):
        mapfs("revert", view.mnt, d)
    assert os.listdir(view.top) == ["saved"]
    view.remount()
    assert os.listdir(view.top) == ["saved"]
    assert _run("diff", view.mnt) == (1, "A f saved\n")
    view.unmount()


# --- the way out: export and import ------------------------------------------

def _export(store, file):
    return _run("export", "-o", file, store)


def _import(base, store, file):
    with open(file, "rb") as f:
        p = subprocess.run([binary(), "import", base, store], stdin=f,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=patience())
    assert p.returncode == 0, p.stdout


@pytest.mark.parametrize("loss", ["replaced", "gone"])
def test_store_without_its_base_is_brought_onto_another(kept_view, loss):
    view = _changed(kept_view)
    layer, again = view.scratch / "layer.tar", view.scratch / "again"
    old = _replace(view.base)
    if loss == "gone":
        aside = view.base.with_name("aside")
        view.base.rename(aside)
    code, said = _export(view.store, layer)
    assert code == 0, said
    assert f"its base {view.base} " in said
    if loss == "gone":
        aside.rename(view.base)
    _import(view.base, again, layer)
    assert _run("diff", again) == (1, "D f a\nA f new\nM f sub/f\n")
    first, view.store = view.store, again
    assert read_file(view / "sub/f") == b"two\nmore\n"
    assert read_file(view / "sub/big") == b"b" * 4 * PAGE
    view.unmount()
    # The other remedy still works.
    view.store = first
    _put_back(view.base, old)
    assert read_file(view / "sub/f") == b"two\nmore\n"


def test_what_needs_bytes_of_the_lost_base_is_named_and_left_out(kept_view):
    view = kept_view
    view.base_stays = False
    _fill(view.base)
    for name in ("del", "ren"):
        (view.base / name).mkdir()
        write_file(view.base / name / "x", b"x")
    for name in ("mode", "moved", "whole", "linked"):
        write_file(view.base / name, b"old")
    os.link(view.base / "linked", view.base / "linked2")
    os.symlink("a", view.base / "link")
    # These objects are complete.
    write_file(view / "new", b"new")
    os.unlink(view / "a")
    shutil.rmtree(view / "del")
    os.mkdir(view / "del")
    write_file(view / "del/again", b"again")
    write_file(view / "whole", b"all of it")
    os.rename(view / "whole", view / "whole2")
    # These are not.
    with opened(view / "sub/big", os.O_RDWR) as fd:
        os.pwrite(fd, b"mine", PAGE)
    os.chmod(view / "mode", 0o600)
    os.rename(view / "moved", view / "moved2")
    os.rename(view / "link", view / "link2")
    os.rename(view / "ren", view / "ren2")
    write_file(view / "ren2/late", b"late")
    write_file(view / "linked", b"everywhere")
    view.unmount()
    old = _replace(view.base)
    layer, again = view.scratch / "layer.tar", view.scratch / "again"
    code, said = _export(view.store, layer)
    assert code == 1
    named = {line.split(": ")[1] for line in said.splitlines()[1:]}
    assert named == {"sub/big", "mode", "moved2", "link2", "ren2", "linked"}
    _import(view.base, again, layer)
    store, view.store = view.store, again
    assert sorted(os.listdir(view.top)) == [
        "del", "link", "linked", "linked2", "mode", "moved", "new", "ren",
        "ren2", "sub", "whole2"]
    assert os.listdir(view / "del") == ["again"]
    assert os.listdir(view / "ren") == ["x"]
    assert os.listdir(view / "ren2") == ["late"]
    assert read_file(view / "whole2") == b"all of it"
    assert read_file(view / "linked") == b"everywhere"
    assert read_file(view / "linked2") == b"old"
    assert read_file(view / "sub/big") == b"b" * 4 * PAGE
    view.unmount()
    view.store = store
    _put_back(view.base, old)


def test_lost_directory_is_exported_as_far_as_the_view_has_it(kept_view):
    view = _deep(kept_view)
    put_back = _lose(view.base, "removed")
    layer = view.scratch / "layer.tar"
    code, said = _export(view.store, layer)
    assert code == 1 and "both/big: only parts of it were changed" in said
    names = subprocess.run(["tar", "tf", layer], stdout=subprocess.PIPE,
                           check=True).stdout.decode().split()
    assert {"both/small", "both/new", "both/newdir/x", "names/new"} <= \
        set(names)
    assert "both/big" not in names
    put_back()
    assert _export(view.store, layer)[0] == 0


CHANGES_IN_D = {
    "new name": lambda d: write_file(d / "new", b"n"),
    "renamed": lambda d: os.rename(d / "g", d / "h"),
    "removed": lambda d: os.unlink(d / "g"),
    "changed": lambda d: write_file(d / "g", b"changed"),
    "new tree": lambda d: ((d / "t").mkdir(), write_file(d / "t/z", b"z")),
    "moved": lambda d: (d.rename(d.with_name("dd")),
                        write_file(d.with_name("dd") / "q", b"q")),
    "part moved": lambda d: (d / "s").rename(d.with_name("t")),
    "made again": lambda d: (shutil.rmtree(d), d.mkdir(),
                             write_file(d / "k", b"k")),
}
TAKES_ITS_PLACE = {
    "nothing": lambda path: None,
    "file": lambda path: write_file(path, b""),
    "symlink": lambda path: os.symlink("/etc", path),
    "fifo": os.mkfifo,
    "directory": os.mkdir,
}


def _kind(path):
    return os.path.lexists(path) and stat.S_IFMT(os.lstat(path).st_mode)


@pytest.mark.parametrize("place", TAKES_ITS_PLACE)
@pytest.mark.parametrize("change", CHANGES_IN_D)
def test_base_wins_where_it_lost_a_directory(kept_view, change, place):
    """The inode number of the removed directory may be used again at once, for
    the object that takes its place. Regression: names that the view had in the
    directory were planned into a file, and commit refused its own plan when it
    read it."""
    view = kept_view
    view.base_stays = False
    (view.base / "d/s").mkdir(parents=True)
    for name in ("f", "d/g", "d/s/s"):
        write_file(view.base / name, b"old\n")
    write_file(view / "f", b"mine\n")
    CHANGES_IN_D[change](view.mnt / "d")
    view.unmount()
    shutil.rmtree(view.base / "d")
    TAKES_ITS_PLACE[place](view.base / "d")
    kind = _kind(view.base / "d")
    before = tree.of(view.base, ("atime", "ctime", "mtime"))
    code, text = _run("commit", "-y", "--theirs", view.store)
    assert code == 0, text
    assert read_file(view.base / "f") == b"mine\n"
    if change not in ("moved", "made again"):	# of the directory itself
        assert _kind(view.base / "d") == kind
    code, text = _run("commit", "-y", "--undo", view.store)
    assert code == 0, text
    tree.assert_same(before, tree.of(view.base, ("atime", "ctime", "mtime")),
                     "undo")


@pytest.mark.parametrize("place", ["nothing", "file", "symlink"])
def test_patch_goes_on_behind_a_directory_that_the_base_lost(kept_view, place):
    view = kept_view
    view.base_stays = False
    (view.base / "d/e").mkdir(parents=True)
    for name in ("a", "d/e/h", "z"):
        write_file(view.base / name, b"1\n")
    write_file(view / "a", b"2\n")
    os.rename(view / "d/e", view / "moved")
    write_file(view / "z", b"2\n")
    view.unmount()
    shutil.rmtree(view.base / "d")
    TAKES_ITS_PLACE[place](view.base / "d")
    code, text = _run("diff", "-p", view.store)
    assert code == 2
    assert "diff --git a/a b/a" in text and "diff --git a/z b/z" in text
    assert "d/e: the base has lost it" in text
