"""The predicate, by moby/buildkit, docs/attestations/slsa-definitions.md."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from builder.attestation.provenance import Facts, Material, Provenance, Version, Wish, predicate
from builder.values import replace

DOCKERFILE = b"FROM base\n"
FACTS = Facts(
    entry_point="Dockerfile",
    dockerfile=DOCKERFILE,
    arguments={"build-arg:A": "1", "label:l": "2", "target": "app"},
    secrets=(Wish(id="key", is_optional=True), Wish(id="token", is_optional=False)),
    agents=(Wish(id="default", is_optional=False),),
    locals=("context", "dockerfile"),
    materials=(Material(uri="pkg:docker/base@latest?platform=linux%2Famd64", algorithm="sha256", hex="ab"),),
    platform="linux/amd64",
    invocation="1234",
    started="2026-01-01T00:00:00.5Z",
    finished="2026-01-01T00:00:01.5Z",
)
SMALL = Provenance(is_full=False)
BUILDKIT = "https://mobyproject.org/buildkit@v1"


def test_the_long_form_has_it_all() -> None:
    made = predicate(FACTS, Provenance(builder="https://ci.test/7", reproducible=True))
    assert made["builder"] == {"id": "https://ci.test/7"}
    assert made["buildType"] == BUILDKIT
    assert made["materials"] == [{"uri": FACTS.materials[0].uri, "digest": {"sha256": "ab"}}]
    assert made["invocation"] == {
        "configSource": {"entryPoint": "Dockerfile"},
        "parameters": {
            "frontend": "dockerfile.v0",
            "args": {"build-arg:A": "1", "label:l": "2", "target": "app"},
            "secrets": [{"id": "key", "optional": True}, {"id": "token"}],
            "ssh": [{"id": "default"}],
            "locals": [{"name": "context"}, {"name": "dockerfile"}],
        },
        "environment": {"platform": "linux/amd64"},
    }
    source = made["metadata"].pop(f"{BUILDKIT}#metadata")["source"]
    assert [base64.b64decode(info["data"]) for info in source["infos"]] == [DOCKERFILE]
    assert made["metadata"] == {
        "buildInvocationID": "1234",
        "buildStartedOn": FACTS.started,
        "buildFinishedOn": FACTS.finished,
        "completeness": {"parameters": True, "environment": True, "materials": False},
        "reproducible": True,
    }


def test_the_short_form_has_no_values_and_no_dockerfile() -> None:
    made = predicate(FACTS, SMALL)
    assert made["invocation"]["parameters"] == {
        "frontend": "dockerfile.v0",
        "args": {"target": "app"},
        "locals": [{"name": "context"}, {"name": "dockerfile"}],
    }
    assert made["metadata"]["completeness"]["parameters"] is False
    assert made["metadata"][f"{BUILDKIT}#metadata"] == {}


def test_the_short_form_is_complete_where_there_are_no_values() -> None:
    assert predicate(replace(FACTS, arguments={}), SMALL)["metadata"]["completeness"]["parameters"] is True


@pytest.mark.parametrize("wanted", [SMALL, Provenance()])
def test_the_newer_version_says_the_same(wanted: Provenance) -> None:
    facts = replace(
        FACTS, source="https://git.test/a.git#main", digest={"sha1": "c0ffee"}, has_all_materials=True, is_hermetic=True
    )
    old, new = predicate(facts, wanted), predicate(facts, replace(wanted, version=Version.V1))
    definition, details = new["buildDefinition"], new["runDetails"]
    external, metadata = definition["externalParameters"], details["metadata"]
    assert external["request"] == old["invocation"]["parameters"]
    assert external["configSource"] == _renamed(old["invocation"]["configSource"])
    assert definition["internalParameters"] == {"builderPlatform": old["invocation"]["environment"]["platform"]}
    assert definition["resolvedDependencies"] == old["materials"]
    assert details["builder"] == old["builder"]
    assert metadata["buildkit_hermetic"] is old["metadata"][f"{BUILDKIT}#hermetic"] is True
    assert metadata["buildkit_metadata"] == old["metadata"][f"{BUILDKIT}#metadata"]
    assert metadata["buildkit_completeness"] == {
        "request": old["metadata"]["completeness"]["parameters"],
        "resolvedDependencies": True,
    }
    times = ("invocationID", "buildInvocationID"), ("startedOn", "buildStartedOn"), ("finishedOn", "buildFinishedOn")
    assert all(metadata[one] == old["metadata"][other] for one, other in times)


def _renamed(source: dict[str, Any]) -> dict[str, Any]:
    return {"path" if key == "entryPoint" else key: value for key, value in source.items()}
