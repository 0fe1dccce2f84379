from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from builder.credentials.environment import Environment
from builder.image.reference import Reference
from tests.support.masu import Masu, write_context
from tests.support.registry import htpasswd, serve_registry


def variables(name: str) -> dict[str, str]:
    return {f"KANIKO_{name}_USER": "ann", f"KANIKO_{name}_PASSWORD": "secret"}


def found(env: Mapping[str, str], reference: str) -> bool:
    credential = Environment(env).find(Reference.parse(reference).repository)
    return credential is not None and (credential.username, credential.password) == ("ann", "secret")


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("REGISTRY_EXAMPLE_COM", "registry.example.com/a"), ("REGISTRY_EXAMPLE_COM", "Registry.Example.com:443/a"),
        ("REGISTRY_EXAMPLE_COM_5000", "registry.example.com:5000/a"), ("LOCALHOST_5000", "localhost:5000/a"),
        ("EUROPE_WEST1_DOCKER_PKG_DEV", "europe-west1-docker.pkg.dev/a"), ("MY_TEAM_EXAMPLE_CO_UK", "my-team.example.co.uk/a"),
        ("MY__SHOP_COM", "my-shop.com/a"), ("REGISTRY_MY__SHOP_CO_UK", "registry.my-shop.co.uk/a"),
        ("MY-SHOP.COM", "my-shop.com/a"),
        ("DOCKER_IO", "debian"), ("INDEX_DOCKER_IO", "ann/app"), ("INDEX_DOCKER_IO", "registry-1.docker.io/ann/app"),
    ],
)  # fmt: skip
def test_variables_are_for_the_host_that_they_name(name: str, reference: str) -> None:
    assert found(variables(name), reference)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("EXAMPLE_COM", "registry.example.com/a"), ("COM", "example.com/a"),
        ("REGISTRY_EXAMPLE_COM", "registry.example.com.evil.test/a"),
        ("REGISTRY_EXAMPLE_COM", "registry-example.com/a"), ("REGISTRY_EXAMPLE_COM", "registry.example-com.net/a"),
        ("REGISTRY_EXAMPLE_CO_UK", "registry-example.co.uk/a"), ("REGISTRY_EXAMPLE_COM", "registry.example.com:5000/a"),
        ("REGISTRY_EXAMPLE_COM_5000", "registry.example.com/a"), ("MY_SHOP_COM", "my-shop.com/a"),
        ("DOCKER_IO", "docker.io.evil.test/a"),
    ],
)  # fmt: skip
def test_variables_are_for_no_other_host(name: str, reference: str) -> None:
    assert not found(variables(name), reference)


@pytest.mark.parametrize(("name", "exact"), [("EXAMPLE_COM", "REGISTRY_EXAMPLE_COM"), ("MY_SHOP_COM", "MY__SHOP_COM")])
def test_what_the_fork_would_have_taken_is_explained(name: str, exact: str, caplog: pytest.LogCaptureFixture) -> None:
    host = "registry.example.com" if name == "EXAMPLE_COM" else "my-shop.com"
    assert not found(variables(name), f"{host}/a")
    assert f"KANIKO_{name}_PASSWORD is not shown to {host!r}" in caplog.text
    assert f"KANIKO_{exact}_USER and KANIKO_{exact}_PASSWORD" in caplog.text
    assert "secret" not in caplog.text


def test_a_user_without_a_password_is_nobody() -> None:
    assert not found({"KANIKO_R_EXAMPLE_USER": "ann"}, "r.example/a")


def test_a_real_registry_takes_them(tmp_path: Path) -> None:
    with serve_registry(tmp_path, auth=htpasswd(tmp_path, {"ann": "secret"})) as registry:
        masu = Masu(state=tmp_path / "state", env=variables(registry.host.replace(".", "_").replace(":", "_")))
        context = write_context(tmp_path / "context", "FROM scratch\nCOPY Dockerfile /\n")
        name = f"{registry.host}/team/app:1"
        for arguments in (("build", "-d", name, context), ("pull", name)):
            done = masu(*arguments)
            assert done.returncode == 0, done.stderr
        assert masu("pull", "--credential-helpers", "", name).returncode == 1
