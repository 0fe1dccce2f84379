"""What a target takes: arguments, secrets, ssh sockets, as BuildKit's subrequest `outline` tells (dockerfile2llb/outline.go)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from builder.dockerfile import words
from builder.dockerfile.instructions.arg import Arg
from builder.dockerfile.lines import Line
from builder.dockerfile.parse import Dockerfile, Stage
from builder.dockerfile.problem import Problem
from builder.dockerfile.scope import Instruction, Scope
from builder.dockerfile.shown import data_json, location_json, table
from builder.image.platform import Platform
from builder.ops import Exec, Location, Op, SecretMount, SshMount
from builder.values import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An argument (`value`, `description`), or a secret or socket (`required`)."""

    name: str
    location: Location
    value: str = ""
    description: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """By line. `name` is the target's, `description` what the comment above it says."""

    name: str
    description: str
    args: tuple[Item, ...]
    secrets: tuple[Item, ...]
    ssh: tuple[Item, ...]
    data: bytes


@dataclass(slots=True, kw_only=True)
class Outliner:
    """Used once, for one Dockerfile; a watcher of plan.lower. Of what several stages have the last one's counts."""

    dockerfile: Dockerfile
    _values: dict[str, str] = field(default_factory=dict)
    _args: dict[str, Item] = field(default_factory=dict)
    _secrets: dict[str, Item] = field(default_factory=dict)
    _ssh: dict[str, Item] = field(default_factory=dict)
    _stage: Stage | None = None
    _own: set[tuple[str, str]] = field(default_factory=set)

    def outline(self) -> Outline:
        """After lowering."""
        stage = self._stage or self.dockerfile.stages[-1]
        return Outline(
            name=stage.name,
            description=stage.origin.line.description_of(stage.name),
            args=_by_line(self._args),
            secrets=_by_line(self._secrets),
            ssh=_by_line(self._ssh),
            data=self.dockerfile.data,
        )

    def origins(self, *, args: Mapping[str, str], defaults: Mapping[str, str] | None) -> None:
        self._values = dict(args)

    def begin(self, stage: Stage, *, parent: int | None) -> None:
        self._stage, self._own = stage, set()
        for word in (stage.origin.base, stage.origin.platform):
            self._use_globals(word, stage.origin.line)

    def base(self, stage: Stage, *, reference: str, wanted: Platform, actual: Platform) -> None:
        pass

    def unset(self, line: Line, names: Iterable[str], scope: Scope) -> None:
        pass

    def step(self, instruction: Instruction, *, before: Scope, after: Scope, op: Op | None) -> None:
        if isinstance(instruction, Arg):
            for name, default in instruction.defaults:
                self._declare(instruction, name, default, before=before, after=after)
        if isinstance(op, Exec):
            for mount in op.mounts:
                self._mount(mount, instruction.line)

    def _declare(self, arg: Arg, name: str, default: str | None, *, before: Scope, after: Scope) -> None:
        """An ARG that takes over the global one is that one."""
        if default is None and name not in before.build_args and name in self._values:
            self._use_global(name)
        else:
            value = (after.env.get(name) or "") if default is not None or name in before.build_args else ""
            self._args[name] = _argument(arg.line, name, value)
            self._own.add(("arg", name))

    def _use_globals(self, word: str, line: Line) -> None:
        uses = words.Uses()
        try:
            words.expand(word, self._values, escape=line.escape, uses=uses)
        except Problem:  # lowering has said so
            return
        for name in uses.found:
            self._use_global(name)

    def _use_global(self, name: str) -> None:
        """With those that its default is made of; platform arguments aren't declared anywhere."""
        for arg in reversed(self.dockerfile.global_args):
            default = dict(arg.defaults).get(name, "")
            if name in dict(arg.defaults) and ("arg", name) not in self._own:
                self._own.add(("arg", name))
                self._args[name] = _argument(arg.line, name, self._values.get(name, ""))
                self._use_globals(default or "", arg.line)

    def _mount(self, mount: object, line: Line) -> None:
        """The first one of a stage tells whether it is required."""
        if not isinstance(mount, SecretMount | SshMount):
            return
        kind, items = ("secret", self._secrets) if isinstance(mount, SecretMount) else ("ssh", self._ssh)
        if (kind, mount.id) not in self._own:
            items[mount.id] = Item(name=mount.id, location=line.location, required=mount.required)
            self._own.add((kind, mount.id))


def outline_text(outline: Outline) -> str:
    lines = [f"TARGET: {outline.name}".rstrip()]
    lines += [f"DESCRIPTION: {outline.description}"] if outline.description else []
    if outline.args:
        rows = [(item.name, item.value, item.description) for item in outline.args]
        lines += ["", *table(("BUILD ARG", "VALUE", "DESCRIPTION"), rows)]
    for title, items in (("SECRET", outline.secrets), ("SSH", outline.ssh)):
        if items:
            lines += ["", *table((title, "REQUIRED"), [(item.name, "true" if item.required else "") for item in items])]
    return "\n".join([*lines, ""])


def outline_json(outline: Outline) -> str:
    """What is empty is left out."""
    fields: dict[str, Any] = {"name": outline.name, "description": outline.description}
    for key, items in (("args", outline.args), ("secrets", outline.secrets), ("ssh", outline.ssh)):
        fields[key] = [_json(item) for item in items]
    fields = {key: value for key, value in fields.items() if value} | {"sources": [data_json(outline.data)]}
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def _json(item: Item) -> dict[str, Any]:
    fields = {"name": item.name, "description": item.description, "value": item.value, "required": item.required}
    return {key: value for key, value in fields.items() if value} | {"location": location_json(item.location)}


def _argument(line: Line, name: str, value: str) -> Item:
    return Item(name=name, value=value, description=line.description_of(name), location=line.location)


def _by_line(items: Mapping[str, Item]) -> tuple[Item, ...]:
    return tuple(sorted(items.values(), key=lambda item: item.location.start))
