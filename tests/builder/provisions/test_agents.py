from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.ops import Access
from builder.provisions.agents import agents
from builder.provisions.relay import relay

ENV = {"PATH": os.environ["PATH"]}


@pytest.fixture(autouse=True)
def _needs_openssh() -> None:
    if not (shutil.which("ssh-agent") and shutil.which("ssh-keygen")):
        pytest.skip("openssh is not installed")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "key")


@pytest.fixture
def agent(key: Path) -> Iterator[Path]:
    with agents([f"work={key}"], ENV) as sockets:
        yield sockets["work"]


def make_key(path: Path, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-C", "mine", "-N", passphrase, "-f", path], check=True)
    return path


def ssh_add(socket: Path, *arguments: str) -> tuple[int, str]:
    environment = {**ENV, "SSH_AUTH_SOCK": str(socket)}
    done = subprocess.run(["ssh-add", *arguments], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_an_agent_of_our_own_has_the_keys_and_ends_with_the_build(tmp_path: Path, key: Path) -> None:
    with agents([f"work={key},{make_key(tmp_path / 'other')}"], ENV) as sockets:
        assert ssh_add(sockets["work"], "-l")[1].count("mine") == 2
    assert not sockets["work"].parent.exists()


def test_a_socket_is_passed_on(agent: Path) -> None:
    with agents(["default", f"other={agent}"], {**ENV, "SSH_AUTH_SOCK": str(agent)}) as sockets:
        assert sockets == {"default": agent, "other": agent}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default", "SSH_AUTH_SOCK is not set"),
        ("=x", "it has no id"),
        ("a=/nope", "can't use '/nope'"),
        ("a=/etc/passwd", "neither a socket nor a private key"),
        ("a={agent},{key}", "together with others"),
        ("a={locked}", "ssh-add refuses the key"),
    ],
)
def test_what_is_refused(tmp_path: Path, agent: Path, key: Path, text: str, said: str) -> None:
    locked = make_key(tmp_path / "locked", "passphrase")
    with pytest.raises(UsageError, match=said), agents([text.format(agent=agent, key=key, locked=locked)], ENV):
        pass


def test_key_files_without_ssh_agent_are_refused_with_what_to_do(key: Path) -> None:
    with pytest.raises(UsageError, match="need the programs") as caught, agents([f"a={key}"], {"PATH": "/nope"}):
        pass
    assert "openssh" in caught.value.hint


def test_through_a_relay_keys_can_be_used_and_nothing_changed(tmp_path: Path, agent: Path, key: Path) -> None:
    directory = tmp_path / ("long" * 40)
    directory.mkdir()
    at = directory / "socket"
    (tmp_path / "short").symlink_to(directory)
    with relay(agent, at, Access(mode=0o640)):
        status = at.stat()
        assert (stat.S_ISSOCK(status.st_mode), stat.S_IMODE(status.st_mode)) == (True, 0o640)
        short = tmp_path / "short/socket"
        assert "mine" in ssh_add(short, "-l")[1]
        subprocess.run(
            ["ssh-keygen", "-q", "-Y", "sign", "-n", "x", "-f", f"{key}.pub"],
            input=b"text", env={**ENV, "SSH_AUTH_SOCK": str(short)}, check=True, capture_output=True,
        )  # fmt: skip
        assert ssh_add(short, "-D")[0] != 0
        assert ssh_add(short, "-q", str(key))[0] != 0
        assert "mine" in ssh_add(short, "-l")[1]
    assert not at.exists()


@pytest.mark.parametrize("message", [b"", b"\0\0\0\0", b"\xff\xff\xff\xff\x0b", struct.pack(">IB", 5, 11)])
def test_what_is_no_message_ends_the_conversation_only(tmp_path: Path, agent: Path, message: bytes) -> None:
    at = tmp_path / "s"
    with relay(agent, at, Access(mode=0o600)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(at))
            client.sendall(message)
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(10) == b""
        assert "mine" in ssh_add(at, "-l")[1]
