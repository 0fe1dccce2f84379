"""An OCI layout in a tar, as `docker save` since version 25 and `podman save --format oci-archive` write it.

It has manifest.json as well, so that a docker without containerd's image store can load the images of one platform.
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
from builder.image.media import MANIFESTS, OCI_INDEX
from builder.image.reference import Reference
from builder.image.verify import read_small, verified
from builder.store.archive import CONTAINERD_NAME
from builder.store.names import REF_NAME
from builder.store.tarfiles import TarFile
from builder.values import replace


class OciArchiveStore:
    """A store that is only written, indexes too; a context manager as TarballStore."""

    def __init__(self, path: Path, stream: BinaryIO | None = None) -> None:
        self._path = path
        self._tar = TarFile(path, stream)
        self._lock = threading.Lock()
        self._stored: set[Digest] = set()
        self._entries: list[Descriptor] = []
        self._manifests: dict[Digest, Manifest] = {}

    def __enter__(self) -> Self:
        self._tar.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._tar.add_bytes("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
            self._tar.add_bytes("index.json", self._index())
            self._tar.add_bytes("manifest.json", self._manifest())
        self._tar.__exit__(kind, error, trace)

    def has(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self._stored

    def put(self, blob: Blob) -> None:
        descriptor = blob.descriptor
        with self._lock:
            if self.has(descriptor):
                return
            if descriptor.media_type in MANIFESTS:
                parsed = parse_manifest(read_small(blob.open(), descriptor, where="its source"), descriptor.media_type)
                if isinstance(parsed, Manifest):
                    self._manifests[descriptor.digest] = parsed
            with verified(blob.open(), descriptor, where="its source") as stream:
                self._tar.add(_file_name(descriptor), stream, size=descriptor.size)
            self._stored.add(descriptor.digest)

    def tag(self, name: str, manifest: Blob) -> None:
        self.put(manifest)
        annotations = {CONTAINERD_NAME: name, REF_NAME: name}
        self._entries.append(replace(manifest.descriptor, annotations={**manifest.descriptor.annotations, **annotations}))

    def add(self, manifest: Blob) -> None:
        """An image without a name."""
        self.put(manifest)
        self._entries.append(manifest.descriptor)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        raise StoreError(f"can't read {descriptor.digest} from archive {str(self._path)!r} while it is being written")

    def resolve(self, name: str) -> Descriptor:
        raise StoreError(f"can't look up {name!r} in archive {str(self._path)!r} while it is being written")

    def _index(self) -> bytes:
        entries = [entry.to_json() for entry in self._entries]
        return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, indent=2).encode()

    def _manifest(self) -> bytes:
        tags: dict[Digest, list[str]] = {}
        for entry in self._entries:
            if entry.digest in self._manifests:
                tags.setdefault(entry.digest, []).extend(_tag(entry))
        images = [
            {
                "Config": _file_name(self._manifests[digest].config),
                "RepoTags": names,
                "Layers": [_file_name(layer) for layer in self._manifests[digest].layers],
            }
            for digest, names in tags.items()
        ]
        return json.dumps(images).encode()


def _tag(entry: Descriptor) -> list[str]:
    name = entry.annotations.get(REF_NAME)
    reference = Reference.parse(name) if name else None
    return [replace(reference, digest=None).familiar] if reference is not None and reference.tag else []


def _file_name(descriptor: Descriptor) -> str:
    return f"blobs/{descriptor.digest.algorithm}/{descriptor.digest.hex}"
