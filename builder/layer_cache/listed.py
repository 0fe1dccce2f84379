"""One document that lists layers and notes with their keys, for docker's --cache-from and --cache-to.

It is an OCI image manifest: its layers are the cached blobs, its config a JSON list of records, so that any registry takes it. Or
(`inline`) the records are an annotation of the built image's own manifest: that is read with one request, and isn't part of the
image's id.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property

from builder.errors import ImageError, NotFoundError
from builder.image.blob import Blob
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.manifest import Index, Manifest, parse_manifest
from builder.image.media import OCI_MANIFEST, Format, MediaType
from builder.image.platform import Platform, choose
from builder.image.text import read_json
from builder.image.verify import SMALL_LIMIT, read_small
from builder.key import CacheKey
from builder.layer_cache.entry import TROUBLE, Entry, check_layer
from builder.store import Store
from builder.store.bundle import Bundle
from builder.store.copy import blob_in, copy, document
from builder.store.layout import LayoutStore
from builder.values import replace

log = logging.getLogger(__name__)

RECORDS = MediaType("application/vnd.masu.cache.v1+json")
INLINE = "dev.masu.cache.records"
_LAYER = "layer"
_MOST_LISTED = SMALL_LIMIT - 1
_MOST_INLINE = 1 << 20
"""Characters of all records in an image's manifest, which may have 4 MiB in a registry."""


class ListedCache:
    """What the document `name` of `store` lists, `shown` to people; those older than `ttl` are old. Read when first asked."""

    def __init__(
        self,
        store: Callable[[], Store],
        name: str,
        *,
        shown: str,
        platform: Platform,
        ttl: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._name = name
        self._shown = shown
        self._platform = platform
        self._ttl = ttl
        self._now = now

    def look_up(self, keys: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        return {key: self._entries[key] for key in keys if key in self._entries}

    def last(self, places: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        known = {entry.place: entry for entry in self._entries.values() if entry.place}
        return {place: known[place] for place in places if place in known}

    def save(self, entry: Entry) -> None:
        """Nothing: it is only read."""

    def settled(self, image: Image) -> Image:
        return image

    @cached_property
    def _entries(self) -> Mapping[CacheKey, Entry]:
        try:
            store = self._store()
            if isinstance(store, LayoutStore) and ":" not in self._name and self._name not in store.names():
                raise NotFoundError(f"there is no {self._name!r}")
            entries = tuple(_read(store, _manifest(store, self._name, self._platform)))
        except NotFoundError:
            log.info("the layer cache %s is not there yet", self._shown)
            return {}
        except TROUBLE as error:
            log.warning("the layer cache %s can't be read, the build goes on without: %s", self._shown, error)
            return {}
        return {entry.key: entry.aged(self._ttl, self._now()) if entry.created else entry for entry in entries}


def write_list(entries: Sequence[Entry], *, to: Store, name: str) -> None:
    """Store the document with these entries under the name. Raises BuilderError."""
    layers = {entry.layer.diff_id: _called(entry.layer) for entry in entries if entry.layer}
    text = _text([_record(entry, layers) for entry in entries])
    if len(text) > _MOST_LISTED:
        text = _text([_record(replace(entry, ingredients=""), layers) for entry in entries])
    config = Blob.of(text.encode(), RECORDS)
    blobs = {blob.descriptor.digest: blob for blob in (layer.blob for layer in layers.values())}
    manifest = Manifest(
        media_type=OCI_MANIFEST, config=config.descriptor, layers=tuple(blob.descriptor for blob in blobs.values())
    )
    bundle = Bundle(manifest=Blob.of(manifest.to_bytes(), OCI_MANIFEST), blobs=(*blobs.values(), config))
    copy(bundle, to=to, names=[name])


def inlined(image: Image, entries: Iterable[Entry]) -> Image:
    """The image with the records of its own layers, and notes, in its manifest.

    Without times, so that it stays reproducible; and without texts and ingredients: images are published, names of files and
    the commands of other stages are not in them.
    """
    layers = {layer.diff_id: layer for layer in image.layers}
    records = [
        _record(replace(entry, created="", text="", place=None, ingredients=""), layers)
        for entry in entries
        if entry.layer is None or entry.layer.diff_id in layers
    ]
    text = _text(records)
    if len(text) > _MOST_INLINE:
        log.warning("the image's cache records are left out: %d characters are too many for its manifest", len(text))
        return image
    parsed = _parsed(image.manifest)
    assert isinstance(parsed, Manifest)
    manifest = replace(parsed, annotations={**parsed.annotations, INLINE: text})
    written = Blob.of(manifest.to_bytes(), image.format.manifest)
    descriptor = replace(written.descriptor, annotations=image.manifest.descriptor.annotations)
    return replace(image, manifest=replace(written, descriptor=descriptor))


def _parsed(blob: Blob) -> Manifest | Index:
    with blob.open() as stream:
        return parse_manifest(stream.read(), blob.descriptor.media_type)


def _called(layer: Layer) -> Layer:
    return layer.called(Format.OCI.layer_as(layer.blob.descriptor.media_type))


def _record(entry: Entry, layers: Mapping[Digest, Layer]) -> dict[str, str]:
    layer = {_LAYER: str(layers[entry.layer.diff_id].blob.descriptor.digest)} if entry.layer else {}
    return entry.to_record() | layer


def _text(records: Sequence[Mapping[str, str]]) -> str:
    return json.dumps(records, sort_keys=True, separators=(",", ":"))


def _manifest(store: Store, name: str, platform: Platform) -> Manifest:
    _, found = document(store, store.resolve(name))
    if isinstance(found, Index):
        chosen = found.manifests[0] if len(found.manifests) == 1 else choose(found.manifests, platform)
        if chosen is None:
            raise ImageError(f"it has nothing for platform {platform}")
        _, found = document(store, chosen)
    if isinstance(found, Index):
        raise ImageError("it is an index of indexes")
    return found


def _read(store: Store, manifest: Manifest) -> Iterable[Entry]:
    """Raises BuilderError; an image without records has none."""
    if manifest.config.media_type == RECORDS:
        data = read_small(store.open(manifest.config), manifest.config, where="its store")
    else:
        data = manifest.annotations.get(INLINE, "[]").encode()
    try:
        records = read_json(data)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"its list of records is not JSON ({error})") from error
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ImageError("it has no list of records")
    blobs = {str(descriptor.digest): descriptor for descriptor in manifest.layers}

    for record in records:
        descriptor = blobs.get(str(record.get(_LAYER)))
        if _LAYER in record and descriptor is None:
            raise ImageError(f"it hasn't the layer {record.get(_LAYER)} that it lists")
        if descriptor:
            check_layer(descriptor, store)
        yield Entry.from_record(record, blob_in(store, descriptor) if descriptor else None)
