"""--cache: what is found again, what isn't, and that the image is the same as without."""

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
RUN echo tool > /tool
COPY src /src
RUN cat /tool /src/* | tr a-z A-Z > /out 2>/dev/null || cat /tool /src/* > /out
FROM base
ARG VERSION=1
RUN echo $VERSION > /version
COPY --from=build /out /out
RUN cat /out /version > /both
WORKDIR /w
"""


class Project:
    """A context, and the flags with which it is built; each has a cache of its own."""

    def __init__(self, masu: Masu, directory: Path, dockerfile: str = DOCKERFILE, *, cache: str = "") -> None:
        self.masu = masu
        self.directory = directory
        self.context = write_context(directory / "context", dockerfile, {"src/a": "one\n", "src/b": "two\n", "other": "x"})
        self.flags = ["--cache", "--cache-copy-layers", f"--cache-repo={cache or f'oci:{directory}/cache'}", "--reproducible"]

    def build(self, *options: str, masu: Masu | None = None) -> Built:
        layout = self.directory / "layout"
        shutil.rmtree(layout, ignore_errors=True)
        done = (masu or self.masu)("build", "--no-push", "--oci-layout-path", layout, *self.flags, *options, self.context)
        assert done.returncode == 0, done.stdout + done.stderr
        digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
        return Built(log=done.stderr, digest=digest)


class Built:
    def __init__(self, *, log: str, digest: str) -> None:
        self.digest = digest
        self.log = log
        self.hits = re.findall(r"Using caching version of cmd: (.*)", log)
        found = re.findall(r"No cached layer found for cmd (.*) \((.*)\)", log)
        self.misses, self.reasons = [text for text, _ in found], [why for _, why in found]


@pytest.fixture
def project(stocked: Masu, tmp_path: Path) -> Project:
    return Project(stocked, tmp_path)


def test_what_was_built_is_found_and_the_image_is_the_same(project: Project) -> None:
    first, second = project.build(), project.build()
    assert (first.hits, len(first.misses)) == ([], 7)
    assert (len(second.hits), second.misses) == (4, [])
    assert second.digest == first.digest
    assert "Unpacking rootfs" not in second.log
    assert "sandbox" not in second.log
    assert "[stage 1/1" in second.log, "the stage that only cached layers came from is not built"


def test_times_of_the_context_do_not_matter(project: Project) -> None:
    project.build()
    for path in project.context.rglob("*"):
        path.touch()
    assert project.build().misses == []


@pytest.mark.parametrize("git_modes", [True, False])
def test_another_umask_is_another_context_unless_git_says_what_modes_are(project: Project, git_modes: bool) -> None:
    options = ["--git-modes"] if git_modes else []
    first = project.build(*options)
    for path in project.context.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
    second = project.build(*options)
    assert (second.misses == []) is git_modes
    assert second.digest == first.digest, "only names and contents of these files reach the image"


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ("src/a", ["COPY src /src", "RUN cat /tool", "COPY --from=build", "RUN cat /out", "WORKDIR"]),
        ("other", []),
    ],
)
def test_a_changed_file_is_missed_from_where_it_is_copied_on(project: Project, change: str, missed: list[str]) -> None:
    project.build()
    (project.context / change).write_text("changed\n")
    built = project.build()
    assert [text[: len(start)] for text, start in zip(built.misses, missed, strict=True)] == missed


def test_a_changed_argument_is_missed_where_it_is_used(project: Project) -> None:
    project.build()
    built = project.build("--build-arg", "VERSION=2")
    assert [text.split(" ")[1] for text in built.misses] == ["echo", "--from=build", "cat", "/w"]


def test_a_stage_that_comes_out_the_same_lets_others_be_found(stocked: Masu, tmp_path: Path) -> None:
    dockerfile = (
        "FROM base AS build\nCOPY src /src\nRUN ls /src > /out\nFROM base\nCOPY --from=build /out /out\nRUN cat /out > /copy\n"
    )
    project = Project(stocked, tmp_path, dockerfile)
    first = project.build()
    (project.context / "src/a").write_text("other content, same names\n")
    second = project.build()
    assert second.misses == ["COPY src /src", "RUN ls /src > /out"]
    assert second.hits == ["COPY --from=build /out /out", "RUN cat /out > /copy"]
    assert second.digest == first.digest


def test_a_command_that_is_run_again_with_another_result_spoils_what_was_made_on_the_first(stocked: Masu, tmp_path: Path) -> None:
    dockerfile = "FROM base\nRUN cat /proc/sys/kernel/random/uuid > /id\nRUN cp /id /copy\n"
    project = Project(stocked, tmp_path, dockerfile)
    project.build()
    index = tmp_path / "cache/index.json"
    entries = json.loads(index.read_text())
    layers = [entry for entry in entries["manifests"] if "last-" not in str(entry)]
    kept = [entry for entry in layers if "random" not in _text(tmp_path / "cache", entry["digest"])]
    assert len(kept) == 1, "only the second command's layer stays in the cache"
    index.write_text(json.dumps({**entries, "manifests": kept}))
    assert len(project.build().misses) == 2


def _text(layout: Path, digest: str) -> str:
    manifest = json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())
    config = str(manifest["config"]["digest"])
    return (layout / "blobs" / config.replace(":", "/")).read_text()


def test_without_copy_layers_the_commands_after_a_copy_are_found(project: Project) -> None:
    project.flags.remove("--cache-copy-layers")
    first = project.build()
    for path in project.context.rglob("*"):
        path.touch()
    second = project.build()
    assert (len(first.misses), second.misses, len(second.hits)) == (4, [], 4)


def test_kinds_that_are_not_cached_are_neither_stored_nor_found(project: Project) -> None:
    built = project.build("--cache-run-layers=false")
    assert all(text.startswith(("COPY", "WORKDIR")) for text in built.misses)
    again = project.build()
    assert all(text.startswith("RUN") for text in again.misses)


@pytest.mark.parametrize("option", ["--no-cache", "--no-cache-filter=build"])
def test_no_cache_makes_everything_new_and_keeps_it(project: Project, option: str) -> None:
    project.build()
    built = project.build(option)
    assert [text for text in built.misses if "/tool" in text]
    assert project.build().misses == []


def test_what_is_too_old_is_not_used(project: Project) -> None:
    project.build()
    assert project.build("--cache-ttl", "0s").hits == []


def test_a_cache_that_is_only_read_gets_nothing(project: Project) -> None:
    project.build("--no-push-cache")
    assert project.build("--no-push-cache").hits == []


def test_a_single_layer_is_cached_as_one(project: Project) -> None:
    first, second = project.build("--single-snapshot"), project.build("--single-snapshot")
    assert second.digest == first.digest
    assert "Unpacking rootfs" not in second.log
    assert len(second.hits) == 1


@pytest.mark.parametrize("option", ["--compression=zstd", "--ignore-path=/out", "--add-host=x:1.2.3.4", "--ulimit=nofile=99",
                                    "--build-arg=BUILDKIT_SANDBOX_HOSTNAME=x"])  # fmt: skip
def test_options_that_change_layers_have_layers_of_their_own(project: Project, option: str) -> None:
    project.build()
    assert [text for text in project.build(option).misses if text.startswith("RUN")]
    assert project.build(option).misses == []


def test_a_registry_serves_a_machine_that_has_nothing(
    stocked: Masu, other: Masu, registry: RunningRegistry, tmp_path: Path
) -> None:
    project = Project(stocked, tmp_path, cache=f"{registry.host}/app/cache")
    first = project.build()
    second = project.build(masu=other)
    assert (second.misses, second.digest) == ([], first.digest)


def test_the_default_repository_is_beside_the_destination(stocked: Masu, registry: RunningRegistry, tmp_path: Path) -> None:
    context = write_context(tmp_path, "FROM base\nRUN echo default > /x\n")
    arguments = ("build", "--cache", "-d", f"{registry.host}/team/default:1", context)
    assert "No cached layer" in stocked(*arguments).stderr
    done = stocked(*arguments)
    assert "Using caching version of cmd: RUN echo default > /x" in done.stderr
    assert "Pushed" in done.stderr


def test_a_cache_that_cannot_be_reached_is_no_failure(stocked: Masu, tmp_path: Path) -> None:
    project = Project(stocked, tmp_path, cache="127.0.0.1:1/nobody/there")
    built = project.build()
    assert built.log.count("the layer cache can't be") == 1
    assert built.hits == []


@pytest.mark.parametrize("damage", ["manifest", "nothing there"])
def test_damaged_entries_are_made_anew_or_told(project: Project, damage: str) -> None:
    first = project.build()
    for path in (project.directory / "cache/blobs/sha256").iterdir():
        data = path.read_bytes()
        is_manifest = b"dev.masu.cache" in data
        if damage == "nothing there" or (is_manifest and damage == "manifest"):
            path.write_bytes(b"x" * len(data))
    assert project.build().digest == first.digest
