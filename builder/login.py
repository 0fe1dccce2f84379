"""`masu login` and `masu logout`: a user's name and password, tried at the registry and kept where docker keeps them."""

from __future__ import annotations

import getpass
import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import BinaryIO

from builder.credentials import Credential
from builder.credentials.docker_config import registry_key
from builder.credentials.docker_store import erase, store
from builder.errors import AuthError, UsageError
from builder.image.reference import DEFAULT_HOST, Repository
from builder.options import LoginOptions, RegistryFlags
from builder.registry.request import Request
from builder.remotes import transport_of
from builder.values import dataclass

log = logging.getLogger(__name__)

_REGISTRY = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?(?:/[a-z0-9._/-]+)?")
_MOST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Whom to ask: standard input, and whether somebody sits there."""

    stdin: BinaryIO
    is_terminal: bool
    ask: Callable[[str], str] = input
    ask_secretly: Callable[[str], str] = getpass.getpass


def log_in(text: str, options: LoginOptions, flags: RegistryFlags, env: Mapping[str, str], console: Console) -> str:
    """Keep a login for the registry `text`, Docker Hub if it is empty; gives what to tell the user.

    Raises AuthError when the registry doesn't take it: nothing is kept then.
    """
    registry = _registry(text)
    credential = _credential(registry, options, console)
    if not options.no_verify:
        _verify(registry, credential, flags, env)
    place = store(registry, credential, env)
    return f"Login Succeeded: {credential.username!r} at {registry}, kept in {place}"


def log_out(text: str, env: Mapping[str, str]) -> str:
    """Forget the login for the registry `text`; gives what to tell the user."""
    registry = _registry(text)
    return f"Removing login credentials for {registry}" if erase(registry, env) else f"Not logged in to {registry}"


def _registry(text: str) -> str:
    """`host` or `host/path` of what a user may also give with a scheme."""
    registry = registry_key(text) if text else DEFAULT_HOST
    if not _REGISTRY.fullmatch(registry):
        raise UsageError(f"invalid registry {text!r}", hint="write it as in references: registry.example.com or localhost:5000")
    return registry


def _credential(registry: str, options: LoginOptions, console: Console) -> Credential:
    if options.password and options.password_stdin:
        raise UsageError("--password and --password-stdin can't be given together")
    if options.password_stdin and not options.username:
        raise UsageError("--password-stdin needs --username")
    if options.password:
        log.warning("a password on the command line is seen by others, in the list of processes: use --password-stdin")
    username, password = options.username, options.password
    if options.password_stdin:
        password = os.fsdecode(console.stdin.read(_MOST_BYTES)).rstrip("\r\n")
    if not (username and password) and not options.password_stdin and console.is_terminal:
        username = username or console.ask(f"Username for {registry}: ")
        password = password or console.ask_secretly(f"Password for {username} at {registry}: ")
    if not username or not password:
        hint = "give --username and, on standard input, --password-stdin"
        raise UsageError(f"no {'password' if username else 'user name'} for {registry}, and no terminal to ask at", hint=hint)
    if ":" in username:
        raise UsageError("a user name can't have a colon in it")
    return Credential(username=username, password=password)


@dataclass(frozen=True, slots=True)
class _Given:
    credential: Credential

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        return self.credential


def _verify(registry: str, credential: Credential, flags: RegistryFlags, env: Mapping[str, str]) -> None:
    """A real request with this credential and no other."""
    host = registry.partition("/")[0]
    transport = transport_of(flags, env, credentials=(_Given(credential),))
    request = Request(method="GET", repository=Repository(host=host, path=""), path=f"{transport.reach(host)}/v2/")
    try:
        transport.read(request, limit=_MOST_BYTES)
    except AuthError as error:
        hint = "check both; many registries want a token there, not your password. --no-verify keeps it all the same"
        raise AuthError(
            f"{host} refuses the user {credential.username!r} with this password: {error.message}", hint=hint
        ) from error
