from __future__ import annotations

import ssl
import stat
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from builder.context import Origin
from builder.context.http import Web
from builder.errors import ContextError
from builder.image.digest import Digest
from builder.retry import Retry
from tests.support.certificates import make_identity
from tests.support.elsewhere import MODIFIED, TEXT, Elsewhere


class _Pauses:
    def __init__(self) -> None:
        self.slept: list[float] = []

    def web(self, env: Mapping[str, str] | None = None, **details: object) -> Web:
        return Web(env or {}, user_agent="masu/test", retry=Retry(sleep=self.slept.append, jitter=lambda: 0.0), **details)  # type: ignore[arg-type]


@pytest.fixture
def pauses() -> _Pauses:
    return _Pauses()


def test_a_file_has_the_servers_time_and_is_its_owners_alone(elsewhere: Elsewhere, pauses: _Pauses, tmp_path: Path) -> None:
    pauses.web().download(f"{elsewhere.http}/file.txt", tmp_path / "x")
    status = (tmp_path / "x").stat()
    assert ((tmp_path / "x").read_bytes(), stat.S_IMODE(status.st_mode), status.st_mtime) == (TEXT, 0o600, MODIFIED)


@pytest.mark.parametrize(("path", "time"), [("/no-time", 0), ("/bad-time", 0), ("/asctime", MODIFIED), ("/moved", MODIFIED)])
def test_times(elsewhere: Elsewhere, pauses: _Pauses, tmp_path: Path, path: str, time: int) -> None:
    pauses.web().download(elsewhere.http + path, tmp_path / "x")
    assert (tmp_path / "x").stat().st_mtime == time


def test_a_wrong_digest_tells_both(elsewhere: Elsewhere, pauses: _Pauses, tmp_path: Path) -> None:
    wrong = Digest.of(b"other")
    with pytest.raises(ContextError, match=f"{Digest.of(TEXT)}, expected {wrong}"):
        pauses.web().download(f"{elsewhere.http}/file.txt", tmp_path / "x", checksum=wrong)


def test_what_may_pass_is_tried_again(elsewhere: Elsewhere, pauses: _Pauses, tmp_path: Path) -> None:
    pauses.web().download(f"{elsewhere.http}/flaky/2/file.txt", tmp_path / "x", checksum=Digest.of(TEXT))
    assert pauses.slept == [0.0, 0.0]  # as Retry-After says


@pytest.mark.parametrize(
    ("path", "says", "tries"),
    [
        ("/status/500", "500 Internal Server Error", 5),
        ("/status/404", "404 Not Found$", 1),
        ("/status/410", "410 Gone", 1),
        ("/short", "broke off|ended after", 5),
        ("/broken", "broke off|ended after", 5),
        ("/loop", "more than 10 redirects", 1),
        ("/private", "401", 1),
    ],
)
def test_failures(elsewhere: Elsewhere, pauses: _Pauses, tmp_path: Path, path: str, says: str, tries: int) -> None:
    with pytest.raises(ContextError, match=says) as caught:
        pauses.web().download(f"{elsewhere.http}{path}", tmp_path / "x")
    assert (len(pauses.slept), caught.value.message.endswith(f"(tried {tries} times)")) == (tries - 1, tries > 1)


def test_credentials_and_queries_are_not_shown(elsewhere: Elsewhere, pauses: _Pauses, tmp_path: Path) -> None:
    url = elsewhere.http.replace("//", "//user:hidden@") + "/status/403?token=hidden"
    with pytest.raises(ContextError) as caught:
        pauses.web().download(url, tmp_path / "x")
    assert "hidden" not in caught.value.message + caught.value.hint


def test_a_password_in_the_url_is_given(elsewhere: Elsewhere, pauses: _Pauses, tmp_path: Path) -> None:
    pauses.web().download(elsewhere.http.replace("//", "//user:secret@") + "/private", tmp_path / "x")


@pytest.mark.parametrize(
    "secrets", [{"HTTP_AUTH_TOKEN_127.0.0.1": b"a-token\n"}, {"HTTP_AUTH_HEADER_127.0.0.1": b"Bearer a-token"}]
)
def test_secrets_are_given_to_their_host(
    elsewhere: Elsewhere, pauses: _Pauses, tmp_path: Path, secrets: Mapping[str, bytes]
) -> None:
    pauses.web(secret=secrets.get).download(f"{elsewhere.http}/private", tmp_path / "x")


def test_a_redirect_to_another_host_gets_no_secret(elsewhere: Elsewhere, pauses: _Pauses, tmp_path: Path) -> None:
    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"{elsewhere.http}/private")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Redirect) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(ContextError, match="401"):
            pauses.web(secret=lambda name: b"a-token" if "TOKEN" in name else None).download(
                f"http://127.0.0.1:{server.server_port}/", tmp_path / "x"
            )


LOCATIONS = [
    "http://evil.test/x", "http://home.example.evil.test/x", "http://evilhome.example/x", "http://home.example./x",
    "http://home.example:81/x", "http://home.example@evil.test/x", "http://home.example:80@evil.test/x",
    "http://user:password@evil.test/x", "http://evil.test\\@home.example/x", "http://evil.test#@home.example/x",
    "http://evil.test;@home.example/x", "http://home.example%2f@evil.test/x", "http://home.example\t.evil.test/x",
    "http://home.example .evil.test/x", "//evil.test/x", "http://évil@home.example/x",
]  # fmt: skip


@pytest.mark.parametrize("location", LOCATIONS)
def test_what_authorizes_goes_to_its_own_host_only(pauses: _Pauses, tmp_path: Path, location: str) -> None:
    """A proxy stands for every host there could be."""
    seen: list[tuple[str, str | None]] = []

    class Everywhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization")))
            self.send_response(404 if len(seen) > 1 else 302)
            self.send_header("Location", location)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Everywhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        web = pauses.web(
            {"HTTP_PROXY": f"http://127.0.0.1:{server.server_port}"}, secret={"HTTP_AUTH_TOKEN_home.example": b"t"}.get
        )
        with pytest.raises(ContextError):
            web.download("http://home.example/start", tmp_path / "x")
        server.shutdown()
    assert seen[0] == ("http://home.example/start", "Bearer t")
    assert [place for place, authorization in seen[1:] if authorization and not place.startswith("http://home.example/")] == []


@pytest.mark.parametrize("url", ["http://", "http:///x", "https://[::1/"])
def test_what_is_no_url_is_said_so(pauses: _Pauses, tmp_path: Path, url: str) -> None:
    with pytest.raises(ContextError):
        pauses.web().download(url, tmp_path / "x")
    assert not pauses.slept


@pytest.mark.parametrize("mark", ["/", "#", "?", "\u2100"])
def test_what_is_no_url_for_its_password_is_told_without_it(pauses: _Pauses, tmp_path: Path, mark: str) -> None:
    for action in (lambda url: pauses.web().download(url, tmp_path / "x"), lambda url: pauses.web().put(url, b"")):
        with pytest.raises(ContextError) as caught:
            action(f"https://ann:hidden{mark}x@h.example/x")
        assert "hidden" not in caught.value.message


def test_the_environments_proxy_is_used_and_no_proxy_heeded(elsewhere: Elsewhere, pauses: _Pauses, tmp_path: Path) -> None:
    nowhere = {"HTTP_PROXY": "http://127.0.0.1:9"}
    pauses.web({**nowhere, "NO_PROXY": "127.0.0.1"}).download(f"{elsewhere.http}/file.txt", tmp_path / "x")
    pauses.web(nowhere).download(f"{elsewhere.http}/file.txt", tmp_path / "this machine")
    with pytest.raises(ContextError):
        pauses.web(nowhere).download(elsewhere.http.replace("127.0.0.1", "2130706433") + "/file.txt", tmp_path / "x")


def test_a_ca_file_of_the_environment_is_trusted(pauses: _Pauses, tmp_path: Path) -> None:
    class Hello(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(TEXT)))
            self.end_headers()
            self.wfile.write(TEXT)

        def log_message(self, format: str, *args: object) -> None:
            pass

    identity = make_identity(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate_path, identity.key_path)
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_port}/"
        with pytest.raises(ContextError, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed") as caught:
            pauses.web().download(url, tmp_path / "x")
        pauses.web({"SSL_CERT_FILE": str(identity.certificate_path)}).download(url, tmp_path / "x")
        server.shutdown()
    assert "SSL_CERT_FILE" in caught.value.hint
    assert (tmp_path / "x").read_bytes() == TEXT


def test_a_download_tells_where_it_came_from_without_passwords(elsewhere: Elsewhere, pauses: _Pauses, tmp_path: Path) -> None:
    url = elsewhere.http.replace("//", "//user:secret@") + "/private?token=1"
    origin = pauses.web().download(url, tmp_path / "x")
    assert origin == Origin(url=f"{elsewhere.http}/private", algorithm="sha256", hex=Digest.of((tmp_path / "x").read_bytes()).hex)
