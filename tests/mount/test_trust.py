# SPDX-License-Identifier: MIT
"""The store of another user is used only if the caller says so (--trust).

A commit turns the content of a store into names, modes and owners in the base.
So if root commits a store that another user wrote, that user controls the
base. And files that root adds to such a store must not lock its owner out.
"""
import grp
import json
import functools
import os
import re
import shutil
import stat
import struct
import subprocess

import pytest

from support import isolate, sysc, terminal
from support.interruption import kill_commit
from support.load import patience
from support.view import binary

pytestmark = pytest.mark.root

ACL_OF_4712 = bytes.fromhex(
    "02000000" "01000700ffffffff" "0200070068120000" "04000700ffffffff"
    "10000700ffffffff" "20000500ffffffff")
OTHER_UID = isolate.USER_UID + 1
PEOPLE = {"user": isolate.USER_UID, "other": OTHER_UID}


class Place:
    """A base, a mount point and a store of the ordinary user."""

    def __init__(self, scratch):
        self.at = scratch
        self.base = scratch / "base"
        self.mnt = scratch / "mnt"
        self.store = scratch / "store"
        self.bin = scratch / "mapfs"
        # Other users may not be able to reach the build directory.
        shutil.copy(binary(), self.bin)
        self.bin.chmod(0o755)

    def as_uid(self, uid, *args, timeout=20, check=False):
        become = functools.partial(isolate.become_user, uid)
        p = subprocess.run([str(self.bin), *map(str, args)],
                           preexec_fn=become if uid else None,
                           stdin=subprocess.DEVNULL, timeout=patience(timeout),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        p.text = p.stdout.decode(errors="replace")
        assert not check or p.returncode == 0, (args, p.text)
        return p

    def root(self, *args, **kw):
        return self.as_uid(0, *args, **kw)

    def user(self, *args, **kw):
        return self.as_uid(isolate.USER_UID, *args, **kw)

    def owned_by(self, uid, *paths):
        for path in paths:
            os.chown(path, uid, uid, follow_symlinks=False)
            for top, dirs, files in os.walk(path):
                for name in dirs + files:
                    os.chown(os.path.join(top, name), uid, uid,
                             follow_symlinks=False)


def make_store(place, uid, change=None):
    place.as_uid(uid, "mount", "-s", place.store, place.base, place.mnt,
                 check=True)
    if change:
        change(place.mnt)
    place.as_uid(uid, "umount", place.mnt, check=True)


def user_writes(place, name, text):
    """Writes as the user into the mount, which root may not enter."""
    subprocess.run(["/bin/sh", "-ec", f"echo {text} >{name}"], check=True,
                   cwd=place.at, preexec_fn=isolate.become_user,
                   timeout=patience())


@pytest.fixture
def place(scratch):
    p = Place(scratch)
    p.base.mkdir()
    p.mnt.mkdir()
    (p.base / "f").write_text("base\n")
    (p.base / "gone").write_text("gone\n")
    p.owned_by(isolate.USER_UID, scratch)
    os.chown(p.bin, 0, 0)
    return p


@pytest.fixture
def foreign(place):
    """A store of the user with a change, a snapshot and a commit that can be
    undone."""
    uid = isolate.USER_UID
    place.user("mount", "-s", place.store, place.base, place.mnt, check=True)
    user_writes(place, "mnt/f", "first")
    place.user("umount", place.mnt, check=True)
    place.user("commit", "-y", place.store, check=True)
    place.user("mount", "-s", place.store, place.base, place.mnt, check=True)
    user_writes(place, "mnt/f", "second")
    place.user("snapshot", place.store, "s", check=True)
    user_writes(place, "mnt/g", "new")
    place.user("umount", place.mnt, check=True)
    assert place.store.stat().st_uid == uid
    return place


def looks(path):
    """All facts about a tree but its access times."""
    found = {}
    for top, dirs, files in os.walk(path):
        for name in [".", *dirs, *files]:
            full = os.path.normpath(os.path.join(top, name))
            st = os.lstat(full)
            found[full] = (st.st_mode, st.st_ino, st.st_uid, st.st_gid,
                           st.st_nlink, st.st_size, st.st_mtime_ns,
                           st.st_ctime_ns)
    return found


def is_refused(p, *words):
    assert p.returncode != 0, p.text
    assert "--trust" in p.text, p.text
    for word in words:
        assert str(word) in p.text, p.text
    return True


COMMANDS = {
    "mount": ("mount", "-s", "STORE", "BASE", "MNT"),
    "mount of a snapshot": ("mount", "-s", "STORE@s", "BASE", "MNT"),
    "run": ("run", "-s", "STORE", "-C", "BASE", "--", "true"),
    "diff": ("diff", "STORE"),
    "diff of a snapshot": ("diff", "STORE@s"),
    "patch": ("diff", "-p", "STORE", "s.."),
    "pages": ("pages", "STORE:f"),
    "pages of a snapshot": ("pages", "STORE@s:f"),
    "status": ("status", "STORE"),
    "log": ("log", "STORE"),
    "export": ("export", "-o", "OUT", "STORE"),
    "snapshot": ("snapshot", "STORE", "t"),
    "snapshot -d": ("snapshot", "-d", "STORE", "s"),
    "rollback": ("rollback", "-y", "STORE", "s"),
    "branch": ("branch", "STORE", "OUT"),
    "branch of a snapshot": ("branch", "STORE@s", "OUT"),
    "revert": ("revert", "STORE", "."),
    "commit -n": ("commit", "-n", "STORE"),
    "commit": ("commit", "-y", "STORE"),
    "commit --undo": ("commit", "-y", "--undo", "STORE"),
}


def words_of(command, place):
    names = {"STORE": str(place.store), "BASE": str(place.base),
             "MNT": str(place.mnt), "OUT": str(place.at / "out")}
    return [names.get(w) or re.sub("^STORE(?=[@:])", names["STORE"], w)
            for w in COMMANDS[command]]


@pytest.mark.parametrize("who", ["root", "other"])
@pytest.mark.parametrize("command", COMMANDS)
def test_refused_by_name_and_the_store_is_as_before(foreign, command, who):
    os.chmod(foreign.at, 0o777)
    if who == "other":
        # The owner is the only reason for the refusal.
        subprocess.run(["setfacl", "-R", "-m", f"u:{OTHER_UID}:rwX",
                        foreign.store], check=False)
        for top, dirs, files in os.walk(foreign.store):
            for name in dirs + files:
                os.chmod(os.path.join(top, name), 0o777)
        os.chmod(foreign.store, 0o777)
        foreign.mnt.chmod(0o777)
    before = looks(foreign.store), looks(foreign.base)
    p = foreign.as_uid(PEOPLE.get(who, 0), *words_of(command, foreign))
    assert is_refused(p, foreign.store)
    assert "mapfs-test" in p.text or str(isolate.USER_UID) in p.text
    assert (looks(foreign.store), looks(foreign.base)) == before
    assert not (foreign.at / "out").exists()
    foreign.user("diff", "--trust", foreign.store)


@pytest.mark.parametrize("option", ["--trust", "-o trust"])
def test_mounted_when_trusted(foreign, option):
    foreign.root("mount", *option.split(), "-s", foreign.store, foreign.base,
                 foreign.mnt, check=True)
    assert (foreign.mnt / "g").read_text() == "new\n"
    # The daemon trusts snapshots as it was told to trust the store.
    assert foreign.root("diff", foreign.mnt, "s..").text == "A f g\n"
    foreign.root("umount", foreign.mnt, check=True)


def test_fstab_has_the_same_word(foreign):
    helper = foreign.at / "mount.fuse.mapfs"
    helper.symlink_to(foreign.bin)
    args = [helper, foreign.base, foreign.mnt, "-o", f"store={foreign.store}"]
    p = subprocess.run(args, capture_output=True, text=True,
                       timeout=patience())
    assert p.returncode == 1 and "--trust" in p.stderr, p.stderr
    args[-1] += ",trust"
    subprocess.run(args, check=True, timeout=patience())
    assert (foreign.mnt / "f").read_text() == "second\n"
    foreign.root("umount", foreign.mnt, check=True)


def all_owned_by(path, uid):
    return {str(p): p.lstat().st_uid for p in [path, *path.rglob("*")]
            if p.lstat().st_uid != uid or p.lstat().st_gid != uid} == {}


def test_what_root_adds_belongs_to_the_owner(foreign):
    st, base, mnt = foreign.store, foreign.base, foreign.mnt
    uid = isolate.USER_UID

    def root(command, *args, check=True):
        p = foreign.root(command, "--trust", *args, check=check)
        assert all_owned_by(st, uid), (command, args)
        return p

    (st / "README").unlink()
    os.unlink(st / "readers")
    root("mount", "-s", st, base, mnt)
    (mnt / "h").write_bytes(b"h" * 100000)
    os.chown(mnt / "h", uid, uid)
    (mnt / "gone").unlink()
    foreign.root("snapshot", mnt, "live", check=True)
    foreign.root("rollback", "-y", mnt, "live", check=True)
    foreign.root("umount", mnt, check=True)
    assert all_owned_by(st, uid)
    for command, *args in (
            ("snapshot", st, "t"), ("snapshot", "-d", st, "live"),
            ("diff", st), ("status", st), ("log", st),
            ("pages", f"{st}:g", "t.."), ("pages", f"{st}@t:g"),
            ("rollback", "-y", st, "t"), ("revert", st, "g"),
            ("branch", st, foreign.at / "branch"),
            ("run", "-s", st, "-C", base, "-k", "--", "true"),
            ("export", "-o", foreign.at / "layer", st),
            ("commit", "-n", st), ("commit", "-y", st)):
        root(command, *args, check=command != "diff")
    assert not (base / "gone").exists()
    assert (base / "h").stat().st_uid == uid
    assert foreign.user("diff", st, check=True).text == ""
    foreign.user("commit", "--undo", "-y", st, check=True)
    assert (base / "gone").read_text() == "gone\n"
    root("commit", "-y", st)
    root("commit", "--undo", "-y", st)
    # As long as root's branch exists, the parent cannot be discarded.
    foreign.root("discard", "-y", foreign.at / "branch", check=True)
    foreign.user("mount", "-s", st, base, mnt, check=True)
    user_writes(foreign, "mnt/h", "mine")
    foreign.user("snapshot", mnt, "own", check=True)
    foreign.user("umount", mnt, check=True)
    foreign.user("rollback", "-y", st, "s", check=True)
    foreign.user("discard", "-y", st, check=True)


def test_a_trusted_store_is_trusted_without_its_base(foreign):
    """Symptom: --trust was ignored once the base was gone."""
    foreign.base.rename(foreign.at / "moved")
    for command, *args in (("pages", f"{foreign.store}:g"),
                           ("export", "-o", foreign.at / "layer",
                            foreign.store)):
        assert is_refused(foreign.root(command, *args), foreign.store)
        p = foreign.root(command, "--trust", *args, check=True)
        assert "is gone" in p.text, p.text


def test_what_root_leaves_halfway_its_owner_finishes(foreign):
    st, base = foreign.store, foreign.base
    foreign.user("mount", "-s", st, base, foreign.mnt, check=True)
    for n in range(200):
        user_writes(foreign, f"mnt/many{n}", "many")
    foreign.user("umount", foreign.mnt, check=True)
    assert kill_commit(st, "--trust", program=foreign.bin), \
        "it was over too soon"
    assert all_owned_by(st, isolate.USER_UID)
    assert is_refused(foreign.root("commit", "-y", st), st)
    for path in [base, *base.rglob("*")]:
        # Objects that root made and had not given away yet.
        os.chown(path, isolate.USER_UID, isolate.USER_UID)
    foreign.user("commit", "-y", st, check=True)
    assert (base / "many199").read_text() == "many\n"


def own_store(place):
    place.owned_by(0, place.base)
    os.chown(place.at, 0, 0)
    make_store(place, 0, lambda mnt: (mnt / "f").write_text("changed\n"))
    assert place.root("diff", place.store).text == "M f f\n"
    # Every kind of file that a store can have.
    place.root("snapshot", place.store, "s", check=True)
    place.root("branch", f"{place.store}@s", place.at / "branch", check=True)
    place.root("commit", "-y", place.store, check=True)


PARTS = [".", "lock", "pages", "readers", "journal", "journal/2", "branches",
         "branches/*", "commit", "commit/1", "commit/1/plan", "commit/1/after",
         "commit/1/saved", "commit/1/gone"]


@pytest.mark.parametrize("part", PARTS)
def test_one_file_of_a_stranger_is_enough(place, part):
    own_store(place)
    path, = place.store.glob(part) if "*" in part else [place.store / part]
    os.chown(path, OTHER_UID, OTHER_UID)
    assert is_refused(place.root("diff", place.store), OTHER_UID,
                      "" if part == "." else path.relative_to(place.store))
    assert place.root("diff", "--trust", place.store).returncode == 0


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("right", ["other", "group", "list"])
def test_what_others_may_write_is_nobodys_own(place, part, right):
    own_store(place)
    path, = place.store.glob(part) if "*" in part else [place.store / part]
    mode = stat.S_IMODE(path.stat().st_mode)
    if right == "other":
        path.chmod(mode | 0o002)
    elif right == "group":
        os.chown(path, 0, OTHER_UID)
        path.chmod(mode | 0o020)
    else:
        try:
            os.setxattr(path, "system.posix_acl_access", ACL_OF_4712)
        except OSError:
            pytest.skip("no access control lists here")
    p = place.root("diff", place.store)
    assert is_refused(p, "others may write", "chmod go-w")
    assert place.root("diff", "--trust", place.store).returncode == 0


def test_ones_own_group_may_write(place):
    make_store(place, isolate.USER_UID)
    os.chmod(place.store, 0o775)
    os.chmod(place.store / "journal", 0o770)
    place.user("diff", place.store, check=True)
    make_store(place, isolate.USER_UID)


def test_nobody_can_be_led_by_a_new_store_in_a_strangers_directory(place):
    place.store.mkdir()
    os.chown(place.store, OTHER_UID, OTHER_UID)
    p = place.root("mount", "-s", place.store, place.base, place.mnt)
    assert is_refused(p, place.store)
    assert os.listdir(place.store) == []
    place.root("mount", "--trust", "-s", place.store, place.base, place.mnt,
               check=True)
    place.root("umount", place.mnt, check=True)
    assert all_owned_by(place.store, OTHER_UID)


def open_to_all(path):
    for top, dirs, files in os.walk(path):
        os.chmod(top, 0o755)
        for name in files:
            os.chmod(os.path.join(top, name), 0o644)


def test_users_believe_root_and_no_other_user(place):
    """Root can change everything without it."""
    own_store(place)
    open_to_all(place.store)
    place.user("diff", f"{place.store}@s", check=False)
    p = place.user("mount", "-s", f"{place.store}@s", place.base, place.mnt)
    assert "--trust" not in p.text
    place.owned_by(OTHER_UID, place.store)
    p = place.user("log", place.store)
    assert is_refused(p, OTHER_UID)
    assert place.user("log", "--trust", place.store).returncode == 0


def test_who_cannot_give_files_away_changes_no_other_users_store(foreign):
    """New files in the store would belong to the caller, and the owner could
    not use them."""
    for top, dirs, files in os.walk(foreign.store):
        os.chmod(top, 0o777)
        for name in files:
            os.chmod(os.path.join(top, name), 0o666)
    before = looks(foreign.store)
    p = foreign.as_uid(OTHER_UID, "snapshot", "--trust", foreign.store, "t")
    assert p.returncode == 1
    assert "only that user and root may change it" in p.text
    assert looks(foreign.store) == before


@pytest.fixture
def branch_of_stranger(foreign):
    """A store of root that is a branch of the user's: pages and records are
    the user's."""
    foreign.branch = foreign.at / "branch"
    foreign.root("branch", "--trust", f"{foreign.store}@s", foreign.branch,
                 check=True)
    assert foreign.branch.stat().st_uid == 0
    return foreign


# log shows the snapshots of the branch itself.
@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {
    "log", "mount of a snapshot", "diff of a snapshot", "patch", "rollback",
    "pages of a snapshot", "snapshot -d", "branch of a snapshot", "commit --undo"}))
def test_a_branch_is_as_good_as_its_parent(branch_of_stranger, command):
    place = branch_of_stranger
    parent, place.store = place.store, place.branch
    before = looks(parent)
    p = place.root(*words_of(command, place))
    assert is_refused(p, parent, "whose branch this is")
    assert looks(parent) == before
    trusted = words_of(command, place)
    trusted.insert(1, "--trust")
    assert "whose branch this is" not in place.root(*trusted).text
    if command == "mount":
        place.root("umount", place.mnt, check=True)


def test_a_branch_of_root_is_known_to_the_parents_owner(branch_of_stranger):
    place = branch_of_stranger
    assert all_owned_by(place.store, isolate.USER_UID)
    p = place.user("snapshot", "-d", place.store, "s")
    assert p.returncode == 1 and str(place.branch) in p.text


def test_discard_believes_nothing_and_needs_no_trust(foreign):
    p = foreign.root("discard", "-y", foreign.store, check=True)
    assert "belongs to user" in p.text
    assert not foreign.store.exists()


def test_discard_removes_no_name_where_the_store_says(place):
    """A branch may claim that any store is its parent."""
    own_store(place)
    branch = place.at / "branch"
    known = os.listdir(place.store / "branches")
    assert len(known) == 1
    place.owned_by(OTHER_UID, branch)
    place.root("discard", "-y", branch, check=True)
    assert not branch.exists()
    assert os.listdir(place.store / "branches") == known


@pytest.mark.parametrize("name", ["lock", "pages", "readers"])
def test_root_writes_through_no_second_name(foreign, name):
    """Where hard links are not protected, a user can link any file."""
    precious = foreign.at / "precious"
    precious.write_text("precious\n")
    os.unlink(foreign.store / name)
    os.link(precious, foreign.store / name)
    p = foreign.root("snapshot", "--trust", foreign.store, "t")
    assert p.returncode == 1
    assert precious.read_text() == "precious\n"
    assert precious.stat().st_uid == 0


@pytest.mark.parametrize("where", ["journal/9.tmp", "commit/open.tmp"])
def test_root_empties_no_second_name(foreign, where):
    precious = foreign.at / "precious"
    precious.write_text("precious\n")
    for number in range(1, 20):
        name = foreign.store / where.replace("9", str(number))
        if not name.exists():
            os.link(precious, name)
    foreign.root("commit", "-y", "--trust", foreign.store, check=True)
    assert precious.read_text() == "precious\n"
    assert precious.stat().st_uid == 0


def test_users_that_a_namespace_lacks_are_not_one(place):
    """All of them have the overflow uid there, and so may the caller."""
    make_store(place, isolate.USER_UID)
    open_to_all(place.store)

    def strange(uid, *args):
        return subprocess.run(
            ["unshare", *args, str(place.bin), "log", str(place.store)],
            preexec_fn=functools.partial(isolate.become_user, uid),
            capture_output=True, text=True, timeout=patience())

    if strange(isolate.USER_UID, "-U").returncode not in (0, 1):
        pytest.skip("no user namespaces here")
    p = strange(OTHER_UID, "-U")
    assert p.returncode == 1 and "--trust" in p.stderr, p.stderr
    p = strange(OTHER_UID, "-Ur")
    assert p.returncode == 1 and "--trust" in p.stderr, p.stderr
    p = strange(isolate.USER_UID, "-Ur")
    assert p.returncode == 0, p.stderr


# --- what would be given away, and where that is shown -----------------------

def caps_of_net_raw():
    """vfs_cap_data, version 2: cap_net_raw, effective."""
    return struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)


@pytest.fixture
def crafted(place):
    """A store that root filled with files that have special rights, and then
    gave to the user."""
    base, mnt = place.base, place.mnt
    place.owned_by(0, base)
    for name in ("tool", "plain", "known", "moved", "kept"):
        (base / name).write_text(name)
    os.chmod(base / "known", 0o4755)
    os.chmod(base / "moved", 0o755)
    os.chown(place.at, 0, 0)
    place.root("mount", "-o", "suid,dev", "-s", place.store, base, mnt,
               check=True)
    os.chmod(mnt / "tool", 0o4755)
    os.chown(mnt / "tool", 0, 7)
    os.chmod(mnt / "tool", 0o4755)
    os.chown(mnt / "plain", OTHER_UID, 0)
    (mnt / "new").write_text("new")
    os.chmod(mnt / "new", 0o6755)
    (mnt / "dir").mkdir()
    os.chmod(mnt / "dir", 0o2755)
    os.mknod(mnt / "dir/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 17))
    (mnt / "ping").write_text("ping")
    os.setxattr(mnt / "ping", "security.capability", caps_of_net_raw())
    (mnt / "cron").write_text("* * * * * root true")
    with open(mnt / "known", "r+") as f:
        f.write("KNOWN")
    os.chmod(mnt / "known", 0o4755)
    os.rename(mnt / "moved", mnt / "moved2")
    os.chmod(mnt / "moved2", 0o700)
    (mnt / "a\tmode 4755").write_text("a name that looks like a note")
    for name in ("cron", "new", "dir", "ping", "a\tmode 4755"):
        if name not in ("cron", "new"):
            os.chown(mnt / name, isolate.USER_UID, isolate.USER_UID)
    # chown clears the capabilities of a file.
    os.setxattr(mnt / "ping", "security.capability", caps_of_net_raw())
    place.root("umount", mnt, check=True)
    place.owned_by(isolate.USER_UID, place.store)
    return place


NOTES = """\
A f a\\tmode 4755
A f cron\towner root
A d dir
A b dir/disk\towner root, device 8:17
M f known\tset-uid root
R f mode moved -> moved2\tmode 0755 -> 0700
A f new\tmode 6755, owner root, set-uid root, set-gid root
A f ping\tcapabilities
M f owner plain\towner root -> 4712
M f mode,owner tool\tmode 0644 -> 4755, group root -> {}, set-uid root
""".format(grp.getgrgid(7).gr_name)

RIGHTS = """\
7 of them give rights:
  device 8:17: dir/disk
  set-uid root: known
  set-uid root, set-gid root: new
  capabilities: ping
  set-uid root: tool
  owner root: cron
  owner root -> 4712: plain
"""


def test_letters_say_what_mode_and_owner_were_and_are(crafted):
    assert crafted.root("diff", "--trust", crafted.store).text == NOTES
    crafted.root("mount", "--trust", "-s", crafted.store, crafted.base,
                 crafted.mnt, check=True)
    assert crafted.root("diff", crafted.mnt).text == NOTES
    crafted.root("umount", crafted.mnt, check=True)


def test_json_has_both_sides_devices_and_capabilities(crafted):
    p = crafted.root("diff", "--trust", "--json", crafted.store)
    by_path = {e["path"]: e for e in json.loads(p.stdout)}
    tool, disk = by_path["tool"], by_path["dir/disk"]
    assert (tool["old"]["mode"], tool["new"]["mode"]) == (0o100644, 0o104755)
    assert (tool["old"]["gid"], tool["new"]["gid"]) == (0, 7)
    assert (by_path["plain"]["old"]["uid"],
            by_path["plain"]["new"]["uid"]) == (0, OTHER_UID)
    assert disk["new"]["rdev"] == [8, 17]
    assert [p for p, e in by_path.items() if e["new"]["capabilities"]] == \
        ["ping"]


def base_of(text):
    return [line for line in text.splitlines() if "its base is" in line]


def test_the_plan_ends_with_what_gives_rights(crafted):
    p = crafted.root("commit", "-n", "--trust", crafted.store)
    assert p.returncode == 0 and RIGHTS in p.text, p.text
    assert all(line in p.text for line in NOTES.splitlines())
    # The owner and the base are named, since both come from the store.
    line, = base_of(p.text)
    assert "mapfs-test" in line and str(crafted.base) in line
    p = crafted.root("commit", "-n", "--trust", "--json", crafted.store)
    assert json.loads(p.stdout)["rights"] == \
        sorted((r.strip() for r in RIGHTS.splitlines()[1:]),
               key=lambda r: r.split(": ")[1])


def test_rights_are_told_to_who_says_yes_at_once(crafted):
    p = crafted.root("commit", "-y", "--trust", crafted.store)
    assert p.returncode == 0 and RIGHTS in p.text and base_of(p.text), p.text
    assert (crafted.base / "tool").stat().st_mode == 0o104755
    p = crafted.root("commit", "--undo", "-y", "--trust", crafted.store)
    assert p.returncode == 0 and base_of(p.text), p.text
    # The undo restores the former state.
    assert "set-uid root: known\n" in p.text
    assert "set-uid root: tool" not in p.text


def test_only_some_of_many_rights_are_named(place):
    place.owned_by(0, place.base)
    os.chown(place.at, 0, 0)

    def change(mnt):
        for n in range(30):
            (mnt / f"x{n:02}").write_text("x")
            os.chmod(mnt / f"x{n:02}", 0o4755)

    make_store(place, 0, change)
    p = place.root("commit", "-n", place.store)
    assert "30 of them give rights:\n" in p.text
    assert p.text.count("  set-uid root: x") == 20
    assert "  ... and 10 more\n" in p.text
    assert not base_of(p.text)


def test_harmless_rights_hide_no_others(place):
    def change(mnt):
        for n in range(30):
            (mnt / f"a{n:02}").write_text("x")
            os.chown(mnt / f"a{n:02}", OTHER_UID, OTHER_UID)
            (mnt / f"b{n:02}").write_text("x")
            os.chown(mnt / f"b{n:02}", OTHER_UID, OTHER_UID)
            os.chmod(mnt / f"b{n:02}", 0o4755)
        (mnt / "last").write_text("x")
        os.chmod(mnt / "last", 0o4755)

    make_store(place, 0, change)
    place.owned_by(isolate.USER_UID, place.store)
    p = place.root("commit", "-n", "--trust", place.store)
    assert "61 of them give rights:\n  set-uid root: last\n" in p.text


def test_the_question_comes_behind_the_rights(crafted):
    t = terminal.Terminal(crafted.bin, "commit", "--trust", crafted.store)
    before = t.expect("Write this to the base?")
    assert "  set-uid root: tool" in before and base_of(before)
    t.type("n\n")
    assert t.end()[0] == 1
    assert (crafted.base / "tool").stat().st_mode == 0o100644


def test_a_plan_that_lies_in_the_store_is_shown_before_it_is_finished(place):
    """The names and modes of the plan have not been compared with anything."""
    place.owned_by(0, place.base)
    os.chown(place.at, 0, 0)

    def change(mnt):
        for n in range(200):
            (mnt / f"x{n:03}").write_text("x")
        os.chmod(mnt / "x100", 0o4755)

    make_store(place, 0, change)
    assert kill_commit(place.store, program=place.bin), "it was over too soon"
    place.owned_by(isolate.USER_UID, place.store)
    assert is_refused(place.root("commit", "-y", place.store), place.store)
    p = place.root("commit", "-y", "--trust", place.store)
    assert p.returncode == 0 and "  set-uid root: x100\n" in p.text, p.text


def test_a_mount_of_a_user_is_as_good_as_that_user(place):
    """Such a mount may claim that root owns a file."""
    conf = place.at / "fuse.conf"
    conf.write_text("user_allow_other\n")
    if not os.path.exists("/etc/fuse.conf"):
        pytest.skip("there is no fuse.conf to put this over")
    sysc.mount(conf, "/etc/fuse.conf", None, sysc.MS_BIND)
    # Its source can be any text.
    place.store = place.at / "store,user_id=0,user_id=0"
    own_store(place)
    open_to_all(place.store)
    shown = place.at / "shown"
    shown.mkdir()
    os.chown(shown, isolate.USER_UID, isolate.USER_UID)
    place.user("mount", "-m", "read", "-o", "allow_other", place.store, shown,
               check=True)
    assert (shown / "pages").stat().st_uid == 0
    p = place.root("log", shown)
    assert "ask its owner or root" not in p.text
    p = place.root("mount", "-s", f"{shown}@s", place.base, place.mnt)
    assert is_refused(p, "belongs to user mapfs-test")
    place.user("umount", shown, check=True)
