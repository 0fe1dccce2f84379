"""Reading an image archive: what `docker save`, `podman save`, skopeo and masu itself write.

Either an OCI layout in a tar (docker since 25, buildx), or manifest.json with a config and layers (older docker, Kaniko, podman).
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from builder.errors import ImageError, StoreError
from builder.image.blob import Blob
from builder.image.config import Config
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.manifest import Manifest
from builder.image.media import DOCKER_LAYER, DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD, Format
from builder.image.verify import SMALL_LIMIT, verified
from builder.store.names import REF_NAME, digest_of, find, sniff
from builder.values import dataclass, replace

_CHUNK = 1 << 20
_COMPRESSED = {b"\x1f\x8b": DOCKER_LAYER_GZIP, b"\x28\xb5\x2f\xfd": OCI_LAYER_ZSTD}
_MOST_MEMBERS = 50_000
_MOST_IMAGES = 1000
CONTAINERD_NAME = "io.containerd.image.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """`size` bytes of the file `path` from `offset` on; content made up here is `data` instead."""

    path: Path
    offset: int = 0
    size: int
    data: bytes | None = None

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data) if self.data is not None else io.BufferedReader(_SectionReader(self), _CHUNK)

    def read(self) -> bytes:
        """All of it; raises StoreError when it is too large for a JSON document."""
        if self.size > SMALL_LIMIT:
            raise StoreError(f"malformed archive {str(self.path)!r}: a JSON file in it has {self.size} bytes")
        with self.open() as stream:
            return stream.read()


class _SectionReader(io.RawIOBase):
    def __init__(self, section: Section) -> None:
        self._file = section.path.open("rb", buffering=0)
        self._file.seek(section.offset)
        self._left = section.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)[: self._left]  # type: ignore[arg-type]
        count = self._file.readinto(view) if self._left else 0
        self._left -= count or 0
        return count or 0

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStore:
    """A Store that can only be read.

    Its manifests are `made_up` when no registry knows their digests: docker keeps layers unpacked, and saves new ones of them.
    """

    path: Path
    images: tuple[tuple[tuple[str, ...], Descriptor], ...]
    sections: Mapping[Digest, Section]
    made_up: bool

    def has(self, descriptor: Descriptor) -> bool:
        section = self.sections.get(descriptor.digest)
        return section is not None and section.size == descriptor.size

    def open(self, descriptor: Descriptor) -> BinaryIO:
        section = self.sections.get(descriptor.digest)
        if section is None:
            raise StoreError(f"archive {str(self.path)!r} has no blob {descriptor.digest}")
        return verified(section.open(), descriptor, where=str(self.path))

    def resolve(self, name: str) -> Descriptor:
        """Also `""`, which means the only image of the archive."""
        found = find(name, self.images, where=f"archive {str(self.path)!r}")
        if found is not None:
            return found
        digest = digest_of(name)
        if digest is not None and digest in self.sections:
            return sniff(self.sections[digest].read(), digest)
        known = ", ".join(sorted(text for names, _ in self.images for text in names)) or "none"
        raise StoreError(f"archive {str(self.path)!r} has no image {name!r}", hint=f"its names are: {known}")

    def put(self, blob: Blob) -> None:
        raise StoreError(f"can't add {blob.descriptor.digest} to archive {str(self.path)!r}: it can only be read")

    def tag(self, name: str, manifest: Blob) -> None:
        raise StoreError(f"can't add {name!r} to archive {str(self.path)!r}: it can only be read")


def read_archive(path: Path) -> ArchiveStore:
    """The images of an uncompressed archive; compressed layers of the old form are read once, for their digests.

    Raises StoreError when it isn't an image archive.
    """
    members = _members(path)
    try:
        if "index.json" in members and "oci-layout" in members:
            return _read_layout(path, members)
        if "manifest.json" in members:
            return _read_docker(path, members)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ImageError) as error:
        raise StoreError(f"malformed archive {str(path)!r}: {error}") from error
    raise StoreError(f"{str(path)!r} is not an image archive: it has neither manifest.json nor index.json")


def _members(path: Path) -> dict[str, Section]:
    members: dict[str, Section] = {}
    links: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for number, member in enumerate(archive):
                archive.members = []  # type: ignore[attr-defined]  # which tarfile keeps for nothing
                if number >= _MOST_MEMBERS:
                    raise StoreError(f"archive {str(path)!r} has more than {_MOST_MEMBERS} files: it is no image")
                name = posixpath.normpath(member.name)
                if member.isreg():
                    members[name] = Section(path=path, offset=member.offset_data, size=member.size)
                elif member.issym():
                    links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
                elif member.islnk():
                    links[name] = posixpath.normpath(member.linkname)
    except (tarfile.TarError, ValueError, OverflowError) as error:
        hint = "masu load reads compressed ones as well; here it must be unpacked first, for instance with gunzip"
        raise StoreError(f"can't read archive {str(path)!r}: {error}", hint=hint) from error
    except OSError as error:
        raise StoreError(f"can't read archive {str(path)!r}: {error.strerror}") from error
    # docker before 25 stores a layer that occurs twice as a link to the first.
    return members | {name: members[target] for name, target in links.items() if target in members}


def _read_layout(path: Path, members: Mapping[str, Section]) -> ArchiveStore:
    entries = [Descriptor.from_json(item) for item in _images(path, json.loads(members["index.json"].read())["manifests"])]
    sections: dict[Digest, Section] = {}
    for name, section in members.items():
        folder, _, rest = name.partition("/")
        if folder == "blobs" and rest.count("/") == 1:
            sections[Digest.parse(rest.replace("/", ":"))] = section
    images = tuple((_layout_names(entry.annotations), entry) for entry in entries)
    # A file that only docker writes, and only where it keeps layers unpacked (moby, image/tarexport/save.go).
    return ArchiveStore(path=path, images=images, sections=sections, made_up="repositories" in members)


def _images(path: Path, listed: list[Any]) -> list[Any]:
    if len(listed) > _MOST_IMAGES:
        raise StoreError(f"archive {str(path)!r} has more than {_MOST_IMAGES} images")
    return listed


def _layout_names(annotations: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(annotations[key] for key in (CONTAINERD_NAME, REF_NAME) if key in annotations)


def _read_docker(path: Path, members: Mapping[str, Section]) -> ArchiveStore:
    images: list[tuple[tuple[str, ...], Descriptor]] = []
    sections: dict[Digest, Section] = {}
    known: dict[Section, Digest] = {}
    for item in _images(path, json.loads(members["manifest.json"].read())):
        config = members[posixpath.normpath(item["Config"])]
        layers = [members[posixpath.normpath(name)] for name in item.get("Layers") or []]
        made = _make_manifest(config.read(), layers, known)
        data = made.to_bytes()
        blob = Blob.of(data, made.media_type)
        images.append((_names(item.get("RepoTags") or []), blob.descriptor))
        sections[blob.descriptor.digest] = Section(path=path, size=len(data), data=data)
        sections[made.config.digest] = config
        sections |= zip((layer.digest for layer in made.layers), layers, strict=True)
    return ArchiveStore(path=path, images=tuple(images), sections=sections, made_up=True)


def _names(listed: Any) -> tuple[str, ...]:
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise TypeError(f"RepoTags is no list of names: {listed!r}")
    return tuple(listed)


def _make_manifest(config: bytes, layers: Sequence[Section], known: dict[Section, Digest]) -> Manifest:
    """Of Docker's types, unless a layer is of a kind that has none there."""
    diff_ids = Config.parse(config).diff_ids
    if len(diff_ids) != len(layers):
        raise StoreError(f"malformed archive: it has {len(layers)} layers, the config {len(diff_ids)} diff_ids")
    descriptors = [_layer(section, diff_id, known) for section, diff_id in zip(layers, diff_ids, strict=True)]
    family = Format.OCI if any(layer.media_type == OCI_LAYER_ZSTD for layer in descriptors) else Format.DOCKER
    named = tuple(replace(layer, media_type=family.layer_as(layer.media_type)) for layer in descriptors)
    return Manifest(media_type=family.manifest, config=Blob.of(config, family.config).descriptor, layers=named)


def _layer(section: Section, diff_id: Digest, known: dict[Section, Digest]) -> Descriptor:
    """A layer that isn't compressed has its diff_id for a digest; reading it will prove that. Each of the others is read once."""
    with section.open() as stream:
        start = stream.read(max(map(len, _COMPRESSED)))
    media_type = next((_COMPRESSED[magic] for magic in _COMPRESSED if start.startswith(magic)), None)
    if media_type is None:
        return Descriptor(media_type=DOCKER_LAYER, digest=diff_id, size=section.size)
    if section not in known:
        known[section] = _digest(section)
    return Descriptor(media_type=media_type, digest=known[section], size=section.size)


def _digest(section: Section) -> Digest:
    hasher = hashlib.sha256()
    with section.open() as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)
    return Digest(algorithm="sha256", hex=hasher.hexdigest())
