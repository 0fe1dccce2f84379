"""--metadata-file tells programs what a build did, also when it failed; the steps' adapters read nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.masu import Masu, write_context

DOCKERFILE = "FROM scratch AS a\nCOPY a /\nFROM scratch as b\nCOPY --from=a / /x\nLABEL k=v\n"


def told(directory: Path, dockerfile: str, *options: str, code: int = 0) -> dict[str, Any]:
    masu, file = Masu(state=directory / "state"), directory / "metadata.json"
    context = write_context(directory / "context", dockerfile, {"a": "a\n"})
    done = masu("build", "--metadata-file", file, *options, context)
    assert done.returncode == code, done.stderr
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def test_a_build_tells_its_steps_with_place_size_and_cache_and_the_checks_warnings(tmp_path: Path) -> None:
    options = ("--tag=x", "--cache", "--cache-copy-layers", f"--cache-repo=oci:{tmp_path}/cache")
    first, second = (told(tmp_path, DOCKERFILE, *options) for _ in range(2))
    assert [(step["name"], step["text"], step["line"], step["cached"], step["reasons"]) for step in first["masu.steps"]] == [
        ("stage 1/2, step 1/1", "COPY a /", 2, False, ["never cached"]),
        ("stage 2/2, step 1/2", "COPY --from=a / /x", 4, False, ["never cached"]),
    ]
    assert [step["cached"] for step in second["masu.steps"]] == [True]
    assert all(step["size"] > 0 and step["file"] == "Dockerfile" for step in first["masu.steps"])
    assert [(warned["rule"], warned["line"]) for warned in first["masu.warnings"]] == [("FromAsCasing", 3)]
    assert first["masu.dockerfile"] == f"{tmp_path}/context/Dockerfile"
    assert (first["masu.layers"], first["masu.size"]) == (1, first["masu.steps"][1]["size"])


@pytest.mark.parametrize(
    ("dockerfile", "message", "line", "steps"),
    [
        ("FROM scratch\nCOPY a /\nCOPY nope /\n", 'Dockerfile:3: COPY nope /: "/nope": not found', 3, 1),
        ("FROM scratch\nCOPPY a /\n", "Dockerfile:2: unknown instruction", 2, 0),
        ("FROM nowhere.invalid/x\n", "Dockerfile:1: FROM nowhere.invalid/x", 1, 0),
    ],
)
def test_a_failure_is_told_with_its_place_and_what_was_done_before(
    dockerfile: str, message: str, line: int, steps: int, tmp_path: Path
) -> None:
    document = told(tmp_path, dockerfile, "--tag=x", code=1)
    failure = document["masu.failure"]
    assert failure["message"].startswith(message)
    assert (failure["file"], failure["line"], len(document["masu.steps"])) == ("Dockerfile", line, steps)
    assert "containerimage.digest" not in document


def test_the_checks_alone_tell_their_warnings_and_an_odd_option_is_a_failure(tmp_path: Path) -> None:
    assert [warned["rule"] for warned in told(tmp_path, DOCKERFILE, "--check", code=1)["masu.warnings"]] == ["FromAsCasing"]
    failure = told(tmp_path, DOCKERFILE, "--tag=x", "--build-arg", "=1", code=1)["masu.failure"]
    assert "--build-arg" in failure["message"]
