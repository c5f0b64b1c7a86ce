# SPDX-License-Identifier: MIT
"""Places in which a new user may run mapfs, made out of this machine.

BareChroot    a Debian or Ubuntu of debootstrap, entered by chroot(2): its root
              is no mount point, it has no /etc/mtab and no compiler
PrivateClone  a clone below a directory of mode 0700 that belongs to root, as
              below /root: an ordinary user cannot reach the files of the clone

In both, the clone is a copy of the files that run, with the mapfs that is
built already. A command runs in mount and pid namespaces of its own: nothing
that it mounts or starts is left behind.
"""
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from support import isolate, sysc
from support.load import patience
from support.view import REPO, binary

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PACKAGES = ("fuse3", "python3-pytest")	# beside what mapfs links to


class Unavailable(Exception):
    """Why this machine cannot make such a place."""


def _output_of(*args, **kw):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          timeout=patience(), text=True, **kw).stdout


class _Place:
    """A directory with a clone, and a way to run commands in it."""

    def __init__(self):
        self.at = Path(tempfile.mkdtemp(
            prefix="mapfs-machine-", dir=os.environ.get("MAPFS_TEST_DIR")))
        os.chmod(self.at, 0o755)
        self.root = "/"

    def remove(self):
        shutil.rmtree(self.at)

    def copy_clone(self, to):
        """The scripts, the tests, and the headers that the tests read."""
        for name in ("tools", "tests", "fs"):
            shutil.copytree(REPO / name, to / name, symlinks=True,
                            ignore=shutil.ignore_patterns("__pycache__"))
        (to / "build").mkdir()
        shutil.copy2(binary(), to / "build/mapfs")

    def _enter(self):
        """In the child: its own mounts, the root of the place."""
        sysc.unshare(sysc.CLONE_NEWNS)
        isolate.own_the_root()
        if self.root != "/":
            sysc.mount("/dev", f"{self.root}/dev", None,
                       sysc.MS_BIND | sysc.MS_REC)
            os.chroot(self.root)
        os.chdir(self.clone)

    def run(self, *args):
        """(exit status, output) of a command in the clone."""
        in_pid_namespace = ["unshare", "--pid", "--fork", "--kill-child", "sh",
                            "-ec", 'mount -t proc proc /proc; exec "$@"', "sh"]
        env = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8",
               "PYTHONDONTWRITEBYTECODE": "1",
               "MAPFS_BIN": f"{self.clone}/build/mapfs"}
        p = subprocess.run([*in_pid_namespace, *args], env=env,
                           preexec_fn=self._enter, timeout=patience(240),
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
        return p.returncode, p.stdout.decode(errors="replace")


class PrivateClone(_Place):
    def __init__(self):
        super().__init__()
        (self.at / "private").mkdir(mode=0o700)
        self.clone = str(self.at / "private/mapfs")
        self.copy_clone(self.at / "private/mapfs")


class BareChroot(_Place):
    def __init__(self):
        suite, mirror, components = _distribution()
        super().__init__()
        try:
            self._debootstrap(suite, mirror, components)
        except BaseException:
            self.remove()
            raise
        self.root = str(self.at)
        self.clone = "/root/mapfs"
        self.copy_clone(self.at / "root/mapfs")
        assert not os.path.ismount(self.at)
        assert not os.path.lexists(self.at / "etc/mtab")

    def _debootstrap(self, suite, mirror, components):
        include = ",".join([*PACKAGES, *_linked_packages()])
        log = self.at.with_name(self.at.name + ".log")
        try:
            with open(log, "wb") as out:
                p = subprocess.run(
                    ["debootstrap", "--variant=minbase",
                     f"--components={components}", f"--include={include}",
                     suite, self.at, mirror], stdin=subprocess.DEVNULL,
                    stdout=out, stderr=out, timeout=patience(300),
                    env={**os.environ, **_proxy(), "PATH": PATH})
            lines = log.read_text(errors="replace").splitlines()
        except subprocess.TimeoutExpired:
            raise Unavailable("debootstrap did not end; is the mirror of apt "
                              "within reach?") from None
        finally:
            log.unlink()
        if p.returncode != 0:
            reason = [line for line in lines if line.startswith("E:")]
            raise Unavailable("debootstrap failed: " +
                              (reason or lines or ["no output"])[-1])


def _distribution():
    """(suite, mirror, components) of this machine, as apt knows them."""
    for tool in ("debootstrap", "apt-get", "dpkg-query"):
        if not shutil.which(tool, path=PATH):
            raise Unavailable(f"{tool} is missing; on Debian and Ubuntu, "
                              "tools/setup --tests installs it")
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    lines = _output_of("apt-get", "indextargets", "--format",
                       "$(CODENAME)|$(REPO_URI)|$(COMPONENT)|$(ORIGIN)|"
                       "$(LABEL)", "Created-By: Packages")
    components, mirror = [], None
    for line in lines.splitlines():
        codename, uri, component, origin, label = line.split("|")
        if codename == suite and origin == label and \
                uri.startswith(("http:", "https:", "file:")):
            mirror = mirror or uri
            if uri == mirror and component not in components:
                components.append(component)
    if not mirror:
        raise Unavailable(f"apt knows no mirror of the suite {suite!r}; "
                          "run apt-get update")
    return suite, mirror, ",".join(components)


def _proxy():
    """The proxy of apt, for debootstrap."""
    out = _output_of("apt-config", "shell", "proxy", "Acquire::http::Proxy")
    return {"http_proxy": out.split("'")[1]} if "'" in out else {}


def _linked_packages():
    """The packages of the shared libraries that mapfs is linked to."""
    packages = set()
    for word in _output_of("ldd", binary()).split():
        if not word.startswith("/"):
            continue
        # The package may list the library below /lib or below /usr/lib.
        for path in {word, os.path.realpath(word),
                     os.path.realpath(word).removeprefix("/usr")}:
            p = subprocess.run(["dpkg-query", "-S", path], text=True,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, timeout=patience())
            packages |= {line.split(":")[0] for line in p.stdout.splitlines()}
    return sorted(packages)
