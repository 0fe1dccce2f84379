"""The only maker of cache keys: what a layer is made of and how, as one digest.

A key is the sha256 of canonical JSON, `[schema, parent's key, op, digests of the inputs]`, never of joined strings, so that two
different makings can't have the same text. The parent's key says in the same way what the op works on.

All keys of a build can be known before it begins. But a command that is run again, because its own layer has gone from the cache,
may make other files than the first time, and what was made on those doesn't fit. So each entry has its *lineage*: a digest of the
keys and, for commands, the layers that came of them. An entry is used only where its lineage goes on from that of the build.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from builder.giturl import GitUrl
from builder.image.digest import Digest
from builder.image.platform import Platform
from builder.ops import BindMount, CacheMount, Copy, CopyFrom, Exec, FromImage, FromNamedContext, FromStage, FromUrl, Op
from builder.values import dataclass, fields, is_dataclass

SCHEMA = 1
"""Raised whenever the same op would make another layer than before."""

# What a source is called, or where in the Dockerfile it stands, says nothing: what it has is among the inputs.
_LEFT_OUT: Mapping[type, tuple[str, ...]] = {
    Exec: ("unkeyed_env",),
    CacheMount: ("id", "sharing"),  # which one, among whom: no result may depend on what is in a cache
    FromStage: ("index",),
    FromImage: ("reference", "hint"),
    FromNamedContext: ("name",),
    FromUrl: ("url", "checksum"),
    GitUrl: ("remote", "ref", "within", "checksum"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """`hex` has 64 hexadecimal digits, so that it is a tag."""

    hex: str

    def __str__(self) -> str:
        return self.hex


def base_key(diff_ids: Iterable[Digest], platform: Platform) -> CacheKey:
    """Of the files that a stage begins with: those of an image with these layers; none for `scratch`."""
    return _key("base", [str(diff_id) for diff_id in diff_ids], platform.to_json())


def op_key(parent: CacheKey, op: Op, inputs: Iterable[str], surroundings: Mapping[str, Any]) -> CacheKey:
    """Of the layer that `op` makes on what has the key `parent`.

    `inputs` say what is in each of its sources, in their order; `surroundings`, JSON values, what else the layer's bytes depend
    on and no op tells: how layers are written, and what every RUN is given.
    """
    return _key("op", parent.hex, described(op), list(inputs), dict(surroundings))


def lineage(before: CacheKey, key: CacheKey, diff_id: Digest | None) -> CacheKey:
    """Of what an op with this key has made on what has the lineage `before`; `diff_id` is its layer's if it was a command."""
    return _key("lineage", before.hex, key.hex, None if diff_id is None else str(diff_id))


def together(key: CacheKey) -> CacheKey:
    """Of the one layer that all ops of a stage make, the last of which has `key`."""
    return _key("together", key.hex)


def note_key(source: CacheKey, selection: Any) -> CacheKey:
    """Of the fingerprint of what `selection`, a JSON value, takes of a stage with the lineage `source`."""
    return _key("note", source.hex, selection)


def place_key(subject: str, stage: str | int, position: int, platform: Platform) -> CacheKey:
    """The name of one step of one Dockerfile, whatever it does: the same in the next build, to be compared with."""
    return _key("place", subject, stage, position, platform.to_json())


def described(value: Any) -> Any:
    """An op as a JSON value: everything that it says, but for where it stands and what keys leave out."""
    if is_dataclass(value) and not isinstance(value, type):
        hidden = _LEFT_OUT.get(type(value), ())
        found = {field.name: described(getattr(value, field.name)) for field in fields(value) if field.name not in hidden}
        if isinstance(value, Exec):
            found["env"] = described([pair for pair in value.env if pair[0] not in value.unkeyed_env])
        if isinstance(value, Copy):
            found["remotes"] = [described(remote) for _, remote in value.remotes]
            found["paths"] = [_told(path, value) for path in value.paths]
        if isinstance(value, BindMount) and _tells_all(value.source):
            found["path"] = ""
        found.pop("location", None)
        return {"is": type(value).__name__, **found}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [described(item) for item in value]
    return value


def _told(path: str, op: Copy) -> str:
    """What of a source's path makes a difference, if its files and their names are an input: where --parents puts them."""
    if path in dict(op.remotes):
        return ""
    return "." if _tells_all(op.source) and not op.parents else path


def _tells_all(source: CopyFrom) -> bool:
    """Whether the input is what was selected; of an image it is the image."""
    return not isinstance(source, FromImage)


def _key(*what: Any) -> CacheKey:
    text = json.dumps([SCHEMA, *what], sort_keys=True, separators=(",", ":"))
    return CacheKey(hex=hashlib.sha256(text.encode()).hexdigest())
