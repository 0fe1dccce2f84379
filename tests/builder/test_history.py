"""Which times an image's history tells."""

from __future__ import annotations

import pytest

from builder.history import Past, continued
from builder.image.config import Config, History
from builder.image.platform import Platform


@pytest.mark.parametrize(
    ("base", "times", "told"),
    [
        ("", [], []),
        ("", [None, None], ["now", "now"]),
        ("", [None, "2", None, "3", None], ["2", "2", "2", "3", "3"]),
        ("1", [None, "2", None], ["1", "2", "2"]),
        ("1", [None], ["1"]),
    ],
)
def test_a_step_without_a_layer_has_the_time_of_the_one_before(base: str, times: list[str | None], told: list[str]) -> None:
    before = (History(created="0", created_by="FROM"),)
    config = Config(platform=Platform(os="linux", architecture="amd64"), created=base, history=before)
    steps = [Past(created_by=f"step {number}", has_layer=at is not None, at=at) for number, at in enumerate(times)]
    history, last = continued(config, steps, now="now")
    assert [entry.created for entry in history] == ["0", *told]
    assert [entry.empty_layer for entry in history[1:]] == [at is None for at in times]
    assert last == (told[-1] if told else base or "now")
