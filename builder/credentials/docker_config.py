"""Credentials in the files that `docker login` and `podman login` write, and in DOCKER_AUTH_CONFIG.

Sources, the first that knows the repository wins: DOCKER_AUTH_CONFIG (JSON, or a path), $DOCKER_CONFIG, $HOME/.docker,
REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json. In each, credHelpers comes before credsStore and that before auths, as
in docker.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.credentials.credential import Credential
from builder.credentials.hosts import normal
from builder.errors import BuilderError
from builder.image.reference import DEFAULT_HOST, Repository
from builder.values import dataclass, field

log = logging.getLogger(__name__)

_VARIABLE = "DOCKER_AUTH_CONFIG"
HUB_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"
_FIELDS = frozenset({"auth", "username", "password", "identitytoken", "registrytoken"})
_LINE_ENDS = str.maketrans("", "", "\r\n")
_NOT_FOUND = "credentials not found"
_BUILT_IN = frozenset({"ecr-login", "gcr", "gcloud", "acr-env"})
"""Helpers that Kaniko's users name, for registries of which masu has drivers of its own."""


class DockerConfig:
    """All sources of `env`, read at once; a file that has changed since is read again, one that has vanished is remembered."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._lock = threading.Lock()
        text = env.get(_VARIABLE, "")
        self._variable = _parse(os.fsencode(text), _VARIABLE) if text and not _is_path(text) else None
        self._files = [_File(path) for path in config_files(env)]
        for file in self._files:
            file.refresh()

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        with self._lock:
            for file in self._files:
                file.refresh()
            sources = [self._variable, *(file.source for file in self._files)]
        answers = (_find(source, repository, self._env) for source in sources if source is not None)
        return next((answer for answer in answers if answer is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """One parsed document; `where` names it in errors. The keys of its mappings are normalised, see `registry_key`."""

    where: str
    auths: Mapping[str, Any] = field(default_factory=dict)
    helpers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    store: str = ""


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self.source: _Source | None = None

    def refresh(self) -> None:
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if seen == self._seen:
                return
            data = self._path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            log.warning("can't read credentials in %r: %s", str(self._path), error.strerror)
            return
        self.source = _parse(data, repr(str(self._path)), legacy=self._path.name == ".dockercfg")
        self._seen = seen


def config_files(env: Mapping[str, str]) -> Iterator[Path]:
    """Where they may be; the first that has an answer counts."""
    if _is_path(env.get(_VARIABLE, "")):
        yield Path(env[_VARIABLE])
    directories = [Path(env["DOCKER_CONFIG"])] if env.get("DOCKER_CONFIG") else []
    if env.get("HOME"):
        directories.append(Path(env["HOME"], ".docker"))
    for directory in dict.fromkeys(directories):
        yield directory / "config.json"
        yield directory / ".dockerconfigjson"  # a Kubernetes secret mounted as it is
    if env.get("HOME"):
        yield Path(env["HOME"], ".dockercfg")
    if env.get("REGISTRY_AUTH_FILE"):
        yield Path(env["REGISTRY_AUTH_FILE"])
    if env.get("XDG_RUNTIME_DIR"):
        yield Path(env["XDG_RUNTIME_DIR"], "containers", "auth.json")


def _is_path(text: str) -> bool:
    """GitLab puts a variable of the type File into a file, and its path into the environment."""
    return text.startswith("/")


def _parse(data: bytes, where: str, *, legacy: bool = False) -> _Source:
    if not data.strip():
        return _Source(where=where)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _malformed(where, f"not JSON ({error})") from error
    if not isinstance(document, dict):
        raise _malformed(where, "expected an object")
    auths = document if legacy else document.get("auths") or {}
    helpers, store = document.get("credHelpers") or {}, document.get("credsStore") or ""
    if not isinstance(auths, dict) or not isinstance(helpers, dict) or not isinstance(store, str):
        raise _malformed(where, "auths and credHelpers are objects, credsStore is a string")
    return _Source(
        where=where,
        auths={registry_key(key): value for key, value in auths.items() if value},  # an empty one stands for a helper's
        helpers={registry_key(key): (key, str(value)) for key, value in helpers.items()},
        store=store,
    )


def _malformed(where: str, what: str) -> BuilderError:
    return BuilderError(f"malformed credentials in {where}: {what}", hint="write it as `docker login` does")


def registry_key(text: str) -> str:
    """`host` or `host/path`, whatever scheme, API version or default port the key was written with."""
    _, found, rest = text.partition("://")
    host, _, path = (rest if found else text).rstrip("/").partition("/")
    host = normal(host)
    if path in ("v1", "v2") and (found or host == DEFAULT_HOST):
        path = ""
    return f"{host}/{path}" if path else host


def _candidates(repository: Repository) -> Iterator[str]:
    """The keys that may hold the repository's credential, the longest first."""
    parts = [normal(repository.host), *repository.path.split("/")]
    for length in range(len(parts), 0, -1):
        yield "/".join(parts[:length])


def _find(source: _Source, repository: Repository, env: Mapping[str, str]) -> Credential | None:
    for key in _candidates(repository):
        if key in source.helpers:
            server, suffix = source.helpers[key]
            if found := _ask(suffix, server, source, env):
                return found
            break
    if source.store:
        server = HUB_KEY if repository.host == DEFAULT_HOST else repository.host
        if found := _ask(source.store, server, source, env):
            return found
    for key in _candidates(repository):
        if key in source.auths:
            return _entry(source.auths[key], key, source.where)
    return None


def _entry(entry: Any, key: str, where: str) -> Credential | None:
    fields = _fields(entry)
    if fields is None:
        raise _malformed(where, f"the entry of {key!r} is not an object of strings")
    username, password = fields.get("username", ""), fields.get("password", "")
    if fields.get("auth"):
        try:
            # Go, and so docker, skips line ends, which base64(1) makes.
            decoded = os.fsdecode(base64.b64decode(fields["auth"].translate(_LINE_ENDS), validate=True))
        except ValueError as error:
            raise _malformed(where, f"auth of {key!r} is not base64 of user:password") from error
        username, colon, password = decoded.partition(":")
        if not colon:
            raise _malformed(where, f"auth of {key!r} is not base64 of user:password")
        password = password.rstrip("\0")
    return _credential(
        username=username,
        password=password,
        identity_token=fields.get("identitytoken", ""),
        registry_token=fields.get("registrytoken", ""),
    )


def _fields(entry: Any) -> dict[str, str] | None:
    """What counts of an entry, null being nothing; None if that isn't strings."""
    if not isinstance(entry, dict):
        return None
    fields = {name: entry[name] for name in _FIELDS if entry.get(name) is not None}
    return fields if all(isinstance(value, str) for value in fields.values()) else None


def _credential(*, username: str, password: str, identity_token: str = "", registry_token: str = "") -> Credential | None:
    if username == _TOKEN_USER:
        return Credential(identity_token=password)
    if not (username or password or identity_token or registry_token):
        return None
    return Credential(username=username, password=password, identity_token=identity_token, registry_token=registry_token)


def _ask(suffix: str, server: str, source: _Source, env: Mapping[str, str]) -> Credential | None:
    """The answer of a credential helper (docker/docker-credential-helpers, README); None if it knows nothing or is missing."""
    import shutil  # both only for a helper

    from builder import process

    program = f"docker-credential-{suffix}"
    if "/" in suffix:
        raise _malformed(source.where, f"invalid credential helper {suffix!r}")
    if shutil.which(program, path=env.get("PATH", "")) is None:
        level = logging.DEBUG if suffix in _BUILT_IN else logging.WARNING
        log.log(level, "credential helper %r, named in %s, is not installed", program, source.where)
        return None
    done = process.run([program, "get"], env=env, input=server.encode())
    said = (done.stdout + done.stderr).decode(errors="replace").strip()
    if done.returncode != 0:
        if _NOT_FOUND in said:
            return None
        raise BuilderError(f"credential helper {program!r} failed for {server!r}: {said[:500] or f'exit code {done.returncode}'}")
    try:
        answer = json.loads(done.stdout)
        return _credential(username=str(answer.get("Username") or ""), password=str(answer.get("Secret") or ""))
    except (ValueError, AttributeError, RecursionError) as error:
        raise BuilderError(f"credential helper {program!r} gave no JSON object for {server!r}") from error
