from __future__ import annotations

from collections.abc import Mapping

import pytest

from builder.errors import UsageError
from builder.image.config import Config, History
from builder.image.platform import Platform
from builder.ops import Copy, Exec, FromNamedContext, FromStage, MakeDir, sources
from builder.plan import ImageBase, NamedContexts, Plan, Scratch, StageBase, lower
from tests.support.dockerfiles import AMD64, ARM64, PATH, failure, lowered, parsed


def shown(text: str, build_args: Mapping[str, str] | None = None) -> list[str]:
    """What the ENV lines of the target set, in order: how these tests look at variables."""
    steps = lowered(text, build_args=build_args).target.steps
    return [step.created_by.removeprefix("ENV ") for step in steps if step.created_by.startswith("ENV")]


def environment(plan: Plan) -> dict[str, str]:
    """Of the target's last RUN."""
    op = plan.target.steps[-1].op
    assert isinstance(op, Exec)
    return {key: value for key, value in op.env if key != "PATH"}


@pytest.mark.parametrize(
    ("text", "build_args", "expected"),
    [
        ("FROM a\nARG X=d\nENV r=$X", {}, "r=d"),
        ("FROM a\nARG X=d\nENV r=$X", {"X": "c"}, "r=c"),
        ("FROM a\nARG X=d\nENV r=${X-u}", {"X": ""}, "r="),
        ("FROM a\nARG X\nENV r=${X-unset}", {}, "r=unset"),
        ("FROM a\nENV r=${X-unset}", {"X": "c"}, "r=unset"),
        ("ARG X=g\nFROM a\nENV r=${X-unset}", {}, "r=unset"),
        ("ARG X=g\nFROM a\nARG X\nENV r=$X", {}, "r=g"),
        ("ARG X=g\nFROM a\nARG X=d\nENV r=$X", {}, "r=d"),
        ("ARG X=g\nFROM a\nARG X\nENV r=$X", {"X": "c"}, "r=c"),
        ("ARG A=g\nFROM a\nARG A=${A}-2\nENV r=$A", {}, "r=-2"),
        ("ARG A=1\nARG B=$A-2\nFROM a\nARG B\nENV r=$B", {}, "r=1-2"),
        ("ARG A=1\nARG B=$A-2\nFROM a\nARG B\nENV r=$B", {"A": "c"}, "r=c-2"),
        ("FROM a\nARG A=1 B=$A\nENV r=$B", {}, "r=1"),
        ("FROM a\nENV V=e\nARG V=a\nENV r=$V", {}, "r=a"),
        ("FROM a\nENV V=e\nARG V\nENV r=$V", {}, "r=e"),
        ("FROM a\nARG V=a\nENV V=e\nENV r=$V", {}, "r=e"),
        ("FROM a\nENV x=1 y=$x\nENV r=$x-$y", {}, "r=1-"),
        ("FROM a AS s\nARG X=1\nENV Y=2\nFROM s\nENV r=$X$Y", {}, "r=12"),
        ("FROM a AS s\nENV V=e\nARG V=a\nFROM s\nENV r=$V", {}, "r=e"),
        ("FROM a AS s\nARG X=1\nFROM a\nENV r=${X-unset}", {}, "r=unset"),
        ("FROM a\nARG TARGETPLATFORM\nENV r=$TARGETPLATFORM", {}, "r=linux/amd64"),
        ("FROM a\nARG BUILDARCH TARGETOS TARGETVARIANT\nENV r=$BUILDARCH-$TARGETOS-$TARGETVARIANT", {}, "r=arm64-linux-"),
        ("FROM a\nARG TARGETARCH\nENV r=$TARGETARCH", {"TARGETARCH": "z80"}, "r=z80"),
        ("FROM a\nENV r=${TARGETARCH-unset}", {}, "r=unset"),
        ("FROM a\nARG TARGETSTAGE\nENV r=$TARGETSTAGE", {}, "r=default"),
        ("FROM a\nARG BUILDKIT_SBOM_SCAN_STAGE=1\nENV r=${BUILDKIT_SBOM_SCAN_STAGE-unset}", {}, "r=unset"),
        ("FROM a AS last\nARG TARGETSTAGE\nENV r=$TARGETSTAGE", {}, "r=last"),
        ("FROM a\nARG HTTP_PROXY\nENV r=$HTTP_PROXY", {"HTTP_PROXY": "p"}, "r=p"),
        ("FROM a\nENV r=${HTTP_PROXY-unset}", {"HTTP_PROXY": "p"}, "r=unset"),
        ("# escape=`\nFROM a\nENV r=`$X\\", {}, "r=$X\\"),
    ],
)
def test_variables_are_scoped(text: str, build_args: dict[str, str], expected: str) -> None:
    assert shown(text, build_args)[-1] == expected


def test_an_env_before_its_arg_keeps_its_place_in_the_image() -> None:
    plan = lowered("FROM a\nENV V=e\nARG V=a\nRUN x")
    assert (plan.target.config.env, environment(plan)) == ((PATH, "V=e"), {"V": "a"})


def test_an_argument_counts_from_its_line_on() -> None:
    plan = lowered("FROM a\nRUN x\nARG A=1\nRUN y")
    assert [step.created_by for step in plan.target.steps] == [
        "RUN /bin/sh -c x # buildkit",
        "ARG A=1",
        "RUN |1 A=1 /bin/sh -c y # buildkit",
    ]


def test_a_default_that_fails_does_not_matter_when_the_argument_is_given() -> None:
    text = "ARG A=${B?no}\nFROM a:$A\nARG C=${D?no}\n"
    assert lowered(text, build_args={"A": "1", "C": "2"}).target.base == ImageBase(reference="a:1", platform=AMD64)
    assert "B: no" in failure(text)


@pytest.mark.parametrize(
    ("text", "build_args", "base"),
    [
        ("FROM scratch", {}, Scratch()),
        ("FROM alpine", {}, ImageBase(reference="alpine", platform=AMD64)),
        ("ARG T=3\nFROM alpine:${T}", {}, ImageBase(reference="alpine:3", platform=AMD64)),
        ("ARG T\nFROM alpine:${T:-9}", {}, ImageBase(reference="alpine:9", platform=AMD64)),
        ("ARG T=3\nFROM alpine:${T}", {"T": "4"}, ImageBase(reference="alpine:4", platform=AMD64)),
        ("FROM --platform=$BUILDPLATFORM a", {}, ImageBase(reference="a", platform=ARM64)),
        ("FROM --platform=linux/arm/v7 a", {}, ImageBase(reference="a", platform=Platform.parse("linux/arm/v7"))),
        ("FROM a AS b\nFROM b", {}, StageBase(index=0)),
        ("FROM a AS B\nFROM b", {}, StageBase(index=0)),
        ("FROM a AS b\nFROM c AS b\nFROM b", {}, StageBase(index=1)),
        ("FROM a AS scratch\nFROM scratch", {}, StageBase(index=0)),
        ("FROM b AS b\nFROM c", {}, ImageBase(reference="c", platform=AMD64)),
        ("FROM b AS b", {}, ImageBase(reference="b", platform=AMD64)),
        ("ARG S=b\nFROM a AS b\nFROM $S", {}, StageBase(index=0)),
    ],
)
def test_a_base_is_a_stage_above_or_scratch_or_an_image(text: str, build_args: dict[str, str], base: object) -> None:
    assert lowered(text, build_args=build_args).target.base == base


_STAGES = "FROM a AS one\nFROM b AS Two\nFROM one AS three\nCOPY --from=two /x /y\nFROM c\n"


@pytest.mark.parametrize(
    ("target", "indexes"),
    [("", [3]), ("one", [0]), ("TWO", [1]), ("three", [0, 1, 2]), ("2", [0, 1, 2]), ("3", [3])],
)
def test_only_what_the_target_needs_is_planned(target: str, indexes: list[int]) -> None:
    assert [stage.index for stage in lowered(_STAGES, target=target).stages] == indexes


@pytest.mark.parametrize(
    ("target", "hint"),
    [("thre", "did you mean 'three'?"), ("4", "the stages are one, two, three"), ("-1", "the stages are one, two, three")],
)
def test_an_unknown_target_is_refused(target: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        lowered(_STAGES, target=target)
    assert caught.value.hint == hint


def test_a_stage_that_is_not_needed_may_be_wrong() -> None:
    text = "FROM --platform=no/such/plat/form a\nFROM $NONE\nENV a=${b?c}\nRUN --mount=type=ssh x\nCOPY --from=9 a b\nFROM d\n"
    assert len(lowered(text).stages) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM a AS a\nCOPY --from=b x y\nFROM a AS b\n", "Dockerfile:2: circular dependency detected on stage 'a'"),
        ("FROM x AS a\nCOPY --from=a x y", "Dockerfile:2: circular dependency detected on stage 'a'"),
        ("FROM x\nCOPY --from=0 x y", "Dockerfile:2: circular dependency detected on stage '0'"),
        (
            "FROM x AS a\nCOPY --from=b x y\nFROM z AS b\nCOPY --from=a y z",
            "Dockerfile:2: circular dependency detected on stage 'a'",
        ),
        (
            "FROM x AS c\nFROM x AS a\nCOPY --from=b x y\nFROM z AS b\nFROM a",
            "Dockerfile:3: cannot copy from stage 'b', it needs to be defined before current stage 'a'",
        ),
        ("FROM $NONE", "Dockerfile:1: base name '$NONE' is blank"),
        ("FROM ${A", "Dockerfile:1: missing '}' in substitution"),
        ("FROM UPPER", "Dockerfile:1: invalid reference 'UPPER'"),
        ("FROM --platform=$NONE a", "Dockerfile:1: invalid platform '' from '$NONE'"),
        ("FROM --platform=a/b/c/d a", "Dockerfile:1: invalid platform 'a/b/c/d'"),
        ("FROM --platform=$NONE scratch", "Dockerfile:1: invalid platform '' from '$NONE'"),
        ("FROM a AS b\nFROM --platform=a/b/c/d b", "Dockerfile:2: invalid platform 'a/b/c/d'"),
        ("ARG A=${\nFROM a", "Dockerfile:1: "),
    ],
)
def test_stages_that_can_not_be_planned_are_refused(text: str, message: str) -> None:
    assert failure(text).startswith(message)


def test_a_chain_of_a_thousand_stages_is_no_problem() -> None:
    text = "FROM a AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\nENV A{n}=1\n" for n in range(1_000))
    assert len(lowered(text).stages) == 1_001


def test_a_base_is_asked_for_once_for_each_image_and_platform() -> None:
    asked: list[tuple[str, Platform]] = []

    def base_config(reference: str, platform: Platform) -> Config:
        asked.append((reference, platform))
        return Config(platform=platform)

    text = "FROM a AS x\nFROM --platform=linux/arm64 a AS y\nFROM unused\nFROM a\n" + "".join(
        f"COPY --from={n} a b\n" for n in "xyz"
    )
    lower(parsed(text), target="", build_args={}, labels={}, platform=AMD64, base_config=base_config)
    assert sorted(asked, key=str) == [("a", AMD64), ("a", ARM64)]


def test_scratch_begins_with_a_path_and_the_root_directory() -> None:
    assert lowered("FROM scratch").target.config == Config(platform=AMD64, env=(PATH,), working_dir="/")


def test_a_base_keeps_its_config_and_gets_a_path() -> None:
    base = Config(
        platform=ARM64, author="x", env=("A=1",), cmd=("c",), working_dir="w", user="u", created="2020", history=(History(),)
    )
    assert lowered("FROM a", bases={"a": base}).target.config == Config(
        platform=ARM64, author="x", env=("A=1", PATH), cmd=("c",), working_dir="/w", user="u"
    )


def test_a_stage_inherits_the_config_of_its_base_stage() -> None:
    plan = lowered('FROM a AS b\nUSER u\nCMD c\nSHELL ["s"]\nFROM b\nENTRYPOINT x\nRUN y')
    config = plan.target.config
    assert (config.user, config.cmd, config.entrypoint) == ("u", None, ("s", "x"))
    op = plan.target.steps[-1].op
    assert isinstance(op, Exec)
    assert (op.argv, op.user) == (("s", "y"), "u")


def test_what_a_stage_reads_is_for_the_platform_that_is_built_for() -> None:
    named = NamedContexts.parse(["tools::linux/amd64=one", "tools::linux/arm64=two"])
    text = "FROM --platform=linux/arm64 a\nCOPY --from=tools x /\nRUN --mount=from=tools,target=/t x"
    plan = lowered(text, named=named)
    found = [source for step in plan.target.steps if step.op for source in sources(step.op)]
    assert (plan.platform, found) == (AMD64, [FromNamedContext(name="tools::linux/amd64")] * 2)


def test_labels_of_the_command_line_come_last_and_only_into_the_target() -> None:
    plan = lowered("FROM a AS b\nLABEL x=1\nFROM b\nLABEL y=2 z=3", labels={"y": "cli", "n": "w"})
    assert plan.target.config.labels == {"x": "1", "y": "cli", "z": "3", "n": "w"}
    assert plan.stages[0].config.labels == {"x": "1"}


def test_triggers_of_an_image_run_first_and_are_gone() -> None:
    base = Config(platform=AMD64, env=(PATH,), on_build=("RUN a", "COPY --from=tools x /", "ENV A=1 \\\n B=2"))
    plan = lowered("FROM t AS tools\nFROM base\nRUN b$A", bases={"base": base})
    assert [step.text for step in plan.target.steps] == [
        "ONBUILD RUN a",
        "ONBUILD COPY --from=tools x /",
        "ONBUILD ENV A=1 B=2",
        "RUN b$A",
    ]
    copy = plan.target.steps[1].op
    assert isinstance(copy, Copy)
    assert (copy.source, copy.location.start) == (FromStage(index=0), 2)
    assert [stage.index for stage in plan.stages] == [0, 1]
    assert plan.target.config.on_build == ()
    assert environment(plan) == {"A": "1", "B": "2"}


def test_triggers_of_a_stage_run_in_its_children_and_not_in_their_children() -> None:
    plan = lowered("FROM a AS p\nONBUILD RUN t\nFROM p AS c\nFROM c AS g")
    assert [[step.text for step in stage.steps] for stage in plan.stages] == [["ONBUILD RUN t"], ["ONBUILD RUN t"], []]
    assert [stage.config.on_build for stage in plan.stages] == [("RUN t",), (), ()]
    assert [(step.op is None, step.created_by) for step in plan.stages[0].steps] == [(True, "")]


@pytest.mark.parametrize("trigger", ["FROM x", "NOPE", "RUN a\nRUN b", "", "COPY x"])
def test_a_trigger_that_can_not_be_used_names_the_from(trigger: str) -> None:
    base = Config(platform=AMD64, on_build=(trigger,))
    with pytest.raises(Exception, match=r"Dockerfile:2: the base has an ONBUILD trigger that can't be used"):
        lowered("FROM a\nFROM base", bases={"base": base})


def test_a_step_tells_the_config_after_it() -> None:
    first, second = lowered("FROM a\nENV A=1\nUSER u").target.steps
    assert (first.config.env, first.config.user, second.config.user) == ((PATH, "A=1"), "", "u")


def test_a_step_of_a_relative_workdir_has_the_whole_path() -> None:
    ops = [step.op for step in lowered("FROM a\nWORKDIR /x\nWORKDIR y\nWORKDIR ../..").target.steps]
    assert [op.path if isinstance(op, MakeDir) else None for op in ops] == ["/x", "/x/y", None]
