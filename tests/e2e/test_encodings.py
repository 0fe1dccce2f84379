"""What --image-format, --compression, --single-snapshot, --reproducible and --annotation make of an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import Engine, start_docker_engine
from tests.support.images import read_image
from tests.support.masu import Masu, add_base, shell, write_context
from tests.support.registry import serve_registry

DOCKERFILE = """\
FROM base AS first
COPY --chmod=600 one /data/one
RUN echo two > /data/two && rm /bin/ls
FROM first
RUN rm /data/one && ln /data/two /data/three && rm -r /srv && mkdir /srv && echo new > /srv/new
COPY --link one /data/four
CMD ["cat", "/data/two"]
"""
OCI, DOCKER = "application/vnd.oci.image", "application/vnd.docker"
TOC = "containerd.io/snapshot/stargz/toc.digest"


@pytest.fixture(scope="module")
def masu(tmp_path_factory: pytest.TempPathFactory) -> Masu:
    """With an image `base`, whose /srv has a file, and the same as `docker-base` in docker's format."""
    directory = tmp_path_factory.mktemp("encodings")
    made = Masu(state=directory / "state")
    add_base(made, directory, name="busybox")
    for name, format in (("base", "oci"), ("docker-base", "docker")):
        context = write_context(directory / name, "FROM busybox\nCOPY old /srv/old\n", {"old": "old"})
        done = made("build", "--tag", name, "--image-format", format, context)
        assert done.returncode == 0, done.stderr
    return made


def built(masu: Masu, directory: Path, *options: str, dockerfile: str = DOCKERFILE) -> Path:
    """The layout of the image."""
    context = write_context(directory / "context", dockerfile, {"one": "1" * 5000})
    layout = directory / "layout"
    done = masu("build", "--no-push", "--oci-layout-path", layout, *options, context)
    assert done.returncode == 0, done.stdout + done.stderr
    return layout


def blob(layout: Path, digest: str) -> Any:
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())


def top(layout: Path) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads((layout / "index.json").read_text())["manifests"][0]
    return entry


def manifest(layout: Path) -> dict[str, Any]:
    found: dict[str, Any] = blob(layout, top(layout)["digest"])
    return found


def layers(layout: Path) -> list[str]:
    return [layer["mediaType"].rpartition(".")[2] for layer in manifest(layout)["layers"]]


def files(layout: Path) -> dict[str, Any]:
    """The image's files without eStargz's own."""
    found = read_image(layout).files
    return {path: entry for path, entry in found.items() if "prefetch.landmark" not in path and "stargz.index" not in path}


@pytest.mark.parametrize(
    ("options", "base", "family", "expected"),
    [
        ((), "base", OCI, ["tar+gzip"] * 6),
        ((), "docker-base", DOCKER, ["gzip"] * 6),
        (("--image-format", "docker"), "base", DOCKER, ["gzip"] * 6),
        (("--image-format", "oci"), "docker-base", OCI, ["tar+gzip"] * 6),
        (("--compression", "zstd"), "base", OCI, ["tar+gzip"] * 2 + ["tar+zstd"] * 4),
        (("--compression", "zstd"), "docker-base", OCI, ["tar+gzip"] * 2 + ["tar+zstd"] * 4),
        (("--compression", "zstd", "--force-compression"), "base", OCI, ["tar+zstd"] * 6),
        (("--compression", "uncompressed", "--force-compression"), "base", OCI, ["tar"] * 6),
        (("--compression", "uncompressed"), "docker-base", DOCKER, ["gzip"] * 2 + ["tar"] * 4),
        (("--compression", "estargz", "--compression-level", "9"), "base", OCI, ["tar+gzip"] * 6),
    ],
)
def test_the_media_types_are_those_asked_for(
    masu: Masu, tmp_path: Path, options: tuple[str, ...], base: str, family: str, expected: list[str]
) -> None:
    layout = built(masu, tmp_path, *options, dockerfile=DOCKERFILE.replace("FROM base", f"FROM {base}"))
    found = manifest(layout)
    assert found["mediaType"].startswith(family)
    assert found["config"]["mediaType"].startswith(family)
    assert layers(layout) == expected


@pytest.fixture(scope="module")
def usual(masu: Masu, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The files of the image as it is built without options."""
    return files(built(masu, tmp_path_factory.mktemp("usual"), "--reproducible"))


@pytest.mark.parametrize(
    "options",
    [
        ("--compression", "zstd", "--compression-level", "19"),
        ("--compression", "estargz", "--force-compression"),
        ("--compression", "uncompressed", "--image-format", "docker"),
        ("--single-snapshot",),
        ("--squash", "--compression", "estargz"),
        ("--squash", "--sandbox", "chroot"),
    ],
)
def test_the_files_are_the_same_however_they_are_stored(
    masu: Masu, usual: dict[str, Any], tmp_path: Path, options: tuple[str, ...]
) -> None:
    assert files(built(masu, tmp_path, "--reproducible", *options)) == usual


def test_a_single_snapshot_is_one_layer_and_keeps_the_history(masu: Masu, tmp_path: Path) -> None:
    layout = built(masu, tmp_path, "--single-snapshot")
    history = blob(layout, manifest(layout)["config"]["digest"])["history"]
    assert len(manifest(layout)["layers"]) == 3
    steps = [entry for entry in history if entry.get("comment") == "buildkit.dockerfile.v0"][-5:]
    assert [bool(entry.get("empty_layer")) for entry in steps] == [True, True, True, False, True]
    assert len([entry for entry in history if not entry.get("empty_layer")]) == 3


def test_a_reproducible_image_is_the_same_again(masu: Masu, tmp_path: Path) -> None:
    once, again = (
        built(masu, tmp_path / name, "--reproducible", "--jobs", jobs) for name, jobs in (("once", "1"), ("again", "2"))
    )
    assert top(once)["digest"] == top(again)["digest"]
    config = blob(once, manifest(once)["config"]["digest"])
    assert config["created"] == "1970-01-01T00:00:00Z"


def test_source_date_epoch_comes_before_reproducible(masu: Masu, tmp_path: Path) -> None:
    layout = built(masu, tmp_path, "--reproducible", "--build-arg", "SOURCE_DATE_EPOCH=86400")
    assert blob(layout, manifest(layout)["config"]["digest"])["created"] == "1970-01-02T00:00:00Z"


def test_annotations_go_where_their_level_says(masu: Masu, tmp_path: Path) -> None:
    options = [
        "--annotation=a=1=2", "--annotation=manifest,index:b=3", "--annotation=manifest-descriptor[linux]:c=4",
        "--annotation=index-descriptor:d=5",
    ]  # fmt: skip
    layout = built(masu, tmp_path, *options)
    entry = top(layout)
    assert entry["annotations"]["d"] == "5"
    index = blob(layout, entry["digest"])
    assert (index["mediaType"], index["annotations"]) == ("application/vnd.oci.image.index.v1+json", {"b": "3"})
    (described,) = index["manifests"]
    assert described["annotations"] == {"c": "4"}
    assert described["platform"]["os"] == "linux"
    assert blob(layout, described["digest"])["annotations"] == {"a": "1=2", "b": "3"}


def test_every_output_tells_the_digest_of_the_index_and_is_pulled_by_it(masu: Masu, tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    with serve_registry(tmp_path / "registry") as registry:
        name, digest_file = f"{registry.host}/annotated:1", tmp_path / "digest"
        context = write_context(tmp_path / "context", "FROM base\nCOPY one /\n", {"one": "1"})
        done = masu(
            "build",
            "-d",
            name,
            "--annotation",
            "index:k=v",
            "--digest-file",
            digest_file,
            "--tar-path",
            tmp_path / "tar",
            context,
        )
        assert done.returncode == 0, done.stderr
        raw = shell(
            ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}@{digest_file.read_text()}".replace(":1@", "@")]
        )
        assert json.loads(raw)["annotations"] == {"k": "v"}
        assert json.loads(shell(["skopeo", "inspect", f"docker-archive:{tmp_path}/tar"]))["Layers"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--compression", "brotli"), "brotli"),
        (("--compression-level", "10"), "--compression gzip has no --compression-level 10"),
        (("--compression", "zstd", "--compression-level", "23"), "a number from 0 to 22"),
        (("--compression", "uncompressed", "--compression-level", "1"), "leave it out"),
        (("--compression", "zstd", "--image-format", "docker"), "--image-format docker has no layers that are zstd"),
        (("--compression", "estargz", "--image-format", "docker"), "--image-format docker has no layers that are estargz"),
        (("--image-format", "squashfs"), "squashfs"),
        (("--annotation", "novalue"), "write KEY=VALUE"),
        (("--annotation", "layer:a=b"), "unknown level 'layer'"),
        (("--annotation", "manifest[linux/s390x]:a=b"), "is for linux/s390x"),
    ],
)
def test_what_does_not_go_together_is_refused_before_the_build(
    masu: Masu, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    context = write_context(tmp_path, "FROM nowhere.invalid/none\n")
    done = masu("build", "--no-push", *options, context)
    assert done.returncode == 1
    assert says in done.stderr
    assert "nowhere.invalid" not in done.stderr


def test_a_zstd_base_in_dockers_format_needs_force_compression(masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path / "base", "FROM base\nCOPY one /\n", {"one": "1"})
    assert masu("build", "--tag", "zstd-base", "--compression", "zstd", context).returncode == 0
    context = write_context(tmp_path / "context", "FROM zstd-base\nCOPY one /two\n", {"one": "1"})
    refused = masu("build", "--no-push", "--image-format", "docker", context)
    assert refused.returncode == 1
    assert "add --force-compression" in refused.stderr
    done = masu(
        "build", "--no-push", "--image-format", "docker", "--force-compression", "--oci-layout-path", tmp_path / "out", context
    )
    assert done.returncode == 0, done.stderr
    assert set(layers(tmp_path / "out")) == {"gzip"}


def test_an_estargz_layer_has_the_digest_of_its_table(masu: Masu, tmp_path: Path) -> None:
    layout = built(masu, tmp_path, "--compression", "estargz", "--force-compression")
    annotations = [layer["annotations"] for layer in manifest(layout)["layers"]]
    assert all(TOC in item and "io.containers.estargz.uncompressed-size" in item for item in annotations)
    assert len(blob(layout, manifest(layout)["config"]["digest"])["rootfs"]["diff_ids"]) == 6


@pytest.fixture(scope="module")
def engine() -> Engine:
    return start_docker_engine()


@pytest.mark.parametrize("options", [("--compression", "estargz"), ("--squash",), ("--compression", "uncompressed")])
def test_an_engine_runs_it(masu: Masu, engine: Engine, tmp_path: Path, options: tuple[str, ...]) -> None:
    archive = tmp_path / "image.tar"
    built(masu, tmp_path, *options, "--tar-path", str(archive), "-d", "example.test/encoded:1")
    assert engine.run(engine.load(archive)).output == "two\n"


@pytest.mark.parametrize("compression", ["zstd", "estargz"])
def test_skopeo_reads_it(masu: Masu, tmp_path: Path, compression: str) -> None:
    layout = built(masu, tmp_path, "--compression", compression)
    shell(["skopeo", "copy", f"oci:{layout}", f"dir:{tmp_path}/copy"])
    assert json.loads((tmp_path / "copy/manifest.json").read_text()) == manifest(layout)
