"""A smart-HTTP git server on loopback: git's own http-backend behind a small server that asks who comes.

| path | what is there |
|---|---|
| /public/repo.git | the files given, on `main`, also as tag `v1`; the branch `dev` and two requests have a file `which` |
| /public/super.git | the same with /private/repo.git as a submodule |
| /private/repo.git | the first again, for who logs in |
| /moved/repo.git | a redirect to that |
| /away/repo.git | a redirect to the same path of another host |
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

AWAY = "other.example.test"
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "HOME": os.devnull,
    **{f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in (("NAME", "a"), ("EMAIL", "a@b"))},
}
_SCRIPT = """
umask 022; mkdir -p work public private; cp -r "$FILES/." work; cd work; git init -q -b main .; git add -A; git commit -qm one
git tag v1; git branch dev
for ref in refs/pull/1/head refs/merge-requests/2/head refs/heads/dev; do
  git checkout -q --detach main; echo $ref > which; git add -A; git commit -qm $ref; git update-ref $ref HEAD
done
git checkout -q main
git clone -q --bare --mirror . ../public/repo.git; cp -r ../public/repo.git ../private/repo.git
git -C ../public/repo.git config uploadpack.allowAnySHA1InWant true
cd ..; git init -q -b main super; cd super; cp -r "$FILES/." .
git -c protocol.file.allow=always submodule --quiet add "$PWD/../private/repo.git" inner
git config -f .gitmodules submodule.inner.url ../../private/repo.git; git add -A; git commit -qm super
git clone -q --bare . ../public/super.git
"""


@dataclass(slots=True, kw_only=True)
class SmartGit:
    """`host` is 127.0.0.1:PORT; `logins` are user:password texts; `asked` has paths and who came."""

    directory: Path
    logins: frozenset[str]
    host: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def commit(self, ref: str) -> str:
        return _git(self.directory / "work", "rev-parse", ref)


@contextmanager
def serve_smart_git(directory: Path, files: Path, *, logins: frozenset[str]) -> Iterator[SmartGit]:
    directory.mkdir()
    environment = _ENVIRONMENT | {"PATH": os.environ["PATH"], "FILES": str(files)}
    subprocess.run(["sh", "-euc", _SCRIPT], cwd=directory, env=environment, check=True)
    shared = SmartGit(directory=directory, logins=logins)

    class Handler(_Handler):
        git = shared

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shared.host = f"127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield shared
    finally:
        server.shutdown()
        server.server_close()


def _git(directory: Path, *arguments: str) -> str:
    environment = _ENVIRONMENT | {"PATH": os.environ["PATH"]}
    done = subprocess.run(["git", *arguments], cwd=directory, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


class _Handler(BaseHTTPRequestHandler):
    git: SmartGit
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        user = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        self.git.asked.append((self.path, user))
        if self.path.startswith("/moved/"):
            self._answer(302, {"Location": self.path.replace("/moved/", "/private/")})
        elif self.path.startswith("/away/"):
            self._answer(302, {"Location": f"https://{AWAY}{self.path.replace('/away/', '/public/')}"})
        elif self.path.startswith("/private/") and user not in self.git.logins:
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._backend(body)

    def _backend(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        environment = _ENVIRONMENT | {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.git.directory),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._answer(int(headers.pop("Status", "200").split()[0]), headers, content)

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
