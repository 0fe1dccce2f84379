"""`SOURCE_DATE_EPOCH=context`: the time of what is built, as its server or its files tell it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.elsewhere import MODIFIED, Elsewhere, serve_elsewhere
from tests.support.masu import Masu, write_context
from tests.support.tree import make_tar, member

OF_FILES = 1234567890
ARCHIVE = make_tar(
    (member("Dockerfile", mtime=OF_FILES), b"ARG SOURCE_DATE_EPOCH=context\nFROM scratch\nCOPY . /\n"),
    (member("old", mtime=OF_FILES - 1), b"old\n"),
)
FROM_OUTSIDE = "--build-arg=SOURCE_DATE_EPOCH=context"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    with serve_elsewhere(tmp_path_factory.mktemp("elsewhere")) as served:
        yield served


@pytest.mark.parametrize(
    ("context", "flags", "expected"),
    [
        ("@HTTP@/repo.git", [FROM_OUTSIDE], MODIFIED),
        ("@HTTP@/repo.git#v1:d", [FROM_OUTSIDE], MODIFIED),
        ("@HTTP@/context.tgz", [FROM_OUTSIDE], MODIFIED),
        ("-", [], OF_FILES),
        ("-", ["--build-arg=SOURCE_DATE_EPOCH=5"], 5),
    ],
)
def test_an_image_has_the_time_of_its_context(
    elsewhere: Elsewhere, tmp_path: Path, context: str, flags: list[str], expected: int
) -> None:
    masu = Masu(state=tmp_path / "state")
    url = context.replace("@HTTP@", elsewhere.http)
    done = masu("build", "--no-push", "--oci-layout-path", tmp_path / "made", *flags, url, input=ARCHIVE)
    assert done.returncode == 0, done.stderr
    assert created(tmp_path / "made") == expected


def created(layout: Path) -> float:
    """When the only image of a layout was made, as it says."""

    def read(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((layout / name).read_text())
        return found

    manifest = read("blobs/" + read("index.json")["manifests"][0]["digest"].replace(":", "/"))
    config = read("blobs/" + manifest["config"]["digest"].replace(":", "/"))
    return datetime.fromisoformat(config["created"]).timestamp()


def test_a_directory_has_no_time(tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", "FROM scratch\nCOPY . /\n")
    done = Masu(state=tmp_path / "state")("build", "-t", "made", FROM_OUTSIDE, context)
    assert done.returncode == 0, done.stderr
    assert "SOURCE_DATE_EPOCH=context has no effect" in done.stderr
