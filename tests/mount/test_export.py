# SPDX-License-Identifier: MIT
"""mapfs export: the changes of a store as a layer of an OCI image.

umoci unpacks an image that consists of the base and the layer on top of it.
The result must be the tree that the view shows.
"""
import fcntl
import io
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tarfile
import termios

import pytest
from hypothesis import strategies as st

from support import model, sysc, tree
from support.load import patience
from support.sysc import write_file
from support.view import binary, mapfs, run, wait_for

LEAVE_OUT = ("atime", "ctime", "ino")

pytestmark = pytest.mark.root


class Place:
    """A base, a store with changes to it, and the trees that they become."""

    def __init__(self, top):
        self.top = top
        self.base, self.mnt = top / "base", top / "mnt"
        self.store = top / "store"
        self.base.mkdir(parents=True)
        self.mnt.mkdir()

    def mounted(self, store=None):
        return Mounted(self, store or self.store)

    def export(self, *args, source=None):
        p = subprocess.run([binary(), "export", *args,
                            source or self.store], timeout=patience(),
                           stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.words = p.stderr.decode(errors="replace")
        return p

    def layer(self):
        p = self.export()
        assert (p.returncode, p.words) == (0, "")
        return p.stdout

    def names(self):
        with tarfile.open(fileobj=io.BytesIO(self.layer())) as t:
            return t.getnames()

    def seen(self, store=None):
        with self.mounted(store) as mnt:
            return _tree(mnt)

    def image(self):
        """An image of the base with the layer on top."""
        image = f"{self.top}/image"
        run("tar", "--xattrs", "--xattrs-include=*", "--format=pax", "-C",
            self.base, "-cf", self.top / "base.tar", ".")
        (self.top / "layer.tar").write_bytes(self.layer())
        run("umoci", "init", "--layout", image)
        run("umoci", "new", "--image", f"{image}:all")
        for part in ("base.tar", "layer.tar"):
            run("umoci", "raw", "add-layer", "--image", f"{image}:all",
                self.top / part)
        return image

    def unpacked(self, image=None):
        """The tree that umoci unpacks from an image."""
        bundle = self.top / "bundle"
        run("umoci", "unpack", "--image", f"{image or self.image()}:all",
            bundle)
        return _tree(bundle / "rootfs")

    def check(self, of=lambda found: found):
        """Both umoci and `mapfs import` must make of the export the tree that
        the view shows."""
        want = of(self.seen())
        tree.assert_same(want, of(self.unpacked()), "umoci's tree differs")
        again = self.top / "again"
        p = subprocess.run([binary(), "import", self.base, again],
                           input=self.layer(), timeout=patience(),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert p.returncode == 0, p.stdout
        tree.assert_same(want, of(self.seen(again)), "the import differs")


def _tree(top):
    found = tree.of(top, LEAVE_OUT)
    for entry in found.values():
        if stat.S_ISDIR(entry["type"]):
            del entry["nlink"]
    return found


class Mounted:
    def __init__(self, place, store):
        self.place, self.store = place, store

    def __enter__(self):
        mapfs("mount", "-s", self.store, self.place.base, self.place.mnt)
        return self.place.mnt

    def __exit__(self, *exc):
        mapfs("umount", self.place.mnt)


@pytest.fixture
def place(scratch):
    if not shutil.which("umoci"):
        pytest.skip("umoci is missing")
    p = Place(scratch / "place")
    (p.base / "d/sub").mkdir(parents=True)
    write_file(p.base / "f", b"f" * 10000)
    write_file(p.base / "d/x", b"x")
    write_file(p.base / "d/sub/y", b"y")
    write_file(p.base / "one", b"linked")
    os.link(p.base / "one", p.base / "two")
    os.symlink("f", p.base / "l")
    return p


def test_nothing_changed_is_an_empty_layer(place):
    with place.mounted():
        pass
    assert place.names() == []
    place.check()


def test_changed_and_new_files(place):
    with place.mounted() as mnt:
        with open(mnt / "f", "r+b") as f:
            f.seek(5000)
            f.write(b"X")
        write_file(mnt / "d/new", os.urandom(3 << 20))
        os.symlink("a b", mnt / "d/link")
        os.mkfifo(mnt / "d/fifo")
        os.mknod(mnt / "d/dev", 0o20600, os.makedev(1, 3))
    place.check()


def test_skopeo_takes_an_image_with_the_layer_from_format_to_format(place):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is missing")
    os.setxattr(place.base / "f", "user.a", b"base's")
    with place.mounted() as mnt:
        write_file(mnt / "new", os.urandom(100_000))
        os.setxattr(mnt / "d", "user.b", b"view's")
        os.unlink(mnt / "d/x")
        shutil.rmtree(mnt / "d/sub")
        os.rename(mnt / "f", mnt / "d/g")
        os.link(mnt / "new", mnt / "d/new2")
    copies = [f"oci:{place.image()}:all", f"dir:{place.top}/dir",
              f"oci-archive:{place.top}/archive:all",
              f"oci:{place.top}/copy:all"]
    for source, to in zip(copies, copies[1:]):
        run("skopeo", "--insecure-policy", "copy", source, to)
    tree.assert_same(place.seen(), place.unpacked(f"{place.top}/copy"),
                     "umoci's tree differs")


def test_attributes_of_files_and_directories(place):
    with place.mounted() as mnt:
        os.chown(mnt / "f", 1234, 4321)
        os.chmod(mnt / "f", 0o4755)
        os.chmod(mnt / "d/sub", 0o700)
        os.utime(mnt / "d/x", ns=(1, 1_000_000_000_123456789))
        os.chown(mnt / "l", 7, 8, follow_symlinks=False)
        os.chmod(mnt, 0o711)
    place.check()


def test_xattrs(place):
    os.setxattr(place.base / "f", "user.gone", b"1")
    with place.mounted() as mnt:
        os.removexattr(mnt / "f", "user.gone")
        for name in ("b", "a", "c"):
            os.setxattr(mnt / "f", "user." + name, name.encode() + b"\0\xff")
        os.setxattr(mnt / "d", "user.dir", b"\n")
        os.setxattr(mnt / "f", "trusted.x", b"t")
    with tarfile.open(fileobj=io.BytesIO(place.layer())) as t:
        records = t.getmember("f").pax_headers
    assert "SCHILY.xattr.user.a" in records
    place.check()


def test_xattr_that_no_layer_can_have_is_refused(place):
    with place.mounted() as mnt:
        os.setxattr(mnt / "f", "user.a=b", b"x")
    p = place.export()
    assert p.returncode == 1 and "mapfs: f: " in p.words
    assert "user.a=b" in p.words and p.words.count("\n") == 1


def test_deleted_names_are_whiteouts(place):
    with place.mounted() as mnt:
        os.unlink(mnt / "f")
        shutil.rmtree(mnt / "d")
    assert place.names() == [".", ".wh.d", ".wh.f"]
    place.check()


def test_directory_made_again_is_opaque(place):
    with place.mounted() as mnt:
        shutil.rmtree(mnt / "d")
        os.mkdir(mnt / "d")
        write_file(mnt / "d/z", b"z")
    place.check()


def test_renamed_directory_is_whole_in_its_new_place(place):
    with place.mounted() as mnt:
        os.rename(mnt / "d", mnt / "e")
        write_file(mnt / "e/sub/new", b"n")
        os.unlink(mnt / "e/x")
    names = place.names()
    assert {".wh.d", "e", "e/sub/y", "e/sub/new"} <= set(names)
    assert not [n for n in names if n.startswith("d/")]
    place.check()


def test_new_directory_in_the_place_of_a_renamed_one(place):
    with place.mounted() as mnt:
        os.rename(mnt / "d", mnt / "e")
        os.mkdir(mnt / "d")
        os.rename(mnt / "e/sub", mnt / "d/sub")
    place.check()


def test_exchanged_directories(place):
    (place.base / "d2").mkdir()
    write_file(place.base / "d2/only", b"2")
    with place.mounted() as mnt:
        sysc.renameat2(mnt / "d", mnt / "d2", sysc.RENAME_EXCHANGE)
    place.check()


def test_device_0_0_of_a_rename_is_no_whiteout_of_the_layer(place):
    with place.mounted() as mnt:
        sysc.renameat2(mnt / "d/x", mnt / "d/moved", sysc.RENAME_WHITEOUT)
        sysc.renameat2(mnt / "d/sub", mnt / "sub", sysc.RENAME_WHITEOUT)
        sysc.renameat2(mnt / "one", mnt / "1", sysc.RENAME_WHITEOUT)
    with tarfile.open(fileobj=io.BytesIO(place.layer())) as t:
        found = {m.name: m for m in t}
    for name in "d/x", "d/sub", "one":
        m = found[name]
        assert (m.type, m.devmajor, m.devminor) == (tarfile.CHRTYPE, 0, 0)
    assert {"d/moved", "sub/y", "1"} <= set(found)
    place.check()


def test_directory_moved_over_an_empty_one(place):
    (place.base / "empty").mkdir()
    with place.mounted() as mnt:
        os.rename(mnt / "d", mnt / "empty")
    place.check()


@pytest.mark.parametrize("old, new", [("d", "f"), ("f", "d"), ("l", "d")])
def test_another_type_in_the_same_place(place, old, new):
    with place.mounted() as mnt:
        os.rename(mnt / new, mnt / "aside")
        os.rename(mnt / old, mnt / "aside2")
        os.rename(mnt / "aside", mnt / old)
    place.check()


def test_changed_hard_link_stays_one_file(place):
    with place.mounted() as mnt:
        with open(mnt / "two", "ab") as f:
            f.write(b"more")
    assert {"one", "two"} <= set(place.names())
    place.check()


def test_new_link_to_an_unchanged_file(place):
    """The layer must contain the file itself, since a layer cannot link to the
    base."""
    with place.mounted() as mnt:
        os.link(mnt / "d/x", mnt / "three")
        os.link(mnt / "one", mnt / "d/four")
    with tarfile.open(fileobj=io.BytesIO(place.layer())) as t:
        seen = set()
        for member in t:
            assert not member.islnk() or member.linkname in seen
            seen.add(member.name)
    place.check()


def test_one_of_two_links_is_deleted(place):
    with place.mounted() as mnt:
        os.unlink(mnt / "one")
    place.check()


@pytest.mark.parametrize("name", [
    "ünï", "x" * 255, "/".join(["deep" * 30] * 5), "a\nb\\ ",
    b"\xff\xfe".decode("utf-8", "surrogateescape")])
def test_names_are_bytes(place, name):
    with place.mounted() as mnt:
        if "/" in name:
            os.makedirs((mnt / name).parent)
        write_file(mnt / name, b"x")
        os.symlink(name, mnt / "to")
    place.check()


def test_same_changes_give_the_same_bytes(place):
    with place.mounted() as mnt:
        for i in range(50):
            write_file(mnt / f"n{i}", b"x")
            for name in ("bca", "abc")[i % 2]:
                os.setxattr(mnt / f"n{i}", "user." + name, b"1")
        os.unlink(mnt / "f")
    first = place.layer()
    with place.mounted() as mnt:
        os.setxattr(mnt / "n1", "user.b", b"1")
        os.listdir(mnt / "d")
    assert place.layer() == first
    with tarfile.open(fileobj=io.BytesIO(first)) as t:
        names = t.getnames()
        orders = {tuple(k for k in m.pax_headers if "xattr" in k)
                  for m in t if m.name.startswith("n")}
    assert names == sorted(names)
    assert len(orders) == 1


def test_export_to_a_file_is_the_same(place):
    with place.mounted() as mnt:
        write_file(mnt / "n", b"x")
    p = place.export("-o", place.top / "l.tar")
    assert (p.returncode, p.stdout, p.words) == (0, b"", "")
    assert (place.top / "l.tar").read_bytes() == place.layer()
    assert [n for n in os.listdir(place.top) if n.startswith("l.")] == \
        ["l.tar"]


def test_export_to_a_pipe_or_device_leaves_it_what_it_is(place):
    with place.mounted() as mnt:
        write_file(mnt / "n", b"new")
    fifo, null = place.top / "fifo", place.top / "null"
    os.mkfifo(fifo)
    os.mknod(null, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    assert place.export("-o", null).returncode == 0
    assert stat.S_ISCHR(os.lstat(null).st_mode)
    reader = subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE)
    assert place.export("-o", fifo).returncode == 0
    assert reader.communicate(timeout=patience())[0] == place.layer()
    assert stat.S_ISFIFO(os.lstat(fifo).st_mode)


def test_export_through_a_link_leaves_the_link(place):
    link, file = place.top / "link", place.top / "l.tar"
    os.symlink("l.tar", link)
    with place.mounted() as mnt:
        write_file(mnt / "n", b"new")
    assert "a link to nothing" in place.export("-o", link).words
    write_file(file, b"old")
    assert place.export("-o", link).returncode == 0
    assert os.path.islink(link)
    assert file.read_bytes() == place.layer()


def test_sockets_are_left_out_with_a_word(place):
    with place.mounted() as mnt:
        os.chdir(mnt)
        s = socket.socket(socket.AF_UNIX)
        s.bind("sock")
        s.close()
        os.chdir("/")
    p = place.export()
    assert p.returncode == 0 and "sock: a socket" in p.words


def test_changed_file_that_the_base_lost_is_named(place):
    """Regression: the file was left out without a message."""
    with place.mounted() as mnt:
        write_file(mnt / "f", b"changed")
        write_file(mnt / "n", b"new")
    os.unlink(place.base / "f")
    p = place.export()
    assert p.returncode == 0 and p.words.startswith("mapfs: f: ")
    with tarfile.open(fileobj=io.BytesIO(p.stdout)) as t:
        assert t.getnames() == [".", "n"]


def test_name_that_looks_like_a_whiteout_is_refused(place):
    with place.mounted() as mnt:
        write_file(mnt / "d/.wh.x", b"x")
    p = place.export("-o", place.top / "l.tar")
    assert p.returncode == 1 and "d/.wh.x" in p.words
    assert not (place.top / "l.tar").exists()


def test_full_disk_is_an_error(place):
    with place.mounted() as mnt:
        write_file(mnt / "n", bytes(1 << 20))
    with open("/dev/full", "wb") as full:
        p = subprocess.run([binary(), "export", place.store], stdout=full,
                           stderr=subprocess.PIPE, timeout=patience())
    assert p.returncode == 1
    assert p.stderr == b"mapfs: layer: No space left on device; " \
        b"write it to another file\n"


def test_missing_store_is_named_and_not_made(place):
    p = place.export()
    assert p.returncode == 1 and str(place.store) in p.words
    assert not place.store.exists()


@pytest.mark.parametrize("by", ["mnt", "store"])
def test_view_in_use_is_written_as_it_is_at_this_moment(place, by):
    with place.mounted() as mnt:
        with open(mnt / "f", "r+b") as f:
            f.write(b"unsynced")
            f.flush()
            layer = place.export(source=getattr(place, by))
            f.write(b"later")
        assert (layer.returncode, layer.words) == (0, "")
        assert mapfs("log", place.store).text == ""
    with tarfile.open(fileobj=io.BytesIO(layer.stdout)) as t:
        assert t.extractfile("f").read() == b"unsynced" + b"f" * 9992


def _waiting_bytes(fd):
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]


@pytest.mark.parametrize("reader", ["none", "slow"])
def test_interrupted_export_of_a_view_in_use_leaves_no_snapshot(place, reader):
    fifo = place.top / "fifo"
    os.mkfifo(fifo)
    with place.mounted() as mnt:
        write_file(mnt / "n", os.urandom(1 << 20))
        # Opened for reading and writing, so that the open does not block.
        held = os.open(fifo, os.O_RDWR) if reader == "slow" else -1
        p = subprocess.Popen([binary(), "export", "-o", fifo, place.mnt],
                             stderr=subprocess.PIPE)
        wait_for("the moment", lambda: mapfs("log", place.mnt).text)
        if reader == "slow":
            wait_for("a full pipe", lambda: _waiting_bytes(held) > 60_000)
        p.send_signal(signal.SIGINT)
        assert p.communicate(timeout=patience())[1] == \
            b"mapfs: layer: interrupted; run it again\n"
        assert p.returncode == 1
        assert mapfs("log", place.mnt).text == ""
        if reader == "slow":
            os.close(held)


def test_snapshot_is_written_as_it_was(place):
    with place.mounted() as mnt:
        write_file(mnt / "n", b"then")
    mapfs("snapshot", place.store, "then")
    want = place.layer()
    with place.mounted() as mnt:
        write_file(mnt / "n", b"now")
    assert place.layer() != want
    assert place.export(source=f"{place.store}@then").stdout == want


def test_view_without_a_store_is_refused(place):
    mapfs("mount", place.base, place.mnt)
    p = place.export(source=place.mnt)
    mapfs("umount", place.mnt)
    assert p.returncode == 1 and str(place.mnt) in p.words
    assert p.stdout == b""


def test_base_stays_as_it_is(place):
    before = tree.of(place.base)
    with place.mounted() as mnt:
        os.rename(mnt / "d", mnt / "e")
        os.link(mnt / "f", mnt / "g")
    place.layer()
    for entry in before.values():
        entry.pop("atime", None)
    tree.assert_same(before, tree.of(place.base, ("atime",)), "[B1]")


def _without_times_of_directories(found):
    """Removes what may differ: a directory that was removed and made again in
    the same way is no change."""
    for entry in found.values():
        if stat.S_ISDIR(entry["type"]):
            entry.pop("mtime")
    return found


@pytest.mark.limit(400)
def test_any_history_unpacks_to_what_the_view_shows(scratch, place):
    number = iter(range(10**9))

    @model.examples(0, st.lists(model.step, min_size=1, max_size=30))
    def play(steps):
        p = Place(scratch / f"example{next(number)}")
        model.make_base(p.base)
        with p.mounted() as mnt:
            model.play(mnt, steps)
        p.check(_without_times_of_directories)
        shutil.rmtree(p.top)

    play()
