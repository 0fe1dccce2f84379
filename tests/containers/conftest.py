"""Engine, images and bases, once a process; and a loud word at the end when nothing could be tried in containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cluster import World, open_world
from tests.support.engine import Engine, start_docker_engine
from tests.support.site import Site, open_site
from tests.support.step_image import step_image


@pytest.fixture(scope="session")
def engine() -> Engine:
    return start_docker_engine()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The name of masu's image in the engine."""
    return engine.load(step_image(debug=False))


@pytest.fixture(scope="session")
def debug_image(engine: Engine) -> str:
    return engine.load(step_image(debug=True))


@pytest.fixture(scope="session")
def small_site(engine: Engine) -> Iterator[Site]:
    """Without Debian and Python, which take a while."""
    with open_site(packages=False) as opened:
        yield opened


@pytest.fixture(scope="session")
def site(engine: Engine) -> Iterator[Site]:
    with open_site(packages=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """What the pods of Kubernetes, Tekton, Argo and Jenkins meet."""
    with open_world(tmp_path_factory.mktemp("world")) as opened:
        yield opened


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if "tests/containers/" in report.nodeid]
    if skipped:
        reasons = sorted({str(report.longrepr[-1]) for report in skipped})
        terminalreporter.section("not run in containers", red=True, bold=True)
        terminalreporter.line(f"{len(skipped)} tests in containers were skipped: {'; '.join(reasons)}")
