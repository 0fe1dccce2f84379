from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import BuilderError
from steps import tekton
from steps.outcome import Outcome
from steps.report import write

_NAMES = ["registry.test/team/app:1", "registry.test/team/app:latest", "other.test/app:1"]
_PUSHED = {"containerimage.digest": "sha256:00", "masu.pushed": _NAMES}


def test_results_are_those_of_the_catalogs_task_and_what_chains_reads() -> None:
    assert {report.where: report.text for report in tekton.reports(Outcome.of(0, _PUSHED), {})} == {
        "/tekton/results/IMAGE_DIGEST": "sha256:00",
        "/tekton/results/IMAGE_URL": "registry.test/team/app:1",
        "/tekton/results/IMAGES": "registry.test/team/app@sha256:00,other.test/app@sha256:00",
    }


@pytest.mark.parametrize(("code", "metadata"), [(42, _PUSHED), (0, {**_PUSHED, "masu.pushed": []}), (0, {})])
def test_an_image_that_was_not_pushed_is_no_result(code: int, metadata: dict[str, object]) -> None:
    assert tekton.reports(Outcome.of(code, metadata), {}) == ()


def test_a_result_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else Tekton Chains would sign nothing, and nobody would know."""
    monkeypatch.setattr(tekton, "RESULTS", f"{tmp_path}/nowhere")
    with pytest.raises(BuilderError, match="the image is pushed, but can't be told in"):
        write(tekton.reports(Outcome.of(0, _PUSHED), {}))
