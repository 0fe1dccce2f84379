"""What --provenance, --sbom and --attest ask for, as docker buildx reads them (docs/reference/buildx_build.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Self

from builder.attestation.provenance import Provenance, Version
from builder.errors import UsageError
from builder.govalues import csv_fields, is_bool, parse_bool
from builder.options import BuildOptions
from builder.values import dataclass, replace

_PROVENANCE, _SBOM = "provenance", "sbom"
_MODES: Mapping[str, bool] = {"min": False, "max": True, "full": True, "": True}
_VERSIONS: Mapping[str, Version] = {"": Version.V0_2, **{version.value: version for version in Version}}
_HINT = "write --provenance true, false, mode=min or mode=max; --sbom true or false; --attest type=provenance,mode=max"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestations:
    """Of every image of a build."""

    provenance: Provenance | None = None
    sbom: bool = False

    @classmethod
    def of(cls, options: BuildOptions) -> Self:
        """Raises UsageError for what means nothing, or what masu hasn't."""
        found: dict[str, dict[str, str]] = {}
        for kind, attributes, text in _given(options):
            if kind in found:
                raise UsageError(f"{text} asks for a second attestation of the type {kind}", hint="say it once")
            found[kind] = attributes
        wanted = {kind: attributes for kind, attributes in found.items() if not _truth(attributes, "disabled", default=False)}
        sbom, provenance = wanted.get(_SBOM), wanted.get(_PROVENANCE)
        if sbom is not None:
            _check_sbom(sbom)
        return cls(provenance=None if provenance is None else _provenance(provenance), sbom=sbom is not None)

    @property
    def are_any(self) -> bool:
        return self.provenance is not None or self.sbom

    def settled(self, options: BuildOptions) -> BuildOptions:
        """The options of an image that can have them: of OCI's media types, as with BuildKit. Raises UsageError."""
        if options.image_format == "docker":
            hint = "leave --image-format out; or ask for no attestations"
            raise UsageError("an image with attestations has OCI's media types, and --image-format says docker", hint=hint)
        return replace(options, image_format="oci")


def _given(options: BuildOptions) -> Iterator[tuple[str, dict[str, str], str]]:
    """Type, attributes, and how it was written."""
    for text in options.attest:
        attributes = _attributes(text, f"--attest {text!r}")
        yield _kind(attributes.pop("type", ""), text), attributes, f"--attest {text!r}"
    for kind, text in ((_PROVENANCE, options.provenance), (_SBOM, options.sbom)):
        if is_bool(text):
            yield kind, {"disabled": "false" if parse_bool(text) else "true"}, f"--{kind} {text!r}"
        elif text:
            yield kind, _attributes(text, f"--{kind} {text!r}"), f"--{kind} {text!r}"


def _attributes(text: str, where: str) -> dict[str, str]:
    try:
        pairs = [part.partition("=") for part in csv_fields(text)]
    except ValueError as error:
        raise UsageError(f"invalid {where}: {error}", hint=_HINT) from error
    odd = next((key for key, equals, _ in pairs if not equals), None)
    if odd is not None:
        raise UsageError(f"invalid {where}: {odd!r} has no value", hint=_HINT)
    return {key.strip().lower(): value for key, _, value in pairs}


def _kind(name: str, text: str) -> str:
    if name not in (_PROVENANCE, _SBOM):
        what = f"unknown type {name!r}" if name else "type= is missing"
        raise UsageError(f"invalid --attest {text!r}: {what}", hint=_HINT)
    return name


def _provenance(given: Mapping[str, str]) -> Provenance:
    _check_keys(given, _PROVENANCE, ("mode", "version", "builder-id", "reproducible", "inline-only", "disabled"))
    mode, version = given.get("mode", ""), given.get("version", "")
    if mode not in _MODES:
        raise UsageError(f"unknown mode {mode!r} of provenance", hint="it is min or max")
    if version not in _VERSIONS:
        raise UsageError(f"unknown version {version!r} of provenance", hint="it is v0.2 or v1")
    _truth(given, "inline-only", default=False)  # buildx' own, of exporters that masu hasn't
    return Provenance(
        is_full=_MODES[mode],
        version=_VERSIONS[version],
        builder=given.get("builder-id", ""),
        reproducible=_truth(given, "reproducible", default=False),
    )


def _check_sbom(given: Mapping[str, str]) -> None:
    if "generator" in given:
        hint = "leave generator out: masu reads the image's packages itself; or run the scanner on the image that is pushed"
        raise UsageError(f"masu runs no SBOM generator: {given['generator']!r} is an image that scans others", hint=hint)
    _check_keys(given, _SBOM, ("disabled",))


def _check_keys(given: Mapping[str, str], kind: str, known: tuple[str, ...]) -> None:
    unknown = next((key for key in given if key not in known), None)
    if unknown is not None:
        raise UsageError(f"unknown key {unknown!r} of the attestation {kind}", hint=f"known are {', '.join(known)}")


def _truth(given: Mapping[str, str], key: str, *, default: bool) -> bool:
    text = given.get(key)
    if text is None:
        return default
    if not is_bool(text):
        raise UsageError(f"{key}={text} of an attestation is neither true nor false", hint=_HINT)
    return parse_bool(text)
