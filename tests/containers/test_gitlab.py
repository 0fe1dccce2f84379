"""A GitLab job as the runner starts it: what it pushes, what its log and reports look like to GitLab, and how it is cancelled."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import make_identity
from tests.support.engine import Engine
from tests.support.gitlab_rules import read_dotenv, read_log, read_quality
from tests.support.gitlab_runner import Job, check_out
from tests.support.gitlab_site import USERS, GitLab, open_gitlab
from tests.support.registry import htpasswd, serve_registry
from tests.support.same import Remote

DOCKERFILE = r"""FROM {base} as tools
ARG GREETING
RUN printf 'section_end:1:x\r\033[0K%s section_start:2:y[collapsed=true]\r\033[0Kfolded\n' "$GREETING"
COPY src /src
RUN stat -c '%n %a' /src /src/plain /src/script /src/key > /modes; cat /modes
"""
MODES = "/src 755\n/src/plain 644\n/src/script 755\n/src/key 600\n"


@pytest.fixture(scope="module")
def gitlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitLab]:
    with open_gitlab(tmp_path_factory.mktemp("gitlab")) as opened:
        yield opened


@pytest.fixture
def job(engine: Engine, debug_image: str, gitlab: GitLab, tmp_path: Path) -> Job:
    """Of a project that is checked out, with a file that somebody has closed to others since."""
    tmp_path.chmod(0o755)
    job = Job(engine=engine, image=debug_image, builds=tmp_path / "builds", variables=gitlab.variables(tmp_path.name))
    base = f"{gitlab.proxy.host}/group/dependency_proxy/containers/busybox:1"
    files = {"src/plain": "p", "src/script": "#!", "docker/Dockerfile": DOCKERFILE.format(base=base)}
    check_out(job, files)
    (job.project / "src/script").chmod(0o777)
    (job.project / "src/key").write_text("secret")
    (job.project / "src/key").chmod(0o600)
    return job


def inputs(job: Job, **values: str) -> Job:
    return replace(job, variables={**job.variables, **{f"INPUT_{name}": value for name, value in values.items()}})


def report(job: Job, name: str) -> str:
    return (job.project / ".masu" / name).read_text()


def config(image: Remote) -> Any:
    return json.loads(image.blob(json.loads(image.manifest())["config"]["digest"]))


@pytest.mark.parametrize("options", [(), ("--entrypoint=",)], ids=["masus-entrypoint", "no-entrypoint"])
def test_a_job_of_the_component_pushes_and_tells(options: tuple[str, ...], job: Job, gitlab: GitLab) -> None:
    name = job.variables["CI_REGISTRY_IMAGE"]
    given = inputs(
        job, DESTINATION=f"{name}:1\n{name}:latest", DOCKERFILE="docker/Dockerfile", BUILD_ARG="GREETING=$(id) `id` 'x'"
    )
    done = replace(given, options=options)("/kaniko/masu step gitlab")
    assert done.code == 0, done.output
    pushed = gitlab.pushed(name.rpartition("/")[2])
    assert read_dotenv(report(job, "build.env")) == {
        "IMAGE": f"{name}:1", "IMAGE_DIGEST": pushed.digest(), "IMAGE_REF": f"{name}@{pushed.digest()}", "IMAGE_TAG": "1",
        "IMAGE_TAGS": f"{name}:1 {name}:latest",
    }  # fmt: skip
    [issue] = read_quality(report(job, "gl-code-quality-report.json"))
    assert (issue["check_name"], issue["location"]) == ("FromAsCasing", {"path": "docker/Dockerfile", "lines": {"begin": 1}})
    assert len(json.loads(report(job, "annotations.json"))["masu"]) == 2
    assert f"image_layers {len(config(pushed)['rootfs']['diff_ids'])}\n" in report(job, "metrics.txt")
    log = read_log(done.output)
    assert log.unclosed == []
    shown = {section.lines[0]: "\n".join(section.lines[1:]) for section in log.sections}
    assert "\nfolded\n" in shown[next(title for title in shown if "printf" in title)]
    assert "$(id) `id` 'x' section-start:2:y" in done.output
    assert MODES in shown[next(title for title in shown if "stat" in title)] + "\n"
    assert {asked.user for asked in gitlab.tokens.asked} >= {"gitlab-ci-token", "proxy-user"}
    assert not any(token in done.output for token in USERS.values())


def test_a_job_in_kanikos_words_is_folded_and_repaired_and_leaves_no_files(job: Job, gitlab: GitLab) -> None:
    before = sorted(path.name for path in job.project.iterdir())
    done = job(
        "mkdir -p /kaniko/.docker",
        'echo "{\\"auths\\":{\\"${CI_REGISTRY}\\":{\\"auth\\":\\"$(printf "%s:%s" "${CI_REGISTRY_USER}" "${CI_REGISTRY_PASSWORD}"'
        " | base64 | tr -d '\\n')\\\"}}}\" > /kaniko/.docker/config.json",
        '/kaniko/executor --context "${CI_PROJECT_DIR}" --dockerfile "${CI_PROJECT_DIR}/docker/Dockerfile"'
        ' --destination "${CI_REGISTRY_IMAGE}:1"',
    )
    assert done.code == 0, done.output
    log = read_log(done.output)
    assert MODES in "\n".join(line for section in log.sections for line in section.lines) + "\n"
    assert log.unclosed == []
    assert sorted(path.name for path in job.project.iterdir()) == before
    assert gitlab.pushed(job.variables["CI_REGISTRY_IMAGE"].rpartition("/")[2]).digest() in done.output


def test_a_command_that_fails_is_the_jobs_exit_code_and_an_issue_and_no_old_image(job: Job) -> None:
    (job.project / "Dockerfile").write_text((job.project / "docker/Dockerfile").read_text() + "RUN echo last words; exit 42\n")
    (job.project / ".masu").mkdir()
    (job.project / ".masu/build.env").write_text("IMAGE=old\n")
    done = inputs(job, DESTINATION=f"{job.variables['CI_REGISTRY_IMAGE']}:1")("/kaniko/masu step gitlab")
    assert done.code == 42, done.output
    assert read_dotenv(report(job, "build.env")) == {}
    issues = read_quality(report(job, "gl-code-quality-report.json"))
    assert [(issue["severity"], issue["location"]["lines"]["begin"]) for issue in issues] == [("minor", 1), ("blocker", 6)]
    outside = "\n".join(read_log(done.output).outside)
    assert "last words" in outside, "what the command printed last is to be seen without unfolding anything"


def test_five_megabytes_of_log_come_whole_and_in_their_section(job: Job) -> None:
    line = "section_end:1:masu\\r" + "x" * 60
    (job.project / "Dockerfile").write_text(f"FROM {base_of(job)}\nRUN yes '{line}' | head -n 65000\nRUN echo done\n")
    done = inputs(job, NO_PUSH="true", DESTINATION="a/b:1", TAR_PATH="image.tar")("/kaniko/masu step gitlab")
    assert done.code == 0, done.output[-2000:]
    log = read_log(done.output)
    assert sorted(len(section.lines) for section in log.sections if len(section.lines) > 65000) != []
    assert log.unclosed == []


def base_of(job: Job) -> str:
    return (job.project / "docker/Dockerfile").read_text().split()[1]


LOOK = r"""FROM {base}
RUN grep -rl 'the[.]id[.]token' /kaniko /tmp /proc/*/environ 2>/dev/null; echo looked
"""
PROVIDER = "projects/1/locations/global/workloadIdentityPools/gitlab/providers/gitlab"


def test_id_tokens_are_where_no_command_of_the_dockerfile_finds_them_and_gone_afterwards(job: Job) -> None:
    (job.project / "Dockerfile").write_text(LOOK.format(base=base_of(job)))
    tokens = {"MASU_GOOGLE_ID_TOKEN": "the.id.token", "MASU_AWS_ID_TOKEN": "the.id.token"}
    asking = {"GOOGLE_WORKLOAD_IDENTITY_PROVIDER": PROVIDER, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/push"}
    given = inputs(
        replace(job, variables={**job.variables, **tokens}), DESTINATION=f"{job.variables['CI_REGISTRY_IMAGE']}:1", **asking
    )
    done = given("/kaniko/masu step gitlab", "ls /kaniko/tmp; echo after")
    assert done.code == 0, done.output
    [shown] = [section.lines[1:] for section in read_log(done.output).sections if "grep" in section.lines[0]]
    assert [line for line in shown if line.startswith("/")] == []
    assert "looked" in shown
    assert [line for line in done.output.splitlines() if "token" in line and "the.id" in line] == []
    assert "-token" not in done.output.partition("ls /kaniko/tmp")[2]


def test_the_runners_own_certificate_authority_is_trusted(job: Job, tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    tls = {"certificate": str(identity.certificate_path), "key": str(identity.key_path)}
    (job.project.parent / "ca.pem").write_bytes(identity.certificate_path.read_bytes())  # where the runner has file variables
    (job.project / "Dockerfile").write_text("FROM scratch\nCOPY src /src\n")
    (tmp_path / "tls").mkdir()
    with serve_registry(tmp_path / "tls", auth=htpasswd(tmp_path / "tls", {"user": "password"}), tls=tls) as registry:
        own = {"CI_REGISTRY": registry.host, "CI_REGISTRY_USER": "user", "CI_REGISTRY_PASSWORD": "password"}
        given = inputs(replace(job, variables={**job.variables, **own}), DESTINATION=f"{registry.host}/group/app:1")
        refused = given("/kaniko/masu step gitlab")
        trusting = replace(given, variables={**given.variables, "CI_SERVER_TLS_CA_FILE": "/builds/group/ca.pem"})
        done = trusting("/kaniko/masu step gitlab")
    assert "CERTIFICATE_VERIFY_FAILED" in refused.output
    assert done.code == 0, done.output
    assert read_dotenv(report(job, "build.env"))["IMAGE"] == f"{registry.host}/group/app:1"


SLOW = """FROM {base}
COPY big /big
RUN echo at-$((6 * 7)); for n in $(seq 600); do sleep 0.1; done
"""
TERMINATED = ("masu: terminated\n",)
STOPPED = """\
error building image: Dockerfile:3: RUN echo at-$((6 * 7)); for n in $(seq 600); do sleep 0.1; done: \
the command failed with exit code 143; it printed last:
at-42
"""
WHY = "hint: SIGTERM ended it, as when a job is cancelled or its time is up\n"


@pytest.mark.parametrize(
    ("word", "dockerfile", "said", "issues"),
    [
        ("at-42", SLOW, (STOPPED, WHY), [("blocker", 3)]),
        ("Pushing image to", "FROM {base}\nCOPY big /big\n", TERMINATED, []),
    ],
    ids=["during-a-RUN", "while-pushing"],
)
def test_a_cancelled_job_leaves_a_whole_image_or_none_and_the_next_works(
    word: str, dockerfile: str, said: tuple[str, ...], issues: list[tuple[str, int]], job: Job, gitlab: GitLab
) -> None:
    """Its log and its reports say what was under way, also while a RUN of `takeover` has the place of `/`."""
    name = job.variables["CI_REGISTRY_IMAGE"]
    subprocess.run(["dd", "if=/dev/urandom", f"of={job.project}/big", "bs=1M", "count=48", "status=none"], check=True)
    (job.project / "Dockerfile").write_text(dockerfile.format(base=base_of(job)))
    given = inputs(job, DESTINATION=f"{name}:1", REPRODUCIBLE="true")  # so that nothing is sent ahead
    with given.started("/kaniko/masu step gitlab") as running:
        running.read_until(word)
        with gitlab.registry.held() if said == TERMINATED else nullcontext():
            running.cancel()
            assert running.process.wait(timeout=30) != 0
        assert running.process.stdout
        rest = running.process.stdout.read().decode()
    assert all(words in rest for words in said), rest
    assert read_dotenv(report(job, "build.env")) == {}
    found = read_quality(report(job, "gl-code-quality-report.json"))
    assert [(issue["severity"], issue["location"]["lines"]["begin"]) for issue in found] == issues
    whole_or_absent(gitlab, name.rpartition("/")[2])
    (job.project / "Dockerfile").write_text(f"FROM {base_of(job)}\nCOPY big /big\n")
    done = given("/kaniko/masu step gitlab")
    assert done.code == 0, done.output
    whole_or_absent(gitlab, name.rpartition("/")[2])
    assert gitlab.pushed(name.rpartition("/")[2]).digest() in report(job, "build.env")


def whole_or_absent(gitlab: GitLab, name: str) -> None:
    image = gitlab.pushed(name)
    tag = gitlab.registry.directory / f"data/docker/registry/v2/repositories/group/{name}/_manifests/tags/1"
    if tag.exists():
        manifest = json.loads(image.manifest())
        for blob in (manifest["config"], *manifest["layers"]):
            assert len(image.blob(blob["digest"])) == blob["size"]
