"""Tar files, written as fast as Python can and compressed on the way."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from isal import isal_zlib

from bench.data import Material, tree

_EPOCH = 1_700_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A gzip-compressed tar file and the digest of what it unpacks to."""

    path: Path
    diff_id: str


def written(path: Path, write: Callable[[BinaryIO], None]) -> Layer:
    """Compress what `write` writes into `path`."""
    with path.open("wb") as file:
        stream = _Packing(file)
        write(stream)  # type: ignore[arg-type]  # only its write() is called
        stream.finish()
    return Layer(path=path, diff_id=f"sha256:{stream.digest.hexdigest()}")


class _Packing:
    """Hashes and compresses what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._file = file
        self._compressor = isal_zlib.compressobj(2, isal_zlib.DEFLATED, 31)

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self._file.write(self._compressor.compress(data))
        return len(data)

    def finish(self) -> None:
        self._file.write(self._compressor.flush())


@contextmanager
def tar_into(stream: BinaryIO) -> Iterator[tarfile.TarFile]:
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT, bufsize=1 << 20) as archive:
        yield archive


def add_directory(archive: tarfile.TarFile, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, _EPOCH
    archive.addfile(member)


def add_file(archive: tarfile.TarFile, name: str, content: bytes, *, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(content), mode, _EPOCH
    archive.addfile(member, io.BytesIO(content))


def add_link(archive: tarfile.TarFile, name: str, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mtime = tarfile.SYMTYPE, target, _EPOCH
    archive.addfile(member)


def write_noise(name: str, size: int, stream: BinaryIO) -> None:
    """A tar of one file of `size` bytes that don't compress."""
    piece = 1 << 20
    with tar_into(stream) as archive:
        member = tarfile.TarInfo(name)
        member.size, member.mtime = size, _EPOCH
        archive.addfile(member)
        for start in range(0, size, piece):
            archive.fileobj.write(os.urandom(min(piece, size - start)))
        archive.fileobj.write(bytes(-size % tarfile.BLOCKSIZE))


def write_tree_below(top: str, material: Material, *, files: int, total: int, stream: BinaryIO) -> None:
    """Many files of realistic sizes, `total` bytes together, in directories below `top`."""
    known: set[str] = set()
    with tar_into(stream) as archive:
        for name, content in tree(material, files=files, total=total):
            for parent in _parents(f"{top}/{name}"):
                if parent not in known:
                    known.add(parent)
                    add_directory(archive, parent)
            add_file(archive, f"{top}/{name}", content, mode=0o644)


def _parents(name: str) -> Iterator[str]:
    parts = name.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))
