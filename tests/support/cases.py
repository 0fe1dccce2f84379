"""Reads the `.case` files: a Dockerfile each with its context and options, to be built by masu and by docker.

    === the case's name, a sentence
    why it is there (free text, optional)
    --- options        command line options, split as a shell does; {context} stands for the context's directory (optional)
    --- elsewhere      the build context if it isn't that directory (optional)
    --- context        a shell script that makes the context in its working directory; the Dockerfile is beside that (optional)
    --- Dockerfile     its text; @BUSYBOX@ and the like stand for base images, @HTTP@ and @GIT@ for the servers of elsewhere.py,
                       @MAIN@ and @TAG@ for the commits that its repo.git has there
    --- says           text that the error of both builders contains; only where the build must fail

Context scripts run with a fixed TAR_OPTIONS and umask, and all times are set to one moment of the case's own afterwards: BuildKit
takes a file for one that it got for another case if name, size and time are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SOME_TIME = 981173106
"""In 2001, before `images.LONG_AGO`."""

_SECTIONS = ("options", "elsewhere", "context", "Dockerfile", "says")
_PLACEHOLDER = re.compile(r"@([A-Z]+)@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    group: str
    name: str
    sections: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.group}/{self.name.replace(' ', '-')}"

    @property
    def time(self) -> int:
        """When every file of the context was changed last."""
        text = json.dumps(dict(self.sections), sort_keys=True)
        return SOME_TIME + int.from_bytes(hashlib.sha256(text.encode()).digest()[:3], "big")

    @property
    def bases(self) -> frozenset[str]:
        """The names of the base images it uses."""
        return frozenset(name.lower() for text in self.sections.values() for name in _PLACEHOLDER.findall(text))

    @property
    def needs_git(self) -> bool:
        """Whether the builder has to fetch from a repository."""
        return any("@GIT@" in text or ".git" in text for text in self.sections.values())

    def section(self, name: str, references: Mapping[str, str]) -> str:
        """The text of a section with `references` (by base name) for the placeholders."""
        return _PLACEHOLDER.sub(lambda match: references[match[1].lower()], self.sections.get(name, ""))

    def options(self, references: Mapping[str, str]) -> list[str]:
        return shlex.split(self.section("options", references))

    def make_context(self, directory: Path, references: Mapping[str, str]) -> None:
        """Make `directory`/context as the script says; the Dockerfile lies beside it: what is copied must not name a registry."""
        context = directory / "context"
        context.mkdir()
        (directory / "Dockerfile").write_text(self.section("Dockerfile", references))
        script = "set -eu\numask 022\n" + self.section("context", references)
        script += f"\nexec find . -exec touch -h -d @{self.time} {{}} +\n"
        tar_options = f"--mtime=@{SOME_TIME} --sort=name --numeric-owner"
        environment = {"PATH": os.environ["PATH"], "TAR_OPTIONS": tar_options, "LC_ALL": "C.UTF-8", "GZIP": ""}
        subprocess.run(["sh", "-c", script], cwd=context, env=environment, check=True)


def read_cases(directory: Path) -> list[Case]:
    """Every case of every file, in order; raises ValueError where a file is not understood."""
    cases = [case for path in sorted(directory.glob("*.case")) for case in _read(path)]
    doubled = {case.id for case in cases if [other.id for other in cases].count(case.id) > 1}
    if doubled:
        raise ValueError(f"two cases of the same name: {sorted(doubled)}")
    return cases


def _read(path: Path) -> list[Case]:
    head, *texts = re.split(r"^=== (?=.)", path.read_text(), flags=re.MULTILINE)
    if not all(line.startswith("#") for line in head.splitlines() if line.strip()):
        raise ValueError(f"{path.name}: text before the first case")
    return [_case(path.stem, text) for text in texts]


def _case(group: str, text: str) -> Case:
    about, *parts = re.split(r"^--- (?=.)", text, flags=re.MULTILINE)
    sections = {}
    for part in parts:
        title, _, body = part.partition("\n")
        if title not in _SECTIONS or title in sections:
            raise ValueError(f"{group}: {about.splitlines()[0]}: section {title!r}")
        sections[title] = body.strip("\n") + "\n"
    if "Dockerfile" not in sections:
        raise ValueError(f"{group}: {about.splitlines()[0]}: no Dockerfile")
    return Case(group=group, name=about.splitlines()[0].strip(), sections=sections)
