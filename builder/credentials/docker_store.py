"""Writing credentials where docker_config.py reads them, as `docker login` does: into config.json, or through its helper."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builder import process
from builder.credentials.credential import Credential
from builder.credentials.docker_config import HUB_KEY, registry_key
from builder.errors import BuilderError
from builder.image.reference import DEFAULT_HOST

_SHOWN = 500


def config_file(env: Mapping[str, str]) -> Path:
    """The file that a login goes to. Raises BuilderError when the environment names no place for it."""
    if env.get("DOCKER_CONFIG"):
        return Path(env["DOCKER_CONFIG"], "config.json")
    if env.get("HOME"):
        return Path(env["HOME"], ".docker", "config.json")
    raise BuilderError(
        "there is no place for a login: neither DOCKER_CONFIG nor HOME is set", hint="set DOCKER_CONFIG to a directory"
    )


def store(registry: str, credential: Credential, env: Mapping[str, str]) -> str:
    """Keep it for `registry` (`host` or `host/path`) in place of any other; gives the place in words."""
    path = config_file(env)
    with _changed(path) as document:
        auths, server = _forget(document, registry), _server(registry)
        helper = _helper(document, registry)
        if helper:
            _ask(helper, "store", _for_helper(server, credential), server, env)
            auths[server] = {}
        else:
            auths[server] = {"auth": base64.b64encode(os.fsencode(f"{credential.username}:{credential.password}")).decode()}
    return f"the credential helper {helper!r}" if helper else repr(str(path))


def erase(registry: str, env: Mapping[str, str]) -> bool:
    """Forget what is kept for `registry`; whether there was anything."""
    path = config_file(env)
    if not path.exists():
        return False
    with _changed(path) as document:
        helper, count = _helper(document, registry), len(_auths(document))
        if helper:
            _ask(helper, "erase", _server(registry).encode(), _server(registry), env)
        return len(_forget(document, registry)) < count


def _server(registry: str) -> str:
    return HUB_KEY if registry == DEFAULT_HOST else registry


def _forget(document: dict[str, Any], registry: str) -> dict[str, Any]:
    """The document's `auths` without the entries for this registry, however they are spelled."""
    auths = {key: value for key, value in _auths(document).items() if registry_key(key) != registry}
    document["auths"] = auths
    return auths


def _auths(document: Mapping[str, Any]) -> dict[str, Any]:
    found = document.get("auths") or {}
    if not isinstance(found, dict):
        raise BuilderError("malformed docker config: auths is not an object", hint="write it as `docker login` does")
    return found


def _helper(document: Mapping[str, Any], registry: str) -> str:
    """The program that keeps this registry's credentials; empty for the file itself."""
    helpers = document.get("credHelpers") or {}
    named = {registry_key(key): value for key, value in helpers.items()} if isinstance(helpers, dict) else {}
    suffix = named.get(registry) or named.get(registry.partition("/")[0]) or document.get("credsStore") or ""
    if not isinstance(suffix, str) or "/" in suffix:
        raise BuilderError(f"malformed docker config: invalid credential helper {suffix!r}")
    return f"docker-credential-{suffix}" if suffix else ""


def _for_helper(server: str, credential: Credential) -> bytes:
    return json.dumps({"ServerURL": server, "Username": credential.username, "Secret": credential.password}).encode()


def _ask(program: str, action: str, input: bytes, server: str, env: Mapping[str, str]) -> None:
    done = process.run([program, action], env=env, input=input)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()[:_SHOWN]
        what = f"credential helper {program!r} failed to {action} the login for {server!r}"
        raise BuilderError(f"{what}: {said or f'exit code {done.returncode}'}")


@contextmanager
def _changed(path: Path) -> Iterator[dict[str, Any]]:
    """The file's document, written back as it is at the end; two logins at the same time take turns."""
    path = path.resolve()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            document = _read(path)
            yield document
            _write(path, document)
        finally:
            os.close(directory)
    except OSError as error:
        hint = "set DOCKER_CONFIG to a directory that can be written"
        raise BuilderError(f"can't keep a login in {str(path)!r}: {error.strerror}", hint=hint) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        document = json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise BuilderError(f"malformed credentials in {str(path)!r}: not JSON ({error})", hint="mend or remove it") from error
    if not isinstance(document, dict):
        raise BuilderError(f"malformed credentials in {str(path)!r}: expected an object", hint="mend or remove it")
    return document


def _write(path: Path, document: Mapping[str, Any]) -> None:
    descriptor, new = tempfile.mkstemp(prefix=".config.json-", dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent="\t", ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
    except BaseException:
        os.unlink(new)
        raise
