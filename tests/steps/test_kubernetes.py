from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from steps import kubernetes
from steps.outcome import Outcome
from steps.platforms import detected
from steps.report import write

_PUSHED = {"containerimage.digest": "sha256:00", "masu.pushed": ["gcr.io/p/a:1"]}
_ENV = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


def message(outcome: Outcome, path: Path) -> str:
    """What is in the file afterwards, in the place of Kubernetes' own."""
    (report,) = kubernetes.reports(outcome, _ENV)
    assert report.where == "/dev/termination-log"
    write([replace(report, where=str(path))])
    return path.read_text() if path.exists() else "nothing"


def test_a_pod_is_known_by_the_variable_that_every_container_has() -> None:
    assert detected(_ENV) is kubernetes
    assert detected({}) is None


def test_the_image_is_the_message_of_a_container_that_has_built_one(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    told = '{"image":"gcr.io/p/a@sha256:00","digest":"sha256:00","tags":["gcr.io/p/a:1"]}'
    assert message(Outcome.of(0, _PUSHED), tmp_path / "log") == told


def test_a_digest_that_the_build_has_written_there_stays_alone(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("sha256:00")
    assert message(Outcome.of(0, _PUSHED), tmp_path / "log") == "sha256:00"


def test_no_file_is_made_where_the_pod_has_its_message_elsewhere(tmp_path: Path) -> None:
    assert message(Outcome.of(0, _PUSHED), tmp_path / "log") == "nothing"


@pytest.mark.parametrize("size", [0, 1, 4000, 5_000_000])
def test_a_failure_is_told_with_its_last_lines_in_4096_bytes(tmp_path: Path, size: int) -> None:
    (tmp_path / "log").touch()
    output = "ä" * size + "\nthe last line"
    failed = {
        "masu.failure": {"message": "RUN false: exit code 3", "hint": "see the log", "file": "", "line": 0, "output": output}
    }
    told = message(Outcome.of(3, failed), tmp_path / "log")
    assert told.startswith("error: RUN false: exit code 3\nhint: see the log\n")
    assert told.endswith("\nthe last line")
    assert len(told.encode()) <= 4096
