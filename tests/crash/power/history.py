# SPDX-License-Identifier: MIT
"""What a view showed after each step of a load, and whether what a cut left is
one of these moments.

Step N is noted in the log of the disk: "begin N", then "done N", or "synced N"
if N and all steps before must survive from now on [D1]. After a cut the view
must show the moment after some step between the last synced and the last begun
one [D2]. A page that was overwritten after that moment may have the bytes of
any later step.
"""
import os
import stat
from collections import namedtuple

PAGE = 4096

File = namedtuple("File", "mode number")	# number: key of the contents
Dir = namedtuple("Dir", "mode")
Link = namedtuple("Link", "target")
Seen = namedtuple("Seen", "mode data inode")


class Moment:
    """A tree, the snapshots, and the branches that were made of them."""

    def __init__(self, before=None):
        self.tree = dict(before.tree) if before else {}
        self.snapshots = dict(before.snapshots) if before else {}
        self.branches = dict(before.branches) if before else {}
        self.discarded = False


class History:
    """The moments, and the contents of files at each of them."""

    def __init__(self, note):
        self.note = note
        self.moments = [Moment()]
        self.contents = {}	# file number: [(step, bytes)]
        self.growing = {}	# step: file that grows in several requests

    @property
    def now(self):
        return self.moments[-1]

    def begin(self):
        """The moment after the next step, to be changed; it is noted."""
        self.moments.append(Moment(self.now))
        self.note(f"begin {len(self.moments) - 1}")
        return self.now

    def end(self, synced):
        word = "synced" if synced else "done"
        self.note(f"{word} {len(self.moments) - 1}")

    def new_file(self, data=b""):
        number = len(self.contents)
        self.contents[number] = [(len(self.moments) - 1, data)]
        return number

    def set_content(self, number, data, in_parts=False):
        step = len(self.moments) - 1
        self.contents[number].append((step, data))
        if in_parts:
            self.growing[step] = number

    def content(self, number, step=None):
        """The bytes after that step."""
        found = b""
        for at, data in self.contents[number]:
            if step is not None and at > step:
                break
            found = data
        return found

    def frozen(self, step=None):
        """The whole moment after that step, without any later page."""
        step = len(self.moments) - 1 if step is None else step
        return {path: Seen(node.mode, self.content(node.number, step),
                           node.number) if isinstance(node, File) else node
                for path, node in self.moments[step].tree.items()}


def known(notes):
    """The last step that must be there, and the last that may be."""
    last = {"synced": 0, "begin": 0}
    for text in notes:
        word, number = text.split()
        last[word] = int(number)
    return last["synced"], last["begin"]


def last_ended(notes):
    """The last step that ended, synced or not."""
    return max([0, *(int(text.split()[1]) for text in notes
                     if not text.startswith("begin"))])


def scan(top):
    """What a program sees below `top`; an error of reading is raised."""
    found = {}
    for at, dirs, files in os.walk(top, onerror=_raise):
        for name in dirs + files:
            path = os.path.join(at, name)
            st = os.lstat(path)
            if stat.S_ISDIR(st.st_mode):
                entry = Dir(stat.S_IMODE(st.st_mode))
            elif stat.S_ISLNK(st.st_mode):
                entry = Link(os.readlink(path))
            else:
                with open(path, "rb") as f:
                    data = f.read()
                if len(data) != st.st_size:
                    raise AssertionError(
                        f"{path}: {len(data)} of {st.st_size} bytes")
                entry = Seen(stat.S_IMODE(st.st_mode), data, st.st_ino)
            found[os.path.relpath(path, top)] = entry
    return found


def _raise(error):
    raise error


def _versions(history, number, step, high):
    return [history.content(number, step)] + [
        data for at, data in history.contents[number] if step < at <= high]


def _wrong_content(history, number, got, step, high):
    """A sentence if these are not the file's bytes after `step`."""
    versions = _versions(history, number, step, high)
    size = len(versions[0])
    grows = history.growing.get(step + 1) == number and step < high
    if len(got) != size and not (grows and
                                 size <= len(got) <= len(versions[1])):
        return f"{len(got)} bytes, not {size}"
    for at in range(0, len(got), PAGE):
        page = got[at:at + PAGE]
        if not any(v[at:at + len(page)] == page for v in versions):
            return f"page {at // PAGE} has {page[:24]!r}..., " \
                   f"not {versions[0][at:at + 24]!r}..."
    return ""


def _wrong_names(history, found, step):
    tree = history.moments[step].tree
    wrong = [f"{path} is missing" for path in tree if path not in found]
    wrong += [f"{path} should not be there"
              for path in found if path not in tree]
    inodes = {}
    for path, node in tree.items():
        got = found.get(path)
        if isinstance(node, File) and isinstance(got, Seen):
            first = inodes.setdefault(node.number, got.inode)
            if got.mode != node.mode or got.inode != first:
                wrong.append(f"{path}: {got.mode:o}, inode {got.inode}; not "
                             f"{node.mode:o}, {first}")
        elif got is not None and got != node:
            wrong.append(f"{path}: {got!r:.60} instead of {node}")
    return wrong


def wrong_at(history, found, step, high):
    """How what was found differs from the moment after `step`."""
    wrong = _wrong_names(history, found, step)
    for path, node in history.moments[step].tree.items():
        got = found.get(path)
        if isinstance(node, File) and isinstance(got, Seen):
            why = _wrong_content(history, node.number, got.data, step, high)
            if why:
                wrong.append(f"{path}: {why}")
    return wrong


def moments_of(history, found, low, high):
    """The steps after which the view was as it was found; AssertionError if
    there is none."""
    all_wrong = [(wrong_at(history, found, n, high), n)
                 for n in range(low, high + 1)]
    fit = [n for wrong, n in all_wrong if not wrong]
    if not fit:
        wrong, step = min(all_wrong, key=lambda w: len(w[0]))
        raise AssertionError(
            f"what is there is of no moment from step {low} to {high}; "
            f"nearest is step {step}, but: " + "; ".join(wrong[:6]))
    return fit


def same_as_frozen(found, frozen):
    """Raises AssertionError if it is not exactly that."""
    def plain(entries):
        return {path: (e.mode, e.data) if isinstance(e, Seen) else e
                for path, e in entries.items()}
    one, two = plain(found), plain(frozen)
    wrong = [p for p in sorted(set(one) | set(two))
             if one.get(p) != two.get(p)]
    assert not wrong, "not the same: " + ", ".join(
        f"{p}: {one.get(p)!r:.80} instead of {two.get(p)!r:.80}"
        for p in wrong[:4])
