"""Stores of the clouds that tell who asks them; the real ones are in tests/e2e/test_contexts.py."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from builder.context import Means, source_of
from builder.context.source import Archive
from builder.retry import Retry
from tests.support.answers import Answer, Question, Service, serve_answers

CONTENT = "the archive"
PART = {"Content-Range": f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"}
KEY = {"AZURE_STORAGE_ACCESS_KEY": "a2V5"}


@pytest.fixture(autouse=True)
def _netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login for every host, as somebody has left it at home."""
    (tmp_path / ".netrc").write_text("default login user password stale\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)


def bucket(question: Question) -> Answer:
    if question.fields.get("alt") == "media":
        return Answer(document=CONTENT, status=206, headers=PART)
    return Answer(document={"name": "object", "bucket": "bucket", "size": str(len(CONTENT)), "generation": "1"})


def container(question: Question) -> Answer:
    headers = {"ETag": '"1"', "Last-Modified": "Sun, 09 Sep 2001 01:46:40 GMT", "x-ms-blob-type": "BlockBlob"}
    if question.method == "HEAD":
        return Answer(document=CONTENT, headers=headers)
    return Answer(document=CONTENT, status=206, headers={**headers, **PART})


def authorizations(kind: str, text: str, env: Mapping[str, str], service: Service, directory: Path) -> set[str]:
    """With which the context `text` is read."""
    means = Means(env=env, user_agent="masu", stdin=io.BytesIO(), retry=Retry(tries=1))
    archive = source_of(kind, means).fetch(text, directory)
    assert isinstance(archive, Archive)
    with archive.stream as stream:
        assert stream.read() == CONTENT.encode()
    return {question.headers.get("authorization", "") for question in service.asked}


def test_a_public_bucket_gets_no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_answers(bucket) as service:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{service.host}")
        env = {"STORAGE_EMULATOR_HOST": f"http://{service.host}"}
        assert authorizations("gs", "gs://bucket/object", env, service, tmp_path) == {""}


def test_a_container_gets_the_signature_of_its_key(tmp_path: Path) -> None:
    with serve_answers(container) as service:
        found = authorizations("azure", f"http://{service.host}/account/container/blob", KEY, service, tmp_path)
    assert found
    assert all(header.startswith("SharedKey ") for header in found)


@pytest.mark.parametrize(
    ("kind", "text", "reply"),
    [("gs", "gs://bucket/object", bucket), ("azure", "http://account.blob.core.windows.net/container/blob", container)],
)
def test_stores_are_reached_by_the_proxy_alone(
    kind: str, text: str, reply: Callable[[Question], Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_answers(reply) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://store.test")
        env = {**KEY, "STORAGE_EMULATOR_HOST": "http://store.test", "HTTP_PROXY": f"http://{proxy.host}"}
        assert authorizations(kind, text, env, proxy, tmp_path)
