"""No credential goes to a host that it isn't for. One proxy plays all hosts and notes what they were sent."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder.credentials import Credential
from builder.errors import BuilderError
from builder.image.blob import Blob
from builder.image.media import OCI_LAYER_GZIP
from builder.image.reference import Reference
from builder.options import RegistryFlags
from builder.registry.options import RegistryOptions
from builder.remotes import connect
from builder.trust import Trust
from tests.builder.registry.support import Known, remote
from tests.support.certificates import Identity, make_identity
from tests.support.everywhere import Everywhere, Reply, Request, serve_everywhere

HOME = "reg.example"
BLOB = Blob.of(b"content", OCI_LAYER_GZIP)
ANN = Known({HOME: Known.basic("ann", "secret")})
HEADER = Known.header("ann", "secret")
ELSEWHERE = [
    "https://evil.test/x",
    f"https://{HOME}.evil.test/x",
    f"https://evil{HOME}/x",
    f"https://{HOME}./x",
    f"https://{HOME}:8443/x",
    f"https://sub.{HOME}/x",
    f"https://{HOME}@evil.test/x",
    f"https://{HOME}:443@evil.test/x",
    f"https://ann:secret@{HOME}.evil.test/x",
    f"https://evil.test\\@{HOME}/x",
    f"https://evil.test#@{HOME}/x",
    f"https://evil.test;@{HOME}/x",
    f"https://{HOME}%2f@evil.test/x",
    f"https://{HOME}\t.evil.test/x",
    "//evil.test/x",
    f"http://{HOME}/x",
]
NAMES = [HOME, "evil.test", f"{HOME}.evil.test", f"evil{HOME}", f"sub.{HOME}", "auth.example", "auth.evil.test"]
LOOK_ALIKES = [
    f"{HOME}.evil.test", f"evil{HOME}", f"sub.{HOME}", "evilgcr.io", "my-gcr.io", "gcr.io.evil.test", "x.azurecr.io.evil.test",
    "docker.io.evil.test", "index.docker.io.evil.test", "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.test", "ghcr.io",
]  # fmt: skip
STATUSES = (301, 302, 303, 307, 308)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"), hosts=[*NAMES, *LOOK_ALIKES])


def options(world: Everywhere, identity: Identity) -> RegistryOptions:
    trust = Trust(file=str(identity.certificate_path), directories=("/nowhere",))
    return RegistryOptions(trust=trust, proxies={"http": world.proxy, "https": world.proxy})


def basic(then: Callable[[Request], Reply]) -> Callable[[Request], Reply]:
    """HOME wants Basic, and does `then`; all others want it, too, and would take anything."""

    def reply(request: Request) -> Reply:
        if not request.authorization:
            return Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="give it to me"'})
        return then(request)

    return reply


@pytest.mark.parametrize("location", ELSEWHERE)
def test_a_redirected_pull_is_without_authorization(identity: Identity, location: str) -> None:
    answers = [Reply(status=status, headers={"Location": location}) for status in STATUSES]
    with serve_everywhere(identity, basic(lambda _: answers[0])) as world:
        store = remote(HOME, "app", credentials=[ANN], options=options(world, identity))
        while answers:
            with pytest.raises(BuilderError):
                store.open(BLOB.descriptor)
            answers.pop(0)
        assert world.authorized() == {(HOME, HEADER)}
        assert all(item.scheme == "https" for item in world.seen if item.authorization)


@pytest.mark.parametrize(("given", "location"), [(HOME, f"https://{HOME}:443/x"), (f"{HOME}:443", f"https://{HOME.upper()}/x")])
def test_a_certificate_is_for_its_host_however_a_url_spells_it(identity: Identity, given: str, location: str) -> None:
    """Registries behind a proxy put https's own port into their URLs."""

    def reply(request: Request) -> Reply:
        return Reply(body=b"content") if request.path == "/x" else Reply(status=307, headers={"Location": location})

    with serve_everywhere(identity, lambda request: Reply() if request.path == "/v2/" else reply(request)) as world:
        trusting = RegistryOptions(proxies={"https": world.proxy}, certificates={given: identity.certificate_path})
        assert remote(HOME, "app", options=trusting).open(BLOB.descriptor).read() == b"content"
        with pytest.raises(BuilderError, match="certificate"):
            remote("auth.example", "app", options=trusting).open(BLOB.descriptor)


@pytest.mark.parametrize("location", ELSEWHERE)
def test_an_upload_elsewhere_is_without_authorization(identity: Identity, location: str) -> None:
    def reply(request: Request) -> Reply:
        if request.method == "HEAD":
            return Reply(status=404)
        return Reply(status=202 if request.method == "POST" else 201, headers={"Location": location})

    with serve_everywhere(identity, basic(reply)) as world:
        store = remote(HOME, "app", credentials=[ANN], options=options(world, identity))
        if location.startswith("http://"):
            store.put(BLOB)  # a registry behind a TLS proxy says so, and is asked by https
        else:
            with pytest.raises(BuilderError):
                store.put(BLOB)
        assert world.authorized() == {(HOME, HEADER)}
        assert all(item.scheme == "https" for item in world.seen)


@pytest.mark.parametrize("location", ELSEWHERE[:-1])
def test_a_host_that_a_registry_is_redirected_to_has_no_say(identity: Identity, location: str) -> None:
    """Its challenge would bring the password to a realm of its own."""

    def reply(request: Request) -> Reply:
        if request.host == HOME:
            return Reply(status=307, headers={"Location": location})
        return Reply(status=401, headers={"WWW-Authenticate": 'Bearer realm="https://auth.evil.test/token",service="x"'})

    with serve_everywhere(identity, reply) as world:
        with pytest.raises(BuilderError):
            remote(HOME, "app", credentials=[ANN], options=options(world, identity)).resolve("1")
        assert world.authorized() == set()


@pytest.mark.parametrize("token", ["t0p\nsecret", "t0psecr\N{LATIN SMALL LETTER E WITH BREVE}t"])
def test_a_token_that_no_header_can_hold_is_not_shown(identity: Identity, token: str) -> None:
    known = Known({HOME: Credential(username="", password="", registry_token=token)})
    with serve_everywhere(identity, basic(lambda _: Reply(status=200))) as world:
        with pytest.raises(BuilderError, match="a header has characters that can't be sent") as error:
            remote(HOME, "app", credentials=[known], options=options(world, identity)).resolve("1")
        assert "t0p" not in "".join(traceback.format_exception(error.value))
        assert world.authorized() == set()


@dataclass(frozen=True, slots=True)
class Realm:
    """HOME with a token server at auth.example, which does `then`."""

    then: Callable[[Request], Reply]

    def __call__(self, request: Request) -> Reply:
        if request.host == "auth.example":
            return self.then(request)
        if request.host == HOME and request.authorization != "Bearer granted":
            challenge = 'Bearer realm="https://auth.example/token",service="reg"'
            return Reply(status=401, headers={"WWW-Authenticate": challenge})
        return Reply(status=404)


def test_the_password_goes_to_the_realm_and_the_token_to_the_registry(identity: Identity) -> None:
    with serve_everywhere(identity, Realm(lambda _: Reply(body=b'{"token": "granted"}'))) as world:
        with pytest.raises(BuilderError, match="404"):
            remote(HOME, "app", credentials=[ANN], options=options(world, identity)).resolve("1")
        assert world.authorized() == {("auth.example", HEADER), (HOME, "Bearer granted")}


@pytest.mark.parametrize("location", ELSEWHERE)
def test_a_realm_that_redirects_takes_nothing_along(identity: Identity, location: str) -> None:
    answers = [Reply(status=status, headers={"Location": location}) for status in (302, 307)]
    with serve_everywhere(identity, Realm(lambda _: answers[0])) as world:
        while answers:
            for credential in (Known.basic("ann", "secret"), Credential(identity_token="refresh-me")):
                with pytest.raises(BuilderError):
                    remote(HOME, "app", credentials=[Known({HOME: credential})], options=options(world, identity)).resolve("1")
            answers.pop(0)
        assert world.authorized() == {("auth.example", HEADER)}
        assert {item.host for item in world.seen if b"refresh-me" in item.body} == {"auth.example"}


@pytest.mark.parametrize("image", [*(f"{host}/app" for host in LOOK_ALIKES), f"{HOME}:8443/app", f"ghcr.io/{HOME}/app"])
def test_look_alikes_of_hosts_with_credentials_get_none(identity: Identity, image: str, tmp_path: Path) -> None:
    entry = {"auth": base64.b64encode(b"ann:secret").decode()}
    hosts = [
        HOME,
        "gcr.io",
        "https://x.azurecr.io",
        "https://index.docker.io/v1/",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    ]
    (tmp_path / "config.json").write_text(json.dumps({"auths": dict.fromkeys(hosts, entry)}))
    with serve_everywhere(identity, basic(lambda _: Reply(status=404))) as world:
        env = {
            "DOCKER_CONFIG": str(tmp_path),
            "HTTPS_PROXY": world.proxy,
            "HTTP_PROXY": world.proxy,
            "SSL_CERT_FILE": str(identity.certificate_path),
        }
        with pytest.raises(BuilderError):
            connect(RegistryFlags(credential_helpers=("",)), env)(Reference.parse(image).repository).resolve("1")
        assert world.seen
        assert world.authorized() == set()


@pytest.mark.parametrize("image", [f"{HOME}/app", f"{HOME.upper()}/app", f"{HOME}:443/app"])
def test_the_same_host_in_another_spelling_gets_its_credentials(identity: Identity, image: str, tmp_path: Path) -> None:
    entry = {"auth": base64.b64encode(b"ann:secret").decode()}
    (tmp_path / "config.json").write_text(json.dumps({"auths": {HOME: entry}}))
    with serve_everywhere(identity, basic(lambda _: Reply(status=404))) as world:
        env = {"DOCKER_CONFIG": str(tmp_path), "HTTPS_PROXY": world.proxy, "SSL_CERT_FILE": str(identity.certificate_path)}
        with pytest.raises(BuilderError, match="404"):
            connect(RegistryFlags(credential_helpers=("",)), env)(Reference.parse(image).repository).resolve("1")
        assert {header for _, header in world.authorized()} == {HEADER}
