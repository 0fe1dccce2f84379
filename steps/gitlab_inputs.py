"""The inputs of the GitLab component: those of the options table, and the few that are the component's own.

An input comes to the job as the variable INPUT_NAME. A flag that repeats has one value a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from builder.errors import UsageError
from builder.flags import flag_of
from builder.options import BuildOptions, CommonOptions, RegistryFlags
from builder.values import Field, dataclass, fields
from steps import IMAGE

STEP_IMAGE = f"{IMAGE}:debug"
_TABLES = (BuildOptions, RegistryFlags, CommonOptions)
_COMPONENTS_OWN: Mapping[str, str | bool] = {
    "destination": "$CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA",
    "git_modes": True,
}
"""Where a component's default is better than the command's."""
_NOT_HERE = frozenset({"metadata_file"})
"""The step gives it itself; who wants another writes it into `args`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One of the component. `flag_default` is what the command does without it; None for inputs that are no flag's."""

    name: str
    type: str
    default: str | int | bool
    description: str
    options: tuple[str, ...] = ()
    flag_default: str | None = None
    repeats: bool = False

    @property
    def is_flag(self) -> bool:
        return self.flag_default is not None

    @property
    def variable(self) -> str:
        return f"INPUT_{self.name.upper().replace('-', '_')}"

    def flags(self, env: Mapping[str, str]) -> Iterator[str]:
        """What the command is to be given; nothing for what it does anyway. Raises UsageError for a boolean that is none."""
        given = env.get(self.variable, "").strip()
        if self.repeats:
            yield from (f"--{self.name}={value}" for value in values(self.name, env))
        elif given and (given != self.flag_default or _text(self.default) != self.flag_default):
            if self.type == "boolean" and given not in ("true", "false"):
                raise UsageError(f"the input {self.name} is {given!r}", hint="write true or false")
            yield f"--{self.name}={given}"


def values(name: str, env: Mapping[str, str]) -> Iterator[str]:
    """The lines of an input, without space around them and without empty ones."""
    lines = env.get(f"INPUT_{name.upper().replace('-', '_')}", "").split("\n")
    return (line.strip() for line in lines if line.strip())


def _of_row(row: Field[Any]) -> Input:
    flag, plain = flag_of(row), _text(row.default)
    default: str | int | bool = row.default if isinstance(row.default, int) else plain
    return Input(
        name=row.name.replace("_", "-"),
        type={bool: "boolean", int: "number"}.get(type(row.default), "string"),
        default=_COMPONENTS_OWN.get(row.name, default),
        description=_described(flag.help, repeats=isinstance(row.default, tuple)),
        options=flag.choices,
        flag_default=plain,
        repeats=isinstance(row.default, tuple),
    )


def _text(default: object) -> str:
    """A row's default as an input has it."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, timedelta):
        return f"{default // timedelta(hours=1)}h"
    return "" if isinstance(default, tuple) else str(default)


def _described(text: str, *, repeats: bool) -> str:
    return text.replace(" (repeatable)", "").replace("(repeatable; ", "(") + ("; one a line" if repeats else "")


def _own(name: str, description: str, default: str = "") -> Input:
    return Input(name=name, type="string", default=default, description=description)


INPUTS: tuple[Input, ...] = (
    _own("job-name", "the job's name; whatever else the job needs (rules, tags, needs) is written under it", "build-image"),
    _own("stage", "the job's stage", "build"),
    _own("builder-image", "masu's step image, the one with a shell", STEP_IMAGE),
    *(_of_row(row) for table in _TABLES for row in fields(table) if not flag_of(row).hidden and row.name not in _NOT_HERE),
    _own("args", "further flags of `masu build`; one a line"),
    _own(
        "google-workload-identity-provider",
        "log in at Google as this job: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/NAME",
    ),
    _own("google-service-account", "the service account to act as there, if the pool itself has no rights"),
    _own("aws-role-arn", "log in at AWS as this job, with this role"),
)
"""In the order in which they are shown."""
