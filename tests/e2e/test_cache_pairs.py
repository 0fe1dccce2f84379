"""The pairs of `cache_pairs.py` are built by a real BuildKit and by masu: masu hits where BuildKit hits, or better for a reason.

Each Dockerfile is built once with BuildKit, and then once with each of its changes. Only where that isn't what the table says,
which may come of another pair's build, the pair is built again by itself. `make cache-pairs` builds each by itself, and each with
masu as well, of which there is a sample here.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

import pytest

from tests.support.buildkit import BuildKit, BuiltProject, Unknown, archive, build, start_buildkit
from tests.support.cache_pairs import GROUPS, PAIRS, TREE, Pair
from tests.support.masu import Masu
from tests.support.shared import REPOSITORY
from tests.support.tree import make_tree

_ALL = bool(os.environ.get("MASU_CACHE_PAIRS"))
_COMPARED = [pair for pair in PAIRS if not pair.group.is_ours]
_SAMPLE = PAIRS if _ALL else PAIRS[::9]


@pytest.fixture(scope="session")
def buildkit() -> BuildKit:
    return start_buildkit()


@pytest.fixture(scope="module")
def begun() -> dict[str, str]:
    """Groups that were built once, by their names: the salt."""
    return {}


def begin(pair: Pair, directory: Path, salt: str) -> BuiltProject:
    make_tree(directory / "context", TREE)
    project = BuiltProject(directory=directory, dockerfile=pair.group.dockerfile, salt=salt)
    pair.group.before(project)
    return project


def missed(engine: BuildKit, pair: Pair, directory: Path, salt: str, *, first: bool) -> list[int]:
    """What BuildKit misses after the change."""
    project = begin(pair, directory, salt)
    if first:
        build(engine, project)
    pair.change(project)
    return build(engine, project)


@pytest.mark.oracle
@pytest.mark.parametrize("pair", _COMPARED, ids=lambda pair: pair.id)
def test_buildkit_hits_where_masu_does(pair: Pair, buildkit: BuildKit, begun: dict[str, str], tmp_path: Path) -> None:
    expected, alone = pair.of(is_current=buildkit.is_current), str(uuid.uuid4())
    try:
        if not _ALL:
            salt = begun.setdefault(pair.group.name, alone)
            if missed(buildkit, pair, tmp_path / "shared", salt, first=salt == alone) == expected:
                return
            alone = str(uuid.uuid4())
        assert missed(buildkit, pair, tmp_path / "alone", alone, first=True) == expected
    except Unknown as error:
        pytest.skip(f"this BuildKit is too old for the pair: {error}")


@pytest.fixture(scope="module")
def masu(tmp_path_factory: pytest.TempPathFactory) -> Masu:
    return Masu(state=tmp_path_factory.mktemp("masu"))


@pytest.mark.parametrize("pair", _SAMPLE, ids=lambda pair: pair.id)
def test_a_real_build_misses_what_the_look_up_misses(pair: Pair, masu: Masu, tmp_path: Path) -> None:
    project = begin(pair, tmp_path, "real")
    carry_out(masu, project)
    pair.change(project)
    assert carry_out(masu, project) == pair.missed


def carry_out(masu: Masu, project: BuiltProject) -> list[int]:
    """Build with masu and a cache in the project's directory; the numbers of the steps that were carried out."""
    (project.directory / "images.tar").write_bytes(archive(project.used(), project.salt))
    loaded = masu("load", "--input", project.directory / "images.tar")
    assert loaded.returncode == 0, loaded.stderr
    project.write()
    told = project.directory / "metadata"
    cache = ("--cache", "--cache-copy-layers", "--cache-repo", f"oci:{project.directory}/cache", "--metadata-file", told)
    done = masu("build", *cache, "-t", "built", *project.arguments(), project.context)
    assert done.returncode == 0, done.stderr
    steps = json.loads(told.read_text())["masu.cache"]
    return [number for number, step in enumerate(steps, 1) if not step["cached"] and step.get("needed", True)]


def test_every_difference_is_told_and_none_is_needless() -> None:
    text = " ".join((REPOSITORY / "docs/cache.md").read_text().split())
    for pair in PAIRS:
        assert not pair.why or pair.why in text, f"docs/cache.md lacks: {pair.why}"
        assert pair.buildkit != pair.missed, pair.id


def test_there_are_enough_pairs() -> None:
    assert len(_COMPARED) >= 200
    assert len({pair.id for pair in PAIRS}) == len(PAIRS)
    assert all(any(pair.missed for pair in group.pairs()) for group in GROUPS)
