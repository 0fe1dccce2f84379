"""An OCI layout: a directory with blobs by digest and index.json with the names (OCI image spec, image-layout.md).

Several processes may share one: a blob appears under its final name only when it is whole, and index.json changes under a lock.
Where blobs are deleted as well (garbage.py) everyone holds those that he needs, see `opened`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from builder.errors import ImageError, StoreError
from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.media import INDEXES, MANIFESTS, OCI_INDEX
from builder.image.verify import SMALL_LIMIT, pieces, read_small, verified
from builder.store.holds import Holds
from builder.store.names import REF_NAME, digest_of, find, referred_to, sniff
from builder.values import dataclass, replace

_MAY_NOT = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_LARGEST_INDEX = 64 << 20
"""Bytes: some 200,000 names."""
PART = ".part"
"""How the names of files end that are being written, in the layout's own directory."""


@dataclass(frozen=True, slots=True)
class LayoutStore:
    """The layout in the directory `path`, which is made by the first write.

    With `holds`, whatever was found or stored here stays until they are closed, whoever deletes.
    """

    path: Path
    holds: Holds | None = None

    def blob_path(self, digest: Digest) -> Path:
        """Where the blob is, or would be."""
        return self.path / "blobs" / digest.algorithm / digest.hex

    def own_file(self, digest: Digest) -> Path | None:
        """The blob's file in a layout that is held, and so masu's own.

        In another's a link may lead to any file of this machine, and nobody has compared what is there with its digest.
        """
        path = self.blob_path(digest)
        return path if self.holds is not None and path.is_file() else None

    def has(self, descriptor: Descriptor) -> bool:
        if self.holds is None or descriptor.digest in self.holds:
            return self._is_whole(descriptor)
        with self.locked(shared=True):
            return self._is_whole(descriptor) and self.holds.take(descriptor.digest, self.blob_path(descriptor.digest))

    def open(self, descriptor: Descriptor) -> BinaryIO:
        path = self.blob_path(descriptor.digest)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a layout is a stranger's: it may have a pipe there
        except FileNotFoundError as error:
            raise StoreError(f"layout {str(self.path)!r} has no blob {descriptor.digest}") from error
        file = open(fd, "rb", buffering=0)  # noqa: SIM115 - the reader closes it
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            file.close()
            raise StoreError(f"blob {descriptor.digest} of layout {str(self.path)!r} is no regular file")
        return verified(file, descriptor, where=str(self.path))

    def put(self, blob: Blob) -> None:
        """Hard-link the blob's own file if there is one on this filesystem, else copy and verify its bytes."""
        if not self.has(blob.descriptor):
            self._store(blob)
        if self.holds is not None and blob.descriptor.media_type in MANIFESTS | INDEXES:
            # It is held itself, and stands for them: a process has not that many descriptors.
            data = read_small(self.open(blob.descriptor), blob.descriptor, where=str(self.path))
            self.holds.release(child.digest for child in referred_to(data))

    def resolve(self, name: str) -> Descriptor:
        """Also `""`, which means the only image of the layout."""
        if self.holds is None:
            return self._resolve(name)
        with self.locked(shared=True):
            found = self._resolve(name)
            self.holds.take(found.digest, self.blob_path(found.digest))
            return found

    def tag(self, name: str, manifest: Blob) -> None:
        """The name moves here from any other manifest; an entry without a name stays."""
        self.put(manifest)
        entry = replace(manifest.descriptor, annotations={**manifest.descriptor.annotations, REF_NAME: name})
        with self.locked():
            kept = [other for other in self.entries() if other.annotations.get(REF_NAME) != name]
            self.write_index([*kept, entry])

    def names(self) -> dict[str, Descriptor]:
        """Every name and what it means, in the order of index.json."""
        return {entry.annotations[REF_NAME]: entry for entry in self.entries() if REF_NAME in entry.annotations}

    def entries(self) -> list[Descriptor]:
        """Those of index.json, also without names; none when there is no layout yet."""
        path = self.path / "index.json"
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST_INDEX + 1)
            if len(data) > _LARGEST_INDEX:
                raise ValueError(f"it has more than {_LARGEST_INDEX} bytes")
            document: Any = json.loads(data)
            return [Descriptor.from_json(item) for item in document["manifests"]]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError, RecursionError, ImageError) as error:
            raise StoreError(f"malformed layout: can't read {str(path)!r}: {error}") from error

    def write_index(self, entries: Sequence[Descriptor]) -> None:
        """Replace index.json; to be called under the lock."""
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry.to_json() for entry in entries]}
        self._replace("index.json", json.dumps(document, indent=2).encode())

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """For moments only. Exclusive: index.json or blobs change; shared: nobody deletes. Without a layout it does nothing."""
        # The directory itself is locked, so that the layout needs no file that the specification doesn't know.
        try:
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield
            return
        except OSError as error:
            raise StoreError(f"can't open store {str(self.path)!r}: {error.strerror}") from error
        try:
            fcntl.flock(directory, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)

    def _store(self, blob: Blob) -> None:
        self._create()
        if blob.path is None or not self._link(blob.path, blob.descriptor):
            with self._new_file() as (out, temporary), verified(blob.open(), blob.descriptor, where="its source") as source:
                for piece in pieces(source, most=blob.descriptor.size):
                    out.write(piece)
                out.flush()
                self._place(temporary, blob.descriptor)

    def _is_whole(self, descriptor: Descriptor) -> bool:
        try:
            return self.blob_path(descriptor.digest).stat().st_size == descriptor.size
        except FileNotFoundError:
            return False

    def _resolve(self, name: str) -> Descriptor:
        found = find(name, [(_names(entry), entry) for entry in self.entries()], where=f"layout {str(self.path)!r}")
        if found is not None:
            return found
        digest = digest_of(name)
        if digest is not None and self.blob_path(digest).is_file():
            with self.blob_path(digest).open("rb") as file:
                return sniff(file.read(SMALL_LIMIT + 1), digest)
        known = ", ".join(sorted(self.names())) or "none"
        raise StoreError(f"layout {str(self.path)!r} has no image {name!r}", hint=f"its names are: {known}")

    def _create(self) -> None:
        if (self.path / "oci-layout").exists():
            return
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
        with self.locked():
            if not (self.path / "index.json").exists():
                self.write_index([])
            self._replace("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')

    def _link(self, source: Path, descriptor: Descriptor) -> bool:
        """Whether the blob is now another name of `source`; not if that lies elsewhere, may not be linked or has another size."""
        try:
            status = source.stat()
            if status.st_size != descriptor.size:
                return False
            if status.st_mode & 0o444 != 0o444:
                source.chmod(0o644)  # a layout is there to be read by others; the builder's own files are private
            with self._placing(descriptor) as target:
                os.link(source, target)
        except FileExistsError:
            return self.has(descriptor)
        except OSError:
            return False
        return True

    def _place(self, temporary: Path, descriptor: Descriptor) -> None:
        # Not over one that another process has stored meanwhile: that file, not ours, is the one which he holds.
        with self._placing(descriptor) as target:
            if not self._is_whole(descriptor):
                temporary.rename(target)

    @contextmanager
    def _placing(self, descriptor: Descriptor) -> Iterator[Path]:
        """The blob's place, under the lock; what is there afterwards is held."""
        target = self.blob_path(descriptor.digest)
        with self.locked():
            target.parent.mkdir(parents=True, exist_ok=True)
            yield target
            if self.holds is not None:
                self.holds.take(descriptor.digest, target)

    @contextmanager
    def _new_file(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A file to write, and where it is; gone at the end unless it was renamed. Its lock tells that its writer is alive."""
        # Not beside the blob: readers of layouts take every file there for a blob.
        temporary = self.path / f".{os.urandom(8).hex()}{PART}"
        with self.locked(shared=True), self._writing():
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        try:
            with os.fdopen(descriptor, "wb") as out:
                yield out, temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _replace(self, name: str, data: bytes) -> None:
        """Give a small file its new content all at once; under the lock."""
        temporary = self.path / f".{os.urandom(8).hex()}{PART}"
        with self._writing():
            try:
                temporary.write_bytes(data)
                temporary.rename(self.path / name)
            finally:
                temporary.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _MAY_NOT:
                raise
            hint = "give --state-dir, or MASU_STATE_DIR, a directory that can be written"
            raise StoreError(f"can't write to store {str(self.path)!r}: {error.strerror}", hint=hint) from error


@contextmanager
def opened(path: Path) -> Iterator[LayoutStore]:
    """The layout in `path`; what is found or stored there is held until the context ends."""
    with Holds() as holds:
        yield LayoutStore(path, holds)


def _names(entry: Descriptor) -> tuple[str, ...]:
    name = entry.annotations.get(REF_NAME)
    return () if name is None else (name,)
