"""Stores that speak S3's protocol in part only; the whole of it, and Amazon's, is in tests/e2e/test_contexts.py."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from builder.context import Means, source_of
from builder.context.source import Archive
from builder.errors import ContextError
from builder.retry import Retry

CONTENT = b"the archive"


@contextmanager
def serve_object(*, tells_size: bool) -> Iterator[str]:
    """The URL of a store that has one object, and knows no ETags."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header(*("Content-Length", str(len(CONTENT))) if tells_size else ("Transfer-Encoding", "chunked"))
            self.end_headers()

        def do_GET(self) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
            assert asked is not None
            assert "If-Match" not in self.headers
            part = CONTENT[int(asked[1]) : int(asked[2]) + 1]
            self.send_response(206)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def fetched(endpoint: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    env = {"S3_ENDPOINT": endpoint, "S3_FORCE_PATH_STYLE": "true"}
    means = Means(env=env, user_agent="masu", stdin=io.BytesIO(), retry=Retry(tries=1))
    archive = source_of("s3", means).fetch("s3://bucket/context.tar", directory)
    assert isinstance(archive, Archive)
    with archive.stream as stream:
        return stream.read()


def test_a_store_without_etags_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_object(tells_size=True) as endpoint:
        assert fetched(endpoint, tmp_path, monkeypatch) == CONTENT


def test_what_tells_no_size_is_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_object(tells_size=False) as endpoint, pytest.raises(ContextError, match="doesn't tell its size"):
        fetched(endpoint, tmp_path, monkeypatch)
