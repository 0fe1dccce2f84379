"""What GitLab's runner does around a job's script with the docker executor, without GitLab (gitlab-runner, shells/bash.go)."""

from __future__ import annotations

import contextlib
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.engine import Engine, Finished

_PLACES = ("/usr/local/bin/bash", "/usr/bin/bash", "/bin/bash", "/usr/local/bin/sh", "/usr/bin/sh", "/bin/sh", "/busybox/sh")
DETECT = (
    "if " + "\nelif ".join(f"[ -x {path} ]; then exec {path}" for path in _PLACES) + "\nelse echo shell not found; exit 1; fi"
)
"""What the runner starts in a container before it sends the script."""
_TERMINATE = """PROCS=$(cd /proc && ls -rvd [0-9]*) &&
for P in $PROCS; do
  if [ $$ -ne $P ] && [ $P -ne 1 ]; then
    kill -TERM $P 2>/dev/null && N=6 && while [ -e /proc/$P ] && [ $N -gt 0 ]; do sleep 1 && N=$((N-1)); done
  fi
done"""
_GREEN, _RESET = "\x1b[32;1m", "\x1b[0;m"
_TERMINATE_SECONDS, _STOP_SECONDS = 10, 10
PROJECT = "/builds/group/project"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`builds` is the volume at /builds; `options` are further ones of `docker run`, as `--entrypoint=`."""

    engine: Engine
    image: str
    builds: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()
    network: str = "host"

    @property
    def project(self) -> Path:
        return self.builds / "group/project"

    def __call__(self, *script: str, timeout: float = 300) -> Finished:
        """Run the script to its end, standard output and error as one."""
        name = f"masu-test-{uuid.uuid4().hex}"
        argv = self._argv(name)
        done = subprocess.run(
            argv, env=self.engine.env(), input=self.script(script).encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout, check=False,
        )  # fmt: skip
        return Finished(code=done.returncode, output=done.stdout.decode(errors="replace"))

    def script(self, commands: Sequence[str]) -> str:
        """What comes on standard input: variables, each command after its name, all in one word for `eval`."""
        variables = {"CI": "true", "GITLAB_CI": "true", "CI_PROJECT_DIR": PROJECT, "CI_JOB_ID": "7", **self.variables}
        lines = [f"export {name}={_escaped(value)}" for name, value in variables.items()]
        lines.append(f"cd {_escaped(PROJECT)}")
        for command in commands:
            lines += [f"echo {_escaped(_GREEN + '$ ' + command + _RESET)}", command]
        body = _escaped("\n".join(lines) + "\n")
        checks = "if set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit\nset +o noclobber\n"
        return f"#!/usr/bin/env bash\n\ntrap exit 1 TERM\n\n{checks}: | eval {body}\nexit 0\n"

    @contextmanager
    def started(self, *script: str) -> Iterator[Running]:
        """The same, running."""
        name = f"masu-test-{uuid.uuid4().hex}"
        process = subprocess.Popen(
            self._argv(name), env=self.engine.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert process.stdin
        process.stdin.write(self.script(script).encode())
        process.stdin.close()
        try:
            yield Running(job=self, name=name, process=process)
        finally:
            self.engine("rm", "--force", name)
            process.wait(timeout=60)

    def _argv(self, name: str) -> list[str]:
        volume = f"--volume={self.builds}:/builds"
        options = ["--rm", "--interactive", "--name", name, f"--network={self.network}", volume, *self.options]
        return self.engine.argv("run", *options, self.image, "sh", "-c", DETECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    job: Job
    name: str
    process: subprocess.Popen[bytes]

    def read_until(self, word: str) -> None:
        """Until a line of the log has it."""
        assert self.process.stdout
        seen = []
        for line in self.process.stdout:
            seen.append(line.decode(errors="replace"))
            if word in seen[-1]:
                return
        raise AssertionError(f"{word!r} never came: {''.join(seen)}")

    def cancel(self) -> None:
        """As when somebody presses the button: TERM for all but the first process, then the container is stopped."""
        argv = self.job.engine.argv("exec", self.name, "sh", "-c", _TERMINATE)
        with contextlib.suppress(subprocess.TimeoutExpired):  # the runner waits no longer either
            subprocess.run(argv, env=self.job.engine.env(), timeout=_TERMINATE_SECONDS, check=False, capture_output=True)
        self.job.engine("stop", "--time", str(_STOP_SECONDS), self.name)


def check_out(job: Job, files: Mapping[str, str | bytes]) -> None:
    """A repository with these files, cloned as the runner's helper does it, under umask 0000."""
    origin = job.builds.parent / f"{job.builds.name}-origin"
    for name, content in files.items():
        path = origin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t.test"]
    for words in (["init", "-q", "-b", "main"], ["add", "-f", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], cwd=origin, check=True)
    job.project.parent.mkdir(parents=True)
    subprocess.run([*git, "clone", "-q", str(origin), str(job.project)], umask=0, check=True)


def _escaped(text: str) -> str:
    """One word for any of the runner's shells."""
    special = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'", "\x1b": "\\x1b"}
    return "$'" + "".join(special.get(character, character) for character in text) + "'"
