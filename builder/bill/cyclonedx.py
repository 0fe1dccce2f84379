"""A bill of materials as CycloneDX 1.5 has it, in JSON (cyclonedx.org/docs/1.5/json). The same image gives the same bytes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

from builder import __version__
from builder.bill.package import Contents, Package, System, by_purl
from builder.image.digest import Digest
from builder.image.reference import Repository


def document(contents: Contents, *, digest: Digest, created: str, repository: Repository | None) -> str:
    """The bill of the image with this digest, made at `created` (RFC 3339), named for the repository if it has one.

    Where something couldn't be read the bill calls itself incomplete, and the image has the files as properties.
    """
    name = str(repository) if repository else "image"
    bill: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{name}@{digest}')}",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "tools": {"components": [{"type": "application", "name": "masu", "version": __version__}]},
            "component": {**_image(name, digest, repository), **_unread(contents)},
        },
        "components": [*_system(contents.system), *_components(contents.packages)],
    }
    if contents.unread:
        bill["compositions"] = [{"aggregate": "incomplete", "assemblies": [str(digest)]}]
    return json.dumps(bill, indent=2, ensure_ascii=False) + "\n"


def _image(name: str, digest: Digest, repository: Repository | None) -> dict[str, Any]:
    found = {"type": "container", "bom-ref": str(digest), "name": name, "version": str(digest)}
    if repository is None:
        return found
    last = repository.path.rpartition("/")[2].lower()
    image = Package(kind="oci", name=last, version=str(digest), found="", qualifiers={"repository_url": name})
    return {**found, "purl": image.purl()}


def _unread(contents: Contents) -> dict[str, Any]:
    properties = [{"name": "masu:unread", "value": f"/{path}"} for path in contents.unread]
    return {"properties": properties} if properties else {}


def _system(system: System) -> Iterable[dict[str, Any]]:
    if system.id:
        version = {"version": system.version} if system.version else {}
        yield {"type": "operating-system", "bom-ref": f"os:{system.distro}", "name": system.id, **version}


def _components(packages: Iterable[Package]) -> Iterable[dict[str, Any]]:
    for package, places in by_purl(packages):
        purl = package.purl()
        group = {"group": package.namespace} if package.kind == "npm" and package.namespace else {}
        yield {
            "type": "library",
            "bom-ref": purl,
            **group,
            "name": package.name,
            "version": package.version,
            "purl": purl,
            "evidence": {"occurrences": [{"location": place} for place in places]},
        }
