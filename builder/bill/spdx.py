"""A bill of materials as SPDX 2.3 has it, in JSON (spdx.github.io/spdx-spec/v2.3). The same image gives the same document."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from builder import __version__
from builder.bill.package import Contents, Package, System, by_purl
from builder.image.digest import Digest
from builder.image.reference import Repository

_NO_ANSWER = "NOASSERTION"
_DOCUMENT, _IMAGE = "SPDXRef-DOCUMENT", "SPDXRef-image"
_SECONDS = len("2026-01-01T00:00:00")
_EPOCH = "1970-01-01T00:00:00"


def spdx_document(contents: Contents, *, digest: Digest, created: str, repository: Repository | None) -> dict[str, Any]:
    """The bill of the image with this digest, made at `created` (RFC 3339), named for the repository if it has one.

    Where something couldn't be read the document says so.
    """
    name = str(repository) if repository else "image"
    packages = [*_system(contents.system), *_packages(contents.packages)]
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{name}@{digest}")
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/masu-{identity}",
        "creationInfo": {
            "created": f"{(created or _EPOCH)[:_SECONDS]}Z",
            "creators": [f"Tool: masu-{__version__}"],
        },
        **({"comment": _unread(contents)} if contents.unread else {}),
        "packages": [_image(name, digest), *packages],
        "relationships": [
            _related(_DOCUMENT, "DESCRIBES", _IMAGE),
            *(_related(_IMAGE, "CONTAINS", package["SPDXID"]) for package in packages),
        ],
    }


def _image(name: str, digest: Digest) -> dict[str, Any]:
    checksum = {"algorithm": digest.algorithm.upper(), "checksumValue": digest.hex}
    return {**_package(_IMAGE, name, str(digest)), "primaryPackagePurpose": "CONTAINER", "checksums": [checksum]}


def _system(system: System) -> Iterator[dict[str, Any]]:
    if system.id:
        yield {
            **_package("SPDXRef-operating-system", system.id, system.version),
            "primaryPackagePurpose": "OPERATING-SYSTEM",
        }


def _packages(packages: tuple[Package, ...]) -> Iterator[dict[str, Any]]:
    for number, (package, places) in enumerate(by_purl(packages)):
        yield {
            **_package(f"SPDXRef-package-{number}", _full_name(package), package.version),
            "sourceInfo": f"found in {', '.join(places)}",
            "externalRefs": [
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": package.purl()},
            ],
        }


def _full_name(package: Package) -> str:
    return f"{package.namespace}/{package.name}" if package.kind == "npm" and package.namespace else package.name


def _package(identity: str, name: str, version: str) -> dict[str, Any]:
    return {
        "SPDXID": identity,
        "name": name,
        **({"versionInfo": version} if version else {}),
        "downloadLocation": _NO_ANSWER,
        "filesAnalyzed": False,
        "licenseConcluded": _NO_ANSWER,
        "licenseDeclared": _NO_ANSWER,
        "copyrightText": _NO_ANSWER,
    }


def _related(one: str, how: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}


def _unread(contents: Contents) -> str:
    return f"incomplete, these could not be read: {', '.join(f'/{path}' for path in contents.unread)}"
