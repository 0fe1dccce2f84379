"""What refers to a manifest: signatures, SBOMs and the like (OCI distribution spec, Listing Referrers)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.errors import ImageError, NotFoundError, RegistryError
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.media import OCI_INDEX
from builder.image.reference import Repository
from builder.image.verify import SMALL_LIMIT
from builder.registry.address import joined
from builder.registry.request import Request
from builder.registry.transport import Transport
from builder.web import shown

_MOST_PAGES = 100
_NO_SUCH_API = frozenset({400, 404, 405, 406})
"""404 by the specification; go-containerregistry takes 400 and 406 for the same (pkg/v1/remote/referrers.go)."""
_NEXT = re.compile(r'<([^<>]*)>\s*;[^<,]*\brel="?next"?')


def referrers(transport: Transport, repository: Repository, digest: Digest) -> tuple[Mapping[str, Any], ...]:
    """The descriptors, as JSON, of all manifests whose subject is `digest`; none if nobody knows any.

    A registry without that API is asked for the index with the tag that stands in for it. Raises RegistryError, and ImageError
    for an answer that isn't an index.
    """
    try:
        return tuple(_pages(transport, repository, f"referrers/{digest}"))
    except RegistryError as error:
        if error.status not in _NO_SUCH_API:
            raise
    try:
        return tuple(_pages(transport, repository, f"manifests/{digest.algorithm}-{digest.hex}"))
    except NotFoundError:
        return ()


def _pages(transport: Transport, repository: Repository, path: str) -> Iterator[Mapping[str, Any]]:
    for _ in range(_MOST_PAGES):
        request = Request(method="GET", repository=repository, path=path, headers={"Accept": OCI_INDEX})
        answer, data = transport.read(request, limit=SMALL_LIMIT)
        yield from _manifests(data, where=shown(answer.url))
        following = _NEXT.search(answer.headers.get("Link", ""))
        if following is None:
            return
        path = joined(answer.url, following[1])
    raise ImageError(f"{repository} has more than {_MOST_PAGES} pages of referrers")


def _manifests(data: bytes, *, where: str) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(data) if len(data) <= SMALL_LIMIT else None
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{where} is not JSON") from error
    found = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise ImageError(f"{where} is not an index of at most {SMALL_LIMIT} bytes")
    for item in found:
        Descriptor.from_json(item)
    return found
