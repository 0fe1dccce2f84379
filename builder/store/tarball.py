"""The archive that `docker save` writes and `docker load`, `podman load` and skopeo's `docker-archive:` read.

Names inside are Kaniko's: `sha256:<hex>` for the config, `<hex>.tar.gz` for a layer, and manifest.json.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from builder.errors import StoreError
from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.manifest import Manifest, parse_manifest
from builder.image.media import DOCKER_CONFIG, DOCKER_LAYER, INDEXES, MANIFESTS, OCI_CONFIG, OCI_LAYER, OCI_LAYER_ZSTD
from builder.image.reference import Reference
from builder.image.verify import read_small, verified
from builder.store.archive import read_archive
from builder.store.tarfiles import TarFile
from builder.values import dataclass, replace

__all__ = ["TarballStore", "read_archive"]

_CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})
_SUFFIXES = {OCI_LAYER: ".tar", DOCKER_LAYER: ".tar", OCI_LAYER_ZSTD: ".tar.zst"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    manifest: Manifest
    tags: list[str]


class TarballStore:
    """A store that is only written: a context manager whose archive appears at `path` when it ends without an error.

    Threads may share it; their blobs are written one after the other.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tar = TarFile(path)
        self._lock = threading.Lock()
        self._stored: set[Digest] = set()
        self._images: dict[Digest, _Entry] = {}

    def __enter__(self) -> Self:
        self._tar.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._tar.add_bytes("manifest.json", self._manifest())
        self._tar.__exit__(kind, error, trace)

    def has(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self._stored

    def put(self, blob: Blob) -> None:
        descriptor = blob.descriptor
        if descriptor.media_type in MANIFESTS:
            self._image(blob)
        elif descriptor.media_type in INDEXES:
            raise StoreError(f"can't write index {descriptor.digest} to archive {str(self._path)!r}: it holds one platform only")
        else:
            self._put(descriptor, blob)

    def tag(self, name: str, manifest: Blob) -> None:
        """A name with a digest and no tag can't be in an archive; the image is stored all the same."""
        reference = Reference.parse(name)
        image = self._image(manifest)
        if reference.tag is not None:
            image.tags.append(replace(reference, digest=None).familiar)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        raise StoreError(f"can't read {descriptor.digest} from archive {str(self._path)!r} while it is being written")

    def resolve(self, name: str) -> Descriptor:
        raise StoreError(f"can't look up {name!r} in archive {str(self._path)!r} while it is being written")

    def _put(self, descriptor: Descriptor, blob: Blob) -> None:
        with self._lock:
            if self.has(descriptor):
                return
            with verified(blob.open(), descriptor, where="its source") as stream:
                self._tar.add(_file_name(descriptor), stream, size=descriptor.size)
            self._stored.add(descriptor.digest)

    def _image(self, blob: Blob) -> _Entry:
        data = read_small(blob.open(), blob.descriptor, where="its source")
        manifest = parse_manifest(data, blob.descriptor.media_type)
        if not isinstance(manifest, Manifest):
            raise StoreError(f"can't write index {blob.descriptor.digest} to archive {str(self._path)!r}")
        return self._images.setdefault(blob.descriptor.digest, _Entry(manifest=manifest, tags=[]))

    def _manifest(self) -> bytes:
        images = [
            {
                "Config": _file_name(entry.manifest.config),
                "RepoTags": entry.tags,
                "Layers": [_file_name(layer) for layer in entry.manifest.layers],
            }
            for entry in self._images.values()
        ]
        return json.dumps(images).encode()


def _file_name(descriptor: Descriptor) -> str:
    if descriptor.media_type in _CONFIGS:
        return str(descriptor.digest)
    return descriptor.digest.hex + _SUFFIXES.get(descriptor.media_type, ".tar.gz")
