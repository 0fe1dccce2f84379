"""Why a step's layer is missed, in the words of the log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from builder.ingredients import Ingredients
from builder.store.layout import LayoutStore
from tests.support.cache_pairs import APP, CURRENT, MOUNTS, STAGES, TREE, Change, Group, flags, image, sh, text
from tests.support.rehearsal import Rehearsal
from tests.support.tree import make_tree

CASES: list[tuple[Group, Change, dict[int, str]]] = [
    (APP, sh("echo x > src/a"), {2: "changed: src/a", 3: "what it works on: step 4"}),
    (APP, sh("echo x > src/a; rm src/b; touch src/n src/z"), {2: "changed: src/a, src/b, src/n and 1 more"}),
    (APP, sh("chmod 700 src/sub"), {2: "changed: src/sub"}),
    (APP, sh("echo x > bound/x"), {4: "changed: bound/x"}),
    (APP, text("WORKDIR /w", "WORKDIR /v"), {1: "the directory"}),
    (APP, text("/bound make", "/bound make all"), {4: "the command", 5: "what it works on: step 6"}),
    (APP, text("one /one", "one /two"), {3: "the destination"}),
    (APP, text("--chown=1:1 --chmod=640", "--chown=2 --chmod=600"), {3: "--chmod; --chown"}),
    (APP, text("MODE=fast", "MODE=slow"), {4: "ENV MODE", 5: "ENV MODE; what it works on: step 6"}),
    (APP, text("USER 1000", "USER 1001"), {5: "USER"}),
    (CURRENT, text("\ntext\n", "\ntexts\n"), {6: "the text"}),
    (APP, text("target=/bound", "target=/b"), {4: "--mount"}),
    (APP, image("base", "new"), {1: "the base image", 2: "what it works on: step 3"}),
    (APP, image("base", "base files;A=1"), {4: "ENV A"}),
    (APP, flags(build_arg=("VERSION=2",)), {4: "ARG VERSION"}),
    (APP, flags(add_host=("x:1.2.3.4",)), {4: "--add-host"}),
    (APP, flags(compression="zstd"), {1: "--compression"}),
    (APP, flags(build_arg=("SOURCE_DATE_EPOCH=1",)), {1: "SOURCE_DATE_EPOCH"}),
    (APP, flags(no_cache=True), {1: "--no-cache", 7: "--no-cache"}),
    (APP, flags(cache_ttl=timedelta(0)), {1: "expired", 7: "expired"}),
    (APP, text("COPY last /last\n", "COPY last /last\nRUN more\n"), {8: "never cached"}),
    (STAGES, sh("echo x > src/a"), {3: "changed: src/a", 5: "the files of stage build"}),
    (STAGES, image("other", "new"), {6: "the files of image other"}),
    (MOUNTS, text("RUN alone", "RUN --network=none alone"), {5: "--network"}),
]


@pytest.fixture
def project(tmp_path: Path) -> Rehearsal:
    make_tree(tmp_path / "context", TREE)
    return Rehearsal(directory=tmp_path, dockerfile="", images={"other": "other files", "new": "new files"})


@pytest.mark.parametrize(("group", "change", "told"), CASES)
def test_the_reason_is_told(project: Rehearsal, group: Group, change: Change, told: dict[int, str]) -> None:
    project.dockerfile = group.dockerfile
    project.build()
    assert set(project.why.values()) == {"never cached"}
    change(project)
    project.build()
    assert {number: project.why.get(number) for number in told} == told


def test_a_file_that_is_copied_without_a_layer_in_the_cache_is_told_by_the_next_command(project: Rehearsal) -> None:
    project.dockerfile, project.copy_layers = APP.dockerfile, False
    project.build()
    (project.context / "src/a").write_text("changed")
    project.build()
    assert project.why[4] == "changed: src/a"
    assert project.why[2] == "layers of such instructions are not cached"


def test_what_was_removed_from_the_cache_is_told(project: Rehearsal) -> None:
    project.dockerfile = APP.dockerfile
    project.build()
    layout = LayoutStore(project.directory / "cache")
    layout.write_index([entry for entry in layout.entries() if "last-" in str(entry.annotations)])
    project.build()
    assert project.why[1] == "no longer in the cache"


def test_a_command_that_came_out_differently_is_told(project: Rehearsal) -> None:
    project.dockerfile = "FROM base\nRUN one\nRUN two\n"
    project.build()
    project.give(no_cache_filter=("0",), no_push_cache=True)
    project.build()
    assert project.why == {1: "--no-cache", 2: "--no-cache"}


def test_other_projects_are_not_compared_with(project: Rehearsal) -> None:
    project.dockerfile, project.subject = APP.dockerfile, "one"
    project.build()
    project.subject = "other"
    project.swap("WORKDIR /w", "WORKDIR /v")
    project.build()
    assert project.why[1] == "never cached"


def test_nothing_is_asked_for_when_all_is_cached(project: Rehearsal) -> None:
    project.dockerfile = STAGES.dockerfile
    project.build()
    assert project.asked
    assert len(project.asked.places) == 7
    project.build()
    assert project.asked.places == []


def test_a_value_is_in_no_entry(project: Rehearsal) -> None:
    project.dockerfile = APP.dockerfile
    project.give(build_arg=("VERSION=hidden-value",))
    project.build()
    blobs = [path.read_bytes() for path in (project.directory / "cache/blobs/sha256").iterdir()]
    assert any(b"ARG VERSION" in data for data in blobs)
    assert not any(b"hidden-value" in data for data in blobs)


def test_ingredients_are_bounded() -> None:
    files = {f"/{'x' * 90}{number}": "0" * 16 for number in range(3000)}
    kept = {"the command": "1", "the files it reads (0)": "2"}
    many = Ingredients(parts={**kept, **files})
    assert Ingredients.parse(many.to_text()) == Ingredients(parts=kept)
    before, changed = Ingredients(parts=kept), Ingredients(parts={**kept, "the files it reads (0)": "3"})
    assert changed.changes_since(before, most_files=3) == ("changed: files of the build context",)


@pytest.mark.parametrize("said", ["", "[]", "{", "[" * 10**5, '{"a": 1}'])
def test_what_is_no_ingredients_is_harmless(said: str) -> None:
    found = Ingredients.parse(said)
    assert found is None or found.parts == {"a": "1"}
