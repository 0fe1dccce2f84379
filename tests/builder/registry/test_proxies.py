from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.context.http import Web
from builder.credentials.http import Client, Question
from builder.errors import BuilderError, RegistryError
from builder.image.reference import Reference, Repository
from builder.options import RegistryFlags
from builder.remotes import connect, transport_of
from builder.store import Store
from builder.store.copy import copy, load
from tests.support.certificates import Identity, make_identity
from tests.support.registry import RunningRegistry, free_port, serve_registry
from tests.support.samples import AMD64, sample_image
from tests.support.tinyproxy import DISGUISED, serve_tinyproxy

IMAGE = sample_image("proxied")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"), hosts=[DISGUISED])


def disguised(running: RunningRegistry) -> str:
    return f"{DISGUISED}:{running.host.rpartition(':')[2]}"


def store(host: str, env: dict[str, str], flags: RegistryFlags | None = None) -> Store:
    repository: Repository = Reference.parse(f"{host}/app").repository
    return connect(flags or RegistryFlags(insecure_registry=(host,)), env)(repository)


@pytest.mark.parametrize("user", ["", "ann"])
def test_a_plain_registry_is_reached_through_the_proxy(registry: RunningRegistry, tmp_path: Path, user: str) -> None:
    host = disguised(registry)
    with serve_tinyproxy(tmp_path, user=user, password="pass") as proxy:
        address = f"http://{user}:pass@{proxy.host}" if user else proxy.host
        env = {"http_proxy": address, "HTTPS_PROXY": address}
        copy(IMAGE, to=store(host, env), names=["1"])
        assert load(store(host, env), "1", AMD64).layers[0].blob.open().read() == IMAGE.layers[0].blob.open().read()
        asked = proxy.requests()
        assert f"CONNECT {host} HTTP/1.0" in asked or f"CONNECT {host} HTTP/1.1" in asked
        assert any(line.startswith(f"GET http://{host}/v2/app/manifests/1 ") for line in asked)


@pytest.mark.parametrize("user", ["", "ann"])
def test_a_tls_registry_is_reached_through_the_proxy(identity: Identity, tmp_path: Path, user: str) -> None:
    tls = {"certificate": str(identity.certificate_path), "key": str(identity.key_path)}
    with serve_registry(tmp_path, tls=tls) as running, serve_tinyproxy(tmp_path, user=user, password="pass") as proxy:
        host = disguised(running)
        address = f"http://{user}:pass@{proxy.host}" if user else f"http://{proxy.host}"
        flags = RegistryFlags(registry_certificate=(f"{host}={identity.certificate_path}",))
        copy(IMAGE, to=store(host, {"HTTPS_PROXY": address}, flags), names=["1"])
        load(store(host, {"HTTPS_PROXY": address}, flags), "1", AMD64)
        assert {line.rpartition(" ")[0] for line in proxy.requests()} == {f"CONNECT {host}"}


def test_no_proxy_and_this_machine_are_reached_directly(registry: RunningRegistry, tmp_path: Path) -> None:
    with serve_tinyproxy(tmp_path) as proxy:
        env = {"HTTP_PROXY": proxy.host, "HTTPS_PROXY": proxy.host, "NO_PROXY": f"x.example,{DISGUISED}"}
        for host in (registry.host, disguised(registry)):
            copy(IMAGE, to=store(host, env), names=["1"])
        assert proxy.requests() == []


def test_a_proxy_that_refuses_the_password_is_named_without_it(identity: Identity, tmp_path: Path) -> None:
    tls = {"certificate": str(identity.certificate_path), "key": str(identity.key_path)}
    with serve_registry(tmp_path, tls=tls) as running, serve_tinyproxy(tmp_path, user="ann", password="pass") as proxy:
        flags = RegistryFlags(registry_certificate=(f"{disguised(running)}={identity.certificate_path}",))
        with pytest.raises(RegistryError, match=r"Tunnel connection failed: 40[17]") as error:
            store(disguised(running), {"HTTPS_PROXY": f"http://ann:wr0ng@{proxy.host}"}, flags).resolve("1")
        assert error.value.hint.startswith("the proxy wants a user and a password")
        assert "wr0ng" not in error.value.message + error.value.hint


UNESCAPED = [
    "http://ann:wr0ng#1@127.0.0.1:9",
    "http://ann:wr0ng/1@127.0.0.1:9",
    "http://ann:wr0ng?1@127.0.0.1:9",
    "http://ann:wr0ng@h:x",
]


@pytest.mark.parametrize("address", UNESCAPED)
def test_a_proxy_that_is_no_url_is_refused_without_its_password(address: str, tmp_path: Path) -> None:
    env = {"HTTPS_PROXY": address}
    actions: tuple[Callable[[], object], ...] = (
        lambda: store("r.example", env).resolve("1"),
        lambda: Web(env, user_agent="masu").download("https://r.example/x", tmp_path / "x"),
        lambda: Client(env).ask(Question(method="GET", url="https://r.example/x")),
    )
    for action in actions:
        with pytest.raises(BuilderError, match="is no URL") as error:
            action()
        assert "wr0ng" not in "".join(traceback.format_exception_only(error.value)) + error.value.hint


def test_a_proxy_that_is_down_is_named_without_its_password(tmp_path: Path) -> None:
    env = {"HTTPS_PROXY": f"http://ann:wr0ng@127.0.0.1:{free_port()}"}
    with pytest.raises(RegistryError, match=r"by the proxy http://127\.0\.0\.1:[0-9]+: Connection refused") as error:
        transport_of(RegistryFlags(), env, credentials=()).reach("r.example")
    assert "wr0ng" not in error.value.message
