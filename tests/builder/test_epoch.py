from __future__ import annotations

from pathlib import Path

import pytest

from builder.dockerfile.parse import parse
from builder.epoch import settled
from builder.errors import BuilderError
from builder.inputs import Inputs
from builder.rootfs import SourceTree

ARG = "SOURCE_DATE_EPOCH"


def inputs(head: str, time: int | None = 7) -> Inputs:
    dockerfile = parse(f"{head}\nFROM scratch\n".encode(), file="f")
    return Inputs(dockerfile=dockerfile, context=SourceTree(path=Path("/nowhere")), time=lambda: time)


@pytest.mark.parametrize(
    ("head", "given", "seconds", "argument"),
    [
        ("", {}, None, None),
        ("", {ARG: "5"}, 5, "5"),
        ("", {ARG: ""}, None, ""),
        ("", {ARG: "context"}, 7, "7"),
        (f"ARG {ARG}", {}, None, None),
        (f"ARG {ARG}=5", {}, 5, None),
        (f"ARG {ARG}=5", {ARG: "6"}, 6, "6"),
        (f"ARG {ARG}=5", {ARG: ""}, None, ""),
        (f"ARG {ARG}=5\nARG {ARG}=6", {}, 6, None),
        (f"ARG A=4\nARG {ARG}=${{A}}5", {}, 45, None),
        (f"ARG A=4\nARG {ARG}=${{A}}5", {"A": ""}, 5, None),
        (f"ARG {ARG}=context", {}, 7, "7"),
    ],
)
def test_the_epoch_is_the_command_lines_else_a_global_arg(
    head: str, given: dict[str, str], seconds: int | None, argument: str | None
) -> None:
    build_args, found = settled(given, inputs(head))
    assert (found, build_args.get(ARG)) == (seconds, argument)


@pytest.mark.parametrize(("head", "given"), [("", {ARG: "context"}), (f"ARG {ARG}=context", {})])
def test_a_context_without_a_time_gives_none(head: str, given: dict[str, str]) -> None:
    assert settled(given, inputs(head, None)) == ({ARG: ""}, None)


@pytest.mark.parametrize(
    ("head", "given", "said"),
    [
        ("", {ARG: "base"}, "^invalid SOURCE_DATE_EPOCH 'base'"),
        (f"ARG A\nARG {ARG}=base", {}, "^f:2: invalid SOURCE_DATE_EPOCH 'base'"),
        (f"ARG {ARG}=-1", {}, "^f:1: invalid SOURCE_DATE_EPOCH '-1'"),
    ],
)
def test_what_is_no_time_is_refused(head: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(BuilderError, match=said):
        settled(given, inputs(head))
