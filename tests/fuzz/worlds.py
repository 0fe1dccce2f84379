"""A world to build in, as values: a context, images, arguments, a Dockerfile; and, plainly told, what its steps can see.

What a step sees is a text with everything in it that could make a difference. Two steps are the same if they see the same and
stand on the same; so nothing here is taken from the builder's own keys.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import basename, join


@dataclass(slots=True, kw_only=True)
class Node:
    """`kind` is file, dir, link (`text` is the target) or same (`text` is the path of the file that it is one with)."""

    kind: str
    text: str = ""
    mode: int = 0o644


@dataclass(slots=True, kw_only=True)
class Mount:
    """`of`: context, stage, image, cache, secret or tmpfs; `name` is the path in the context, the stage, the image or the id."""

    of: str
    name: str
    target: str
    detail: str = ""

    def text(self) -> str:
        where = f"target={self.target}{self.detail}"
        match self.of:
            case "context":
                return f"--mount=type=bind,{f'source={self.name},' if self.name else ''}{where}"
            case "stage" | "image":
                return f"--mount=type=bind,from={self.name},{where}"
            case "tmpfs":
                return f"--mount=type=tmpfs,{where}"
        return f"--mount=type={self.of},id={self.name},{where}"


@dataclass(slots=True, kw_only=True)
class Run:
    number: int
    word: str
    form: str = "shell"
    mounts: list[Mount] = field(default_factory=list)

    def text(self) -> str:
        mounts = "".join(f"{mount.text()} " for mount in self.mounts)
        match self.form:
            case "exec":
                return f'RUN {mounts}["see", "{self.number}", "{self.word}"]'
            case "heredoc":
                return f"RUN {mounts}<<EOF\nsee {self.number} {self.word}\nEOF"
        return f"RUN {mounts}see {self.number} {self.word}"


@dataclass(slots=True, kw_only=True)
class CopyFiles:
    """`origin` is the stage or image that `source` is in, or empty."""

    source: str
    destination: str
    origin: str = ""
    flags: dict[str, str] = field(default_factory=dict)
    verb: str = "COPY"
    link: bool = False

    @property
    def apart(self) -> bool:
        """Whether it is made apart from what is below; as with BuildKit, not with --chmod."""
        return self.link and "chmod" not in self.flags

    def text(self) -> str:
        words = [f"--from={self.origin}"] if self.origin else []
        words += [f"--{name}={value}" for name, value in self.flags.items()] + ["--link"] * self.link
        return " ".join([self.verb, *words, self.source or ".", self.destination])


@dataclass(slots=True, kw_only=True)
class CopyText:
    body: str
    destination: str

    def text(self) -> str:
        return f'COPY <<"EOF" {self.destination}\n{self.body}\nEOF'


@dataclass(slots=True, kw_only=True)
class Setting:
    """ENV, ARG, USER, WORKDIR, SHELL, or what makes no difference."""

    keyword: str
    value: str
    name: str = ""

    def text(self) -> str:
        if self.keyword in ("ENV", "ARG"):
            return f"{self.keyword} {self.name}={self.value}"
        return f'SHELL ["{self.value}", "-c"]' if self.keyword == "SHELL" else f"{self.keyword} {self.value}"


Line = Run | CopyFiles | CopyText | Setting


@dataclass(slots=True, kw_only=True)
class Stage:
    name: str
    base: str
    lines: list[Line]


@dataclass(slots=True, kw_only=True)
class World:
    """`tree` has the context's root as "". `images` are texts: files, and after a `;` variables."""

    tree: dict[str, Node]
    ignored: list[str]
    images: dict[str, str]
    stages: list[Stage]
    args: dict[str, str] = field(default_factory=dict)
    hosts: list[str] = field(default_factory=list)

    def dockerfile(self) -> str:
        return "".join(f"FROM {s.base} AS {s.name}\n" + "".join(f"{line.text()}\n" for line in s.lines) for s in self.stages)

    def options(self) -> dict[str, tuple[str, ...]]:
        return {"build_arg": tuple(f"{name}={value}" for name, value in self.args.items()), "add_host": tuple(self.hosts)}

    def write(self, context: Path) -> None:
        """Make the context anew."""
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir()
        (context / ".dockerignore").write_text("".join(f"{line}\n" for line in ["Dockerfile", *self.ignored]))
        for path, node in sorted(self.tree.items(), key=lambda item: (item[1].kind == "same", item[0])):
            self._make(context / path, node, context)
        for path, node in sorted(self.tree.items(), reverse=True):
            if node.kind in ("dir", "file"):
                (context / path).chmod(node.mode)

    @staticmethod
    def _make(place: Path, node: Node, context: Path) -> None:
        match node.kind:
            case "dir":
                place.mkdir(exist_ok=True)
            case "file":
                place.write_text(node.text)
            case "link":
                place.symlink_to(node.text)
            case _:
                os.link(context / node.text, place)

    def visible(self, path: str) -> bool:
        return not any(path == rule or path.startswith(f"{rule}/") for rule in self.ignored)

    def files(self, top: str) -> list[str]:
        """What is seen of `top`: itself first unless it is a directory, everything below by its relative path."""
        node = self.tree[top]
        if node.kind != "dir":
            return [f"{basename(top)} {self._told(top)}"]
        prefix = f"{top}/" if top else ""
        below = sorted(path for path in self.tree if path and path.startswith(prefix) and self.visible(path))
        found = [f"{path[len(prefix) :]} {self._told(path)} {self._one_with(path, below)}" for path in below]
        return found if top else [*found, f".dockerignore {self.ignored}"]

    def _told(self, path: str) -> str:
        node = self.tree[path]
        if node.kind == "same":
            node = self.tree[node.text]
        return f"{node.kind} {'' if node.kind == 'link' else oct(node.mode)} {node.text!r}"

    def _one_with(self, path: str, among: list[str]) -> list[str]:
        """The relative order numbers of those that are the same file."""
        real = self._real(path)
        return [str(number) for number, other in enumerate(among) if self._real(other) == real and other != path]

    def _real(self, path: str) -> str:
        node = self.tree[path]
        return node.text if node.kind == "same" else path


@dataclass(slots=True, kw_only=True)
class _Scope:
    env: dict[str, str] = field(default_factory=dict)
    args: dict[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: str = "/"
    shell: str = "/bin/sh"

    def child(self) -> _Scope:
        return _Scope(env=dict(self.env), args=dict(self.args), user=self.user, workdir=self.workdir, shell=self.shell)

    def expand(self, text: str) -> str:
        for name, value in {**self.args, **self.env}.items():
            text = text.replace(f"${{{name}}}", value).replace(f"${name}", value)
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`key`: all that the step stands on and sees; `name`: what its layer is found by."""

    key: str
    name: str


def steps(world: World) -> list[Seen]:
    """Of all steps that the last stage needs, in the Dockerfile's order."""
    told: dict[str, list[Seen]] = {}
    scopes: dict[str, _Scope] = {}
    for stage in world.stages:
        told[stage.name] = list(_of_stage(world, stage, told, scopes))
    needed, waiting = set[str](), [world.stages[-1].name]
    stages = {stage.name: stage for stage in world.stages}
    while waiting:
        name = waiting.pop()
        needed.add(name)
        waiting += [other for other in _needs(stages[name]) if other in stages and other not in needed]
    return [seen for stage in world.stages if stage.name in needed for seen in told[stage.name]]


def _needs(stage: Stage) -> Iterator[str]:
    yield stage.base
    for line in stage.lines:
        if isinstance(line, CopyFiles):
            yield line.origin
        if isinstance(line, Run):
            yield from (mount.name for mount in line.mounts if mount.of == "stage")


def _of_stage(world: World, stage: Stage, told: dict[str, list[Seen]], scopes: dict[str, _Scope]) -> Iterator[Seen]:
    if stage.base in told:
        scope, key = scopes[stage.base].child(), told[stage.base][-1].key
    else:
        files, _, variables = world.images[stage.base].partition(";")
        scope, key = _Scope(env=dict(text.split("=") for text in variables.split())), f"image {files}"
    scopes[stage.name] = scope
    for line in stage.lines:
        if isinstance(line, Setting) and line.keyword != "WORKDIR":
            _set(scope, line, world)
            continue
        sight = _sight(world, line, scope, told)
        key = f"{key}\n{sight}"
        yield Seen(key=key, name=sight if isinstance(line, CopyFiles) and line.apart else key)


def _set(scope: _Scope, line: Setting, world: World) -> None:
    match line.keyword:
        case "ENV":
            scope.env[line.name] = scope.expand(line.value)
        case "ARG":
            scope.args[line.name] = world.args.get(line.name, line.value)
        case "USER":
            scope.user = line.value
        case "SHELL":
            scope.shell = line.value


def _sight(world: World, line: Line, scope: _Scope, told: dict[str, list[Seen]]) -> str:
    if isinstance(line, Setting):
        scope.workdir = join(scope.workdir, line.value)
        return f"WORKDIR {scope.workdir} {scope.user}"
    if isinstance(line, CopyText):
        return f"TEXT {line.body!r} {join(scope.workdir, scope.expand(line.destination))}"
    if isinstance(line, CopyFiles):
        place = join(scope.workdir, scope.expand(line.destination))
        what = _elsewhere(world, line.origin, told) + line.source if line.origin else str(world.files(line.source))
        return f"{line.verb} {sorted(line.flags.items())} {line.apart} {place} {what}"
    mounts = [_shown(world, mount, told) for mount in line.mounts]
    shell = "" if line.form == "exec" else scope.shell
    given = [sorted(scope.env.items()), sorted((name, value) for name, value in scope.args.items() if name not in scope.env)]
    return f"RUN {line.number} {line.word!r} {line.form} {shell} {given} {scope.user} {scope.workdir} {mounts} {world.hosts}"


def _elsewhere(world: World, name: str, told: dict[str, list[Seen]]) -> str:
    return f"<{told[name][-1].key}>" if name in told else f"<image {world.images[name].partition(';')[0]}>"


def _shown(world: World, mount: Mount, told: dict[str, list[Seen]]) -> str:
    match mount.of:
        case "context":
            node = world.tree[mount.name]
            what = f"{oct(node.mode)} {world.files(mount.name)}"
        case "stage" | "image":
            what = _elsewhere(world, mount.name, told)
        case "cache":
            what = ""  # whichever it is
        case _:
            what = mount.name
    return f"{mount.of} {mount.target} {mount.detail} {what}"
