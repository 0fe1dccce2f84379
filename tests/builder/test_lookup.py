"""Which steps a change makes miss: no more than with BuildKit, and never fewer than can see it.

Each pair is built twice, with the change in between. Layers are made up; keys, look-up and cache are the real ones. That BuildKit
says the same of the same pairs, tests/e2e/test_cache_pairs.py tries.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cache_pairs import ALL, APP, FROM_RUN, PAIRS, STAGES, TREE, Change, Pair, image, sh, text
from tests.support.rehearsal import Rehearsal
from tests.support.tree import make_tree


@pytest.fixture
def project(tmp_path: Path) -> Rehearsal:
    make_tree(tmp_path / "context", TREE)
    return Rehearsal(directory=tmp_path, dockerfile="", images={"other": "other files", "new": "new files"})


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.id)
def test_a_change_is_missed_by_what_can_see_it(project: Rehearsal, pair: Pair) -> None:
    project.dockerfile, project.same_output = pair.group.dockerfile, pair.group.same_output
    pair.group.before(project)
    project.build()
    pair.change(project)
    assert project.build() == pair.missed


def test_a_command_with_the_same_result_leaves_what_copies_it_cached(project: Rehearsal) -> None:
    project.dockerfile, project.same_output = STAGES.dockerfile, True
    project.build()
    project.swap("RUN make it", "RUN make it again")
    assert project.build() == [1]


def test_nothing_fits_on_another_result_of_the_same_command(project: Rehearsal) -> None:
    project.dockerfile = APP.dockerfile
    project.build()
    project.give(no_cache=True, no_push_cache=True)
    assert project.build() == ALL
    project.give(no_cache=False, cache_run_layers=False)  # the commands are carried out, and come out differently
    assert project.build() == FROM_RUN


def test_a_link_is_found_on_anything(project: Rehearsal) -> None:
    project.dockerfile = "FROM base\nRUN one\nCOPY --link last /last\nRUN two\n"
    project.build()
    project.swap("RUN one", "RUN other")
    assert project.build() == [1, 3]


def test_one_layer_for_all_is_missed_as_a_whole(project: Rehearsal) -> None:
    project.dockerfile = STAGES.dockerfile
    project.give(single_snapshot=True)
    project.build()
    assert project.build() == []
    project.give(build_arg=("NAME=y",))
    assert project.build() == [5, 6, 7]


def test_mounts_and_copies_of_the_same_path_are_told_apart(project: Rehearsal) -> None:
    project.dockerfile = "FROM base\nCOPY bound /x\nRUN --mount=type=bind,source=bound,target=/m one\nCOPY bound/ /y\n"
    project.build()
    (project.context / "bound").chmod(0o700)  # which only the mount shows
    assert project.build() == [2, 3]


def test_a_change_that_is_taken_back_is_found_again(project: Rehearsal) -> None:
    project.dockerfile = APP.dockerfile
    project.build()
    project.swap("/bound make", "/bound make more")
    project.build()
    project.swap("/bound make more", "/bound make")
    assert project.build() == []


COPIED = "FROM base\nRUN one\nCOPY src /src\nRUN two\n"
BOUND = "FROM base\nRUN one\nRUN --mount=type=bind,source=src,target=/m two\nRUN three\n"
BELOW = "FROM base AS below\nCOPY src /src\nFROM below\nRUN two\n"
BESIDE = "FROM base AS beside\nCOPY src /src\nFROM base\nRUN one\nCOPY --from=beside /out /out\nRUN two\n"


@pytest.mark.parametrize(
    ("dockerfile", "missed"),
    [(COPIED, [2, 3]), (BOUND, [2, 3]), (BELOW, [1, 2]), (BESIDE, [1, 3, 4])],
    ids=lambda value: str(value)[-9:],
)
@pytest.mark.parametrize(
    "change",
    [
        "echo x > src/a",
        "touch src/new",
        "rm src/a",
        "chmod 600 src/a",
        "cp src/a t; echo x > src/a; cat t > src/a",
        "mv src/a t; cp t src/a",
    ],
)
def test_nothing_is_kept_of_files_that_changed_while_the_build_went_on(
    project: Rehearsal, dockerfile: str, missed: list[int], change: str, caplog: pytest.LogCaptureFixture
) -> None:
    project.dockerfile = dockerfile
    before = subprocess.check_output(["tar", "-C", project.context, "-c", "src"])
    project.build(meanwhile=lambda: sh(change)(project))
    assert caplog.text.count("changed while the build went on") == 1
    shutil.rmtree(project.context / "src")
    subprocess.run(["tar", "-C", project.context, "-x"], input=before, check=True)
    assert project.build() == missed
    assert project.build() == []


@pytest.mark.parametrize("change", ["mv src/a t; mv t src/a", "chmod 600 src/a; chmod 644 src/a", "echo x > unused; mkdir more"])
@pytest.mark.parametrize("dockerfile", [COPIED, BOUND, BELOW, BESIDE], ids=lambda value: value[-9:])
def test_what_reads_the_same_is_kept(project: Rehearsal, dockerfile: str, change: str, caplog: pytest.LogCaptureFixture) -> None:
    project.dockerfile = dockerfile
    project.build(meanwhile=lambda: sh(change)(project))
    assert "changed while" not in caplog.text
    assert project.build() == []


def test_one_layer_of_files_that_changed_is_not_kept(project: Rehearsal) -> None:
    project.dockerfile = COPIED
    project.give(single_snapshot=True)
    project.build(meanwhile=lambda: sh("cp src/a old; echo x > src/a")(project))
    sh("mv old src/a")(project)
    assert project.build() == [1, 2, 3]


@pytest.mark.parametrize(
    ("listed", "change", "missed"),
    [
        ("max", sh("true"), []),
        ("min", sh("true"), []),
        ("max", text("use $NAME", "use it"), [7]),
        ("min", text("use $NAME", "use it"), [7]),
        ("max", image("other", "new"), [6, 7]),
        ("max", sh("echo x > src/a"), [3, 4, 5, 6, 7]),
        ("min", sh("echo x > src/a"), [1, 2, 3, 4, 5, 6, 7]),  # what the first command makes is needed, and is not in the list
        ("max", text("--from=build /out", "--from=build /"), [5, 6, 7]),
        ("min", text("--from=build /out", "--from=build /"), [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_a_list_has_all_layers_or_those_of_the_target(project: Rehearsal, listed: str, change: Change, missed: list[int]) -> None:
    project.dockerfile, project.listed = STAGES.dockerfile, listed
    project.build()
    change(project)
    assert project.build() == missed
    assert project.build() == [], "what was found is in the next list as well"


def test_a_list_for_the_target_has_the_layers_of_the_stages_that_it_begins_with(project: Rehearsal) -> None:
    project.dockerfile, project.listed = "FROM base AS one\nRUN one\nFROM one AS two\nRUN two\nFROM one\nRUN three\n", "min"
    project.build()
    project.swap("RUN three", "RUN more")
    assert project.build() == [2]
