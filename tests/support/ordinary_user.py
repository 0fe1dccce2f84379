"""Running masu as an ordinary user, for tests that themselves run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.masu import ROOT

USER = "masu-tester"
NOBODY_SPECIAL = 54321
"""A user id without an entry anywhere, as OpenShift gives them: it has no range in /etc/subuid."""
_PACKAGES = ("builder", "dockerfile_parse", "isal", "zstandard", "requests", "urllib3", "idna", "certifi", "charset_normalizer")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdinaryUser:
    """`home` belongs to the user; `python` is one that the user can run; `site` has masu and what it imports."""

    uid: int
    home: Path
    python: str
    site: Path

    def masu(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(self.site), "LC_ALL": "C.UTF-8"}
        argv = [self.python, "-m", "builder", *(str(argument) for argument in arguments)]
        done = subprocess.run(
            argv,
            env=env,
            cwd=self.home,
            user=self.uid,
            group=self.uid,
            extra_groups=[],
            capture_output=True,
            check=False,
            timeout=300,
        )
        return subprocess.CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))

    def own(self, path: Path) -> Path:
        """Give a tree to the user."""
        subprocess.run(["chown", "-R", f"{self.uid}:{self.uid}", path], check=True)
        return path


@contextmanager
def ordinary_user(*, with_range: bool) -> Iterator[OrdinaryUser]:
    """A user with a range in /etc/subuid, or one with nothing but a number; skips where that can't be had."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    if with_range and not shutil.which("newuidmap"):
        pytest.skip("newuidmap is not installed")
    directory = Path(tempfile.mkdtemp(prefix="masu-user-"))
    try:
        directory.chmod(0o755)
        uid = _add_user() if with_range else NOBODY_SPECIAL
        (directory / "home").mkdir()
        user = OrdinaryUser(uid=uid, home=directory / "home", python=_python(uid), site=_site(directory / "site"))
        user.own(user.home)
        yield user
    finally:
        if with_range:
            subprocess.run(["userdel", USER], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(directory)


def _add_user() -> int:
    subprocess.run(["useradd", "--no-create-home", USER], check=True)
    return int(subprocess.run(["id", "-u", USER], check=True, capture_output=True).stdout)


def _python(uid: int) -> str:
    """This interpreter or the system's of the same version: the copied packages have compiled parts."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            subprocess.run(
                [candidate, "-c", ""], user=uid, group=uid, extra_groups=[], check=True, cwd="/", env={}, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    pytest.skip(f"no {version} that an ordinary user can run")


def _site(directory: Path) -> Path:
    directory.mkdir()
    for name in _PACKAGES:
        source = ROOT / "builder" if name == "builder" else Path(str((find_spec(name) or pytest.fail(name)).origin)).parent
        shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chmod", "-R", "a+rX", directory], check=True)
    return directory
