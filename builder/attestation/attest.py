"""Puts together what is attached to an image."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from builder.attestation.facts import Circumstances, facts_of
from builder.attestation.provenance import Version, predicate
from builder.attestation.statement import SPDX, Statement, attached, predicates, statement
from builder.attestation.wanted import Attestations
from builder.bill import spdx_document
from builder.image.image import Image
from builder.image.product import Product
from builder.plan import Plan

log = logging.getLogger(__name__)

_METADATA = "buildx.build.provenance"
_PROVENANCES = frozenset(version.predicate_type for version in Version)


def attest(image: Image, plan: Plan, wanted: Attestations, about: Circumstances) -> Image:
    """All that is wanted of the image that was made by the plan. Raises BuilderError."""
    return attached(image, _statements(image, plan, wanted, about))


def provenance_facts(product: Product) -> dict[str, Any]:
    """What is attached of how the images were made, by the keys that docker's metadata file has it under."""
    told = {}
    for image, attestation in zip(product.images, product.attestations, strict=True):
        key = f"{_METADATA}/{image.platform}" if product.is_for_several else _METADATA
        for kind, content in predicates(attestation):
            if kind in _PROVENANCES:
                told[key] = content
    return told


def _statements(image: Image, plan: Plan, wanted: Attestations, about: Circumstances) -> Iterator[Statement]:
    if wanted.sbom:
        contents = about.contents_of(image)
        repository = about.names[0].repository if about.names else None
        digest, created = image.manifest.descriptor.digest, image.config.created
        bill = spdx_document(contents, digest=digest, created=created, repository=repository)
        log.info("%d packages are in the bill of materials of %s", len(contents.packages), image.platform)
        yield statement(image, about.names, predicate_type=SPDX, predicate=bill)
    if provenance := wanted.provenance:
        told = predicate(facts_of(plan, about), provenance)
        yield statement(image, about.names, predicate_type=provenance.version.predicate_type, predicate=told)
