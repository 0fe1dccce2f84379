"""A token server (distribution's token authentication) for a registry whose `auth` is `TokenServer.auth`."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from tests.support.certificates import Identity

ISSUER, SERVICE = "masu-test", "registry.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request for a token: `user` is empty for an anonymous one; `grant_type` is set in a POST."""

    user: str
    scopes: tuple[str, ...]
    grant_type: str = ""


@dataclass(slots=True, kw_only=True)
class TokenServer:
    """`users` are passwords by name, `identity_tokens` names by token, `rights` the actions of a user ("" is anybody).

    The next `stale` tokens are made as if they had expired long ago, though `expires_in` says otherwise.
    """

    identity: Identity
    users: Mapping[str, str] = field(default_factory=dict)
    identity_tokens: Mapping[str, str] = field(default_factory=dict)
    rights: Callable[[str, str], set[str]] = lambda user, path: {"pull", "push"} if user else set()
    stale: int = 0
    expires_in: int = 300
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    @property
    def auth(self) -> dict[str, Any]:
        return {
            "token": {
                "realm": f"{self.url}/token",
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(self.identity.certificate_path),
            }
        }

    def token(self, user: str, scopes: tuple[str, ...]) -> str:
        shift = 0
        if self.stale:
            self.stale, shift = self.stale - 1, -3600
        now = int(time.time()) + shift
        access = []
        for scope in scopes:
            kind, path, actions = scope.split(":")
            allowed = [action for action in actions.split(",") if action in self.rights(user, path)]
            access.append({"type": kind, "name": path, "actions": allowed})
        claims = {"iss": ISSUER, "sub": user, "aud": SERVICE, "exp": now + self.expires_in, "nbf": now - 10, "iat": now}
        return self._sign(claims | {"jti": secrets.token_hex(8), "access": access})

    def _sign(self, claims: Mapping[str, Any]) -> str:
        chain = base64.b64encode(self.identity.certificate.public_bytes(serialization.Encoding.DER)).decode()
        header = {"typ": "JWT", "alg": "RS256", "x5c": [chain]}
        text = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
        return f"{text}.{_encode(self.identity.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@contextmanager
def serve_tokens(server: TokenServer) -> Iterator[TokenServer]:
    """Give the server its `url` and let it answer until the end."""

    class Handler(_Handler):
        tokens = server

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    tokens: TokenServer

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        header, user = self.headers.get("Authorization", ""), ""
        if header:
            user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
            if self.tokens.users.get(user) != password:
                self._answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]})
                return
        self._grant(Asked(user=user, scopes=tuple(query.get("scope", []))))

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        user = self.tokens.identity_tokens.get(form["refresh_token"][0], "")
        if not user:
            self._answer(401, {"error": "invalid_grant", "error_description": "unknown refresh token"})
            return
        self._grant(Asked(user=user, scopes=tuple(form.get("scope", [""])[0].split()), grant_type=form["grant_type"][0]))

    def _grant(self, asked: Asked) -> None:
        self.tokens.asked.append(asked)
        token = self.tokens.token(asked.user, asked.scopes)
        self._answer(200, {"access_token" if asked.grant_type else "token": token, "expires_in": self.tokens.expires_in})

    def _answer(self, status: int, document: Mapping[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
