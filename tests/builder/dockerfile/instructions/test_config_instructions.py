"""The instructions that only change the config: what they write, their history, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builder.image.config import Config, Healthcheck
from builder.ops import MakeDir
from tests.support.dockerfiles import AMD64, PATH, config, failure, history, steps

_BASE = Config(
    platform=AMD64,
    env=(PATH, "A=1"),
    cmd=("base",),
    entrypoint=("e",),
    labels={"l": "base"},
    exposed_ports=("1/tcp",),
    volumes=("/v",),
)
_SH = ("/bin/sh", "-c")


@pytest.mark.parametrize(
    ("text", "changes", "created_by"),
    [
        ("CMD a $B", {"cmd": (*_SH, "a $B"), "args_escaped": True}, 'CMD ["/bin/sh" "-c" "a $B"]'),
        ('CMD ["a", "b\\""]', {"cmd": ("a", 'b"'), "args_escaped": True}, 'CMD ["a" "b\\""]'),
        ("CMD []", {"cmd": (), "args_escaped": True}, "CMD []"),
        ("CMD", {"cmd": (*_SH, ""), "args_escaped": True}, 'CMD ["/bin/sh" "-c" ""]'),
        ("ENTRYPOINT a", {"entrypoint": (*_SH, "a"), "cmd": None}, 'ENTRYPOINT ["/bin/sh" "-c" "a"]'),
        ('ENTRYPOINT ["a"]', {"entrypoint": ("a",), "cmd": None}, 'ENTRYPOINT ["a"]'),
        ("ENTRYPOINT []", {"entrypoint": None, "cmd": None}, "ENTRYPOINT []"),
        ("ENV A=2 B=$A", {"env": (PATH, "A=2", "B=1")}, "ENV A=2 B=1"),
        ("ENV a b  c \"d\" 'e'", {"env": (PATH, "A=1", "a=b  c d e")}, "ENV a=b  c d e"),
        ("ENV K$A=v", {"env": (PATH, "A=1", "K1=v")}, "ENV K1=v"),
        ("ENV A=\\$B", {"env": (PATH, "A=$B")}, "ENV A=$B"),
        ('LABEL a=b l="$A c" e=', {"labels": {"l": "1 c", "a": "b", "e": ""}}, "LABEL a=b l=1 c e="),
        ("LABEL a b c", {"labels": {"l": "base", "a": "b c"}}, "LABEL a=b c"),
        ("ARG B=x", {}, "ARG B=x"),
        ("ARG B C=$A D=$C", {}, "ARG B C=1 D=1"),
        ("USER u:$A", {"user": "u:1"}, "USER u:1"),
        ("USER $NONE", {}, "USER "),
        ("MAINTAINER a $A <b>", {"author": "a $A <b>"}, "MAINTAINER a $A <b>"),
        ('VOLUME ["/b", "$A"]', {"volumes": ("/b", "/v", "1")}, "VOLUME [/b 1]"),
        ("VOLUME /b c", {"volumes": ("/b", "/v", "c")}, "VOLUME [/b c]"),
        ("STOPSIGNAL SIGTERM", {"stop_signal": "SIGTERM"}, "STOPSIGNAL SIGTERM"),
        ("STOPSIGNAL rtmin+3", {"stop_signal": "rtmin+3"}, "STOPSIGNAL rtmin+3"),
        ("STOPSIGNAL 65", {"stop_signal": "65"}, "STOPSIGNAL 65"),
        ("STOPSIGNAL $A", {"stop_signal": "1"}, "STOPSIGNAL 1"),
        ('SHELL ["/bin/bash", "-c"]', {"shell": ("/bin/bash", "-c")}, "SHELL [/bin/bash -c]"),
        ("EXPOSE 80 53/UDP 80", {"exposed_ports": ("1/tcp", "53/udp", "80/tcp")}, "EXPOSE [53/udp 80/tcp 80/tcp]"),
        ("EXPOSE 8-9/sctp", {"exposed_ports": ("1/tcp", "8/sctp", "9/sctp")}, "EXPOSE [8/sctp 9/sctp]"),
        ("EXPOSE 127.0.0.1:80:90 [::1]:1-2:3", {"exposed_ports": ("1/tcp", "3/tcp", "90/tcp")}, "EXPOSE [90/tcp 3/tcp]"),
        ("ONBUILD RUN  a  $A", {"on_build": ("RUN  a  $A",)}, ""),
        ("onbuild COPY <<E /\na\nE", {"on_build": ("COPY <<E /\na\nE",)}, ""),
        ("WORKDIR /c/./d/", {"working_dir": "/c/./d/"}, "WORKDIR /c/./d/"),
        ("WORKDIR a b/../c", {"working_dir": "/c"}, "WORKDIR /c"),
        ("WORKDIR /$NONE/a", {"working_dir": "//a"}, "WORKDIR //a"),
        ("WORKDIR //a\nWORKDIR b", {"working_dir": "/a/b"}, "WORKDIR /a/b"),
        ("WORKDIR $NONE", {"working_dir": "/"}, "WORKDIR /"),
    ],
)
def test_the_config_and_its_history(text: str, changes: dict[str, Any], created_by: str) -> None:
    assert config(text, base=_BASE) == replace(_BASE, **changes)
    if "$A" not in text or "A=" in text:
        assert history(f"ENV A=1\n{text}")[-1] == created_by


@pytest.mark.parametrize(
    ("text", "cmd"),
    [
        ("ENTRYPOINT x", None),
        ('CMD ["a"]\nENTRYPOINT x', ("a",)),
        ('ENTRYPOINT x\nCMD ["a"]', ("a",)),
        ('CMD ["a"]\nENTRYPOINT x\nENTRYPOINT y', ("a",)),
    ],
)
def test_entrypoint_drops_a_command_that_is_not_this_stages(text: str, cmd: tuple[str, ...] | None) -> None:
    assert config(text, base=_BASE).cmd == cmd


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("NONE", Healthcheck(test=("NONE",)), "Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0"),
        ("--interval=5s none", Healthcheck(test=("NONE",)), "Test:[NONE] Interval:0s"),
        ("CMD a $B", Healthcheck(test=("CMD-SHELL", "a $B")), "Test:[CMD-SHELL a $B] Interval:0s"),
        ('cmd ["a", "b"]', Healthcheck(test=("CMD", "a", "b")), "Test:[CMD a b] Interval:0s"),
        (
            "--interval=1m30s --timeout=500ms --start-period=1h --start-interval=0 --retries=3 CMD x",
            Healthcheck(test=("CMD-SHELL", "x"), interval=90 * 10**9, timeout=5 * 10**8, start_period=3600 * 10**9, retries=3),
            "Test:[CMD-SHELL x] Interval:1m30s Timeout:500ms StartPeriod:1h0m0s StartInterval:0s Retries:3",
        ),
    ],
)
def test_health_checks(text: str, expected: Healthcheck, shown: str) -> None:
    assert config(f"HEALTHCHECK {text}").healthcheck == expected
    assert history(f"HEALTHCHECK {text}")[0].startswith(f"HEALTHCHECK {{{shown}")


def test_the_shell_does_not_change_a_health_check_and_outlives_its_stage() -> None:
    found = config('SHELL ["/bin/bash", "-c"]\nHEALTHCHECK CMD a\nCMD b')
    assert found.healthcheck == Healthcheck(test=("CMD-SHELL", "a"))
    assert found.cmd == ("/bin/bash", "-c", "b")


def test_workdir_makes_the_directory_as_the_user_and_none_for_the_root() -> None:
    made, none = (step.op for step in steps("USER u\nWORKDIR /a\nWORKDIR /")[1:])
    assert isinstance(made, MakeDir)
    assert (made.path, made.user, none) == ("/a", "u", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ENV", "ENV needs at least one argument"),
        ("ENV a", "ENV must have two arguments"),
        ("ENV =b", "ENV has a blank name"),
        ("ENV $N=b", "ENV has a blank name"),
        ("ENV a=b c", "ENV has no '=' in 'c'"),
        ("ENV a='b", "unterminated single quote"),
        ("ENV a=${b", "missing '}'"),
        ("ENV --x a=b", "unknown flag '--x'"),
        ("LABEL", "LABEL needs at least one argument"),
        ("ARG", "ARG needs at least one argument"),
        ("ARG =a", "ARG has a blank name"),
        ("USER", "USER needs exactly one argument"),
        ("WORKDIR", "WORKDIR needs exactly one argument"),
        ("MAINTAINER", "MAINTAINER needs exactly one argument"),
        ("VOLUME", "VOLUME needs at least one argument"),
        ('VOLUME [""]', "VOLUME has an empty path"),
        ("VOLUME $N", "VOLUME has an empty path"),
        ("STOPSIGNAL", "STOPSIGNAL needs exactly one argument"),
        ("STOPSIGNAL SIGTREM", "invalid signal 'SIGTREM'"),
        ("STOPSIGNAL 0", "invalid signal '0'"),
        ("STOPSIGNAL -9", "invalid signal '-9'"),
        ("SHELL", "SHELL needs at least one argument"),
        ("SHELL []", "SHELL needs at least one argument"),
        ("SHELL /bin/bash -c", "SHELL takes a JSON array only"),
        ("EXPOSE", "EXPOSE needs at least one argument"),
        ("EXPOSE a", "invalid port 'a'"),
        ("EXPOSE 65536", "invalid port '65536'"),
        ("EXPOSE 9-8", "invalid port '9-8'"),
        ("EXPOSE 80/icmp", "invalid protocol 'icmp'"),
        ("EXPOSE x:80:80", "invalid IP address 'x'"),
        ("EXPOSE 1-2:3-5", "ranges of host and container ports differ"),
        ("HEALTHCHECK", "HEALTHCHECK needs at least one argument"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK CMD", "HEALTHCHECK CMD has no command"),
        ("HEALTHCHECK CMD []", "HEALTHCHECK CMD has no command"),
        ("HEALTHCHECK curl x", "HEALTHCHECK has the unknown type 'curl'"),
        ("HEALTHCHECK --interval=5 CMD x", "invalid duration '5'"),
        ("HEALTHCHECK --interval=5us CMD x", "less than a millisecond"),
        ("HEALTHCHECK --timeout=-5s CMD x", "less than a millisecond"),
        ("HEALTHCHECK --retries=-1 CMD x", "is negative"),
        ("HEALTHCHECK --retries=1.5 CMD x", "is not a number"),
        ("HEALTHCHECK --intervall=5s CMD x", "did you mean '--interval'?"),
        ("ONBUILD", "ONBUILD needs at least one argument"),
        ("ONBUILD ONBUILD RUN x", "ONBUILD can't be the trigger of an ONBUILD"),
        ("ONBUILD FROM x", "FROM can't be an ONBUILD trigger"),
        ("ONBUILD maintainer x", "MAINTAINER can't be an ONBUILD trigger"),
        ("ONBUILD RUN --monut=x y", "did you mean '--mount'?"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, message: str) -> None:
    said = failure(f"FROM a\n{text}")
    assert said.startswith("Dockerfile:2: ")
    assert message in said


def test_flags_of_arg_and_stopsignal_are_read_over() -> None:
    assert history("ARG --x A=1\nSTOPSIGNAL --y TERM") == ["ARG A=1", "STOPSIGNAL TERM"]


def test_one_variable_can_hold_several_ports() -> None:
    assert config("ENV P='80 81/udp'\nEXPOSE $P").exposed_ports == ("80/tcp", "81/udp")
    assert failure("FROM a\nENV P='80 81'\nEXPOSE \"$P\"").startswith("Dockerfile:3: invalid port '80 81'")
