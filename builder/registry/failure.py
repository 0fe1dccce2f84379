"""From a registry's refusal to a sentence: what was asked, what it said, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from builder.errors import AuthError, NotFoundError, RegistryError
from builder.web import shown

_LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request was for: the host, as in references, the repository's path, and who asked, perhaps with a token granted."""

    host: str
    path: str
    push: bool
    username: str | None = None
    with_token: bool = False


def failure(method: str, url: str, status: int, body: bytes, asked: Asked) -> RegistryError:
    """The error for an answer that wasn't expected (OCI distribution spec, Error Codes)."""
    code, said = _said(body)
    message = f"{method} {shown(url)}: {status} {code}".rstrip()
    message += f": {said}" if said else ""
    kind = {401: AuthError, 403: AuthError, 404: NotFoundError}.get(status, RegistryError)
    return kind(message, status=status, code=code, hint=_hint(status, code, asked))


def _said(body: bytes) -> tuple[str, str]:
    """The code and the message of an error document, or the text of another answer, if it is short and plain."""
    text = body.decode(errors="replace").strip()
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        plain = text if len(text) <= _LONGEST_TEXT and "<" not in text else ""
        return "", _one_line(plain)
    if not isinstance(document, dict):
        return "", ""
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else document
    code = first.get("code") or first.get("error") or ""
    said = first.get("message") or first.get("error_description") or first.get("details") or ""
    return _one_line(str(code)), _one_line(str(said))


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:_LONGEST_TEXT]


def _hint(status: int, code: str, asked: Asked) -> str:
    if status == 403 or (status == 401 and asked.with_token and asked.username is not None):
        return _forbidden(asked)
    if status == 401:
        return _unauthorized(asked)
    if status == 404:
        return _missing(code, asked)
    if status == 413:
        return "a proxy before the registry limits the size of requests: raise its limit (nginx: client_max_body_size)"
    if status == 429:
        return "the registry limits the rate of requests: log in, wait, or use a mirror"
    if status >= 500:
        return "the registry has trouble of its own: try again later"
    return ""


def _unauthorized(asked: Asked) -> str:
    if asked.username is None:
        return f"no credentials for {asked.host!r} were found: log in there, for instance with `docker login {asked.host}`"
    who = f" of user {asked.username!r}" if asked.username else ""
    return f"the registry refused the credentials{who} for {asked.host!r}: check them, and that a token has not expired"


def _forbidden(asked: Asked) -> str:
    needed = "push" if asked.push else "pull"
    who = "anonymous users" if asked.username is None else f"user {asked.username!r}" if asked.username else "this token"
    hint = f"{who} may not {needed} {asked.host}/{asked.path}: give {needed} permission on that repository"
    if asked.host == "ghcr.io" and asked.push:
        hint += " (in the workflow `permissions: packages: write`, and in the package's settings Manage Actions access)"
    return hint


def _missing(code: str, asked: Asked) -> str:
    if asked.push or code == "NAME_UNKNOWN":
        return f"there is no repository {asked.path!r} at {asked.host!r}: create it first, or check the name"
    return "check the name and the tag or digest; a private repository also looks missing to whom it isn't shown"
