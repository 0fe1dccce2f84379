"""ADD from a server that asks who comes: the answer is a secret of the build."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.masu import Masu, write_context

TOKEN = "token-of-the-test"


@pytest.fixture
def server() -> Iterator[str]:
    """HOST:PORT of a server that gives a file to whoever has the token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            self.send_response(200 if allowed else 401)
            self.send_header("Content-Length", "7" if allowed else "0")
            self.end_headers()
            self.wfile.write(b"private" if allowed else b"")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_a_token_given_as_a_secret_is_sent(server: str, tmp_path: Path) -> None:
    masu = Masu(state=tmp_path / "state", env={"TOKEN": TOKEN})
    context = write_context(tmp_path / "context", f"FROM scratch\nADD http://{server}/file /file\n")
    done = masu("build", "-v", "debug", "-t", "x", "--secret", "id=HTTP_AUTH_TOKEN_127.0.0.1,env=TOKEN", context)
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stderr


def test_without_it_the_error_says_which_secret_is_missing(server: str, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", f"FROM scratch\nADD http://{server}/file /file\n")
    done = Masu(state=tmp_path / "state")("build", "-t", "x", context)
    assert done.returncode == 1
    assert "HTTP_AUTH_TOKEN_127.0.0.1" in done.stderr
