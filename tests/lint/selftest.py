#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The linters find what they are there to find, and nothing in a clean tree.

Goal: a rule that never fires is no rule. Method: small trees, each with one
fault, and the words the finding must contain.
"""

import pathlib
import shutil
import sys
import tempfile

import layering
import limits

HERE = pathlib.Path(__file__).resolve().parent
SPDX = "/* SPDX-License-Identifier: MIT */\n"
LONG = "int f(void)\n{\n" + "\tf();\n" * 120 + "}\n"

CLEAN = {
    "core/types.h": SPDX,
    "core/mapfs.h": SPDX + '#include "types.h"\n',
    "core/lock.h": SPDX,
    "core/arena.h": SPDX + '#include "types.h"\n',
    "core/arena_run.c": SPDX + '#include "arena.h"\n',
    "core/overlay_priv.h": SPDX,
    "core/diff_side.c": SPDX + '#include "overlay_priv.h"\n',
    "core/mapping.c": SPDX + "void f(void)\n{\n\tmmap(0);\n}\n",
    "core/io.c": SPDX + "void f(void)\n{\n\tfsync(1);\n}\n",
    "core/checksum.c": SPDX + "#include <xxhash.h>\n",
    "fs/main.c": SPDX + '#include "core/mapfs.h"\n#include <fuse.h>\n'
                 "/* strcpy(a) and // in words */\n"
                 'char *u = "http://x sprintf(";\n'
                 "void f(void)\n{\n\tops->fsync(1);\n\tmapfs_fsync(1);\n}\n",
}

# (linter, path, text after the licence line, words of the finding)
FAULTS = [
    (layering, "core/arena.c", '#include "mapfs.h"\n', "of level"),
    (layering, "core/io.c", '#include "arena.h"\n', "of level"),
    (layering, "core/nowhere.c", "", "levels.txt"),
    (layering, "core/view.c", '#include "overlay_priv.h"\n', "private to"),
    (layering, "core/view.c", "#include <fuse_lowlevel.h>\n", "core includes"),
    (layering, "core/view.c", '#include "fs/node.h"\n', "no such file"),
    (layering, "fs/node.c", '#include "core/arena.h"\n', "fs includes"),
    (layering, "tools/list.c", '#include "core/lock.h"\n', "tools includes"),
    (limits, "core/view.c", LONG, "function of"),
    (limits, "core/view.c", "\n" * 800, "lines"),
    (limits, "core/view.c", "int x; // y\n", "// comment"),
    (limits, "core/view.c", "int x = atoi(y);\n", "atoi() is banned"),
    (limits, "core/view.c", "void f(void)\n{\n\tprintf(y);\n}\n", "printf()"),
    (limits, "fs/main.c", "void f(void)\n{\n\tstrcpy (a, b);\n}\n", "strcpy()"),
    (limits, "fs/main.c", "void f(void)\n{\n\tmmap(a);\n}\n", "core/mapping"),
    (limits, "core/store.c", "void f(void)\n{\n\tpwrite(a);\n}\n", "core/io"),
    (limits, "core/store.c", "#include <xxhash.h>\n", "core/checksum"),
    (limits, "fs/main.c", "void f(void)\n{\n\tassert(a = 1);\n}\n", "assert"),
]


def plant(root, files):
    shutil.copytree(HERE, root / "tests" / "lint",
                    ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def findings(linter, files):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        plant(root, files)
        return list(linter.find(root))


def check(failures, what, passed, found):
    if not passed:
        failures.append(f"{what}: {found}")


def main():
    failures = []
    for linter in (layering, limits):
        found = findings(linter, CLEAN)
        check(failures, f"clean tree, {linter.__name__}", not found, found)
    for linter, path, text, words in FAULTS:
        found = findings(linter, {**CLEAN, path: SPDX + text})
        fits = [f for f in found if f.startswith(path) and words in f]
        check(failures, f"{path} {words!r}", fits, found)
    found = findings(limits, {**CLEAN, "core/view.c": "int x;\n"})
    check(failures, "licence", any("first line" in f for f in found), found)
    for failure in failures:
        print("not found or too much found:", failure)
    print(f"{len(FAULTS) + 3} cases, {len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
