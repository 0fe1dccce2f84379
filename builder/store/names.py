"""How local stores name images, and how a name is looked up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from builder.errors import ImageError, StoreError
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.media import OCI_INDEX, OCI_MANIFEST, MediaType
from builder.image.reference import Reference
from builder.image.verify import SMALL_LIMIT

REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation that holds a manifest's name in index.json (OCI image spec, annotations.md)."""

Named = tuple[Sequence[str], Descriptor]


def find(name: str, entries: Iterable[Named], *, where: str) -> Descriptor | None:
    """The entry that `name` means: by exact name, by digest, as a reference (`a` is `docker.io/library/a:latest`), or by its tag.

    An empty name means the only entry; raises StoreError when there are several.
    """
    listed = list(entries)
    if not name:
        return _only([entry for _, entry in listed], where=where)
    by_name = {text: entry for names, entry in listed for text in names}
    if name in by_name:
        return by_name[name]
    digest = digest_of(name)
    if digest is not None:
        return next((entry for _, entry in listed if entry.digest == digest), None)
    wanted = _reference(name)
    if wanted is None:
        return None
    by_reference = {_reference(text): entry for text, entry in by_name.items()}
    return by_reference.get(wanted) or (by_name.get(wanted.name) if ":" in name else None)


def digest_of(name: str) -> Digest | None:
    """The digest in `sha256:…` or in a reference that ends with it; None when there is none."""
    try:
        return Digest.parse(name.rpartition("@")[2])
    except ImageError:
        return None


def sniff(data: bytes, digest: Digest) -> Descriptor:
    """A descriptor of a manifest or index that nothing but its bytes describes; raises StoreError when it is neither."""
    try:
        document = json.loads(data) if len(data) <= SMALL_LIMIT else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not ({"manifests", "layers"} & document.keys()):
        raise StoreError(f"blob {digest} is neither a manifest nor an index")
    media_type = document.get("mediaType") or (OCI_INDEX if "manifests" in document else OCI_MANIFEST)
    return Descriptor(media_type=MediaType(str(media_type)), digest=digest, size=len(data))


def referred_to(data: bytes) -> list[Descriptor]:
    """What a manifest or index refers to. What is malformed in it refers to nothing."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return []
    fields: Mapping[str, Any] = document if isinstance(document, dict) else {}
    lists = [fields.get("manifests"), fields.get("layers"), [fields.get("config")], [fields.get("subject")]]
    found = []
    for item in (item for several in lists if isinstance(several, list) for item in several):
        try:
            found.append(Descriptor.from_json(item))
        except ImageError:
            continue
    return found


def _only(entries: list[Descriptor], *, where: str) -> Descriptor | None:
    if len(entries) > 1:
        raise StoreError(f"{where} has {len(entries)} images: which one is meant?", hint="give its name or digest")
    return entries[0] if entries else None


def _reference(name: str) -> Reference | None:
    try:
        return Reference.parse(name)
    except ImageError:
        return None
