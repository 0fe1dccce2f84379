"""Reads `tests/e2e/checks/*.case`: Dockerfiles and what the build checks find in them.

=== Rule: what the case is about
--- options        command line options (optional)
--- ignore         the .dockerignore (optional)
--- Dockerfile     its text; @BUSYBOX@ and the like stand for base images
--- finds          a line each: line number, rule, and quoted words that the warning has to name (optional: nothing is found)
--- fails          text that the error contains, where that is what becomes of it (optional)
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import BuilderError
from builder.options import BuildOptions, CommonOptions, RegistryFlags
from builder.review import check
from tests.support.bases import CACHE, Bases
from tests.support.oracle import Docker

_SECTIONS = ("options", "ignore", "Dockerfile", "finds", "fails")
_PLACEHOLDER = re.compile(r"@([A-Z]+)@")
DIRECTORY = Path(__file__).parents[1] / "e2e/checks"

Found = frozenset[tuple[int, str]]
"""Line and rule of each warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCase:
    """`finds` are (line, rule, words)."""

    rule: str
    name: str
    sections: Mapping[str, str]
    finds: tuple[tuple[int, str, tuple[str, ...]], ...]

    @property
    def id(self) -> str:
        return f"{self.rule}: {self.name}"

    @property
    def has_base(self) -> bool:
        return bool(_PLACEHOLDER.search(self.sections["Dockerfile"]))

    @property
    def found(self) -> Found:
        return frozenset((line, rule) for line, rule, _ in self.finds)

    @property
    def fails(self) -> str:
        return self.sections.get("fails", "").strip()

    def options(self) -> list[str]:
        return shlex.split(self.sections.get("options", ""))

    def write(self, directory: Path, references: Mapping[str, str]) -> None:
        """The context."""
        text = _PLACEHOLDER.sub(lambda match: references[match[1].lower()], self.sections["Dockerfile"])
        (directory / "Dockerfile").write_text(text)
        if "ignore" in self.sections:
            (directory / ".dockerignore").write_text(self.sections["ignore"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a builder's checks said: its warnings as they are in JSON, and its error or an empty string."""

    warnings: tuple[Mapping[str, Any], ...]
    error: str

    @classmethod
    def of(cls, text: str) -> Answer:
        result = json.loads(text)
        return cls(warnings=tuple(result["warnings"] or ()), error=result.get("buildError", {}).get("message", ""))

    @property
    def found(self) -> Found:
        return frozenset((_line(warning), warning["ruleName"]) for warning in self.warnings)

    def details(self, line: int, rule: str) -> list[str]:
        return [each["detail"] for each in self.warnings if (_line(each), each["ruleName"]) == (line, rule)]


def _line(warning: Mapping[str, Any]) -> int:
    line: int = warning["location"]["ranges"][0]["start"]["line"]
    return line


def read_check_cases() -> list[CheckCase]:
    """All of them, in order; raises ValueError for what is not understood."""
    cases = [_case(text) for path in sorted(DIRECTORY.glob("*.case")) for text in _split(path.read_text())]
    if len({case.id for case in cases}) < len(cases):
        raise ValueError("two cases of the same name")
    return cases


def _split(text: str) -> list[str]:
    return re.split(r"^=== ", text, flags=re.MULTILINE)[1:]


def _case(text: str) -> CheckCase:
    title, *parts = re.split(r"^--- (?=[a-zA-Z]+$)", text, flags=re.MULTILINE)
    sections = {}
    for part in parts:
        name, _, body = part.partition("\n")
        if name not in _SECTIONS or name in sections:
            raise ValueError(f"{title.strip()}: section {name!r}")
        sections[name] = body.rstrip("\n") + "\n"
    rule, _, name = title.strip().partition(": ")
    finds = tuple(_find(line) for line in sections.get("finds", "").splitlines() if line)
    return CheckCase(rule=rule, name=name, sections=sections, finds=finds)


def _find(line: str) -> tuple[int, str, tuple[str, ...]]:
    number, rule, *words = shlex.split(line)
    return int(number), rule, tuple(words)


def masu_checks(case: CheckCase, directory: Path, references: Mapping[str, str]) -> Answer:
    """What `masu build --check --check-format json` prints."""
    context = directory / "context"
    context.mkdir()
    case.write(context, references)
    names = {"--target": "target", "--platform": "custom_platform", "--build-arg": "build_arg"}
    given: dict[str, Any] = {"context": str(context)}
    words = [word for option in case.options() for word in option.split("=", 1 if option.startswith("--") else 0)]
    for option, value in zip(words[::2], words[1::2], strict=True):
        given[names[option]] = (value,)
    common = CommonOptions(state_dir=str(directory / "state"))
    try:
        return Answer.of(check(BuildOptions(**given), RegistryFlags(), common, {}, "json").text)
    except BuilderError as error:
        return Answer(warnings=(), error=error.message)


def docker_checks(case: CheckCase, directory: Path, docker: Docker, bases: Bases) -> Answer:
    """What `docker buildx build --check` prints, remembered in `.cache/checks`."""
    identity = json.dumps([dict(case.sections), bases.digests if case.has_base else {}], sort_keys=True)
    path = CACHE / "checks" / f"{hashlib.sha256(identity.encode()).hexdigest()}.json"
    if not path.exists():
        context = directory / "docker"
        context.mkdir()
        case.write(context, bases.references())
        done = docker.run("buildx", "build", "--progress=quiet", "--call=check,format=json", *case.options(), str(context))
        start = done.stdout.find("{\n")
        path.parent.mkdir(parents=True, exist_ok=True)
        result = (
            json.JSONDecoder().raw_decode(done.stdout, start)[0]
            if start >= 0
            else {"warnings": [], "buildError": {"message": done.stdout}}
        )
        path.write_text(
            json.dumps({key: result.get(key) or ([] if key == "warnings" else {}) for key in ("warnings", "buildError")})
        )
    return Answer.of(path.read_text())
