"""The bill as a file: valid by the schema, and beside syft's of the same image."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from builder.bill import Contents, Package, System, document
from builder.image.digest import Digest
from builder.image.reference import Reference
from tests.support.bases import serve_bases
from tests.support.masu import Masu, write_context

REPOSITORY = Reference.parse("registry.test:5000/group/app/image:1").repository
NODE = '{"name": "@scope/left", "version": "1.0.0"}'
PYTHON = "Metadata-Version: 2.1\nName: Some_Thing\nVersion: 2.0\n"


def problems(text: str) -> object:
    """What CycloneDX' own validator has to say."""
    return JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)


def make(*packages: Package, system: System | None = None, unread: tuple[str, ...] = ()) -> str:
    contents = Contents(system=system or System(), packages=packages, unread=unread)
    return document(contents, digest=Digest.of(b"x"), created="2026-01-01T00:00:00Z", repository=REPOSITORY)


def test_a_bill_of_hostile_names_is_valid_and_the_same_every_time() -> None:
    odd = Package(kind="npm", namespace="@a", name='"\n☃ %', version="../\x00", found="a\nb")
    text = make(odd, elsewhere(odd), system=System(id="debian", version="12"))
    assert problems(text) is None
    assert text == make(odd, elsewhere(odd), system=System(id="debian", version="12"))
    components = json.loads(text)["components"]
    assert [component["name"] for component in components] == ["debian", '"\n☃ %']
    assert [place["location"] for place in components[1]["evidence"]["occurrences"]] == ["/a\nb", "/c"]


def elsewhere(package: Package) -> Package:
    return Package(kind=package.kind, namespace=package.namespace, name=package.name, version=package.version, found="c")


def test_the_image_itself_is_what_the_bill_is_of() -> None:
    component = json.loads(make())["metadata"]["component"]
    assert component["name"] == "registry.test:5000/group/app/image"
    assert component["version"] == str(Digest.of(b"x"))
    assert component["purl"].startswith("pkg:oci/image@sha256%3A")


def test_a_bill_that_lacks_something_says_so() -> None:
    text = make(unread=("var/lib/rpm/Packages",))
    assert problems(text) is None
    bill = json.loads(text)
    (component,) = bill["compositions"][0]["assemblies"]
    assert (bill["compositions"][0]["aggregate"], component) == ("incomplete", bill["metadata"]["component"]["bom-ref"])
    assert bill["metadata"]["component"]["properties"] == [{"name": "masu:unread", "value": "/var/lib/rpm/Packages"}]
    assert "compositions" not in json.loads(make())


def syft(layout: Path) -> Any:
    program = Path(sysconfig.get_path("scripts"), "syft")
    if not program.exists() and shutil.which("syft") is None:
        pytest.skip("syft is not installed (the dev extra brings it)")
    argv = [str(program), "scan", f"oci-dir:{layout}", "-q", "-o", "syft-json"]
    env = {"SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": str(layout), "PATH": "/usr/bin:/bin"}
    return json.loads(subprocess.run(argv, check=True, capture_output=True, env=env, timeout=300).stdout)


def test_of_a_debian_image_it_has_what_syft_finds(tmp_path: Path) -> None:
    files = {"app/node_modules/@scope/left/package.json": NODE, "app/some_thing-2.0.dist-info/METADATA": PYTHON}
    with serve_bases(debian=True) as bases:
        context = write_context(tmp_path / "context", f"FROM {bases.references()['debian']}\nCOPY app /app\n", files)
        masu, layout = Masu(state=tmp_path / "state"), tmp_path / "layout"
        done = masu("build", "--no-push", f"--oci-layout-path={layout}", f"--sbom-file={tmp_path}/bill.json", context)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "bill.json").read_text()
    assert problems(text) is None
    ours = {(component["name"], component["version"]) for component in json.loads(text)["components"] if "purl" in component}
    theirs = {
        (artifact["name"].removeprefix("@scope/"), artifact["version"])
        for artifact in syft(layout)["artifacts"]
        if artifact["type"] in ("deb", "npm", "python")
    }
    assert len(theirs) > 50
    normal = {(name.lower().replace("_", "-"), version) for name, version in theirs}
    assert ours == normal
