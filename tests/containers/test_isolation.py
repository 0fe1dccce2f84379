"""A RUN that searches everything it can reach finds no credential and no secret that it wasn't given; and nothing of it stays."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.test_kills import processes
from tests.support.bases import serve_bases
from tests.support.cases import read_cases
from tests.support.engine import Engine, Finished
from tests.support.masu import ROOT, write_context
from tests.support.profiles import PROFILES, Profile
from tests.support.site import Site

WORDS = {
    name: f"{name}-{secrets.token_hex(12)}"
    for name in ("config", "variable", "clouds", "google", "mounted", "file", "environment", "control")
}
"""Unknown to everything else, and new for each run of the tests."""
JOB = """\
mkdir -p /tmp/job
echo "$CONFIG" > /kaniko/.docker/config.json
echo "$GOOGLE" > /tmp/job/key.json
echo "$FILE" > /tmp/job/secret
/kaniko/executor --context=/workspace --no-push --tar-path=/out/image.tar \
  --secret id=file,src=/tmp/job/secret --secret id=environment,env=ENVIRONMENT
code=$?
cat /kaniko/.docker/config.json /tmp/job/* | sort > /out/afterwards
exit $code
"""
DOCKERFILE = """\
FROM {base}
COPY search.pl /
RUN --mount=type=secret,id=file --mount=type=secret,id=environment,env=IT test "$IT" && test -s /run/secrets/file
RUN echo {control} | rev > /file; exec 7< /file; export WORD=$(cat /file); sh -c 'sleep 1000; : && exit' $WORD & rm /file; \
  perl /search.pl {control} {words}
USER 1234
RUN perl /search.pl {words}
"""
"""The control is what the command has itself, in the environment, arguments, memory and an open file of another process."""
TRIED = [
    pytest.param(profile, id=profile.name, marks=() if profile.name in ("root", "user", "privileged") else pytest.mark.matrix)
    for profile in PROFILES
    if not profile.read_only
]


def backwards(*names: str) -> str:
    words = [WORDS[name] for name in names] + [_encoded(name) for name in names if name in ("config", "variable")]
    return " ".join(word[::-1] for word in words)


def _encoded(name: str) -> str:
    return base64.b64encode(f"user:{WORDS[name]}".encode()).decode()


def _login(name: str) -> str:
    return json.dumps({"auths": {f"{name}.example.org": {"auth": _encoded(name), "password": WORDS[name]}}})


@pytest.fixture(scope="module")
def debian() -> Iterator[str]:
    """A base with perl."""
    with serve_bases(debian=True) as bases:
        yield bases.references()["debian"]


def run_job(engine: Engine, image: str, profile: Profile, directory: Path, dockerfile: str, *, key: str) -> Finished:
    """As GitLab's runner has it: a shell with everything in its environment starts masu, and lives on."""
    context = write_context(directory / "context", dockerfile, {"search.pl": (ROOT / "tests/support/search.pl").read_bytes()})
    write_context(directory / "mounted", "", {"key.json": WORDS["mounted"]})
    (directory / "out").mkdir()
    (directory / "out").chmod(0o777)
    variables = {
        "DOCKER_AUTH_CONFIG": _login("variable"), "GOOGLE_APPLICATION_CREDENTIALS": key, "CONFIG": _login("config"),
        "GOOGLE": WORDS["google"], "FILE": WORDS["file"], "ENVIRONMENT": WORDS["environment"], "JOB": JOB,
    }  # fmt: skip
    names = ("AWS_SECRET_ACCESS_KEY", "AZURE_CLIENT_SECRET", "CI_REGISTRY_PASSWORD", "KANIKO_R_EXAMPLE_PASSWORD")
    variables |= dict.fromkeys(names, WORDS["clouds"])
    volumes = [f"{context}:/workspace", f"{directory}/out:/out", f"{directory}/mounted:/secret:ro"]
    options = [*profile.options, *(f"--volume={volume}" for volume in volumes), *(f"--env={k}={v}" for k, v in variables.items())]
    with engine.container(image, "sh", "-c", "while :; do sleep 1000; done", options=options) as container:
        return container("sh", "-c", 'eval "$JOB"')


def found(done: Finished) -> list[str]:
    return [line for line in done.output.splitlines() if any(f"{word} in /" in line for word in WORDS.values())]


@pytest.mark.parametrize("profile", TRIED)
def test_a_command_finds_no_credentials(profile: Profile, engine: Engine, debug_image: str, debian: str, tmp_path: Path) -> None:
    elsewhere = () if profile.sandbox == "takeover" else ("mounted",)
    words = backwards("config", "variable", "clouds", "google", "file", "environment", *elsewhere)
    text = DOCKERFILE.format(base=debian, words=words, control=backwards("control"))
    done = run_job(engine, debug_image, profile, tmp_path, text, key="/tmp/job/key.json")
    assert done.code == 0, done.output
    assert f"sandbox {profile.sandbox}: chosen" in done.output
    control = [line for line in found(done) if WORDS["control"] in line]
    if profile.sandbox == "chroot":  # without /proc there is nothing but files to search, and the control's is gone
        assert control == []
        assert "mind that commands find no /proc" in done.output
    else:
        places = {line.rpartition("/")[2] for line in control}
        assert {"environ", "cmdline", "mem", "7"} <= places, "the search finds nothing"
    assert [line for line in found(done) if line not in control] == []
    expected = sorted([_login("config"), WORDS["google"], WORDS["file"]])
    assert (tmp_path / "out/afterwards").read_text().splitlines() == expected, "the job's own files aren't as before"


def test_what_cannot_be_hidden_is_said(engine: Engine, debug_image: str, debian: str, tmp_path: Path) -> None:
    text = DOCKERFILE.format(base=debian, words=backwards("mounted"), control=backwards("control"))
    done = run_job(engine, debug_image, PROFILES[0], tmp_path, text, key="/secret/key.json")
    assert done.code == 0, done.output
    assert any(WORDS["mounted"] in line for line in found(done))
    assert "commands can read '/secret/key.json'" in done.output


@pytest.mark.parametrize("profile", TRIED)
def test_no_process_is_left(profile: Profile, engine: Engine, debug_image: str, small_site: Site, tmp_path: Path) -> None:
    (case,) = (case for case in read_cases(Path(__file__).parent / "cases") if case.id == "processes/a-daemon-is-left-behind")
    context = write_context(tmp_path / "context", case.section("Dockerfile", small_site.references))
    options = [*profile.options, f"--volume={context}:/workspace"]
    # Its first process reaps nothing.
    with engine.container(debug_image, "sh", "-c", "exec sleep 100000", options=options) as container:
        done = container("/kaniko/executor", "--no-push")
        assert done.code == 0, done.output
        assert list(processes(container)) == [container.pid()]
