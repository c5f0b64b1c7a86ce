#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Memory that two processes find by its name: a segment, and a file.

  shared_memory.py FILE

The segment is one of multiprocessing.shared_memory, and the file is mapped by a
second program that knows nothing but its path. Both are used in the same way:
a question, and below it the answer.
"""
import mmap
import multiprocessing
import multiprocessing.shared_memory
import struct
import subprocess
import sys

QUESTION, ANSWER = 0, 4096


def put(memory, at, text):
    memory[at:at + 4 + len(text)] = struct.pack("I", len(text)) + text


def get(memory, at):
    length, = struct.unpack("I", memory[at:at + 4])
    return bytes(memory[at + 4:at + 4 + length])


def answer(memory):
    put(memory, ANSWER, get(memory, QUESTION).upper())


def answer_in_segment(name):
    segment = multiprocessing.shared_memory.SharedMemory(name)
    answer(segment.buf)
    segment.close()


def segment_between_processes():
    segment = multiprocessing.shared_memory.SharedMemory(create=True,
                                                         size=8192)
    try:
        put(segment.buf, QUESTION, b"in a segment")
        other = multiprocessing.get_context("fork").Process(
            target=answer_in_segment, args=(segment.name,))
        other.start()
        other.join()
        assert get(segment.buf, ANSWER) == b"IN A SEGMENT"
    finally:
        segment.close()
        segment.unlink()


def file_between_programs(path):
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 8192) as m:
        put(m, QUESTION, b"in a file")
        subprocess.run([sys.executable, __file__, path, "other"], check=True)
        # The map was made before the other program started.
        assert get(m, ANSWER) == b"IN A FILE"


def main(path, *other):
    if other:
        with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
            answer(m)
        return
    with open(path, "r+b"):
        pass
    segment_between_processes()
    file_between_programs(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
