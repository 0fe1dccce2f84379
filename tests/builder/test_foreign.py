from __future__ import annotations

import pytest

from builder.foreign import foreign_step, refusal
from tests.support.dockerfiles import lowered
from tests.support.samples import AMD64, ARM64


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("FROM base\nRUN one\nRUN two", "Dockerfile:2"),
        ("FROM base AS a\nFROM a\nENV A=1\nRUN one", "Dockerfile:4"),
        ("FROM --platform=linux/arm64 base AS a\nRUN one\nFROM scratch\nCOPY --from=a /a /", ""),
        ("FROM base\nCOPY a /\nWORKDIR /b", ""),
        ("FROM scratch\nADD root.tar /\nRUN one", ""),
        ("FROM --platform=linux/arm64 base\nRUN one\nFROM base\nCOPY a /", ""),
    ],
)
def test_the_first_command_that_can_t_be_carried_out_is_found(text: str, where: str) -> None:
    found = foreign_step(lowered(text), lambda platform: not platform.matches(AMD64))
    assert (str(found[1].location) if found else "") == where


def test_it_is_told_with_its_place_and_what_to_do() -> None:
    found = foreign_step(lowered("FROM --platform=linux/s390x base\nRUN one"), lambda platform: platform.matches(ARM64))
    assert found is not None
    error = refusal(*found)
    assert error.message.startswith("Dockerfile:2: RUN one: this machine (")
    assert error.message.endswith(") can't run programs of linux/s390x")
    assert ("$BUILDPLATFORM" in error.hint, "binfmt_misc" in error.hint, error.line) == (True, True, 2)
