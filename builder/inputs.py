"""What a build begins with: the Dockerfile and the build context, wherever they come from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from builder.context import BuildContext
from builder.context.local import open_directory
from builder.contexts import Contexts, Opened
from builder.dockerfile.parse import Dockerfile, parse
from builder.errors import ContextError
from builder.options import BuildOptions
from builder.rootfs import SourceTree, paths

_DOCKERFILE_LIMIT = 16 << 20  # bytes
_DIRECTORY = "dir://"
_NAMES = ("Dockerfile", "dockerfile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """`context` is what COPY reads."""

    dockerfile: Dockerfile
    context: SourceTree


def open_inputs(options: BuildOptions, contexts: Contexts, *, keep_git_dir: bool, stdin: BinaryIO) -> Inputs:
    """Find and parse them. Raises ContextError, DockerfileError."""
    text = options.context or "."
    if text == options.dockerfile == "-":
        raise ContextError("standard input can't be the Dockerfile and the build context at once")
    opened = contexts.open(text, keep_git_dir=keep_git_dir, stdin=stdin)
    if opened is None:
        return _local(text, options.dockerfile, stdin)
    if options.dockerfile == "-":
        return Inputs(dockerfile=_from_stdin(stdin), context=opened.tree)
    tree = SourceTree(path=contexts.empty()) if opened.dockerfile and text == "-" else opened.tree
    return Inputs(dockerfile=_inside(opened, options.dockerfile), context=tree)


def _local(text: str, dockerfile: str, stdin: BinaryIO) -> Inputs:
    if "://" in text and not text.startswith(_DIRECTORY):
        hint = "give a directory, a git URL, an http(s):// or tar:// archive, or - for one on standard input"
        raise ContextError(f"build contexts like {text!r} are not supported yet", hint=hint)
    directory = Path(text.removeprefix(_DIRECTORY))
    if not directory.is_dir():
        raise ContextError(f"the build context {str(directory)!r} is not a directory")
    if dockerfile == "-":
        return Inputs(dockerfile=_from_stdin(stdin), context=_tree(open_directory(directory)))
    path = _find_dockerfile(dockerfile, directory)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ContextError(f"can't read the Dockerfile {str(path)!r}: {error.strerror}") from error
    context = open_directory(directory, dockerfile=path)
    return Inputs(dockerfile=parse(data, file=_shown(path, directory)), context=_tree(context))


def _tree(context: BuildContext) -> SourceTree:
    return SourceTree(path=context.path, ignored=context.ignored, prunes=context.prunes, ignore_file=context.ignore_file)


def _from_stdin(stdin: BinaryIO) -> Dockerfile:
    return parse(stdin.read(_DOCKERFILE_LIMIT), file="-")


def _inside(opened: Opened, option: str) -> Dockerfile:
    """The Dockerfile of a context from elsewhere, whose links can't lead out of it."""
    names = [opened.dockerfile] if opened.dockerfile else [option] if option else list(_NAMES)
    with paths.opened_root(opened.tree.path) as root:
        for name in names:
            try:
                with paths.find(root, name) as spot:
                    fd = os.open(spot.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=spot.dir_fd)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise ContextError(f"can't read the Dockerfile {name!r} of the build context: {error.strerror}") from error
            with open(fd, "rb") as file:
                return parse(file.read(_DOCKERFILE_LIMIT), file=name)
    raise ContextError(
        f"no Dockerfile {' or '.join(map(repr, names))} in the build context", hint="name it with --dockerfile PATH"
    )


def _find_dockerfile(option: str, directory: Path) -> Path:
    """As it is, then in the context (Kaniko's order); without the option `Dockerfile` or `dockerfile` in the context."""
    candidates = [Path(option), directory / option] if option else [directory / name for name in _NAMES]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    tried = " or ".join(repr(str(candidate)) for candidate in candidates)
    raise ContextError(f"no Dockerfile at {tried}", hint="name it with --dockerfile PATH")


def _shown(path: Path, directory: Path) -> str:
    """Short in messages: relative to the context if it lies there."""
    return str(path.relative_to(directory)) if path.is_relative_to(directory) else str(path)
