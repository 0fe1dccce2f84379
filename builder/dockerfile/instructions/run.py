"""RUN: a command in the stage's filesystem."""

from __future__ import annotations

from posixpath import normpath
from typing import ClassVar

from builder.dockerfile import forms
from builder.dockerfile.flags import Kind, parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.heredoc import Heredoc, file_name, heredoc_word
from builder.dockerfile.lines import Line
from builder.dockerfile.mounts import MountFlag
from builder.dockerfile.problem import Problem
from builder.dockerfile.scope import Applied, Scope
from builder.ops import PIPES, SCRATCH, Exec, InlineFile, Mount, Network, SecretMount, SshMount
from builder.values import dataclass

_FLAGS = {"mount": Kind.LIST, "network": Kind.ONCE, "security": Kind.ONCE, "device": Kind.LIST}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`command` is an argv (`shell` false) or the one text for the shell."""

    form: ClassVar[forms.Form] = staticmethod(forms.json_or_string)
    line: Line
    command: tuple[str, ...]
    shell: bool
    heredocs: tuple[Heredoc, ...] = ()
    network: Network = Network.DEFAULT
    mounts: tuple[MountFlag, ...] = ()
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
            mounts=tuple(MountFlag.parse(text) for text in flags.texts("mount")),
            security=_security(flags.text("security")),
            devices=flags.texts("device"),
        )

    def apply(self, scope: Scope) -> Applied:
        if self.devices:
            raise Problem("RUN --device is for a daemon with CDI devices, and masu has none", hint="leave the flag out")
        command, script = self._inlined()
        argv = (*scope.shell, *command) if self.shell else command
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
            script=script,
            mounts=self._mounts(scope),
            insecure=self.security == "insecure",
            location=self.line.location,
        )
        created_by = " ".join(["RUN", *scope.args_text, *argv, "# buildkit"])
        return Applied(scope=scope, op=op, created_by=created_by)

    def _inlined(self) -> tuple[tuple[str, ...], InlineFile | None]:
        """The command with its heredocs, and the script that it is if that names its own interpreter.

        A heredoc alone is the command itself; beside other words it is left to the shell, as it was written.
        """
        if not self.heredocs:
            return self.command, None
        (text,) = self.command
        first = self.heredocs[0]
        if not heredoc_word(text):
            return ("\n".join([text, *(heredoc.content + heredoc.name for heredoc in self.heredocs)]),), None
        if not first.body.startswith("#!"):
            return (first.body,), None
        script = InlineFile(name=file_name(first), content=first.body)
        return (normpath(f"{PIPES}/{first.name}"),), script

    @property
    def sources(self) -> tuple[str, ...]:
        """What the mounts say after `from=`."""
        return tuple(mount.source for mount in self.mounts if mount.source not in ("", SCRATCH))

    def _mounts(self, scope: Scope) -> tuple[Mount, ...]:
        """In BuildKit's order: by target (llb/exec.go), and after all others secrets, then sockets."""
        mounts: list[Mount] = []
        for flag in self.mounts:
            sockets = sum(isinstance(mount, SshMount) for mount in mounts)
            mounts.append(flag.apply(self.line, scope, number=sockets))
        files = sorted(
            (mount for mount in mounts if not isinstance(mount, SecretMount | SshMount)), key=lambda mount: mount.target
        )
        secrets = (mount for mount in mounts if isinstance(mount, SecretMount))
        return (*files, *secrets, *(mount for mount in mounts if isinstance(mount, SshMount)))


def _network(value: str) -> Network:
    try:
        return Network(value or "default")
    except ValueError:
        raise Problem(f"invalid network {value!r}", hint="--network is default, none or host") from None


def _security(value: str) -> str:
    if value not in ("", "sandbox", "insecure"):
        raise Problem(f"invalid security mode {value!r}", hint="--security is sandbox or insecure")
    return value or "sandbox"
