"""An image's layers → the packages in it: one pass over each layer, of which only the files of package managers are kept."""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from builder.bill.formats import is_of_interest, reader_of, refusal, system_of
from builder.bill.package import Contents, Package, System
from builder.errors import ImageError
from builder.image.layer import Layer
from builder.rootfs.decompress import DAMAGED, decompressed
from builder.rootfs.unpack import OPAQUE, WHITEOUT
from builder.values import dataclass

log = logging.getLogger(__name__)

_BROKEN: tuple[type[Exception], ...] = (*DAMAGED, tarfile.TarError)
_MOST = 256 << 20
"""Bytes of one file: rpm's database of some thousand packages has half of it, others a tenth."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Stands for the content of a file that is not read, and says why."""

    why: str


Files = dict[str, bytes | Unread]


def read_contents(layers: Iterable[Layer]) -> Contents:
    """What the layers, one over the other, have; what can't be read is logged. Raises ImageError, RegistryError."""
    files: Files = {}
    for layer in layers:
        _Pass(files).over(layer)
    system = system_of({path: content for path, content in files.items() if isinstance(content, bytes)})
    found: list[Package] = []
    unread: list[str] = []
    for path, content in sorted(files.items()):
        packages = _packages(path, content, system)
        if isinstance(packages, Unread):
            log.warning("%r is left out of the bill of materials: %s", f"/{path}", packages.why)
            unread.append(path)
        else:
            found += packages
    found.sort(key=lambda package: (package.purl(), package.found))
    return Contents(system=system, packages=tuple(found), unread=tuple(unread))


def _packages(path: str, content: bytes | Unread, system: System) -> list[Package] | Unread:
    """All of the file, or none: half a bill looks like a whole one."""
    reader = reader_of(path)
    if isinstance(content, Unread) or reader is None:
        return content if isinstance(content, Unread) else []
    try:
        return list(reader(path, content, system))
    except ImageError as error:
        return Unread(error.message)


class _Pass:
    """Changes `files`, path → content, by one layer: first what it takes away from those below, then what it brings."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._directories = {parent for path in files for parent in _parents(path)}
        self._brought: Files = {}

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
        why = refusal(path)
        if not (why or is_of_interest(path)) or member.issym():
            return
        if member.islnk():
            self._brought[path] = self._linked(_clean(member.linkname))
        elif why or member.size > _MOST:
            if member.size:
                self._brought[path] = Unread(why or f"it has {member.size} bytes")
        else:
            content = archive.extractfile(member)
            if content is not None:
                self._brought[path] = content.read()

    def _linked(self, target: str) -> bytes | Unread:
        data = self._brought.get(target, self._files.get(target))
        return Unread(f"it is another name of {f'/{target}'!r}") if data is None else data


def _clean(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _parents(path: str) -> Iterator[str]:
    """From the next to the root, which is the empty path."""
    while path:
        path = path.rpartition("/")[0]
        yield path
