"""What the flags ask for."""

from __future__ import annotations

import pytest

from builder.attestation.provenance import Provenance, Version
from builder.attestation.wanted import Attestations
from builder.errors import UsageError
from builder.options import BuildOptions

MAX = Provenance()

ASKED = [
    ({"provenance": "true"}, Attestations(provenance=MAX)),
    ({"provenance": "false", "sbom": "0", "attest": ()}, Attestations()),
    ({"provenance": "mode=min"}, Attestations(provenance=Provenance(is_full=False))),
    ({"provenance": "mode=max,version=v1"}, Attestations(provenance=Provenance(version=Version.V1))),
    ({"provenance": "mode=min,disabled=true"}, Attestations()),
    (
        {"provenance": '"builder-id=https://ci.test/1,2",reproducible=true'},
        Attestations(provenance=Provenance(builder="https://ci.test/1,2", reproducible=True)),
    ),
    ({"sbom": "true"}, Attestations(sbom=True)),
    ({"attest": ("type=provenance,mode=max,inline-only=true", "type=sbom")}, Attestations(provenance=MAX, sbom=True)),
    ({"attest": ("type=sbom,disabled=true",), "provenance": "1"}, Attestations(provenance=MAX)),
]


@pytest.mark.parametrize(("given", "found"), ASKED)
def test_flags_are_read_as_docker_reads_them(given: dict[str, object], found: Attestations) -> None:
    assert Attestations.of(BuildOptions(**given)) == found  # type: ignore[arg-type]


REFUSED = [
    ({"provenance": "max"}, "has no value"),
    ({"provenance": "mode=most"}, "unknown mode 'most'"),
    ({"provenance": "version=v3"}, "unknown version 'v3'"),
    ({"provenance": "reproducible=perhaps"}, "neither true nor false"),
    ({"provenance": "colour=red"}, "unknown key 'colour'"),
    ({"sbom": "generator=docker/scout"}, "runs no SBOM generator"),
    ({"attest": ("mode=max",)}, "type= is missing"),
    ({"attest": ("type=vsa",)}, "unknown type 'vsa'"),
    ({"attest": ('type="sbom',)}, "invalid --attest"),
    ({"attest": ("type=sbom",), "sbom": "true"}, "a second attestation"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_what_means_nothing_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Attestations.of(BuildOptions(**given))  # type: ignore[arg-type]
    assert caught.value.hint


def test_an_image_with_attestations_is_oci() -> None:
    asked = Attestations(sbom=True)
    assert asked.settled(BuildOptions()).image_format == "oci"
    with pytest.raises(UsageError, match="--image-format says docker"):
        asked.settled(BuildOptions(image_format="docker"))
