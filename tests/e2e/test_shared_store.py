"""Commands of every kind with one store, killed in the midst of it: what is left is whole, and the next build works."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.fsck import check_layout
from tests.support.masu import Masu, add_base, write_context
from tests.support.registry import serve_registry

SECONDS = 20
AT_ONCE = 5
# What may go wrong: somebody else has removed the name, or the base.
HARMLESS = ("no image '", "has no image", "registry-1.docker.io")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    masu: Masu
    contexts: tuple[Path, ...]
    pulled: tuple[str, ...]

    def command(self, rng: random.Random) -> list[str | Path]:
        number = rng.randrange(3)
        commands: list[tuple[int, list[str | Path]]] = [
            (4, ["build", "-t", f"app:{number}", rng.choice(self.contexts)]),
            (3, ["pull", *self.pulled]),
            (1, ["tag", f"app:{number}", f"other:{number}"]),
            (1, ["run", f"app:{number}", "cat", "/n"]),
            (1, ["rm", rng.choice((f"app:{number}", f"other:{number}", "base"))]),
            (1, ["prune", "--cache-mounts"]),
            (1, ["prune", "--all"]),
            (1, ["save", "-o", self.masu.state / "saved.tar", f"app:{number}"]),
            (1, ["du"]),
        ]
        return rng.choices([command for _, command in commands], [weight for weight, _ in commands])[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("shared")
    masu = Masu(state=directory / "state")
    add_base(masu, directory)
    texts = [f"FROM base\nRUN --mount=type=cache,target=/c echo {number} | tee -a /c/x > /n\nCOPY n /d\n" for number in range(3)]
    contexts = [write_context(directory / str(number), text, {"n": os.urandom(100_000)}) for number, text in enumerate(texts)]
    (directory / "registry").mkdir()
    with serve_registry(directory / "registry") as registry:
        name = f"{registry.host}/base:1"
        assert masu("push", "base", "-d", name).returncode == 0
        yield Site(masu=masu, contexts=tuple(contexts), pulled=(name,))


def test_killed_commands_leave_a_store_that_is_whole(site: Site, tmp_path: Path) -> None:
    rng, running, finished, killed = random.Random(3), list[tuple[subprocess.Popen[bytes], Path, float]](), 0, 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or running:
        while len(running) < AT_ONCE and time.monotonic() < end:
            running.append(started(site, rng, tmp_path / str(finished + killed + len(running))))
        for entry in list(running):
            process, output, deadline = entry
            if process.poll() is None and time.monotonic() > deadline:
                process.kill()
                killed += process.wait() != 0
                running.remove(entry)
            elif process.poll() is not None:
                said = output.read_text(errors="replace")
                assert process.returncode == 0 or any(words in said for words in HARMLESS), said
                finished += 1
                running.remove(entry)
        time.sleep(0.02)
    assert min(finished, killed) > 3
    check_layout(site.masu.state / "store")
    assert site.masu("pull", *site.pulled).returncode == 0
    assert site.masu("tag", *site.pulled, "base").returncode == 0
    done = site.masu("build", "-t", "last", site.contexts[0])
    assert done.returncode == 0, done.stderr
    assert site.masu("run", "last", "cat", "/n").stdout == "0\n"
    assert os.listdir(site.masu.state / "work") == []


def started(site: Site, rng: random.Random, output: Path) -> tuple[subprocess.Popen[bytes], Path, float]:
    """A command, where its output goes, and when it is to be killed: half of them are."""
    with output.open("wb") as out:
        process = subprocess.Popen(
            site.masu.argv(*site.command(rng)), env=site.masu.environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    return process, output, time.monotonic() + rng.choice((rng.uniform(0.2, 2.5), 60))
