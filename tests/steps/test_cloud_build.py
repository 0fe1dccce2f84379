from __future__ import annotations

import pytest

from builder.errors import BuilderError
from steps import cloud_build
from steps.outcome import Outcome
from steps.report import write

_PUSHED = {"containerimage.digest": "sha256:00", "masu.pushed": ["gcr.io/p/a:1", "gcr.io/p/b:latest"]}
_ENV = {"BUILDER_OUTPUT": "/builder/outputs"}


def test_what_was_pushed_is_told_line_by_line_in_place_of_what_was_there() -> None:
    (report,) = cloud_build.reports(Outcome.of(0, _PUSHED), _ENV)
    assert (report.where, report.append) == ("/builder/outputs/images", False)
    assert report.text == '{"name":"gcr.io/p/a:1","digest":"sha256:00"}\n{"name":"gcr.io/p/b:latest","digest":"sha256:00"}\n'


@pytest.mark.parametrize(("code", "metadata"), [(42, _PUSHED), (0, {**_PUSHED, "masu.pushed": []}), (0, {})])
def test_a_build_that_failed_or_pushed_nothing_is_not_told(code: int, metadata: dict[str, object]) -> None:
    assert cloud_build.reports(Outcome.of(code, metadata), _ENV) == ()


def test_it_is_known_by_its_variable() -> None:
    assert cloud_build.detect(_ENV)
    assert not cloud_build.detect({"BUILDER_OUTPUT": ""})


def test_a_directory_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BuilderError, match="the image is pushed, but can't be told in '/nowhere/images'"):
        write(cloud_build.reports(Outcome.of(0, _PUSHED), {"BUILDER_OUTPUT": "/nowhere"}))
