#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Regular expressions over a map: it is searched without being read first.

  expressions.py FILE
"""
import collections
import mmap
import re
import sys

LINE = re.compile(rb"^line (?P<number>\d+): (?P<text>.*)$", re.M)


def main(path):
    with open(path, "rb") as f:
        data = f.read()
        with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
            assert re.search(rb"qu\w+", m).span() == \
                re.search(rb"qu\w+", data).span()
            assert re.findall(rb"\b\w+x\b", m) == \
                re.findall(rb"\b\w+x\b", data)
            numbers = [int(found["number"]) for found in LINE.finditer(m)]
            assert numbers == list(range(len(numbers))) and numbers
            assert LINE.match(m)["text"] == LINE.match(data)["text"]
            assert LINE.search(m, 9000).start() == \
                LINE.search(data, 9000).start()
            assert re.split(rb"\n", m) == data.split(b"\n")
            assert re.sub(rb"fox", b"hare", m) == data.replace(b"fox", b"hare")
            # The tutorial's example: how often does each word occur?
            words = collections.Counter(re.findall(rb"[a-z]+", m))
            assert words[b"fox"] == data.count(b"fox")


main(sys.argv[1])
