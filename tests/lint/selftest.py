#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each rule of the linters finds its fault, and nothing in a clean tree.

Goal: a rule that never fires is no rule. Method: small trees, each with one
fault, and the words the finding must contain.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import calls
import layering
import limits

HERE = pathlib.Path(__file__).resolve().parent
SPDX = "/* SPDX-License-Identifier: MIT */\n"
FIVE = ("static int f(int a, int (*fn)(int x, int y), void *b,\n"
        "\t     int c, /* one, two */\n\t     int d)\n{\n}\n")
SIX = FIVE.replace("int d)", "int d, int e)")
DEFAULT = ("void f(void)\n{\n\tswitch (b) {\n\tcase 'x':\n"
           "\t\tswitch (a) {\n\t\tcase A_ONE:\n\t\t\tbreak;\n"
           "\t\tdefault:\n\t\t\tbreak;\n\t\t}\n\t}\n}\n")
LONG = "int f(void)\n{\n" + "\tf();\n" * 120 + "}\n"

CLEAN = {
    "core/lib/types.h": SPDX,
    "core/lib/lock.h": SPDX,
    "core/mapfs.h": SPDX + '#include "core/lib/types.h"\n',
    "core/arena/arena.h": SPDX + '#include "core/lib/types.h"\n',
    "core/arena/arena.c": SPDX + '#include "arena.h"\n',
    "core/base/base_priv.h": SPDX,
    "core/base/read.h": SPDX,
    "core/base/read.c": SPDX + '#include "base_priv.h"\n',
    "core/lib/checksum.h": SPDX,
    "core/lib/io.h": SPDX,
    "core/lib/mapping.h": SPDX,
    "core/open.c": SPDX + "int mapfs_open(int a)\n{\n}\n" + FIVE,
    "core/view/a.h": SPDX + "enum kind {\n\tA_ONE = 1, /* , X */\n\tA_TWO\n};\n",
    "fs/session/server.h": SPDX,
    "core/lib/mapping.c": SPDX + "void f(void)\n{\n\tmmap(0);\n}\n",
    "core/lib/io.c": SPDX + "void f(void)\n{\n\tfsync(1);\n}\n",
    "core/lib/checksum.c": SPDX + "#include <xxhash.h>\n",
    "fs/session/server.c": SPDX +
        '#include "core/mapfs.h"\n#include <fuse.h>\n'
        "/* strcpy(a) and // in words */\n"
        'char *u = "http://x sprintf(";\n'
        "void f(void)\n{\n\tops->fsync(1);\n\tmapfs_fsync(1);\n}\n"
        "void op_a(int a, int b, int c, int d, int e, int g)\n{\n"
        "\tswitch (a) {\n\tcase A_ONE:\n\tcase ARGP_KEY_END:\n"
        "\tdefault:\n\t\tswitch (b) {\n\t\tcase A_ONE:\n"
        "\t\t\treturn;\n\t\t}\n\t}\n}\n",
}

# (linter, path, text after the licence line, words of the finding)
FAULTS = [
    (layering, "core/arena/arena.c", '#include "core/store/a.h"\n', "below"),
    (layering, "core/arena/a.c", '#include "core/journal/a.h"\n', "beside"),
    (layering, "core/lib/io.c", '#include "core/arena/arena.h"\n', "below"),
    (layering, "core/nowhere/a.c", "", "levels.txt"),
    (layering, "core/view/a.c", '#include "core/base/base_priv.h"\n',
     "private to"),
    (layering, "core/view/a.c", "#include <fuse_lowlevel.h>\n",
     "core includes"),
    (layering, "core/view/a.c", '#include "fs/node.h"\n', "no such file"),
    (layering, "fs/ops/dir.c", '#include "core/arena/arena.h"\n',
     "no door of fs"),
    (layering, "tools/lib/a.c", '#include "core/lib/lock.h"\n',
     "no door of tools"),
    (layering, "core/view/a.c", '#include "tests/a.h"\n', "only tests"),
    (limits, "core/view/a.c", LONG, "function of"),
    (limits, "core/view/a.c", "\n" * 800, "lines"),
    (limits, "core/view/a.c", "int x; // y\n", "// comment"),
    (limits, "core/view/a.c", "int x = atoi(y);\n", "atoi() is banned"),
    (limits, "core/view/a.c", "void f(void)\n{\n\tprintf(y);\n}\n",
     "printf()"),
    (limits, "fs/ops/a.c", "void f(void)\n{\n\tstrcpy (a, b);\n}\n",
     "strcpy()"),
    (limits, "fs/ops/a.c", "void f(void)\n{\n\tmmap(a);\n}\n",
     "core/lib/mapping"),
    (limits, "core/store/a.c", "void f(void)\n{\n\tpwrite(a);\n}\n",
     "core/lib/io"),
    (limits, "core/store/a.c", "#include <xxhash.h>\n", "core/lib/checksum"),
    (limits, "fs/ops/a.c", "void f(void)\n{\n\tassert(a = 1);\n}\n",
     "assert"),
    (limits, "core/view/a.c", SIX, "6 parameters"),
    (limits, "core/view/a.c", DEFAULT, "own enum"),
    (limits, "core/view/b.c", "", "no header"),
    (limits, "core/view/b.c", "int a(void)\n{\n}\n" + FIVE, "no header"),
    (limits, "core/view/a.c", "/* A twin\n of it. */\n", "replacement"),
    (limits, "core/view/a.c", 'char *u = "Resigned";\n', "new signature"),
]

# Others that the faults above include.
OTHERS = {
    "core/store/a.h": SPDX,
    "core/journal/a.h": SPDX,
    "tests/a.h": SPDX,
}

# Two units of one folder that use each other.
CIRCLE = {
    "core/store/a.h": SPDX + '#include "b.h"\n',
    "core/store/b.c": SPDX + '#include "a.h"\n',
    "core/store/b.h": SPDX,
}


def plant(root, files):
    shutil.copytree(HERE, root / "tests" / "lint",
                    ignore=shutil.ignore_patterns("__pycache__"))
    allowed = root / "tests" / "lint" / "allowed.txt"
    allowed.write_text(files.get("allowed.txt", ""))
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


def built(folder, name, text):
    """An object file of one line of C, and its entry of the database."""
    source = folder / name
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text)
    output = source.with_suffix(".o")
    subprocess.run(["cc", "-c", "-o", output, source], check=True)
    return {"directory": str(folder), "file": name, "output": str(output)}


def findings_of_calls(texts):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name).resolve()
        plant(root, {})
        entries = [built(root, *item) for item in texts.items()]
        (root / "compile_commands.json").write_text(json.dumps(entries))
        found, circles, _ = calls.find(root, root)
        return found + circles


# (words of the finding, the sources)
CALLS = [
    ("core/arena is below core/store",
     {"core/arena/a.c": "void g(void);\nvoid f(void) { g(); }\n",
      "core/store/b.c": "void g(void) { }\n"}),
    ("core/arena is beside core/journal",
     {"core/arena/a.c": "extern int g;\nint f(void) { return g; }\n",
      "core/journal/b.c": "int g = 1;\n"}),
    ("circle: core/store/a core/store/b",
     {"core/store/a.c": "void g(void);\nvoid f(void) { g(); }\n",
      "core/store/b.c": "void f(void);\nvoid g(void) { f(); }\n"}),
    ("core/store/a: gives g, and so does core/store/b",
     {"core/store/a.c": "int g = 1;\n",
      "core/store/b.c": "void g(void) { }\n"}),
]


def main():
    failures = []
    for linter in (layering, limits):
        found = findings(linter, CLEAN)
        check(failures, f"clean tree, {linter.__name__}", not found, found)
    for linter, path, text, words in FAULTS:
        found = findings(linter, {**CLEAN, **OTHERS, path: SPDX + text})
        fits = [f for f in found if f.startswith(path) and words in f]
        check(failures, f"{path} {words!r}", fits, found)
    found = findings(limits, {**CLEAN, "core/view/a.c": "int x;\n"})
    check(failures, "licence", any("first line" in f for f in found), found)
    found = findings(layering, {**CLEAN, **CIRCLE})
    check(failures, "circle", any("circle" in f for f in found), found)
    row = "header core/view/b.c\n"
    for files, wanted in (({"core/view/b.c": SPDX}, False), ({}, True)):
        found = findings(limits, {**CLEAN, **files, "allowed.txt": row})
        check(failures, f"allowed, {wanted}",
              bool(found) == wanted and
              all("not needed" in f for f in found), found)
    for words, texts in CALLS:
        found = findings_of_calls(texts)
        check(failures, words, any(words in f for f in found), found)
    for failure in failures:
        print("not found or too much found:", failure)
    print(f"{len(FAULTS) + len(CALLS) + 6} cases, {len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
