from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import StoreError
from builder.image.blob import Blob
from builder.image.media import OCI_MANIFEST
from builder.local import look_up, name_of, names_of, split_place
from builder.store.copy import copy
from builder.store.layout import LayoutStore
from tests.support.samples import ARM64, sample_image, sample_index


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    """With two names of one image, and an index."""
    store = LayoutStore(tmp_path)
    copy(sample_image("a"), to=store, names=["docker.io/library/app:latest", "reg.example/app:1"])
    for image in (sample_image("a"), sample_image("b", platform=ARM64)):
        copy(image, to=store, names=[])
    store.tag("reg.example/multi:1", sample_index([sample_image("a"), sample_image("b", platform=ARM64)]))
    return store


def test_names_are_found_as_docker_reads_them(store: LayoutStore) -> None:
    for text in ("app", "app:latest", "docker.io/app", "index.docker.io/library/app:latest"):
        assert name_of(store, text) == "docker.io/library/app:latest"
        assert look_up(store, text).digest == sample_image("a").manifest.descriptor.digest
    assert name_of(store, "reg.example/app") is None


def test_digests_are_found_by_their_beginnings(store: LayoutStore) -> None:
    ours, theirs = sample_image("a"), sample_image("b", platform=ARM64)
    for blob, image in ((ours.manifest, ours), (ours.config_blob, ours), (theirs.manifest, theirs), (theirs.config_blob, theirs)):
        text = blob.descriptor.digest.hex
        for start in (text[:8], text, f"sha256:{text[:12]}", str(blob.descriptor.digest), f"whatever@{blob.descriptor.digest}"):
            assert look_up(store, start).digest == image.manifest.descriptor.digest, start
    assert names_of(store, ours.manifest.descriptor.digest.hex[:8]) == ["docker.io/library/app:latest", "reg.example/app:1"]
    assert names_of(store, theirs.manifest.descriptor.digest.hex[:8]) == []


@pytest.mark.parametrize("text", ["", "nothing", "abc", "sha256:", "zzzz", "../..", "0" * 64, "app:1@sha256:" + "0" * 64])
def test_what_means_nothing_is_an_error_that_says_what_to_do(store: LayoutStore, text: str) -> None:
    with pytest.raises(StoreError, match="no image") as error:
        look_up(store, text)
    assert "masu pull" in error.value.hint


def test_a_beginning_of_several_is_refused(tmp_path: Path) -> None:
    store, digits = LayoutStore(tmp_path), set[str]()
    for number in range(1000):
        image = sample_image(str(number))
        copy(image, to=store, names=[])
        start = image.manifest.descriptor.digest.hex[:4]
        if start in digits:
            break
        digits.add(start)
    with pytest.raises(StoreError, match="the beginning of 2 digests"):
        look_up(store, start)


def test_one_broken_image_hides_no_other(store: LayoutStore, caplog: pytest.LogCaptureFixture) -> None:
    store.tag("broken", Blob.of(b"{}", OCI_MANIFEST))
    digest = sample_image("a").manifest.descriptor.digest
    assert look_up(store, digest.hex[:10]).digest == digest
    assert "can't read broken of the store" in caplog.messages[0]


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [
        ("layout", "layout", ""),
        ("layout:1", "layout", "1"),
        ("layout:reg.example:5000/team/app:1", "layout", "reg.example:5000/team/app:1"),
        ("layout:a@sha256:12", "layout", "sha256:12"),
        ("layout@sha256:12", "layout", "sha256:12"),
        ("odd:name", "odd:name", ""),
        ("odd:name:1", "odd:name", "1"),
        ("missing:reg.example:5000/app:1", "missing", "reg.example:5000/app:1"),
    ],
)
def test_a_place_may_be_followed_by_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, path: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for directory in ("layout", "odd:name"):
        (tmp_path / directory).mkdir()
    assert split_place(text) == (Path(path), name)
