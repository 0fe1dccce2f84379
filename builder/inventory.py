"""What the local store has: `masu ls`, `inspect` and `history`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from builder.columns import columns, human_size
from builder.errors import BuilderError, UsageError
from builder.image.blob import Blob
from builder.image.config import Config, History
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.manifest import Manifest
from builder.image.media import OCI_INDEX
from builder.image.platform import Platform
from builder.image.reference import Reference
from builder.image.verify import read_small
from builder.local import familiar, look_up, opened_store, short
from builder.options import CommonOptions, HistoryOptions, InspectOptions, ListOptions, RegistryFlags
from builder.remotes import connect
from builder.store import Store
from builder.store.copy import document, load, load_all
from builder.store.layout import LayoutStore
from builder.values import dataclass

log = logging.getLogger(__name__)

_SHOWN = 45  # characters of a command, as docker shows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """`id` is the digest of the config; of an index, of the platform that this machine has, or the first. `size` is in bytes."""

    name: str
    digest: Digest
    id: Digest
    created: str
    size: int
    platforms: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        digests = {"digest": str(self.digest), "id": str(self.id)}
        return {"name": self.name, **digests, "created": self.created, "size": self.size, "platforms": list(self.platforms)}


def list_images(options: ListOptions, common: CommonOptions, env: Mapping[str, str]) -> str:
    """A line for each name, sorted; with `quiet` each digest once. What can't be read is left out with a warning."""
    with opened_store(common, env) as store:
        listed = [image for name in sorted(store.names()) if (image := _listed(store, name)) is not None]
    if options.quiet:
        return "".join(f"{text}\n" for text in dict.fromkeys(short(image.digest) for image in listed))
    if options.format == "json":
        return json.dumps([image.to_json() for image in listed], indent=2) + "\n"
    rows = [(familiar(image.name), short(image.digest), _moment(image.created), human_size(image.size)) for image in listed]
    return columns(("NAME", "DIGEST", "CREATED", "SIZE"), rows)


def inspect(name: str, options: InspectOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]) -> bytes:
    """What there is to know of an image of the store, or with `remote` of a registry: JSON, or the exact bytes of a document.

    Of an index that is the index, with --platform or --config one image of it. Raises BuilderError.
    """
    if options.raw and options.config:
        raise UsageError("--raw and --config exclude each other")
    if options.referrers:
        return _referrers(*_remote(name, registry, env))
    with opened_store(common, env) as local:
        store, wanted = _remote(name, registry, env) if options.remote else (local, str(look_up(local, name).digest))
        root, parsed = document(store, store.resolve(wanted))
        names = [name] if options.remote else _names(local, root.descriptor.digest)
        if isinstance(parsed, Manifest) or options.config or options.platform:
            return _inspected(load(store, wanted, _platform(options.platform)), names, options)
        if options.raw:
            return _bytes(root)
        size = {} if options.remote else {"size": load_all(local, wanted).size}
        return _pretty(_about(root, names) | size)


def history(name: str, options: HistoryOptions, common: CommonOptions, env: Mapping[str, str]) -> str:
    """The image's history, the newest entry first; the size is that of the layer's blob. Raises BuilderError."""
    with opened_store(common, env) as store:
        image = load(store, str(look_up(store, name).digest), _platform(options.platform))
    entries = list(reversed([*_with_sizes(image)]))
    if options.format == "json":
        return json.dumps([entry.to_json() | {"size": size} for entry, size in entries], indent=2) + "\n"
    digest = image.config_blob.descriptor.digest
    ids = [str(digest) if options.no_trunc else short(digest), *("<missing>" for _ in entries)]
    rows = [
        (image_id, _moment(entry.created), _command(entry, whole=options.no_trunc), human_size(size), entry.comment)
        for image_id, (entry, size) in zip(ids, entries, strict=False)
    ]
    return columns(("IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"), rows)


def _listed(store: LayoutStore, name: str) -> _Listed | None:
    try:
        bundle = load_all(store, name)
        images = [pair for blob in (bundle.manifest, *reversed(bundle.documents)) for pair in _image(store, blob)]
    except BuilderError as error:
        log.warning("can't read %s of the store: %s", familiar(name), error.message)
        return None
    ours = [pair for pair in images if pair[1].platform.matches(Platform.host())]
    digest = bundle.manifest.descriptor.digest
    image_id, created = next(((manifest.config.digest, config.created) for manifest, config in ours or images), (digest, ""))
    return _Listed(
        name=name,
        digest=digest,
        id=image_id,
        created=created,
        size=bundle.size,
        platforms=tuple(dict.fromkeys(str(config.platform) for _, config in images)),
    )


def _image(store: Store, blob: Blob) -> Iterator[tuple[Manifest, Config]]:
    """Nothing for an index, and for an attestation, whose platform is `unknown`."""
    _, parsed = document(store, blob.descriptor)
    if isinstance(parsed, Manifest):
        config = Config.parse(read_small(store.open(parsed.config), parsed.config, where="the store"))
        if config.platform.os != "unknown":
            yield parsed, config


def _remote(name: str, registry: RegistryFlags, env: Mapping[str, str]) -> tuple[Store, str]:
    reference = Reference.parse(name)
    return connect(registry, env)(reference.repository), reference.name


def _platform(text: str) -> Platform:
    return Platform.parse(text) if text else Platform.host()


def _names(store: LayoutStore, digest: Digest) -> list[str]:
    return [name for name, entry in store.names().items() if entry.digest == digest]


@runtime_checkable
class Referred(Protocol):
    """A store that knows what refers to its manifests."""

    def referrers(self, digest: Digest) -> tuple[Mapping[str, Any], ...]:
        """Their descriptors, as JSON. Raises RegistryError or ImageError."""
        ...


def _referrers(store: Store, name: str) -> bytes:
    """An index of them, as registries answer it."""
    assert isinstance(store, Referred)
    manifests = store.referrers(store.resolve(name).digest)
    return _pretty({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})


def _inspected(image: Image, names: list[str], options: InspectOptions) -> bytes:
    if options.raw or options.config:
        return _bytes(image.manifest if options.raw else image.config_blob)
    blobs = {
        blob.descriptor.digest: blob.descriptor.size for blob in (image.config_blob, *(layer.blob for layer in image.layers))
    }
    return _pretty(
        _about(image.manifest, names)
        | {
            "size": image.manifest.descriptor.size + sum(blobs.values()),
            "id": str(image.config_blob.descriptor.digest),
            "platform": str(image.config.platform),
            "created": image.config.created,
            "config": json.loads(_bytes(image.config_blob)),
        }
    )


def _about(manifest: Blob, names: list[str]) -> dict[str, Any]:
    descriptor = manifest.descriptor
    about = {"names": names, "digest": str(descriptor.digest), "mediaType": descriptor.media_type}
    return {**about, "manifest": json.loads(_bytes(manifest))}


def _bytes(blob: Blob) -> bytes:
    with blob.open() as stream:
        return stream.read()


def _pretty(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2).encode() + b"\n"


def _with_sizes(image: Image) -> Iterator[tuple[History, int]]:
    """Layers that the history says nothing of have an entry without words."""
    sizes = [layer.blob.descriptor.size for layer in image.layers]
    for entry in image.config.history:
        yield entry, 0 if entry.empty_layer or not sizes else sizes.pop(0)
    yield from ((History(), size) for size in sizes)


def _command(entry: History, *, whole: bool) -> str:
    text = " ".join(entry.created_by.split())
    return text if whole or len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _moment(created: str) -> str:
    """RFC 3339 to the second, as far as it is that."""
    return created[:19].replace("T", " ")
