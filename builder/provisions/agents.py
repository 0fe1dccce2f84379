"""--ssh: sockets of ssh agents for RUN --mount=type=ssh; for key files an agent of our own is started."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from builder import process
from builder.errors import UsageError

_VARIABLE = "SSH_AUTH_SOCK"
_KEY_LIMIT = 100 << 10  # bytes, as in BuildKit (session/sshforward/sshprovider)
_HINT = "write --ssh default, --ssh ID=SOCKET or --ssh ID=KEY[,KEY]"


@contextmanager
def agents(texts: Iterable[str], env: Mapping[str, str]) -> Iterator[dict[str, Path]]:
    """The sockets by id, as long as it is entered. Raises UsageError."""
    with ExitStack() as stack:
        yield {id: _socket(id, sources, env, stack) for id, sources in map(_parse, texts)}


def _parse(text: str) -> tuple[str, tuple[str, ...]]:
    id, _, sources = text.partition("=")
    if not id:
        raise UsageError(f"invalid --ssh {text!r}: it has no id", hint=_HINT)
    return id, tuple(source for source in sources.split(",") if source)


def _socket(id: str, sources: tuple[str, ...], env: Mapping[str, str], stack: ExitStack) -> Path:
    if not sources:
        if not env.get(_VARIABLE):
            raise UsageError(f"--ssh {id}: no ssh agent is running, {_VARIABLE} is not set", hint=f"start one, or {_HINT}")
        sources = (env[_VARIABLE],)
    statuses = [_status(id, source) for source in sources]
    if not any(stat.S_ISSOCK(status.st_mode) for status in statuses):
        return stack.enter_context(_own_agent(id, [_key(id, source) for source in sources], env))
    if len(sources) > 1:
        raise UsageError(f"--ssh {id}: a socket can't be given together with others", hint=_HINT)
    return Path(sources[0]).absolute()


def _status(id: str, source: str) -> os.stat_result:
    try:
        return os.stat(source)
    except OSError as error:
        raise UsageError(f"--ssh {id}: can't use {source!r}: {error.strerror}", hint=_HINT) from error


def _key(id: str, source: str) -> bytes:
    try:
        with Path(source).open("rb") as file:
            data = file.read(_KEY_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"--ssh {id}: can't read {source!r}: {error.strerror}") from error
    if len(data) > _KEY_LIMIT or b"PRIVATE KEY" not in data:
        raise UsageError(f"--ssh {id}: {source!r} is neither a socket nor a private key", hint=_HINT)
    return data


@contextmanager
def _own_agent(id: str, keys: list[bytes], env: Mapping[str, str]) -> Iterator[Path]:
    """An agent with these keys; its directory is a short one, because a socket's path may have 107 bytes only."""
    programs = [shutil.which(name, path=env.get("PATH")) for name in ("ssh-agent", "ssh-add")]
    agent, add = programs
    if agent is None or add is None:
        hint = "install openssh-client, or start an agent yourself and give --ssh ID=SOCKET"
        raise UsageError(f"--ssh {id}: key files need the programs ssh-agent and ssh-add", hint=hint)
    with tempfile.TemporaryDirectory(prefix="masu-ssh-") as directory:
        socket = Path(directory) / "agent"
        child = process.start([agent, "-D", "-a", str(socket)], env={"PATH": env.get("PATH", "")})
        try:
            assert child.stdout is not None
            if not child.stdout.readline():  # it prints the way to its socket when that is there
                raise UsageError(f"--ssh {id}: ssh-agent does not start")
            for key in keys:
                _add(id, key, add, socket)
            yield socket
        finally:
            child.terminate()
            child.wait()
            if child.stdout:
                child.stdout.close()


def _add(id: str, key: bytes, program: str, socket: Path) -> None:
    # Nobody can be asked for a passphrase here.
    env = {_VARIABLE: str(socket), "SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"}
    done = process.run([program, "-q", "-"], env=env, input=key)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise UsageError(f"--ssh {id}: ssh-add refuses the key: {said}", hint="a key with a passphrase needs an agent of yours")
