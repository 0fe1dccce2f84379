"""Building a project with a real BuildKit, and reading from its progress which steps it carried out.

The newest that can be had is used: the engine of `../shared/tools/modern-docker`, else Debian's own dockerd, whose BuildKit knows
less. Base images are made here, so that no registry is needed; each *salt* has its own, so that what is built with one salt is
never found with another.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.cache_pairs import IMAGES
from tests.support.engine import start_docker_engine
from tests.support.merging_docker import start_merging_docker
from tests.support.tree import make_tar, member

_TIMEOUT = 300
_APPLETS = "sh ash cat echo env find grep id md5sum pwd rm sort stat"
_COMMANDS = "make install compile never use cached secretly memory secure alone image more"
_STEP = b"#!/bin/sh\ncat /proc/sys/kernel/random/uuid > /out\n"
_SAME = b"#!/bin/sh\necho same > /out\n"
_SEE = rb"""#!/bin/sh
# Tells in /out all that it can see.
pruned="( -path /proc -o -path /sys -o -path /dev -o -path /bin -o -path /tmp ) -prune -o"
{
  echo "$@" $(id) $(pwd)
  env | grep -v -e ^SHLVL= -e ^_= -e ^HOSTNAME= | sort
  find / $pruned -exec stat -c "%N %F %a %u:%g" {} + 2>&1 | sort
  find / $pruned -type f -exec md5sum {} + 2>&1 | sort
} > /tmp/seen
cat /tmp/seen >> /out
rm /tmp/seen
"""
_STARTED = re.compile(r"^#(\d+) \[(?:(\S+) )?(\d+)/\d+\] (?!FROM |LINK )", re.MULTILINE)
_CACHED = re.compile(r"^#(\d+) CACHED$", re.MULTILINE)
_DONE = re.compile(r"^#(\d+) DONE ", re.MULTILINE)
_STAGE = re.compile(r"^FROM \S+(?: AS (\S+))?$", re.MULTILINE | re.IGNORECASE)
_IMAGE = re.compile(rf"(?:(?<=FROM |from=|OBAL=|ge://)|(?=\w+=docker-image:))({'|'.join(IMAGES)})\b")
_UNKNOWN = ("unknown flag", "unexpected key", "unknown instruction", "Unknown flag", "unsupported", "no build stage in current")


class Unknown(Exception):
    """This BuildKit is too old for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildKit:
    """`command` and `environment` are those of a docker client. `is_current` is false of Debian's own."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    is_current: bool

    def run(self, *arguments: str | Path, input: bytes | None = None) -> str:
        """What the command says; raises Unknown where it is too old for what is asked."""
        done = subprocess.run(
            [*self.command, *map(str, arguments)], env={**os.environ, **self.environment, "DOCKER_BUILDKIT": "1"}, input=input,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_TIMEOUT,
        )  # fmt: skip
        output = done.stdout.decode(errors="replace")
        if done.returncode and not self.is_current and any(word in output for word in _UNKNOWN):
            raise Unknown(output[-500:])
        assert done.returncode == 0, output
        return output


@dataclass(slots=True, kw_only=True)
class BuiltProject:
    """A project in `directory` that is really built; see `cache_pairs.Project`."""

    directory: Path
    dockerfile: str
    salt: str
    images: dict[str, str] = field(default_factory=lambda: dict(IMAGES))
    options: dict[str, object] = field(default_factory=dict)

    @property
    def context(self) -> Path:
        return self.directory / "context"

    def swap(self, old: str, new: str) -> None:
        assert old in self.dockerfile, old
        self.dockerfile = self.dockerfile.replace(old, new)

    def give(self, **options: object) -> None:
        self.options |= options

    def used(self) -> dict[str, str]:
        """The real names of the base images that are used, and what is in them."""
        text = " ".join([self.dockerfile, *map(str, self.options.values())])
        return {self._reference(name): self.images[name] for name in _IMAGE.findall(text)}

    def named(self, text: str) -> str:
        """With the real names of the base images."""
        return _IMAGE.sub(lambda match: self._reference(match[1]), text)

    def _reference(self, name: str) -> str:
        """Of what `images` says is in it; no pair changes what a name stands for, as a registry's tag would."""
        return f"masu-pairs/{name}:{hashlib.sha256(f'{self.salt} {self.images[name]}'.encode()).hexdigest()[:20]}"

    def arguments(self) -> list[str]:
        """The options on a command line."""
        words = []
        for name, value in self.options.items():
            flag = f"--{name.replace('_', '-')}"
            for each in value if isinstance(value, tuple) else (value,):
                words.append(flag if each is True else f"{flag}={self.named(str(each))}")
        return words

    def write(self) -> None:
        (self.context / "Dockerfile").write_text(self.named(self.dockerfile))


def start_buildkit() -> BuildKit:
    """The newest there is; skips where there is none, or none can run."""
    try:
        docker = start_merging_docker()
    except pytest.skip.Exception:
        engine = start_docker_engine()
        return BuildKit(command=engine.command, environment=dict(engine.environment), is_current=False)
    return BuildKit(command=("docker",), environment=docker.environment, is_current=True)


def build(engine: BuildKit, project: BuiltProject) -> list[int]:
    """The numbers of the steps that were carried out, in order."""
    _provide(engine, project)
    project.write()
    arguments = project.arguments()
    if not any(word.startswith("--network") for word in arguments):
        arguments.append("--network=host")
    said = engine.run("build", "--progress=plain", *arguments, project.context)
    return carried_out(said, project.dockerfile)


def carried_out(progress: str, dockerfile: str) -> list[int]:
    """The numbers of the steps that `--progress=plain` says were carried out, of all that it names."""
    stages = [name or f"stage-{index}" for index, name in enumerate(_STAGE.findall(dockerfile))]
    steps = {(stages.index(stage) if stage else 0, int(number)): vertex for vertex, stage, number in _STARTED.findall(progress)}
    cached, done = set(_CACHED.findall(progress)), set(_DONE.findall(progress))
    return [number for number, place in enumerate(sorted(steps), 1) if steps[place] in done - cached]


@functools.cache
def _system() -> bytes:
    """A layer with a shell and the commands."""
    path = shutil.which("busybox", path="/bin:/usr/bin")
    if path is None:
        pytest.skip("busybox-static is not installed")
    users = b"".join(b"%d:x:%d:%d::/:/bin/sh\n" % (number, number, number) for number in (0, 1000, 1001))
    return make_tar(
        *(member(f"{name}/", type=tarfile.DIRTYPE) for name in ("bin", "etc", "lib")),
        member("tmp/", type=tarfile.DIRTYPE, mode=0o1777),
        (member("bin/busybox", mode=0o755), Path(path).read_bytes()),
        *(member(f"bin/{name}", type=tarfile.SYMTYPE, linkname="busybox") for name in _APPLETS.split()),
        *((member(f"bin/{name}", mode=0o755), _STEP) for name in _COMMANDS.split()),
        (member("bin/see", mode=0o755), _SEE),
        (member("bin/same", mode=0o755), _SAME),
        (member("etc/passwd"), users),
        (member("etc/group"), b"root:x:0:\n"),
        member("out", mode=0o666),
    )


_provided: set[str] = set()


def _provide(engine: BuildKit, project: BuiltProject) -> None:
    """Let the engine have the images that are named and that it hasn't."""
    wanted = {name: said for name, said in project.used().items() if name not in _provided}
    if wanted:
        engine.run("load", input=archive(wanted, project.salt))
        _provided.update(wanted)


def archive(images: Mapping[str, str], salt: str) -> bytes:
    """A docker archive of images with a shell and the commands that are run in tests: their names, and what is in them."""
    contents, manifest = {"0.tar": _system()}, []
    for number, (name, said) in enumerate(images.items(), 1):
        files, _, variables = said.partition(";")
        layers = [_system(), make_tar((member("lib/said"), f"{files} {salt}".encode()))]
        config = {
            "architecture": "amd64", "os": "linux",
            "config": {"Env": ["PATH=/bin", *variables.split()]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
        }  # fmt: skip
        contents |= {f"{number}.tar": layers[1], f"{number}.json": json.dumps(config).encode()}
        manifest.append({"Config": f"{number}.json", "RepoTags": [name], "Layers": ["0.tar", f"{number}.tar"]})
    contents["manifest.json"] = json.dumps(manifest).encode()
    return make_tar(*((member(path), content) for path, content in contents.items()))
