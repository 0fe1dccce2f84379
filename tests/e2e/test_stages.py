"""What is done for a stage that isn't the image."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.masu import Masu


def built(directory: Path, *flags: str) -> list[int]:
    """The sizes of the layers that the steps have made, in bytes."""
    (directory / "file").write_text("x")
    (directory / "Dockerfile").write_text("FROM scratch AS a\nCOPY file /a\nFROM scratch\nCOPY --from=a /a /b\n")
    told = directory / "told.json"
    done = Masu(state=directory / "state")("build", "-c", directory, "-t", "built", "--metadata-file", told, *flags)
    assert done.returncode == 0, done.stderr
    return [step["size"] for step in json.loads(told.read_text())["masu.steps"]]


def test_a_stage_that_is_only_copied_from_makes_no_layer(tmp_path: Path) -> None:
    first, last = built(tmp_path)
    assert first == 0 < last


def test_it_does_for_a_cache(tmp_path: Path) -> None:
    first, last = built(tmp_path, "--cache", "--cache-copy-layers", "--cache-repo", f"oci:{tmp_path}/cache")
    assert first > 0 < last
