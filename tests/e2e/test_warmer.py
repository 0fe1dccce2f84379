"""`masu warmer`, and builds that take their bases from what it has fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder.image.platform import Platform
from builder.store.copy import load
from builder.store.layout import LayoutStore
from tests.support.masu import Masu, write_context
from tests.support.registry import RunningRegistry, serve_registry

_WEEK = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A registry with `base:1`, whose layers can be taken away from it, and a cache that has the image."""

    registry: RunningRegistry
    directory: Path

    @property
    def cache(self) -> Path:
        return self.directory / "cache"

    @property
    def base(self) -> str:
        return f"{self.registry.host}/base:1"

    def masu(self, name: str = "other") -> Masu:
        """One whose own store is empty when it is first used."""
        return Masu(state=self.directory / f"state-{name}")

    def warm(self, *flags: str) -> subprocess.CompletedProcess[str]:
        return self.masu("warmer")("warmer", f"--cache-dir={self.cache}", *(flags or ("--image", self.base)))

    def build(self, name: str, *flags: str, dockerfile: str = "") -> subprocess.CompletedProcess[str]:
        """Something on top of the base, which has to be unpacked for it."""
        context = write_context(self.directory / "on-top", dockerfile or f"FROM {self.base}\nCOPY Dockerfile /d\n")
        cached = ("--cache", f"--cache-dir={self.cache}", "--no-push-cache", "--no-push")
        return self.masu(name)("build", *(flags or cached), context)

    def forget_layers(self) -> None:
        """Take the bytes of all blobs but manifests and configs from the registry's disk."""
        for path in (self.registry.directory / "data").rglob("data"):
            if path.read_bytes()[:2] == b"\x1f\x8b":
                path.unlink()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "registry").mkdir()
    with serve_registry(tmp_path / "registry") as registry:
        site = Site(registry=registry, directory=tmp_path)
        context = write_context(tmp_path / "base", "FROM scratch\nCOPY big /\nLABEL a=b\n", {"big": os.urandom(1 << 20)})
        assert site.masu("first")("build", "-d", site.base, context).returncode == 0
        yield site


def test_a_build_takes_from_the_cache_what_the_registry_has_lost(site: Site) -> None:
    assert site.warm().returncode == 0
    site.forget_layers()
    assert site.build("without", "--no-push").returncode == 1
    done = site.build("with")
    assert done.returncode == 0, done.stderr
    assert not (site.cache / "work").exists() or os.listdir(site.cache / "work") == []


def test_a_build_takes_from_the_registry_what_the_cache_has_damaged(site: Site) -> None:
    context = write_context(site.directory / "large", "FROM scratch\nCOPY large /\n", {"large": os.urandom(5 << 20)})
    assert site.masu("first")("build", "-d", site.base, context).returncode == 0
    assert site.warm().returncode == 0
    for path in (site.cache / "blobs/sha256").iterdir():
        path.write_bytes(b"x" * path.stat().st_size)
    done = site.build("with")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the build begins again") == 1


def test_a_base_with_a_digest_needs_no_registry(site: Site) -> None:
    assert site.warm().returncode == 0
    digest = load(LayoutStore(site.cache), site.base, Platform.host()).manifest.descriptor.digest
    done = site.build("offline", dockerfile=f"FROM {site.base}@{digest}\nCOPY Dockerfile /d\n")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(site.registry.directory / "data")
    done = site.build("offline-again", dockerfile=f"FROM {site.base}@{digest}\nCOPY Dockerfile /e\n")
    assert done.returncode == 0, done.stderr


def test_images_of_mirrored_registries_are_cached_under_their_own_names(site: Site) -> None:
    mirrored = f"--registry-map=registry.test={site.registry.host}"
    assert site.warm("--image=registry.test/base:1", mirrored).returncode == 0
    assert list(LayoutStore(site.cache).names()) == ["registry.test/base:1"]
    site.forget_layers()
    flags = ("--cache", f"--cache-dir={site.cache}", "--no-push-cache", "--no-push", mirrored)
    done = site.build("mirrored", *flags, dockerfile="FROM registry.test/base:1\nCOPY Dockerfile /d\n")
    assert done.returncode == 0, done.stderr


def test_what_has_been_there_for_too_long_is_not_used_and_fetched_again(site: Site) -> None:
    assert site.warm().returncode == 0
    assert "was there" in site.warm().stderr
    for path in (site.cache / "blobs").rglob("*"):
        os.utime(path, (path.stat().st_mtime - 3 * _WEEK,) * 2)
    assert "fetched" in site.warm().stderr
    for path in (site.cache / "blobs").rglob("*"):
        os.utime(path, (path.stat().st_mtime - 3 * _WEEK,) * 2)
    site.forget_layers()
    assert site.build("late").returncode == 1
    flags = ("--cache", f"--cache-dir={site.cache}", "--no-push-cache", "--no-push", "--cache-ttl=1000h")
    assert site.build("patient", *flags).returncode == 0


def test_a_spoiled_blob_is_told_and_mended_with_force(site: Site) -> None:
    assert site.warm().returncode == 0
    largest = max((site.cache / "blobs").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    largest.write_bytes(bytes(largest.stat().st_size))
    done = site.build("spoiled")
    assert (done.returncode, f"from {site.cache}" in done.stderr) == (0, True), done.stderr
    assert site.warm("--image", site.base, "--force").returncode == 0
    done = site.build("mended")
    assert (done.returncode, f"from {site.cache}" in done.stderr) == (0, False), done.stderr


def test_many_may_write_and_read_at_the_same_time(site: Site) -> None:
    argv = ("warmer", f"--cache-dir={site.cache}", "--force", "--image", site.base)
    warmers = [site.masu(f"w{number}").start(*argv) for number in range(4)]
    builds = [site.build(f"b{number}").returncode for number in range(2)]
    assert [warmer.wait(timeout=120) for warmer in warmers] == [0] * 4
    assert builds == [0] * 2
    assert load(LayoutStore(site.cache), site.base, Platform.host()).config.labels == {"a": "b"}


def test_a_cache_on_a_read_only_volume_is_read(site: Site) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    assert site.warm().returncode == 0
    site.forget_layers()
    subprocess.run(["mount", "--bind", site.cache, site.cache], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", site.cache], check=True)
        assert site.build("read-only").returncode == 0
        assert site.warm("--image", site.base, "--force").returncode == 1
    finally:
        subprocess.run(["umount", site.cache], check=True)


def test_a_dockerfiles_bases_are_warmed_stages_and_scratch_left_out(site: Site) -> None:
    text = f"ARG TAG=0\nFROM {site.registry.host}/base:$TAG AS one\nFROM one\nFROM scratch\nCOPY --from=one /big /\n"
    write_context(site.directory / "file", text)
    done = site.warm("-d", str(site.directory / "file/Dockerfile"), "--build-arg=TAG=1")
    assert (done.returncode, "Error" in done.stderr) == (0, False), done.stderr
    assert list(LayoutStore(site.cache).names()) == [site.base]


def test_an_indexes_platform_is_warmed_with_the_index(site: Site) -> None:
    context = site.directory / "base"
    flags = ("--custom-platform=linux/arm64", "--annotation=index:a=b", "-d", f"{site.registry.host}/index:1")
    assert site.masu("first")("build", *flags, context).returncode == 0
    assert site.warm("--image", f"{site.registry.host}/index:1", "--customPlatform=linux/arm64").returncode == 0
    assert len(list((site.cache / "blobs/sha256").iterdir())) == 4, "index, manifest, config, layer"
    assert site.warm("--image", f"{site.registry.host}/index:1", "--customPlatform=linux/s390x").returncode == 1
