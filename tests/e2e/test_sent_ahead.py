"""Layers are sent to the registry while they are made."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import Fault, FaultyProxy, serve_faults
from tests.support.masu import Masu, write_context
from tests.support.registry import RunningRegistry

LARGE = random.Random(1).randbytes(9 << 20)
DOCKERFILE = "FROM base\nCOPY large /large\nRUN wc -c < /large > /size\n"
PATCH, PUT = "^PATCH .*/blobs/uploads/", "^PUT .*/blobs/uploads/"


@pytest.fixture
def proxy(registry: RunningRegistry) -> Iterator[FaultyProxy]:
    with serve_faults(registry.host) as running:
        yield running


def built(masu: Masu, name: str, directory: Path, *options: str, dockerfile: str = DOCKERFILE) -> str:
    done = masu("build", *options, "-d", name, write_context(directory, dockerfile, {"large": LARGE}))
    assert done.returncode == 0, done.stderr
    return done.stderr


def is_whole(masu: Masu, name: str) -> bool:
    assert masu("pull", name).returncode == 0
    said = masu("run", name, "sh", "-c", "cat /size && md5sum < /large").stdout
    return said == f"{len(LARGE)}\n{hashlib.md5(LARGE).hexdigest()}  -\n"


def streamed(proxy: FaultyProxy) -> int:
    return sum(item.headers.get("Transfer-Encoding") == "chunked" for item in proxy.matching(PATCH))


def test_a_large_layer_is_sent_once_and_before_its_digest_is_known(stocked: Masu, proxy: FaultyProxy, tmp_path: Path) -> None:
    name = f"{proxy.host}/ahead/plain:1"
    built(stocked, name, tmp_path)
    assert streamed(proxy) == 1
    uploads = [item.what for item in proxy.matching(PUT)]
    assert len(uploads) == len(set(uploads))
    assert is_whole(stocked, name)


def test_every_registry_gets_it(stocked: Masu, registry: RunningRegistry, proxy: FaultyProxy, tmp_path: Path) -> None:
    names = [f"{proxy.host}/ahead/one:1", f"{proxy.host}/ahead/two:1", f"{registry.host}/ahead/three:1"]
    built(stocked, names[0], tmp_path, *(word for name in names[1:] for word in ("-d", name)))
    assert streamed(proxy) == 2
    assert all(is_whole(stocked, name) for name in names)


@pytest.mark.parametrize(
    "fault",
    [Fault(where=PATCH, status=405), Fault(where=PATCH, status=503), Fault(where=PATCH, times=1, hang_up=5 << 20)],
    ids=["refuses", "fails", "breaks"],
)
def test_where_it_can_not_be_the_image_is_pushed_all_the_same(
    stocked: Masu, proxy: FaultyProxy, tmp_path: Path, fault: Fault, request: pytest.FixtureRequest
) -> None:
    proxy.misbehave(fault)
    name = f"{proxy.host}/ahead/{request.node.callspec.id}:1"
    built(stocked, name, tmp_path)
    proxy.misbehave()
    assert is_whole(stocked, name)


@pytest.mark.parametrize(
    ("options", "dockerfile"),
    [
        (["--reproducible"], DOCKERFILE),
        (["--cache"], DOCKERFILE),
        (["--compression", "estargz"], DOCKERFILE),
        ([], f"{DOCKERFILE}FROM base\nCOPY --from=0 /size /size\n"),
    ],
    ids=["reproducible", "cache", "estargz", "another stage"],
)
def test_what_may_be_there_already_or_is_not_the_images_is_not_sent(
    stocked: Masu, proxy: FaultyProxy, tmp_path: Path, options: list[str], dockerfile: str, request: pytest.FixtureRequest
) -> None:
    built(
        stocked,
        f"{proxy.host}/ahead/not-{request.node.callspec.id.replace(' ', '-')}:1",
        tmp_path,
        *options,
        dockerfile=dockerfile,
    )
    assert streamed(proxy) == 0


def test_a_build_that_fails_leaves_no_image(stocked: Masu, proxy: FaultyProxy, tmp_path: Path) -> None:
    name = f"{proxy.host}/ahead/failed:1"
    done = stocked("build", "-d", name, write_context(tmp_path, f"{DOCKERFILE}RUN exit 3\n", {"large": LARGE}))
    assert done.returncode == 3
    assert "exit code 3" in done.stderr
    assert not proxy.matching("^PUT .*/manifests/")
    assert stocked("pull", name).returncode != 0
