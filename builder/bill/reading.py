"""An image's layers → the packages in it: one pass over each layer, of which only the files of package managers are kept."""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from builder.bill.formats import is_of_interest, is_unreadable, reader_of, system_of
from builder.bill.package import Package, System
from builder.errors import ImageError
from builder.image.layer import Layer
from builder.rootfs.decompress import DAMAGED, decompressed
from builder.rootfs.unpack import OPAQUE, WHITEOUT

log = logging.getLogger(__name__)

_BROKEN: tuple[type[Exception], ...] = (*DAMAGED, tarfile.TarError)
_MOST = 64 << 20
"""Bytes of one file: the largest known are a tenth of it."""


def read_packages(layers: Iterable[Layer]) -> tuple[System, tuple[Package, ...]]:
    """The distribution, and all packages in the order of their purls. Raises ImageError, RegistryError."""
    files: dict[str, bytes] = {}
    for layer in layers:
        _Pass(files).over(layer)
    system = system_of(files)
    found = [package for path in sorted(files) for package in _packages(path, files[path], system)]
    return system, tuple(sorted(found, key=lambda package: (package.purl(), package.found)))


def _packages(path: str, data: bytes, system: System) -> Iterator[Package]:
    if is_unreadable(path):
        log.warning("the packages in %r are left out of the bill of materials: it takes rpm's library to read it", f"/{path}")
    if (reader := reader_of(path)) is not None:
        yield from reader(path, data, system)


class _Pass:
    """Changes `files`, path → content, by one layer: first what it takes away from those below, then what it brings."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        self._directories = {parent for path in files for parent in _parents(path)}
        self._brought: dict[str, bytes] = {}

    def over(self, layer: Layer) -> None:
        try:
            with layer.blob.open() as blob, decompressed(blob) as stream:
                self._read(stream)
        except _BROKEN as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise ImageError(f"can't read layer {layer.blob.descriptor.digest}: {error}") from error
        self._files.update(self._brought)

    def _read(self, stream: BinaryIO) -> None:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                path = _clean(member.name)
                directory, slash, name = path.rpartition("/")
                if name == OPAQUE:
                    self._remove(directory, inside=True)
                elif name.startswith(WHITEOUT):
                    self._remove(directory + slash + name.removeprefix(WHITEOUT))
                elif not member.isdir():
                    self._remove(path)
                    self._keep(path, member, archive)

    def _remove(self, path: str, *, inside: bool = False) -> None:
        """What lower layers have there, and below it."""
        if not inside:
            self._files.pop(path, None)
        if path in self._directories:
            below = f"{path}/" if path else ""
            for name in [name for name in self._files if name.startswith(below)]:
                del self._files[name]

    def _keep(self, path: str, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        if is_unreadable(path):
            self._brought[path] = b""
        if not is_of_interest(path) or member.issym():
            return
        if member.islnk():
            self._link(path, _clean(member.linkname))
            return
        if member.size > _MOST:
            log.warning("%r is left out of the bill of materials: it has %d bytes", f"/{path}", member.size)
            return
        content = archive.extractfile(member)
        if content is not None:
            self._brought[path] = content.read()

    def _link(self, path: str, target: str) -> None:
        data = self._brought.get(target, self._files.get(target))
        if data is None:
            log.warning("%r is left out of the bill of materials: it is another name of %r", f"/{path}", f"/{target}")
        else:
            self._brought[path] = data


def _clean(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _parents(path: str) -> Iterator[str]:
    """From the next to the root, which is the empty path."""
    while path:
        path = path.rpartition("/")[0]
        yield path
