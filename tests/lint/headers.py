#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each header compiles alone, and twice, with the flags of its folder.

Usage: headers.py SOURCE-ROOT BUILD-DIRECTORY
"""

import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys


def flags_by_folder(root, build):
    """The compiler and flags of one file of each folder."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if not path.is_relative_to(root):
            continue
        folder = path.relative_to(root).parts[0]
        words = shlex.split(entry["command"])
        keep, skip = [], False
        for word in words:
            if skip:
                skip = False
            elif word in ("-o", "-MF", "-MQ", "-MT", "-c"):
                skip = True
            elif word not in ("-MD", "-MMD"):
                keep.append(word)
        found.setdefault(folder, keep)
    return found


def compile_alone(words, root, build, header):
    name = header.relative_to(root).as_posix()
    line = f'#include "{root / name}"\n'
    return name, subprocess.run(
        words + ["-Werror", "-fsyntax-only", "-x", "c", "-"], cwd=build,
        input=line + line, text=True, capture_output=True, check=False)


def main():
    root, build = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
    flags = flags_by_folder(root, build)
    jobs = []
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for folder, words in sorted(flags.items()):
            if folder == "subprojects":
                continue
            for header in sorted((root / folder).rglob("*.h")):
                jobs.append(pool.submit(compile_alone, words, root, build,
                                        header))
    for job in jobs:
        name, result = job.result()
        if result.returncode != 0:
            failed += 1
            print(f"{name} does not compile alone:\n{result.stderr}")
    print(f"{len(jobs)} headers, {failed} failures")
    sys.exit(1 if failed or not jobs else 0)


if __name__ == "__main__":
    main()
