"""What other tools make of our stores, and we of theirs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from builder.image.media import Format
from builder.store.archive import read_archive
from builder.store.copy import copy, load
from builder.store.layout import LayoutStore
from builder.store.tarball import TarballStore
from tests.support.samples import AMD64, sample_image


def run(*argv: str) -> str:
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    copy(sample_image("a", "b"), to=LayoutStore(tmp_path / "layout"), names=["v1"])
    return tmp_path / "layout"


def test_skopeo_copies_a_layout_of_ours(layout: Path, tmp_path: Path) -> None:
    run("skopeo", "copy", f"oci:{layout}:v1", f"dir:{tmp_path / 'copied'}")
    expected = LayoutStore(layout).resolve("v1").size
    assert (tmp_path / "copied" / "manifest.json").stat().st_size == expected


def test_we_read_a_layout_and_an_archive_of_skopeo(layout: Path, tmp_path: Path) -> None:
    image = load(LayoutStore(layout), "v1", AMD64)
    run("skopeo", "copy", f"oci:{layout}:v1", f"oci:{tmp_path / 'theirs'}:docker.io/library/app:v1")
    assert load(LayoutStore(tmp_path / "theirs"), "app:v1", AMD64).manifest.descriptor == image.manifest.descriptor
    run("skopeo", "copy", f"oci:{layout}:v1", f"docker-archive:{tmp_path / 'theirs.tar'}:app:v1")
    assert load(read_archive(tmp_path / "theirs.tar"), "app:v1", AMD64).config.diff_ids == image.config.diff_ids


@pytest.mark.parametrize("kind", list(Format))
def test_skopeo_reads_an_archive_of_ours(tmp_path: Path, kind: Format) -> None:
    image = sample_image("a", "b", format=kind)
    with TarballStore(tmp_path / "ours.tar") as archive:
        copy(image, to=archive, names=["app:1"])
    config = json.loads(run("skopeo", "inspect", "--config", f"docker-archive:{tmp_path / 'ours.tar'}:app:1"))
    assert config["rootfs"]["diff_ids"] == [str(digest) for digest in image.config.diff_ids]
    run("skopeo", "copy", f"docker-archive:{tmp_path / 'ours.tar'}:app:1", f"oci:{tmp_path / 'copied'}:1")


def test_podman_loads_an_archive_of_ours(tmp_path: Path) -> None:
    with TarballStore(tmp_path / "ours.tar") as archive:
        copy(sample_image("a"), to=archive, names=["reg.example/app:1"])
    with tempfile.TemporaryDirectory(prefix="p") as short:  # podman takes 50 characters
        storage = ["--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs"]
        assert "reg.example/app:1" in run("podman", *storage, "load", "--input", str(tmp_path / "ours.tar"))


def test_umoci_lists_and_unpacks_a_layout_of_ours(layout: Path, tmp_path: Path) -> None:
    assert run("umoci", "ls", "--layout", str(layout)).split() == ["v1"]
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    run("umoci", "unpack", *rootless, "--image", f"{layout}:v1", str(tmp_path / "bundle"))
    assert sorted(item.name for item in (tmp_path / "bundle" / "rootfs").iterdir()) == ["a", "b"]
