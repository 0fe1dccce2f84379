"""The bill as SPDX: valid by the tools of SPDX, whatever the packages are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spdx_tools.spdx.model.document import Document
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from builder.bill import Contents, Package, System, spdx_document
from builder.image.digest import Digest
from builder.image.reference import Reference

REPOSITORY = Reference.parse("registry.test:5000/group/app:1").repository
BASH = Package(kind="deb", namespace="debian", name="bash", version="5.2-1", found="var/lib/dpkg/status")


def make(*packages: Package, system: System | None = None, unread: tuple[str, ...] = ()) -> dict[str, Any]:
    contents = Contents(system=system or System(), packages=packages, unread=unread)
    return spdx_document(contents, digest=Digest.of(b"x"), created="2026-01-01T00:00:00.123456Z", repository=REPOSITORY)


def read(document: dict[str, Any], directory: Path) -> Document:
    """As SPDX' own library reads it, after it has found nothing wrong."""
    file = directory / "bill.spdx.json"
    file.write_text(json.dumps(document))
    found = parse_file(str(file))
    assert [message.validation_message for message in validate_full_spdx_document(found)] == []
    return found


def test_a_bill_has_the_image_its_system_and_its_packages(tmp_path: Path) -> None:
    found = read(make(BASH, system=System(id="debian", version="12")), tmp_path)
    assert [(package.name, package.version) for package in found.packages] == [
        ("registry.test:5000/group/app", str(Digest.of(b"x"))),
        ("debian", "12"),
        ("bash", "5.2-1"),
    ]
    (reference,) = found.packages[-1].external_references
    assert (reference.reference_type, reference.locator) == ("purl", "pkg:deb/debian/bash@5.2-1")
    assert found.packages[-1].source_info == "found in /var/lib/dpkg/status"


def test_a_bill_of_hostile_names_is_valid_and_the_same_every_time(tmp_path: Path) -> None:
    odd = [Package(kind="npm", namespace="@a", name='"\n☃ %', version="../\x00", found=found) for found in ("a\nb", "c")]
    assert make(*odd) == make(*odd)
    found = read(make(*odd), tmp_path)
    assert [package.name for package in found.packages[1:]] == ['@a/"\n☃ %']


def test_a_bill_that_lacks_something_says_so(tmp_path: Path) -> None:
    found = read(make(unread=("var/lib/rpm/Packages",)), tmp_path)
    assert found.creation_info.document_comment == "incomplete, these could not be read: /var/lib/rpm/Packages"


def test_an_image_without_packages_has_a_bill(tmp_path: Path) -> None:
    assert len(read(make(), tmp_path).packages) == 1
