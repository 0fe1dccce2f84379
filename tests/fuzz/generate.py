"""A Dockerfile and a context made up from a seed: the same seed gives the same case for ever in one version of this package."""

from __future__ import annotations

import re
from random import Random

from tests.fuzz import contexts
from tests.fuzz.draft import Draft, Tree
from tests.fuzz.instructions import INSTRUCTIONS
from tests.support.cases import Case

_BASES = ("@BUSYBOX@",) * 12 + ("@FIELDS@",) * 2 + ("@ZSTD@", "@INDEX@")
_BUILD_ARGS = ("A=cli", "BUILD_ARG=b", "B=", "FOO='c d'")
_FUNCTIONS, _WEIGHTS = list(INSTRUCTIONS), list(INSTRUCTIONS.values())


def generate(seed: int) -> Case:
    rng = Random(seed)
    draft = Draft(rng=rng, escape="`" if rng.random() < 0.05 else "\\", runs=rng.random() < 0.75)
    context = contexts.write(draft)
    lines = _globals(draft)
    for index in range(draft.pick((1, 1, 1, 2, 2, 3))):
        lines += _stage(draft, index)
    if draft.escape == "`":
        lines.insert(0, "# escape=`")
    sections = {"context": _section(context), "Dockerfile": _section(lines)}
    if draft.chance(0.2):
        sections["options"] = f"--build-arg {draft.pick(_BUILD_ARGS)}\n"
    return Case(group="fuzz", name=f"seed {seed}", sections=sections)


def case_text(case: Case) -> str:
    """As a `.case` file has it."""
    order = [name for name in ("options", "context", "Dockerfile", "says") if name in case.sections]
    return f"=== {case.name}\n" + "".join(f"--- {name}\n{case.sections[name]}" for name in order)


def _section(lines: list[str]) -> str:
    return "\n".join(lines).strip("\n") + "\n"


def _globals(draft: Draft) -> list[str]:
    return [f"ARG {draft.pick(('A=global', 'B=$A-2', 'FOO'))}"] if draft.chance(0.15) else []


def _stage(draft: Draft, index: int) -> list[str]:
    name = f"s{index}"
    runs = draft.runs
    if draft.stages and draft.chance(0.25):
        parent = draft.pick(sorted(draft.stages))
        base, draft.stage = parent, draft.stages[parent].copy()
        draft.runs = runs and "/data" in draft.stage.directories
    elif draft.chance(0.12):
        base, draft.stage, draft.runs = "scratch", Tree(), False
    else:
        base, draft.stage = draft.pick(_BASES), Tree.of_base()
    lines = [f"FROM {base} AS {name}"]
    if base == "@FIELDS@" and draft.chance(0.8):  # its user may write nearly nowhere, its shell has -e
        lines += ["USER root", 'SHELL ["/bin/sh", "-c"]']
    for _ in range(draft.rng.randint(2, 9)):
        (function,) = draft.rng.choices(_FUNCTIONS, _WEIGHTS)
        lines.append(_decorated(draft, function(draft)))
    if base == "scratch":  # docker can't save an image without layers
        lines.append("COPY . /all")
    draft.stages[name], draft.runs = draft.stage, runs
    return lines


def _decorated(draft: Draft, line: str) -> str:
    """Now and then written over two lines, with a remark between, or in lower case; the meaning stays."""
    if draft.chance(0.04):
        keyword, _, rest = line.partition(" ")
        line = f"{keyword.lower()} {rest}".rstrip()
    spaces = [match.start() for match in re.finditer(r"(?<=\w) (?=\w)", line)]
    if draft.chance(0.06) and spaces:
        place = draft.pick(spaces)
        remark = draft.pick(("", "# a remark\n", "\n", "  # another\n"))
        return f"{line[:place]} {draft.escape}\n{remark}{line[place + 1 :]}"
    return line
