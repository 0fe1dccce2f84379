"""The instructions: a keyword's module holds its syntax and its meaning; adding one is a file and a line of this table."""

from __future__ import annotations

from collections.abc import Mapping

from builder.dockerfile.instructions.add import Add
from builder.dockerfile.instructions.arg import Arg
from builder.dockerfile.instructions.cmd import Cmd
from builder.dockerfile.instructions.copy import Copy
from builder.dockerfile.instructions.entrypoint import Entrypoint
from builder.dockerfile.instructions.env import Env
from builder.dockerfile.instructions.expose import Expose
from builder.dockerfile.instructions.from_ import From
from builder.dockerfile.instructions.healthcheck import HealthCheck
from builder.dockerfile.instructions.label import Label
from builder.dockerfile.instructions.maintainer import Maintainer
from builder.dockerfile.instructions.onbuild import OnBuild
from builder.dockerfile.instructions.run import Run
from builder.dockerfile.instructions.shell import Shell
from builder.dockerfile.instructions.stopsignal import StopSignal
from builder.dockerfile.instructions.user import User
from builder.dockerfile.instructions.volume import Volume
from builder.dockerfile.instructions.workdir import Workdir
from builder.dockerfile.scope import Instruction

INSTRUCTIONS: Mapping[str, type[Instruction]] = {
    "add": Add,
    "arg": Arg,
    "cmd": Cmd,
    "copy": Copy,
    "entrypoint": Entrypoint,
    "env": Env,
    "expose": Expose,
    "from": From,
    "healthcheck": HealthCheck,
    "label": Label,
    "maintainer": Maintainer,
    "onbuild": OnBuild,
    "run": Run,
    "shell": Shell,
    "stopsignal": StopSignal,
    "user": User,
    "volume": Volume,
    "workdir": Workdir,
}
