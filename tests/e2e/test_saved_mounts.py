"""--cache-mounts: what one machine's RUN has put into its cache, another's finds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.masu import Masu, add_base, write_context
from tests.support.ordinary_user import ordinary_user
from tests.support.registry import RunningRegistry, serve_registry

FILL = "RUN --mount=type=cache,id=c,target=/c head -c 300000 /dev/urandom > /c/big; echo small > /c/small"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with serve_registry(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of a busybox image."""
    directory = tmp_path_factory.mktemp("base")
    masu = Masu(state=directory / "state")
    add_base(masu, directory)
    assert masu("save", "-o", directory / "base.tar", "base").returncode == 0
    return directory / "base.tar"


class Machines:
    """Every build is another machine's, which has nothing but the base image."""

    def __init__(self, directory: Path, base: Path, place: str) -> None:
        self._directory = directory
        self._base = base
        self._place = place
        self._number = 0

    def build(self, text: str, *options: str, fails: bool = False) -> str:
        """What masu has logged and the RUNs have printed."""
        self._number += 1
        directory = self._directory / f"{self._number}"
        masu = Masu(state=directory / "state")
        assert masu("load", "-i", self._base).returncode == 0
        context = write_context(directory / "context", f"FROM base\n{text}\n")
        done = masu("build", "--no-push", "--insecure", "--cache-mounts", self._place, *options, context)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr


@pytest.fixture
def machines(tmp_path: Path, base: Path, registry: RunningRegistry) -> Machines:
    return Machines(tmp_path, base, f"{registry.host}/{tmp_path.name.replace('_', '-').lower()}/cache")


def pushed(registry: RunningRegistry) -> int:
    """Bytes of all blobs that the registry has."""
    return sum(path.stat().st_size for path in registry.directory.glob("data/**/blobs/**/data"))


def test_another_machine_finds_the_cache_and_pushes_what_it_has_changed(machines: Machines, registry: RunningRegistry) -> None:
    said = machines.build(FILL)
    assert re.search(r"saved the cache mount 'c': moved \d+kB for 304kB to 127.0.0.1:\d+/.*/cache in", said)
    before = pushed(registry)
    said = machines.build("RUN --mount=type=cache,id=c,target=/c echo found: $(ls /c); echo other > /c/small")
    assert "restored the cache mount 'c': 30" in said
    assert "found: big small" in said
    assert 0 < pushed(registry) - before < 8000
    assert "found: other" in machines.build("RUN --mount=type=cache,id=c,target=/c echo found: $(cat /c/small)")


def test_what_was_fetched_before_a_failure_is_kept_and_no_push_cache_keeps_nothing(machines: Machines) -> None:
    assert "saved" not in machines.build(FILL, "--no-push-cache")
    machines.build(f"{FILL}\nRUN false", fails=True)
    assert "found: big small" in machines.build("RUN --mount=type=cache,id=c,target=/c echo found: $(ls /c)")


def test_what_was_restored_comes_before_what_a_cache_begins_with(machines: Machines) -> None:
    mount = "--mount=type=cache,id=c,target=/c,from=base,source=/etc"
    assert "found: 0" in machines.build(
        f"RUN {mount} echo found: $(ls /c | grep -c mine); ls /c/passwd; rm /c/passwd; touch /c/mine"
    )
    assert "found: mine" in machines.build(f"RUN {mount} test ! -e /c/passwd && echo found: $(ls /c | grep mine)")


def test_stages_that_share_a_cache_save_it_once(machines: Machines) -> None:
    mount = "--mount=type=cache,id=c,target=/c"
    first, second = f"RUN {mount} touch /c/1", f"FROM base AS two\nRUN {mount} touch /c/2"
    text = f"{first}\n{second}\nFROM base\nCOPY --from=two /etc /etc\nCOPY --from=0 /etc /e"
    said = machines.build(text)
    assert said.count("saved the cache mount") == 1
    assert "found: 1 2" in machines.build(f"RUN {mount} echo found: $(ls /c)")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--cache-mounts", "host/path:tag"], "invalid --cache-mounts 'host/path:tag': it has a tag"),
        (["--cache-mounts", "/directory"], "invalid --cache-mounts '/directory'"),
        (["--cache-mounts", "oci:"], "invalid --cache-mounts 'oci:'"),
        (["--cache-mounts-limit", "much"], "invalid --cache-mounts-limit 'much'"),
    ],
)
def test_flags_that_mean_nothing_are_refused(machines: Machines, flags: list[str], message: str) -> None:
    assert message in machines.build("RUN true", *flags, fails=True)


def test_an_ordinary_user_finds_files_of_others_as_they_were(tmp_path: Path, base: Path) -> None:
    mount = "--mount=type=cache,id=c,target=/c,uid=5,mode=750"
    listing = "stat -c '%n %u:%g %a' /c /c/*"
    with ordinary_user(with_range=True) as user:
        flags = ("--cache-mounts", f"oci:{user.home}/saved")
        for number, command in enumerate((f"touch /c/mine /c/his; chown 33:44 /c/his; {listing}", listing)):
            state = user.own(write_context(user.home / f"state{number}", "")).absolute()
            context = user.own(write_context(user.home / f"context{number}", f"FROM base\nRUN {mount} {command}\n"))
            archive = user.own(copied(base, user.home))
            assert user.masu("load", "--state-dir", state, "-i", archive).returncode == 0
            done = user.masu("build", "--state-dir", state, "--no-push", *flags, context)
            assert done.returncode == 0, done.stderr
            assert "/c 5:0 750" in done.stderr
            assert "/c/his 33:44 644" in done.stderr
    assert "restored the cache mount 'c'" in done.stderr


def copied(path: Path, directory: Path) -> Path:
    target = directory / path.name
    target.write_bytes(path.read_bytes())
    return target
