"""What the parser and the lowering may do with any text: give a Plan, or one of two errors with a line."""

from __future__ import annotations

import re
from contextlib import suppress

from builder.dockerfile import words
from builder.dockerfile.parse import Dockerfile, parse
from builder.dockerfile.problem import Problem
from builder.errors import DockerfileError, UsageError
from builder.image.config import DEFAULT_PATH, Config
from builder.image.platform import Platform
from builder.plan import lower

PLATFORM = Platform(os="linux", architecture="amd64")
_ON_BUILD = ("ENV TRIGGERED=1", "COPY a /b")


def read(data: bytes) -> str:
    """`parsed`, `planned` or `refused`; whatever else is raised is a bug, as is an AssertionError about the place of an error."""
    try:
        dockerfile = parse(data, file="Dockerfile")
    except DockerfileError as error:
        _has_a_line(error, data)
        return "refused"
    lowered = [_lowers(dockerfile, stage.name or str(stage.index), data) for stage in dockerfile.stages]
    return "planned" if all(lowered) else "parsed"


def expand(word: str, escape: str) -> None:
    """The lexer alone; Problem is its only error."""
    for function in (words.expand, words.expand_words):
        with suppress(Problem):
            function(word, {"A": "foo bar", "B": ""}, escape=escape)
    with suppress(Problem):
        words.raw_words(word)


def _lowers(dockerfile: Dockerfile, target: str, data: bytes) -> bool:
    try:
        lower(dockerfile, target=target, build_args={"A": "given"}, labels={}, platform=PLATFORM, base_config=_config)
    except DockerfileError as error:
        _has_a_line(error, data)
        return False
    except UsageError:
        return False
    return True


def _config(reference: str, platform: Platform) -> Config:
    triggers = _ON_BUILD if reference.startswith("b") else ()
    return Config(platform=platform, env=(f"PATH={DEFAULT_PATH}",), on_build=triggers)


def _has_a_line(error: DockerfileError, data: bytes) -> None:
    last = data.count(b"\n") + 1
    assert 1 <= error.line <= last, f"line {error.line} of {last}: {error.message}"
    assert re.match(r"Dockerfile:\d+: .", error.message), error.message
