"""Rules about variables: those that don't exist, and those that shouldn't (BuildKit, dockerfile2llb/validations.go)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from builder.dockerfile.instructions.arg import Arg
from builder.dockerfile.instructions.env import Env
from builder.dockerfile.lines import Line
from builder.dockerfile.lint.rule import Hit, Moment, Rule
from builder.dockerfile.problem import nearest
from builder.dockerfile.scope import NO_VARIABLES, Scope

_MOST_CANDIDATES = 1000
_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE | re.ASCII
)
_NO_SECRET = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE | re.ASCII)


def undefined(line: Line, names: Iterable[str], scope: Scope, *, similar: bool) -> Iterator[Hit]:
    """For the variables that `line` looked for in vain; with `similar` they are compared with those that exist."""
    for name in names:
        if name not in scope.args and name not in NO_VARIABLES:
            close = nearest(name, islice(scope.env, _MOST_CANDIDATES)) if similar else ""
            hint = f" (did you mean '${close}'?)" if close else ""
            yield Hit(line=line, detail=f"variable '${name}' is not defined here{hint}")


def _secrets(moment: Moment) -> Iterator[Hit]:
    item = moment.instruction
    if isinstance(item, Env):
        names = [moment.scope.expand(item.line, key) for key, _ in item.pairs]
    elif isinstance(item, Arg):
        names = [name for name, _ in item.defaults]
    else:
        return
    for name in names:
        if _SECRET.search(name) and not _NO_SECRET.search(name):
            yield Hit(line=item.line, detail=f"{item.line.name} {name!r} looks like a secret, which the image would keep")


UNDEFINED_VAR = Rule(
    name="UndefinedVar",
    summary="a variable is used that nothing defines",
    advice="It becomes an empty string. Declare it with ARG or ENV above its use; the ARGs before the first FROM have to be "
    "declared again in the stage.",
    bad="COPY $foo /",
    good="ARG foo=file\nCOPY $foo /",
    needs="the environment of the base image",
)
SECRETS_USED_IN_ARG_OR_ENV = Rule(
    name="SecretsUsedInArgOrEnv",
    summary="the name of an ARG or ENV is that of a secret",
    advice="Both are kept in the image or its history, for whoever gets it. Use `RUN --mount=type=secret`.",
    bad="ARG API_TOKEN",
    good="ARG TOKEN_FILE",
    on_step=_secrets,
)
