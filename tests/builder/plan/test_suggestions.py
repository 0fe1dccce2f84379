from __future__ import annotations

import pytest

from builder.errors import BuilderError, NotFoundError
from builder.image.config import Config
from builder.image.platform import Platform
from builder.plan import lower
from tests.support.dockerfiles import AMD64, parsed


def nothing(reference: str, platform: Platform) -> Config:
    raise NotFoundError(f"no image {reference}", hint="ask for it")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("FROM scratch AS base\nFROM bas", "did you mean 'base'?"),
        ("FROM scratch AS base\nFROM BASE:1", "did you mean 'base'?"),
        ("FROM buysbox", "did you mean 'busybox'?"),
        ("FROM scrach", "did you mean 'scratch'?"),
        ("FROM something/else", "ask for it"),
        ("ARG VERSION=busybox\nFROM $VERSOIN", "did you mean '$VERSION'?"),
        ("FROM $NOTHING", "give its variable a value by --build-arg or ARG above all FROMs"),
        ("FROM --platform=$TARGETPLATFROM scratch\nFROM --platform=$TARGETPLATFROM busybox", "did you mean '$TARGETPLATFORM'?"),
        ("FROM scratch AS base\nFROM scratch\nCOPY --from=bass-1:@ a b", ""),
    ],
)
def test_a_name_that_is_nearly_right_is_suggested(text: str, hint: str) -> None:
    with pytest.raises(BuilderError) as caught:
        lower(parsed(text), target="", build_args={}, labels={}, platform=AMD64, base_config=nothing)
    assert hint in caught.value.hint
