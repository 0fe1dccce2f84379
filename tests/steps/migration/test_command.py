from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder import cli
from steps.commands import COMMANDS

BEFORE = "a:\n  image: {name: 'gcr.io/kaniko-project/executor:debug'}  # keep\n  script: /kaniko/executor --force -d x\n"
AFTER = "a:\n  image: {name: 'registry.example.org/masu:debug'}  # keep\n  script: /kaniko/executor -d x\n"


def migrate(*words: str | Path) -> int:
    return cli.main(["migrate", *map(str, words)], {}, commands=COMMANDS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / ".gitlab-ci.yml"
    path.write_text(BEFORE)
    return path


def test_without_write_a_diff_is_printed_and_the_file_stays(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert migrate(file) == 0
    out, err = capsys.readouterr()
    assert f"--- a{file}\n+++ b{file}\n" in out
    assert "-  script: /kaniko/executor --force -d x\n" in out
    assert "+  script: /kaniko/executor -d x\n" in out
    assert f"{file}:3: --force is dropped: " in err
    assert file.read_text() == BEFORE


def test_the_diff_is_one_that_patch_applies(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    migrate(file)
    subprocess.run(["patch", "-p1", "-d", "/"], input=capsys.readouterr().out, text=True, check=True, timeout=60)
    assert file.read_text() == AFTER


def test_write_changes_the_file_and_keeps_its_mode(file: Path) -> None:
    file.chmod(0o640)
    assert migrate("--write", file) == 0
    assert (file.read_text(), file.stat().st_mode & 0o777) == (AFTER, 0o640)
    assert os.listdir(file.parent) == [file.name]


def test_a_link_stays_one_and_what_it_names_is_changed(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.yml"
    link.symlink_to(file.name)
    migrate("-w", link)
    assert link.is_symlink()
    assert file.read_text() == AFTER


# --image, and what becomes of an executor without a shell, one with it, and the warmer.
GIVEN = (
    ("", "registry.example.org/masu:latest", "registry.example.org/masu:debug"),
    ("host:5000/m", "host:5000/m:latest", "host:5000/m:debug"),
    ("host/m:1.2", "host/m:1.2", "host/m:1.2-debug"),
    ("host/m@sha256:" + "a" * 64, "host/m@sha256:" + "a" * 64, "host/m@sha256:" + "a" * 64),
)


@pytest.mark.parametrize(("given", "plain", "debug"), GIVEN, ids=[row[0][:12] for row in GIVEN])
def test_image_says_which_image_takes_kanikos_place(given: str, plain: str, debug: str, tmp_path: Path) -> None:
    file = tmp_path / "cloudbuild.yaml"
    file.write_text(
        "steps:\n- name: gcr.io/kaniko-project/executor:v1.9.0\n- name: gcr.io/kaniko-project/executor:v1.9.0-debug\n"
    )
    migrate("--write", "--image", given, file)
    assert file.read_text() == f"steps:\n- name: {plain}\n- name: {debug}\n"


def test_action_says_which_action_takes_its_place(tmp_path: Path) -> None:
    file = tmp_path / "w.yml"
    file.write_text("jobs: {a: {steps: [{uses: int128/kaniko-action@v1}]}}\n")
    migrate("--write", "--action", "me/masu/plugins/github-actions@v2", file)
    assert file.read_text() == "jobs: {a: {steps: [{uses: me/masu/plugins/github-actions@v2}]}}\n"


def test_what_is_left_to_do_is_told_and_makes_the_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / ".drone.yml"
    file.write_text("steps:\n- name: publish\n  image: plugins/kaniko\n")
    assert migrate(file) == 1
    assert f"{file}:3: TO DO: plugins/kaniko takes settings of its own" in capsys.readouterr().err


def test_of_another_language_the_images_are_renamed_and_flags_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "Makefile"
    file.write_text(
        "# gcr.io/kaniko-project/executor\nIMAGE = gcr.io/kaniko-project/executor:debug\nx:\n\t/kaniko/executor --force\n"
    )
    assert migrate("--write", file) == 1
    assert "IMAGE = registry.example.org/masu:debug\n" in file.read_text()
    assert f"{file}:4: TO DO: look at the flags here by hand" in capsys.readouterr().err


# A file's name and text, and what becomes of it.
OTHERS = (
    (
        "build.sh",
        'IMAGE=gcr.io/kaniko-project/executor:v1\ndocker run -v .:/workspace "$IMAGE" \\\n  --cleanup \\\n  -d x # --force\n',
        'IMAGE=registry.example.org/masu:latest\ndocker run -v .:/workspace "$IMAGE" \\\n  -d x # --force\n',
    ),
    ("build", "#!/usr/bin/env bash\nkaniko/executor --force -d x\n", "#!/usr/bin/env bash\nkaniko/executor -d x\n"),
    ("a.groovy", 'sh "a && \\"/kaniko/executor\\" --force -d \\$X"\n', 'sh "a && \\"/kaniko/executor\\" -d \\$X"\n'),
    ("Jenkinsfile", "sh(script: '''kaniko/executor -d x \\\\\n --force\n''')", "sh(script: '''kaniko/executor -d x\n''')"),
    (
        "Jenkinsfile",
        "// '/kaniko/executor --force'\nx = 'it\\'s' + \"\"\n",
        "// '/kaniko/executor --force'\nx = 'it\\'s' + \"\"\n",
    ),
    ("a.json", '{"script": "/kaniko/executor --force -d \\"x\\""}\n', '{"script": "/kaniko/executor -d \\"x\\""}\n'),
)


@pytest.mark.parametrize(("name", "before", "after"), OTHERS, ids=[row[0] for row in OTHERS])
def test_scripts_are_found_in_shell_groovy_and_json(name: str, before: str, after: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(before)
    assert migrate("--write", file) == 0
    assert file.read_text() == after


CATALOG = "apiVersion: tekton.dev/v1\nkind: TaskRun\nspec:\n  taskRef: {name: kaniko}\n"
BUILDER = "{name: BUILDER_IMAGE, value: 'registry.example.org/masu:latest'}"
# Parameters of a run of the catalog's Task, what becomes of them, and what is left to do.
TASKS = (
    ("  params:\n  - name: IMAGE\n    value: a\n", f"  params:\n  - {BUILDER}\n  - name: IMAGE\n    value: a\n", 0),
    ("  params: [{name: IMAGE, value: a}]\n", f"  params: [{BUILDER}, {{name: IMAGE, value: a}}]\n", 0),
    ("  params: [{name: BUILDER_IMAGE, value: mine}]\n", "  params: [{name: BUILDER_IMAGE, value: mine}]\n", 0),
    ("", "", 1),
)


@pytest.mark.parametrize(("before", "after", "left"), TASKS, ids=["block", "flow", "given", "none"])
def test_the_catalogs_task_is_given_masus_image(before: str, after: str, left: int, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(CATALOG + before)
    assert migrate("--write", file) == left
    assert file.read_text() == CATALOG + after
    assert migrate("--write", file) == left
    assert file.read_text() == CATALOG + after


# --image, and what becomes of an image that has its name and tag apart.
PARTS = (
    ("", "repository: registry.example.org/masu\n  tag: 'debug'\n", 0),
    ("host:5/m:1", "repository: host:5/m\n  tag: '1-debug'\n", 0),
    ("host/m@sha256:" + "a" * 64, "repository: gcr.io/kaniko-project/executor\n  tag: 'v1-debug'\n", 1),
)


@pytest.mark.parametrize(("given", "after", "left"), PARTS, ids=[row[0][:10] for row in PARTS])
def test_a_name_and_a_tag_apart_stay_so(given: str, after: str, left: int, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("image:\n  repository: gcr.io/kaniko-project/executor\n  tag: 'v1-debug'\n")
    assert migrate("--write", "--image", given, file) == left
    assert file.read_text() == f"image:\n  {after}"


def test_a_tag_beside_an_image_that_has_one_is_not_its_tag(tmp_path: Path) -> None:
    file = tmp_path / "ci.yml"
    file.write_text("image: gcr.io/kaniko-project/executor:debug\ntag: v1\n")
    assert migrate("--write", file) == 0
    assert file.read_text() == "image: registry.example.org/masu:debug\ntag: v1\n"


def test_an_executor_without_its_path_is_a_call_where_kaniko_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ci.yml"
    for before, after in (("", "executor --force -d x"), ("# kaniko\n", "executor -d x")):
        file.write_text(f"{before}script: executor --force -d x\n")
        migrate("--write", file)
        assert file.read_text() == f"{before}script: {after}\n"


def test_a_pod_in_a_jenkinsfile_that_is_no_yaml_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "Jenkinsfile"
    file.write_text("x\nyaml '''\ncontainers:\n- {image: gcr.io/kaniko-project/executor\n'''\n")
    assert migrate(file) == 1
    assert f"{file}:2: TO DO: look at the flags here by hand: it is no YAML" in capsys.readouterr().err


STEPS = "steps:\n- name: gcr.io/kaniko-project/executor:$_TAG\n"
OURS = "steps:\n- name: registry.example.org/masu:latest\n"
# Cloud Build's substitutions, and what becomes of them when nothing uses _TAG any more.
SUBSTITUTIONS = (
    ("substitutions:\n  _TAG: v1\n  _A: b # x\n", "substitutions:\n  _A: b # x\n"),
    ("substitutions: {_A: b, _TAG: v1}\n", "substitutions: {_A: b}\n"),
    ("substitutions: {_TAG: v1}\ntimeout: 9s\n", "timeout: 9s\n"),
    ("timeout: 9s\nsubstitutions:\n  _TAG: v1\n", "timeout: 9s\n"),
    ("substitutions: {_TAG: v1}\ntags: [$_TAG]\n", "substitutions: {_TAG: v1}\ntags: [$_TAG]\n"),
)


@pytest.mark.parametrize(("before", "after"), SUBSTITUTIONS, ids=[row[0][:40] for row in SUBSTITUTIONS])
def test_a_substitution_that_nothing_uses_any_more_goes(before: str, after: str, tmp_path: Path) -> None:
    file = tmp_path / "cloudbuild.yaml"
    file.write_text(STEPS + before)
    migrate("--write", file)
    assert file.read_text() == OURS + after


def test_of_a_list_that_would_be_empty_it_is_said_that_its_flags_may_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.yml"
    file.write_text("image: gcr.io/kaniko-project/executor\nargs: [--force]\n")
    migrate("--write", file)
    assert file.read_text().endswith("args: [--force]\n")
    assert f"{file}:2: --force may go: " in capsys.readouterr().err


WRONG = (
    ("a: [", "it is no YAML"),
    (b"\xff\xfe", "it is not UTF-8"),
    (None, "No such file"),
)


@pytest.mark.parametrize(("content", "word"), WRONG, ids=[row[1] for row in WRONG])
def test_what_can_not_be_read_is_an_error_with_the_files_name(
    content: str | bytes | None, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ci.yml"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert migrate(file) == 1
    err = capsys.readouterr().err
    assert word in err
    assert str(file) in err


def test_a_build_imports_no_yaml() -> None:
    script = "import sys, steps.entrypoint, builder.build, steps.commands; assert not [m for m in sys.modules if 'yaml' in m]"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
