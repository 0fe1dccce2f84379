from __future__ import annotations

import base64
import json
import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder.credentials import Credential
from builder.errors import AuthError, RegistryError
from builder.image.digest import Digest
from builder.image.reference import Repository
from builder.registry.auth import Authorizer, Challenge, TokenRequest
from builder.store.copy import copy, load
from tests.builder.registry.support import FakeClock, Known, remote, user
from tests.support.certificates import make_identity
from tests.support.faults import Fault, serve_faults
from tests.support.registry import RunningRegistry, htpasswd, serve_registry
from tests.support.samples import AMD64, sample_image, sample_layer
from tests.support.tokens import Asked, TokenServer, serve_tokens

PASSWORD = "correct horse"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="a, b"', [("basic", {"realm": "a, b"})]),
        (
            'Bearer realm="https://auth.example/token",service=reg,scope="repository:a/b:pull,push"',
            [("bearer", {"realm": "https://auth.example/token", "service": "reg", "scope": "repository:a/b:pull,push"})],
        ),
        (
            'Negotiate, BASIC realm="x", Bearer realm = "y"',
            [("negotiate", {}), ("basic", {"realm": "x"}), ("bearer", {"realm": "y"})],
        ),
        (r'Basic realm="say \"hi\""', [("basic", {"realm": 'say "hi"'})]),
        ("", []),
    ],
)
def test_challenges_are_read(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(item.scheme, item.parameters) for item in Challenge.parse(header)] == expected


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    directory = tmp_path_factory.mktemp("basic")
    with serve_registry(directory, auth=htpasswd(directory, {"ann": PASSWORD})) as running:
        yield running


SOMEWHERE = Repository(host="r.example", path="app")


def asked_for_basic(credential: Credential) -> Authorizer:
    return Authorizer(
        credentials=Known({SOMEWHERE.host: credential}),
        fetch=lambda request: b"",
        clock=lambda: 0.0,
        is_safe=lambda realm: True,
        challenges=(Challenge(scheme="basic"),),
    )


def test_basic_credentials_are_accepted(basic: RunningRegistry) -> None:
    image = sample_image("basic")
    store = remote(basic.host, "basic", credentials=user(basic.host, "ann", PASSWORD))
    copy(image, to=store, names=["1"])
    assert load(store, "1", AMD64).manifest.descriptor == image.manifest.descriptor


@pytest.mark.parametrize(("password", "sent"), [("f\udcfcnf", b"ann:f\xfcnf"), ("fünf", "ann:fünf".encode())])
def test_a_password_is_sent_in_the_bytes_that_a_variable_has(password: str, sent: bytes) -> None:
    granted = asked_for_basic(Credential(username="ann", password=password)).grant(SOMEWHERE, frozenset())
    assert granted.header == f"Basic {base64.b64encode(sent).decode()}"


def test_half_a_character_is_no_password() -> None:
    credential = Credential(username="ann", password=PASSWORD + "\ud800")
    with pytest.raises(AuthError, match="half a character") as error:
        asked_for_basic(credential).grant(SOMEWHERE, frozenset())
    assert PASSWORD not in "".join(traceback.format_exception(error.value))


def test_wrong_basic_credentials_are_named(basic: RunningRegistry) -> None:
    with pytest.raises(AuthError, match="401 UNAUTHORIZED") as error:
        remote(basic.host, "basic", credentials=user(basic.host, "ann", "wr0ng-secret")).resolve("1")
    assert error.value.hint.startswith(f"the registry refused the credentials of user 'ann' for {basic.host!r}")
    assert "wr0ng-secret" not in error.value.message + error.value.hint


def test_missing_basic_credentials_are_asked_for(basic: RunningRegistry) -> None:
    with pytest.raises(AuthError) as error:
        remote(basic.host, "basic").resolve("1")
    assert error.value.hint.startswith(f"no credentials for {basic.host!r} were found")


@dataclass(slots=True)
class Changing:
    """Credentials that somebody renews between two questions."""

    passwords: list[str]

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        password = self.passwords.pop(0) if len(self.passwords) > 1 else self.passwords[0]
        return Credential(username="ann", password=password)


def test_refused_credentials_are_looked_up_once_more(basic: RunningRegistry) -> None:
    store = remote(basic.host, "changed", credentials=[Changing(["old", PASSWORD])])
    copy(sample_image("changed"), to=store, names=["1"])


@pytest.mark.parametrize("where", ["^HEAD", "^POST", "^PUT .*/blobs/", "^PUT .*/manifests/", "^GET .*/manifests/"])
def test_a_password_that_ends_in_a_long_build_may_be_denied(tmp_path: Path, where: str) -> None:
    """ECR's end after twelve hours, and it answers 403 then."""
    users = {"ann": "of the morning", "bob": "of the evening"}
    with (
        serve_registry(tmp_path, auth=htpasswd(tmp_path, users)) as running,
        serve_faults(running.host, Fault(where=where, times=1, status=403, after=where.count("GET"))) as proxy,
    ):
        source = {proxy.host: Known.basic("ann", users["ann"])}
        store = remote(proxy.host, "long", credentials=[Known(source)])
        store.referrers(Digest.of(b"something else"))
        source[proxy.host] = Known.basic("bob", users["bob"])
        copy(sample_image("long"), to=store, names=["1"])
        store.resolve("1")
        shown = [item.headers["Authorization"] for item in proxy.seen if "Authorization" in item.headers]
        assert (shown[0], shown[-1]) == (Known.header("ann", users["ann"]), Known.header("bob", users["bob"]))


def test_a_denial_is_believed_at_once_while_the_password_is_the_same(basic: RunningRegistry) -> None:
    with serve_faults(basic.host, Fault(where="/manifests/", status=403)) as proxy:
        with pytest.raises(AuthError):
            remote(proxy.host, "denied", credentials=user(proxy.host, "ann", PASSWORD)).resolve("1")
        assert len(proxy.matching("/manifests/")) == 1


@dataclass(frozen=True, slots=True)
class Secured:
    registry: RunningRegistry
    tokens: TokenServer


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    server = TokenServer(identity=make_identity(tmp_path), users={"ann": PASSWORD}, identity_tokens={"refresh-me": "ann"})
    with serve_tokens(server) as tokens, serve_registry(tmp_path, auth=tokens.auth) as running:
        yield Secured(running, tokens)


def test_a_token_is_fetched_once_for_each_set_of_scopes(secured: Secured) -> None:
    store = remote(secured.registry.host, "some/where", credentials=user(secured.registry.host, "ann", PASSWORD))
    copy(sample_image("a", "b"), to=store, names=["1", "2"])
    load(store, "1", AMD64)
    assert secured.tokens.asked == [Asked(user="ann", scopes=("repository:some/where:pull,push",))]


def test_an_identity_token_is_exchanged(secured: Secured) -> None:
    known = Known({secured.registry.host: Credential(identity_token="refresh-me")})
    copy(sample_image("identity"), to=remote(secured.registry.host, "identity", credentials=[known]), names=["1"])
    asked = Asked(user="ann", scopes=("repository:identity:pull,push",), grant_type="refresh_token")
    assert secured.tokens.asked == [asked]


def test_a_registry_token_is_sent_as_it_is(secured: Secured) -> None:
    token = secured.tokens.token("ann", ("repository:direct:pull,push",))
    known = Known({secured.registry.host: Credential(registry_token=token)})
    copy(sample_image("direct"), to=remote(secured.registry.host, "direct", credentials=[known]), names=["1"])
    assert secured.tokens.asked == []


def test_without_credentials_a_token_is_asked_for_anonymously(secured: Secured) -> None:
    with pytest.raises(AuthError) as error:
        remote(secured.registry.host, "anonymous").resolve("1")
    assert secured.tokens.asked[0] == Asked(user="", scopes=("repository:anonymous:pull",))
    assert error.value.hint.startswith("no credentials for")


def test_credentials_that_the_token_server_refuses_are_looked_up_once_more(secured: Secured) -> None:
    """As a cloud's access token of an hour, in a build that takes longer."""
    store = remote(secured.registry.host, "later", credentials=[Changing(["old", PASSWORD])])
    copy(sample_image("later"), to=store, names=["1"])
    assert {asked.user for asked in secured.tokens.asked} == {"ann"}


def test_credentials_that_the_token_server_refuses_are_named(secured: Secured) -> None:
    with pytest.raises(AuthError) as error:
        remote(secured.registry.host, "wrong", credentials=user(secured.registry.host, "ann", "nonsense")).resolve("1")
    assert error.value.message == f"GET {secured.tokens.url}/token: 401 UNAUTHORIZED: incorrect username or password"
    assert "the registry refused the credentials of user 'ann'" in error.value.hint


def test_a_user_without_the_right_to_push_is_told_so(secured: Secured) -> None:
    secured.tokens.rights = lambda _user, _path: {"pull"}
    store = remote(secured.registry.host, "readonly", credentials=user(secured.registry.host, "ann", PASSWORD))
    with pytest.raises(AuthError) as error:
        store.put(sample_layer("readonly").blob)
    assert f"user 'ann' may not push {secured.registry.host}/readonly: give push permission" in error.value.hint


def test_a_token_that_has_expired_unnoticed_is_fetched_again(secured: Secured) -> None:
    secured.tokens.stale = 1
    clock = FakeClock()
    store = remote(secured.registry.host, "stale", credentials=user(secured.registry.host, "ann", PASSWORD), clock=clock)
    copy(sample_image("stale"), to=store, names=["1"])
    assert len(secured.tokens.asked) == 2
    assert clock.slept == []


def test_a_token_is_not_used_to_its_very_end(secured: Secured) -> None:
    clock = FakeClock()
    store = remote(secured.registry.host, "life", credentials=user(secured.registry.host, "ann", PASSWORD), clock=clock)
    copy(sample_image("life"), to=store, names=["1"])
    clock.now += secured.tokens.expires_in - 15
    store.resolve("1")
    assert len(secured.tokens.asked) == 1
    clock.now += 10
    store.resolve("1")
    assert len(secured.tokens.asked) == 2


def test_a_token_that_ends_during_an_upload_restarts_it(secured: Secured) -> None:
    with serve_faults(secured.registry.host, Fault(where="^PUT .*/blobs/uploads/", times=1, status=401)) as proxy:
        store = remote(proxy.host, "middle", credentials=user(proxy.host, "ann", PASSWORD))
        layer = sample_layer("middle", size=1 << 20)
        store.put(layer.blob)
        assert store.has(layer.blob.descriptor)
        assert len(proxy.matching("^POST .*/blobs/uploads/")) == 2
    assert len(secured.tokens.asked) == 2


def test_a_token_may_end_at_any_request(secured: Secured) -> None:
    image = sample_image("any", "request")

    def push_and_pull(number: int, *faults: Fault) -> int:
        with serve_faults(secured.registry.host, *faults) as proxy:
            store = remote(proxy.host, f"any/{number}", credentials=user(proxy.host, "ann", PASSWORD))
            copy(image, to=store, names=["1"])
            for layer in load(store, "1", AMD64).layers:
                layer.blob.open().read()
            return len(proxy.seen)

    for number in range(1, push_and_pull(0)):  # the first asks for the challenge
        secured.tokens.asked.clear()
        push_and_pull(number, Fault(where=".", after=number, times=1, status=401))
        assert len(secured.tokens.asked) == 2, number


@dataclass(frozen=True, slots=True)
class Teams:
    """Each team's repositories have a user of their own, as in a docker config with longer keys."""

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        team = repository.path.partition("/")[0]
        return Credential(username=team, password=f"of {team}")


def test_a_token_for_a_mount_is_not_used_for_the_other_repository() -> None:
    """Its user may not read there, and token servers give less than was asked for without saying so."""
    challenge = Challenge(scheme="bearer", parameters={"realm": "https://auth.example/token"})
    asked: list[str | None] = []

    def fetch(request: TokenRequest) -> bytes:
        asked.append(request.username)
        return json.dumps({"token": request.username}).encode()

    authorizer = Authorizer(
        credentials=Teams(), fetch=fetch, clock=lambda: 0.0, is_safe=lambda realm: True, challenges=(challenge,)
    )
    mine, yours = (Repository(host="r.example", path=f"{team}/app") for team in ("mine", "yours"))
    both = frozenset({"repository:mine/app:push", "repository:yours/app:pull"})
    assert authorizer.grant(mine, both).header == "Bearer mine"
    assert authorizer.grant(mine, both).header == "Bearer mine"
    assert authorizer.grant(yours, frozenset({"repository:yours/app:pull"})).header == "Bearer yours"
    assert asked == ["mine", "yours"]


def test_a_mount_asks_for_both_repositories(secured: Secured) -> None:
    credentials = user(secured.registry.host, "ann", PASSWORD)
    copy(sample_image("both"), to=remote(secured.registry.host, "both/a", credentials=credentials), names=["1"])
    pulled = load(remote(secured.registry.host, "both/a", credentials=credentials), "1", AMD64)
    secured.tokens.asked.clear()
    copy(pulled, to=remote(secured.registry.host, "both/b", credentials=credentials), names=["1"])
    scopes = ("repository:both/a:pull", "repository:both/b:pull,push")
    assert Asked(user="ann", scopes=scopes) in secured.tokens.asked


@pytest.mark.parametrize("realm", ["http://auth.example/token", "ftp://auth.example/", "", "https:///token"])
def test_credentials_do_not_go_to_an_unsafe_realm(registry: RunningRegistry, realm: str) -> None:
    headers = {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}
    with (
        serve_faults(registry.host, Fault(where=".", status=401, headers=headers)) as proxy,
        pytest.raises(AuthError, match="no credentials are sent there"),
    ):
        remote(proxy.host, "realm", credentials=user(proxy.host, "ann", PASSWORD)).resolve("1")


def test_a_redirect_to_another_host_goes_without_authorization(basic: RunningRegistry) -> None:
    store = remote(basic.host, "redirect", credentials=user(basic.host, "ann", PASSWORD))
    layer = sample_layer("redirect")
    store.put(layer.blob)
    path = f"/v2/redirect/blobs/{layer.blob.descriptor.digest}"
    with serve_faults(basic.host) as storage, serve_faults(basic.host) as proxy:
        storage.faults.append(Fault(where=path, status=200, body=layer.blob.open().read()))
        proxy.faults.append(Fault(where=f"GET {path}", status=307, headers={"Location": f"http://{storage.host}{path}?signed=1"}))
        source = remote(proxy.host, "redirect", credentials=user(proxy.host, "ann", PASSWORD))
        assert source.open(layer.blob.descriptor).read() == layer.blob.open().read()
        assert "Authorization" in proxy.matching(path)[0].headers
        assert [(item.what, item.headers.get("Authorization")) for item in storage.seen] == [(f"GET {path}?signed=1", None)]


def test_an_upload_to_another_host_goes_without_authorization(basic: RunningRegistry) -> None:
    with serve_faults(basic.host, Fault(where=".", status=201)) as storage, serve_faults(basic.host) as proxy:
        headers = {"Location": f"http://{storage.host}/upload?session=1"}
        proxy.faults.append(Fault(where="^POST", status=202, headers=headers))
        remote(proxy.host, "elsewhere", credentials=user(proxy.host, "ann", PASSWORD)).put(sample_layer("elsewhere").blob)
        (seen,) = storage.seen
        assert seen.what.startswith("PUT /upload?session=1&digest=sha256%3A")
        assert "Authorization" not in seen.headers


def test_secrets_are_in_no_error_and_no_log(basic: RunningRegistry, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {"Location": "/v2/secrets/blobs/uploads/x?_state=SECRET-STATE"}
    with serve_faults(basic.host, Fault(where="^POST", status=202, headers=headers)) as proxy:
        store = remote(proxy.host, "secrets", credentials=user(proxy.host, "ann", PASSWORD))
        with pytest.raises(RegistryError) as error:
            store.put(sample_layer("secrets").blob)
    told = f"{error.value.message} {error.value.hint} " + " ".join(
        record.getMessage() for record in caplog.records if record.name.startswith("builder")
    )
    assert PASSWORD not in told
    assert "SECRET-STATE" not in told
