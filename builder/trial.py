"""`masu run`: an image of the store, unpacked and run in a sandbox, to try it before anyone else does."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from builder import runner
from builder.cancel import Cancel
from builder.errors import UsageError
from builder.image.image import Image
from builder.image.platform import Platform
from builder.image.reference import Reference
from builder.mounting import Mounted
from builder.ops import Exec
from builder.options import CommonOptions
from builder.provisions import Provisions
from builder.sandbox import choose
from builder.state import State
from builder.store.copy import load
from builder.store.layout import LayoutStore
from builder.trees import opened_trees


def run_image(name: str, arguments: Sequence[str], common: CommonOptions, env: Mapping[str, str]) -> int:
    """Run what the image's ENTRYPOINT and CMD say, or `arguments` in place of CMD; its output goes to standard output.

    Returns the exit code. Raises StoreError when the store has no such image.
    """
    state = State.at(common.state_dir, env)
    image = load(LayoutStore(state.store), str(Reference.parse(name)), Platform.host())
    op = _exec(image, tuple(arguments))
    sandbox = choose(common.sandbox, state.root)
    with (
        state.working_directory() as directory,
        opened_trees(directory, state.layers, wanted=not sandbox.moves, suits=lambda: True, cancel=Cancel()) as trees,
    ):
        rootfs = trees.make(directory / "root", image.layers, ops=1)
        with rootfs.mountpoints(runner.provided(sandbox)) as places:
            return runner.run(
                op,
                rootfs,
                Mounted(),
                sandbox=sandbox,
                provisions=Provisions(),
                places=places,
                directory=directory,
                output=_print,
            ).code


def _exec(image: Image, arguments: tuple[str, ...]) -> Exec:
    config = image.config
    argv = (*(config.entrypoint or ()), *(arguments or config.cmd or ()))
    if not argv:
        raise UsageError("the image has neither ENTRYPOINT nor CMD", hint="give a command: masu run IMAGE COMMAND")
    env = tuple((key, value) for key, _, value in (entry.partition("=") for entry in config.env))
    return Exec(argv=argv, env=env, cwd=config.working_dir or "/", user=config.user)


def _print(chunk: bytes) -> None:
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
