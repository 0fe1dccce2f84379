"""--cache-from, --cache-to, masu explain and what the metadata tell of the cache."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.masu import Masu, write_context
from tests.support.registry import RunningRegistry

DOCKERFILE = """\
FROM base AS build
RUN cat /proc/sys/kernel/random/uuid > /tool
COPY src /src
FROM base
COPY --from=build /tool /tool
ARG VERSION=1
RUN echo $VERSION > /version
"""
STEPS = ["RUN cat", "COPY src", "COPY --f", "RUN echo"]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return write_context(tmp_path / "context", DOCKERFILE, {"src/a": "one\n"})


def build(masu: Masu, context: Path, *options: str) -> tuple[list[str], str]:
    """What was found in the cache, by the steps' first letters; and the log."""
    done = masu("build", "--reproducible", *options, context)
    assert done.returncode == 0, done.stderr
    return [text[:8] for text in re.findall(r"Using caching version of cmd: (.*)", done.stderr)], done.stderr


def test_all_stages_from_a_registry(stocked: Masu, other: Masu, registry: RunningRegistry, context: Path) -> None:
    cache = f"type=registry,ref={registry.host}/all:cache"
    build(stocked, context, "-d", f"{registry.host}/all:1", f"--cache-to={cache},mode=max")
    hits, log = build(other, context, "-d", f"{registry.host}/all:2", f"--cache-from={cache}", f"--cache-to={cache},mode=max")
    assert (hits, "No cached layer" in log) == (STEPS[2:], False), "and the first stage isn't needed"
    (context / "src/a").write_text("two\n")
    hits, log = build(other, context, "-d", f"{registry.host}/all:3", "--no-push", "-t", "x", f"--cache-from={cache}")
    assert (hits, "(changed: src/a)" in log) == (["RUN cat ", "COPY --f", "RUN echo"], True)


@pytest.mark.parametrize("mode", ["inline", "min"])
def test_the_last_stage_only(stocked: Masu, other: Masu, registry: RunningRegistry, context: Path, mode: str) -> None:
    image = f"{registry.host}/{mode}:1"
    cache = "type=inline" if mode == "inline" else f"type=registry,ref={image}-cache"
    build(stocked, context, "-d", image, f"--cache-to={cache}")
    source = f"--cache-from={image}{'' if mode == 'inline' else '-cache'}"
    hits, log = build(other, context, "-t", "x", source)
    assert (hits, "No cached layer" in log) == (STEPS[2:], False), "the first stage is not there, and not needed"
    (context / "src/a").write_text("two\n")
    hits, log = build(other, context, "-t", "x", source)
    assert (hits, "Unpacking" in log) == ([], True), "now it is; its command is carried out again and comes out differently"


def test_an_inline_cache_changes_no_image_id(stocked: Masu, context: Path, tmp_path: Path) -> None:
    context.joinpath("Dockerfile").write_text("FROM base\nCOPY src /src\n")
    ids = []
    for number, options in enumerate([(), ("--cache-to=type=inline",), ("--build-arg=BUILDKIT_INLINE_CACHE=1",)]):
        path = tmp_path / f"layout{number}"
        build(stocked, context, "--no-push", "--oci-layout-path", str(path), "--iidfile", str(tmp_path / "id"), *options)
        digest = json.loads((path / "index.json").read_text())["manifests"][0]["digest"]
        ids.append(((tmp_path / "id").read_text(), digest))
    assert len({image_id for image_id, _ in ids}) == 1
    assert ids[0][1] != ids[1][1] == ids[2][1]


def test_an_inline_cache_publishes_no_names(stocked: Masu, context: Path, tmp_path: Path) -> None:
    build(stocked, context, "--no-push", "--oci-layout-path", str(tmp_path / "layout"), "--cache-to=type=inline")
    blobs = [path.read_bytes() for path in (tmp_path / "layout/blobs/sha256").iterdir()]
    (manifest,) = (data for data in blobs if b"dev.masu.cache.records" in data)
    assert not any(word in manifest for word in (b"random/uuid", b"src/a", b"VERSION"))


def test_directories_in_their_order(stocked: Masu, other: Masu, context: Path, tmp_path: Path) -> None:
    caches = [f"--cache-from=type=local,src={tmp_path}/{name}" for name in ("nothing", "broken", "a", "b")]
    build(stocked, context, "-t", "x", f"--cache-to=type=local,dest={tmp_path}/a,mode=max")
    build(stocked, context, "-t", "x", "--build-arg=VERSION=2", f"--cache-to=type=local,dest={tmp_path}/b,mode=max", caches[2])
    shutil.copytree(tmp_path / "a", tmp_path / "broken")
    for path in (tmp_path / "broken/blobs/sha256").iterdir():
        path.write_bytes(b"x" * path.stat().st_size)
    hits, log = build(other, context, "-t", "x", "--build-arg=VERSION=2", *caches)
    assert hits == STEPS[2:]
    assert log.count("is not there yet") == 1
    assert log.count("can't be read") == 1


def test_a_cache_that_cannot_be_written_is_no_failure(stocked: Masu, context: Path) -> None:
    _, log = build(stocked, context, "-t", "x", "--cache-to=127.0.0.1:1/nobody/there:cache")
    assert log.count("--cache-to 127.0.0.1:1/nobody/there:cache can't be written") == 1


def test_an_unknown_type_fails_before_anything_is_run(stocked: Masu, context: Path) -> None:
    done = stocked("build", "-t", "x", "--cache-to=type=gha,mode=max", context)
    assert done.returncode == 1
    assert "type=registry,ref=REFERENCE" in done.stderr
    assert "RUN" not in done.stderr


def test_every_step_is_explained_without_building(stocked: Masu, context: Path, tmp_path: Path) -> None:
    flags = ("--cache-repo", f"oci:{tmp_path}/cache", "--cache-copy-layers", "--reproducible", "-t", "x")
    build(stocked, context, "--cache", *flags)
    (context / "src/a").write_text("two\n")
    (context / "src/b").write_text("new\n")
    done = stocked("explain", *flags, context)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "stage 0 (build)",
        "  step 1: RUN cat /proc/sys/kernel/random/uuid > /tool",
        "    cached",
        "  step 2: COPY src /src",
        "    carried out: changed: src/a, src/b",
        "stage 1",
        "  step 1: COPY --from=build /tool /tool",
        "    only the build can tell: it reads what has to be built first",
        "  step 3: RUN echo $VERSION > /version",
        "    only the build can tell: what it works on: step 1",
        "1 cached, 1 to be carried out, 2 to be seen",
    ]


def test_the_metadata_have_it_for_every_step(stocked: Masu, context: Path, tmp_path: Path) -> None:
    flags = ("--cache", "--cache-repo", f"oci:{tmp_path}/cache", "-t", "x", "--metadata-file", str(tmp_path / "metadata"))
    build(stocked, context, *flags)
    build(stocked, context, *flags, "--build-arg=VERSION=2")
    told = json.loads((tmp_path / "metadata").read_text())["masu.cache"]
    assert [(step["stage"], step["cached"], step.get("reason")) for step in told] == [
        ("build", True, None),
        ("build", False, ["layers of such instructions are not cached"]),
        ("1", False, ["layers of such instructions are not cached"]),
        ("1", False, ["ARG VERSION"]),
    ]
