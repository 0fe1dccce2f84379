"""Image archives as people have them: a file or standard input, compressed or not, with layers that docker left uncompressed."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from builder.errors import StoreError
from builder.image.blob import Blob
from builder.image.config import Config
from builder.image.descriptor import Descriptor
from builder.image.image import Image
from builder.image.manifest import Manifest
from builder.image.media import DOCKER_LAYER, OCI_LAYER
from builder.image.reference import Reference
from builder.image.verify import read_small
from builder.rootfs.decompress import CHUNK, DAMAGED, decompressed
from builder.rootfs.recompress import recompressed
from builder.store.archive import ArchiveStore, read_archive
from builder.store.bundle import Bundle
from builder.store.copy import document, load, load_all
from builder.values import replace

log = logging.getLogger(__name__)

_UNCOMPRESSED = frozenset({DOCKER_LAYER, OCI_LAYER})
_SPARE = 16 << 20  # bytes
_TAR_MAGIC, _MAGIC_AT = b"ustar", 257  # POSIX, pax: ustar interchange format


def open_archive(path: Path, directory: Path) -> ArchiveStore:
    """The archive in the file; a compressed one is unpacked into `directory` first. Raises StoreError."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise StoreError(f"can't read archive {str(path)!r}: {error.strerror}") from error
    with stream:
        if stream.read(_MAGIC_AT + len(_TAR_MAGIC)).endswith(_TAR_MAGIC):
            return read_archive(path)
        stream.seek(0)
        return receive_archive(stream, directory, name=str(path))


def receive_archive(stream: BinaryIO, directory: Path, *, name: str) -> ArchiveStore:
    """The archive that comes in a stream, which is written into `directory` as it is read. Raises StoreError."""
    path = directory / "archive.tar"
    with path.open("xb") as out:
        try:
            _copy(decompressed(stream), out)
        except DAMAGED as error:
            if isinstance(error, OSError) and error.errno:  # the disk's, not the decompressor's
                raise
            raise StoreError(f"can't unpack archive {name!r}: {error}") from error
    try:
        return read_archive(path)
    except StoreError as error:
        hint = "an archive is what docker save, podman save, skopeo or masu save writes"
        raise StoreError(error.message.replace(str(path), name), hint=hint) from error


def _copy(source: BinaryIO, out: BinaryIO) -> None:
    """Stops before the disk is full, for the sake of all others who use it."""
    unlooked = _SPARE
    while chunk := source.read(CHUNK):
        out.write(chunk)
        unlooked -= len(chunk)
        if unlooked <= 0:
            unlooked = _SPARE
            room = os.fstatvfs(out.fileno())
            if room.f_bavail * room.f_frsize < _SPARE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), out.name)


def images_of(archive: ArchiveStore, directory: Path) -> Iterator[tuple[tuple[Reference, ...], Bundle]]:
    """Every image with its names. Layers that docker left uncompressed are compressed, in `directory`. Raises BuilderError."""
    for names, descriptor in archive.images:
        yield _references(names), _bundle(archive, descriptor, directory)


def bundle_of(archive: ArchiveStore, name: str, directory: Path) -> Bundle:
    """The image that `name` means, the only one if it is empty; as `images_of`."""
    return _bundle(archive, archive.resolve(name), directory)


def _references(names: tuple[str, ...]) -> tuple[Reference, ...]:
    """Layouts have names that are only a tag; which repository is meant nobody knows."""
    for name in names:
        if "/" not in name and ":" not in name:
            log.debug("the archive's name %r is no reference", name)
    return tuple(dict.fromkeys(Reference.parse(name) for name in names if "/" in name or ":" in name))


def _bundle(archive: ArchiveStore, descriptor: Descriptor, directory: Path) -> Bundle:
    _, parsed = document(archive, replace(descriptor, annotations={}))
    if not archive.made_up or not isinstance(parsed, Manifest):
        return load_all(archive, str(descriptor.digest))
    config = Config.parse(read_small(archive.open(parsed.config), parsed.config, where=str(archive.path)))
    return Bundle.of(_compressed(load(archive, str(descriptor.digest), config.platform), directory))


def _compressed(image: Image, directory: Path) -> Image:
    """With the same config: its diff_ids don't change."""
    media_type = image.format.layer
    layers = tuple(
        recompressed(layer, to=directory, media_type=media_type) if layer.blob.descriptor.media_type in _UNCOMPRESSED else layer
        for layer in image.layers
    )
    descriptors = tuple(layer.blob.descriptor for layer in layers)
    manifest = Manifest(media_type=image.format.manifest, config=image.config_blob.descriptor, layers=descriptors)
    return replace(image, layers=layers, manifest=Blob.of(manifest.to_bytes(), image.format.manifest))
