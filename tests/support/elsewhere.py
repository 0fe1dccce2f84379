"""What ADD and contexts fetch in tests: a web server that behaves as its paths say, and git repositories, on loopback.

| path | what it gives |
|---|---|
| /file.txt, /a%20b.txt, /dir/ | a text with a Last-Modified of 2001 |
| /no-time, /bad-time, /asctime | the same with none, a meaningless one, one in the oldest form |
| /archive.tgz, /archive.tar.zst, /plain.tar, /cut.tgz | archives of a file that belongs to 12:34; one that ends too early |
| /encoded | Content-Encoding: gzip, asked for or not |
| /named | a Content-Disposition with another name |
| /moved, /moved-out, /loop | redirects: to /file.txt, from a path with a query, to itself |
| /status/N | that status |
| /short, /broken | fewer bytes than announced; a connection reset |
| /private | 401 unless user and password or a token come along |
| /flaky/N/path | 503 for the first N requests |
| /repo.git, /super.git | repositories by the plain HTTP protocol; the second has the first as a submodule |
"""

from __future__ import annotations

import base64
import gzip
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import zstandard

from tests.support.registry import free_port
from tests.support.tree import make_tar, member

TEXT = b"from elsewhere\n"
MODIFIED = 1000000000
_RFC = "Sun, 09 Sep 2001 01:46:40 GMT"
_ARCHIVE = make_tar(
    member("d/", type=b"5", mode=0o750, mtime=MODIFIED),
    (member("d/file", mode=0o640, uid=12, gid=34, mtime=MODIFIED), b"in the archive\n"),
    member("link", type=b"2", linkname="d/file", mtime=MODIFIED),
)
_TIMES = {"/no-time": None, "/bad-time": "yesterday", "/asctime": "Sun Sep  9 01:46:40 2001"}
_BODIES: Mapping[str, bytes] = {
    **dict.fromkeys(
        ("/file.txt", "/a%20b.txt", "/dir/", "/", "/named", "/no-time", "/bad-time", "/asctime", "/we*rd%5B1%5D"), TEXT
    ),
    "/archive.tgz": gzip.compress(_ARCHIVE, mtime=0),
    "/archive.tar.zst": zstandard.ZstdCompressor().compress(_ARCHIVE),
    "/plain.tar": _ARCHIVE,
    "/cut.tgz": gzip.compress(_ARCHIVE[:1300], mtime=0),
    "/Dockerfile": b"FROM scratch\nCOPY . /all/\nLABEL from=elsewhere\n",
    "/context.tgz": gzip.compress(
        make_tar(
            (member("Dockerfile", mtime=MODIFIED), b"FROM scratch\nCOPY . /all/\n"),
            (member("other/Dockerfile", mtime=MODIFIED), b"FROM scratch\nCOPY owned ignored /other/\n"),
            (member(".dockerignore", mtime=MODIFIED), b"ignored\n"),
            (member("owned", uid=12, gid=34, mtime=MODIFIED), b"owned\n"),
            (member("ignored", mtime=MODIFIED), b"ignored\n"),
        ),
        mtime=0,
    ),
}


@dataclass(slots=True, kw_only=True)
class Elsewhere:
    """`http` and `git` are URLs without a slash at the end; `seen` are the paths asked for, with their headers."""

    http: str = ""
    git: str = ""
    directory: Path
    seen: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def commit(self, ref: str) -> str:
        return _git(self.directory / "repo.git", "rev-parse", ref).strip()


@contextmanager
def serve_elsewhere(directory: Path) -> Iterator[Elsewhere]:
    """Make the repositories below `directory` and serve all until the context ends."""
    elsewhere = Elsewhere(directory=directory)
    _make_repositories(directory)
    with _serve_http(elsewhere), _serve_git(elsewhere):
        yield elsewhere


@contextmanager
def _serve_http(shared: Elsewhere) -> Iterator[None]:
    class Handler(_Handler):
        elsewhere = shared

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shared.http = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _serve_git(shared: Elsewhere) -> Iterator[None]:
    port = free_port()
    command = ["git", "daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}"]
    log = (shared.directory / "daemon.log").open("wb")
    process = subprocess.Popen([*command, f"--base-path={shared.directory}", str(shared.directory)], stdout=log, stderr=log)
    shared.git = f"git://127.0.0.1:{port}"
    try:
        _wait_for(port)
        yield
    finally:
        process.terminate()
        process.wait()
        log.close()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("git daemon doesn't start")


class _Handler(BaseHTTPRequestHandler):
    elsewhere: Elsewhere
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        seen = self.elsewhere.seen
        seen.append((self.path, dict(self.headers)))
        if path.startswith("/flaky/"):
            times, _, rest = path.removeprefix("/flaky/").partition("/")
            if len([one for one, _ in seen if one == self.path]) <= int(times):
                self._send(b"", status=503, headers={"Retry-After": "0"})
                return
            path = f"/{rest}"
        self._answer(path)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, path: str) -> None:
        if path.startswith("/status/"):
            self._send(b"no\n", status=int(path.removeprefix("/status/")))
        elif path in ("/moved", "/moved-out", "/loop"):
            self._send(b"", status=302, headers={"Location": "/loop" if path == "/loop" else "/file.txt"})
        elif path == "/encoded":
            self._send(gzip.compress(TEXT, mtime=0), headers={"Content-Encoding": "gzip", "Last-Modified": _RFC})
        elif path == "/private" and not self._is_known():
            self._send(b"", status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        elif path in ("/short", "/broken"):
            self._break_off(reset=path == "/broken")
        elif path in _BODIES or path == "/private":
            modified = _TIMES.get(path, _RFC)
            headers = {"Last-Modified": modified} if modified else {}
            more = {"Content-Disposition": 'attachment; filename="other"'} if path == "/named" else {}
            self._send(_BODIES.get(path, TEXT), headers=headers | more)
        else:
            self._file(path)

    def _is_known(self) -> bool:
        basic = base64.b64encode(b"user:secret").decode()
        return self.headers.get("Authorization") in (f"Basic {basic}", "Bearer a-token")

    def _file(self, path: str) -> None:
        """A file of the plain HTTP protocol of git."""
        file = self.elsewhere.directory / path.lstrip("/")
        if ".git/" in path and ".." not in path and file.is_file():
            self._send(file.read_bytes())
        else:
            self._send(b"no such thing\n", status=404)

    def _break_off(self, *, reset: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(TEXT)
        self.wfile.flush()
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _send(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


_REPOSITORY = """
echo one > f; mkdir -m 700 d; echo x > d/x; chmod 755 d/x; chmod 600 f; ln -s f link; ln -s /etc out; ln -s d to-d
echo f > .dockerignore; printf 'FROM scratch\\nCOPY . /all/\\n' > Dockerfile
printf 'FROM scratch\\nCOPY x /sub/\\n' > d/Dockerfile
git add -A; git commit -qm one; git tag -m annotated v1; git tag light; git branch dev
echo two > f; git commit -qam two
git checkout -q -b both; echo branch > which; git add -A; git commit -qm both; git checkout -q main
git tag both; git checkout -q -b dir/branch; echo deep > deep; git add -A; git commit -qm deep; git checkout -q main
"""
_SUPER = """
echo top > top; git -c protocol.file.allow=always submodule add -q "$REPO" modules/inner
git config -f .gitmodules submodule.modules/inner.url ../repo.git; git add -A; git commit -qm super
"""


def _make_repositories(directory: Path) -> None:
    """The same commits every time."""
    for name, script in (("repo", _REPOSITORY), ("super", _SUPER)):
        work = directory / name
        work.mkdir(parents=True)
        environment = _ENVIRONMENT | {"PATH": os.environ["PATH"], "REPO": str(directory / "repo.git")}
        script = f"set -eu; umask 022; git init -q -b main .\n{script}\ngit clone -q --bare . ../{name}.git\n"
        script += f"git -C ../{name}.git update-server-info; rm -rf ../{name}.git/hooks\n"
        subprocess.run(["sh", "-c", script], cwd=work, env=environment, check=True)


_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "HOME": os.devnull,
    **{f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in (("NAME", "a"), ("EMAIL", "a@b"))},
    **{f"GIT_{who}_DATE": f"{MODIFIED} +0000" for who in ("AUTHOR", "COMMITTER")},
}


def _git(directory: Path, *arguments: str) -> str:
    environment = _ENVIRONMENT | {"PATH": os.environ["PATH"]}
    done = subprocess.run(["git", *arguments], cwd=directory, env=environment, check=True, capture_output=True, text=True)
    return done.stdout
