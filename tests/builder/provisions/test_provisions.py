from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.ops import Network
from builder.provisions import Limit
from builder.provisions.hosts import hostname_of, parse_hosts
from builder.provisions.limits import parse_limits, parse_shm_size
from builder.provisions.rights import allows_insecure, parse_network
from builder.provisions.secrets import LIMIT, read_secrets
from builder.settings import read_build_args


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id=s,src={}/file", b"of file"),
        ("ID=s,Source={}/file,type=file", b"of file"),
        ("id=s,env=VAR", b"of variable"),
        ("id=s,type=env,src=VAR", b"of variable"),
        ("id=s,type=env,env=VAR", b"of variable"),
        ('id=s,"src={}/a,b"', b"comma"),
    ],
)
def test_where_a_secret_comes_from(tmp_path: Path, text: str, expected: bytes) -> None:
    (tmp_path / "file").write_bytes(b"of file")
    (tmp_path / "a,b").write_bytes(b"comma")
    assert read_secrets([text.format(tmp_path)], {"VAR": "of variable"}) == {"s": expected}


def test_without_a_source_it_is_the_variable_of_its_name_else_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("VAR").write_text("file")
    assert read_secrets(["id=VAR"], {"VAR": "variable"}) == {"VAR": b"variable"}
    assert read_secrets(["id=VAR"], {}) == {"VAR": b"file"}
    assert read_secrets(["id=VAR,type=file"], {"VAR": "variable"}) == {"VAR": b"file"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("src=x", "no id"),
        ("hunter2", "no key=value pair"),
        ("id=a,value=hunter2", "unexpected key 'value'"),
        ("id=a,type=x", "unsupported type 'x'"),
        ("id=a,env=NOPE", "no environment variable 'NOPE'"),
        ("id=a,src=/nope", "can't read '/nope'"),
        ("", "can't be read"),
    ],
)
def test_a_secret_that_can_not_be_is_refused_without_telling_it(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read_secrets([text], {})
    assert "hunter2" not in str(caught.value)


def test_a_secret_has_a_largest_size(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(LIMIT))
    assert len(read_secrets([f"id=a,src={tmp_path}/f"], {})["a"]) == LIMIT
    with pytest.raises(UsageError, match="larger"):
        read_secrets(["id=a,env=V"], {"V": "x" * (LIMIT + 1)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:1.2.3.4", ("a", "1.2.3.4")),
        ("a=1.2.3.4", ("a", "1.2.3.4")),
        ("a:::1", ("a", "::1")),
        ("a=[2001:DB8::7]", ("a", "2001:db8::7")),
        ("a:[::1]", ("a", "::1")),
    ],
)
def test_hosts(text: str, expected: tuple[str, str]) -> None:
    assert parse_hosts([text]) == (expected,)


def test_limits() -> None:
    assert parse_limits(["nofile=10:20", "core=0", "nproc=-1"]) == (
        Limit(resource=resource.RLIMIT_NOFILE, soft=10, hard=20),
        Limit(resource=resource.RLIMIT_CORE, soft=0, hard=0),
        Limit(resource=resource.RLIMIT_NPROC, soft=-1, hard=-1),
    )


def test_the_rest() -> None:
    assert (parse_shm_size("2g"), parse_network("none"), parse_network("")) == (2 << 30, Network.NONE, Network.DEFAULT)
    assert allows_insecure(["network.host", "security.insecure"])
    assert not allows_insecure(["network.host"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ""),
        (["BUILDKIT_SANDBOX_HOSTNAME=a.b"], "a.b"),
        (["BUILDKIT_SANDBOX_HOSTNAME=a", "BUILDKIT_SANDBOX_HOSTNAME="], ""),
        (["X=y", "BUILDKIT_SANDBOX_HOSTNAME"], "of-the-job"),
    ],
)
def test_the_machines_own_name(arguments: list[str], expected: str) -> None:
    assert hostname_of(read_build_args(arguments, {"BUILDKIT_SANDBOX_HOSTNAME": "of-the-job"})) == expected


@pytest.mark.parametrize("name", ["x" * 65, "ä" * 33, "a\nb"])
def test_a_name_that_no_machine_can_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="invalid --build-arg"):
        hostname_of({"BUILDKIT_SANDBOX_HOSTNAME": name})


@pytest.mark.parametrize(
    ("read", "value", "said"),
    [
        (parse_hosts, ["a"], "NAME:ADDRESS"),
        (parse_hosts, ["a:b"], "'b' is no address"),
        (parse_hosts, ["a b:1.2.3.4"], "invalid --add-host"),
        (parse_hosts, ["a\nb:1.2.3.4"], "invalid --add-host"),
        (parse_hosts, ["a:host-gateway"], "no gateway"),
        (parse_limits, ["nofile"], "NAME=SOFT"),
        (parse_limits, ["files=1"], "no limit 'files'"),
        (parse_limits, ["nofile=2:1"], "above the hard"),
        (parse_limits, ["nofile=-1:1"], "above the hard"),
        (parse_limits, ["nofile=x"], "'x' is no number"),
        (parse_limits, ["nofile=--1"], "no number"),
        (parse_shm_size, "x", "invalid --shm-size"),
        (parse_shm_size, "0", "more than nothing"),
        (parse_network, "bridge", "invalid --network 'bridge'"),
        (allows_insecure, ["device"], "unknown entitlement 'device'"),
    ],
)
def test_what_is_refused(read: Callable[[object], object], value: object, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(value)
    assert said in f"{caught.value.message} [{caught.value.hint}]"
