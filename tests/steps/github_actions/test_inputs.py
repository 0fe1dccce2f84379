from __future__ import annotations

import base64
import json
from dataclasses import fields

import pytest

from builder.errors import UsageError
from builder.options import BuildOptions, CommonOptions, RegistryFlags
from steps import github_actions
from steps.adapter import Invocation
from steps.github_actions.table import BY_NAME, INPUTS
from tests.support.runner import Obeyed, obeyed

_JOB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "Octo/App", "GITHUB_SHA": "c0ffee", "GITHUB_ACTOR": "octo"} | {
    "GITHUB_RUN_ID": "7",
    "GITHUB_RUN_ATTEMPT": "2",
}
_TOKEN = {"github-token": "ghs_job"}
RUN = "https://github.com/Octo/App/actions/runs/7/attempts/2"


def asked(inputs: dict[str, str], job: dict[str, str] | None = None) -> Invocation:
    env = {**_JOB, **(job or {}), **{BY_NAME[name].variable: value for name, value in inputs.items()}}
    return github_actions.arguments((), env)


def words(inputs: dict[str, str], job: dict[str, str] | None = None) -> set[str]:
    """What the inputs give, without what is always there."""
    return set(asked(inputs, job).argv) - {"build", "--context=.", "--no-push"}


def notes(invocation: Invocation) -> list[str]:
    return [entry.data for entry in obeyed(invocation.before) if entry.name == "warning"]


_CASES: list[tuple[dict[str, str], set[str]]] = [
    ({}, set()),
    (
        {"tags": "a.test/b:1, a.test/b:2\nc.test/d", "push": "true"},
        {f"--destination={name}" for name in ("a.test/b:1", "a.test/b:2", "c.test/d")},
    ),
    (
        {"tags": "ghcr.io/Octo/App:V1\nghcr.io/Octo/tool"},
        {"--destination=ghcr.io/octo/app:V1", "--destination=ghcr.io/octo/tool"},
    ),
    (
        {"cache-repository": "ghcr.io/Octo/App/cache", "cache-from": "type=registry,ref=ghcr.io/Octo/App:C"},
        {"--cache-repo=ghcr.io/octo/app/cache", "--cache-from=type=registry,ref=ghcr.io/octo/app:C"},
    ),
    (
        {"build-args": 'A=1,2\nB=x y\n"C=line 1\nline 2"'},
        {"--build-arg=A=1,2", "--build-arg=B=x y", "--build-arg=C=line 1\nline 2"},
    ),
    ({"labels": "a=b, c"}, {"--label=a=b, c"}),
    ({"annotations": "index:a=b"}, {"--annotation=index:a=b"}),
    ({"file": "docker/Dockerfile", "target": "app"}, {"--dockerfile=docker/Dockerfile", "--target=app"}),
    ({"add-hosts": "a:1.2.3.4,b:::1"}, {"--add-host=a:1.2.3.4", "--add-host=b:::1"}),
    (
        {"no-cache": "TRUE", "cache": "False", "no-cache-filters": "a,b"},
        {"--no-cache=true", "--cache=false", "--no-cache-filter=a", "--no-cache-filter=b"},
    ),
    ({"platforms": "linux/arm64"}, {"--custom-platform=linux/arm64"}),
    (
        {"platforms": "linux/amd64,linux/arm64\nlinux/386"},
        {f"--custom-platform=linux/{name}" for name in ("amd64", "arm64", "386")},
    ),
    ({"secret-files": "k=a/key", "secret-envs": "t=TOKEN"}, {"--secret=id=k,src=a/key", "--secret=id=t,env=TOKEN"}),
    ({"allow": "network.host,security.insecure", "shm-size": "1g"}, {"--allow=security.insecure", "--shm-size=1g"}),
    (
        {"provenance": "false", "sbom": "false", "attests": "type=sbom,disabled=true", "pull": "true"},
        {"--provenance=false", "--sbom=false", "--attest=type=sbom,disabled=true"},
    ),
    ({"provenance": "True", "sbom": "true"}, {f"--provenance=builder-id={RUN}", "--sbom=true"}),
    ({"provenance": "mode=min", "sbom": ""}, {f"--provenance=mode=min,builder-id={RUN}"}),
    ({"provenance": "mode=max,builder-id=https://me"}, {"--provenance=mode=max,builder-id=https://me"}),
    (
        {"attests": "type=sbom\ntype=provenance,mode=max"},
        {"--attest=type=sbom", f"--attest=type=provenance,mode=max,builder-id={RUN}"},
    ),
    (
        {"outputs": "type=docker,dest=a.tar\ntype=local,dest=b\nc"},
        {"--output=type=docker,dest=a.tar", "--output=type=local,dest=b", "--output=c"},
    ),
    (
        {"outputs": 'type=image,"name=ghcr.io/Octo/App:1,a.test/c:2",push=true'},
        {'--output=type=image,"name=ghcr.io/octo/app:1,a.test/c:2",push=true'},
    ),
    (
        {"outputs": "type=image,push-by-digest=true,name-canonical=true,push=true", "tags": "a.test/b"},
        {"--output=type=image,push-by-digest=true,name-canonical=true,push=true", "--tag=a.test/b"},
    ),
    (
        {"outputs": "type=image,name=a.test/b,compression=zstd", "push": "true"},
        {"--output=type=image,name=a.test/b,compression=zstd", "--push"},
    ),
    (
        {"cache": "true", "cache-repository": "a.test/c", "cache-ttl": "6h", "kaniko-args": "--single-snapshot\n--label=a=b c"},
        {"--cache=true", "--cache-repo=a.test/c", "--cache-ttl=6h", "--single-snapshot", "--label=a=b c"},
    ),
    (
        {
            "path": "sub",
            "build_file": "D",
            "registry": "ghcr.io",
            "image": "x",
            "tag": "v1",
            "strip_tag_prefix": "v",
            "tag_with_latest": "true",
            "cache_registry": "c",
            "cache_ttl": "1h",
            "cache_directory": "/c",
            "skip_unchanged_digest": "true",
            "extra_args": "--label 'a=b c'",
        },
        {
            "--context=sub",
            "--dockerfile=sub/D",
            "--destination=ghcr.io/octo/app/x:1",
            "--destination=ghcr.io/octo/app/x:latest",
            "--cache-repo=ghcr.io/octo/app/c",
            "--cache-ttl=1h",
            "--cache-dir=/c",
            "--reproducible=true",
            "--label",
            "a=b c",
        },
    ),
    (
        {"registry": "a.test", "password": "x", "image": "me/x", "tag": "1", "cache_registry": "a.test/me/cache"},
        {"--destination=a.test/me/x:1", "--cache-repo=a.test/me/cache"},
    ),
    (
        {"registry-mirror": "a.test\nb.test/hub", "push-retry": "3", "verbosity": "debug"},
        {"--registry-mirror=a.test", "--registry-mirror=b.test/hub", "--push-retry=3", "--verbosity=debug"},
    ),
]


@pytest.mark.parametrize(("inputs", "expected"), _CASES)
def test_inputs_become_flags_of_a_build(inputs: dict[str, str], expected: set[str]) -> None:
    assert words(inputs, {"TOKEN": "t"}) == expected


def test_directories_stay_as_they_are_where_repositories_become_lower_case() -> None:
    """An owner and a repository of one name are in the path of the workspace."""
    place = "/home/runner/work/App/App"
    inputs = {"cache-from": f"type=local,src={place}/a\nsrc={place}/b,type=local\ntype=registry,ref=a.test/App/App:c"}
    inputs |= {"cache-to": f"type=local,dest={place}/d", "cache-repository": f"oci:{place}/e", "cache-mounts": "a.test/App/App"}
    assert words(inputs, {"GITHUB_REPOSITORY": "App/App"}) == {
        f"--cache-from=type=local,src={place}/a",
        f"--cache-from=src={place}/b,type=local",
        "--cache-from=type=registry,ref=a.test/app/app:c",
        f"--cache-to=type=local,dest={place}/d",
        f"--cache-repo=oci:{place}/e",
        "--cache-mounts=a.test/app/app",
    }


_REFUSED: list[tuple[dict[str, str], str, str]] = [
    ({"push": "yes"}, "'push' is 'yes', which is neither true nor false", ""),
    ({"push": "true"}, "nothing to push", "tags"),
    ({"platforms": "linux/amd64,linux/arm64", "load": "true"}, "several platforms", "push it"),
    ({"outputs": "type=tar"}, "goes to the job's log", "dest="),
    ({"outputs": "type=image,unpack=true"}, "unpack=true can't be had", "leave it out"),
    ({"outputs": "type=docker", "tags": "a"}, "no Docker engine", "type=docker,dest=FILE"),
    ({"load": "true", "tags": "a"}, "no Docker engine", "type=docker"),
    ({"load": "true"}, "it has no name", "tags"),
    ({"secrets": "nothing"}, "'secrets' is not ID=VALUE", "double quotes"),
    ({"secret-envs": "t=NOWHERE"}, "'NOWHERE', which is not set", ""),
    ({"password": "x"}, "without registry", "host"),
    ({"extra_args": "--label it's"}, "'extra_args' has a quote without a second one", "kaniko-args"),
]


@pytest.mark.parametrize(("inputs", "says", "hint"), _REFUSED)
def test_what_can_t_be_honoured_is_refused_with_what_to_do(inputs: dict[str, str], says: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        asked(inputs)
    assert says in caught.value.message
    assert hint in caught.value.hint


_NOTED: list[tuple[dict[str, str], str]] = [
    ({"builder": "x"}, "the input builder has no effect"),
    ({"cgroup-parent": "x"}, "the input cgroup-parent has no effect"),
    ({"executor": "gcr.io/kaniko-project/executor:v1"}, "the input executor has no effect"),
    ({"cache-from": "type=gha\ntype=registry,ref=a.test/b"}, "cache-from: type=gha is left out"),
    ({"cache-to": "mode=max,type=gha"}, "cache-to: type=gha is left out"),
    ({"tags": "a.test/b"}, "nothing is pushed"),
    ({"secrets": "npm="}, "secrets: 'npm' is empty and left out; a workflow that a pull request of a fork starts"),
    ({"secret-files": "npm="}, "secret-files: 'npm' is empty"),
]


@pytest.mark.parametrize(("inputs", "says"), _NOTED)
def test_what_has_no_effect_is_told(inputs: dict[str, str], says: str) -> None:
    (note,) = notes(asked(inputs))
    assert note.startswith(says)


@pytest.mark.parametrize(
    ("inputs", "pushed"),
    [
        ({}, False),
        ({"push": "false"}, False),
        ({"push": "true"}, True),
        ({"outputs": "type=registry"}, True),
        ({"outputs": "type=image"}, False),
        ({"executor": "x", "kaniko-args": "--cache"}, False),
        ({"image": "x"}, True),
        ({"image": "x", "push": "false"}, False),
    ],
)
def test_it_is_pushed_as_the_action_that_the_inputs_are_of_would(inputs: dict[str, str], pushed: bool) -> None:
    assert ("--no-push" not in asked({"tags": "a.test/b", **inputs}).argv) is pushed


def test_secrets_are_masked_and_on_no_command_line() -> None:
    found = asked(
        {"secrets": '"pem=BEGIN KEY\nabcdef\nEND KEY"\ntoken=s3cret=x', "registry": "a.test", "password": "p4ssword", **_TOKEN}
    )
    line = " ".join(found.argv)
    for secret in ("BEGIN KEY", "abcdef", "s3cret", "p4ssword", "ghs_job"):
        assert secret not in line
    masked = {entry.data for entry in obeyed(found.before) if entry.name == "add-mask"}
    assert {"BEGIN KEY\nabcdef\nEND KEY", "abcdef", "s3cret=x", "p4ssword"} <= masked
    by_name = dict(word.removeprefix("--secret=id=").split(",env=") for word in found.argv if word.startswith("--secret"))
    assert {name: found.env[variable] for name, variable in by_name.items()} == {
        "pem": "BEGIN KEY\nabcdef\nEND KEY", "token": "s3cret=x",
    }  # fmt: skip


def test_an_empty_secret_is_none_and_the_others_count() -> None:
    """So docker's action has it: nothing of a fork's pull request needs the repository's secrets to be built."""
    found = asked({"secrets": "npm=\ntoken=s3cret\n", "secret-envs": "x="})
    assert [word for word in found.argv if word.startswith("--secret")] == ["--secret=id=token,env=MASU_INPUT_SECRET_0"]


def test_the_commit_itself_is_fetched_with_the_jobs_token_which_is_for_github_alone() -> None:
    found = asked({"context": "{{defaultContext}}:sub", **_TOKEN}, {"GITHUB_SERVER_URL": "https://git.test"})
    assert "--context=https://git.test/Octo/App.git#c0ffee:sub" in found.argv
    (secret,) = (word for word in found.argv if word.startswith("--secret"))
    name, variable = secret.removeprefix("--secret=id=").split(",env=")
    assert (name, found.env[variable]) == ("GIT_AUTH_TOKEN.git.test", "ghs_job")


def test_a_login_of_the_inputs_goes_before_the_jobs_for_its_registry_only() -> None:
    job = {"auths": {"a.test": {"auth": "old"}, "b.test": {"auth": "kept"}}, "credHelpers": {"a.test": "x", "c.test": "y"}}
    found = asked({"registry": "a.test", "password": "ghs_job"}, {"DOCKER_AUTH_CONFIG": json.dumps(job)})
    config = json.loads(found.env["DOCKER_AUTH_CONFIG"])
    assert config["auths"] == {"a.test": {"auth": "b2N0bzpnaHNfam9i"}, "b.test": {"auth": "kept"}}
    assert config["credHelpers"] == {"c.test": "y"}
    assert Obeyed(name="add-mask", data="b2N0bzpnaHNfam9i") in obeyed(found.before)


@pytest.mark.parametrize(
    ("registry", "server", "is_githubs"),
    [
        ("ghcr.io", "https://github.com", True),
        ("docker.pkg.github.com", "https://github.com", True),
        ("containers.git.corp.test", "https://git.corp.test", True),
        ("forge.test:3000", "http://forge.test:3000", True),
        ("docker.io", "https://github.com", False),
        ("evilgithub.com", "https://github.com", False),
        ("github.com.evil.test", "https://github.com", False),
        ("ghcr.io", "https://git.corp.test", False),
    ],
)
def test_the_jobs_token_is_shown_to_githubs_registry_only(registry: str, server: str, is_githubs: bool) -> None:
    """Elsewhere an empty password, as a secret is in a fork's pull request, is no login."""
    found = asked({"registry": registry, "username": "me", **_TOKEN}, {"GITHUB_SERVER_URL": server})
    assert ("DOCKER_AUTH_CONFIG" in found.env) is is_githubs
    assert [f"there is no login at {registry}" in note for note in notes(found)] == ([] if is_githubs else [True])


@pytest.mark.parametrize(
    ("inputs", "reads_only"),
    [
        ({"cache": "true", "push": "false"}, True),
        ({"cache": "true", "push": "true"}, False),
        ({"cache": "false"}, False),
        ({"cache": "true", "cache-repository": "a.test/c"}, False),
    ],
)
def test_a_build_that_pushes_nothing_reads_the_cache_only(inputs: dict[str, str], reads_only: bool) -> None:
    assert ("--no-push-cache=true" in asked({"tags": "a.test/b", **inputs}).argv) is reads_only


def test_a_password_alone_is_docker_hubs_as_aevea_has_it() -> None:
    found = asked({"image": "me/app", "tag": "1", "username": "me", "password": "p4ss"})
    assert json.loads(found.env["DOCKER_AUTH_CONFIG"])["auths"] == {"https://index.docker.io/v1/": {"auth": "bWU6cDRzcw=="}}
    assert "--destination=me/app:1" in found.argv


def test_a_login_may_have_any_bytes() -> None:
    found = asked({"registry": "a.test", "username": "caf\udce9", "password": "p\udcff"})
    auth = json.loads(found.env["DOCKER_AUTH_CONFIG"])["auths"]["a.test"]["auth"]
    assert base64.b64decode(auth) == b"caf\xe9:p\xff"


def test_what_a_credential_helper_answered_is_masked() -> None:
    job = {"auths": {"a.test": {"username": "AWS", "password": "ecr-password"}, "b.test": {"identitytoken": "refresh"}}}
    masked = {entry.data for entry in obeyed(asked({}, {"DOCKER_AUTH_CONFIG": json.dumps(job)}).before)}
    assert masked == {"ecr-password", "refresh"}


@pytest.mark.parametrize("config", ["{", "[]", '{"auths": {"a": 1}}', '{"auths": ["a"]}', '{"credHelpers": "x"}'])
def test_a_docker_config_of_another_form_is_refused(config: str) -> None:
    with pytest.raises(UsageError, match="the job's docker config"):
        asked({}, {"DOCKER_AUTH_CONFIG": config})


@pytest.mark.parametrize("config", ["{}", '{"auths": null, "credHelpers": null}', '{"auths": {"b.test": null}}'])
def test_a_docker_config_with_nothing_in_it_is_none(config: str) -> None:
    """Programs in Go write null where they have nothing."""
    found = asked({"registry": "a.test", "password": "p4ss"}, {"DOCKER_AUTH_CONFIG": config})
    assert json.loads(found.env["DOCKER_AUTH_CONFIG"]) == {"auths": {"a.test": {"auth": "b2N0bzpwNHNz"}}, "credHelpers": {}}
    assert asked({}, {"DOCKER_AUTH_CONFIG": config}).before == ""


def test_more_is_logged_when_the_job_is_debugged() -> None:
    assert words({}, {"RUNNER_DEBUG": "1"}) == {"--verbosity=debug"}
    assert words({"verbosity": "warn"}, {"RUNNER_DEBUG": "1"}) == {"--verbosity=warn"}


def test_every_flag_of_a_build_can_be_given() -> None:
    special = {
        "context",
        "destination",
        "tag",
        "push",
        "no_push",
        "output",
        "custom_platform",
        "secret",
        "no_cache",
        "cache_from",
        "cache_to",
    }
    elsewhere = special | {"allow", "bucket", "metadata_file", "provenance", "attest"}
    rows = {row.name for table in (BuildOptions, RegistryFlags, CommonOptions) for row in fields(table)}
    assert {item.option.replace("-", "_") for item in INPUTS if item.option} == rows - elsewhere
    assert len(BY_NAME) == len(INPUTS)


def test_an_engine_that_does_not_see_the_workspace_is_told(tmp_path: object) -> None:
    job = {"GITHUB_WORKSPACE": str(tmp_path), "MASU_WORKSPACE_ENTRIES": "3"}
    with pytest.raises(UsageError, match="is empty in masu's container"):
        asked({}, job)
    assert asked({}, {**job, "MASU_WORKSPACE_ENTRIES": "0"})
