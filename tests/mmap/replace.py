#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Search and replace in the file itself, without reading it into memory.

  replace.py FILE
"""
import mmap
import re
import sys


def replace_equal(m, old, new):
    """Each `old` becomes `new`, of the same length."""
    assert len(old) == len(new)
    count = 0
    at = m.find(old, 0)
    while at >= 0:
        m[at:at + len(new)] = new
        count += 1
        at = m.find(old, at + len(new))
    return count


def upper(m, expression):
    for found in re.finditer(expression, m):
        m[found.start():found.end()] = found.group().upper()


def replace_shorter(m, old, new):
    """What follows moves towards the start; spaces fill the end."""
    less = len(old) - len(new)
    at = m.find(old, 0)
    end = len(m)
    while 0 <= at < end:
        m[at:at + len(new)] = new
        m.move(at + len(new), at + len(old), end - at - len(old))
        end -= less
        at = m.find(old, at + len(new), end)
    m[end:] = b" " * (len(m) - end)


def main(path):
    with open(path, "rb") as f:
        data = f.read()
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        assert replace_equal(m, b"fox", b"cat") == data.count(b"fox") > 0
        upper(m, rb"\bbrown\b")
        replace_shorter(m, b"lazy ", b"")
        m.flush()
    want = data.replace(b"fox", b"cat").replace(b"brown", b"BROWN")
    want = want.replace(b"lazy ", b"").ljust(len(data))
    with open(path, "rb") as f:
        assert f.read() == want


main(sys.argv[1])
