"""`masu warmer`: fetches base images into a directory, from which builds with --cache and --cache-dir take them.

Any number of warmers and builds may use it at the same time: a blob appears when it is whole, or is replaced by itself.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from builder import __version__
from builder.dockerfile.parse import Dockerfile, parse
from builder.errors import BuilderError, ContextError, UsageError
from builder.image.config import Config
from builder.image.platform import Platform
from builder.image.reference import ARCHIVE_PREFIX, LAYOUT_PREFIX, Reference
from builder.ops import FromImage
from builder.options import RegistryFlags, WarmerOptions
from builder.plan import lower
from builder.plan.needs import read_by
from builder.remotes import Remote, connect
from builder.retry import Again
from builder.settings import read_build_args
from builder.state import State
from builder.store.bundle import Bundle
from builder.store.copy import copy, document, load
from builder.store.layout import LayoutStore
from builder.store.warmed import WarmCache
from builder.values import dataclass, replace
from builder.web import shown

log = logging.getLogger(__name__)

_DOCKERFILE_LIMIT = 16 << 20  # bytes


def warm(options: WarmerOptions, registry: RegistryFlags, env: Mapping[str, str]) -> None:
    """Fetch every image that isn't there. Raises BuilderError if there is nothing to fetch, or nothing could be fetched."""
    platform = Platform.parse(options.custom_platform) if options.custom_platform else Platform.host()
    images = dict.fromkeys([*((name, platform) for name in options.image), *_named_in_dockerfile(options, platform, env)])
    if not images and options.dockerfile:
        raise BuilderError(f"the Dockerfile {shown(options.dockerfile)!r} names no image of a registry: nothing to cache")
    if not images:
        raise UsageError(
            "you must select at least one image to cache or a dockerfile to parse", hint="give --image or --dockerfile"
        )
    warmer = _Warmer(
        cache=WarmCache(layout=LayoutStore(_directory(options.cache_dir)), ttl=options.cache_ttl),
        remote=connect(registry, env),
        force=options.force,
        again=Again(extra=registry.image_download_retry),
    )
    warmed = [warmer.try_to_warm(name, wanted) for name, wanted in images]
    if not any(warmed):
        raise BuilderError("failed to warm any of the given images", hint="the warnings above say why")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Warmer:
    """With `force` everything is fetched anew."""

    cache: WarmCache
    remote: Remote
    force: bool
    again: Again

    def try_to_warm(self, name: str, platform: Platform) -> bool:
        """Whether the image is in the cache now; a warning says why not."""
        try:
            self._warm(Reference.parse(name), platform)
        except BuilderError as error:
            log.warning("Error while trying to warm image: %s: %s", name, error.message)
            if error.hint:
                log.warning("  (%s)", error.hint)
            return False
        return True

    def _warm(self, reference: Reference, platform: Platform) -> None:
        bundle = self.again.run(lambda: self._found(reference, platform), what=f"looking for {reference}")
        blobs = (*bundle.blobs, *bundle.documents, bundle.manifest)
        wanted = [blob for blob in blobs if self.force or not self.cache.has(blob.descriptor)]
        if wanted:
            self._fetch(replace(bundle, documents=(), blobs=tuple(blob for blob in wanted if blob != bundle.manifest)))
            self.cache.layout.tag(str(reference), bundle.manifest)
        size = sum(blob.descriptor.size for blob in wanted)
        log.info("%s@%s: %s", reference, bundle.manifest.descriptor.digest, f"fetched {size} bytes" if wanted else "was there")

    def _found(self, reference: Reference, platform: Platform) -> Bundle:
        """The image for the platform, and the index that leads there, if the reference means one."""
        store = self.remote(reference.repository)
        image = load(store, reference.name, platform)
        top, _ = document(store, store.resolve(reference.name))
        documents = () if top.descriptor.digest == image.manifest.descriptor.digest else (top,)
        layers = {layer.blob.descriptor.digest: layer.blob for layer in image.layers}
        return Bundle(manifest=image.manifest, documents=documents, blobs=(*layers.values(), image.config_blob))

    def _fetch(self, bundle: Bundle) -> None:
        """Into a directory beside, and from there to their places, where older blobs of the same content may be."""
        layout = self.cache.layout
        with State(root=layout.path).working_directory() as directory:
            fresh = LayoutStore(directory)
            copy(bundle, to=fresh, names=[])
            for blob in (*bundle.blobs, bundle.manifest):
                target = layout.blob_path(blob.descriptor.digest)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(fresh.blob_path(blob.descriptor.digest), target)


def _directory(text: str) -> Path:
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuilderError(
            f"can't make the cache directory {text!r}: {error.strerror}", hint="give --cache-dir a directory that can be written"
        ) from error
    return path


def _named_in_dockerfile(options: WarmerOptions, platform: Platform, env: Mapping[str, str]) -> Iterator[tuple[str, Platform]]:
    """The images of registries that the Dockerfile begins stages with, copies from or mounts, and for which platform."""
    if not options.dockerfile:
        return
    found: list[tuple[str, Platform]] = []

    def note(reference: str, wanted: Platform) -> Config:
        found.append((reference, wanted))
        return Config(platform=wanted)

    plan = lower(
        _dockerfile(options.dockerfile, env),
        target="",
        build_args=read_build_args(options.build_arg, env),
        labels={},
        platform=platform,
        base_config=note,
        every_stage=True,
    )
    sources = (source for stage in plan.stages for _, source in read_by(stage))
    found += [(source.reference, platform) for source in sources if isinstance(source, FromImage)]
    yield from (image for image in found if not image[0].startswith((LAYOUT_PREFIX, ARCHIVE_PREFIX)))


def _dockerfile(where: str, env: Mapping[str, str]) -> Dockerfile:
    if where.startswith(("http://", "https://")):
        from builder.context.http import Web

        with Web(env, user_agent=f"masu/{__version__}").open(where) as stream:
            return parse(stream.read(_DOCKERFILE_LIMIT), file=urlsplit(where).path.rpartition("/")[2] or "Dockerfile")
    try:
        return parse(Path(where).read_bytes(), file=where)
    except OSError as error:
        raise ContextError(f"can't read the Dockerfile {where!r}: {error.strerror}") from error
