"""What a source of build contexts is given, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from builder.context.gitoptions import GitOptions
from builder.errors import ContextError
from builder.retry import Retry, Transient
from builder.values import dataclass, field
from builder.web import Secret, innermost, no_secret, told

DEFAULT_OBJECT = "context.tar.gz"
"""What Kaniko takes from a bucket when only that is named (pkg/constants/constants.go)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """All that sources work with; `git` is what `--git` says, `stdin` may be read once."""

    env: Mapping[str, str]
    user_agent: str
    stdin: BinaryIO
    secret: Secret = no_secret
    git: GitOptions = field(default_factory=GitOptions)
    keep_git_dir: bool = False
    retry: Retry = field(default_factory=Retry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where something was fetched from: a URL, which has no secrets in it, and the digest of what came, or a commit's (sha1).

    `time` is the commit's (seconds since the epoch), if there is one that makes sense.
    """

    url: str
    algorithm: str
    hex: str
    time: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A context that is in files already: in the directory `subdir` below `root`, which nothing in it can lead out of.

    `is_ours`: a directory of this machine, whose owner is trusted. `has_rules`: its .dockerignore counts.
    """

    root: Path
    subdir: str = ""
    is_ours: bool = False
    has_rules: bool = False
    origin: Origin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A context that comes as a tar archive, compressed or not; the receiver closes the stream.

    `may_be_dockerfile`: anything else is a Dockerfile, of the time `modified` (seconds since the epoch), or, if it `is_given`, no
    file of the context at all (docker's `-`).
    """

    stream: BinaryIO
    has_rules: bool = True
    may_be_dockerfile: bool = False
    is_given: bool = False
    modified: Callable[[], int] = int


class Source(Protocol):
    """One kind of place that contexts come from."""

    def fetch(self, text: str, directory: Path) -> Tree | Archive:
        """The context that `text` names; `directory` is new, and may be filled. Raises ContextError."""
        ...


def unreachable(what: str, error: Exception) -> ContextError | Transient:
    """What to raise when a connection fails: it may pass, unless the other side isn't trusted."""
    message = f"{what}: {told(innermost(error))}"
    if "CERTIFICATE_VERIFY_FAILED" in str(error) or "certificate verify failed" in str(error):
        return ContextError(message, hint="name a file with the CA that signed it in SSL_CERT_FILE")
    hint = "is the host up, and can it be reached from here (HTTPS_PROXY, NO_PROXY)?"
    return Transient(ContextError(message, hint=hint))


def bucket_and_object(text: str) -> tuple[str, str]:
    """The two parts of `scheme://bucket[/object]`. Raises ContextError."""
    bucket, _, name = text.partition("://")[2].partition("/")
    if not bucket:
        raise ContextError(f"{text!r} names no bucket", hint="write the bucket after ://, and the object after a /")
    return bucket, name or DEFAULT_OBJECT
