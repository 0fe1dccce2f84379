"""What `--git` says about a build context that is a repository (Kaniko's flag, pkg/config/options.go)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from builder.errors import UsageError
from builder.govalues import is_bool, parse_bool
from builder.values import dataclass, replace

_MOST_COMMITS = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class GitOptions:
    """`branch` is a branch or tag, for a URL that names none; `depth` a number of commits, 0 for all.

    `submodules` None: as the URL says, else they are fetched.
    """

    branch: str = ""
    submodules: bool | None = None
    insecure: bool = False
    depth: int = 1

    @classmethod
    def parse(cls, texts: Iterable[str]) -> GitOptions:
        """From `key=value` texts, the last of a key counts. Raises UsageError."""
        options = cls()
        for text in texts:
            key, equals, value = text.partition("=")
            if not equals or key not in _KEYS:
                raise UsageError(f"invalid --git {text!r}", hint=f"write one of {', '.join(f'{name}=VALUE' for name in _KEYS)}")
            options = replace(options, **_KEYS[key](value, text))
        return options


def _branch(value: str, text: str) -> dict[str, Any]:
    return {"branch": value}


def _nothing(value: str, text: str) -> dict[str, Any]:
    """Only what the context needs is fetched anyway, and that is less than one branch."""
    _boolean(value, text)
    return {}


def _submodules(value: str, text: str) -> dict[str, Any]:
    return {"submodules": _boolean(value, text)}


def _insecure(value: str, text: str) -> dict[str, Any]:
    return {"insecure": _boolean(value, text)}


def _depth(value: str, text: str) -> dict[str, Any]:
    if not (value.isascii() and value.isdigit() and int(value[:11]) < _MOST_COMMITS):
        raise UsageError(f"invalid --git {text!r}", hint="give a number of commits, or 0 for all")
    return {"depth": int(value)}


def _boolean(value: str, text: str) -> bool:
    if not is_bool(value):
        raise UsageError(f"invalid --git {text!r}", hint="write true or false")
    return parse_bool(value)


_KEYS = {
    "branch": _branch,
    "single-branch": _nothing,
    "recurse-submodules": _submodules,
    "insecure-skip-tls": _insecure,
    "depth": _depth,
}
