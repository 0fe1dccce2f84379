"""masu's own store as its verbs use it: opened so that what they find stays, and images as people name them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from builder.errors import ImageError, StoreError
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.manifest import Manifest
from builder.image.reference import Reference
from builder.image.verify import SMALL_LIMIT
from builder.options import CommonOptions
from builder.state import State
from builder.store.copy import document
from builder.store.garbage import blobs
from builder.store.layout import LayoutStore, opened
from builder.store.names import REF_NAME, sniff

log = logging.getLogger(__name__)

_DIGEST_START = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})", re.ASCII)


def opened_store(common: CommonOptions, env: Mapping[str, str]) -> AbstractContextManager[LayoutStore]:
    """What is found or stored there is held until the context ends."""
    return opened(State.at(common.state_dir, env).store)


def look_up(store: LayoutStore, text: str) -> Descriptor:
    """The image or index that `text` names: by name, or by the beginning of its digest or image id (the config's digest).

    Raises StoreError.
    """
    name = name_of(store, text)
    if name is not None:
        return store.resolve(name)
    matching = _by_digest(store, text)
    if len(matching) > 1:
        raise StoreError(f"{text!r} is the beginning of {len(matching)} digests", hint="give more of it")
    if not matching:
        raise no_image(text)
    return store.resolve(str(matching[0].digest))


def name_of(store: LayoutStore, text: str) -> str | None:
    """The name of the store that `text` is, written out; None if it is none, but a digest perhaps."""
    named = store.names()
    return next((name for name in (text, _full(text)) if name in named), None)


def names_of(store: LayoutStore, text: str) -> list[str]:
    """The name that `text` is; all names of what it means if it is a digest. Raises StoreError when it means nothing."""
    name = name_of(store, text)
    if name is not None:
        return [name]
    digest = look_up(store, text).digest
    return [name for name, entry in store.names().items() if entry.digest == digest]


def no_image(text: str) -> StoreError:
    """The error when nothing is named so."""
    return StoreError(f"no image {text!r} in the store", hint="masu ls lists the images, masu pull fetches one from a registry")


def split_place(text: str) -> tuple[Path, str]:
    """`PATH[:NAME][@DIGEST]` → the path, and the name or digest; that is empty for the only image there.

    Both may have colons in them: the path is the longest that exists, else what is before the first colon.
    """
    place, at, digest = text.partition("@")
    *colons, end = (*(match.start() for match in re.finditer(":", place)), len(place))
    longest = next((here for here in (end, *reversed(colons)) if os.path.exists(place[:here])), min([*colons, end]))
    return Path(place[:longest]), digest if at else place[longest + 1 :]


def familiar(name: str) -> str:
    """A name of the store as docker shows it."""
    try:
        return Reference.parse(name).familiar
    except ImageError:
        return name


def short(digest: Digest) -> str:
    """Twelve digits, as docker shows ids."""
    return digest.hex[:12]


def _full(text: str) -> str:
    try:
        return str(Reference.parse(text))
    except ImageError:
        return text


def _by_digest(store: LayoutStore, text: str) -> list[Descriptor]:
    match = _DIGEST_START.fullmatch(text.rpartition("@")[2])
    if match is None:
        return []
    wanted = match[1]
    named = [pair for entry in store.entries() for pair in _identities(store, entry)]
    found = [entry for digest, entry in named if digest.hex.startswith(wanted)]
    return list({entry.digest: entry for entry in found or _without_name(store, wanted)}.values())


def _without_name(store: LayoutStore, start: str) -> Iterator[Descriptor]:
    """Manifests and indexes that no name leads to: they are there until they are pruned."""
    for digest, path in blobs(store, start):
        try:
            yield sniff(path.read_bytes() if path.stat().st_size <= SMALL_LIMIT else b"", digest)
        except StoreError:  # a layer or a config
            continue


def _identities(store: LayoutStore, entry: Descriptor) -> Iterator[tuple[Digest, Descriptor]]:
    """Every digest by which it, or an image of an index, is known, and the descriptor of what is meant."""
    yield entry.digest, entry
    try:
        _, parsed = document(store, entry)
    except (ImageError, StoreError) as error:
        log.warning("can't read %s of the store: %s", entry.annotations.get(REF_NAME, entry.digest), error.message)
        return
    if isinstance(parsed, Manifest):
        yield parsed.config.digest, entry
        return
    for child in parsed.manifests:
        if store.has(child):
            yield from _identities(store, child)
