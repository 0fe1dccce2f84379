"""Gates: the syntax trees that BuildKit's own parser makes of its test files."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.dockerfile.gotext import quote, quote_list
from builder.dockerfile.instructions import INSTRUCTIONS
from builder.dockerfile.lines import Line, read
from builder.dockerfile.parse import parse
from builder.errors import DockerfileError
from tests.support.shared import shared

_CORPUS = "corpora/buildkit"


def dump(line: Line) -> str:
    """As BuildKit's parser.Node.Dump."""
    words = [line.keyword, *([quote_list(line.flags)] if line.flags else [])]
    if line.keyword == "onbuild":
        words.append(dump(line.nested()))
    else:
        words += map(quote, INSTRUCTIONS[line.keyword].form(line.rest, line.escape, line.name).words)
    return f"({' '.join(words)})"


def cases(kind: str, expected: int) -> list[Path]:
    found = sorted(path.parent for path in shared(f"{_CORPUS}/{kind}").glob("*/Dockerfile"))
    assert len(found) == expected
    return found


def test_every_file_has_the_syntax_tree_that_buildkit_finds() -> None:
    for case in cases("parser-testfiles", 33):
        lines = read((case / "Dockerfile").read_bytes(), file=case.name).lines
        assert [dump(line) for line in lines] == (case / "result").read_text().splitlines(), case.name


def test_every_file_that_buildkit_rejects_is_rejected() -> None:
    for case in cases("parser-testfiles-negative", 4):
        with pytest.raises(DockerfileError):
            parse((case / "Dockerfile").read_bytes(), file=case.name)
