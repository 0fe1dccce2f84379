"""Plan + drivers → Image: each Op makes at most one Layer by changing the Rootfs of its stage."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from builder.errors import RunError
from builder.finishing import encoded, finished
from builder.history import Past, continued
from builder.image.encoding import Compression
from builder.image.growing import Send
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER, Format
from builder.journal import Done
from builder.log import RunOutput
from builder.ops import Copy, Exec, FromUrl, Op, is_link
from builder.plan import Plan, PlannedStage, Step
from builder.plan.needs import (
    dependencies,
    has_independent_stages,
    needs_contents,
    needs_layers,
    needs_rootfs,
    runs,
    stages_below,
)
from builder.rootfs import Changes, Rootfs, SourceTree
from builder.rootfs.combined import Combined
from builder.rootfs.plain import PlainRootfs
from builder.rootfs.wildcards import literal
from builder.schedule import run_all
from builder.stage_tree import StageTree
from builder.supplies import Finished, Supplies, downloading, located
from builder.values import dataclass, replace
from builder.workshop import Workshop

log = logging.getLogger(__name__)


def execute(plan: Plan, workshop: Workshop) -> Image:
    """Build the stages, those that don't need one another at the same time; returns the image of the last."""
    workshop.layers.mkdir()
    jobs, about = _jobs(plan, workshop), f"{workshop.platform} " if workshop.platform else ""
    with downloading(plan, workshop) as downloads:
        supplies = Supplies(plan=plan, workshop=workshop, downloads=downloads)
        makers = {
            stage.index: _Maker(
                stage=stage,
                name=f"{about}stage {position}/{len(plan.stages)}",
                supplies=supplies,
                is_alone=jobs == 1,
            )
            for position, stage in enumerate(plan.stages, start=1)
        }
        run_all(
            dependencies(plan),
            lambda index: _build_stage(makers[index]),
            jobs=jobs,
            cancel=workshop.cancel,
            finished=supplies.finish,
        )
        image, settings = supplies.finished[plan.target.index].image, workshop.settings
        return finished(
            image,
            encoding=settings.encoding,
            annotations=settings.annotations,
            platform=settings.platform,
            to=workshop.layers,
        )


def _jobs(plan: Plan, workshop: Workshop) -> int:
    """How many stages can be built at the same time."""
    if workshop.settings.jobs == 1 or not has_independent_stages(plan):
        return 1
    return workshop.settings.jobs if not runs(plan) or workshop.sandbox().concurrent else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    """What making one stage needs; `name` has its number of how many, and it `is_alone` if no other is made meanwhile."""

    stage: PlannedStage
    name: str
    supplies: Supplies
    is_alone: bool

    @property
    def workshop(self) -> Workshop:
        return self.supplies.workshop

    @property
    def format(self) -> Format:
        """Of the stage's image."""
        return self.workshop.settings.encoding.format_on(self.supplies.base_image(self.stage).format)

    @property
    def send(self) -> Send | None:
        """What sends the stage's layers while they are made: where they are the image's, as they are, and new to a registry.

        Not where one time makes layers the same every time, nor with a cache, from which the registry takes them.
        """
        workshop, plan = self.workshop, self.supplies.plan
        is_sent = self.stage.index in stages_below(plan, plan.target.index) and workshop.lookup is None
        is_plain = workshop.settings.epoch is None and workshop.settings.encoding.compression is not Compression.ESTARGZ
        return workshop.send if is_sent and is_plain else None

    @property
    def directory(self) -> Path:
        """For what is the stage's own beside its tree."""
        return self.workshop.directory / f"for-{self.stage.index}"


def _build_stage(maker: _Maker) -> Finished:
    stage, workshop = maker.stage, maker.workshop
    maker.directory.mkdir()
    output = workshop.output("" if maker.is_alone else maker.name)
    image = maker.supplies.base_image(stage)
    work = _Work(maker, image, output)
    if image.layers and not needs_rootfs(maker.supplies.plan, stage):
        log.info("Skipping unpacking as no commands require it.")  # Kaniko's sentence
    past = list[Past]()
    for number, step in enumerate(stage.steps, start=1):
        workshop.cancel.check()
        with output.part(f"{maker.name}, step {number}/{len(stage.steps)}", step.text) as name:
            layer = _carried_out(step, name, work, maker)
        if step.created_by:
            past.append(Past(created_by=step.created_by, has_layer=layer is not None, at=work.time_of(layer)))
    rootfs = work.tree.rootfs() if needs_rootfs(maker.supplies.plan, stage) else None
    history, last = continued(image.config, past, now=workshop.now())
    config = replace(stage.config, history=history, created=last if workshop.dating else workshop.now())
    return Finished(image=Image.make(config=config, layers=tuple(work.tree.layers), format=maker.format), rootfs=rootfs)


def _carried_out(step: Step, name: str, work: _Work, maker: _Maker) -> Layer | None:
    """The layer of the step, if it makes one; log and journal are told."""
    started = time.monotonic()
    log.info("[%s] %s", name, step.text)
    if step.op is None:
        return None
    with located(step), maker.workshop.journal.doing(f"[{name}] {step.text}"):
        layer = work.do(step, step.op)
    seconds, bytes_ = time.monotonic() - started, layer.blob.descriptor.size if layer else 0
    size = f", layer of {bytes_} bytes" if layer else ""
    log.info("%s done in %.1f s%s", " " if maker.is_alone else f"[{name}]", seconds, size)
    maker.workshop.journal.add(
        Done(
            name=name,
            text=step.text,
            file=step.location.file,
            line=step.location.start,
            seconds=round(seconds, 3),
            cached=work.missed is None,
            reasons=work.missed or (),
            size=bytes_,
            platform=str(maker.workshop.platform or ""),
        )
    )
    return layer


class _Work:
    """Carries out the ops of one stage, which begins with `image`; `missed` is why the last wasn't cached, None if it was.

    Changes of a stage that is only copied from are not made into layers, unless a cache wants them.
    """

    def __init__(self, maker: _Maker, image: Image, output: RunOutput) -> None:
        self.tree = StageTree(image.layers, self._unpacked, outline=not needs_contents(maker.supplies.plan, maker.stage))
        self._maker = maker
        self._output = output
        self._combined: Combined | None = None
        self._position = 0
        self._text = "COPY of another stage"
        self.missed: tuple[str, ...] | None = ()
        self._keeps = maker.workshop.lookup is not None or needs_layers(maker.supplies.plan, maker.stage)

    def do(self, step: Step, op: Op) -> Layer | None:
        """The layer of the step's op; if all ops are to have one together, that of the last is it."""
        position, self._position, self._text = self._position, self._position + 1, step.text
        cached = self._cached(step, op, position)
        if cached is not None:
            layer: Layer | None = cached
            self.tree.add(cached)
        elif not self._keeps:
            _changed(op, self.tree.rootfs(), self._maker, self._output, compare=False)
            layer = None
        else:
            layer = self._together(op, step) if self._maker.supplies.plan.single_layer else self._apart(op)
        if layer and (lookup := self._maker.workshop.lookup):
            lookup.passed(self._maker.stage, position, layer, is_new=cached is None, tree_of=self._maker.supplies.tree)
        return layer

    def time_of(self, layer: Layer | None) -> str | None:
        """When the last step was done, whose layer this is; None if that is for its neighbours to say."""
        now, dating = self._maker.workshop.now(), self._maker.workshop.dating
        if dating is None:
            return now
        return dating.made_at(self._maker.stage, self._position - 1) or now if layer else None

    def _cached(self, step: Step, op: Op, position: int) -> Layer | None:
        """The op's layer if it is in the cache. What the log tells are Kaniko's sentences."""
        lookup, self.missed = self._maker.workshop.lookup, ()
        if lookup is None:
            return None
        layer = step.made or lookup.find(self._maker.stage, position, self._maker.supplies.tree)
        if layer is not None:
            self.missed = None
            log.info("Using caching version of cmd: %s", step.text)
            return self._maker.supplies.local(layer)
        if lookup.caches(op):
            self.missed = lookup.why(self._maker.stage, position)
            log.info("No cached layer found for cmd %s (%s)", step.text, "; ".join(self.missed))
        return None

    def _apart(self, op: Op) -> Layer:
        if is_link(op):
            layer = _encoded(_linked(op, self._maker, self._maker.send)[1], self._maker)
            self.tree.add(layer)
        else:
            layer = _encoded(self.tree.change(lambda rootfs: self._made(op, rootfs)), self._maker)
            self.tree.grow(layer)
        return layer

    def _made(self, op: Op, rootfs: Rootfs) -> Layer:
        changes = _changed(op, rootfs, self._maker, self._output, leave=rootfs.is_outline)
        return _packed(changes, rootfs, self._maker, self._maker.send)

    def _unpacked(self, layers: Sequence[Layer], outline: bool) -> Rootfs:
        if layers and not self._maker.workshop.trees.has(layers, outline=outline):
            log.info("Unpacking rootfs as cmd %s requires it.", self._text)  # Kaniko's sentence
            log.debug("only an outline, without the contents of files" if outline else "with the contents of files")
        return self._maker.supplies.rootfs(self._maker.stage, layers, outline=outline)

    def _together(self, op: Op, step: Step) -> Layer | None:
        rootfs = self.tree.rootfs()
        self._combined = self._combined or Combined(rootfs.path, rootfs.remember())
        if is_link(op):
            changes, layer = _linked(op, self._maker, None)
            with layer.blob.open() as stream:
                rootfs.unpack(stream, diff_id=layer.diff_id)
        else:
            changes = _changed(op, rootfs, self._maker, self._output)
        self._combined.add(changes)
        if step is not self._maker.stage.pending[-1]:
            return None
        layer = _encoded(_packed(self._combined.changes(), rootfs, self._maker, self._maker.send), self._maker)
        self.tree.grow(layer)
        return layer


def _changed(op: Op, rootfs: Rootfs, maker: _Maker, output: RunOutput, *, compare: bool = True, leave: bool = False) -> Changes:
    """Carry it out; what an Exec changes is found by comparing, if anybody wants to know; what a Copy may `leave`: see Rootfs."""
    if isinstance(op, Exec):
        return _exec(op, rootfs, maker, output, compare=compare)
    return _copy(op, rootfs, maker, leave=leave) if isinstance(op, Copy) else rootfs.make_dir(op)


def _packed(changes: Changes, rootfs: Rootfs, maker: _Maker, send: Send | None) -> Layer:
    """As a layer of the image, but for eStargz, which is made of the layer as it is without."""
    settings = maker.workshop.settings
    kept = settings.ignored.without(changes)
    if left_out := len(changes.written) + len(changes.deleted) - len(kept.written) - len(kept.deleted):
        log.info("  leaving %d paths of --ignore-path out of the layer", left_out)
    media_type = settings.encoding.layer_on(maker.format)
    if settings.encoding.compression is Compression.ESTARGZ:
        media_type = OCI_LAYER
    return rootfs.pack(
        kept, to=maker.workshop.layers, media_type=media_type, level=settings.encoding.level, newest=settings.epoch, send=send
    )


def _encoded(layer: Layer, maker: _Maker) -> Layer:
    return encoded(layer, encoding=maker.workshop.settings.encoding, format=maker.format, to=maker.workshop.layers)


def _linked(op: Copy, maker: _Maker, send: Send | None) -> tuple[Changes, Layer]:
    """COPY --link goes to an empty tree; its layer is then laid over the stage's tree, if anybody needs that."""
    apart = PlainRootfs(maker.directory / "link")
    try:
        changes = _copy(op, apart, maker, leave=True)
        return changes, _packed(changes, apart, maker, send)
    finally:
        apart.remove()


def _exec(op: Exec, rootfs: Rootfs, maker: _Maker, output: RunOutput, *, compare: bool) -> Changes:
    from builder import foreign, runner  # here, as a build without RUN needn't load the sandboxes
    from builder.mounting import Sources, mounted
    from builder.sandbox import NOT_EXECUTABLE

    workshop, sandbox, stage = maker.workshop, maker.workshop.sandbox(), maker.stage
    opener = Sources(
        tree=maker.supplies.tree,
        identity=maker.supplies.identity,
        directory=maker.directory,
        checkpoint=workshop.cancel.check,
        keeper=workshop.saved_mounts,
    )

    def show(chunk: bytes) -> None:
        workshop.cancel.check()
        output.write(chunk)

    with (
        mounted(op, rootfs, opener, sandbox=sandbox, provisions=workshop.provisions) as found,
        rootfs.mountpoints({**runner.provided(sandbox), **found.points}) as places,
    ):
        if compare:
            rootfs.snapshot()
        outcome = runner.run(
            op,
            rootfs,
            found,
            sandbox=sandbox,
            provisions=workshop.provisions,
            places=places,
            directory=maker.directory,
            output=show,
        )
        changes = rootfs.diff(ignoring_ctime=outcome.untouched) if compare else Changes()
    tail = output.take_tail()
    if outcome.code:
        hint = foreign.hint(stage.config.platform) if outcome.code == NOT_EXECUTABLE and foreign.is_foreign(stage) else ""
        raise RunError(f"the command failed with exit code {outcome.code}", exit_code=outcome.code, output=tail, hint=hint)
    if workshop.saved_mounts:
        for identity, directory in found.caches.items():
            workshop.saved_mounts.used(identity, directory, rootfs.owners)
    return changes


def _copy(op: Copy, rootfs: Rootfs, maker: _Maker, *, leave: bool) -> Changes:
    if not op.remotes:
        return rootfs.copy(op, maker.supplies.source(op), leave=leave)
    written: set[str] = set()
    for part, source in _parts(op, maker):
        written.update(rootfs.copy(part, source).written)
    return Changes(written=tuple(sorted(written)))


def _parts(op: Copy, maker: _Maker) -> Iterator[tuple[Copy, SourceTree]]:
    """An ADD that fetches, source by source in its order: a later one may write over an earlier one's files."""
    remotes = dict(op.remotes)
    for path in op.paths:
        part, remote = replace(op, paths=(path,), files=(), remotes=()), remotes.get(path)
        if remote is None:
            yield part, maker.supplies.tree(op.source)
        elif isinstance(remote, FromUrl):
            yield replace(part, paths=(literal(remote.name),), unpack=remote.unpack), maker.workshop.contexts.remote(remote)
        else:
            yield replace(part, paths=("/",), unpack=False), maker.workshop.contexts.remote(remote)
    if op.files:
        yield replace(op, paths=(), remotes=()), maker.supplies.tree(op.source)
