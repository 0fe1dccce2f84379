"""Writing an archive of images: a tar whose members come one after the other, to a file that appears whole, or to a stream."""

from __future__ import annotations

import io
import os
import secrets
import tarfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from builder.errors import StoreError


class TarFile:
    """A context manager. The archive is at `path` when it ends without an error; with a `stream` it goes there.

    So it does to a device or pipe at `path`, which nothing can take the place of.
    """

    def __init__(self, path: Path, stream: BinaryIO | None = None) -> None:
        self.path = path
        self._stream = stream
        self._opened: BinaryIO | None = None
        self._place = Path(os.path.realpath(path))
        self._temporary = self._place.with_name(f".{path.name}.{secrets.token_hex(4)}.part")

    def __enter__(self) -> Self:
        try:
            if self._stream is None and self._place.exists() and not self._place.is_file():
                self._stream = self._opened = self._place.open("wb")
            self._file = self._stream or self._temporary.open("xb")
        except OSError as error:
            raise StoreError(f"can't write archive {str(self.path)!r}: {error.strerror}") from error
        self._tar = tarfile.open(fileobj=self._file, mode="w|" if self._stream else "w", format=tarfile.PAX_FORMAT)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._tar.close()
                self._file.flush()
            if error is None and self._stream is None:
                self._file.close()
                self._temporary.rename(self._place)
        finally:
            if self._stream is None:
                self._file.close()
                self._temporary.unlink(missing_ok=True)
            else:
                # What these raise is told already; left open, it would be tried again when it is collected.
                with suppress(OSError):
                    self._tar.fileobj.close()
                if self._opened is not None:
                    with suppress(OSError):
                        self._opened.close()

    def add(self, name: str, stream: BinaryIO, *, size: int) -> None:
        """Add a file of `size` bytes."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o644
        self._tar.addfile(member, stream)

    def add_bytes(self, name: str, data: bytes) -> None:
        self.add(name, io.BytesIO(data), size=len(data))
