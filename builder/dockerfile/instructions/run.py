"""RUN: a command in the stage's filesystem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from builder.dockerfile import forms
from builder.dockerfile.flags import Kind, parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.heredoc import Heredoc
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem, not_built
from builder.dockerfile.scope import Applied, Scope
from builder.ops import Exec, Network

_FLAGS = {"mount": Kind.LIST, "network": Kind.ONCE, "security": Kind.ONCE, "device": Kind.LIST}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`command` is an argv (`shell` false) or the one text for the shell; mounts and devices are as written."""

    form: ClassVar[forms.Form] = staticmethod(forms.json_or_string)
    line: Line
    command: tuple[str, ...]
    shell: bool
    heredocs: tuple[Heredoc, ...] = ()
    network: Network = Network.DEFAULT
    mounts: tuple[str, ...] = ()
    security: str = "sandbox"
    devices: tuple[str, ...] = ()

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Run:
        flags = parse_flags(line.flags, _FLAGS)
        return cls(
            line=line,
            command=forms.command(arguments),
            shell=not arguments.json,
            heredocs=line.heredocs,
            network=_network(flags.text("network")),
            mounts=flags.texts("mount"),
            security=_security(flags.text("security")),
            devices=flags.texts("device"),
        )

    def apply(self, scope: Scope) -> Applied:
        self._refuse_unbuilt()
        argv = (*scope.shell, *self.command) if self.shell else self.command
        if not argv:
            raise Problem("RUN has no command")
        proxy = scope.proxy_env
        op = Exec(
            argv=argv,
            env=tuple({**scope.env, **proxy}.items()),
            unkeyed_env=tuple(sorted(name for name in proxy if name not in scope.env)),
            cwd=scope.working_dir,
            user=scope.config.user,
            network=self.network,
            location=self.line.location,
        )
        created_by = " ".join(["RUN", *scope.args_text, *argv, "# buildkit"])
        return Applied(scope=scope, op=op, created_by=created_by)

    def _refuse_unbuilt(self) -> None:
        if self.mounts:
            raise not_built("RUN --mount")
        if self.devices:
            raise not_built("RUN --device")
        if self.security != "sandbox":
            raise not_built(f"RUN --security={self.security}")
        if self.heredocs:
            raise not_built("a heredoc in RUN")


def _network(value: str) -> Network:
    try:
        return Network(value or "default")
    except ValueError:
        raise Problem(f"invalid network {value!r}", hint="--network is default, none or host") from None


def _security(value: str) -> str:
    if value not in ("", "sandbox", "insecure"):
        raise Problem(f"invalid security mode {value!r}", hint="--security is sandbox or insecure")
    return value or "sandbox"
