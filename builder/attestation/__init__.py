"""What is said about an image, and travels with it: how it was made (SLSA provenance) and what is in it (SPDX).

Attached as BuildKit does (moby/buildkit, docs/attestations): in-toto statements, the layers of a manifest for unknown/unknown
that stands beside the image's in an index.
"""

from __future__ import annotations

from builder.attestation.attest import attest, provenance_facts
from builder.attestation.facts import Circumstances
from builder.attestation.wanted import Attestations

__all__ = ["Attestations", "Circumstances", "attest", "provenance_facts"]
