#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks a model with SPIN, and that each of its mutations is found.

    run.py MODEL.pml

All states of the model are visited; no assertion fails. Then each MUTATE_NAME
that the model mentions is defined, one after the other, and an assertion must
fail: a barrier whose loss nobody notices is not checked. The output is TAP.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

DEPTH = 100000


def visit(model, mutation):
    """The numbers of errors and of states, and what SPIN said."""
    with tempfile.TemporaryDirectory() as work:
        options = [f'-D{mutation}'] if mutation else []
        subprocess.run(['spin', *options, '-a', model], cwd=work, check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(['cc', '-O1', '-w', '-DSAFETY', '-DCOLLAPSE', '-o', 'pan',
                        'pan.c'], cwd=work, check=True)
        # -E: a process that waits for ever after a power cut is no error.
        result = subprocess.run(['./pan', '-E', f'-m{DEPTH}'], cwd=work,
                                capture_output=True, text=True, check=False)
    said = result.stdout + result.stderr
    errors = re.search(r'errors: (\d+)', said)
    states = re.search(r'(\d+) states, stored', said)
    if not errors or not states or 'max search depth too small' in said \
            or 'Search not completed' in said and errors[1] == '0':
        sys.exit(f'{model}: SPIN did not end:\n{said}')
    return int(errors[1]), int(states[1]), said


def tap(number, ok, name, said):
    """Prints the result of one test."""
    print(f'{"ok" if ok else "not ok"} {number} - {name}', flush=True)
    if not ok:
        print(''.join(f'# {line}\n' for line in said.splitlines()))


def main():
    """Runs all of it."""
    model = os.path.abspath(sys.argv[1])
    with open(model, encoding='utf-8') as file:
        mutations = sorted(set(re.findall(r'\bMUTATE_[A-Z_]*[A-Z]\b',
                                          file.read())))
    if not shutil.which('spin'):
        print('1..0 # SKIP there is no spin; tools/setup --tests installs it')
        return
    print(f'1..{1 + len(mutations)}')
    errors, states, said = visit(model, None)
    tap(1, errors == 0, f'{states} states, no assertion fails', said)
    for number, mutation in enumerate(mutations, 2):
        errors, states, said = visit(model, mutation)
        tap(number, errors > 0, f'{mutation} is found', said)


main()
