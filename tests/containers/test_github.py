"""GitHub Actions: our workflows run by act with the real action, engine and image, and the image by GitHub's own `docker run`.

The registry wants a token, as GitHub's own does.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from steps import IMAGE as STEP_IMAGE
from tests.support import act, runner
from tests.support.act import ACTION, IMAGE, Act, GitHubRun, HostedRun
from tests.support.certificates import make_identity
from tests.support.engine import Engine
from tests.support.masu import Masu, add_base, shell, write_context
from tests.support.registry import RunningRegistry, serve_registry
from tests.support.shared import REPOSITORY
from tests.support.smart_git import serve_smart_git
from tests.support.step_image import STATE
from tests.support.tokens import TokenServer, serve_tokens

USER, PASSWORD = "octo", "ghs_jobtoken"
DOCKERFILE = """\
FROM {base}
ARG REVISION
ARG NOTE
RUN --mount=type=secret,id=npm echo "$NOTE" > /note; if [ -e /run/secrets/npm ]; then echo "got $(cat /run/secrets/npm)"; fi
RUN printf '::error::injected\\n##[error]injected\\n::add-mask::busybox\\n::stop-commands::x\\n::x::\\n'
COPY . /all
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A registry with tokens, and a base image in it."""

    registry: RunningRegistry
    directory: Path
    masu: Masu

    @property
    def host(self) -> str:
        return self.registry.host

    @property
    def base(self) -> str:
        return f"{self.host}/base:1"

    @property
    def login(self) -> str:
        """A docker config for it."""
        return json.dumps({"auths": {self.host: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}})

    def files(self, reference: str, directory: Path) -> Path:
        """The image pulled by somebody else's program and unpacked."""
        login = directory / "login.json"
        login.write_text(self.login)
        shell(
            [
                "skopeo",
                "copy",
                "-q",
                "--authfile",
                login,
                "--src-tls-verify=false",
                f"docker://{reference}",
                f"oci:{directory}/o:1",
            ]
        )
        shell(["umoci", "unpack", "--image", f"{directory}/o:1", directory / "unpacked"])
        return directory / "unpacked/rootfs"

    def digest(self, reference: str) -> str:
        words = ["skopeo", "inspect", "--creds", f"{USER}:{PASSWORD}", "--tls-verify=false", "--format", "{{.Digest}}"]
        return shell([*words, f"docker://{reference}"]).strip()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    directory = tmp_path_factory.mktemp("hub")
    identity = make_identity(directory, hosts=["registry.test"])
    with (
        serve_tokens(TokenServer(identity=identity, users={USER: PASSWORD})) as tokens,
        serve_registry(directory, auth=tokens.auth) as registry,
    ):
        login = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {registry.host: {"username": USER, "password": PASSWORD}}})}
        found = Hub(registry=registry, directory=directory, masu=Masu(state=directory / "state", env=login))
        add_base(found.masu, directory)
        again = write_context(directory / "again", "FROM base\nENV PATH=/bin\n")
        assert found.masu("build", "-d", found.base, again).returncode == 0
        yield found


@pytest.fixture(scope="module")
def runs(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Act:
    """act, with this repository's action and its image, and one that logs in as docker's does."""
    act.need_act()
    home = tmp_path_factory.mktemp("act")
    assert engine("tag", image, IMAGE).code == 0
    shell(["env", f"MASU_STATE_DIR={STATE}", *Masu(state=STATE).argv("save", "-o", home / "runner.tar", "debian:bookworm-slim")])
    engine.load(home / "runner.tar")
    shutil.copytree(REPOSITORY / "plugins", home / "masu/plugins")
    login = {"registry": "", "username": "", "password": ""}
    step = {"shell": "bash", "env": {f"I_{name}": f"${{{{ inputs.{name} }}}}" for name in login}}
    step["run"] = 'echo "$I_password" | docker login --username "$I_username" --password-stdin "$I_registry"'
    action = {
        "name": "login",
        "description": "x",
        "inputs": {key: {} for key in login},
        "runs": {"using": "composite", "steps": [step]},
    }
    write_context(home / "login", "", {"action.yml": json.dumps(action)})
    return Act(engine=engine, home=home, actions={f"{ACTION}@v1": home / "masu", "docker/login-action@v4": home / "login"})


def workflow(text: str, hub: Hub, **inputs: str) -> str:
    """One of ours with the test's registry for GitHub's, on an engine that has no network of its own; `inputs` are added."""
    document = yaml.safe_load(re.sub("^on:", "'on':", text.replace("ghcr.io", hub.host), flags=re.MULTILINE))
    for job in document["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith(ACTION):
                step["with"] |= {"docker-run-args": "--network=host", **inputs}
                if "registry" in step["with"]:  # which is not GitHub's here, so that the job's token isn't taken for it by itself
                    step["with"].setdefault("password", "${{ github.token }}")
    return yaml.safe_dump(document, sort_keys=False)


def project(directory: Path, hub: Hub, dockerfile: str = DOCKERFILE) -> Path:
    files = {"src/a": "a\n", "gha-creds-0123.json": "secret", ".dockerignore": ".git\n.github\nDockerfile\n.dockerignore\n"}
    return write_context(directory, dockerfile.format(base=hub.base), files)


def listing(root: Path) -> dict[str, str]:
    """The files of the image that aren't the base's."""
    bases = (root / "bin", root / "etc")
    paths = [path for path in root.rglob("*") if path.is_file() and not any(path.is_relative_to(base) for base in bases)]
    return {str(path.relative_to(root)): path.read_text() for path in paths}


def example(name: str) -> str:
    return (REPOSITORY / "examples/github-actions" / name).read_text()


# --- act: the workflows, as users paste them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["README.md", "plugins/github-actions/README.md"])
def test_a_readmes_quick_start_pushes_an_image(file: str, runs: Act, hub: Hub, tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / file).read_text(), re.DOTALL)
    quick_start = next(block for block in blocks if f"uses: {ACTION}/" in block)
    done = runs(project(tmp_path / "p", hub), workflow(quick_start, hub), secrets={"GITHUB_TOKEN": PASSWORD})
    assert done.code == 0, done.output
    said = re.findall(r"[Pp]ushed (\S+@sha256:\w{64})", done.output)[-1]
    assert listing(hub.files(said, tmp_path)) == {"note": "\n", "all/src/a": "a\n"}


def test_the_example_builds_pushes_and_finds_all_in_the_cache_the_second_time(runs: Act, hub: Hub, tmp_path: Path) -> None:
    text = workflow(example("build-and-push.yml"), hub, **{"cache-copy-layers": "true"})
    text = text.replace(
        'echo "built $IMAGE"', "echo built ${{ steps.masu.outputs.image-with-digest }} ${{ steps.masu.outputs.cache-hit }}"
    )
    repository, secrets = project(tmp_path / "p", hub), {"GITHUB_TOKEN": PASSWORD, "NPM_TOKEN": "npm_s3cret"}
    first, second = (runs(repository, text, secrets=secrets) for _ in range(2))
    assert (first.code, second.code) == (0, 0), first.output + second.output
    assert "npm_s3cret" not in first.output
    told = [re.findall(r"built (\S+@sha256:\w{64}) (\w+)", done.output)[-1] for done in (first, second)]
    assert [hit for _, hit in told] == ["false", "true"]
    rootfs = hub.files(told[0][0], tmp_path)
    assert listing(rootfs)["note"] == "two\nlines, one value\n"
    assert hub.digest(f"{told[0][0].partition('@')[0]}:latest").startswith("sha256:")


def test_a_pull_request_of_the_example_pushes_nothing(runs: Act, hub: Hub, tmp_path: Path) -> None:
    text = workflow(example("build-and-push.yml"), hub, tags=f"{hub.host}/octo/pr:1")
    done = runs(project(tmp_path / "p", hub), text, event="pull_request", secrets={"GITHUB_TOKEN": PASSWORD, "NPM_TOKEN": "x"})
    assert done.code == 0, done.output
    assert "Skipping push" in done.output
    assert "octo/pr/_manifests" not in shell(["find", hub.directory, "-type", "d"])


def readme_block(word: str) -> str:
    """The action's README's own snippet that has the word."""
    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "plugins/github-actions/README.md").read_text(), re.DOTALL)
    return textwrap.dedent(next(block for block in blocks if word in block))


def test_the_readmes_job_in_masus_own_image_fetches_logs_in_and_pushes(
    runs: Act, hub: Hub, engine: Engine, debug_image: str, tmp_path: Path
) -> None:
    assert engine("tag", debug_image, f"{STEP_IMAGE}:debug").code == 0
    text = workflow("on: push\n" + readme_block("container:"), hub).replace("my-arc-runners", "ubuntu-24.04")
    logins = frozenset({f"x-access-token:{PASSWORD}"})
    with serve_smart_git(tmp_path / "git", project(tmp_path / "files", hub), logins=logins) as git:
        place = f"http://{git.host}/private/repo.git#{git.commit('main')}"
        text = text.replace("$GITHUB_SERVER_URL/$GITHUB_REPOSITORY.git#$GITHUB_SHA", place)
        done = runs(project(tmp_path / "p", hub), text, secrets={"GITHUB_TOKEN": PASSWORD})
    assert done.code == 0, done.output
    (pushed,) = re.findall(r"set-output:: image-with-digest=(\S+)", done.output)
    assert listing(hub.files(pushed, tmp_path))["all/src/a"] == "a\n"


def test_the_readmes_image_as_an_action_pushes(runs: Act, hub: Hub, engine: Engine, image: str, tmp_path: Path) -> None:
    assert engine("tag", image, f"{STEP_IMAGE}:latest").code == 0
    steps = yaml.safe_load(readme_block("docker://"))
    text = workflow(yaml.safe_dump({"on": "push", "jobs": {"image": {"runs-on": "ubuntu-24.04", "steps": steps}}}), hub)
    done = runs(project(tmp_path / "p", hub), text, secrets={"GITHUB_TOKEN": PASSWORD})
    assert done.code == 0, done.output
    (pushed,) = re.findall(r"set-output:: image-with-digest=(\S+)", done.output)
    assert listing(hub.files(pushed, tmp_path)) == {"note": "\n", "all/src/a": "a\n"}


# --- the script, as a hosted runner starts it -----------------------------------------------------------------------------------


@pytest.fixture
def hosted(engine: Engine, image: str, hub: Hub, tmp_path: Path) -> HostedRun:
    run = HostedRun(engine=engine, image=image, directory=tmp_path)
    project(run.workspace, hub)
    write_context(tmp_path / "home/.docker", "", {"config.json": hub.login})
    return run


def test_a_failing_command_is_an_annotation_and_the_steps_exit_code(hosted: HostedRun, hub: Hub) -> None:
    write_context(hosted.workspace, f"FROM {hub.base}\nWORKDIR x\nRUN echo '::error::evil' && echo last words && exit 7\n")
    done = hosted({"tags": f"{hub.host}/octo/fails:1", "push": "true"})
    assert done.code == 7, done.output
    found = runner.obeyed(done.output)
    (error,) = (entry for entry in found if entry.name == "error")
    assert (error.properties["file"], error.properties["line"]) == ("Dockerfile", "3")
    assert "exit code 7" in error.data
    assert "last words" in error.data
    (warning,) = (entry for entry in found if entry.name == "warning")
    assert (warning.properties["title"], warning.properties["line"]) == ("WorkdirRelativePath", "2")
    assert "last words" in hosted.file("summary").read_text()
    assert not hosted.file("output").exists()


def test_nothing_of_five_megabytes_of_hostile_output_is_obeyed(hosted: HostedRun, hub: Hub) -> None:
    lines = "::error::a\\n##[error]b\\n::add-mask::bin\\n::set-output name=digest::c\\r::warning::d\\n"
    write_context(
        hosted.workspace, f"FROM {hub.base}\nRUN i=0; while [ $i -lt 2200 ]; do i=$((i+1)); printf '{lines * 30}'; done\n"
    )
    done = hosted({"tags": f"{hub.host}/octo/hostile:1", "push": "true"})
    assert done.code == 0, done.output[-2000:]
    assert len(done.output) > 5_000_000
    assert {entry.name for entry in runner.obeyed(done.output)} == {"group", "endgroup", "stop-commands"}
    assert runner.outputs(hosted.file("output").read_text())["digest"] == hub.digest(f"{hub.host}/octo/hostile:1")


NAMESPACES = "--network=host\n--cap-add=SYS_ADMIN\n--security-opt=seccomp=unconfined\n--security-opt=apparmor=unconfined"
HOSTILE = r"""printf '::error::a\n##[error]b\r::warning::c\n  ::set-output name=x::y\n:'; usleep 200000; \
  printf ':error::split\n\033[0m\n\302\205::error::next line\342\200\250::error::ls\v::error::vt\f::error::ff\nno end'"""


def test_stages_that_print_at_the_same_time_give_no_commands_and_the_failing_line_is_annotated(
    hosted: HostedRun, hub: Hub
) -> None:
    write_context(
        hosted.workspace,
        f"FROM {hub.base} AS a\nRUN {HOSTILE}; echo > /a\nFROM {hub.base} AS b\nRUN {HOSTILE}\nRUN {HOSTILE}; exit 3\n"
        f"FROM {hub.base}\nCOPY --from=a /a /\nCOPY --from=b /etc /\n",
    )
    done = hosted({"tags": f"{hub.host}/octo/stages:1", "jobs": "2"}, {"MASU_DOCKER_RUN_ARGS": NAMESPACES})
    assert done.code == 3, done.output
    assert "sandbox namespaces" in done.output
    found = [entry for entry in runner.obeyed(done.output) if entry.name != "stop-commands"]
    assert [(entry.name, entry.properties.get("line")) for entry in found] == [("warning", None), ("error", "7")]
    assert "[stage 2/3] ::error::split" in done.output


def test_long_inputs_and_odd_characters_come_as_they_are(hosted: HostedRun, hub: Hub) -> None:
    """As docker/metadata-action makes labels; one input may have 128 KiB."""
    odd = "%0A%25 ünï \"dq\" 'q' $HOME `id` \\"
    labels = "".join(f"org.example.l{number}={odd}{'x' * 100}\r\n" for number in range(700))
    write_context(hosted.workspace, f'FROM {hub.base}\nARG ODD\nARG LINES\nRUN echo "$ODD" > /odd; echo "$LINES" > /lines\n')
    arguments = f'ODD={odd}\r\n"LINES=1\n""2"", 3\n"\n' + "\n".join(f"A{number}={'y' * 150}" for number in range(700))
    done = hosted({"tags": f"{hub.host}/octo/long:1", "push": "true", "labels": labels, "build-args": arguments})
    assert done.code == 0, done.output[-2000:]
    assert listing(hub.files(f"{hub.host}/octo/long:1", hosted.directory)) == {"odd": f"{odd}\n", "lines": '1\n"2", 3\n'}
    words = ["skopeo", "inspect", "--creds", f"{USER}:{PASSWORD}", "--tls-verify=false", "--config"]
    found = json.loads(shell([*words, f"docker://{hub.host}/octo/long:1"]))["config"]["Labels"]
    assert (len(found), set(found.values())) == (700, {odd + "x" * 100})


def test_files_outside_of_the_workspace_are_taken_along_and_brought_back(hosted: HostedRun, hub: Hub, tmp_path: Path) -> None:
    """As in docker's documents: an archive for another job, and a cache that actions/cache keeps."""
    text = f"FROM {hub.base}\nRUN --mount=type=secret,id=npm cat /run/secrets/npm > /got\nCOPY src /src\n"
    write_context(hosted.workspace, text)
    there = write_context(tmp_path / "of job", "", {"npmrc": "token"})
    inputs = {
        "tags": f"{hub.host}/octo/outside:1",
        "outputs": f"type=oci,dest={there}/new/image.tar",
        "secret-files": f"npm={there}/npmrc",
        "cache-from": f"type=local,src={there}/cache",
        "cache-to": f"type=local,dest={there}/cache,mode=max",
        "iidfile": f"{there}/id",
    }
    for hit in ("false", "true"):
        done = hosted(inputs)
        assert done.code == 0, done.output
        assert runner.outputs(hosted.file("output").read_text())["cache-hit"] == hit
    shell(["skopeo", "inspect", f"oci-archive:{there}/new/image.tar"])
    assert (there / "id").read_text().startswith("sha256:")
    assert {path.stat().st_uid for path in there.rglob("*")} == {os.getuid()}


def test_an_image_is_loaded_into_the_runners_engine(hosted: HostedRun, hub: Hub, engine: Engine) -> None:
    done = hosted({"tags": f"{hub.host}/octo/loaded:1", "load": "true"})
    assert done.code == 0, done.output
    shown = engine("run", "--rm", "--network=none", f"{hub.host}/octo/loaded:1", "cat", "/all/src/a")
    assert (shown.code, shown.output) == (0, "a\n")


def test_a_credential_helper_of_the_runner_is_asked(hosted: HostedRun, hub: Hub, tmp_path: Path) -> None:
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    helper = tmp_path / "bin/docker-credential-mine"
    answers = {"get": json.dumps({"Username": USER, "Secret": PASSWORD}), "list": json.dumps({hub.host: USER})}
    cases = " ".join(f"{word}) echo '{answer}';;" for word, answer in answers.items())
    write_context(tmp_path / "bin", "", {helper.name: f"#!/bin/sh\ncase $1 in {cases} esac\n"})
    helper.chmod(0o755)
    for number, config in enumerate(({"credsStore": "mine"}, {"credHelpers": {hub.host: "mine"}})):
        (tmp_path / "home/.docker/config.json").write_text(json.dumps(config))
        done = replace(hosted, path=str(tmp_path / "bin"))({"tags": f"{hub.host}/octo/helped:{number}", "push": "true"})
        assert done.code == 0, done.output
        assert PASSWORD not in done.output.replace(f"::add-mask::{PASSWORD}", "")


def test_an_input_that_cannot_be_honoured_is_an_annotation_before_anything_is_built(hosted: HostedRun) -> None:
    done = hosted({"outputs": "type=tar,dest=-"})
    assert done.code == 1
    (error,) = (entry for entry in runner.obeyed(done.output) if entry.name == "error")
    assert error.data.startswith("can't honour outputs")
    assert "outputs" in hosted.file("summary").read_text()


def test_a_job_without_an_engine_is_told_what_to_do(hosted: HostedRun) -> None:
    done = hosted({}, {"DOCKER_HOST": "unix:///nowhere.sock"})
    assert done.code == 1
    (error,) = runner.obeyed(done.output)
    assert "make masu's image the job's container" in error.data


def test_a_job_in_a_container_finds_its_workspace_at_another_place(
    hosted: HostedRun, hub: Hub, engine: Engine, runs: Act
) -> None:
    """As the runner makes it for `container:`: the work directory is at /__w, and the engine knows it by its own name."""
    socket, client = engine.command[-1].removeprefix("unix://"), shutil.which("docker", path="/usr/bin")
    options = [f"--volume={hosted.directory}:/__w", f"--volume={socket}:/var/run/docker.sock", f"--volume={client}:{client}:ro"]
    options.append(f"--volume={REPOSITORY}/plugins:/plugins:ro")
    with engine.container(act.RUNNER, "sleep", "1000", options=options) as container:
        env = hosted.env({"tags": f"{hub.host}/octo/inside:1", "push": "true"}, {"MASU_JOB_CONTAINER": container.name})
        places = {name: value.replace(str(hosted.directory), "/__w") for name, value in env.items() if name != "PATH"}
        done = container("bash", "/plugins/github-actions/run.sh", env={**places, "DOCKER_HOST": "unix:///var/run/docker.sock"})
    assert done.code == 0, done.output
    assert runner.outputs(hosted.file("output").read_text())["digest"] == hub.digest(f"{hub.host}/octo/inside:1")


def test_a_secret_of_the_jobs_environment_reaches_its_run_and_nothing_else(hosted: HostedRun, hub: Hub) -> None:
    write_context(hosted.workspace, f"FROM {hub.base}\nRUN --mount=type=secret,id=t wc -c < /run/secrets/t > /n; env > /env\n")
    inputs = {"tags": f"{hub.host}/octo/secret:1", "push": "true", "secret-envs": "a=HOME,t=MY_TOKEN"}
    done = hosted(inputs, {"MY_TOKEN": "0123456789"})
    assert done.code == 0, done.output
    files = listing(hub.files(f"{hub.host}/octo/secret:1", hosted.directory))
    assert files["n"] == "10\n"
    assert "0123456789" not in files["env"]
    assert "INPUT_" not in files["env"]


def until(word: bytes, lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines up to that which says the word, and not only in the text of a RUN."""
    for line in lines:
        yield line
        if word in line and b"echo" not in line:
            return
    raise AssertionError(f"{word!r} never came")


def check_cancelled(log: str, hosted: HostedRun, under_way: str) -> None:
    """Everything that was opened is closed; annotation and summary say what was cancelled; no output is left."""
    found = runner.obeyed(log)
    names = [entry.name for entry in found]
    assert names.count("group") == names.count("endgroup")
    (error,) = (entry for entry in found if entry.name == "error")
    assert error.data.startswith("interrupted by SIGINT")
    assert under_way in error.data.partition("\n")[0]
    assert "interrupted by SIGINT" in hosted.file("summary").read_text()
    assert not hosted.file("output").exists()


@pytest.mark.parametrize("moment", [b"at work", b"Pushing image"])
def test_a_cancelled_job_leaves_no_container_and_no_half_image_and_the_next_works(
    moment: bytes, hosted: HostedRun, hub: Hub, engine: Engine
) -> None:
    dockerfile = (hosted.workspace / "Dockerfile").read_text()
    wait = "while :; do sleep 1; done" if moment == b"at work" else "head -c 30000000 /dev/urandom > /big"
    write_context(hosted.workspace, f"FROM {hub.base}\nRUN echo at work; {wait}\n")
    name = f"octo/cancelled-{len(moment)}"
    inputs = {"tags": f"{hub.host}/{name}:1", "push": "true", "reproducible": "true"}  # so that nothing is sent ahead
    process = hosted.start(inputs, {"MASU_DOCKER_RUN_ARGS": "--network=host\n--label=masu-cancelled"})
    assert process.stdout is not None
    log = list(until(moment, process.stdout))
    with hub.registry.held() if moment == b"Pushing image" else nullcontext():
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=7.5) == 130
    check_cancelled(b"".join([*log, *process.stdout]).decode(), hosted, "RUN echo at work" if moment == b"at work" else "")
    assert engine("ps", "--all", "--quiet", "--filter", "label=masu-cancelled").output == ""
    if f"{name}/_manifests/tags" in shell(["find", hub.directory, "-type", "d"]):
        assert moment == b"Pushing image"
        assert (hub.files(inputs["tags"], hosted.directory) / "big").stat().st_size == 30_000_000
    write_context(hosted.workspace, dockerfile)
    done = hosted(inputs)
    assert done.code == 0, done.output
    assert runner.outputs(hosted.file("output").read_text())["digest"] == hub.digest(inputs["tags"])


def test_a_job_that_is_cancelled_while_docker_pulls_the_image_starts_nothing(
    hosted: HostedRun, hub: Hub, engine: Engine, tmp_path: Path
) -> None:
    """A docker that takes its time to make the container, until this test lets it."""
    os.mkfifo(tmp_path / "go")
    slow = f'#!/bin/sh\nif [ $1 = create ]; then echo pulling >&2; read word <{tmp_path}/go; fi\nexec /usr/bin/docker "$@"\n'
    write_context(tmp_path / "bin", "", {"docker": slow})
    (tmp_path / "bin/docker").chmod(0o755)
    process = replace(hosted, path=str(tmp_path / "bin")).start(
        {"tags": f"{hub.host}/octo/early:1", "push": "true"}, {"MASU_DOCKER_RUN_ARGS": "--network=host\n--label=masu-early"}
    )
    assert process.stdout is not None
    assert b"pulling" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    (tmp_path / "go").write_text("go\n")
    assert process.wait(timeout=60) == 130
    assert b"INFO" not in process.stdout.read()
    assert engine("ps", "--all", "--quiet", "--filter", "label=masu-early").output == ""


# --- the image, as the runner starts a container action -----------------------------------------------------------------------


def test_githubs_own_docker_run_gets_outputs_summary_and_an_image(engine: Engine, image: str, hub: Hub, tmp_path: Path) -> None:
    run = GitHubRun(engine=engine, image=image, directory=tmp_path)
    run.prepare()
    project(run.workspace, hub)
    run.prepare()
    inputs = {
        "INPUT_TAGS": f"{hub.host}/octo/harness:1",
        "INPUT_PUSH": "true",
        "INPUT_BUILD-ARGS": '"NOTE=a\nb"',
        "INPUT_REGISTRY": hub.host,
    }
    job = {"INPUT_GITHUB-TOKEN": PASSWORD, "GITHUB_SERVER_URL": f"https://{hub.host}"}  # whose registry this is
    done = run({**inputs, **job}, "step", "github")
    assert done.code == 0, done.output
    found = runner.outputs(run.file("output").read_text())
    assert found["digest"] == hub.digest(inputs["INPUT_TAGS"])
    assert found["image-with-digest"] == f"{hub.host}/octo/harness@{found['digest']}"
    assert f"<code>{found['digest'].replace(':', '&#58;')}</code>" in run.file("step_summary").read_text()
    assert (run.file("output").stat().st_uid, run.file("step_summary").stat().st_uid) == (1001, 1001)
    assert listing(hub.files(found["image-with-digest"], tmp_path)) == {"note": "a\nb\n", "all/src/a": "a\n"}


def test_kanikos_command_line_has_groups_and_outputs_too(engine: Engine, image: str, hub: Hub, tmp_path: Path) -> None:
    run = GitHubRun(engine=engine, image=image, directory=tmp_path)
    run.prepare()
    project(run.workspace, hub)
    done = run({"DOCKER_AUTH_CONFIG": hub.login}, "--context=.", f"--destination={hub.host}/octo/plain:1")
    assert done.code == 0, done.output
    assert [entry.name for entry in runner.obeyed(done.output)].count("group") == 5
    assert runner.outputs(run.file("output").read_text())["digest"] == hub.digest(f"{hub.host}/octo/plain:1")
