"""Sending a blob to a registry (OCI distribution spec, Pushing blobs).

First a cross-repository mount, if the same registry has the blob elsewhere; then one PUT of the whole; then, for registries and
proxies that refuse that, pieces. After a break the registry is asked how much has arrived, and gets the rest in pieces. One that
doesn't know any more (distribution forgets an upload that broke within a request) gets the blob from its beginning.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import BinaryIO, cast
from urllib.parse import quote

from builder.errors import RegistryError
from builder.image.blob import Blob
from builder.image.growing import GivenUp, Growing
from builder.image.reference import Repository
from builder.image.verify import sized, verified
from builder.registry.address import joined
from builder.registry.request import Request
from builder.registry.transport import Answer, Transport
from builder.registry.wire import number
from builder.retry import Transient
from builder.values import dataclass, replace
from builder.web import shown

log = logging.getLogger(__name__)

_CHUNK = 128 << 10
"""Bytes: they stay in the cache of a core between read and write, which larger ones do not; smaller ones cost more calls."""
_PIECES = (16 << 20, 1 << 20)
"""Bytes of a PATCH. The last is what nginx takes unless it is told otherwise."""

_BYTES_A_BREAK = 64 << 20
_REFUSES_WHOLE = frozenset({400, 404, 405, 411, 413, 415, 501})
_DAMAGED = frozenset({"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "DIGEST_INVALID", "SIZE_INVALID"})
_OUT_OF_STEP = 416
_BREAKS_BEFORE_PIECES = 2
_TAKEN = {201, 202, 204}
"""How a PATCH is answered: by 202 (OCI); Pulp and go-containerregistry's own registry say 204, as Docker's API once did."""
_OCTETS = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An upload that has begun: where its bytes go, the fewest of them a piece may have, how many the registry has."""

    url: str
    least: int
    offset: int = 0


class _Part:
    """The next `size` bytes of a stream, as a request's body."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[memoryview]:
        """Each piece is overwritten by the next."""
        buffer, left = memoryview(bytearray(min(_CHUNK, self._size))), self._size
        while left:
            size = cast(io.BufferedIOBase, self._stream).readinto(buffer[: min(_CHUNK, left)])
            left -= size
            yield buffer[:size]


class Upload:
    """The upload of one blob into `repository`. If it has begun, `session` says how far it is, `broke` that this isn't sure."""

    def __init__(
        self,
        transport: Transport,
        repository: Repository,
        blob: Blob,
        *,
        session: Session | None = None,
        broke: bool = False,
    ) -> None:
        self._transport = transport
        self._repository = repository
        self._blob = blob
        self._session = session
        self._broke = broke
        self._doubted = False
        self._ways = [0, *_PIECES]
        self._breaks = 0

    def run(self) -> None:
        """Returns when the registry has the blob. Raises RegistryError, or ImageError when the blob isn't what it should be."""
        if self._mount():
            return
        retry = self._transport.retry
        tries = retry.tries + self._blob.descriptor.size // _BYTES_A_BREAK
        replace(retry, tries=tries).run(self._attempt)

    @classmethod
    def follow(cls, transport: Transport, repository: Repository, growing: Growing) -> None:
        """Send a blob while it is being written: one PATCH, and its digest when that is known. Raises as `run`, and GivenUp."""
        session, broke = begin(transport, repository), False
        patch = replace(_request(repository, "PATCH", session.url, expected=_TAKEN), headers=_OCTETS, body=growing)
        try:
            with transport.send(patch) as answer:
                session = replace(session, url=upload_url(answer), offset=growing.blob().descriptor.size)
        except (GivenUp, RegistryError):
            give_up(transport, repository, session)
            raise
        except Transient as failure:
            log.debug("an upload of what is being written broke: %s", failure)
            broke = True
        cls(transport, repository, growing.blob(), session=session, broke=broke).run()

    def _mount(self) -> bool:
        """Whether the registry has taken the blob over from another of its repositories; if not, it may have begun an upload."""
        origin, digest = self._blob.origin, self._blob.descriptor.digest
        if origin is None or origin.host != self._repository.host or origin.path == self._repository.path:
            return False
        query = f"mount={quote(str(digest))}&from={quote(origin.path, safe='')}"
        request = self._request("POST", f"blobs/uploads/?{query}", expected={201, 202})
        request = replace(request, also=frozenset({f"repository:{origin.path}:pull"}), repeatable=True, body=b"")
        try:
            answer = self._transport.send(request)
        except RegistryError as error:
            log.debug("can't mount %s from %s: %s", digest, origin, error.message)
            return False
        with answer:
            if answer.status == 202:
                self._session = _begun(answer)
            return answer.status == 201

    def _attempt(self) -> None:
        if self._broke and self._is_complete():
            return
        self._session = session = self._session or begin(self._transport, self._repository)
        self._broke = True
        try:
            self._send(session)
        except Transient as failure:
            self._breaks += isinstance(failure.error, RegistryError) and failure.error.status == 0
            if self._breaks >= _BREAKS_BEFORE_PIECES:
                self._smaller()  # a proxy that refuses long bodies may hang up before its answer can be read
            raise
        except RegistryError as error:
            if error.status == _OUT_OF_STEP:
                raise Transient(error, retry_after=0) from error
            self._session, self._broke = None, False
            if error.code in _DAMAGED:
                self._doubted = True
                raise Transient(error) from error
            if error.status in _REFUSES_WHOLE and self._smaller():
                raise Transient(error, retry_after=0) from error
            raise

    def _smaller(self) -> bool:
        """Go over to smaller pieces; False when there are none."""
        if len(self._ways) > 1:
            self._ways.pop(0)
            return True
        return False

    def _is_complete(self) -> bool:
        """Whether the registry has the blob, though its answer was lost; if not, learn how much of it has arrived."""
        session, self._session = self._session, None
        if session is not None:
            request = self._request("GET", session.url, expected={200, 202, 204})
            try:
                with self._transport.send(request) as answer:
                    self._session = _continued(answer, session, self._blob.descriptor.size)
                    return False
            except Transient:
                self._session = session
                raise
            except RegistryError as error:
                log.debug("an upload of %s is lost: %s", self._blob.descriptor.digest, error.message)
        path = f"blobs/{self._blob.descriptor.digest}"
        with self._transport.send(self._request("HEAD", path, expected={200, 404, 405})) as answer:
            return answer.status == 200

    def _send(self, session: Session) -> None:
        size, piece = self._blob.descriptor.size, self._ways[0]
        if size and session.offset == size:
            self._finish(session, b"")
            return
        if session.offset and not piece:
            piece = _PIECES[0]
        # A file of ours was verified when it was written, and the registry verifies what it gets: who reads it need not.
        checked = sized if self._blob.path is not None and not self._doubted else verified
        with checked(self._blob.open(), self._blob.descriptor, where="its source") as stream:
            if not piece or not size:
                self._finish(session, _Part(stream, size) if size else b"")
                return
            _skip(stream, session.offset)
            while session.offset < size:
                session = self._send_piece(session, stream, min(max(piece, session.least), size - session.offset))
                self._session = session
        self._finish(session, b"")

    def _send_piece(self, session: Session, stream: BinaryIO, size: int) -> Session:
        request = self._request("PATCH", session.url, expected=_TAKEN)
        end = session.offset + size
        headers = {**_OCTETS, "Content-Range": f"{session.offset}-{end - 1}"}
        with self._transport.send(replace(request, headers=headers, body=_Part(stream, size))) as answer:
            arrived = _arrived(answer)
            if arrived is not None and arrived != end:
                message = f"PATCH {shown(answer.url)}: the registry has {arrived} of the {end} bytes sent"
                raise Transient(RegistryError(message, status=answer.status))
            return replace(session, url=upload_url(answer), offset=end)

    def _finish(self, session: Session, body: bytes | _Part) -> None:
        digest = self._blob.descriptor.digest
        url = f"{session.url}{'&' if '?' in session.url else '?'}digest={quote(str(digest))}"
        request = self._request("PUT", url, expected={201, 204})
        self._transport.send(replace(request, headers=_OCTETS, body=body)).close()

    def _request(self, method: str, path: str, *, expected: set[int]) -> Request:
        return _request(self._repository, method, path, expected=expected)


def begin(transport: Transport, repository: Repository) -> Session:
    """An upload that has nothing yet. Raises RegistryError."""
    request = _request(repository, "POST", "blobs/uploads/", expected={202})
    with transport.send(replace(request, repeatable=True, body=b"")) as answer:
        return _begun(answer)


def give_up(transport: Transport, repository: Repository, session: Session) -> None:
    """Let the registry forget an upload."""
    try:
        transport.send(_request(repository, "DELETE", session.url, expected={200, 202, 204})).close()
    except (RegistryError, Transient) as error:  # it drops an unused upload by itself
        log.debug("can't give up an upload: %s", error)


def _request(repository: Repository, method: str, path: str, *, expected: set[int]) -> Request:
    return Request(method=method, repository=repository, path=path, expected=frozenset(expected), push=True, repeatable=False)


def upload_url(answer: Answer) -> str:
    """Where the upload goes on; a relative Location is meant from the URL asked, and its query belongs to it."""
    location = answer.headers.get("Location")
    if not location:
        raise RegistryError(f"POST {shown(answer.url)}: the answer has no Location for the upload", status=answer.status)
    return joined(answer.url, location)


def _begun(answer: Answer) -> Session:
    least = number(answer.headers.get("OCI-Chunk-Min-Length", ""))
    return Session(url=upload_url(answer), least=least or 0)


def _continued(answer: Answer, session: Session, size: int) -> Session | None:
    """The session as the registry knows it; None if it doesn't say how much has arrived.

    `0-0` is one byte, or none from distribution: not worth going on with.
    """
    arrived = _arrived(answer)
    if arrived is None or not 1 < arrived <= size:
        return None
    location = answer.headers.get("Location")
    return replace(session, url=joined(answer.url, location) if location else session.url, offset=arrived)


def _arrived(answer: Answer) -> int | None:
    """Bytes by the Range header, `0-<last>`."""
    last = number(answer.headers.get("Range", "").rpartition("-")[2])
    return None if last is None else last + 1


def _skip(stream: BinaryIO, size: int) -> None:
    """Read so much of the stream; at its end it knows whether all of it was right."""
    while size:
        size -= len(stream.read(min(_CHUNK, size)))
