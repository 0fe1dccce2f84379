from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from builder.credentials.http import Client, Question
from builder.errors import CredentialError
from builder.retry import Transient
from tests.support.answers import Answer, Service, serve_answers
from tests.support.answers import Question as Asked
from tests.support.certificates import make_identity
from tests.support.registry import free_port, serve_registry


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    def answer(asked: Asked) -> Answer:
        documents = {"/long": Answer(document="x" * (1 << 20) + "x"), "/away": Answer(status=302, headers={"Location": "/there"})}
        return documents.get(
            asked.path.removeprefix("http://cloud.test"), Answer(document={"cookie": asked.headers.get("cookie")})
        )

    with serve_answers(answer) as served:
        yield served


def test_a_redirect_is_an_answer_and_followed_by_nobody(service: Service) -> None:
    service.asked.clear()
    assert Client({}).ask(Question(method="GET", url=f"http://{service.host}/away")).status == 302
    assert [asked.path for asked in service.asked] == ["/away"]


def test_an_answer_has_an_end(service: Service) -> None:
    with pytest.raises(CredentialError, match="longer than 1048576 bytes"):
        Client({}).ask(Question(method="GET", url=f"http://{service.host}/long"))


def test_nobody_there_may_pass() -> None:
    with pytest.raises(Transient, match=r"GET http://127\.0\.0\.1:[0-9]+/: Connection refused"):
        Client({}).ask(Question(method="GET", url=f"http://127.0.0.1:{free_port()}/?secret"))


def test_the_environments_proxy_is_used(service: Service) -> None:
    service.asked.clear()
    client = Client({"http_proxy": f"http://{service.host}", "NO_PROXY": "127.0.0.1"})
    assert client.ask(Question(method="GET", url="http://cloud.test/by-proxy")).status == 200
    assert client.ask(Question(method="GET", url=f"http://{service.host}/directly")).status == 200
    assert [(asked.headers["host"], asked.path) for asked in service.asked] == [
        ("cloud.test", "/by-proxy"),
        (service.host, "/directly"),
    ]


@pytest.mark.parametrize("url", ["http://169.254.169.254/token", "http://metadata.google.internal/token"])
def test_a_metadata_server_is_never_asked_by_a_proxy(service: Service, url: str) -> None:
    service.asked.clear()
    with suppress(Transient):  # on most machines there is none
        Client({"HTTP_PROXY": service.host}).ask(Question(method="GET", url=url, seconds=1))
    assert service.asked == []


def test_the_environments_certificates_are_trusted_and_no_others(tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    files = {"certificate": str(identity.certificate_path), "key": str(identity.key_path)}
    with serve_registry(tmp_path, tls=files) as server:
        question = Question(method="GET", url=f"https://{server.host}/v2/")
        assert Client({"SSL_CERT_FILE": files["certificate"]}).ask(question).status == 200
        with pytest.raises(CredentialError, match="certificate verify failed") as caught:
            Client({}).ask(question)
    assert "SSL_CERT_FILE" in caught.value.hint
