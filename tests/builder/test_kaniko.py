from __future__ import annotations

import logging
from pathlib import Path

import pytest

from builder.kaniko import FEATURES, moved, tell
from builder.options import CommonOptions, KanikoOptions


@pytest.mark.parametrize(
    ("directory", "state", "expected"),
    [
        ("/kaniko", "/from/env", "/from/env"),
        ("/kaniko/", "/from/env", "/from/env"),
        ("", "/from/env", "/from/env"),
        ("/big/disk", "/from/env", "/big/disk/state"),
        ("/big/disk", "/from/option", "/from/option"),
    ],
)
def test_another_kaniko_directory_moves_the_state_unless_an_option_says_where(directory: str, state: str, expected: str) -> None:
    common, env = moved(KanikoOptions(kaniko_dir=directory), CommonOptions(state_dir=state), {"MASU_STATE_DIR": "/from/env"})
    assert (common.state_dir, dict(env)) == (expected, {"MASU_STATE_DIR": "/from/env"})


def test_a_login_in_another_kaniko_directory_is_found(tmp_path: Path) -> None:
    options, env = KanikoOptions(kaniko_dir=str(tmp_path)), {"DOCKER_CONFIG": "/kaniko/.docker"}
    assert moved(options, CommonOptions(), env)[1] == env
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text("{}")
    assert moved(options, CommonOptions(), env)[1] == {"DOCKER_CONFIG": f"{tmp_path}/.docker"}


def test_what_is_as_always_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        tell(KanikoOptions(), {"PATH": "/bin", "BENCHMARK_FILE": "false", "SNAPSHOT_TIMEOUT_DURATION": ""})
    assert caplog.messages == []


def test_needless_switches_are_told_in_one_line_and_unknown_ones_each(caplog: pytest.LogCaptureFixture) -> None:
    env = {f"FF_KANIKO_{name}": "true" for name in [*FEATURES, "X", "Y"]}
    with caplog.at_level(logging.DEBUG):
        tell(KanikoOptions(), env)
    assert [record.levelname for record in caplog.records] == ["DEBUG", "WARNING", "WARNING"]
    assert all(f"FF_KANIKO_{name}" in caplog.messages[0] for name in FEATURES)
