from __future__ import annotations

import pytest

from builder.ops import (
    Access,
    BindMount,
    CacheMount,
    Exec,
    FromImage,
    FromStage,
    Mount,
    SecretMount,
    Sharing,
    SshMount,
    TmpfsMount,
)
from tests.support.dockerfiles import failure, history, lowered, steps


def mounts(text: str, build_args: dict[str, str] | None = None) -> tuple[Mount, ...]:
    op = steps(text, build_args=build_args)[-1].op
    assert isinstance(op, Exec)
    return op.mounts


SECRET, SOCKET = Access(mode=0o400), Access(mode=0o600)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("target=/x", BindMount(target="/x")),
        ("type=bind,src=a/../b,dst=x/", BindMount(target="/w/x", path="/b")),
        ("source=../../b,destination=../x", BindMount(target="/x", path="/b")),
        ("target=/x,rw", BindMount(target="/x", read_only=False)),
        ("target=/x,readwrite=false", BindMount(target="/x")),
        ("target=/x,rw,ro", BindMount(target="/x")),
        ("TYPE=BIND,Target=/x,RO=F", BindMount(target="/x", read_only=False)),
        ("target=/x,from=some/image", BindMount(target="/x", source=FromImage(reference="some/image"))),
        ("target=/x,from=0", BindMount(target="/x", source=FromStage(index=0))),
        ("target=/x,from=", BindMount(target="/x")),
        ("target=/x,id=a,env=b", BindMount(target="/x")),
        ("target=$V/${V},source=$V", BindMount(target="/w/v/v", path="/v")),
        ("type=cache,target=x//y/.", CacheMount(target="/w/x/y", id="/x/y")),
        ("type=cache,target=//x", CacheMount(target="/x", id="//x")),
        ("type=cache,target=/x,id=a", CacheMount(target="/x", id="/a")),
        ("type=cache,target=/x,sharing=LOCKED,ro", CacheMount(target="/x", id="//x", sharing=Sharing.LOCKED, read_only=True)),
        ("type=cache,target=/x,uid=5", CacheMount(target="/x", id="//x", access=Access(mode=0o755, uid=5))),
        ("type=cache,target=/x,gid=0,mode=1777", CacheMount(target="/x", id="//x", access=Access(mode=0o777))),
        ("type=cache,target=/x,from=0,source=s,uid=5", CacheMount(target="/x", id="//x", source=FromStage(index=0), path="/s")),
        ("type=cache,target=/x,from=scratch", CacheMount(target="/x", id="//x")),
        ("type=tmpfs,target=/x,size=1k,ro=1", TmpfsMount(target="/x", size=1024, read_only=True)),
        ("type=secret,id=a/b", SecretMount(id="a/b", target="/run/secrets/b", access=SECRET)),
        ("type=secret,target=x/y", SecretMount(id="y", target="/w/x/y", access=SECRET)),
        ("type=secret,src=a,env=B", SecretMount(id="a", target=None, env="B", access=SECRET)),
        (
            "type=secret,id=a,env=B,target=/t,required,uid=1,gid=2,mode=0440",
            SecretMount(id="a", target="/t", env="B", required=True, access=Access(mode=0o440, uid=1, gid=2)),
        ),
        ("type=ssh", SshMount(id="default", target="/run/buildkit/ssh_agent.0", access=SOCKET)),
        ("type=ssh,id=a,target=/s,required=true", SshMount(id="a", target="/s", required=True, access=SOCKET)),
    ],
)
def test_what_a_mount_means(flag: str, expected: Mount) -> None:
    text = f"FROM a\nFROM base\nENV V=v\nWORKDIR /w\nRUN --mount={flag} x"
    op = lowered(text).target.steps[-1].op
    assert isinstance(op, Exec)
    assert op.mounts == (expected,)


def test_mounts_are_in_the_order_of_their_targets_then_secrets_then_sockets() -> None:
    flags = ["type=ssh", "type=secret,id=a", "target=/b/c", "type=ssh,id=z", "type=tmpfs,target=/b", "type=cache,target=/a"]
    found = mounts("RUN " + " ".join(f"--mount={flag}" for flag in flags) + " x")
    assert [mount.target for mount in found] == [
        "/a", "/b", "/b/c", "/run/secrets/a", "/run/buildkit/ssh_agent.0", "/run/buildkit/ssh_agent.1",
    ]  # fmt: skip


def test_a_build_argument_is_the_namespace_of_caches() -> None:
    (found,) = mounts("RUN --mount=type=cache,target=/x,id=i y", {"BUILDKIT_CACHE_MOUNT_NS": "n"})
    assert isinstance(found, CacheMount)
    assert found.id == "n/i"


def test_mounts_are_not_in_the_history() -> None:
    assert history("RUN --mount=type=secret,id=a,env=B x") == ["RUN /bin/sh -c x # buildkit"]


def test_a_stage_that_is_only_mounted_is_built() -> None:
    text = "FROM a AS unused\nRUN a\nFROM a AS tools\nRUN b\nFROM a\nRUN --mount=from=tools,target=/x y"
    assert [stage.name for stage in lowered(text).stages] == ["tools", ""]


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("type=bond,target=/x", "unsupported mount type 'bond' [did you mean 'bind'?]"),
        ("type=cache,target=/x,sharing=share", "unsupported sharing value 'share' [did you mean 'shared'?]"),
        ("targt=/x", "unexpected key 'targt' in 'targt=/x' [did you mean 'target'?]"),
        ("readnly,target=/x", "invalid field 'readnly' must be a key=value pair [did you mean 'readonly'?]"),
        ("target=/x/..", "invalid mount target"),
        ("target=/proc/self", "inside /proc"),
        ("type=secret,id=a,env=", "invalid environment variable ''"),
        ("type=secret,id=a,env=B=C", "invalid environment variable 'B=C'"),
        ("target=/x,from=$y", "'from' doesn't support variable expansion"),
        ("type=tmpfs,target=/x,size=1e3", "invalid value for size: 1e3"),
        ("type=ssh,required=maybe", "invalid value for required: maybe"),
        ("target=${x:?not there}", "x: not there"),
        ("type=tmpfs,target=/x,gid=1", "gid not allowed for 'tmpfs' type mounts"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(flag: str, said: str) -> None:
    message = failure(f"FROM a\nRUN --mount='{flag}' x")
    assert message.startswith("Dockerfile:2: ")
    assert said in message.replace("\n     2 | RUN --mount='" + flag + "' x", "")


def test_only_what_no_variable_can_mend_is_wrong_in_a_stage_that_is_not_needed() -> None:
    lowered("FROM a\nRUN --mount=type=nonsense,target=/ x\nFROM a")
    assert "csv" in failure("FROM a\nRUN --mount='\"' x\nFROM a")
