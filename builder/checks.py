"""The build checks within a build: which of them run, where their warnings go, and whether they end the build."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from builder.dockerfile.lint import RULES, Choice, Finding, Linter
from builder.dockerfile.parse import Dockerfile
from builder.dockerfile.problem import Problem, nearest
from builder.errors import BuilderError, DockerfileError
from builder.journal import Journal, Warned
from builder.rootfs import SourceTree

log = logging.getLogger(__name__)

CHECK_ARG = "BUILDKIT_DOCKERFILE_CHECK"
"""The build argument that takes the place of the check directive."""


def linter_of(dockerfile: Dockerfile, tree: SourceTree, build_args: Mapping[str, str]) -> Linter:
    """Raises DockerfileError for a directive that is not understood."""
    text = build_args.get(CHECK_ARG, dockerfile.directives.check)
    try:
        choice = Choice.parse(text)
    except Problem as problem:
        raise DockerfileError(problem.message, file=dockerfile.file, hint=problem.hint) from problem
    _check_names(choice)
    exceptions = not tree.prunes("")
    return Linter(dockerfile=dockerfile, rules=RULES, choice=choice, ignored=None if exceptions else tree.ignored)


def report(linter: Linter, journal: Journal | None = None) -> None:
    """A line in the log for each warning."""
    for finding in linter.findings:
        log.warning("%s", finding)
        if journal:
            journal.add(warned(finding))


def warned(finding: Finding) -> Warned:
    """As the journal has it."""
    where = finding.location
    return Warned(
        file=where.file, line=where.start, end=where.end, rule=finding.rule.name, message=finding.detail, url=finding.rule.url
    )


def verdict(linter: Linter) -> None:
    """Raises BuilderError if the directive says that warnings are errors, and there are some."""
    if linter.choice.error and linter.findings:
        names = ", ".join(sorted({finding.rule.name for finding in linter.findings}))
        hint = "mend what the warnings say, or skip a rule by '# check=skip=RULE' in the first line or above an instruction"
        raise BuilderError(f"the build checks failed: {names}", hint=hint)


def _check_names(choice: Choice) -> None:
    known = [rule.name for rule in RULES]
    for name in sorted((choice.skip | choice.experimental) - {*known, "all", ""}):
        similar = nearest(name, known)
        log.warning("the check directive names %r, which is no rule%s", name, f" (did you mean {similar!r}?)" if similar else "")
