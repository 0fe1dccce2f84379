from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import BuilderError, NotFoundError, RegistryError
from builder.image.reference import Reference
from builder.options import RegistryFlags
from builder.remotes import connect
from builder.store.copy import copy, load
from tests.builder.registry.support import remote
from tests.support.certificates import Identity, make_identity
from tests.support.faults import serve_faults
from tests.support.registry import serve_registry
from tests.support.samples import AMD64, sample_image


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (RegistryFlags(registry_certificate=("r",)), "invalid --registry-certificate 'r'"),
        (RegistryFlags(registry_certificate=("r=",)), "invalid --registry-certificate"),
        (RegistryFlags(registry_certificate=("r=/nowhere",)), "no such file: '/nowhere'"),
        (RegistryFlags(registry_certificate=("r={empty}",)), "can't read the certificates in"),
        (RegistryFlags(registry_client_cert=("r={cert}",)), "invalid --registry-client-cert"),
        (RegistryFlags(registry_client_cert=("{cert},{key}",)), "invalid --registry-client-cert"),
        (RegistryFlags(registry_client_cert=("r={cert},",)), "invalid --registry-client-cert"),
        (RegistryFlags(registry_client_cert=("r={cert},/nowhere",)), "no such file: '/nowhere'"),
        (RegistryFlags(registry_client_cert=("r={cert},{empty}",)), "can't use client certificate"),
        (RegistryFlags(registry_client_cert=("r={cert},{other}",)), "can't use client certificate"),
        (RegistryFlags(registry_client_cert=("r={cert},{locked}",)), "can't use client certificate"),
        (RegistryFlags(registry_map=("ghcr.io",)), "invalid --registry-map 'ghcr.io'"),
        (RegistryFlags(registry_mirror=("https://mirror",)), "invalid mirror 'https://mirror'"),
    ],
)
def test_wrong_options_are_told_before_anything_is_done(
    flags: RegistryFlags, message: str, identity: Identity, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    files = {"empty": tmp_path / "empty", "cert": identity.certificate_path, "key": identity.key_path}
    files |= {"other": make_identity(tmp_path / "other").key_path, "locked": identity.locked_key(tmp_path / "locked.pem")}
    files["empty"].write_text("")
    filled = replace(
        flags,
        registry_certificate=tuple(text.format(**files) for text in flags.registry_certificate),
        registry_client_cert=tuple(text.format(**files) for text in flags.registry_client_cert),
    )
    with pytest.raises(BuilderError, match=message):
        connect(filled, {})


def test_a_registry_that_asks_for_a_client_certificate_gets_that_of_its_host(identity: Identity, tmp_path: Path) -> None:
    tls = {"certificate": str(identity.certificate_path), "key": str(identity.key_path)}
    image = sample_image("mutual")
    with serve_registry(tmp_path, tls=tls | {"clientcas": [str(identity.certificate_path)]}) as running:
        reference = Reference.parse(f"{running.host}/mutual:1")
        pair = f"{identity.certificate_path},{identity.key_path}"
        trusting = RegistryFlags(registry_certificate=(f"{running.host}={identity.certificate_path}",))
        showing = replace(trusting, registry_client_cert=(f"{running.host}={pair}",))
        copy(image, to=connect(showing, {})(reference.repository), names=["1"])
        blind = replace(showing, registry_certificate=(), skip_tls_verify_registry=(running.host,))
        load(connect(blind, {})(reference.repository), "1", AMD64)
        elsewhere = replace(trusting, registry_client_cert=(f"other.example={pair}",))
        for flags in (trusting, elsewhere):
            with pytest.raises(RegistryError, match="certificate") as error:
                connect(flags, {})(reference.repository).resolve("1")
            assert f"--registry-client-cert {running.host}=CERT,KEY" in error.value.hint


def test_mirrors_of_the_options_are_read_first(tmp_path: Path) -> None:
    image = sample_image("first")
    with serve_registry(tmp_path) as running, serve_faults(running.host) as mirror, serve_faults(running.host) as own:
        copy(image, to=remote(running.host, "hub/app"), names=["1"])
        store = connect(RegistryFlags(registry_map=(f"{own.host}={mirror.host}/hub",)), {})(
            Reference.parse(f"{own.host}/app").repository
        )
        assert load(store, "1", AMD64).manifest.descriptor == image.manifest.descriptor
        assert own.seen == []
        alone = RegistryFlags(registry_map=(f"{own.host}={mirror.host}/none",), skip_default_registry_fallback=True)
        with pytest.raises(NotFoundError, match=f"{mirror.host}/v2/none/app/manifests/1"):
            load(connect(alone, {})(Reference.parse(f"{own.host}/app").repository), "1", AMD64)
        assert own.seen == []


def test_the_registry_learns_who_asks(tmp_path: Path) -> None:
    with serve_registry(tmp_path) as running, serve_faults(running.host) as proxy:
        repository = Reference.parse(f"{proxy.host}/app").repository
        with pytest.raises(NotFoundError):
            connect(RegistryFlags(), {"UPSTREAM_CLIENT_TYPE": "plugin/2"})(repository).resolve("1")
        assert {item.headers["User-Agent"].partition("/")[0] for item in proxy.seen} == {"masu"}
        assert all(item.headers["User-Agent"].endswith(",plugin/2") for item in proxy.seen)
