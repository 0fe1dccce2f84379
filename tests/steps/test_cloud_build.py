from __future__ import annotations

import json
import logging

import pytest

from steps import cloud_build
from steps.outcome import Outcome
from steps.report import write

_PUSHED = {"containerimage.digest": "sha256:00", "masu.pushed": ["gcr.io/p/a:1", "gcr.io/p/b:latest"]}
_ENV = {"BUILDER_OUTPUT": "/builder/outputs"}


def test_what_was_pushed_is_told_line_by_line_in_place_of_what_was_there() -> None:
    images, output = cloud_build.reports(Outcome.of(0, _PUSHED), _ENV)
    assert (images.where, images.append) == ("/builder/outputs/images", False)
    assert images.text == '{"name":"gcr.io/p/a:1","digest":"sha256:00"}\n{"name":"gcr.io/p/b:latest","digest":"sha256:00"}\n'
    assert output.where == "/builder/outputs/output"
    told = {"image": "gcr.io/p/a@sha256:00", "digest": "sha256:00", "tags": ["gcr.io/p/a:1", "gcr.io/p/b:latest"]}
    assert json.loads(output.text) == told


@pytest.mark.parametrize(("code", "metadata"), [(42, _PUSHED), (0, {**_PUSHED, "masu.pushed": []}), (0, {})])
def test_an_image_that_was_not_pushed_is_in_no_result(code: int, metadata: dict[str, object]) -> None:
    assert [report for report in cloud_build.reports(Outcome.of(code, metadata), _ENV) if report.where.endswith("images")] == []


def test_a_failure_is_told_in_the_output() -> None:
    failed = {"masu.failure": {"message": "it's broken", "hint": "mend it", "file": "Dockerfile", "line": 3, "output": "boom"}}
    (output,) = cloud_build.reports(Outcome.of(1, failed), _ENV)
    assert json.loads(output.text) == {"error": "it's broken", "hint": "mend it", "file": "Dockerfile", "line": 3}


def test_it_is_known_by_its_variable() -> None:
    assert cloud_build.detect(_ENV)
    assert not cloud_build.detect({"BUILDER_OUTPUT": ""})
    assert cloud_build.reports(Outcome.of(0, _PUSHED), {}) == ()


def test_a_directory_that_cannot_be_written_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Cloud Build makes it for root alone."""
    with caplog.at_level(logging.WARNING):
        write(cloud_build.reports(Outcome.of(0, _PUSHED), {"BUILDER_OUTPUT": "/nowhere"}))
    assert [record.getMessage() for record in caplog.records] == [
        "the image is pushed, but can't be told in '/nowhere/images': No such file or directory",
        "can't tell what came of the build in '/nowhere/output': No such file or directory",
    ]
