from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from builder.disk import prune, usage
from builder.errors import UsageError
from builder.image.blob import Blob
from builder.options import CommonOptions, PruneOptions, UsageOptions
from builder.store.copy import copy
from builder.store.layout import LayoutStore, opened
from tests.support.samples import sample_image, sample_layer

NOW = 1_000_000.0
HOUR = 3600.0


def store_of(state: Path) -> LayoutStore:
    return LayoutStore(state / "store")


def put(state: Path, name: str, *, hours: float) -> Blob:
    """A blob of 10 kB that was used so long ago."""
    blob = sample_layer(name, size=10_000).blob
    store_of(state).put(blob)
    os.utime(store_of(state).blob_path(blob.descriptor.digest), (NOW - hours * HOUR,) * 2)
    return blob


def pruned(state: Path, options: PruneOptions) -> list[str]:
    return list(prune(options, CommonOptions(state_dir=str(state)), {}, now=NOW, with_work=True))


def left(state: Path, *blobs: Blob) -> list[bool]:
    return [store_of(state).has(blob.descriptor) for blob in blobs]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PruneOptions(), [False, False, False]),
        (PruneOptions(filter=("until=2h",)), [False, False, True]),
        (PruneOptions(filter=("until=2h", "until=4h")), [False, True, True]),
        (PruneOptions(keep_storage="1g"), [True, True, True]),
        (PruneOptions(dry_run=True), [True, True, True]),
    ],
)
def test_what_was_used_lately_may_stay(tmp_path: Path, options: PruneOptions, expected: list[bool]) -> None:
    blobs = [put(tmp_path, name, hours=hours) for name, hours in (("old", 5), ("middle", 3), ("new", 1))]
    pruned(tmp_path, options)
    assert left(tmp_path, *blobs) == expected


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    new, old, middle = (put(tmp_path, name, hours=hours) for name, hours in (("new", 1), ("old", 5), ("middle", 3)))
    total = json.loads(usage(UsageOptions(format="json"), CommonOptions(state_dir=str(tmp_path)), {}))["places"]["total"]
    lines = pruned(tmp_path, PruneOptions(keep_storage=str(total - 15_000)))
    assert [line.split()[2].rstrip(",") for line in lines[:-1]] == [str(old.descriptor.digest), str(middle.descriptor.digest)]
    assert left(tmp_path, new, old, middle) == [True, False, False]


def test_images_with_names_go_only_if_all_may_and_nobody_uses_them(tmp_path: Path) -> None:
    store, used, other = store_of(tmp_path), sample_image("used"), sample_image("other")
    copy(used, to=store, names=["docker.io/library/used:1"])
    copy(other, to=store, names=["docker.io/library/other:1"])
    assert pruned(tmp_path, PruneOptions()) == ["Total reclaimed space: 0B\n"]
    with opened(store.path) as held:
        held.resolve("docker.io/library/used:1")
        lines = pruned(tmp_path, PruneOptions(all=True))
    assert len(lines) == 2
    assert lines[0].startswith("deleted image other:1, ")
    assert list(store.names()) == ["docker.io/library/used:1"]
    assert left(tmp_path, other.manifest, used.manifest) == [False, True]


def test_what_killed_processes_were_writing_goes(tmp_path: Path) -> None:
    store_of(tmp_path).put(sample_layer("a").blob)
    (tmp_path / "store" / ".1.part").write_bytes(bytes(9000))
    (tmp_path / "work/1-a").mkdir(parents=True)
    (tmp_path / "work/1-a.lock").touch()
    assert len(pruned(tmp_path, PruneOptions(filter=("until=1h",)))) == 3
    assert not (tmp_path / "store" / ".1.part").exists()
    assert list((tmp_path / "work").iterdir()) == []


def test_usage_counts_what_images_share_once(tmp_path: Path) -> None:
    one, two = sample_image("shared", "a", size=5000), sample_image("shared", "b", size=5000)
    copy(one, to=store_of(tmp_path), names=["docker.io/library/one:1", "docker.io/library/same:1"])
    copy(two, to=store_of(tmp_path), names=["docker.io/library/two:1"])
    told = json.loads(usage(UsageOptions(format="json"), CommonOptions(state_dir=str(tmp_path)), {}))
    shared = one.layers[0].blob.descriptor.size
    assert [(image["name"][18:], image["shared"]) for image in told["images"]] == [
        ("one:1", shared), ("same:1", shared), ("two:1", shared),
    ]  # fmt: skip
    assert told["images"][0]["unique"] == told["images"][1]["unique"] > one.layers[1].blob.descriptor.size


def test_no_more_goes_than_must_and_no_less(tmp_path: Path) -> None:
    """An image with two names frees nothing before both have gone, two that share a layer free it with the second."""
    cache = LayoutStore(tmp_path / "layer-cache")
    images = [sample_image("shared", name, size=20_000) for name in "ab"] + [sample_image("c", size=20_000)]
    for number, image in enumerate(images):
        copy(image, to=cache, names=[f"key-{number}", f"last-{number}"])
        os.utime(cache.blob_path(image.manifest.descriptor.digest), (NOW - HOUR + number,) * 2)
    total = json.loads(usage(UsageOptions(format="json"), CommonOptions(state_dir=str(tmp_path)), {}))["places"]["total"]
    lines = pruned(tmp_path, PruneOptions(keep_storage=str(total - 10_000)))
    assert [line.split(",")[0] for line in lines[:-1]] == ["deleted cached layer key-0", "deleted cached layer last-0"]
    lines = pruned(tmp_path, PruneOptions(keep_storage=str(total - 55_000)))
    assert [line.split(",")[0] for line in lines[:-1]] == ["deleted cached layer key-1", "deleted cached layer last-1"]
    assert sorted(cache.names()) == ["key-2", "last-2"]


@pytest.mark.parametrize(
    "options", [PruneOptions(filter=("since=1h",)), PruneOptions(filter=("until",)), PruneOptions(keep_storage="-1")]
)
def test_wrong_use_is_refused_before_anything_goes(tmp_path: Path, options: PruneOptions) -> None:
    blob = put(tmp_path, "a", hours=1)
    with pytest.raises(UsageError):
        pruned(tmp_path, options)
    assert left(tmp_path, blob) == [True]


def test_cached_layers_go_like_unpacked_ones_unless_a_build_has_found_them(tmp_path: Path) -> None:
    cache, one, two = LayoutStore(tmp_path / "layer-cache"), sample_image("one"), sample_image("two")
    copy(one, to=cache, names=["key-1"])
    copy(two, to=cache, names=["key-2"])
    with opened(cache.path) as held:
        held.resolve("key-1")
        lines = pruned(tmp_path, PruneOptions())
    assert [line.split(",")[0] for line in lines[:-1]] == ["deleted cached layer key-2"]
    assert list(cache.names()) == ["key-1"]
