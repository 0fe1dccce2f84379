"""What went into a cache key, part by part, so that people can be told which part has changed.

Kept with a layer and compared with the next build's, never with a key: it decides nothing. Values are there as digests only, for
a build argument may be a secret; what a RUN's secrets are isn't in a key at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Self

from builder.key import CacheKey, described
from builder.ops import Exec
from builder.plan import Step
from builder.values import dataclass, field

BASE, PARENT = "the base image", "what it works on"
_SHORT = 16
_MOST = 2000
_LONGEST = 200_000
"""Parts, and characters of all: a registry takes a manifest of 4 MiB."""

_FILE = "/"
_WORDS = {
    "argv": "the command", "script": "the command", "cwd": "WORKDIR", "user": "USER", "network": "--network", "mounts": "--mount",
    "insecure": "--security", "paths": "the sources", "remotes": "the sources", "source": "the sources", "files": "the text",
    "destination": "the destination", "chown": "--chown", "chmod": "--chmod", "exclude": "--exclude", "parents": "--parents",
    "link": "--link", "path": "the directory", "epoch": "SOURCE_DATE_EPOCH", "compression": "--compression",
    "hosts": "--add-host", "ignored": "--ignore-path", "shm": "--shm-size", "limits": "--ulimit",
    "hostname": "BUILDKIT_SANDBOX_HOSTNAME",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What a step reads: where (empty for the build context), its digest, and those of its files if they are known."""

    name: str
    digest: str
    entries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """`parts`: for people → digits that change with it; files of the build context begin with a slash."""

    parts: Mapping[str, str]

    @classmethod
    def of(cls, step: Step, inputs: Iterable[Input], surroundings: Mapping[str, Any]) -> Self:
        """Those of one step, without what it works on."""
        assert step.op is not None
        parts: dict[str, Any] = {}
        for name, value in chain(described(step.op).items(), surroundings.items()):
            if name != "env":
                parts.setdefault(_WORDS.get(name, "the instruction"), []).append(value)
        if isinstance(step.op, Exec):
            of_image = {text.partition("=")[0] for text in step.config.env}
            pairs = (pair for pair in step.op.env if pair[0] not in step.op.unkeyed_env)
            parts |= {f"{'ENV' if name in of_image else 'ARG'} {name}": value for name, value in pairs}
        for number, item in enumerate(inputs):
            parts |= {f"{_FILE}{path}": digits for path, digits in item.entries.items()} if not item.name else {}
            parts[f"the files of {item.name}" if item.name else f"the files it reads ({number})"] = item.digest
        return cls(parts={name: _digits(value) for name, value in parts.items()})

    def on(self, key: CacheKey, *, name: str, with_those_of: Iterable[Ingredients] = ()) -> Ingredients:
        """With what the step works on; `with_those_of` are steps between that and this one, which have no layers in the cache."""
        parts = {name: _digits(key.hex)}
        for other in (*with_those_of, self):
            parts |= other.parts
        return Ingredients(parts=parts)

    def to_text(self) -> str:
        """JSON; of too many parts files are left out."""
        parts = self.parts
        if len(parts) > _MOST or sum(map(len, parts)) > _LONGEST:
            parts = {name: digits for name, digits in parts.items() if not name.startswith(_FILE)}
        return json.dumps(parts, sort_keys=True, separators=(",", ":")) if len(parts) <= _MOST else ""

    @classmethod
    def parse(cls, text: str) -> Ingredients | None:
        """None for what isn't one."""
        try:
            parts = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return cls(parts={str(name): str(digits) for name, digits in parts.items()}) if isinstance(parts, dict) else None

    def changes_since(self, before: Ingredients, *, most_files: int) -> tuple[str, ...]:
        """What is different now, in words: what it works on last. Of more files than `most_files` the rest is counted."""
        now, then = self.parts, before.parts
        names = [name for name in {**now, **then} if now.get(name) != then.get(name)]
        files = sorted(name[1:] for name in names if name.startswith(_FILE))
        others = [name for name in names if not name.startswith((_FILE, "the files it reads"))]
        told = sorted(others, key=lambda name: (name in (BASE, PARENT), name))
        if files or len(told) < len(names):
            told.insert(0, f"changed: {_listed(files, most_files)}" if files else "changed: files of the build context")
        return tuple(told)


def _listed(files: list[str], most: int) -> str:
    shown = ", ".join(file or "." for file in files[:most])
    return shown if len(files) <= most else f"{shown} and {len(files) - most} more"


def _digits(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_SHORT]
