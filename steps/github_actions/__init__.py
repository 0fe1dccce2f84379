"""GitHub Actions: the inputs of the action, or of those that it takes the place of; groups, annotations, outputs, summary."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence

from builder.decoration import Decoration
from builder.errors import UsageError
from builder.govalues import is_bool, parse_bool
from builder.journal import Failure, Warned
from builder.values import replace
from steps.adapter import Invocation
from steps.github_actions.commands import Groups, command, output
from steps.outcome import Outcome
from steps.report import LOG, Report

_MOST, _LONGEST = 10, 4000  # annotations of a kind in a step, and characters of one, that the runner keeps
_DOCKERS_KEYS = (
    "containerimage.",
    "image.name",
    "buildx.build.",
    "masu.pushed",
    "masu.size",
    "masu.layers",
    "masu.platform",
    "masu.seconds",
)
_SEEN = "MASU_WORKSPACE_ENTRIES"
"""How many entries the workspace has where the runner is; the action tells."""


def detect(env: Mapping[str, str]) -> bool:
    return env.get("GITHUB_ACTIONS") == "true"


def arguments(words: Sequence[str], env: Mapping[str, str]) -> Invocation:
    """The action's inputs, and `words` after them. Raises UsageError for what can't be honoured."""
    from steps.github_actions import inputs  # here, as the image on other platforms needn't load them

    _check_workspace(env)
    reading = inputs.read(env)
    return Invocation(argv=("build", *reading.words, *words), env=reading.variables, before=inputs.before(reading))


def defaults(env: Mapping[str, str]) -> Mapping[str, str]:
    """Checkouts have the modes that git knows already."""
    return {}


def decoration(env: Mapping[str, str]) -> Decoration:
    return Groups()


def reports(outcome: Outcome, env: Mapping[str, str]) -> tuple[Report, ...]:
    """Annotations in the log, values for the steps that follow, and the summary that people look at."""
    from steps.github_actions.hints import in_githubs_words
    from steps.github_actions.summary import summary

    outcome = replace(outcome, failure=in_githubs_words(outcome.failure)) if outcome.failure else outcome
    found, is_ours = [Report(where=LOG, text="".join(_annotations(outcome, env)))], "MASU_STEP" in env
    if env.get("GITHUB_OUTPUT") and outcome.digest and not outcome.code:
        loss = "the image is built, but the step's outputs can't be written to"
        hint = "the container must see the file that GITHUB_OUTPUT names: use masu's action, or give --metadata-file"
        text = "".join(output(name, value) for name, value in values(outcome).items())
        found.append(
            Report(where=env["GITHUB_OUTPUT"], text=text, append=True, makes_way=is_ours, vital=is_ours, loss=loss, hint=hint)
        )
    if env.get("GITHUB_STEP_SUMMARY") and _is_on("DOCKER_BUILD_SUMMARY", env):
        found.append(Report(where=env["GITHUB_STEP_SUMMARY"], text=summary(outcome), append=True, makes_way=is_ours))
    return tuple(found)


def _is_on(switch: str, env: Mapping[str, str]) -> bool:
    """As docker's action reads it: any of Go's words for false, and nothing else, turns it off."""
    return not is_bool(text := env.get(switch, "")) or parse_bool(text)


def values(outcome: Outcome) -> dict[str, str]:
    """The step's outputs by name."""
    from builder.image.reference import Reference

    image = outcome.images[0] if outcome.images else ""
    metadata = {key: value for key, value in outcome.metadata.items() if key.startswith(_DOCKERS_KEYS)}
    return {
        "digest": outcome.digest,
        "imageid": outcome.image_id,
        "metadata": json.dumps(metadata),
        "image": image,
        "tags": "\n".join(outcome.images),
        "image-with-digest": f"{Reference.parse(image).repository}@{outcome.digest}" if image else "",
        "cache-hit": "true" if outcome.steps and all(step.cached for step in outcome.steps) else "false",
    }


def _annotations(outcome: Outcome, env: Mapping[str, str]) -> Iterator[str]:
    workspace = env.get("GITHUB_WORKSPACE", "/")
    if _is_on("DOCKER_BUILD_CHECKS_ANNOTATIONS", env):
        if (count := len(outcome.warnings)) >= _MOST:  # first, as the runner drops the last: the inputs' notes count as well
            yield command("warning", f"{count} warnings of the build checks, of which the log has all", title="masu")
        yield from (_warning(warned, outcome, workspace) for warned in outcome.warnings[: _MOST - 1])
    if outcome.failure:
        yield _error(outcome.failure, outcome, workspace)


def _warning(warned: Warned, outcome: Outcome, workspace: str) -> str:
    file, end = outcome.place(warned.file, workspace), warned.end if warned.end != warned.line else 0
    text = f"{warned.message}\n{warned.url}".strip()[:_LONGEST]
    return command("warning", text, file=file, line=warned.line, endLine=end, title=warned.rule)


def _error(failure: Failure, outcome: Outcome, workspace: str) -> str:
    """Of a long output the end has a place: what went wrong stands there."""
    message, hint = failure.message[: _LONGEST // 2], f"hint: {failure.hint}"[: _LONGEST // 4] if failure.hint else ""
    room = _LONGEST - len(message) - len(hint) - 2
    text = "\n".join(filter(None, (message, failure.output[-room:], hint)))
    file = outcome.place(failure.file, workspace) if failure.line else ""
    return command("error", text, file=file, line=failure.line, title="masu: the build failed")


def _check_workspace(env: Mapping[str, str]) -> None:
    """A Docker engine that runs elsewhere mounts an empty directory. Raises UsageError."""
    workspace = env.get("GITHUB_WORKSPACE", "")
    if env.get(_SEEN, "0") == "0" or not os.path.isdir(workspace) or os.listdir(workspace):
        return
    raise UsageError(
        f"the workspace {workspace!r} is empty in masu's container: the Docker engine doesn't see the runner's files",
        hint="share the work directory with the engine (ARC: containerMode dind), or run masu's image as the job's container",
    )
