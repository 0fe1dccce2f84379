"""Makes programs and shared libraries independent of the distribution they come from.

The kernel starts a program with the loader that the program names, and that loader looks for libraries where the program and
the libraries say. Both are changed to a directory of our own, and looking anywhere else is turned off (`DF_1_NODEFLIB`): while a
build runs, `/lib` may belong to another distribution.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from builder import process
from builder.errors import BuilderError
from builder.values import dataclass

_MAGIC = b"\x7fELF"
_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_NEEDED = re.compile(r"=> (/\S+) \(0x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Libraries:
    """`directory` is where the loader and the libraries are put; programs will see it as `lib` in `home`."""

    directory: Path
    home: Path
    loader: Path

    @classmethod
    def like(cls, program: Path, *, directory: Path, home: Path) -> Libraries:
        """With the loader of this program. Raises BuilderError when it has none."""
        return cls(directory=directory, home=home, loader=Path(_patchelf("--print-interpreter", program)))

    def carry(self, files: Iterable[Path]) -> None:
        """Copy the loader and all the libraries that these programs and libraries need."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for library in sorted({self.loader, *(found for file in files for found in self._needed(file))}):
            shutil.copyfile(library, self.directory / library.name)
            (self.directory / library.name).chmod(0o755)
        self._blind(self.directory / self.loader.name)

    def _blind(self, loader: Path) -> None:
        """Keep the loader from `/etc/ld.so.preload` and `/etc/ld.so.cache`: it looks for both in files that there aren't."""
        theirs, ours = b"/etc/ld.so.", f"{self.home}/ld.".encode()
        data = loader.read_bytes()
        if len(theirs) != len(ours) or data.count(theirs) < 2:
            raise BuilderError(f"{self.loader} has other places for its files than is known here, or {ours!r} doesn't fit there")
        loader.write_bytes(data.replace(theirs, ours))

    def _needed(self, file: Path) -> Iterator[Path]:
        yield from (Path(path) for path in _NEEDED.findall(_run(str(self.loader), "--list", str(file))))

    def bind(self, files: Iterable[Path]) -> None:
        """Let these programs and libraries use the carried loader and libraries and no others."""
        loader = f"{self.home}/lib/{self.loader.name}"
        for file in files:
            if file.name == self.loader.name:
                continue
            arguments = ["--set-interpreter", loader] if has_loader(file) else []
            _patchelf(*arguments, "--force-rpath", "--set-rpath", f"{self.home}/lib", file)
            _patchelf("--no-default-lib", file)  # by itself: with the others it is forgotten where there are flags already


def elf_files(directory: Path) -> list[Path]:
    """All programs and libraries below a directory, links not followed."""
    return sorted(path for path in directory.rglob("*") if path.is_file() and not path.is_symlink() and _is_elf(path))


def has_loader(file: Path) -> bool:
    """Whether it is a program that a loader starts, not a library or a static program."""
    done = process.run(["patchelf", "--print-interpreter", str(file)], env=_ENV)
    return done.returncode == 0 and bool(done.stdout.strip())


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _patchelf(*arguments: str | Path) -> str:
    return _run("patchelf", *(str(argument) for argument in arguments)).strip()


def _run(*argv: str) -> str:
    done = process.run(argv, env=_ENV)
    if done.returncode:
        raise BuilderError(f"{' '.join(argv)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()
