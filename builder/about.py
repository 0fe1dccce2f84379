"""What is told about a finished image: attestations that travel with it, and its bill of materials in a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.product import Product
from builder.options import BuildOptions
from builder.outputs import Outputs
from builder.prepared import Prepared, Wanted, now
from builder.reports import write_file
from builder.web import shown

if TYPE_CHECKING:
    from builder.attestation import Attestations
    from builder.bill import Contents

log = logging.getLogger(__name__)


def wanted_attestations(options: BuildOptions) -> Attestations | None:
    """What is asked for, if anything is. Raises UsageError."""
    if not (options.provenance or options.sbom or options.attest):
        return None
    from builder.attestation import Attestations  # here, as other builds needn't load it

    found = Attestations.of(options)
    return found if found.are_any else None


def provenance(product: Product) -> dict[str, Any]:
    """What is attached of how it was made, for the metadata file."""
    from builder.attestation import provenance_facts

    return provenance_facts(product)


def product_of(
    images: Sequence[Image],
    wanted: Sequence[Wanted],
    attestations: Attestations | None,
    outputs: Outputs,
    ready: Prepared,
    *,
    begin: str,
) -> Product:
    """The images with what is attached to them; their bill is in --sbom-file then. Raises BuilderError."""
    contents_of = _contents_reader()
    notes = _attached(images, wanted, attestations, outputs, ready, contents_of, begin=begin) if attestations else ()
    settings = wanted[0].settings
    product = Product.of(images, annotations=settings.annotations, attestations=notes, is_for_several=settings.is_for_several)
    if outputs.options.sbom_file:
        _write_bill(product, outputs, contents_of)
    return product


def _contents_reader() -> Callable[[Image], Contents]:
    """What packages an image has; each is read once, and none if nobody asks."""
    known: dict[Digest, Contents] = {}

    def contents_of(image: Image) -> Contents:
        from builder.bill import read_contents

        digest = image.manifest.descriptor.digest
        if digest not in known:
            known[digest] = read_contents(image.layers)
        return known[digest]

    return contents_of


def _attached(
    images: Sequence[Image],
    wanted: Sequence[Wanted],
    attestations: Attestations,
    outputs: Outputs,
    ready: Prepared,
    contents_of: Callable[[Image], Contents],
    *,
    begin: str,
) -> Sequence[Image]:
    """One for each image."""
    from builder.attestation import Circumstances, attest

    inputs = ready.inputs
    about = Circumstances(
        options=outputs.options,
        names=tuple(dict.fromkeys((*outputs.destinations, *outputs.tags, *outputs.pushed))),
        entry_point=inputs.path.name if inputs.path else shown(inputs.dockerfile.file),
        dockerfile=inputs.dockerfile.data,
        source=inputs.source,
        origin=inputs.origin,
        build_args=ready.build_args,
        named=ready.named.values,
        image_of=ready.image_of,
        contents_of=contents_of,
        origin_of=ready.contexts.origin_of,
        invocation=os.urandom(16).hex(),
        started=begin,
        finished=now(),
        secrets=tuple(ready.secrets.values()),
    )
    return [attest(image, each.plan, attestations, about) for image, each in zip(images, wanted, strict=True)]


def _write_bill(product: Product, outputs: Outputs, contents_of: Callable[[Image], Contents]) -> None:
    from builder.bill import document  # here, as other builds needn't load it

    (image,), path = product.images, outputs.options.sbom_file
    contents = contents_of(image)
    named = next(iter((*outputs.destinations, *outputs.tags)), None)
    repository = named.repository if named else None
    digest, created = product.named.descriptor.digest, image.config.created
    text = document(contents, digest=digest, created=created, repository=repository)
    write_file(Path(path), text)
    log.info("%d packages are in the bill of materials %r", len(contents.packages), path)
