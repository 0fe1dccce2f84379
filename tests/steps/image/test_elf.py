from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from builder.errors import BuilderError
from steps.image.elf import Libraries, elf_files, has_loader

_PROGRAM = Path("/usr/bin/patchelf")  # it needs libstdc++


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    """A root directory with a program of this machine and its libraries below /kaniko."""
    if not _PROGRAM.exists():
        pytest.skip("not installed: patchelf")
    home = tmp_path / "kaniko"
    (home / "bin").mkdir(parents=True)
    shutil.copy(_PROGRAM, home / "bin")
    libraries = Libraries.like(_PROGRAM, directory=home / "lib", home=Path("/kaniko"))
    libraries.carry([home / "bin/patchelf"])
    libraries.bind(elf_files(home))
    return tmp_path


def output(root: Path) -> tuple[int, str]:
    """Of the program with another root directory: its exit code and what it prints."""
    if os.geteuid():
        pytest.skip("needs root, to change the root directory")
    argv = ["/usr/sbin/chroot", str(root), "/kaniko/bin/patchelf", "--version"]
    done = subprocess.run(argv, env={}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
    return done.returncode, done.stdout


def test_a_program_runs_where_nothing_but_its_directory_is(moved: Path) -> None:
    code, said = output(moved)
    assert code == 0, said
    assert said.startswith("patchelf ")


def test_libraries_are_looked_for_nowhere_else(moved: Path) -> None:
    for place in ("lib", "usr/lib", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"):
        shutil.copytree(moved / "kaniko/lib", moved / place, dirs_exist_ok=True)
    next((moved / "kaniko/lib").glob("libstdc++*")).unlink()
    code, said = output(moved)
    assert code == 127
    assert "libstdc++" in said


def test_the_loaders_own_files_are_not_read(moved: Path) -> None:
    (moved / "etc").mkdir()
    (moved / "etc/ld.so.preload").write_text("/kaniko/no-such-library.so\n")
    assert "no-such-library" not in output(moved)[1]
    shutil.copy(moved / "etc/ld.so.preload", moved / "kaniko/ld.preload")
    assert "no-such-library" in output(moved)[1], "which shows that it would have said so"


def test_a_home_that_does_not_fit_into_the_loader_is_refused(tmp_path: Path, moved: Path) -> None:
    libraries = Libraries.like(_PROGRAM, directory=tmp_path / "other", home=Path("/opt/masu"))
    with pytest.raises(BuilderError, match="doesn't fit"):
        libraries.carry([_PROGRAM])


def test_programs_and_libraries_are_told_apart(moved: Path) -> None:
    found = {path.name: has_loader(path) for path in elf_files(moved)}
    assert found["patchelf"]
    assert not next(value for name, value in found.items() if name.startswith("libstdc++"))
