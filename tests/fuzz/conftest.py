"""The engine and the base images, once a process; and a loud word at the end when there was no engine to compare with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.bases import Bases, serve_bases
from tests.support.oracle import Docker, start_docker


@pytest.fixture(scope="session")
def docker() -> Docker:
    return start_docker()


@pytest.fixture(scope="session")
def bases(docker: Docker) -> Iterator[Bases]:
    with serve_bases(debian=False) as served:
        yield served


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if "tests/fuzz/test_differential" in report.nodeid]
    if skipped:
        reasons = sorted({str(report.longrepr[-1]) for report in skipped})
        terminalreporter.section("not fuzzed against Docker", red=True, bold=True)
        terminalreporter.line(f"{len(skipped)} generated cases were skipped: {'; '.join(reasons)}")
