#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clang-tidy with the checks of .clang-tidy over every file that is compiled.

Usage: tidy.py SOURCE-ROOT BUILD-DIRECTORY

Findings of another version than the reference are shown, and skip. What the
analyzer says about a line that uses uthash is about uthash's macros, which it
cannot follow, and is left out.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

REFERENCE = "14"
SKIP = 77
UTHASH = re.compile(r"\b(HASH|LL|DL)_[A-Z]+")
FINDING = re.compile(r"^(.+?):(\d+):\d+: (?:error|warning): (.*)$", re.M)


def product_files(root, build):
    """Tests use cmocka's idioms; the time is for the product."""
    files = set()
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if path.is_relative_to(root):
            top = path.relative_to(root).parts[0]
            if top not in ("tests", "subprojects"):
                files.add(path)
    return sorted(files)


def is_about_uthash(path, line, text):
    if "[clang-analyzer-" not in text:
        return False
    lines = path.read_text(errors="replace").splitlines()
    return line <= len(lines) and bool(UTHASH.search(lines[line - 1]))


def tidy(build, file):
    result = subprocess.run(
        ["clang-tidy", "-p", str(build), "--quiet", str(file)], cwd=build,
        capture_output=True, text=True, check=False)
    found = set()
    dropped = 0
    for name, line, text in FINDING.findall(result.stdout):
        path = pathlib.Path(build, name).resolve()
        if is_about_uthash(path, int(line), text):
            dropped += 1
        else:
            found.add(f"{path}:{line}: {text}")
    if result.returncode != 0 and not found and not dropped:
        found.add(f"{file}: {result.stdout}{result.stderr}")
    return found


def main():
    root, build = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
    if not shutil.which("clang-tidy"):
        print("skipped: no clang-tidy (tools/setup --tests installs it)")
        sys.exit(SKIP)
    files = product_files(root, build)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda f: tidy(build, f), files)
        findings = sorted(set().union(*results))
    for finding in findings:
        print(finding.removeprefix(f"{root}/"))
    print(f"{len(findings)} findings in {len(files)} files")
    if not files:
        sys.exit(1)
    version = subprocess.run(["clang-tidy", "--version"], check=True,
                             capture_output=True, text=True).stdout
    version = re.search(r"version (\d+)", version).group(1)
    if findings and version != REFERENCE:
        print(f"skipped: clang-tidy {version} has findings, "
              f"{REFERENCE} is the reference")
        sys.exit(SKIP)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
