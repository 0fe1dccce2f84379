from __future__ import annotations

import pytest

from builder.ops import Exec, InlineFile, Location, Network
from tests.support.dockerfiles import PATH, failure, history, parsed, steps

_PATH_VARIABLE = ("PATH", PATH.removeprefix("PATH="))


def op(text: str, build_args: dict[str, str] | None = None) -> Exec:
    found = steps(text, build_args=build_args)[-1].op
    assert isinstance(found, Exec)
    return found


@pytest.mark.parametrize(
    ("text", "argv", "created_by"),
    [
        ("RUN a  $B 'c", ("/bin/sh", "-c", "a  $B 'c"), "RUN /bin/sh -c a  $B 'c # buildkit"),
        ('RUN ["a", "$B c"]', ("a", "$B c"), "RUN a $B c # buildkit"),
        ("RUN ['a']", ("/bin/sh", "-c", "['a']"), "RUN /bin/sh -c ['a'] # buildkit"),
        ("RUN a \\\n  b", ("/bin/sh", "-c", "a   b"), "RUN /bin/sh -c a   b # buildkit"),
        ("RUN", ("/bin/sh", "-c", ""), "RUN /bin/sh -c  # buildkit"),
        ("RUN --security=sandbox a", ("/bin/sh", "-c", "a"), "RUN /bin/sh -c a # buildkit"),
        ('SHELL ["/bin/bash", "-ec"]\nRUN a', ("/bin/bash", "-ec", "a"), "RUN /bin/bash -ec a # buildkit"),
        ('SHELL ["/bin/bash", "-ec"]\nRUN ["a"]', ("a",), "RUN a # buildkit"),
    ],
)
def test_the_command_and_its_history(text: str, argv: tuple[str, ...], created_by: str) -> None:
    assert (op(text).argv, history(text)[-1]) == (argv, created_by)


def test_the_environment_is_the_images_and_the_arguments() -> None:
    found = op("ENV A=1\nARG B=2\nARG C\nRUN x")
    assert found.env == (_PATH_VARIABLE, ("A", "1"), ("B", "2"))
    assert history("ARG B=2\nARG C\nARG B=3\nRUN x")[-1] == "RUN |2 B=3 C= /bin/sh -c x # buildkit"


def test_arguments_for_buildkit_alone_are_in_history_only() -> None:
    text = "ARG BUILDKIT_SBOM_SCAN_CONTEXT=true\nRUN x"
    assert op(text).env == (_PATH_VARIABLE,)
    assert history(text)[-1] == "RUN |1 BUILDKIT_SBOM_SCAN_CONTEXT=true /bin/sh -c x # buildkit"


def test_proxies_are_given_without_arg_and_stay_out_of_history_and_keys() -> None:
    args = {"http_proxy": "p", "NO_PROXY": "n", "OTHER": "o"}
    found = op("RUN x", args)
    assert dict(found.env) == {"HTTP_PROXY": "p", "http_proxy": "p", "NO_PROXY": "n", "no_proxy": "n", **dict([_PATH_VARIABLE])}
    assert found.unkeyed_env == ("HTTP_PROXY", "NO_PROXY", "http_proxy", "no_proxy")
    assert history("RUN x", build_args=args) == ["RUN /bin/sh -c x # buildkit"]


def test_a_declared_proxy_is_an_argument_like_others() -> None:
    args = {"http_proxy": "p"}
    assert op("ARG http_proxy\nRUN x", args).unkeyed_env == ("HTTP_PROXY",)
    assert history("ARG http_proxy\nRUN x", build_args=args)[-1] == "RUN |1 http_proxy=p /bin/sh -c x # buildkit"


def test_user_directory_network_and_place_are_told() -> None:
    found = op("USER u:g\nWORKDIR /w\nRUN --network=none x")
    assert (found.user, found.cwd, found.network) == ("u:g", "/w", Network.NONE)
    assert found.location == Location(file="Dockerfile", start=4, end=4)


@pytest.mark.parametrize(
    ("text", "command", "script"),
    [
        ("<<E\necho $A \\\n b\nE", "echo $A \\\n b\n", None),
        ("3<<-'E'\n\ta\n\t\tb\n\tE", "a\nb\n", None),
        ("<<E\nE", "", None),
        ("<<E\n#!/x\n$A\nE", "/dev/pipes/E", InlineFile(name="E", content="#!/x\n$A\n")),
        ("<<-E\n#!/x\n\ta\n\tE", "/dev/pipes/E", InlineFile(name="E", content="#!/x\na\n")),
        ("<<-E\n\t#!/x\n\t\ta\n\tE", "/dev/pipes/E", InlineFile(name="E", content="#!/x\na\n")),
        ("<<E\n\t#!/x\nE", "\t#!/x\n", None),
        ("<<'a b'\n#!\na b", "/dev/pipes/a b", InlineFile(name="a b", content="#!\n")),
        ("cat <<-'E' >f\n\t$A\n\tE", "cat <<-'E' >f\n\t$A\nE", None),
        ("<<A <<B\n#!a\nA\nb\nB", "<<A <<B\n#!a\nA\nb\nB", None),
        ("<<E\r\na\r\nE\r", "a\r\n", None),
    ],
)
def test_heredocs_are_commands_scripts_or_the_shells(text: str, command: str, script: InlineFile | None) -> None:
    found = op(f"ENV A=1\nRUN {text}")
    assert (found.argv, found.script) == (("/bin/sh", "-c", command), script)
    assert history(f"RUN {text}") == [f"RUN /bin/sh -c {command} # buildkit"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RUN --network=bridge x", "invalid network 'bridge'"),
        ("RUN --security=none x", "invalid security mode 'none'"),
        ("RUN []", "RUN has no command"),
        ('RUN ["a", 1]', "strings only"),
        ("RUN --mont=x y", "did you mean '--mount'?"),
        ("RUN --network=none --network=host x", "given twice"),
        ('RUN ["a\\u0000"]', "NUL"),
        ("RUN --device=x y", "masu has none"),
        ("RUN --mount=type=cache y", "invalid mount target"),
        ("RUN <<a/b\n#!/bin/sh\na/b", "the heredoc 'a/b' can't be a file of that name"),
        ('RUN <<"a\0b"\n#!x\na\0b', "NUL"),
    ],
)
def test_what_can_not_be_run_is_refused(text: str, message: str) -> None:
    said = failure(f"FROM a\n{text}")
    assert said.startswith("Dockerfile:2: ")
    assert message in said


def test_heredocs_and_flags_that_are_not_built_are_parsed() -> None:
    (stage,) = parsed("FROM a\nRUN --mount=type=ssh --device=d <<E\nb\nE\n").stages
    (run,) = stage.instructions
    assert [heredoc.content for heredoc in run.line.heredocs] == ["b\n"]
    assert run.line.flags == ("--mount=type=ssh", "--device=d")
