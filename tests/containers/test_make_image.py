from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.registry import serve_registry
from tests.support.same import Remote
from tests.support.shared import REPOSITORY
from tests.support.step_image import STATE


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """What goes into the image and what makes it, as they are now."""
    for name in ("builder", "scripts", "steps"):
        shutil.copytree(REPOSITORY / name, tmp_path / "sources" / name)
    (tmp_path / "sources/.venv").symlink_to(REPOSITORY / ".venv")
    return tmp_path / "sources"


def make_image(sources: Path, directory: Path, **more: str) -> Path:
    """What `make image` runs, for the default image alone, with the Debian base that the other tests use."""
    env = {**os.environ, "MASU_STATE_DIR": str(STATE), "SOURCE_DATE_EPOCH": "1700000000", "IMAGE_NAME": "example/masu", **more}
    command = ["scripts/make-image", str(directory), "default"]
    done = subprocess.run(command, cwd=sources, env=env, capture_output=True, text=True, check=False, timeout=900)
    if "no registry answers and an ordinary user" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.timeout(1800)
def test_the_same_sources_give_the_same_layout_and_an_archive_of_it_and_are_pushed(sources: Path, tmp_path: Path) -> None:
    """The second time as cloudbuild.yaml's step does it: what was pushed is told to Cloud Build."""
    (tmp_path / "outputs").mkdir()
    (tmp_path / "registry").mkdir()
    first = make_image(sources, tmp_path / "first")
    with serve_registry(tmp_path / "registry") as registry:
        pushing = {
            "PUSH": "yes",
            "IMAGE_NAME": f"{registry.host}/tools/masu",
            "IMAGE_TAG": "1",
            "BUILDER_OUTPUT": f"{tmp_path}/outputs",
        }
        make_image(sources, tmp_path / "second", **pushing)
        pushed = Remote(host=registry.host, repository="tools/masu").digest()
    assert json.loads((tmp_path / "outputs/images").read_text()) == {"name": f"{registry.host}/tools/masu:1", "digest": pushed}
    (manifest,) = json.loads((first / "default/index.json").read_text())["manifests"]
    assert manifest["digest"] == pushed
    digest = manifest["digest"].removeprefix("sha256:")
    config = json.loads((first / f"default/blobs/sha256/{digest}").read_text())["config"]["digest"]
    with tarfile.open(first / "default.tar") as archive:
        content = archive.extractfile("manifest.json")
        assert content is not None
        (image,) = json.load(content)
    assert config.removeprefix("sha256:") in image["Config"]
    assert [tag.partition(":")[0] for tag in image["RepoTags"]] == ["example/masu"]
