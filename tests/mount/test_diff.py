# SPDX-License-Identifier: MIT
"""`mapfs diff` lists what a comparison of the two trees finds, after any
history; and its patches turn the base's text files into the view's.

The comparison here does not depend on how mapfs keeps changes: it reads both
trees, moves every name of the base to the place that the entries tell, and
compares the object there with the view's.
"""
import json
import os
import shutil
import stat
import subprocess

import pytest
from hypothesis import strategies as st

from support import model, sysc, tree
from support.load import patience
from support.sysc import write_file
from support.view import binary, mapfs

PAGE = 4096
LETTERS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l",
           stat.S_IFIFO: "p", stat.S_IFCHR: "c"}


def diff(*args):
    """The standard output of `mapfs diff`, as bytes, because names are
    bytes."""
    p = subprocess.run([binary(), "diff", *map(os.fspath, args)],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=patience())
    assert p.returncode in (0, 1), (args, p.returncode, p.stderr)
    if "-p" not in args:	# which leaves out what git cannot express
        assert p.returncode == (1 if p.stdout.strip(b"[]\n") else 0)
    return p.stdout


def entries(*args):
    return json.loads(diff("--json", "--pages", *args))


# --- the other comparison ---------------------------------------------------

def read_quietly(path):
    """Reads a file without changing its access time: the base must not
    change."""
    with open(os.open(path, os.O_RDONLY | os.O_NOATIME), "rb") as f:
        return f.read()


def look(top):
    """{path: facts} of a tree, with the bytes of regular files; "" is the
    top."""
    found = {}
    for name, entry in tree.of(top, ("atime", "ctime", "nlink")).items():
        path = "" if name == b"." else os.fsdecode(name)
        if entry["type"] == stat.S_IFREG:
            entry["bytes"] = read_quietly(os.path.join(top, path))
        found[path] = entry
    return found


def what_differs(a, b):
    what = set()
    if int(a["mode"], 8) & 0o7777 != int(b["mode"], 8) & 0o7777:
        what.add("mode")
    if (a["uid"], a["gid"]) != (b["uid"], b["gid"]):
        what.add("owner")
    if a["xattrs"] != b["xattrs"]:
        what.add("xattr")
    if a["type"] != stat.S_IFDIR and a["mtime"] != b["mtime"]:
        what.add("time")
    if any(a.get(k) != b.get(k) for k in ("bytes", "target", "rdev")):
        what.add("content")
    return what


def pages_that_differ(a, b):
    """(number of pages, number of bytes) in which two files differ."""
    last = max(len(a), len(b))
    pages = [at // PAGE for at in range(0, last, PAGE)
             if a[at:at + PAGE] != b[at:at + PAGE]]
    short = min(len(a), len(b))
    return pages, (last - short +
                   sum(x != y for x, y in zip(a[:short], b[:short])))


class Judge:
    """Checks the entries of a diff against the two trees."""

    def __init__(self, old, new, found):
        self.old, self.new = old, new
        self.found = found
        self.by_old = {}
        for e in found:
            if e["change"] != "A":
                assert e["old_path"] not in self.by_old, e
                self.by_old[e["old_path"]] = e
        self.places = {"": ""}

    def place(self, path):
        """The present path of a name of the old tree, or None if it was
        deleted."""
        if path not in self.places:
            self.places[path] = self._find_place(path)
        return self.places[path]

    def _find_place(self, path):
        entry = self.by_old.get(path)
        if entry and entry["change"] != "D":
            return None if entry["change"] == "T" else entry["path"]
        above, _, name = path.rpartition("/")
        above = self.place(above)
        if entry or above is None or self._is_retyped_away(path):
            return None
        return f"{above}/{name}" if above else name

    def _is_retyped_away(self, path):
        above = path.rpartition("/")[0]
        entry = self.by_old.get(above) if above else None
        return bool(entry) and entry["change"] == "T"

    def check(self):
        came = {}
        for path in self.old:
            now = self.place(path)
            if now is not None:
                assert now not in came, f"{now}: two came here"
                came[now] = path
                self._check_kept(path, now)
        for e in self.found:
            if e["change"] in "AT":
                assert e["path"] not in came, e
                came[e["path"]] = None
                self._check_new(e)
            if e["change"] == "D":
                assert e["old_path"] in self.old, e
        assert set(came) == set(self.new)
        self._check_renames()

    def _check_kept(self, path, now):
        assert now in self.new, f"{path} should be at {now}"
        a, b = self.old[path], self.new[now]
        assert a["type"] == b["type"], path
        what = what_differs(a, b)
        entry = self.by_old.get(path)
        said = set(entry["what"]) if entry else set()
        assert said == what, f"{path} -> {now}: {said} said, {what} true"
        if not entry:
            return
        assert entry["change"] == "R" or what, entry
        assert entry["type"] == LETTERS[a["type"]], entry
        if "bytes" in a:
            self._check_pages(entry, a["bytes"], b["bytes"])
        self._check_side(entry["old"], a)
        self._check_side(entry["new"], b)

    @staticmethod
    def _check_pages(entry, a, b):
        pages, count = pages_that_differ(a, b)
        assert (entry["pages"], entry["bytes"]) == (len(pages), count), entry
        said = {p for off, size in entry["ranges"]
                for p in range(off // PAGE, (off + size - 1) // PAGE + 1)}
        assert said == set(pages), entry

    @staticmethod
    def _check_side(side, facts):
        assert side["ino"] == facts["ino"]
        assert side["mode"] == int(facts["mode"], 8)
        assert (side["uid"], side["gid"]) == (facts["uid"], facts["gid"])
        assert side["mtime_ns"] == facts["mtime"]
        if "bytes" in facts:
            assert side["size"] == len(facts["bytes"])

    def _check_new(self, entry):
        facts = self.new[entry["path"]]
        assert entry["type"] == LETTERS[facts["type"]], entry
        self._check_side(entry["new"], facts)
        if entry["change"] == "T":
            was = self.old[entry["old_path"]]
            assert was["type"] != facts["type"], entry
            self._check_side(entry["old"], was)

    def _check_renames(self):
        """Compares by identity: no renamed object may be listed as D and A."""
        gone = set()
        for path in self.old:
            entry = self.by_old.get(path)
            if self.place(path) is None and \
                    not (entry and entry["change"] == "T"):
                gone.add(self.old[path]["ino"])
        for e in self.found:
            if e["change"] == "R":
                assert e["old"]["ino"] == e["new"]["ino"], e
            if e["change"] == "A":
                assert e["new"]["ino"] not in gone, e


def judge(old, new, found):
    paths = [(os.fsencode(e["path"]), e["change"] != "D") for e in found]
    assert paths == sorted(paths)
    Judge(old, new, found).check()


def look_at(view, name):
    """The tree of a snapshot."""
    mapfs("mount", "-s", f"{view.store}@{name}", view.base, view.mnt)
    try:
        return look(view.mnt)
    finally:
        mapfs("umount", view.mnt)


steps = st.lists(model.step, min_size=5, max_size=60)


@pytest.mark.limit(400)
@pytest.mark.root
@pytest.mark.parametrize("part", range(3))
def test_diff_of_any_history_is_what_the_trees_say(scratch, part):
    number = iter(range(10**9))

    @model.examples(part, steps)
    def run_one(history):
        with model.example(scratch / f"example{next(number)}") as view:
            base = look(view.base)
            view.mount()
            model.play_view(view, history)
            live = entries(view.mnt)
            view.unmount()
            view.mount()
            now = look(view.top)
            view.unmount()
            resting = entries(view.store)
            judge(base, now, resting)
            assert live == resting

    run_one()


@pytest.mark.limit(400)
@pytest.mark.root
@pytest.mark.parametrize("part", range(3))
def test_diff_of_two_snapshots_is_what_the_trees_say(scratch, part):
    number = iter(range(10**9))

    @model.examples(part, steps, steps)
    def run_one(first, second):
        with model.example(scratch / f"example{next(number)}") as view:
            for name, history in ("one", first), ("two", second):
                view.mount()
                model.play_view(view, history)
                view.unmount()
                mapfs("snapshot", view.store, name)
            one, two = look_at(view, "one"), look_at(view, "two")
            judge(one, two, entries(view.store, "one..two"))
            judge(two, one, entries(view.store, "two..one"))
            judge(look(view.base), one, entries(f"{view.store}@one"))
            assert entries(view.store, "two..") == []

    run_one()


# --- patches ----------------------------------------------------------------

TEXTS = ["a", "b.c", "d/x", "d/y z", "d/e/ü", "s", "d/e", "d", "n", "n/x",
         'q"\\t']
text_name = st.sampled_from(TEXTS)
amount = st.integers(0, 60)


def _edit(top, path, at, lines):
    with open(top + path, encoding="utf-8") as f:
        text = f.read().splitlines(keepends=True)
    text[at:at + lines % 3] = [f"new line {n}\n" for n in range(lines % 5)]
    text = "".join(text)
    if lines % 7 == 0:
        text = text[:-1]
    with open(top + path, "w", encoding="utf-8") as f:
        f.write(text)


def _write(top, path, lines):
    with open(top + path, "w", encoding="utf-8") as f:
        f.write("".join(f"line {n} of {lines}\n" for n in range(lines)))


TEXT_OPERATIONS = {
    "edit": (_edit, text_name, amount, amount),
    "edit again": (_edit, text_name, amount, amount),
    "write": (_write, text_name, amount),
    "unlink": (lambda t, p: os.unlink(t + p), text_name),
    "remove": (lambda t, p: shutil.rmtree(t + p), text_name),
    "mkdir": (lambda t, p: os.mkdir(t + p), text_name),
    "rename": (lambda t, p, q: os.rename(t + p, t + q), text_name, text_name),
    "exchange": (lambda t, p, q: sysc.renameat2(
        t + p, t + q, sysc.RENAME_EXCHANGE), text_name, text_name),
    "symlink": (lambda t, p, q: os.symlink(q, t + p), text_name, text_name),
    "chmod": (lambda t, p: os.chmod(t + p, 0o755), text_name),
}

text_step = st.one_of([st.tuples(st.just(op), *arguments)
                       for op, (_, *arguments) in TEXT_OPERATIONS.items()])


def make_text_base(base):
    os.makedirs(base / "d/e")
    for n, path in enumerate(["a", "b.c", "d/x", "d/y z", "d/e/ü", 'q"\\t']):
        _write(str(base) + "/", path, 30 + n)
    write_file(base / "d/e/empty")
    write_file(base / "d/tail", b"no end")
    os.symlink("a", base / "s")


def files(top):
    """The part of a tree that git can store."""
    found = {}
    for path, entry in look(top).items():
        if entry["type"] == stat.S_IFREG:
            found[path] = (entry["bytes"], bool(int(entry["mode"], 8) & 0o100))
        elif entry["type"] == stat.S_IFLNK:
            found[path] = entry["target"]
    return found


def has_swaps(old, new):
    return any((old[p]["type"] == stat.S_IFDIR) !=
               (new[p]["type"] == stat.S_IFDIR) for p in set(old) & set(new))


def apply(tool, place, patch):
    """Applies the patch to a copy of the base; returns its files."""
    p = subprocess.run(tool, cwd=place, input=patch, timeout=patience(),
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env=dict(os.environ, GIT_CEILING_DIRECTORIES=str(
                           place.parent)))
    assert p.returncode == 0, (tool, p.stdout, patch)
    return files(place)


@pytest.mark.limit(400)
@pytest.mark.root
@pytest.mark.parametrize("part", range(2))
def test_patch_of_any_text_history_applies(scratch, part):
    number = iter(range(10**9))

    @model.examples(part, st.lists(text_step, min_size=1, max_size=20))
    def run_one(history):
        place = scratch / f"example{next(number)}"
        with model.example(place, make_text_base) as view:
            for copy in "git", "patched":
                shutil.copytree(view.base, place / copy, symlinks=True)
            view.mount()
            for op, *args in history:
                model.outcome(TEXT_OPERATIONS[op][0], f"{view.top}/", *args)
            want = files(view.top)
            swaps = has_swaps(look(view.base), look(view.top))
            live = diff("-p", view.mnt)
            view.unmount()
            patch = diff("-p", view.store)
            assert live == patch
            if not patch:
                assert files(view.base) == want
                return
            assert apply(["git", "apply", "-"], place / "git", patch) == want
            # patch(1) cannot put a file in the place of a directory, or a
            # directory in that of a file.
            if not swaps:
                assert apply(["patch", "-p1", "-s", "-N"], place / "patched",
                             patch) == want

    run_one()


# --- the command ------------------------------------------------------------

@pytest.fixture
def changed(kept_view):
    """An unmounted view with a change of most kinds."""
    view = kept_view
    os.makedirs(view.base / "dir/sub")
    write_file(view.base / "same", b"same")
    write_file(view.base / "text", b"one\ntwo\n")
    write_file(view.base / "dir/sub/inner", b"x" * 10000)
    write_file(view.base / "gone", b"g")
    write_file(os.fsencode(view.base) + b"/odd\n\xff", b"o")
    os.truncate(view / "dir/sub/inner", 9000)
    write_file(view / "text", b"one\nTWO\n")
    os.chmod(view / "same", 0o600)
    os.unlink(view / "gone")
    os.rename(view / "dir", view / "moved dir")
    os.symlink("text", view / "link")
    os.unlink(view / b"odd\n\xff")
    view.unmount()
    return view


def words(*args):
    return diff(*args).decode()


def test_letters_types_and_what_changed(changed):
    assert words(changed.store) == (
        "D f gone\n"
        "A l link\n"
        "R d dir -> moved dir\n"
        "M f moved dir/sub/inner\n"
        "D f odd\\n\\377\n"
        "M f mode same\tmode 0644 -> 0600\n"
        "M f text\n")


def test_names_only_and_raw_names(changed):
    assert diff("--name-only", "-z", changed.store) == \
        b"gone\0link\0moved dir\0moved dir/sub/inner\0odd\n\xff\0same\0text\0"
    assert diff("-z", changed.store, "dir", "link", "same") == \
        b"A l -\0link\0R d -\0dir\0moved dir\0M f mode\0same\0"


def test_pages_and_totals(changed):
    assert words("--pages", changed.store, "moved dir/sub/") == \
        "R d dir -> moved dir\nM f moved dir/sub/inner\n\t9000+1000\n"
    assert words("--stat", changed.store, "text", "same").splitlines()[-1] == \
        "2 changes, 2 modified; 1 pages, 3 bytes"


def test_json_has_every_time_a_file_can_have(kept_view):
    """After the year 2262, nanoseconds need more than 64 bits."""
    view = kept_view
    times = [0, 5, -5, -1_000_000_000, -1_500_000_000, 1_000_000_005,
             13_569_465_600_000_000_001]
    for n, at in enumerate(times):
        write_file(view.base / f"f{n}")
    for n, at in enumerate(times):
        os.utime(view / f"f{n}", ns=(at, at))
        assert os.stat(view / f"f{n}").st_mtime_ns == at
    assert [e["new"]["mtime_ns"] for e in entries(view.mnt)] == times
    view.unmount()
    assert [e["new"]["mtime_ns"] for e in entries(view.store)] == times


def test_patch_of_a_path_only(changed):
    assert words("-p", changed.store, "text") == (
        "diff --git a/text b/text\n--- a/text\n+++ b/text\n"
        "@@ -1,2 +1,2 @@\n one\n-two\n+TWO\n")


def test_patch_says_binary_files_differ(kept_view):
    write_file(kept_view.base / "b", b"\0one")
    write_file(kept_view / "b", b"\0two")
    kept_view.unmount()
    assert words("-p", kept_view.store) == (
        "diff --git a/b b/b\nBinary files a/b and b/b differ\n")


@pytest.mark.modes("kept", people=("user",))
def test_patch_leaves_the_access_times_of_the_base(view):
    """[B1] Only an ordinary user's diff can change them; root's daemon reads
    through a mount of its own."""
    base = [view.base / name for name in ("f", "d", "d/x")]
    base[1].mkdir()
    write_file(base[0], b"one\n")
    write_file(base[2], b"two\n")
    for path in base:
        os.utime(path, ns=(1, os.stat(path).st_mtime_ns))
    view.mount()
    write_file(view / "f", b"ONE\n")
    os.rename(view / "d", view / "e")
    assert b"rename to e/x\n" in diff("-p", view.mnt)
    assert [os.stat(path).st_atime_ns for path in base] == [1, 1, 1]


@pytest.mark.parametrize("tool", [["git", "apply", "-"],
                                  ["patch", "-p1", "-s", "-N"]],
                         ids=["git", "patch"])
def test_patch_of_renamed_links_and_of_names_that_end_with_a_space(kept_view,
                                                                   tool):
    """patch(1) does not rename symbolic links, and removes a space at the end
    of a name."""
    def make(top):
        os.makedirs(top / "d")
        os.symlink("target", top / "link")
        os.symlink("target", top / "d/inner")
        write_file(top / "old ", b"one\n")
        write_file(top / "f", b"one\ntwo\nthree\n")

    view = kept_view
    make(view.base)
    make(view.scratch / "made")
    os.rename(view / "link", view / "moved")
    os.rename(view / "d", view / "e")
    write_file(view / "old ", b"two\n")
    os.rename(view / "f", view / "g ")
    write_file(view / "g ", b"ONE\ntwo\nthree\n")
    write_file(view / "new ", b"three\n")
    want = files(view.top)
    view.unmount()
    assert apply(tool, view.scratch / "made", diff("-p", view.store)) == want


@pytest.mark.parametrize("start", [b"", b"one\ntwo\n" * 2000],
                         ids=["zeros", "text"])
def test_patch_of_a_huge_sparse_file_reads_only_its_start(kept_view, start):
    """Regression: for an unmounted store every byte was copied to a temporary
    file, holes included."""
    view = kept_view
    write_file(view.base / "b", start)
    os.truncate(view.base / "b", 1 << 40)
    fd = os.open(view / "b", os.O_WRONLY)
    os.pwrite(fd, b"two", 5 << 30)
    os.close(fd)
    view.unmount()
    assert words("-p", view.store) == (
        "diff --git a/b b/b\nBinary files a/b and b/b differ\n")


def test_patch_of_a_sparse_text_has_its_zeros(kept_view):
    view = kept_view
    text = b"one\ntwo\n" * 2000
    write_file(view.base / "t", text + bytes(1 << 20) + b"end\n")
    write_file(view / "t", b"ONE\n" + text[4:] + bytes(1 << 20) + b"end\n")
    view.unmount()
    made = view.scratch / "made"
    made.mkdir()
    write_file(made / "t", text + bytes(1 << 20) + b"end\n")
    assert apply(["patch", "-p1", "-s"], made, diff("-p", view.store)) == \
        {"t": (b"ONE\n" + text[4:] + bytes(1 << 20) + b"end\n", False)}


def _status(*args):
    p = subprocess.run([binary(), "diff", *map(os.fspath, args)],
                       timeout=patience(),
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p.returncode, p.stderr.decode()


def test_paths_may_be_absolute_and_in_the_mount(changed):
    """Regression: an absolute path was looked up below the root of the view,
    and no difference was found."""
    view = changed
    view.mount()
    assert words(view.mnt, view.mnt / "text") == "M f text\n"
    assert words(view.mnt / "moved dir", view.mnt / "text") == "M f text\n"
    assert words(view.mnt / "moved dir", "sub/inner") == \
        "R d dir -> moved dir\nM f moved dir/sub/inner\n"
    mapfs("snapshot", view.mnt, "s")
    assert words(view.mnt / "text", "..s") == "M f text\n"
    for path in ("/etc/passwd", view.base / "text", "", "../text"):
        code, said = _status(view.mnt, path)
        assert code == 2 and "path" in said, path
    view.unmount()
    assert _status(view.store, view.mnt / "text")[0] == 2


def test_path_below_a_directory_that_changed_as_one_is_no_same(kept_view):
    """Regression: the path was gone, but the exit status was 0 and nothing was
    printed."""
    view = kept_view
    for name in ("gone/sub", "moved/sub", "file"):
        os.makedirs(view.base / name)
        write_file(view.base / name / "x", b"x\n")
    shutil.rmtree(view / "gone")
    shutil.rmtree(view / "file")
    write_file(view / "file", b"f\n")
    os.rename(view / "moved", view / "to")
    view.unmount()
    store = view.store
    assert words(store, "gone/sub/x") == "D d gone\n"
    assert words(store, "file/x") == "T f file\n"
    for path in ("moved/sub/x", "to/sub/x"):
        assert words(store, path) == "R d moved -> to\n"
        assert "rename to to/sub/x\n" in words("-p", store, path)
    assert words("-p", store, "gone/sub/x").splitlines()[:2] == [
        "diff --git a/gone/sub/x b/gone/sub/x", "deleted file mode 100644"]
    assert words("-p", store, "to/sub/y") == ""


@pytest.mark.parametrize("loss", ["gone", "moved", "replaced", "file"])
def test_directory_that_the_base_lost_spoils_no_other_entry(kept_view, loss):
    """Regression: the whole comparison failed with "Stale file handle"."""
    view = kept_view
    view.base_stays = False
    (view.base / "d").mkdir()
    write_file(view.base / "d/x", b"x")
    os.rename(view / "d", view / "e")
    write_file(view / "zz", b"new")
    view.unmount()
    if loss == "gone":
        shutil.rmtree(view.base / "d")
    else:
        os.rename(view.base / "d", view.base / "d2")
    if loss == "replaced":
        (view.base / "d").mkdir()
    if loss == "file":
        write_file(view.base / "d")
    want = ("D f d\n" if loss == "file" else "") + "R d d -> e\nA f zz\n"
    assert words(view.store) == want
    view.mount()
    assert words(view.mnt) == want
    assert json.loads(diff("--json", view.mnt))
    view.unmount()


def test_exit_status_is_that_of_diff(changed):
    assert _status(changed.store) == (1, "")
    assert _status(changed.store, "--", "nothing/there") == (0, "")
    assert _status("--stat", "-p", changed.store)[0] == 2
    assert _status(changed.store, "../x")[0] == 2
    code, said = _status(changed.base)
    assert code == 2 and str(changed.base) in said
    code, said = _status(changed.store, "never..")
    assert code == 2 and "never" in said


@pytest.mark.parametrize("args", [[], ["--json"], ["-p"]])
def test_output_that_fails_in_the_middle_is_named(kept_view, args):
    """Regression: the error was reported as a failure of the comparison."""
    view = kept_view
    for n in range(2000):
        write_file(view / f"{n:050}", b"x\n")
    view.unmount()
    with open("/dev/full", "wb") as full:
        p = subprocess.run([binary(), "diff", *args, view.store], stdout=full,
                           stderr=subprocess.PIPE, timeout=patience())
    assert (p.returncode, p.stderr) == (
        2, b"mapfs: standard output: No space left on device; "
        b"the list is not complete\n")


def test_a_full_output_is_trouble(changed):
    with open("/dev/full", "wb") as full:
        p = subprocess.run([binary(), "diff", changed.store], stdout=full,
                           stderr=subprocess.PIPE, timeout=patience())
    assert p.returncode == 2
    assert b"No space left on device" in p.stderr


def test_reader_that_waits_stops_nobody_and_loses_nothing(kept_view):
    """The daemon sends the list while it makes it; but a pager that shows only
    the first page of it must not keep other commands from the daemon."""
    kept_view.mount()
    names = [f"{'n' * 240}{n:04}" for n in range(1500)]
    for name in names:
        os.close(os.open(kept_view.mnt / name, os.O_CREAT | os.O_WRONLY))
    with subprocess.Popen([binary(), "diff", "--name-only", kept_view.mnt],
                          stdout=subprocess.PIPE) as p:
        first = p.stdout.readline()
        mapfs("snapshot", kept_view.mnt, "meanwhile")
        shown = first + p.stdout.read()
        assert p.wait(patience()) == 1
    assert os.fsdecode(shown).split() == names
