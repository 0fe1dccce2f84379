"""An OCI layout: a directory with blobs by digest and index.json with the names (OCI image spec, image-layout.md).

Several processes may share one: a blob appears under its final name only when it is whole, and index.json changes under a lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from builder.errors import ImageError, StoreError
from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.media import OCI_INDEX
from builder.image.verify import verified
from builder.store.names import REF_NAME, digest_of, find, sniff

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class LayoutStore:
    """The layout in the directory `path`, which is made by the first write."""

    path: Path

    def blob_path(self, digest: Digest) -> Path:
        """Where the blob is, or would be."""
        return self.path / "blobs" / digest.algorithm / digest.hex

    def has(self, descriptor: Descriptor) -> bool:
        try:
            return self.blob_path(descriptor.digest).stat().st_size == descriptor.size
        except FileNotFoundError:
            return False

    def open(self, descriptor: Descriptor) -> BinaryIO:
        path = self.blob_path(descriptor.digest)
        try:
            return verified(path.open("rb", buffering=0), descriptor, where=str(self.path))
        except FileNotFoundError as error:
            raise StoreError(f"layout {str(self.path)!r} has no blob {descriptor.digest}") from error

    def put(self, blob: Blob) -> None:
        """Hard-link the blob's own file if there is one on this filesystem, else copy and verify its bytes."""
        if self.has(blob.descriptor):
            return
        self._create()
        target = self.blob_path(blob.descriptor.digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        if blob.path is None or not _link(blob.path, target, size=blob.descriptor.size):
            with self._replacing(target) as out, verified(blob.open(), blob.descriptor, where="its source") as source:
                while chunk := source.read(_CHUNK):
                    out.write(chunk)

    def resolve(self, name: str) -> Descriptor:
        """Also `""`, which means the only image of the layout."""
        found = find(name, [(_names(entry), entry) for entry in self._entries()], where=f"layout {str(self.path)!r}")
        if found is not None:
            return found
        digest = digest_of(name)
        if digest is not None and self.blob_path(digest).is_file():
            return sniff(self.blob_path(digest).read_bytes(), digest)
        known = ", ".join(sorted(self.names())) or "none"
        raise StoreError(f"layout {str(self.path)!r} has no image {name!r}", hint=f"its names are: {known}")

    def tag(self, name: str, manifest: Blob) -> None:
        """The name moves here from any other manifest; an entry without a name stays."""
        self.put(manifest)
        entry = replace(manifest.descriptor, annotations={**manifest.descriptor.annotations, REF_NAME: name})
        with self._locked():
            kept = [other for other in self._entries() if other.annotations.get(REF_NAME) != name]
            self._write_index([*kept, entry])

    def names(self) -> dict[str, Descriptor]:
        """Every name and what it means, in the order of index.json."""
        return {entry.annotations[REF_NAME]: entry for entry in self._entries() if REF_NAME in entry.annotations}

    def _entries(self) -> list[Descriptor]:
        path = self.path / "index.json"
        try:
            document: Any = json.loads(path.read_bytes())
            return [Descriptor.from_json(item) for item in document["manifests"]]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError, ImageError) as error:
            raise StoreError(f"malformed layout: can't read {str(path)!r}: {error}") from error

    def _write_index(self, entries: list[Descriptor]) -> None:
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry.to_json() for entry in entries]}
        with self._replacing(self.path / "index.json") as out:
            out.write(json.dumps(document, indent=2).encode())

    def _create(self) -> None:
        if (self.path / "oci-layout").exists():
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if not (self.path / "index.json").exists():
                self._write_index([])
            with self._replacing(self.path / "oci-layout") as out:
                out.write(b'{"imageLayoutVersion": "1.0.0"}')

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The directory itself is locked, so that the layout needs no file that the specification doesn't know.
        directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)

    @contextmanager
    def _replacing(self, target: Path) -> Iterator[BinaryIO]:
        """A new file that takes the target's name at the end, or vanishes if there is an error."""
        # Not beside the blob: readers of layouts take every file there for a blob.
        temporary = self.path / f".{secrets.token_hex(8)}.part"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as out:
                yield out
            temporary.rename(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _names(entry: Descriptor) -> tuple[str, ...]:
    name = entry.annotations.get(REF_NAME)
    return () if name is None else (name,)


def _link(source: Path, target: Path, *, size: int) -> bool:
    """Whether `target` is now another name of `source`; not when it lies elsewhere, may not be linked, or has another size."""
    try:
        status = source.stat()
        if status.st_size != size:
            return False
        if status.st_mode & 0o444 != 0o444:
            source.chmod(0o644)  # a layout is there to be read by others; the builder's own files are private
        os.link(source, target)
    except FileExistsError:
        return target.stat().st_size == size
    except OSError:
        return False
    return True
