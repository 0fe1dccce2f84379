"""Where a finished image goes: registries, the local store, a layout, an archive, and the files that tell its digest."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from builder.errors import UsageError
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.product import Product
from builder.image.reference import DEFAULT_TAG, Reference
from builder.options import BuildOptions
from builder.output_flags import Kind, Output, by_digest, lends_tags, outputs_of
from builder.pushing import push
from builder.remotes import Remote
from builder.reports import DigestFiles, Put, check_file, write_build_files
from builder.retry import Again
from builder.settings import platforms_of
from builder.store.copy import copy
from builder.store.layout import LayoutStore
from builder.values import dataclass, replace

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the options ask for, read and checked before anything is built."""

    destinations: tuple[Reference, ...]
    tags: tuple[Reference, ...]
    pushed: tuple[Reference, ...]
    exported: tuple[Output, ...]
    files: DigestFiles
    options: BuildOptions

    @classmethod
    def of(cls, options: BuildOptions, *, is_terminal: bool = False) -> Outputs:
        """`is_terminal` is said of standard output. Raises UsageError or ImageError when something is missing or malformed."""
        destinations = tuple(map(_destination, options.destination))
        tags = tuple(Reference.parse(text) for text in (() if lends_tags(options) else options.tag))
        untagged = tuple(Reference(repository=repository) for repository in by_digest(options))
        if options.push and options.no_push:
            raise UsageError("--push and --no-push exclude each other")
        if options.push and not (tags or destinations or untagged):
            raise UsageError("--push has nothing to push", hint="name the image with --tag or --destination")
        written = (tags, options.oci_layout_path, options.tar_path, options.output, options.no_push, options.dry_run)
        if not destinations and not any(written):
            raise UsageError(
                "you must provide --destination, or use --no-push",
                hint="push with --destination REF, or keep the image in the local store with --tag NAME",
            )
        _check_destinations(destinations)
        _check_paths(options)
        exported = tuple(output for output in outputs_of(options) if output.kind not in (Kind.IMAGE, Kind.CACHEONLY))
        if exported:
            from builder.exports import check  # here, as builds that only push needn't load it

            check(exported, is_terminal=is_terminal)
        _check_platforms(options, exported)
        files = DigestFiles.of(options, (*(destinations or tags), *untagged))
        pushed = () if options.no_push else (*destinations, *(tags if options.push else ()), *untagged)
        return cls(destinations=destinations, tags=tags, pushed=pushed, exported=exported, files=files, options=options)

    def names_of(self, output: Output) -> tuple[Reference, ...]:
        """Those that the image has in an archive or layout."""
        return tuple(Reference.parse(name) for name in output.names) or (*self.tags, *self.destinations)

    def named(self, digest: Digest) -> tuple[Reference, ...]:
        """All names that the image is told by, by digest where they have no tag."""
        elsewhere = (Reference.parse(name) for output in self.exported for name in output.names)
        by_digest = (name for name in self.pushed_as(digest) if name.digest)
        return tuple(dict.fromkeys((*(self.destinations or self.tags), *elsewhere, *by_digest)))

    def pushed_as(self, digest: Digest) -> tuple[Reference, ...]:
        """What is pushed, by the tag or, without one, by the digest."""
        return tuple(name if name.tag else replace(name, digest=digest) for name in self.pushed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What images are delivered with: the local store, registries and how often to try `again` to push to them, a directory for
    what is unpacked meanwhile, standard output, and what sends files by HTTP.
    """

    local: LayoutStore
    remote: Remote
    again: Again
    scratch: Path
    stdout: BinaryIO
    put: Put


def deliver(
    product: Product,
    outputs: Outputs,
    facts: Mapping[str, object],
    *,
    by: Delivery,
) -> Descriptor:
    """Copy the image to every output, then write the files; returns the descriptor of what it is named by.

    All but what goes to standard output, or into a pipe, may be done again after a CacheError. The files come last, so that what
    they tell is there; `facts` are for the metadata.
    """
    options = outputs.options
    names = [str(reference) for reference in (*outputs.tags, *outputs.destinations)]
    if outputs.tags:
        copy(product, to=by.local, names=[str(reference) for reference in outputs.tags])
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
    _export(product, outputs, by, to_streams=False)
    if options.no_push:
        log.info("Skipping push to container registry due to --no-push flag")
    digest = product.named.descriptor.digest
    pushed = outputs.pushed_as(digest)
    push(product, pushed, remote=by.remote, again=by.again)
    _export(product, outputs, by, to_streams=True)
    named = outputs.named(digest)
    outputs.files.write(digest, named, put=by.put)
    write_build_files(product, named, pushed, options, facts)
    return product.named.descriptor


def _export(product: Product, outputs: Outputs, by: Delivery, *, to_streams: bool) -> None:
    if not outputs.exported:
        return
    from builder.exports import export, is_stream

    for output in outputs.exported:
        if is_stream(output) is to_streams:
            export(output, product, outputs.names_of(output), scratch=by.scratch, stdout=by.stdout)


def _check_destinations(destinations: Iterable[Reference]) -> None:
    for reference in destinations:
        if reference.digest is not None:
            hint = "give a tag: the digest is known when the image is built, see --digest-file"
            raise UsageError(f"can't push to the digest of destination {str(reference)!r}", hint=hint)


def _destination(text: str) -> Reference:
    if "=" in text:
        hint = "for another stage's image build that by itself: --target STAGE --destination REF"
        raise UsageError(f"--destination {text!r} is no reference", hint=hint)
    return Reference.parse(text)


def _check_paths(options: BuildOptions) -> None:
    """What would be found out only when the image is built, or pushed already."""
    metadata = [("--metadata-file", path) for path in options.metadata_file]
    files = [("--tar-path", options.tar_path), ("--iidfile", options.iidfile), ("--sbom-file", options.sbom_file)]
    for option, path in (*files, *metadata):
        check_file(option, path)
    layout = options.oci_layout_path
    if layout and Path(layout).exists() and not Path(layout).is_dir():
        raise UsageError(f"--oci-layout-path {layout!r}: it is a file", hint="name a directory")


def _check_platforms(options: BuildOptions, exported: Iterable[Output]) -> None:
    """Some outputs have a place for one image only."""
    if len(platforms_of(options)) == 1:
        return
    if options.tar_path:
        hint = "push the image, or write all platforms to a directory with --oci-layout-path; or build one platform"
        raise UsageError(
            "--tar-path can't hold an image for several platforms: it is docker's archive, without an index", hint=hint
        )
    for output in exported:
        if output.kind is Kind.DOCKER:
            hint = "write type=oci, which has a place for an index, or build one platform"
            raise UsageError(f"--output {output.text!r} can't hold an image for several platforms", hint=hint)
        if output.splits is False:
            hint = "leave it out: the files of several platforms would get the same names"
            raise UsageError(f"--output {output.text!r}: platform-split=false is for one platform", hint=hint)
    if options.sbom_file:
        hint = "leave it out, or build one platform at a time"
        raise UsageError("--sbom-file tells of one image, and several platforms are several", hint=hint)


def _write_layout(product: Product, path: Path, references: list[Reference]) -> None:
    """A layout with this image alone, as Kaniko leaves it; its name is the tag, as skopeo and umoci look it up."""
    (path / "index.json").unlink(missing_ok=True)
    copy(product, to=LayoutStore(path), names=[references[0].tag or DEFAULT_TAG if references else DEFAULT_TAG])
