"""--secret: values for RUN --mount=type=secret, read once and kept in memory only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from builder.errors import UsageError
from builder.govalues import csv_fields
from builder.values import dataclass

LIMIT = 500 << 10
"""Bytes, as in BuildKit (session/secrets)."""

_HINT = "write --secret id=NAME,src=FILE or id=NAME,env=VARIABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secret:
    id: str
    file: str = ""
    variable: str = ""


def read_secrets(texts: Iterable[str], env: Mapping[str, str]) -> dict[str, bytes]:
    """The secrets by id; the last of an id counts. Raises UsageError, which never has a value in it."""
    secrets = (_parse(text, env) for text in texts)
    return {secret.id: _read(secret, env) for secret in secrets}


def secret_files(texts: Iterable[str], env: Mapping[str, str]) -> tuple[Path, ...]:
    """The files that they come from, absolute."""
    secrets = (_parse(text, env) for text in texts)
    return tuple(Path(secret.file).absolute() for secret in secrets if not secret.variable)


def _parse(text: str, env: Mapping[str, str]) -> _Secret:
    keys = {"id": "", "src": "", "env": "", "type": ""}
    for key, value in _pairs(text):
        if key not in keys:
            raise UsageError(f"unexpected key {key!r} in --secret", hint=_HINT)
        keys[key] = value
    if not keys["id"]:
        raise UsageError("a --secret has no id", hint=_HINT)
    return _located(keys["id"], keys["src"], keys["env"], keys["type"], env)


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        fields = csv_fields(text)
    except ValueError as error:
        raise UsageError(f"a --secret can't be read: {error}", hint=_HINT) from error
    pairs = []
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals:
            raise UsageError("a part of --secret is no key=value pair", hint=_HINT)
        pairs.append(({"source": "src"}.get(key.lower(), key.lower()), value))
    return pairs


def _located(id: str, file: str, variable: str, kind: str, env: Mapping[str, str]) -> _Secret:
    """With neither file nor variable it is the variable called like the secret if there is one, else the file."""
    if kind not in ("", "file", "env"):
        raise UsageError(f"unsupported type {kind!r} of secret {id!r}", hint="it is file or env")
    if kind == "env":
        return _Secret(id=id, variable=variable or file or id)
    if variable:
        return _Secret(id=id, variable=variable)
    if not file and kind != "file" and id in env:
        return _Secret(id=id, variable=id)
    return _Secret(id=id, file=file or id)


def _read(secret: _Secret, env: Mapping[str, str]) -> bytes:
    if secret.variable:
        if secret.variable not in env:
            raise UsageError(f"secret {secret.id!r}: there is no environment variable {secret.variable!r}")
        data = env[secret.variable].encode("utf-8", "surrogateescape")
    else:
        data = _content(secret)
    if len(data) > LIMIT:
        raise UsageError(f"secret {secret.id!r} is larger than {LIMIT} bytes")
    return data


def _content(secret: _Secret) -> bytes:
    try:
        with Path(secret.file).open("rb") as file:
            return file.read(LIMIT + 1)
    except OSError as error:
        hint = _HINT if secret.file == secret.id else ""
        raise UsageError(f"secret {secret.id!r}: can't read {secret.file!r}: {error.strerror}", hint=hint) from error
