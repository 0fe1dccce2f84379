"""run.sh with a `docker` that only takes down what it is asked for; tests/containers runs it with an engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.act import SCRIPT

_DOCKER = """\
#!/bin/bash
case $1 in
  inspect) [[ ${!#} != container ]] || printf '%s\\n' "$GITHUB_WORKSPACE" $MOUNTED "" ;;
  create) printf '%s\\n' "$@" >"$TAKEN_DOWN"; printenv DOCKER_AUTH_CONFIG >"$TAKEN_DOWN.login"; echo container ;;
  cp)
    [[ $2 != --follow-link ]] || echo "$3 $4" >>"$TAKEN_DOWN.copied"
    case $2 in
      container:/kaniko/out/.) cp -R "$LEFT/." "$3" ;;
      container:*) path=$ROOT/${2#container:/}; tar -cf - -C "${path%/*}" "${path##*/}" ;;
    esac
    [[ $2 != - ]] || tar -xf - -C "$ROOT" ;;
  version | start | rm) ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture
def job(tmp_path: Path) -> dict[str, str]:
    """The environment of a runner, on which nothing else is."""
    for name in ("bin", "work", "home", "left", "root"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/docker").write_text(_DOCKER)
    (tmp_path / "bin/docker").chmod(0o755)
    files = {
        "GITHUB_OUTPUT": "output",
        "GITHUB_STEP_SUMMARY": "summary",
        "TAKEN_DOWN": "arguments",
        "LEFT": "left",
        "ROOT": "root",
        "HOME": "home",
    }
    paths = {variable: str(tmp_path / name) for variable, name in files.items()}
    return {**paths, "PATH": f"{tmp_path}/bin:/usr/bin:/bin", "GITHUB_WORKSPACE": f"{tmp_path}/work", "MASU_IMAGE": "a.test/masu"}


def run(job: Mapping[str, str]) -> list[str]:
    """The words of `docker create`."""
    done = subprocess.run(["bash", SCRIPT], env=job, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(job["TAKEN_DOWN"]).read_text().splitlines()


def handed_over(words: list[str]) -> set[str]:
    """The variables whose values come from the job."""
    return {word for option, word in pairwise(words) if option == "--env" and "=" not in word}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, set()),
        ({"INPUT_BUILD-ARGS": "A=1\nTOKEN\r\n  VERSION \nTOKEN2=x"}, {"TOKEN", "VERSION"}),
        ({"INPUT_BUILD-ARGS": '"TOKEN"'}, {"TOKEN"}),
        ({"MASU_SECRET_ENVS": "npm=TOKEN,pip=VERSION"}, {"TOKEN", "VERSION"}),
        ({"MASU_SECRET_ENVS": "npm=TOKEN2", "INPUT_BUILD-ARGS": "VERSION"}, {"TOKEN2", "VERSION"}),
    ],
)
def test_the_jobs_variables_that_an_input_names_are_handed_over(
    inputs: dict[str, str], expected: set[str], job: dict[str, str]
) -> None:
    words = run({**job, "TOKEN": "t", "TOKEN2": "t", "VERSION": "1", "OTHER": "o", **inputs})
    assert handed_over(words) & {"TOKEN", "TOKEN2", "VERSION", "OTHER"} == expected


def test_what_masu_reads_is_handed_over_and_what_is_the_runners_is_not(job: dict[str, str]) -> None:
    wanted = [
        "S3_ENDPOINT",
        "GIT_PULL_METHOD",
        "IDENTITY_HEADER",
        "AWS_REGION",
        "KANIKO_DOCKER_IO_USER",
        "http_proxy",
        "NO_PROXY",
    ]
    others = ["GITHUB_ENV", "GITHUB_OUTPUT", "LD_PRELOAD", "HOME", "PATH", "ANY"]
    names = handed_over(run({**dict.fromkeys((*wanted, "GITHUB_ENV", "ANY"), "x"), **job}))
    assert (set(wanted) - names, set(others) & names) == (set(), set())


@pytest.mark.parametrize("name", ["GOOGLE_APPLICATION_CREDENTIALS", "AWS_CONFIG_FILE", "REGISTRY_AUTH_FILE"])
def test_files_of_an_identity_are_handed_over_wherever_they_are(name: str, job: dict[str, str], tmp_path: Path) -> None:
    """podman-login has its file in the home directory, for example."""
    (tmp_path / "file").write_text("{}")
    assert f"{name}=/kaniko/{name}" in run({**job, name: f"{tmp_path}/file"})
    assert Path(f"{job['TAKEN_DOWN']}.copied").read_text() == f"{tmp_path}/file container:/kaniko/{name}\n"


def test_a_credential_helper_that_answers_something_else_takes_no_other_login_away(job: dict[str, str], tmp_path: Path) -> None:
    if not shutil.which("jq", path="/usr/bin:/bin"):
        pytest.skip("jq is not installed")
    answers = {"odd": "please run login first", "lacks": "{}", "good": '{"Username": "u", "Secret": "p"}'}
    for name, answer in answers.items():
        (tmp_path / f"bin/docker-credential-{name}").write_text(f"#!/bin/sh\necho '{answer}'\n")
        (tmp_path / f"bin/docker-credential-{name}").chmod(0o755)
    helpers = {"a.test": "good", "b.test": "odd", "c.test": "missing", "d.test": "lacks"}
    (tmp_path / "home/.docker").mkdir()
    (tmp_path / "home/.docker/config.json").write_text(json.dumps({"auths": {"e.test": {"auth": "x"}}, "credHelpers": helpers}))
    run(job)
    login = json.loads(Path(f"{job['TAKEN_DOWN']}.login").read_text())
    assert login == {"auths": {"e.test": {"auth": "x"}, "a.test": {"username": "u", "password": "p"}}}


def files(directory: Path) -> dict[str, str]:
    paths = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_text() for path in paths}


def test_what_inputs_name_outside_of_the_workspace_is_copied_to_the_same_place(job: dict[str, str], tmp_path: Path) -> None:
    for name in ("real", "other", "cache/index.json", "context/a", "work/inside"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "with blank").symlink_to("real")
    (tmp_path / "context/link").symlink_to("a")
    secrets = [f"npm={tmp_path}/with blank\r", f'"pip={tmp_path}/other"', f"in={tmp_path}/work/inside", "rel=real", "no=/nowhere"]
    caches = ["type=registry,ref=a.test:5000/b/c", f"type=local,src={tmp_path}/cache"]
    inputs = {
        "INPUT_SECRET-FILES": "\n".join(secrets),
        "INPUT_CACHE-FROM": "\n".join(caches),
        "INPUT_CONTEXT": f"{tmp_path}/context",
    }
    run({**job, **inputs})
    copied = Path(job["ROOT"], str(tmp_path).removeprefix("/"))
    expected = {"with blank": "real", "other": "other", "cache/index.json": "cache/index.json"}
    assert files(copied) == {**expected, "context/a": "context/a", "context/link": "context/a"}
    assert ((copied / "with blank").is_symlink(), (copied / "context/link").is_symlink()) == (False, True)


def test_what_masu_writes_outside_of_the_workspace_is_the_runners(job: dict[str, str], tmp_path: Path) -> None:
    """As docker's documents have it for an image that a later job takes, and for a cache of the runner's."""
    there, written = tmp_path / "temp", Path(job["ROOT"], str(tmp_path).removeprefix("/"), "temp")
    (written / "cache/blobs").mkdir(parents=True)
    for name in ("image.tar", "cache/blobs/a", "digest"):
        (written / name).write_text(name)
    inputs = {
        "INPUT_OUTPUTS": f"type=docker,dest={there}/image.tar\ntype=image,name=a.test/b,push=true\ntype=local,dest=out",
        "INPUT_CACHE-TO": f"type=local,dest={there}/cache/,mode=max",
        "INPUT_DIGEST-FILE": f"{there}/digest",
        "INPUT_TAR-PATH": f"{tmp_path}/work/inside.tar",
        "INPUT_OCI-LAYOUT-PATH": f"{tmp_path}/shared/layout",
        "INPUT_IIDFILE": "/dev/stderr",
        "INPUT_SBOM-FILE": "https://a.test/?put=/there",
    }
    Path(job["LEFT"], "output").touch()
    run({**job, **inputs, "MOUNTED": f"{tmp_path}/shared"})
    assert files(there) == {"image.tar": "image.tar", "cache/blobs/a": "cache/blobs/a", "digest": "digest"}


def test_what_masu_leaves_is_the_steps(job: dict[str, str]) -> None:
    for name in ("output", "summary"):
        Path(job["LEFT"], name).write_text(f"{name}\n")
        Path(job["HOME"]).with_name(name).write_text("before\n")
    run(job)
    found = {name: Path(job[name]).read_text() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    assert found == {"GITHUB_OUTPUT": "before\noutput\n", "GITHUB_STEP_SUMMARY": "before\nsummary\n"}


def test_what_was_not_built_is_missed_by_nobody(job: dict[str, str], tmp_path: Path) -> None:
    """--check and --dry-run leave no outputs."""
    run({**job, "INPUT_OUTPUTS": f"type=oci,dest={tmp_path}/image.tar"})
    assert not (tmp_path / "image.tar").exists()


def test_no_link_that_a_command_has_left_leads_to_a_file_of_the_runner(job: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("login\n")
    for name in ("output", "summary", "image.tar"):
        os.symlink(tmp_path / "secret", Path(job["LEFT"], name))
    run(job)
    assert {name: Path(job[name]).exists() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")} == {
        "GITHUB_OUTPUT": False, "GITHUB_STEP_SUMMARY": False,
    }  # fmt: skip
    assert (tmp_path / "secret").read_text() == "login\n"
