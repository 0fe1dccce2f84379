"""Rules about CMD, ENTRYPOINT and HEALTHCHECK (BuildKit, dockerfile2llb/convert.go)."""

from __future__ import annotations

from collections.abc import Iterator

from builder.dockerfile.instructions.cmd import Cmd
from builder.dockerfile.instructions.entrypoint import Entrypoint
from builder.dockerfile.instructions.healthcheck import HealthCheck
from builder.dockerfile.lint.rule import Hit, Moment, Rule


def _shell_form(moment: Moment) -> Iterator[Hit]:
    """Who has set SHELL wants it to be used."""
    item = moment.instruction
    if isinstance(item, Cmd | Entrypoint) and item.shell and moment.based and not moment.scope.config.shell:
        yield Hit(line=item.line, detail=f"{item.line.written} is run by a shell, which keeps signals from it: use a JSON array")


def _repeated(moment: Moment) -> Iterator[Hit]:
    """It is told of the one that counts for nothing."""
    item = moment.instruction
    if isinstance(item, Cmd | Entrypoint | HealthCheck) and (before := moment.seen.get(type(item))):
        detail = f"this {item.line.written} counts for nothing: line {item.line.location.start} has another one for this stage"
        yield Hit(line=before, detail=detail, cause=item.line)


JSON_ARGS_RECOMMENDED = Rule(
    name="JSONArgsRecommended",
    summary="CMD or ENTRYPOINT in shell form",
    advice="The shell is the container's first process and doesn't pass on signals, so that `docker stop` has to kill. Write a "
    "JSON array, or say with SHELL that the shell is meant.",
    bad="CMD my-server --port 80",
    good='CMD ["my-server", "--port", "80"]',
    needs="the SHELL of the base image",
    on_step=_shell_form,
)
MULTIPLE_INSTRUCTIONS_DISALLOWED = Rule(
    name="MultipleInstructionsDisallowed",
    summary="more than one CMD, ENTRYPOINT or HEALTHCHECK in a stage",
    advice="Only the last one counts; remove the others.",
    bad='CMD ["a"]\nCMD ["b"]',
    good='CMD ["b"]',
    on_step=_repeated,
)
