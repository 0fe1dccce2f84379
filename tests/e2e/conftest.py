"""The engine and the base images, once a process; and a loud word at the end when there was no engine to compare with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bases import Bases, serve_bases
from tests.support.masu import Masu, add_base
from tests.support.merging_docker import start_merging_docker
from tests.support.oracle import Docker, start_docker
from tests.support.registry import RunningRegistry, serve_registry


@pytest.fixture(scope="session")
def docker() -> Docker:
    return start_docker()


@pytest.fixture(scope="session")
def merging_docker() -> Docker:
    return start_merging_docker()


@pytest.fixture(scope="session")
def bases(docker: Docker) -> Iterator[Bases]:
    with serve_bases(debian=True) as served:
        yield served


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Masu:
    """masu with a small image called `base` in its store."""
    directory = tmp_path_factory.mktemp("stocked")
    made = Masu(state=directory / "state")
    add_base(made, directory)
    return made


@pytest.fixture
def other(stocked: Masu, tmp_path: Path) -> Masu:
    """masu on another machine, which has the image and nothing else."""
    shutil.copytree(stocked.state / "store", tmp_path / "other/store")
    return Masu(state=tmp_path / "other")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with serve_registry(tmp_path_factory.mktemp("registry")) as served:
        yield served


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if "tests/e2e/" in report.nodeid]
    if skipped:
        reasons = sorted({str(report.longrepr[-1]) for report in skipped})
        terminalreporter.section("not compared with Docker", red=True, bold=True)
        terminalreporter.line(f"{len(skipped)} end-to-end tests were skipped: {'; '.join(reasons)}")
