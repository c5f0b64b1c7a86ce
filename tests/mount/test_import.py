# SPDX-License-Identifier: MIT
"""mapfs import: a store from a layer of an OCI image."""
import gzip
import io
import os
import signal
import stat
import subprocess
import tarfile

import pytest

from support import tree
from support.load import patience
from support.sysc import read_file, write_file
from support.view import binary, mapfs, wait_for

NS = 1_500_000_000_123456789


class Layer:
    """A tar archive, built entry by entry."""

    def __init__(self):
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w",
                                format=tarfile.PAX_FORMAT)

    def add(self, name, data=b"", kind=tarfile.REGTYPE, mode=0o644, uid=0,
            gid=0, link="", xattrs=None, rdev=(0, 0), mtime_ns=NS):
        t = tarfile.TarInfo(name)
        t.type, t.mode, t.uid, t.gid, t.linkname = kind, mode, uid, gid, link
        t.size = len(data) if kind == tarfile.REGTYPE else 0
        t.devmajor, t.devminor = rdev
        t.pax_headers = {"mtime": f"{mtime_ns // 10**9}."
                                  f"{mtime_ns % 10**9:09}"}
        for key, value in (xattrs or {}).items():
            t.pax_headers["SCHILY.xattr." + key] = \
                value.decode("utf-8", "surrogateescape")
        self.tar.addfile(t, io.BytesIO(data) if t.size else None)
        return self

    def dir(self, name, **kw):
        return self.add(name, kind=tarfile.DIRTYPE,
                        **{"mode": 0o755, **kw})

    def done(self):
        self.tar.close()
        return self.bytes.getvalue()


@pytest.fixture
def place(scratch):
    (scratch / "base").mkdir()
    (scratch / "mnt").mkdir()
    yield scratch


def load(place, data, **kw):
    p = subprocess.run([binary(), "import", place / "base", place / "store"],
                       input=data, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=patience(), **kw)
    p.words = p.stderr.decode(errors="replace")
    return p


class Shown:
    """Imports a layer and mounts the store for the time of the body."""

    def __init__(self, place, data):
        self.place = place
        p = load(place, data)
        assert (p.returncode, p.stdout, p.words) == (0, b"", "")

    def __enter__(self):
        mapfs("mount", "-s", self.place / "store", self.place / "base",
              self.place / "mnt")
        return self.place / "mnt"

    def __exit__(self, *exc):
        mapfs("umount", self.place / "mnt")


def refused(place, data, *says):
    """The import must fail with one sentence and leave no store."""
    p = load(place, data)
    assert p.returncode == 1
    for text in says:
        assert text in p.words, p.words
    assert len(p.words.splitlines()) == 1, p.words
    assert not (place / "store").exists()


def test_new_objects_of_every_type(place):
    data = os.urandom(3 << 20)
    with Shown(place, Layer().dir("d", mode=0o750, uid=7, gid=8)
               .add("d/f", data, mode=0o4755, uid=5, gid=6)
               .add("d/l", kind=tarfile.SYMTYPE, link="../x y")
               .add("d/p", kind=tarfile.FIFOTYPE)
               .add("d/c", kind=tarfile.CHRTYPE, rdev=(5, 1))
               .add("d/h", kind=tarfile.LNKTYPE, link="d/f").done()) as mnt:
        assert read_file(mnt / "d/f") == data
        st = os.stat(mnt / "d/f")
        assert (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns,
                st.st_nlink) == (0o104755, 5, 6, NS, 2)
        assert os.stat(mnt / "d/h").st_ino == st.st_ino
        assert os.readlink(mnt / "d/l") == "../x y"
        assert os.lstat(mnt / "d/l").st_mtime_ns == NS
        assert stat.S_ISFIFO(os.stat(mnt / "d/p").st_mode)
        assert os.stat(mnt / "d/c").st_rdev == os.makedev(5, 1)
        st = os.stat(mnt / "d")
        assert (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns) == \
            (0o40750, 7, 8, NS)


def test_base_stays_as_it_is(place):
    (place / "base/d").mkdir()
    write_file(place / "base/d/f", b"old")
    before = tree.of(place / "base", ("atime",))
    with Shown(place, Layer().add(".wh.d").add("g", b"new").done()) as mnt:
        assert os.listdir(mnt) == ["g"]
    tree.assert_same(before, tree.of(place / "base", ("atime",)), "[B1]")


def test_file_is_replaced_and_costs_the_pages_that_differ(place):
    data = bytearray(os.urandom(8 << 20))
    write_file(place / "base/f", data)
    ino = os.stat(place / "base/f").st_ino
    data[5 << 20] ^= 255
    del data[-100:]
    with Shown(place, Layer().add("f", bytes(data)).done()) as mnt:
        assert read_file(mnt / "f") == data
        assert os.stat(mnt / "f").st_ino == ino
    used = os.stat(place / "store/pages").st_blocks * 512
    assert used <= 2 << 20, "the whole file went into the store"


def test_one_name_of_a_hard_link_is_replaced_alone(place):
    write_file(place / "base/a", b"old")
    os.link(place / "base/a", place / "base/b")
    with Shown(place, Layer().add("a", b"new").done()) as mnt:
        assert read_file(mnt / "a") == b"new"
        assert read_file(mnt / "b") == b"old"


def test_hard_link_to_a_name_of_the_base(place):
    write_file(place / "base/a", b"old")
    with Shown(place, Layer().add("b", kind=tarfile.LNKTYPE, link="./a")
               .done()) as mnt:
        assert os.stat(mnt / "a").st_ino == os.stat(mnt / "b").st_ino
        assert os.stat(mnt / "a").st_nlink == 2


@pytest.mark.parametrize("old", ["file", "dir", "link"])
@pytest.mark.parametrize("new", ["file", "dir", "link"])
def test_any_type_replaces_any_other(place, old, new):
    at = place / "base/x"
    if old == "file":
        write_file(at, b"old")
    elif old == "dir":
        (at / "deep/er").mkdir(parents=True)
    else:
        os.symlink("nowhere", at)
    layer = Layer()
    kinds = {"file": (layer.add, b"new"), "dir": (layer.dir,)}
    if new == "link":
        layer.add("x", kind=tarfile.SYMTYPE, link="target")
    else:
        kinds[new][0]("x", *kinds[new][1:])
    with Shown(place, layer.done()) as mnt:
        found = tree.of(mnt)[b"x"]
        if new == "file":
            assert read_file(mnt / "x") == b"new"
        elif new == "link":
            assert found["target"] == b"target"
        else:
            assert stat.S_ISDIR(found["type"])
            # Directories are merged, except those with an opaque mark.
            assert os.listdir(mnt / "x") == (["deep"] if old == "dir" else [])


def _old_dir(place):
    (place / "base/d/sub/deep").mkdir(parents=True)
    for name in ("a", "b", "sub/c", "sub/deep/e"):
        write_file(place / "base/d" / name, b"old")


@pytest.mark.parametrize("first", [True, False])
def test_opaque_hides_the_base_and_nothing_of_the_layer(place, first):
    """The opaque mark may stand anywhere among the entries."""
    _old_dir(place)
    layer = Layer()
    if first:
        layer.add("d/.wh..wh..opq")
    layer.add("d/b", b"new").add("d/sub/deep/f", b"new")
    if not first:
        layer.add("d/.wh..wh..opq")
    with Shown(place, layer.done()) as mnt:
        found = {n for n in tree.of(mnt) if n.startswith(b"d/")}
        assert found == {b"d/b", b"d/sub", b"d/sub/deep", b"d/sub/deep/f"}
        assert read_file(mnt / "d/b") == b"new"


@pytest.mark.parametrize("first", [True, False])
def test_whiteout_hides_the_base_and_nothing_of_the_layer(place, first):
    _old_dir(place)
    layer = Layer()
    if first:
        layer.add("d/.wh.sub").add("d/.wh.a")
    layer.add("d/sub/new", b"new").add("d/a", b"new")
    if not first:
        layer.add("d/.wh.sub").add("d/.wh.a")
    with Shown(place, layer.done()) as mnt:
        found = {n for n in tree.of(mnt) if n.startswith(b"d/")}
        assert found == {b"d/a", b"d/b", b"d/sub", b"d/sub/new"}
        assert read_file(mnt / "d/a") == b"new"


def test_whiteout_of_nothing_is_no_error(place):
    with Shown(place, Layer().add(".wh.gone").add("no/.wh.gone")
               .add(".wh..wh.plnk").done()) as mnt:
        assert os.listdir(mnt) in ([], ["no"])


def test_xattrs_are_those_of_the_layer(place):
    write_file(place / "base/f", b"same")
    os.setxattr(place / "base/f", "user.old", b"1")
    os.setxattr(place / "base/f", "user.both", b"1")
    with Shown(place, Layer().add("f", b"same", xattrs={
            "user.both": b"2", "user.new": b"x=y\0\xff"}).done()) as mnt:
        assert tree.xattrs(mnt / "f") == {
            "user.both": b"2", "user.new": b"x=y\0\xff"}


def test_access_control_lists_of_tar_are_left_out_with_a_word(place):
    """umoci leaves them out as well. Regression: they were lost without a
    message."""
    layer = Layer().add("e").bytes
    for name in ("f", "g"):
        t = tarfile.TarInfo(name)
        t.pax_headers = {"SCHILY.acl.access":
                         "user::rw-,user:7:r--,group::r--,mask::r--,other::---"}
        layer.write(t.tobuf(tarfile.PAX_FORMAT))
    p = load(place, layer.getvalue() + bytes(1024))
    assert p.returncode == 0
    assert p.words.startswith("mapfs: layer, entry f: the access control")
    assert len(p.words.splitlines()) == 1


def test_times_of_directories_survive_what_happens_in_them(place):
    _old_dir(place)
    for name in ("d", "d/sub"):
        os.utime(place / "base" / name, ns=(NS, NS))
    with Shown(place, Layer().add("d/.wh.a").dir("d/sub", mtime_ns=NS + 5)
               .add("d/sub/n", b"x").add("d/new/x", b"x").done()) as mnt:
        assert os.stat(mnt / "d").st_mtime_ns == NS
        assert os.stat(mnt / "d/sub").st_mtime_ns == NS + 5


@pytest.mark.parametrize("name", [
    "ünïcode", "x" * 250, "/".join(["deep" * 20] * 10), "a b\nc\\",
    b"\xff\xfe".decode("utf-8", "surrogateescape")])
def test_names_are_bytes(place, name):
    with Shown(place, Layer().add(name, b"x").done()) as mnt:
        assert read_file(mnt / name) == b"x"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "d/.."])
def test_name_that_leads_out_is_refused(place, name):
    refused(place, Layer().add(name, b"x").done(), name)
    assert not (place / "evil").exists()


def test_absolute_names_are_meant_from_the_root(place):
    with Shown(place, Layer().add("/etc/f", b"x").done()) as mnt:
        assert read_file(mnt / "etc/f") == b"x"


def test_way_through_a_symbolic_link_is_refused(place):
    os.symlink("/tmp", place / "base/l")
    refused(place, Layer().add("l/f", b"x").done(), "l/f", "symbolic link")


def test_hard_link_to_nothing_is_refused(place):
    refused(place, Layer().add("h", kind=tarfile.LNKTYPE, link="gone")
            .done(), "entry h", "No such file")


@pytest.mark.parametrize("entry, says", [
    (dict(name=".", data=b"x"), "that a layer may not have"),
    (dict(name="./", kind=tarfile.SYMTYPE, link="x"),
     "that a layer may not have"),
    (dict(name=".wh.d/f", data=b"x"), "that a layer may not have"),
    (dict(name="f", uid=1 << 32), "owner or group"),
    (dict(name="f", gid=(1 << 32) - 1), "owner or group"),
    (dict(name="f", xattrs={"system.posix_acl_access": b"junk"}),
     "its extended attribute system.posix_acl_access: Invalid argument"),
    (dict(name="f", xattrs={"nowhere": b"x"}),
     "its extended attribute nowhere: "),
    (dict(name="l", kind=tarfile.SYMTYPE, link="x",
          xattrs={"user.x": b"x"}), "its extended attribute user.x: "),
], ids=lambda v: v["name"] if isinstance(v, dict) else "")
def test_entry_that_no_tree_can_have_is_refused(place, entry, says):
    refused(place, Layer().add(**entry).done(), "entry " + entry["name"],
            says)


def test_what_aufs_kept_for_itself_is_left_out(place):
    with Shown(place, Layer().add(".wh..wh.plnk/1.2", b"x").add("f")
               .done()) as mnt:
        assert os.listdir(mnt) == ["f"]


@pytest.mark.parametrize("kind", ["text", "noise"])
def test_input_that_is_no_tar_is_refused(place, kind):
    data = b"no tar at all" * 100 if kind == "text" else os.urandom(2000)
    refused(place, data, "standard input")


def test_tar_that_ends_early_is_refused(place):
    whole = Layer().add("f", os.urandom(1 << 20)).done()
    refused(place, whole[:600_000], "entry f: Truncated tar archive")
    refused(place, gzip.compress(whole)[:-3], "cut off")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_tar_that_is_cut_off_between_two_entries_is_refused(place, pack):
    """A download that ends early looks like this. Regression: the first half
    was imported."""
    entries = Layer().add("f", b"x" * 512).bytes.getvalue()
    refused(place, pack(entries), "cut off")
    refused(place, pack(b""), "cut off")
    with Shown(place, pack(entries + bytes(1024))) as mnt:
        assert os.listdir(mnt) == ["f"]


def test_store_that_is_there_is_refused_and_kept(place):
    (place / "store").mkdir()
    write_file(place / "store/mine", b"x")
    p = load(place, Layer().add("f").done())
    assert p.returncode == 1 and str(place / "store") in p.words
    assert os.listdir(place / "store") == ["mine"]


def test_compressed_layers_are_read(place):
    with Shown(place, gzip.compress(Layer().add("f", b"x").done())) as mnt:
        assert read_file(mnt / "f") == b"x"


def started(place):
    """Starts an import, which then waits for more input in the middle of a
    file."""
    p = subprocess.Popen([binary(), "import", place / "base",
                          place / "store"], stdin=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    p.stdin.write(Layer().add("f", bytes(1 << 20)).done()[:900_000])
    p.stdin.flush()
    wait_for("a store", (place / "store/journal.part/1").exists)
    return p


def test_interrupted_import_leaves_nothing(place):
    p = started(place)
    p.send_signal(signal.SIGINT)
    assert p.wait(timeout=patience()) == 1
    assert p.stderr.read() == \
        b"mapfs: layer: interrupted, and nothing was imported; run it again\n"
    assert sorted(os.listdir(place)) == ["base", "mnt"]


def test_nothing_is_done_to_a_store_that_is_being_imported(place):
    p = started(place)
    store = place / "store"
    for args in (("status", store), ("discard", "-y", store),
                 ("mount", "-s", store, place / "base", place / "mnt")):
        assert "another command" in mapfs(*args, check=False).text
    p.send_signal(signal.SIGINT)
    assert p.wait(timeout=patience()) == 1


def test_interrupt_ends_the_removal_of_a_large_tree(place):
    """Regression: the signal was only checked between two entries."""
    (place / "base/d").mkdir()
    for n in range(30_000):
        os.close(os.open(place / f"base/d/{n}", os.O_CREAT | os.O_WRONLY))
    write_file(place / "layer", Layer().add(".wh.d").done())
    with open(place / "layer", "rb") as layer:
        p = subprocess.Popen([binary(), "import", place / "base",
                              place / "store"], stdin=layer,
                             stderr=subprocess.PIPE)
    wait_for("a store", (place / "store/journal.part/1").exists)
    p.send_signal(signal.SIGINT)
    assert p.wait(timeout=patience()) == 1
    assert not (place / "store").exists()


def test_killed_import_leaves_no_store_that_looks_whole(place):
    p = started(place)
    p.kill()
    p.wait(timeout=patience())
    again = load(place, Layer().add("f").done())
    assert again.returncode == 1
    store = place / "store"
    says = f"{store}: the rest of a branch or an import that was never " \
           f"finished; remove it with `mapfs discard {store}`"
    assert says in again.words
    for args in (("status", store), ("log", store), ("diff", store),
                 ("mount", "-s", store, place / "base", place / "mnt"),
                 ("branch", store, place / "other")):
        assert says in mapfs(*args, check=False).text
    assert "rest of a branch or an import" in \
        mapfs("discard", "-y", store).text
    assert not store.exists()
    assert load(place, Layer().add("f").done()).returncode == 0
