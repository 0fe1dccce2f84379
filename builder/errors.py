"""The tree of errors.

BuilderError
├── UsageError         wrong options
├── DockerfileError    the Dockerfile, with file and line
├── ContextError       the build context, or a file that COPY or ADD names
├── RunError           a RUN that failed; its exit code becomes masu's
├── SandboxError       no sandbox, or one that can't do what was asked
├── ImageError         a malformed image, manifest, config or reference
├── StoreError         the local store, a layout or a tarball
├── RootfsError        a stage's filesystem: unpacking, copying, packing
│   └── OutlineError   what only the whole of it can tell; the executor makes that then
├── CredentialError    a cloud that was asked for a credential and gave none; a build may well go on
├── CacheError         a layer that a cache has told of can't be had; the build begins again without it
└── RegistryError      a registry's answer: method, URL, status, its own code
    ├── AuthError      401 or 403
    └── NotFoundError  404

Each says what was being done and to what; `hint` says what to do next. Only cli.py turns them into exit codes.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class BuilderError(Exception):
    """An expected failure: `message` says what failed, `hint` (may be empty) what the user can do about it.

    `under_way` is what masu was doing, in the words of Kaniko's log ("building image"), if anything.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.under_way = ""
        self.file = ""
        self.line = 0

    def locate(self, where: str, *, file: str = "", line: int = 0) -> None:
        """Put in front of the message where it happened; `file` and `line` (from 1 on) are of the instruction, if it was one."""
        self.message = f"{where}: {self.message}"
        self.args = (self.message,)
        self.file, self.line = file or self.file, line or self.line


@contextmanager
def during(what: str) -> Iterator[None]:
    """Errors that leave it say what was under way, unless something inside has said so, or the options are wrong."""
    try:
        yield
    except UsageError:
        raise
    except BuilderError as error:
        error.under_way = error.under_way or what
        raise


def hint_of(refusal: OSError) -> str:
    """What to do when the kernel refuses for lack of rights; empty where it is something else."""
    if refusal.errno not in (errno.EACCES, errno.EPERM):
        return ""
    return "the user that masu runs as may not: give that user the files (in a pod by fsGroup), or let masu run as their owner"


class Terminated(BaseException):
    """SIGTERM arrived; raised in the main thread so that everything unwinds."""


class UsageError(BuilderError):
    pass


class DockerfileError(BuilderError):
    """`message` begins with `file:line: `; `line` is the first line of the instruction, counted from 1, or 0."""

    def __init__(self, message: str, *, file: str = "Dockerfile", line: int = 0, source: str = "", hint: str = "") -> None:
        where = f"{file}:{line}: " if line else f"{file}: "
        shown = f"\n  {line:>4} | {source}" if source else ""
        super().__init__(f"{where}{message}{shown}", hint=hint)
        self.file = file
        self.line = line


class ContextError(BuilderError):
    pass


_SIGNALLED = {
    137: "SIGKILL ended it, as the kernel does for lack of memory: raise the container's limit, or give --jobs 1",
    143: "SIGTERM ended it, as when a job is cancelled or its time is up",
}


class RunError(BuilderError):
    """`exit_code` is the command's own (128 + signal if a signal ended it), `output` what it printed last."""

    def __init__(self, message: str, *, exit_code: int, output: str = "", hint: str = "") -> None:
        super().__init__(message + self.printed(output), hint=hint or _SIGNALLED.get(exit_code, ""))
        self.exit_code = exit_code
        self.output = output

    @staticmethod
    def printed(output: str) -> str:
        """How it is told in the message, at the end."""
        return f"; it printed last:\n{output}" if output else ""


class SandboxError(BuilderError):
    pass


class ImageError(BuilderError):
    pass


class StoreError(BuilderError):
    pass


class RootfsError(BuilderError):
    pass


class OutlineError(RootfsError):
    pass


class CredentialError(BuilderError):
    pass


class CacheError(BuilderError):
    pass


class RegistryError(BuilderError):
    """`status` is the HTTP status (0 when no answer came), `code` the registry's own (`MANIFEST_UNKNOWN`…) or empty."""

    def __init__(self, message: str, *, status: int = 0, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class AuthError(RegistryError):
    pass


class NotFoundError(RegistryError):
    pass
