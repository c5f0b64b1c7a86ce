#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""find and rfind in a map, which give what they give in the bytes.

  search.py FILE
"""
import mmap
import sys


def places(m, word):
    """Every place of the word, from the first to the last."""
    at = m.find(word)
    while at >= 0:
        yield at
        at = m.find(word, at + 1)


def main(path):
    with open(path, "rb") as f:
        data = f.read()
        with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
            # Words from every part of the file, two across pages.
            for at in (0, 4090, 8185, len(data) // 2, len(data) - 12):
                word = data[at:at + 12]
                assert m.find(word) == data.find(word) >= 0
                assert m.rfind(word) == data.rfind(word) >= at
            assert m.find(b"no such word") == m.rfind(b"no such word") == -1
            assert m.find(b"fox", 4000, 8000) == data.find(b"fox", 4000, 8000)
            assert m.rfind(b"fox", 4000, 8000) == \
                data.rfind(b"fox", 4000, 8000)
            # Without a start, find begins at the position of the map.
            m.seek(5000)
            assert m.find(b"fox") == data.find(b"fox", 5000)
            m.seek(0)
            assert len(list(places(m, b"fox"))) == data.count(b"fox") > 0


main(sys.argv[1])
