"""The command `masu migrate`: files are read, shown as a diff or written, and what is left to do is told."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from builder.commands import Argument, Call, Command
from builder.errors import BuilderError, UsageError
from builder.options import CommonOptions, Flag
from builder.values import dataclass, field
from steps import ACTION, IMAGE
from steps.migration.changes import Changes, applied


def _flag(default: object, help: str, **details: Any) -> Any:
    return field(default=default, metadata={"flag": Flag(help=help, **details)})


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateOptions:
    """What `masu migrate` takes."""

    write: bool = _flag(False, "change the files; without it only a diff is printed", short="w")
    image: str = _flag("", "masu's step image as your CI pulls it; with a tag that of the image without a shell, to which -debug "
        "is added for the other", env="MASU_STEP_IMAGE", metavar="REF")  # fmt: skip
    action: str = _flag(ACTION, "masu's action for GitHub", env="MASU_ACTION", metavar="ACTION")


def run(call: Call) -> int:
    """Prints the diff of all files, and on standard error a line for what is to be known. 1 if something is left to be done."""
    options, left, named = call.options(MigrateOptions), 0, False
    for name in call.words("file"):
        changes = _migrate(Path(name), options)
        left += sum(note.to_do for note in set(changes.notes))
        named = named or any(IMAGE in edit.text for edit in changes.edits)
    if named and not options.image:
        sys.stderr.write(f"{IMAGE} stands for the place of masu's image: give it with --image, once `make image` has made it\n")
    if left:
        sys.stderr.write(f"{left} left to do by hand: see the lines with TO DO\n")
    return 1 if left else 0


def _migrate(file: Path, options: MigrateOptions) -> Changes:
    text = _read(file)
    try:
        changes = rewriter(file, text)(text, image=options.image, action=options.action)
    except BuilderError as error:
        raise UsageError(f"{str(file)!r} can't be migrated: {error.message}", hint=error.hint) from error
    new = applied(text, changes.edits)
    if options.write and new != text:
        _write(file, new)
        print(f"changed {file}")  # noqa: T201 - what was asked for
    elif new != text:
        sys.stdout.writelines(_diff(file, text, new))
    elif not changes.notes:
        print(f"nothing to change in {file}")  # noqa: T201 - what was asked for
    for note in sorted(set(changes.notes)):
        sys.stderr.write(f"{file}:{note.line}: {'TO DO: ' if note.to_do else ''}{note.text}\n")
    return changes


def rewriter(file: Path, text: str) -> Callable[..., Changes]:
    """What knows the file's language; JSON is YAML."""
    from steps.migration import rewriting

    if file.suffix in (".yml", ".yaml", ".json"):
        return rewriting.of_yaml
    if file.suffix == ".groovy" or "Jenkinsfile" in file.name:
        return rewriting.of_groovy
    return rewriting.of_shell if file.suffix == ".sh" or re.match(r"#!.*\b(?:ba|da|a)?sh\b", text) else rewriting.of_other


def _read(file: Path) -> str:
    """As it is, whatever ends its lines."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except OSError as error:
        raise UsageError(f"can't read {str(file)!r}: {error.strerror}", hint="give the paths of CI files") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"can't read {str(file)!r}: it is not UTF-8", hint="give the paths of CI files") from error


def _write(file: Path, text: str) -> None:
    """Whole or not at all, with the mode that it has; through a link to what it names."""
    file = file.resolve()
    temporary = file.with_name(f".{file.name}.masu-{os.getpid()}")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as stream:
            stream.write(text)
        temporary.chmod(file.stat().st_mode & 0o7777)
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"can't write {str(file)!r}: {error.strerror}", hint="is the directory yours?") from error


def _diff(file: Path, old: str, new: str) -> Iterable[str]:
    import difflib

    name = str(file).lstrip("/")
    for line in difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{name}", f"b/{name}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


MIGRATE = Command(
    help="rewrite Kaniko to masu in CI files: cloudbuild.yaml, .gitlab-ci.yml, workflows, pods, Tekton tasks",
    tables=(MigrateOptions, CommonOptions),
    run=run,
    arguments=(
        Argument(
            name="FILE",
            count="+",
            help="a CI file: YAML or JSON, a shell script, a Jenkinsfile; any other has only its images renamed",
        ),
    ),
)
