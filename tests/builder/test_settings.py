from __future__ import annotations

import pytest

from builder.errors import ImageError, UsageError
from builder.image.platform import Platform
from builder.options import BuildOptions
from builder.settings import Settings, platforms_of

HERE = str(Platform.host())


@pytest.mark.parametrize(
    ("given", "platforms"),
    [
        ((), [HERE]),
        (("",), [HERE]),
        (("linux/arm64",), ["linux/arm64"]),
        (("linux/arm64,linux/amd64",), ["linux/arm64", "linux/amd64"]),
        (("linux/arm64", " linux/386, linux/arm "), ["linux/arm64", "linux/386", "linux/arm/v7"]),
        (("linux/amd64,linux/arm64/v8,linux/x86_64", "linux/aarch64"), ["linux/amd64", "linux/arm64"]),
    ],
)
def test_platforms_are_built_in_the_order_given_each_once(given: tuple[str, ...], platforms: list[str]) -> None:
    assert [str(platform) for platform in platforms_of(BuildOptions(custom_platform=given))] == platforms


def test_an_image_is_said_to_be_for_what_was_asked_for_only() -> None:
    wanted = [Settings.of(BuildOptions(custom_platform=given), {}, Platform.host()).platform for given in ((), (HERE,))]
    assert wanted == [None, Platform.host()]


@pytest.mark.parametrize(
    ("platforms", "argument", "expected"),
    [
        ((), None, False),
        ((), "", False),
        ((), "0", False),
        ((), "1", True),
        (("linux/amd64,linux/arm64",), None, True),
        (("linux/amd64,linux/arm64",), "true", True),
    ],
)
def test_one_platform_may_be_as_one_of_several(platforms: tuple[str, ...], argument: str | None, expected: bool) -> None:
    arguments = {} if argument is None else {"BUILDKIT_MULTI_PLATFORM": argument}
    assert Settings.of(BuildOptions(custom_platform=platforms), arguments, Platform.host()).is_for_several is expected


@pytest.mark.parametrize(
    ("platforms", "argument", "said"), [((), "maybe", "='maybe'"), (("linux/amd64,linux/arm64",), "0", "is for one platform")]
)
def test_what_several_platforms_can_not_be_is_refused(platforms: tuple[str, ...], argument: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Settings.of(BuildOptions(custom_platform=platforms), {"BUILDKIT_MULTI_PLATFORM": argument}, Platform.host())


def test_what_is_no_platform_is_an_error() -> None:
    with pytest.raises(ImageError, match="invalid platform"):
        platforms_of(BuildOptions(custom_platform=("linux/amd64,a/b/c/d",)))
