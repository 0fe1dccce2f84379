"""What a saved mount consists of, as a value; and its index, which is the config of its manifest: JSON, compressed by zstd."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import zstandard

from builder.errors import ImageError
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.media import OCI_LAYER_ZSTD, MediaType
from builder.values import dataclass, field

INDEX = MediaType("application/vnd.masu.cache-mount.v1+zstd")
INDEX_LIMIT = 32 << 20
"""Bytes of an index before it is compressed: some 300,000 files."""
ENTRY = 2048
"""Bytes that a file counts beside its content: its headers in a pack, and its share of the directories there."""

_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A layer of the saved mount; `size` is what its files counted when it was made, in bytes."""

    descriptor: Descriptor
    diff_id: Digest
    size: int


class File(NamedTuple):
    """Which pack has it (its digest's digits), and when it was used last, in seconds since the epoch."""

    pack: str
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """`packs` by the digits of their digests, in the order in which they are applied; `directories` is the last of all.

    `files` are those that are there in the end. `dead` are pairs of a path and a pack that has it in vain: it was deleted since,
    or a later pack has it.
    """

    packs: Mapping[str, Pack] = field(default_factory=dict)
    directories: Pack | None = None
    files: Mapping[str, File] = field(default_factory=dict)
    dead: frozenset[tuple[str, str]] = frozenset()

    @property
    def layers(self) -> tuple[Pack, ...]:
        """All of it in order."""
        return (*self.packs.values(), *([self.directories] if self.directories else ()))

    def to_index(self) -> bytes:
        """Raises ImageError when there are too many files to tell of."""
        numbers = {digits: number for number, digits in enumerate(self.packs)}
        paths = sorted(self.files)
        document = {
            "schema": _SCHEMA,
            "layers": [[str(pack.diff_id), pack.size] for pack in self.layers],
            # Columns: a list for each of many files would take several times the memory.
            "paths": paths,
            "packs": [numbers[self.files[path].pack] for path in paths],
            "used": [self.files[path].used for path in paths],
            "dead": sorted([path, numbers[pack]] for path, pack in self.dead),
        }
        data = json.dumps(document, separators=(",", ":")).encode()
        if len(data) > INDEX_LIMIT:
            raise ImageError(f"a cache mount with {len(self.files)} files has too many to be saved")
        return zstandard.ZstdCompressor().compress(data)

    @classmethod
    def from_index(cls, data: bytes, layers: tuple[Descriptor, ...]) -> Content:
        """Of an index and the layers of its manifest. Raises ImageError when they aren't such, or don't belong together."""
        try:
            return cls._read(json.loads(_decompressed(data)), layers)
        except (ValueError, TypeError, KeyError, IndexError, RecursionError, zstandard.ZstdError) as error:
            raise ImageError(f"malformed index of a cache mount: {type(error).__name__}: {error}") from error

    @classmethod
    def _read(cls, document: Any, layers: tuple[Descriptor, ...]) -> Content:
        if document["schema"] != _SCHEMA:
            raise ValueError(f"schema {document['schema']!r}")
        told = zip(layers, document["layers"], strict=True)
        *packs, directories = [_pack(descriptor, *facts) for descriptor, facts in told]
        names = [pack.descriptor.digest.hex for pack in packs]
        return cls(
            packs=dict(zip(names, packs, strict=True)),
            directories=directories,
            files={
                _path(path): File(names[_number(number)], _number(used))
                for path, number, used in zip(document["paths"], document["packs"], document["used"], strict=True)
            },
            dead=frozenset((_path(path), names[_number(number)]) for path, number in document["dead"]),
        )


def _pack(descriptor: Descriptor, diff_id: str, size: int) -> Pack:
    if descriptor.media_type != OCI_LAYER_ZSTD or descriptor.urls:
        raise ValueError(f"a layer is {descriptor.media_type}")
    return Pack(descriptor=descriptor, diff_id=Digest.parse(diff_id), size=_number(size))


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number")
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no path")
    return value


def _decompressed(data: bytes) -> bytes:
    with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data) as stream:
        found = stream.read(INDEX_LIMIT + 1)
    if len(found) > INDEX_LIMIT:
        raise ValueError(f"more than {INDEX_LIMIT} bytes")
    return found
