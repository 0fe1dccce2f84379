"""RUN --mount: one comma-separated value (BuildKit, instructions/commands_runmount.go, dockerfile2llb/convert_runmount.go).

The keys are read from left to right: what a key may be depends on the type given so far.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import TypeVar

from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem, suggest
from builder.dockerfile.scope import Scope
from builder.govalues import csv_fields, parse_bool, parse_size, parse_unsigned
from builder.matcher import clean
from builder.ops import SCRATCH, Access, BindMount, CacheMount, FromContext, Mount, SecretMount, Sharing, SshMount, TmpfsMount
from builder.values import dataclass

T = TypeVar("T")

NAMESPACE_ARG = "BUILDKIT_CACHE_MOUNT_NS"
_VARIABLE = re.compile(r"\$.", re.DOTALL)
_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "readonly": "ro",
    "readwrite": "rw",
}
_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_WITH_ACCESS = ("cache", "secret", "ssh")
_REQUIRABLE = ("secret", "ssh")
_KEYS = ("type", "from", "source", "target", "ro", "rw", "required", "id", "sharing", "size", "mode", "uid", "gid", "env")
_SECRETS, _SOCKETS = "/run/secrets/", "/run/buildkit/ssh_agent."


@dataclass(frozen=True, slots=True, kw_only=True)
class MountFlag:
    """As written: the fields, quotes gone. `source` is what `from` says, empty without one."""

    fields: tuple[str, ...]
    source: str

    @classmethod
    def parse(cls, text: str) -> MountFlag:
        """Raises Problem for what is wrong whatever variables are."""
        try:
            fields = csv_fields(text)
        except ValueError as error:
            raise Problem(f"failed to parse csv mounts: {error}", hint="write --mount=type=…,key=value,…") from error
        source = ""
        for field in fields:
            key, _, value = field.partition("=")
            if key.lower() != "from":
                continue
            if _VARIABLE.search(value):
                raise Problem("'from' doesn't support variable expansion, define alias stage instead")
            source = value
        return cls(fields=tuple(fields), source=source)

    def apply(self, line: Line, scope: Scope, *, number: int) -> Mount:
        """What it means at this place; `number` counts the ssh mounts before it. Raises Problem or DockerfileError."""
        keys = _Keys.read(self.fields, lambda value: scope.expand(line, value))
        keys.check()
        return _MAKERS[keys.kind](keys, line, scope, number)


@dataclass(slots=True, kw_only=True)
class _Keys:
    """What the fields say; None or empty where they say nothing."""

    kind: str = "bind"
    source: str = ""
    origin: str = ""
    target: str = ""
    read_only: bool | None = None
    required: bool = False
    id: str = ""
    sharing: str = ""
    size: int = 0
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    env: str | None = None

    @classmethod
    def read(cls, fields: tuple[str, ...], expand: Callable[[str], str]) -> _Keys:
        keys = cls()
        for field in fields:
            key, equals, value = field.partition("=")
            key = key.lower()
            if not equals:
                keys._flag(_ALIASES.get(key, key), field)
            else:
                keys._set(_ALIASES.get(key, key), key, value if key == "from" else expand(value), field)
        return keys

    def _flag(self, name: str, field: str) -> None:
        if name in ("ro", "rw"):
            self.read_only = name == "ro"
        elif name == "required":
            self._check_type(name, _REQUIRABLE)
            self.required = True
        else:
            raise Problem(f"invalid field {field!r} must be a key=value pair", hint=suggest(field, ("readonly", "required")))

    def _set(self, name: str, key: str, value: str, field: str) -> None:
        match name:
            case "type":
                self.kind = _one_of(value, _TYPES, "mount type")
            case "sharing":
                self.sharing = _one_of(value, [item.value for item in Sharing], "sharing value")
            case "from":
                self.origin = value
            case "source" | "target" | "id" | "env":
                setattr(self, name, value)
            case "ro" | "rw":
                self.read_only = _value(parse_bool, key, value) == (name == "ro")
            case "required":
                self._check_type(key, _REQUIRABLE)
                self.required = _value(parse_bool, key, value)
            case "size":
                self._check_type(key, ("tmpfs",))
                self.size = _value(parse_size, key, value)
            case "mode" | "uid" | "gid":
                setattr(self, name, _number(name, value))
            case _:
                raise Problem(f"unexpected key {key!r} in {field!r}", hint=suggest(key, (*_KEYS, *_ALIASES)))

    def _check_type(self, key: str, kinds: tuple[str, ...]) -> None:
        if self.kind not in kinds:
            hint = f"it is for {' and '.join(kinds)}, and type= comes before it"
            raise Problem(f"unexpected key {key!r} for mount type {self.kind!r}", hint=hint)

    def check(self) -> None:
        """What only the whole can tell."""
        if self.kind not in _WITH_ACCESS:
            for name in ("mode", "uid", "gid"):
                if getattr(self, name) is not None:
                    raise Problem(
                        f"{name} not allowed for {self.kind!r} type mounts", hint=f"it is for {', '.join(_WITH_ACCESS)}"
                    )
        if self.kind == "secret":
            self._check_secret()
        if self.sharing and self.kind != "cache":
            raise Problem(f"invalid cache sharing set for {self.kind} mount")
        if self.env is not None and self.kind == "secret" and (not self.env or "=" in self.env):
            raise Problem(f"invalid environment variable {self.env!r} for a secret")

    def _check_secret(self) -> None:
        if self.origin:
            raise Problem("secret mount should not have a from")
        if self.sharing:
            raise Problem("secret mount should not define sharing")
        if not (self.source or self.target or self.id):
            raise Problem("invalid secret mount. one of source, target required", hint="name the secret by id=NAME")
        if self.source and self.id:
            raise Problem("both source and id can't be set")

    def access(self, mode: int) -> Access:
        """Special bits get lost in BuildKit, because Go has them elsewhere (io/fs.FileMode)."""
        return Access(mode=mode if self.mode is None else self.mode & 0o777, uid=self.uid or 0, gid=self.gid or 0)

    def absolute(self, target: str, scope: Scope) -> str:
        """Relative ones begin at WORKDIR; raises Problem for the root itself."""
        cleaned = posixpath.normpath("/" + posixpath.join(scope.working_dir, target).lstrip("/"))
        if f"{cleaned}/".startswith("/proc/"):
            raise Problem(f"invalid mount target {target!r}: it is inside /proc")
        if not target or cleaned == "/":
            raise Problem(f"invalid mount target {target or '/'!r}", hint="name a directory or file by target=PATH")
        return cleaned


def _bind(keys: _Keys, line: Line, scope: Scope, number: int) -> Mount:
    return BindMount(
        target=keys.absolute(keys.target, scope),
        source=scope.find_source(line, keys.origin) if keys.origin else FromContext(),
        path=_below(keys.source),
        read_only=keys.read_only is not False,
    )


def _cache(keys: _Keys, line: Line, scope: Scope, number: int) -> Mount:
    # BuildKit gives the mode and the owner to a directory that it makes, so a source path keeps its own.
    made = _below(keys.source) == "/" and (keys.mode, keys.uid, keys.gid) != (None, None, None)
    return CacheMount(
        target=keys.absolute(keys.target, scope),
        id=f"{scope.build_args.get(NAMESPACE_ARG, '')}/{keys.id or clean(keys.target)}",
        sharing=Sharing(keys.sharing or "shared"),
        source=scope.find_source(line, keys.origin) if keys.origin not in ("", SCRATCH) else None,
        path=_below(keys.source),
        access=keys.access(0o755) if made else None,
        read_only=keys.read_only is True,
    )


def _tmpfs(keys: _Keys, line: Line, scope: Scope, number: int) -> Mount:
    return TmpfsMount(target=keys.absolute(keys.target, scope), size=keys.size, read_only=keys.read_only is True)


def _secret(keys: _Keys, line: Line, scope: Scope, number: int) -> Mount:
    id = keys.source or keys.id or posixpath.basename(keys.target.rstrip("/"))
    target = keys.absolute(keys.target, scope) if keys.target else None
    if target is None and keys.env is None:
        target = _SECRETS + posixpath.basename(id.rstrip("/"))
    return SecretMount(id=id, target=target, env=keys.env, required=keys.required, access=keys.access(0o400))


def _ssh(keys: _Keys, line: Line, scope: Scope, number: int) -> Mount:
    if keys.source:
        raise Problem("ssh does not support source", hint="name the socket by id=NAME")
    target = keys.absolute(keys.target, scope) if keys.target else f"{_SOCKETS}{number}"
    return SshMount(id=keys.id or "default", target=target, required=keys.required, access=keys.access(0o600))


_MAKERS: dict[str, Callable[[_Keys, Line, Scope, int], Mount]] = {
    "bind": _bind,
    "cache": _cache,
    "tmpfs": _tmpfs,
    "secret": _secret,
    "ssh": _ssh,
}


def _below(source: str) -> str:
    return posixpath.normpath("/" + source.lstrip("/"))


def _one_of(value: str, known: list[str] | tuple[str, ...], what: str) -> str:
    if value.lower() not in known:
        raise Problem(f"unsupported {what} {value!r}", hint=suggest(value, known) or f"known are {', '.join(known)}")
    return value.lower()


def _value(parse: Callable[[str], T], key: str, value: str) -> T:
    try:
        return parse(value)
    except ValueError as error:
        raise Problem(f"invalid value for {key}: {value}") from error


def _number(name: str, value: str) -> int:
    try:
        return parse_unsigned(value, base=8 if name == "mode" else 10)
    except ValueError as error:
        raise Problem(f"invalid value {value} for {name}") from error
