"""What a build begins with: the Dockerfile and the build context, wherever they come from."""

from __future__ import annotations

import fnmatch
import logging
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from builder.context import Origin
from builder.context.ignore import IgnoreRules
from builder.context.local import IGNORE_FILE, BuildContext, open_directory, rules_beside
from builder.contexts import Contexts, Opened, read_dockerfile
from builder.dockerfile.instructions.copy import Copy
from builder.dockerfile.parse import Dockerfile, parse
from builder.errors import ContextError, hint_of
from builder.options import BuildOptions
from builder.rootfs import SourceTree, paths
from builder.values import dataclass, replace
from builder.web import shown

log = logging.getLogger(__name__)

_IGNORE_LIMIT = 1 << 20  # bytes
_BUCKET = "gs://"
_NAMES = ("Dockerfile", "dockerfile")
_WEB = ("http://", "https://")
_URL = re.compile(r"[a-z0-9]+://", re.IGNORECASE)
_CREDENTIALS = ("gha-creds-*.json",)
"""Files that platforms leave at the top of a workspace, and that must be in no image (google-github-actions/auth, README)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """`context` is what COPY reads, `path` the file of this machine that the Dockerfile is, if it is one.

    `source` names what the context was fetched from, without secrets, empty if it is this machine's own; of a repository `origin`
    tells which commit. `time` is as of Opened.
    """

    dockerfile: Dockerfile
    context: SourceTree
    path: Path | None = None
    source: str = ""
    origin: Origin | None = None
    time: Callable[[], int | None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A Dockerfile; `path` is the file of this machine that it is, `inside` its name in a context from elsewhere."""

    dockerfile: Dockerfile
    path: Path | None = None
    inside: str = ""


def open_inputs(options: BuildOptions, contexts: Contexts, *, stdin: BinaryIO) -> Inputs:
    """Find and parse them. Raises ContextError, DockerfileError."""
    text = _where(options)
    if text in ("-", "tar://stdin") and options.dockerfile == "-":
        raise ContextError("standard input can't be the Dockerfile and the build context at once")
    opened = contexts.open(text, sub_path=options.context_sub_path)
    found = _find(options.dockerfile, opened, contexts, stdin)
    if opened.is_given:
        opened = replace(opened, path=contexts.empty())
    elif opened.is_ours and _copies(found.dockerfile) and not os.listdir(opened.path):
        log.warning("the build context %r is empty, and the Dockerfile copies from it: --context DIR names another", text)
    tree = _without_credentials(_tree(opened, found, git_modes=options.git_modes))
    source = "" if opened.is_ours or not _URL.match(text) or text.startswith("tar://") else shown(text)
    return Inputs(
        dockerfile=found.dockerfile, context=tree, path=found.path, source=source, origin=opened.origin, time=opened.time
    )


def _copies(dockerfile: Dockerfile) -> bool:
    """Whether a COPY reads the build context; `COPY . .` is no error where there is nothing."""
    instructions = (instruction for stage in dockerfile.stages for instruction in stage.instructions)
    return any(isinstance(each, Copy) and not each.source and each.files.paths for each in instructions)


def _where(options: BuildOptions) -> str:
    """What `--context` and `--bucket` mean together (resolveSourceContext in Kaniko's cmd/executor/cmd/root.go)."""
    context, bucket = options.context, options.bucket
    if not bucket:
        return context or "."
    if context and "://" not in context:
        log.warning("--bucket %s is not used: the build context is %r", bucket, context)
        return context
    return bucket if "://" in bucket else f"{_BUCKET}{bucket}"


def _find(option: str, opened: Opened, contexts: Contexts, stdin: BinaryIO) -> _Found:
    """The Dockerfile: standard input, a URL, what the context was given as; a file as it is named, then in the context."""
    if option == "-":
        return _Found(dockerfile=parse(read_dockerfile(stdin, "standard input"), file="-"))
    if option.startswith(_WEB):
        return _Found(dockerfile=parse(contexts.read(option), file="Dockerfile"))
    if opened.dockerfile:
        return _inside(opened, (opened.dockerfile,))
    if opened.is_ours:
        return _local(option, opened.path)
    if option and Path(option).is_file():
        _say_not_inside(Path(option))
        return _read_local(Path(option), Path(option).parent)
    return _inside(opened, (option,) if option else _NAMES)


def _local(option: str, directory: Path) -> _Found:
    """As it is, then in the context (Kaniko's order), whose root `/` then is; without the option one of `_NAMES` there."""
    names = [Path(option), directory / option.lstrip("/")] if option else [directory / name for name in _NAMES]
    candidates = list(dict.fromkeys(names))
    for candidate in candidates:
        if candidate.is_file():
            if not candidate.resolve().is_relative_to(directory.resolve()):
                _say_not_inside(candidate)
            return _read_local(candidate, directory)
    tried = " or ".join(repr(str(candidate)) for candidate in candidates)
    raise ContextError(f"no Dockerfile at {tried}", hint="name it with --dockerfile PATH")


def _say_not_inside(path: Path) -> None:
    log.info("the Dockerfile is %r of this machine, not of the build context", str(path))


def _read_local(path: Path, directory: Path) -> _Found:
    shown = str(path.relative_to(directory)) if path.is_relative_to(directory) else str(path)  # short in messages
    try:
        with path.open("rb") as file:
            data = read_dockerfile(file, repr(shown))
    except OSError as error:
        raise ContextError(
            f"can't read the Dockerfile {str(path.absolute())!r}: {error.strerror}", hint=hint_of(error)
        ) from error
    return _Found(dockerfile=parse(data, file=shown), path=path)


def _inside(opened: Opened, names: tuple[str, ...]) -> _Found:
    """The Dockerfile of a context from elsewhere, whose links can't lead out of it."""
    with paths.opened_root(opened.path) as root:
        for name in names:
            file = _opened(root, name, f"the Dockerfile {name!r}")
            if file is not None:
                with file:
                    return _Found(dockerfile=parse(read_dockerfile(file, repr(name)), file=name), inside=name)
    raise ContextError(
        f"no Dockerfile {' or '.join(map(repr, names))} in the build context", hint="name it with --dockerfile PATH"
    )


def _opened(root: int, name: str, what: str) -> BinaryIO | None:
    """A regular file below the root; None if there is nothing."""
    try:
        with paths.find(root, name) as spot:
            fd = os.open(spot.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=spot.dir_fd)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ContextError(f"can't read {what} of the build context: {error.strerror}", hint=hint_of(error)) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ContextError(f"can't read {what} of the build context: it is no regular file")
    return open(fd, "rb")


def _tree(opened: Opened, found: _Found, *, git_modes: bool) -> SourceTree:
    """What COPY sees of the context."""
    context = _ruled(opened, found) if opened.has_rules else BuildContext(path=opened.path)
    is_private = not opened.path.stat().st_mode & 0o077
    tree = SourceTree(path=opened.path, owners=opened.owners, git_modes=git_modes, is_private=is_private)
    if not context.ignore_file:
        return tree
    return replace(tree, ignored=context.ignored, prunes=context.prunes, ignore_file=context.ignore_file)


def _ruled(opened: Opened, found: _Found) -> BuildContext:
    """`<Dockerfile>.dockerignore` goes before `.dockerignore`."""
    if opened.is_ours:
        return open_directory(opened.path, dockerfile=found.path)
    if found.path and (own := rules_beside(found.path)):
        return BuildContext(path=opened.path, rules=own)
    with paths.opened_root(opened.path) as root:
        for name in filter(None, (found.inside and found.inside + IGNORE_FILE, IGNORE_FILE)):
            file = _opened(root, name, repr(name))
            if file is not None:
                with file:
                    return BuildContext(path=opened.path, rules=_rules(file.read(_IGNORE_LIMIT + 1), name))
    return BuildContext(path=opened.path)


def _rules(data: bytes, name: str) -> IgnoreRules:
    if len(data) > _IGNORE_LIMIT:
        raise ContextError(f"{name!r} of the build context is too large: more than {_IGNORE_LIMIT >> 20} MiB")
    return IgnoreRules.parse(data, file=name)


def _without_credentials(tree: SourceTree) -> SourceTree:
    """The tree without what a platform's login has left at its top."""
    withheld: Mapping[str, str] = {
        name: "it holds credentials that a login step has left in the workspace; such a file is never in the build context"
        for name in sorted(os.listdir(tree.path))
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in _CREDENTIALS) and not tree.ignored(name)
    }
    if not withheld:
        return tree
    for name in withheld:
        log.warning("%r is left out of the build context: a login step has left its credentials in it", name)
    return replace(tree, ignored=lambda path: path in withheld or tree.ignored(path), withheld=withheld)
