"""Where a finished image goes: registries, the local store, a layout, an archive, and the files that tell its digest."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from builder.errors import UsageError
from builder.image.descriptor import Descriptor
from builder.image.image import Image
from builder.image.reference import DEFAULT_HOST, DEFAULT_TAG, Reference, Repository
from builder.options import BuildOptions
from builder.remotes import Remote
from builder.store.copy import copy
from builder.store.layout import LayoutStore
from builder.store.tarball import TarballStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the options ask for, read and checked before anything is built."""

    destinations: tuple[Reference, ...]
    tags: tuple[Reference, ...]
    pushed: tuple[Reference, ...]
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
                "must provide at least one destination, or use --no-push",
                hint="push with --destination REF, or keep the image in the local store with --tag NAME",
            )
        for path in (options.digest_file, options.image_name_with_digest_file, options.image_name_tag_with_digest_file):
            if "://" in path:
                raise UsageError(f"writing a digest file to a URL is not supported yet: {path!r}", hint="give a file's path")
        pushed = () if options.no_push else (*destinations, *(tags if options.push else ()))
        return cls(destinations=destinations, tags=tags, pushed=pushed, options=options)


def deliver(image: Image, outputs: Outputs, *, local: LayoutStore, remote: Remote) -> Descriptor:
    """Copy the image to every output, then write the files; returns the manifest's descriptor."""
    options = outputs.options
    names = [str(reference) for reference in (*outputs.tags, *outputs.destinations)]
    if outputs.tags:
        copy(image, to=local, names=[str(reference) for reference in outputs.tags])
        for reference in outputs.tags:
            log.info("stored %s@%s", reference.familiar, image.manifest.descriptor.digest)
    if options.oci_layout_path:
        _write_layout(image, Path(options.oci_layout_path), [*outputs.destinations, *outputs.tags])
    if options.tar_path:
        unnamed = "docker.io/unset-repo/unset-image-name:latest"
        with TarballStore(Path(options.tar_path)) as archive:
            copy(image, to=archive, names=names or [unnamed])
    _push(image, outputs, remote)
    _write_files(image, outputs)
    return image.manifest.descriptor


def _write_layout(image: Image, path: Path, references: list[Reference]) -> None:
    """A layout with this image alone, as Kaniko leaves it; its name is the tag, as skopeo and umoci look it up."""
    (path / "index.json").unlink(missing_ok=True)
    copy(image, to=LayoutStore(path), names=[references[0].tag or DEFAULT_TAG if references else DEFAULT_TAG])


def _push(image: Image, outputs: Outputs, remote: Remote) -> None:
    if outputs.options.no_push:
        log.info("Skipping push to container registry due to --no-push flag")
    repositories: dict[Repository, list[Reference]] = {}
    for reference in outputs.pushed:
        repositories.setdefault(reference.repository, []).append(reference)
    for repository, references in repositories.items():
        log.info("Pushing image to %s", ", ".join(str(reference) for reference in references))
        copy(image, to=remote(repository), names=[reference.tag or DEFAULT_TAG for reference in references])
        for reference in references:
            log.info("Pushed %s@%s", reference, image.manifest.descriptor.digest)


def _write_files(image: Image, outputs: Outputs) -> None:
    options, digest = outputs.options, image.manifest.descriptor.digest
    named = outputs.destinations or outputs.tags
    contents = {
        options.digest_file: str(digest),
        options.iidfile: str(image.config_blob.descriptor.digest),
        options.image_name_with_digest_file: "".join(f"{_kaniko_name(item)}@{digest}\n" for item in named),
        options.image_name_tag_with_digest_file: "".join(
            f"{_kaniko_name(item)}:{item.tag or DEFAULT_TAG}@{digest}\n" for item in named
        ),
        options.metadata_file: json.dumps(_metadata(image, named), indent=2) + "\n",
    }
    for path, text in contents.items():
        if path:
            Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            Path(path).write_text(text, encoding="utf-8")


def _kaniko_name(reference: Reference) -> str:
    """Kaniko's tools spell Docker Hub's host `index.docker.io`."""
    repository = reference.repository
    host = "index.docker.io" if repository.host == DEFAULT_HOST else repository.host
    return f"{host}/{repository.path}"


def _metadata(image: Image, named: tuple[Reference, ...]) -> dict[str, object]:
    """The keys that docker's --metadata-file has."""
    return {
        "containerimage.config.digest": str(image.config_blob.descriptor.digest),
        "containerimage.descriptor": image.manifest.descriptor.to_json(),
        "containerimage.digest": str(image.manifest.descriptor.digest),
        "image.name": ",".join(str(reference) for reference in named),
    }
