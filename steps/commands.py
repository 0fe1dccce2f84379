"""The commands of `masu`: the core's, and those that know CI platforms."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from builder import cli
from builder.commands import COMMANDS as CORE
from builder.commands import Command
from steps.migration.command import MIGRATE

COMMANDS: Mapping[str, Command] = {**CORE, "migrate": MIGRATE}


def main() -> NoReturn:
    """The program `masu` where it is installed as a package; `entrypoint.py` is that of the step image."""
    cli.open_streams()
    cli.leave(cli.main(sys.argv[1:], os.environ, commands=COMMANDS))
