# SPDX-License-Identifier: MIT
"""Programs of others that tests run on views."""
import os
import pwd
import shutil
import textwrap
from pathlib import Path

import pytest

from .view import run


def need(*programs):
    for p in programs:
        if not shutil.which(p):
            pytest.skip(f"{p} is missing")


PROJECT = {
    "meson.build": """
        project('demo', 'c')
        lib = static_library('lib', 'a.c', 'b.c')
        executable('demo', 'main.c', link_with: lib)
        """,
    "Makefile": """
        demo: main.o liblib.a
        \t$(CC) -o $@ main.o liblib.a
        liblib.a: a.o b.o
        \t$(AR) rcs $@ a.o b.o
        """,
    "main.c": """
        #include <stdio.h>
        int a(void);
        int b(void);
        int main(void) { printf("%d\\n", a() + b()); return 0; }
        """,
    "a.c": "int a(void); int a(void) { return 40; }\n",
    "b.c": "int b(void); int b(void) { return 2; }\n",
}


def make_project(at):
    at.mkdir()
    for name, text in PROJECT.items():
        (at / name).write_text(textwrap.dedent(text).lstrip())


class Postgres:
    """A PostgreSQL cluster, which runs as the user postgres."""

    def __init__(self, view):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not found:
            pytest.skip("PostgreSQL is missing")
        if os.geteuid() != 0:
            pytest.skip("needs root, to become postgres")
        try:
            self.user = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("there is no user postgres")
        self.bin = found[-1].parent
        self.view = view
        os.chmod(view.scratch, 0o755)
        self.sockets = view.scratch / "sockets"
        self.sockets.mkdir()
        os.chown(self.sockets, self.user.pw_uid, self.user.pw_gid)

    def run(self, *cmd, **kw):
        return run("setpriv", "--reuid", "postgres", "--regid", "postgres",
                   "--clear-groups", *cmd, cwd="/", **kw)

    def tool(self, name, *args, **kw):
        path = self.bin / name
        if not path.exists():
            need(name)
            path = shutil.which(name)
        return self.run(path, *args, **kw)

    def make_cluster(self, at):
        os.mkdir(at)
        os.chown(at, self.user.pw_uid, self.user.pw_gid)
        self.tool("initdb", "-D", at, "-A", "trust", "--no-sync", "-E",
                  "UTF8", "--locale", "C", timeout=100)
        with open(at / "postgresql.conf", "a") as f:
            f.write("listen_addresses = ''\nshared_buffers = 16MB\n"
                    f"unix_socket_directories = '{self.sockets}'\n"
                    "max_connections = 12\n")

    def start(self, at):
        self.tool("pg_ctl", "-D", at, "-w", "-t", "60", "-l",
                  self.sockets / "pg.log", "start", timeout=90)

    def stop(self, at, how="fast"):
        self.tool("pg_ctl", "-D", at, "-w", "-t", "60", "-m", how, "stop",
                  timeout=90)

    def sql(self, text):
        return self.tool("psql", "-h", self.sockets, "-XAtqc", text,
                         "postgres", timeout=60).text.strip()
