"""Lays out what the step image carries below its one directory, from a Debian that has the packages. The Dockerfile here runs it.

What is left out of the standard library is what nobody imports without a terminal, a display, a database or a test to run.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from steps import HOME
from steps.image.elf import Libraries, elf_files

_PYTHON = Path("/usr/bin/python3.11")
_GIT = Path("/usr/lib/git-core")
_PROGRAMS = (_PYTHON, Path("/usr/bin/proot"), Path("/usr/bin/git"), _GIT / "git-remote-http", _GIT / "git-remote-https")
_STDLIB = Path("/usr/lib/python3.11")
_LEFT_OUT = (
    *("__pycache__", "dist-packages", "EXTERNALLY-MANAGED", "sitecustomize.py", "config-3.11*"),
    *("distutils", "ensurepip", "idlelib", "lib2to3", "pydoc*", "tkinter", "turtle*", "unittest", "venv"),
    *("curses", "_curses*", "readline.*", "dbm", "_dbm*", "sqlite3", "_sqlite3*", "nis.*", "ossaudiodev.*"),
    *("test", "_test*", "_ctypes_test*", "_xx*", "xx*"),
)
_AWS_SERVICES = frozenset({"ecr", "ecr-public", "s3", "signin", "sso", "sso-oidc", "sts"})
"""Those whose descriptions botocore keeps; of hundreds of others nothing here makes use."""
_AWS_RESOURCES = ("boto3/data", "boto3/examples")


def assemble(home: Path, *, packages: Path) -> None:
    """Fill the directory `home`, which will be HOME; `packages` has the installed wheels."""
    _copy(_STDLIB, home / "lib/python3.11", without=_LEFT_OUT)
    _copy(packages, home / "lib/python3.11/site-packages", without=("__pycache__", "bin", "_cffi.*"))
    _leave_out_services(home / "lib/python3.11/site-packages")
    (home / "bin").mkdir()
    for program in _PROGRAMS:
        shutil.copy(program, home / "bin", follow_symlinks=False)
    libraries = Libraries.like(_PYTHON, directory=home / "lib", home=HOME)
    libraries.carry(elf_files(home))
    libraries.bind(elf_files(home))


def _leave_out_services(packages: Path) -> None:
    """The parts of the clouds' libraries that are for services we don't use."""
    for service in (packages / "botocore/data").iterdir():
        if service.is_dir() and service.name not in _AWS_SERVICES:
            shutil.rmtree(service)
    for name in _AWS_RESOURCES:
        shutil.rmtree(packages / name)


def _copy(source: Path, target: Path, *, without: Iterable[str]) -> None:
    """Copy a tree, links as what they point to, but nothing that has one of these names."""

    def unwanted(_: str, names: list[str]) -> set[str]:
        return {name for name in names if any(fnmatch(name, pattern) for pattern in without)}

    shutil.copytree(source, target, ignore=unwanted)


if __name__ == "__main__":
    os.umask(0o022)
    assemble(Path(sys.argv[1]), packages=Path(sys.argv[2]))
