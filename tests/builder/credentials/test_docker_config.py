from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from builder.credentials import DRIVERS, Chain, Credential, Credentials, from_environment
from builder.credentials.docker_config import HUB_KEY, DockerConfig
from builder.errors import BuilderError
from builder.image.reference import Reference, Repository


def repository(text: str) -> Repository:
    return Reference.parse(text).repository


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def inline(document: Mapping[str, Any]) -> dict[str, str]:
    return {"DOCKER_AUTH_CONFIG": json.dumps(document)}


def found(env: Mapping[str, str], text: str) -> str | None:
    """`user:password` of what is found."""
    credential = DockerConfig(env).find(repository(text))
    return None if credential is None else f"{credential.username}:{credential.password}"


def write(path: Path, document: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        ("reg.example", "reg.example/a"), ("https://reg.example", "reg.example/a"), ("https://reg.example/v2/", "reg.example/b"),
        ("reg.example/a", "reg.example/a/b"), ("reg.example:443", "reg.example/a"), ("reg.example", "reg.example:443/a"),
        ("reg.example:5000", "reg.example:5000/a"), (HUB_KEY, "debian"), ("docker.io", "debian"),
        ("index.docker.io", "ann/app"), ("registry-1.docker.io", "ann/app"), ("docker.io/ann", "ann/app"),
        ("http://127.0.0.1:5000", "127.0.0.1:5000/a"),
    ],
)  # fmt: skip
def test_a_key_is_found_however_it_is_written(key: str, asked: str) -> None:
    assert found(inline({"auths": {key: auth("u:p")}}), asked) == "u:p"


def test_the_variable_may_name_a_file_and_goes_before_the_others(tmp_path: Path) -> None:
    """As one of GitLab's of the type File does."""
    named = write(tmp_path / "p.tmp/DOCKER_AUTH_CONFIG", {"auths": {"reg.example": auth("u:p")}})
    write(tmp_path / ".docker/config.json", {"auths": {"reg.example": auth("x:y"), "else.example": auth("a:b")}})
    env = {"DOCKER_AUTH_CONFIG": str(named), "HOME": str(tmp_path)}
    assert (found(env, "reg.example/a"), found(env, "else.example/a")) == ("u:p", "a:b")


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        ("reg.example", "reg.example.evil.test/a"), ("reg.example", "evil-reg.example/a"), ("reg.example", "reg.example:5000/a"),
        ("reg.example:5000", "reg.example/a"), ("reg.example/team", "reg.example/team2"), ("reg.example/a/b", "reg.example/a"),
        (HUB_KEY, "docker.io.evil.test/a"), ("docker.io", "hub.docker.io/a/b"), ("reg.example", "sub.reg.example/a"),
        (f"{HUB_KEY}access-token", "debian"),
    ],
)  # fmt: skip
def test_look_alikes_get_nothing(key: str, asked: str) -> None:
    assert found(inline({"auths": {key: auth("u:p")}}), asked) is None


def test_the_longest_prefix_wins() -> None:
    env = inline({"auths": {"r.example": auth("a:1"), "r.example/x/y": auth("c:3"), "r.example/x": auth("b:2")}})
    names = ["r.example/z", "r.example/x/z", "r.example/x/y", "r.example/x/y/z"]
    assert [found(env, name) for name in names] == ["a:1", "b:2", "c:3", "c:3"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (auth("ann:a:b"), Credential(username="ann", password="a:b")),
        ({"username": "ann", "password": "x"}, Credential(username="ann", password="x")),
        (auth("<token>:tok"), Credential(identity_token="tok")),
        ({"identitytoken": "tok"}, Credential(identity_token="tok")),
        (auth("ann:") | {"identitytoken": "tok"}, Credential(username="ann", identity_token="tok")),
        ({"registrytoken": "tok"}, Credential(registry_token="tok")),
        ({"email": "ann@example.com"}, None),
        (auth("ann:x") | {"identitytoken": None, "registrytoken": None}, Credential(username="ann", password="x")),
        ({"auth": "YW5uOmEg\r\ncGhyYXNl\n"}, Credential(username="ann", password="a phrase")),
        ({"auth": "YW5uOvw="}, Credential(username="ann", password="\udcfc")),
        ({}, None),
    ],
)
def test_every_kind_of_entry_is_read(entry: Mapping[str, str], expected: Credential | None) -> None:
    assert DockerConfig(inline({"auths": {"r.example": entry}})).find(repository("r.example/a")) == expected


def test_a_variable_that_is_not_utf_8_is_malformed() -> None:
    with pytest.raises(BuilderError, match="malformed credentials in DOCKER_AUTH_CONFIG"):
        found({"DOCKER_AUTH_CONFIG": '{"auths": {"f\udcfcnf": {}}}'}, "r.example/a")


def test_the_empty_entry_of_a_helper_hides_no_other_spelling() -> None:
    assert found(inline({"auths": {HUB_KEY: auth("u:p"), "docker.io": {}}}), "debian") == "u:p"


def test_a_credential_shows_no_secret() -> None:
    shown = repr(Credential(username="ann", password="pw1", identity_token="it1", registry_token="rt1"))
    assert shown == "Credential(username='ann', password=<secret>, identity_token=<secret>, registry_token=<secret>)"


def test_the_sources_are_asked_in_order(tmp_path: Path) -> None:
    env = {
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "HOME": str(tmp_path / "home"),
        "REGISTRY_AUTH_FILE": str(write(tmp_path / "auth.json", {"auths": {"r.example": auth("auth-file:x")}})),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }
    write(tmp_path / "run" / "containers" / "auth.json", {"auths": {"r.example": auth("runtime:x")}})
    order = []
    for text, path in (
        ("runtime:x", None),
        ("home:x", tmp_path / "home" / ".docker" / "config.json"),
        ("docker:x", tmp_path / "docker" / "config.json"),
    ):
        if path:
            write(path, {"auths": {"r.example": auth(text)}})
        order.append(found(env, "r.example/a"))
    order.append(found({**env, **inline({"auths": {"r.example": auth("variable:x")}})}, "r.example/a"))
    assert order == ["auth-file:x", "home:x", "docker:x", "variable:x"]
    assert found({"XDG_RUNTIME_DIR": env["XDG_RUNTIME_DIR"]}, "r.example/a") == "runtime:x"


@pytest.mark.parametrize("name", [".docker/config.json", ".docker/.dockerconfigjson"])
def test_kubernetes_secrets_are_read_as_they_are_mounted(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, {"auths": {"r.example": auth("u:p")}})
    assert found({"HOME": str(tmp_path)}, "r.example/a") == "u:p"


def test_the_oldest_form_is_read(tmp_path: Path) -> None:
    write(tmp_path / ".dockercfg", {HUB_KEY: auth("u:p")})
    assert found({"HOME": str(tmp_path)}, "debian") == "u:p"


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": [1]}', '{"credsStore": 1}'])
def test_a_malformed_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BuilderError, match=r"malformed credentials in '.*/config\.json': "):
        DockerConfig({"DOCKER_CONFIG": str(tmp_path)})


@pytest.mark.parametrize("entry", ["text", {"auth": "%%%"}, auth("no-colon"), {"auth": 1}, {"auth": "ä"}, {"username": ["x"]}])
def test_a_malformed_entry_fails_only_who_needs_it(entry: object) -> None:
    env = inline({"auths": {"r.example": entry, "other.example": auth("u:p")}})
    assert found(env, "other.example/a") == "u:p"
    with pytest.raises(BuilderError, match=r"malformed credentials in DOCKER_AUTH_CONFIG: .*'r.example'"):
        found(env, "r.example/a")


def test_a_file_that_changed_is_read_again_and_one_that_vanished_is_remembered(tmp_path: Path) -> None:
    path = write(tmp_path / "config.json", {"auths": {"r.example": auth("u:old")}})
    config = DockerConfig({"DOCKER_CONFIG": str(tmp_path)})
    write(path, {"auths": {"r.example": auth("u:newer")}})
    assert config.find(repository("r.example/a")) == Credential(username="u", password="newer")
    path.unlink()
    assert config.find(repository("r.example/a")) == Credential(username="u", password="newer")


def helper(directory: Path, name: str, script: str) -> dict[str, str]:
    directory.mkdir(exist_ok=True)
    path = directory / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{directory}:{os.defpath}"}


def test_a_helper_is_asked_for_the_server(tmp_path: Path) -> None:
    script = """read -r server; printf '{"ServerURL":"%s","Username":"%s","Secret":"s3"}' "$server" "$1-$server" """
    path = helper(tmp_path / "bin", "test", script)
    env = {**path, **inline({"credHelpers": {"r.example": "test"}, "auths": {"r.example": auth("u:p")}})}
    assert found(env, "r.example/a") == "get-r.example:s3"
    env = {**path, **inline({"credsStore": "test"})}
    assert found(env, "other.example/a") == "get-other.example:s3"
    assert found(env, "debian") == f"get-{HUB_KEY}:s3"


def test_a_helper_may_give_an_identity_token(tmp_path: Path) -> None:
    env = helper(tmp_path / "bin", "test", """echo '{"Username":"<token>","Secret":"tok"}'""")
    config = DockerConfig({**env, **inline({"credsStore": "test"})})
    assert config.find(repository("r.example/a")) == Credential(identity_token="tok")


def test_a_helper_that_knows_nothing_leaves_it_to_auths(tmp_path: Path) -> None:
    env = helper(tmp_path / "bin", "test", "echo credentials not found in native keychain; exit 1")
    document = {"credsStore": "test", "auths": {"r.example": auth("u:p")}}
    assert found({**env, **inline(document)}, "r.example/a") == "u:p"
    assert found({**env, **inline(document)}, "other.example/a") is None


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo no keychain here; exit 1", "failed for 'r.example': no keychain here"),
        ("echo nonsense", "gave no JSON"),
        ("echo []", "gave no JSON"),
        ("head -c 100000 /dev/zero | tr '\\0' '['", "gave no JSON"),
    ],
)
def test_a_broken_helper_is_an_error(tmp_path: Path, script: str, message: str) -> None:
    env = helper(tmp_path / "bin", "test", script)
    with pytest.raises(BuilderError, match=message):
        found({**env, **inline({"credHelpers": {"r.example": "test"}})}, "r.example/a")


def test_a_helper_that_is_not_installed_is_passed_over_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    document = {"credsStore": "pass", "credHelpers": {"s.example": "ecr-login"}, "auths": {"r.example": auth("u:p")}}
    assert found({"PATH": "/nowhere", **inline(document)}, "r.example/a") == "u:p"
    assert found({"PATH": "/nowhere", **inline(document | {"credsStore": ""})}, "s.example/a") is None
    assert caplog.messages == ["credential helper 'docker-credential-pass', named in DOCKER_AUTH_CONFIG, is not installed"]


def test_the_first_driver_that_knows_wins() -> None:
    empty, full = DockerConfig({}), DockerConfig(inline({"auths": {"r.example": auth("u:p")}}))
    drivers: list[Credentials] = [empty, full]
    assert Chain(drivers).find(repository("r.example/a")) == Credential(username="u", password="p")
    assert Chain(drivers).find(repository("other.example/a")) is None


def test_all_drivers_are_made_from_the_environment() -> None:
    assert len(from_environment({})) == len(DRIVERS)
