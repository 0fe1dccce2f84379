"""Where a finished image goes: registries, the local store, a layout, an archive, and the files that tell its digest."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from builder.errors import UsageError
from builder.image.descriptor import Descriptor
from builder.image.product import Product
from builder.image.reference import DEFAULT_TAG, Reference
from builder.options import BuildOptions
from builder.pushing import push
from builder.remotes import Remote
from builder.reports import DigestFiles, Put, write_build_files
from builder.retry import Again
from builder.settings import platforms_of
from builder.store.copy import copy
from builder.store.layout import LayoutStore
from builder.values import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the options ask for, read and checked before anything is built."""

    destinations: tuple[Reference, ...]
    tags: tuple[Reference, ...]
    pushed: tuple[Reference, ...]
    files: DigestFiles
    options: BuildOptions

    @classmethod
    def of(cls, options: BuildOptions) -> Outputs:
        """Raises UsageError or ImageError when something is missing or malformed."""
        destinations = tuple(Reference.parse(text) for text in options.destination)
        tags = tuple(Reference.parse(text) for text in options.tag)
        if options.push and options.no_push:
            raise UsageError("--push and --no-push exclude each other")
        if options.push and not tags and not destinations:
            raise UsageError("--push has nothing to push", hint="name the image with --tag or --destination")
        written = (tags, options.oci_layout_path, options.tar_path, options.no_push, options.dry_run)
        if not destinations and not any(written):
            raise UsageError(
                "you must provide --destination, or use --no-push",
                hint="push with --destination REF, or keep the image in the local store with --tag NAME",
            )
        _check_destinations(destinations)
        _check_platforms(options)
        files = DigestFiles.of(options, destinations or tags)
        pushed = () if options.no_push else (*destinations, *(tags if options.push else ()))
        return cls(destinations=destinations, tags=tags, pushed=pushed, files=files, options=options)


def deliver(
    product: Product, outputs: Outputs, facts: Mapping[str, object], *, local: LayoutStore, remote: Remote, again: Again, put: Put
) -> Descriptor:
    """Copy the image to every output, then write the files; returns the descriptor of what it is named by.

    `again` says how often to try to push. The files come last, so that what they tell is there; `facts` are for the metadata.
    """
    options = outputs.options
    names = [str(reference) for reference in (*outputs.tags, *outputs.destinations)]
    if outputs.tags:
        copy(product, to=local, names=[str(reference) for reference in outputs.tags])
        for reference in outputs.tags:
            log.info("stored %s@%s", reference.familiar, product.named.descriptor.digest)
    if options.oci_layout_path:
        _write_layout(product, Path(options.oci_layout_path), [*outputs.destinations, *outputs.tags])
    if options.tar_path:
        from builder.store.tarball import TarballStore

        unnamed = "docker.io/unset-repo/unset-image-name:latest"
        Path(options.tar_path).parent.mkdir(parents=True, exist_ok=True)
        with TarballStore(Path(options.tar_path)) as archive:
            copy(product.images[0], to=archive, names=names or [unnamed])  # which has no place for an index
    if options.no_push:
        log.info("Skipping push to container registry due to --no-push flag")
    push(product, outputs.pushed, remote=remote, again=again)
    named = outputs.destinations or outputs.tags
    outputs.files.write(product.named.descriptor.digest, named, put=put)
    write_build_files(product, named, outputs.pushed, options, facts)
    return product.named.descriptor


def _check_destinations(destinations: Iterable[Reference]) -> None:
    for reference in destinations:
        if reference.digest is not None:
            hint = "give a tag: the digest is known when the image is built, see --digest-file"
            raise UsageError(f"can't push to the digest of destination {str(reference)!r}", hint=hint)


def _check_platforms(options: BuildOptions) -> None:
    """Some outputs have a place for one image only."""
    if len(platforms_of(options)) == 1:
        return
    if options.tar_path:
        hint = "push the image, or write all platforms to a directory with --oci-layout-path; or build one platform"
        raise UsageError(
            "--tar-path can't hold an image for several platforms: it is docker's archive, without an index", hint=hint
        )
    if options.sbom_file:
        hint = "leave it out, or build one platform at a time"
        raise UsageError("--sbom-file tells of one image, and several platforms are several", hint=hint)


def _write_layout(product: Product, path: Path, references: list[Reference]) -> None:
    """A layout with this image alone, as Kaniko leaves it; its name is the tag, as skopeo and umoci look it up."""
    (path / "index.json").unlink(missing_ok=True)
    copy(product, to=LayoutStore(path), names=[references[0].tag or DEFAULT_TAG if references else DEFAULT_TAG])
