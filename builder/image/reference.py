"""Image references: `host/path:tag@digest`, with Docker Hub's rules for short names.

Grammar: distribution/reference (github.com/distribution/reference, reference.go).
"""

from __future__ import annotations

import re

from builder.errors import ImageError
from builder.image.digest import Digest
from builder.values import dataclass

DEFAULT_HOST = "docker.io"
DEFAULT_TAG = "latest"
LAYOUT_PREFIX, ARCHIVE_PREFIX = "oci-layout://", "docker-archive:"
"""What begins the name of an image that is not in a registry but in a directory or a file: `PREFIX path[:name]`."""
_HUB_ALIASES = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?", re.ASCII)
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_MAX_PATH = 255


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Repository:
    """`host/path`; Docker Hub's host is always spelled `docker.io` here."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"

    @property
    def indexed(self) -> str:
        """As Kaniko and go-containerregistry show it: Docker Hub's host is `index.docker.io`."""
        return f"{'index.docker.io' if self.host == DEFAULT_HOST else self.host}/{self.path}"

    @property
    def familiar(self) -> str:
        """As docker shows it: without `docker.io/` and `library/`."""
        if self.host != DEFAULT_HOST:
            return str(self)
        return self.path.removeprefix("library/")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Reference:
    """A repository with a tag, a digest or both; a parsed reference without either has the tag `latest`."""

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference as a user writes it; raises ImageError that says which part is wrong."""
        rest, at, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if at else None
        name, tag = _split_tag(rest, text)
        repository = _parse_repository(name, text)
        if tag is None and digest is None:
            tag = DEFAULT_TAG
        return cls(repository=repository, tag=tag, digest=digest)

    @property
    def name(self) -> str:
        """What a store resolves: the digest if there is one (it wins over the tag), else the tag."""
        return str(self.digest) if self.digest else self.tag or DEFAULT_TAG

    def __str__(self) -> str:
        return f"{self.repository}{self._suffix}"

    @property
    def familiar(self) -> str:
        return f"{self.repository.familiar}{self._suffix}"

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def registry_host(text: str) -> str:
    """A registry's host as Repository has it: Docker Hub goes by several names."""
    return DEFAULT_HOST if text.lower() in _HUB_ALIASES | {DEFAULT_HOST} else text


def _split_tag(rest: str, text: str) -> tuple[str, str | None]:
    head, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    if not colon:
        return rest, None
    if not _TAG.fullmatch(tag):
        empty = "nothing follows the colon: is a variable empty that should be there?"
        hint = "a tag has letters, digits, '_', '.' and '-', 128 at most" if tag else empty
        raise ImageError(f"invalid reference {text!r}: invalid tag {tag!r}", hint=hint)
    return f"{head}{slash}{last}", tag


def _parse_repository(name: str, text: str) -> Repository:
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    host, path = (first, rest) if is_host else (DEFAULT_HOST, name)
    host = registry_host(host)
    if host == DEFAULT_HOST and path and "/" not in path:
        path = f"library/{path}"
    if not _HOST.fullmatch(host):
        hint = "a reference has no scheme: write host/path:tag" if "://" in text else ""
        raise ImageError(f"invalid reference {text!r}: invalid host {host!r}", hint=hint)
    if not path or len(path) > _MAX_PATH or not all(_COMPONENT.fullmatch(part) for part in path.split("/")):
        raise ImageError(f"invalid reference {text!r}: invalid repository path {path!r}", hint=_path_hint(path))
    return Repository(host=host, path=path)


def _path_hint(path: str) -> str:
    if path.lower() != path:
        return "a repository path is lower case"
    if "" in path.split("/"):
        return "write it as host/path:tag; a part of it is missing: is a variable empty that should be there?"
    return "write it as host/path:tag"
