from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import AuthError, CacheError, RegistryError
from builder.image.reference import Reference
from builder.layer_cache import Findings
from builder.options import RegistryFlags
from builder.pushing import push, pushable
from builder.remotes import connect
from builder.retry import Again
from builder.store.copy import blob_in
from builder.store.layout import LayoutStore
from tests.builder.registry.conftest import registry
from tests.builder.registry.support import remote
from tests.support.faults import Fault, serve_faults
from tests.support.registry import RunningRegistry, serve_registry
from tests.support.samples import sample_image

__all__ = ["registry"]

IMAGE = sample_image("pushed")
DENIED = json.dumps({"errors": [{"code": "DENIED", "message": "not you"}]}).encode()


def references(*texts: str) -> list[Reference]:
    return [Reference.parse(text) for text in texts]


def uploads(running: RunningRegistry) -> list[Path]:
    """The files of uploads that have begun and not ended; distribution 2.8 itself forgets an empty hash state beside them."""
    return list(running.directory.glob("data/docker/registry/v2/repositories/*/_uploads/*/data"))


def test_several_registries_get_the_image(registry: RunningRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serve_registry(tmp_path) as other:
        names = [f"{registry.host}/pushed/a:1", f"{registry.host}/pushed/a:2", f"{registry.host}/pushed/b:1", f"{other.host}/c:1"]
        push(IMAGE, references(*names), remote=connect(RegistryFlags(), {}), again=Again())
        for name in references(*names):
            stored = remote(name.repository.host, name.repository.path).resolve(name.name)
            assert stored.digest == IMAGE.manifest.descriptor.digest
    told = {record.getMessage() for record in caplog.records if record.name == "builder.pushing"}
    pushed = {f"Pushed {name.rpartition(':')[0]}@{IMAGE.manifest.descriptor.digest}" for name in names}
    assert told == pushed | {f"Pushing image to {name}" for name in names}


def test_a_digest_without_a_tag_adds_no_tag(registry: RunningRegistry) -> None:
    digest = IMAGE.manifest.descriptor.digest
    (name,) = references(f"{registry.host}/untagged@{digest}")
    push(IMAGE, [name], remote=connect(RegistryFlags(), {}), again=Again())
    assert remote(registry.host, "untagged").resolve(str(digest)).digest == digest
    assert not list(registry.directory.glob("data/docker/registry/v2/repositories/untagged/_manifests/tags/*"))


def test_one_that_fails_is_named_and_the_others_are_completed(registry: RunningRegistry) -> None:
    with serve_faults(registry.host, Fault(where="^(PUT|POST|PATCH)", status=403, body=DENIED)) as proxy:
        names = references(f"{proxy.host}/denied:1", f"{registry.host}/allowed:1", f"{proxy.host}/denied-too:1")
        with pytest.raises(RegistryError, match="failed to push to 2 of 3 destinations") as error:
            push(IMAGE, names, remote=connect(RegistryFlags(), {}), again=Again())
        assert f"{proxy.host}/denied: POST" in error.value.message
        assert f"{proxy.host}/denied-too: POST" in error.value.message
        assert f"{registry.host}/allowed" not in error.value.message
        assert error.value.hint
    assert remote(registry.host, "allowed").resolve("1").digest == IMAGE.manifest.descriptor.digest


def test_the_only_destination_fails_with_its_own_error(registry: RunningRegistry) -> None:
    with serve_faults(registry.host, Fault(where="^POST", status=403, body=DENIED)) as proxy, pytest.raises(AuthError):
        push(IMAGE, references(f"{proxy.host}/only:1"), remote=connect(RegistryFlags(), {}), again=Again())


def test_a_push_is_tried_so_often_again(registry: RunningRegistry, caplog: pytest.LogCaptureFixture) -> None:
    slept: list[float] = []
    with serve_faults(registry.host, Fault(where="^PUT .*/manifests/", times=2, status=409)) as proxy:
        names = references(f"{proxy.host}/again:1")
        with pytest.raises(RegistryError):
            push(IMAGE, names, remote=connect(RegistryFlags(), {}), again=Again(extra=1, sleep=slept.append))
        push(IMAGE, names, remote=connect(RegistryFlags(), {}), again=Again(extra=2, sleep=slept.append))
    assert slept == [1]
    assert f"pushing to {proxy.host}/again failed: PUT" in caplog.text


def test_a_cached_layer_that_is_lost_is_told_at_once(registry: RunningRegistry, tmp_path: Path) -> None:
    slept: list[float] = []
    lost = replace(IMAGE.layers[0], blob=blob_in(LayoutStore(tmp_path), IMAGE.layers[0].blob.descriptor))
    image = replace(IMAGE, layers=(Findings().guarded(lost), *IMAGE.layers[1:]))
    names = references(f"{registry.host}/lost/a:1", f"{registry.host}/lost/b:1")
    with pytest.raises(CacheError, match="can't be had"):
        push(image, names, remote=connect(RegistryFlags(), {}), again=Again(extra=2, sleep=slept.append))
    assert slept == []


def test_permission_to_push_is_found_out_and_nothing_is_left_behind(registry: RunningRegistry) -> None:
    before = uploads(registry)
    with serve_faults(registry.host) as proxy:
        names = references(f"{proxy.host}/probe-a:1", f"{proxy.host}/probe-a:2", f"{proxy.host}/probe-b:1")
        with pushable(names, remote=connect(RegistryFlags(), {})) as check:
            check()
        assert len(proxy.matching("^POST")) == len(proxy.matching("^DELETE")) == 2
    assert uploads(registry) == before


def test_missing_permission_is_told_in_kanikos_words(registry: RunningRegistry) -> None:
    with serve_faults(registry.host, Fault(where="^POST", status=403, body=DENIED)) as proxy:
        with (
            pushable(references(f"{proxy.host}/probe:1"), remote=connect(RegistryFlags(), {})) as check,
            pytest.raises(AuthError) as error,
        ):
            check()
        assert error.value.under_way.startswith(
            "checking push permissions -- make sure you entered the correct tag name, and that you"
        )
        assert error.value.hint.startswith("anonymous users may not push")


def test_a_registry_that_can_not_give_up_an_upload_may_be_pushed_to(registry: RunningRegistry) -> None:
    with serve_faults(registry.host, Fault(where="^DELETE", status=405)) as proxy:
        remote(proxy.host, "stubborn").check_push()
        assert len(proxy.matching("^DELETE")) == 1
