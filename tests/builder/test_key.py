"""A key changes with everything that an op says, but for what says nothing about its layer."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.giturl import GitUrl
from builder.image.digest import Digest
from builder.image.platform import Platform
from builder.key import CacheKey, base_key, described, lineage, note_key, op_key, together
from builder.ops import (
    Access,
    BindMount,
    CacheMount,
    Copy,
    Exec,
    FromContext,
    FromImage,
    FromNamedContext,
    FromStage,
    FromUrl,
    InlineFile,
    Location,
    MakeDir,
    Mount,
    Network,
    Op,
    SecretMount,
    Sharing,
    SshMount,
    TmpfsMount,
)

ROOT = Access(mode=0o400)
BASE = base_key([Digest.of(b"base")], Platform(os="linux", architecture="amd64"))
RUN = Exec(argv=("sh", "-c", "x"), env=(("A", "1"), ("http_proxy", "p")), unkeyed_env=("http_proxy",))
COPY = Copy(source=FromContext(), paths=("a", "b"), destination="/x/")
FETCH = Copy(source=FromContext(), paths=("u",), destination="/x", remotes=(("u", FromUrl(url="u", name="n")),))
MOUNTS = (
    BindMount(target="/b", source=FromImage(reference="i"), path="/p"),
    CacheMount(target="/c", id="c"),
    TmpfsMount(target="/t"),
    SecretMount(id="s", target="/s", access=ROOT),
    SshMount(id="h", target="/h", access=ROOT),
)


def key(op: Op, *inputs: str, parent: CacheKey = BASE, **surroundings: Any) -> CacheKey:
    return op_key(parent, op, inputs, surroundings)


def mounted(**changes: object) -> Exec:
    """RUN with the mounts above, one of them changed: `bind_target=…`."""
    kinds: dict[str, Mount] = dict(zip(("bind", "cache", "tmpfs", "secret", "ssh"), MOUNTS, strict=True))
    for name, value in changes.items():
        kind, _, attribute = name.partition("_")
        kinds[kind] = replace(kinds[kind], **{attribute: value})  # type: ignore[arg-type]
    return replace(RUN, mounts=tuple(kinds.values()))


DIFFERENT: list[tuple[Op, Op]] = [
    (RUN, replace(RUN, argv=("sh", "-c", "y"))),
    (RUN, replace(RUN, argv=("sh", "-c x"))),
    (RUN, replace(RUN, env=(("A", "2"), ("http_proxy", "p")))),
    (RUN, replace(RUN, unkeyed_env=())),
    (RUN, replace(RUN, cwd="/w")),
    (RUN, replace(RUN, user="1")),
    (RUN, replace(RUN, network=Network.NONE)),
    (RUN, replace(RUN, insecure=True)),
    (RUN, replace(RUN, script=InlineFile(name="EOF", content="x"))),
    (RUN, mounted()),
    (mounted(), replace(mounted(), mounts=MOUNTS[::-1])),
    *((mounted(), mounted(**{name: value})) for name, value in {
        "bind_target": "/x", "bind_path": "/x", "bind_read_only": False, "cache_target": "/x",
        "cache_source": FromContext(), "cache_path": "/x", "cache_access": ROOT,
        "cache_read_only": True, "tmpfs_target": "/x", "tmpfs_size": 1, "tmpfs_read_only": True, "secret_id": "x",
        "secret_target": None, "secret_env": "X", "secret_required": True, "secret_access": Access(mode=0o444),
        "ssh_id": "x", "ssh_target": "/x", "ssh_required": True, "ssh_access": Access(mode=0o444),
    }.items()),
    (COPY, replace(COPY, paths=("a",))),
    (COPY, replace(COPY, files=(InlineFile(name="f", content="x"),))),
    (COPY, replace(COPY, destination="/x")),
    (COPY, replace(COPY, chown="1:1")),
    (COPY, replace(COPY, chmod="644")),
    (COPY, replace(COPY, unpack=True)),
    (COPY, replace(COPY, exclude=("c",))),
    (COPY, replace(COPY, parents=True)),
    (COPY, replace(COPY, link=True)),
    (replace(COPY, parents=True), replace(COPY, parents=True, paths=("a", "c"))),
    (COPY, replace(COPY, source=FromImage(reference="i"))),
    (replace(COPY, source=FromImage(reference="i")), replace(COPY, source=FromImage(reference="i"), paths=("a", "c"))),
    (FETCH, replace(FETCH, remotes=(("u", FromUrl(url="u", name="n", unpack=True)),))),
    (FETCH, replace(FETCH, remotes=(("u", FromUrl(url="u", name="m")),))),
    (COPY, MakeDir(path="/x/")),
    (MakeDir(path="/x"), MakeDir(path="/y")),
    (MakeDir(path="/x"), MakeDir(path="/x", user="1")),
]  # fmt: skip

SAME: list[tuple[Op, Op]] = [
    (RUN, replace(RUN, location=Location(start=7, end=8))),
    (RUN, replace(RUN, env=(("A", "1"), ("http_proxy", "q")))),
    (RUN, replace(RUN, env=(("A", "1"),), unkeyed_env=())),
    (COPY, replace(COPY, paths=("other/a", "b"))),
    (replace(COPY, source=FromStage(index=1)), replace(COPY, source=FromStage(index=2))),
    (replace(COPY, source=FromImage(reference="i")), replace(COPY, source=FromImage(reference="j", hint="h"))),
    (replace(COPY, source=FromNamedContext(name="a")), replace(COPY, source=FromNamedContext(name="b"))),
    (FETCH, replace(FETCH, paths=("v",), remotes=(("v", FromUrl(url="v", name="n", checksum="c")),))),
    (mounted(), mounted(cache_id="x")),
    (mounted(), mounted(cache_sharing=Sharing.LOCKED)),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_an_op_says_is_in_its_key(one: Op, other: Op) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_says_nothing_of_the_layer_is_not(one: Op, other: Op) -> None:
    assert key(one) == key(other)


def test_every_field_of_an_op_and_its_mounts_is_tried() -> None:
    """A new field needs a row above."""
    tried = {(type(one), name.name) for one, other in DIFFERENT + SAME for name in fields(one) if _differ(one, other, name.name)}
    assert {(type(op), name.name) for op in (RUN, COPY, MakeDir(path="/")) for name in fields(op)} - tried == {
        (Copy, "location"),
        (MakeDir, "location"),
    }
    rows = [(one, other) for one, other in DIFFERENT + SAME if isinstance(one, Exec) and isinstance(other, Exec)]
    pairs = [pair for one, other in rows for pair in zip(one.mounts, other.mounts, strict=False)]
    mounts = {(type(a), name.name) for a, b in pairs if type(a) is type(b) for name in fields(a) if _differ(a, b, name.name)}
    assert {(type(mount), name.name) for mount in MOUNTS for name in fields(mount)} - mounts == {(BindMount, "source")}


def _differ(one: object, other: object, name: str) -> bool:
    return hasattr(other, name) and getattr(one, name) != getattr(other, name)


def test_parent_inputs_and_surroundings_are_in_the_key() -> None:
    keys = [
        key(RUN),
        key(RUN, "a"),
        key(RUN, "a", "b"),
        key(RUN, "ab"),
        key(RUN, "b", "a"),
        key(RUN, parent=key(RUN)),
        key(RUN, epoch=0),
        key(RUN, epoch=None),
        key(RUN, hosts=[]),
    ]
    assert len(set(keys)) == len(keys)


def test_the_kinds_of_keys_never_meet() -> None:
    one, platform = key(RUN), Platform(os="linux", architecture="arm64")
    keys = [
        one,
        together(one),
        lineage(one, one, None),
        lineage(one, one, Digest.of(b"")),
        note_key(one, None),
        base_key((), platform),
    ]
    assert len({*keys, BASE, base_key([Digest.of(b"base")], platform)}) == len(keys) + 2


def test_a_git_sources_place_is_not_in_the_key() -> None:
    git = GitUrl(remote="https://h/r.git", ref="main")
    assert described(git) == described(replace(git, remote="https://mirror/r.git", ref="other"))


texts = st.lists(st.text(max_size=4), max_size=4)


@given(texts, texts, texts, texts)
def test_words_are_never_joined(argv: list[str], inputs: list[str], other_argv: list[str], other_inputs: list[str]) -> None:
    one = key(replace(RUN, argv=tuple(argv)), *inputs)
    other = key(replace(RUN, argv=tuple(other_argv)), *other_inputs)
    assert (one == other) == ((argv, inputs) == (other_argv, other_inputs))


@given(st.text())
def test_any_text_has_a_key(text: str) -> None:
    json.dumps(described(replace(RUN, argv=(text, "\udcff"))))
    assert len(key(replace(RUN, argv=(text, "\udcff"))).hex) == 64
