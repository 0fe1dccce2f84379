"""A repository of a registry as a store (OCI distribution spec)."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, BinaryIO, TypeVar

from builder.errors import ImageError, RegistryError
from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.growing import Growing
from builder.image.media import INDEXES, MANIFESTS
from builder.image.reference import Reference, Repository
from builder.image.verify import read_small, verified
from builder.registry.download import open_blob, read_manifest
from builder.registry.failure import says_immutable
from builder.registry.referrers import referrers
from builder.registry.request import Request
from builder.registry.transport import Transport
from builder.registry.upload import Upload, begin, give_up
from builder.values import replace
from builder.web import shown

log = logging.getLogger(__name__)

T = TypeVar("T")

_DOCUMENTS = MANIFESTS | INDEXES


class RemoteRepository:
    """A Store; threads share it. `lax`: reading, too, is as insecure as the options for pushing allow (a cache repository).

    `forgive_immutable`: a tag that the registry refuses to move is only warned of.
    """

    def __init__(
        self, repository: Repository, *, transport: Transport, lax: bool = False, forgive_immutable: bool = False
    ) -> None:
        self.repository = repository
        self._transport = transport
        self._lax = lax
        self._forgive_immutable = forgive_immutable
        # The manifests that `resolve` had to read, so that `open` doesn't pull them again: registries count pulls.
        self._resolved: dict[Digest, bytes] = {}

    def reach(self) -> None:
        """Raises RegistryError, after one attempt, when the registry doesn't answer at all."""
        self._transport.reach(self.repository.host)

    def hastily(self, action: Callable[[RemoteRepository], T]) -> T:
        """What `action` does with this repository, each request tried once; a stream that it opens is patient from then on."""
        hasty = copy(self)
        hasty._transport = copy(self._transport)
        hasty._transport.retry = replace(self._transport.retry, tries=1)
        try:
            return action(hasty)
        finally:
            hasty._transport.retry = self._transport.retry

    def has(self, descriptor: Descriptor) -> bool:
        return self._has(descriptor, push=False)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Raises ImageError for a layer that is to be fetched from elsewhere (`urls`)."""
        _refuse_foreign(descriptor)
        data = self._resolved.get(descriptor.digest)
        if data is None and descriptor.media_type not in _DOCUMENTS:
            return open_blob(self._transport, self._get(f"blobs/{descriptor.digest}"), descriptor)
        if data is None:
            _, data = read_manifest(self._transport, self._get(f"manifests/{descriptor.digest}"), digest=descriptor.digest)
        return verified(io.BytesIO(data), descriptor, where=str(self.repository))

    def resolve(self, name: str) -> Descriptor:
        name = self._own(name)
        digest = Digest.parse(name) if ":" in name else None
        descriptor, data = read_manifest(self._transport, self._get(f"manifests/{name}"), digest=digest)
        self._resolved[descriptor.digest] = data
        return descriptor

    def put(self, blob: Blob) -> None:
        """Mounted from `blob.origin` if that is in the same registry."""
        descriptor = blob.descriptor
        _refuse_foreign(descriptor)
        if self._has(descriptor, push=True):
            log.debug("%s has %s", self.repository, descriptor.digest)
        elif descriptor.media_type in _DOCUMENTS:
            self._put_manifest(str(descriptor.digest), blob)
        else:
            Upload(self._transport, self.repository, blob).run()

    def follow(self, growing: Growing) -> None:
        """Store a blob that is still being written. Raises RegistryError or, when it never will be whole, GivenUp."""
        Upload.follow(self._transport, self.repository, growing)

    def tag(self, name: str, manifest: Blob) -> None:
        """An immutable tag that means this manifest already is as good as one just set."""
        tag = self._own(name)
        try:
            self._put_manifest(tag, manifest)
        except RegistryError as error:
            if _may_be_immutable(error) and self._means(tag, manifest.descriptor):
                log.info("%s:%s is %s already: %s", self.repository, tag, manifest.descriptor.digest, error.message)
            elif self._forgive_immutable and says_immutable(error):
                log.warning("%s:%s is immutable and keeps its image: %s", self.repository, tag, error.message)
            else:
                raise

    def referrers(self, digest: Digest) -> tuple[Mapping[str, Any], ...]:
        """The descriptors, as JSON, of the manifests that refer to this one."""
        return referrers(self._transport, self.repository, digest)

    def check_push(self) -> None:
        """Begin an upload and give it up: raises RegistryError when the repository may not be pushed to."""
        give_up(self._transport, self.repository, begin(self._transport, self.repository))

    def _own(self, name: str) -> str:
        """The tag or the text of the digest; raises ImageError when the name is of another repository."""
        if "/" not in name and (":" not in name or name.startswith(("sha256:", "sha512:"))):
            return name
        reference = Reference.parse(name)
        if reference.repository != self.repository:
            raise ImageError(f"{name!r} is not in repository {str(self.repository)!r}")
        return reference.name

    def _get(self, path: str) -> Request:
        return Request(method="GET", repository=self.repository, path=path, lax=self._lax)

    def _has(self, descriptor: Descriptor, *, push: bool) -> bool:
        kind = "manifests" if descriptor.media_type in _DOCUMENTS else "blobs"
        request = Request(
            method="HEAD",
            repository=self.repository,
            path=f"{kind}/{descriptor.digest}",
            expected=frozenset({200, 404, 405}),  # who knows no HEAD can't tell, and is sent it
            headers={"Accept": descriptor.media_type} if kind == "manifests" else {},
            push=push,
            lax=self._lax,
        )
        with self._transport.send(request) as answer:
            return answer.status == 200

    def _put_manifest(self, name: str, blob: Blob) -> None:
        descriptor = blob.descriptor
        request = Request(
            method="PUT",
            repository=self.repository,
            path=f"manifests/{name}",
            expected=frozenset({200, 201, 202}),
            headers={"Content-Type": descriptor.media_type},
            body=read_small(blob.open(), descriptor, where="its source"),
            push=True,
        )
        with self._transport.send(request) as answer:
            stored = answer.headers.get("Docker-Content-Digest")
            if stored and stored != str(descriptor.digest):
                message = f"PUT {shown(answer.url)}: the registry stored {stored}, not {descriptor.digest}"
                raise RegistryError(message, status=answer.status)

    def _means(self, tag: str, descriptor: Descriptor) -> bool:
        try:
            return self.resolve(tag).digest == descriptor.digest
        except RegistryError as error:
            log.debug("can't tell what %s:%s means: %s", self.repository, tag, error.message)
            return False


def _may_be_immutable(error: RegistryError) -> bool:
    """Registries have no common code for a tag that can't be moved: ECR answers 400, Harbor 412, others 409."""
    return error.status in (400, 409, 412) or says_immutable(error)


def _refuse_foreign(descriptor: Descriptor) -> None:
    if descriptor.urls:
        hint = "such layers, of Windows base images, can not be built on or copied"
        raise ImageError(f"layer {descriptor.digest} is not in the registry but at {descriptor.urls[0]!r}", hint=hint)
