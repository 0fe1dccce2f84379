"""`masu outline` and `masu targets` print what docker's `--call=outline` and `--call=targets` print, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.masu import Masu
from tests.support.oracle import Docker

DOCKERFILES = {
    "arguments": """\
# VERSION what is built
# and more
ARG VERSION=1
ARG UNUSED=2
# SUFFIX ends the name
ARG SUFFIX=-$VERSION
ARG NOTHING
FROM scratch AS base
# A one
# B two
ARG A=1 B
ARG VERSION
ARG NOTHING
ARG SUFFIX=own
ARG TARGETARCH
ENV X=$A
""",
    "arguments of FROM": """\
ARG BASE=scr
ARG TAG=${BASE}atch
ARG PLATFORM=linux/amd64
ARG OTHER=1
FROM --platform=$PLATFORM $TAG AS one
FROM one AS two
ARG MINE=$PATH
""",
    "stages that are needed and one that isn't": """\
FROM scratch AS a
ARG IN_A=a
RUN --mount=type=secret,id=of_a --mount=type=ssh true
FROM scratch AS b
ARG IN_B=b
RUN --mount=type=secret,id=of_b true
FROM scratch AS c
ARG IN_C=c
FROM a AS d
COPY --from=c / /
ARG IN_D=d
# the target
# d is the last
FROM d
RUN --mount=type=secret,target=/x/named,required=true --mount=type=ssh,id=key,required true
""",
    "the same secret in several places": """\
FROM scratch AS a
RUN --mount=type=secret,id=s,required=true true
RUN --mount=type=secret,id=s true
FROM a AS b
ARG WHICH=s
RUN --mount=type=secret,id=$WHICH true
RUN --mount=type=secret,id=s,required=true true
ARG SAME=1
ARG SAME=2
""",
    "descriptions and platforms": """\
# One is not its name
FROM scratch AS one
# two is built second
FROM --platform=$BUILDPLATFORM one AS two
# nothing
FROM two
FROM scratch \\
  AS three
""",
    "nothing": "FROM scratch\n",
}
CASES = [
    (name, call, options) for name in DOCKERFILES for call in ("outline", "targets") for options in ((), ("--build-arg", "A=x"))
]


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "call", "options"), CASES, ids=str)
def test_it_is_what_docker_says(name: str, call: str, options: tuple[str, ...], docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILES[name])
    expected = docker.run("buildx", "build", "--progress=quiet", f"--call={call},format=json", *options, str(tmp_path))
    done = Masu(state=tmp_path / "state")(call, "--format", "json", *options, tmp_path)
    assert done.returncode == expected.returncode == 0, done.stderr
    assert _shape(json.loads(done.stdout)) == _shape(json.loads(expected.stdout))


def _shape(answer: Any) -> Any:
    """Docker's order of what stands on one line is no order."""
    if isinstance(answer, dict):
        return {key: _shape(value) for key, value in answer.items()}
    return sorted((_shape(item) for item in answer), key=json.dumps) if isinstance(answer, list) else answer
