"""Reading blobs and manifests from a registry (OCI distribution spec, Pulling)."""

from __future__ import annotations

import io
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, cast

from builder.errors import ImageError, RegistryError
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.media import INDEXES, MANIFESTS, OCI_INDEX, OCI_MANIFEST, MediaType
from builder.image.verify import SMALL_LIMIT, verified
from builder.registry.request import Request
from builder.registry.transport import Answer, Transport
from builder.registry.wire import number
from builder.retry import Transient
from builder.values import replace
from builder.web import shown

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BYTES_A_BREAK = 64 << 20
_VAGUE = frozenset({"application/json", "text/plain", "text/html", "application/octet-stream"})
_RANGE = re.compile(r"bytes ([0-9]{1,18})-")


def open_blob(transport: Transport, request: Request, descriptor: Descriptor) -> BinaryIO:
    """A verifying stream of the blob, its GET under way already; a broken connection goes on where it broke."""
    reader = _BlobReader(transport, request, descriptor)
    return verified(cast(BinaryIO, reader), descriptor, where=str(request.repository))


class _BlobReader(io.RawIOBase):
    """Asks for the rest when the connection breaks, the policy's number of times and once more for each 64 MB that came."""

    def __init__(self, transport: Transport, request: Request, descriptor: Descriptor) -> None:
        self._transport = transport
        self._request = request
        self._descriptor = descriptor
        self._size = descriptor.size
        self._offset = 0
        self._breaks = 0
        self._to_skip = 0
        self._at_end = False
        self._answer = self._begin()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """What has arrived, as much of it as there is room for."""
        view = memoryview(buffer).cast("B")
        while True:
            part = view[: self._to_skip] if self._to_skip else view
            try:
                size = self._answer.readinto(part)
            except Transient as failure:
                self._resume(failure)
                continue
            if size and self._to_skip:
                self._to_skip -= size
            elif size or self._offset >= self._size or self._at_end:
                self._offset += size
                return size
            else:
                message = f"GET {shown(self._answer.url)}: the answer ended after {self._offset} of {self._size} bytes"
                self._resume(Transient(RegistryError(message)))

    def close(self) -> None:
        self._answer.close()
        super().close()

    def _resume(self, failure: Transient) -> None:
        self._breaks += 1
        if self._breaks > self._transport.retry.tries - 1 + self._offset // _BYTES_A_BREAK:
            raise self._transport.retry.exhausted(failure) from failure
        self._answer.close()
        self._transport.retry.pause(self._breaks, failure)
        if not self._offset:
            self._answer = self._begin()
            return
        headers = {**self._request.headers, "Range": f"bytes={self._offset}-"}
        request = replace(self._request, headers=headers, expected=frozenset({200, 206, 416}))
        self._answer = self._transport.send(request)
        self._place()

    def _begin(self) -> Answer:
        """The answer with all of it; one that says itself that it has less will not get better by trying."""
        answer = self._transport.send(self._request)
        length = number(answer.headers.get("Content-Length", ""))
        if length is not None and length < self._size:
            answer.close()
            raise ImageError(
                f"GET {shown(answer.url)}: the registry has {length} bytes of blob {self._descriptor.digest}, not {self._size}",
                hint="the image is damaged in the registry: push it again",
            )
        return answer

    def _place(self) -> None:
        """Take note of where the new answer begins: a server may ignore Range, or have no more than what came already."""
        self._to_skip = self._offset if self._answer.status == 200 else 0
        self._at_end = self._answer.status == 416
        begin = _RANGE.match(self._answer.headers.get("Content-Range", ""))
        if self._answer.status == 206 and (begin is None or int(begin[1]) != self._offset):
            raise RegistryError(
                f"GET {shown(self._answer.url)}: the answer has another range than bytes {self._offset}-", status=206
            )


def read_manifest(transport: Transport, request: Request, *, digest: Digest | None) -> tuple[Descriptor, bytes]:
    """A manifest or index and its descriptor; verified if `digest` says what it must be, and against the registry's own digest.

    Raises ImageError when it is larger than SMALL_LIMIT or has another digest.
    """
    accept = ", ".join(sorted(MANIFESTS | INDEXES))
    answer, data = transport.read(replace(request, headers={"Accept": accept}), limit=SMALL_LIMIT)
    where = shown(answer.url)
    if len(data) > SMALL_LIMIT:
        raise ImageError(f"manifest {where} is too large: more than {SMALL_LIMIT} bytes")
    for wanted in (digest, _announced(answer)):
        if wanted is not None and _digest(data, wanted) != wanted.hex:
            raise ImageError(f"manifest {where} is not what it should be: its digest is not {wanted}")
    return Descriptor(media_type=_media_type(answer, data), digest=digest or Digest.of(data), size=len(data)), data


def _digest(data: bytes, like: Digest) -> str:
    hasher = like.hasher()
    hasher.update(data)
    return hasher.hexdigest()


def _announced(answer: Answer) -> Digest | None:
    text = answer.headers.get("Docker-Content-Digest")
    return Digest.parse(text) if text else None


def _media_type(answer: Answer, data: bytes) -> MediaType:
    """What the registry says; some say only that it is JSON or text, then what the document itself says."""
    announced = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    if announced and announced not in _VAGUE:
        return MediaType(announced)
    with suppress(ValueError, RecursionError):
        document = json.loads(data)
        if isinstance(document, dict) and isinstance(document.get("mediaType"), str):
            return MediaType(document["mediaType"])
        if isinstance(document, dict) and document.get("schemaVersion") == 2:
            return OCI_INDEX if "manifests" in document else OCI_MANIFEST
    return MediaType(announced)
