"""`masu run`: an image of the store, unpacked and run in a sandbox, to try it before anyone else does."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from builder import runner
from builder.cancel import Cancel
from builder.errors import UsageError
from builder.image.config import DEFAULT_PATH, Config
from builder.image.image import Image
from builder.image.platform import Platform
from builder.local import look_up, opened_store
from builder.mounting import Mounted
from builder.ops import Exec
from builder.options import CommonOptions, RunOptions
from builder.provisions import Provisions
from builder.sandbox import choose
from builder.state import State
from builder.store.copy import load
from builder.trees import opened_trees
from builder.values import replace


def run_image(name: str, arguments: Sequence[str], options: RunOptions, common: CommonOptions, env: Mapping[str, str]) -> int:
    """Run what the image's ENTRYPOINT and CMD say, or `arguments` in place of CMD; its output goes to standard output.

    Returns the exit code. Raises StoreError when the store has no such image.
    """
    platform = Platform.parse(options.platform) if options.platform else Platform.host()
    with opened_store(common, env) as store:
        image = load(store, str(look_up(store, name).digest), platform)
        op = _exec(_configured(image.config, options, env), tuple(arguments))
        return _run(image, op, common, env, stdin=sys.stdin.fileno() if options.interactive and sys.stdin else None)


def _run(image: Image, op: Exec, common: CommonOptions, env: Mapping[str, str], *, stdin: int | None) -> int:
    state = State.at(common.state_dir, env)
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
                stdin=stdin,
            ).code


def _configured(config: Config, options: RunOptions, env: Mapping[str, str]) -> Config:
    """With what the options say in place of the image's own."""
    if options.workdir and not options.workdir.startswith("/"):
        raise UsageError(f"invalid --workdir {options.workdir!r}", hint="give a path from / on")
    if options.entrypoint:
        config = replace(config, entrypoint=(options.entrypoint,), cmd=None)
    return replace(
        config,
        env=(*config.env, *_variables(options.env, env)),
        user=options.user or config.user,
        working_dir=options.workdir or config.working_dir,
    )


def _variables(texts: Iterable[str], env: Mapping[str, str]) -> Iterable[str]:
    """A key alone that the environment doesn't have is left out, as docker does."""
    for text in texts:
        key, equals, _ = text.partition("=")
        if not key:
            raise UsageError(f"invalid --env {text!r}", hint="write KEY=VALUE, or KEY to take the value from the environment")
        if equals or key in env:
            yield text if equals else f"{key}={env[key]}"


def _exec(config: Config, arguments: tuple[str, ...]) -> Exec:
    argv = (*(config.entrypoint or ()), *(arguments or config.cmd or ()))
    if not argv:
        raise UsageError("the image has neither ENTRYPOINT nor CMD", hint="give a command: masu run IMAGE COMMAND")
    variables = {"PATH": DEFAULT_PATH} | {key: value for key, _, value in (entry.partition("=") for entry in config.env)}
    return Exec(argv=argv, env=tuple(variables.items()), cwd=config.working_dir or "/", user=config.user)


def _print(chunk: bytes) -> None:
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
