# SPDX-License-Identifier: MIT
"""A command on a terminal of its own, and the keyboard of that terminal."""
import fcntl
import os
import select
import subprocess
import termios
import time

from .load import PATIENCE, patience
from .view import binary


class Terminal:
    """A process on a terminal of its own, and its user."""

    def __init__(self, *command, **kw):
        self.fd, tty = os.openpty()
        self.seen = ""

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.proc = subprocess.Popen(
            list(map(os.fspath, command)), stdin=tty, stdout=tty, stderr=tty,
            preexec_fn=take_terminal, **kw)
        os.close(tty)

    def read(self):
        try:
            text = os.read(self.fd, 65536).decode(errors="replace")
        except OSError:		# the other side is closed
            text = ""
        self.seen += text
        return text

    def expect(self, text, seconds=PATIENCE):
        """Waits for a text; returns the output before it."""
        end = time.monotonic() + patience(seconds)
        while text not in self.seen:
            ready = select.select([self.fd], [], [], end - time.monotonic())
            assert ready[0] and self.read(), \
                f"{text!r} does not come: {self.seen}"
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self, seconds=PATIENCE):
        """Waits for the end; returns the exit status and the rest of the
        output."""
        try:
            status = self.proc.wait(patience(seconds))
        finally:
            self.proc.kill()
        while select.select([self.fd], [], [], 0)[0] and self.read():
            pass
        os.close(self.fd)
        return status, self.seen


QUESTION = "[c]ommit, [k]eep, [d]iscard, di[f]f? "


def on_terminal(*args, **kw):
    return Terminal(binary(), "run", *args, **kw)
