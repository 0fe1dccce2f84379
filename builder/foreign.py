"""RUNs for platforms that aren't this machine's: whether the kernel runs their programs, by itself or by an emulator."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from builder import runner
from builder.errors import BuilderError, SandboxError
from builder.image.platform import Platform
from builder.mounting import Mounted
from builder.ops import Exec
from builder.plan import ImageBase, Plan, PlannedStage, Step
from builder.plan.needs import stages_below
from builder.provisions import Provisions
from builder.rootfs.plain import PlainRootfs
from builder.sandbox import Sandbox
from builder.sandbox.smallest import smallest

log = logging.getLogger(__name__)

_PROGRAM = "program"


def foreign_step(plan: Plan, can_run: Callable[[Platform], bool]) -> tuple[PlannedStage, Step] | None:
    """The first command that has to be carried out and can't be: the image that its stage begins with is for another machine.

    What programs get into a stage that begins with nothing can't be known.
    """
    for stage in plan.stages:
        step = next((step for step in stage.pending if isinstance(step.op, Exec)), None)
        if step and _begins_with_image(plan, stage.index) and not can_run(stage.config.platform):
            return stage, step
    return None


def _begins_with_image(plan: Plan, index: int) -> bool:
    first = list(stages_below(plan, index))[-1]
    return any(stage.index == first and isinstance(stage.base, ImageBase) for stage in plan.stages)


def is_foreign(stage: PlannedStage) -> bool:
    """Whether what it begins with is for another machine."""
    return not stage.config.platform.matches(Platform.host())


def refusal(stage: PlannedStage, step: Step) -> BuilderError:
    """What is told of it."""
    wanted = stage.config.platform
    error = BuilderError(f"this machine ({Platform.host()}) can't run programs of {wanted}", hint=hint(wanted))
    where = step.location
    error.locate(f"{where}: {step.text}", file=where.file, line=where.start)
    return error


def hint(platform: Platform) -> str:
    """What to do about a command of another platform."""
    return (
        "let a stage that begins with FROM --platform=$BUILDPLATFORM make what $TARGETPLATFORM needs, and COPY it from there; "
        f"or let the kernel run {platform.architecture} by an emulator (qemu, registered with binfmt_misc)"
    )


def runs_here(platform: Platform, sandbox: Callable[[], Sandbox], directory: Path) -> bool:
    """Found by trying, below `directory`, which is scratch space; of an architecture that isn't known it is assumed."""
    if platform.matches(Platform.host()):
        return True
    program = smallest(platform.architecture)
    if platform.os != "linux" or program is None:
        return platform.os == "linux"
    own = directory / f"try-{platform.architecture}"
    own.mkdir()
    rootfs = PlainRootfs(own / "root")
    try:
        (rootfs.path / _PROGRAM).write_bytes(program)
        (rootfs.path / _PROGRAM).chmod(0o755)
        return _ends_well(rootfs, sandbox())
    finally:
        rootfs.remove()


def _ends_well(rootfs: PlainRootfs, sandbox: Sandbox) -> bool:
    with rootfs.mountpoints(runner.provided(sandbox)) as places:
        try:
            return not runner.run(
                Exec(argv=(f"/{_PROGRAM}",)),
                rootfs,
                Mounted(),
                sandbox=sandbox,
                provisions=Provisions(),
                places=places,
                directory=rootfs.path.parent,
                output=lambda _: None,
            ).code
        except SandboxError as error:
            log.debug("%s", error)
            return False
