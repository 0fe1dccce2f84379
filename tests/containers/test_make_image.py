from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.shared import REPOSITORY
from tests.support.step_image import STATE


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """What goes into the image and what makes it, as they are now."""
    for name in ("builder", "scripts", "steps"):
        shutil.copytree(REPOSITORY / name, tmp_path / "sources" / name)
    (tmp_path / "sources/.venv").symlink_to(REPOSITORY / ".venv")
    return tmp_path / "sources"


def make_image(sources: Path, directory: Path) -> Path:
    """What `make image` runs, for the default image alone, with the Debian base that the other tests use."""
    env = {**os.environ, "MASU_STATE_DIR": str(STATE), "SOURCE_DATE_EPOCH": "1700000000", "IMAGE_NAME": "example/masu"}
    command = ["scripts/make-image", str(directory), "default"]
    done = subprocess.run(command, cwd=sources, env=env, capture_output=True, text=True, check=False, timeout=900)
    if "no registry answers and an ordinary user" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.timeout(1800)
def test_the_same_sources_give_the_same_layout_and_an_archive_of_it(sources: Path, tmp_path: Path) -> None:
    first, second = (make_image(sources, tmp_path / name) for name in ("first", "second"))
    assert (first / "default/index.json").read_bytes() == (second / "default/index.json").read_bytes()
    (manifest,) = json.loads((first / "default/index.json").read_text())["manifests"]
    digest = manifest["digest"].removeprefix("sha256:")
    config = json.loads((first / f"default/blobs/sha256/{digest}").read_text())["config"]["digest"]
    with tarfile.open(first / "default.tar") as archive:
        content = archive.extractfile("manifest.json")
        assert content is not None
        (image,) = json.load(content)
    assert config.removeprefix("sha256:") in image["Config"]
    assert [tag.partition(":")[0] for tag in image["RepoTags"]] == ["example/masu"]
