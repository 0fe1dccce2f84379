"""Plan + drivers → Image: the loop. Each Op makes at most one Layer by changing the Rootfs of its stage."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from builder import runner
from builder.contexts import Contexts
from builder.errors import BuilderError, RunError
from builder.image.config import History
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.platform import Platform
from builder.mounting import Sources, mounted
from builder.ops import Copy, CopyFrom, Exec, FromContext, FromImage, FromNamedContext, FromStage, FromUrl, Op, sources
from builder.plan import ImageBase, Plan, PlannedStage, StageBase, Step
from builder.provisions import Provisions
from builder.rootfs import Changes, Rootfs, SourceTree
from builder.rootfs.plain import PlainRootfs
from builder.rootfs.wildcards import literal
from builder.sandbox import Sandbox
from builder.store.layout import LayoutStore

log = logging.getLogger(__name__)

_COMMENT = "buildkit.dockerfile.v0"  # what docker's tools look for in a history entry
_DOWNLOADS = 4


ImageOf = Callable[[str, Platform], Image]
"""(reference as the Dockerfile has it, platform) → that image; asked often, answered from memory after the first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What a build works with.

    `directory` is its own and removed afterwards, `store` keeps the blobs of base images, `context` is what COPY reads,
    `contexts` find what is elsewhere, `image_of` finds a base image, `now`
    is the clock (RFC 3339 text), `output` gets what RUN prints, `tail` gives the end of that, `discard` gets trees that nobody
    needs, `provisions` are what every RUN gets. `newest` (seconds since the epoch) limits the modification times in new layers.
    """

    directory: Path
    store: LayoutStore
    context: SourceTree
    contexts: Contexts
    sandbox: Callable[[], Sandbox]
    image_of: ImageOf
    now: Callable[[], str]
    output: Callable[[bytes], None]
    tail: Callable[[], str]
    discard: Callable[[Rootfs], object]
    provisions: Provisions = field(default_factory=Provisions)
    newest: int | None = None

    @property
    def layers(self) -> Path:
        """Where the files of finished layers are, until the image has been delivered."""
        return self.directory / "layers"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finished:
    image: Image
    rootfs: Rootfs | None  # None: nothing needed it


Downloads = Mapping[Digest, Future[None]]


def execute(plan: Plan, workshop: Workshop) -> Image:
    """Build the stages in order; returns the image of the last."""
    finished: dict[int, _Finished] = {}
    workshop.layers.mkdir()
    with _downloading(plan, workshop) as downloads:
        for position, stage in enumerate(plan.stages):
            maker = _Maker(plan=plan, position=position, finished=finished, downloads=downloads, workshop=workshop)
            finished[stage.index] = _build_stage(maker)
            _discard_unneeded(maker, finished)
    return finished[plan.stages[-1].index].image


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    """What making one stage needs: the stage at `position` of the plan, those before it, and the downloads under way."""

    plan: Plan
    position: int
    finished: Mapping[int, _Finished]
    downloads: Downloads
    workshop: Workshop

    @property
    def stage(self) -> PlannedStage:
        return self.plan.stages[self.position]


@contextmanager
def _downloading(plan: Plan, workshop: Workshop) -> Iterator[Downloads]:
    """Fetch into the store, at the same time as all else, the layers of every image that will be unpacked."""
    pool = ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="download")
    try:
        blobs = {layer.blob.descriptor.digest: layer.blob for image in _unpacked_images(plan, workshop) for layer in image.layers}
        yield {digest: pool.submit(workshop.store.put, blob) for digest, blob in blobs.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _unpacked_images(plan: Plan, workshop: Workshop) -> Iterator[Image]:
    stages = {stage.index: stage for stage in plan.stages}
    for stage in plan.stages:
        root = stage
        while isinstance(root.base, StageBase):
            root = stages[root.base.index]
        if isinstance(root.base, ImageBase) and _needs_rootfs(plan, stage):
            yield workshop.image_of(root.base.reference, root.base.platform)
        for step, source in _sources(stage):
            if isinstance(source, FromImage):
                with _located(step):
                    yield workshop.image_of(source.reference, stage.platform)


@contextmanager
def _located(step: Step) -> Iterator[None]:
    """Errors say which instruction they come from."""
    try:
        yield
    except BuilderError as error:
        error.locate(f"{step.location}: {step.text}")
        hints = [source.hint for source in (sources(step.op) if step.op else ()) if isinstance(source, FromImage)]
        error.hint = next(filter(None, hints), error.hint)
        raise


def _sources(stage: PlannedStage) -> Iterator[tuple[Step, CopyFrom]]:
    """What the stage reads from, and where."""
    return ((step, source) for step in stage.steps if step.op for source in sources(step.op))


def _reads(stage: PlannedStage, index: int) -> bool:
    return any(source == FromStage(index=index) for _, source in _sources(stage))


def _needs_rootfs(plan: Plan, stage: PlannedStage) -> bool:
    """Whether the stage must lie unpacked: it changes files itself (--link doesn't), or a later stage copies from it."""
    return any(step.op and not _is_linked(step.op) for step in stage.steps) or any(
        _reads(later, stage.index) for later in plan.stages
    )


def _is_linked(op: Op) -> bool:
    return isinstance(op, Copy) and op.link


def _build_stage(maker: _Maker) -> _Finished:
    stage, workshop = maker.stage, maker.workshop
    image = _base_image(maker)
    rootfs = _base_rootfs(maker, image) if _needs_rootfs(maker.plan, stage) else None
    layers, history = list(image.layers), list(image.config.history)
    for number, step in enumerate(stage.steps, start=1):
        started = time.monotonic()
        log.info("[stage %d/%d, step %d/%d] %s", maker.position + 1, len(maker.plan.stages), number, len(stage.steps), step.text)
        if step.op is not None:
            with _located(step):
                layers.append(_carry_out(step.op, rootfs, maker))
            log.info("  done in %.1f s, layer of %d bytes", time.monotonic() - started, layers[-1].blob.descriptor.size)
        if step.created_by:
            now = workshop.now()
            history.append(History(created=now, created_by=step.created_by, comment=_COMMENT, empty_layer=step.op is None))
    config = replace(stage.config, history=tuple(history), created=workshop.now())
    return _Finished(image=Image.make(config=config, layers=tuple(layers), format=image.format), rootfs=rootfs)


def _base_image(maker: _Maker) -> Image:
    base = maker.stage.base
    if isinstance(base, StageBase):
        return maker.finished[base.index].image
    if isinstance(base, ImageBase):
        return _downloaded(maker.workshop.image_of(base.reference, base.platform), maker)
    return Image.scratch(maker.stage.platform)


def _base_rootfs(maker: _Maker, image: Image) -> Rootfs:
    """The parent stage's own tree if nothing else wants it any more, else a new one unpacked from the layers."""
    base = maker.stage.base
    if isinstance(base, StageBase):
        parent = maker.finished[base.index].rootfs
        if parent is not None and not _is_used_from(maker, base.index, maker.position, but_as_base_of=maker.stage):
            return parent
    return _unpacked(image, maker.workshop.directory / f"stage-{maker.stage.index}", maker)


def _unpacked(image: Image, directory: Path, maker: _Maker) -> Rootfs:
    rootfs = PlainRootfs(directory)
    for layer in image.layers:
        with layer.blob.open() as stream:
            rootfs.unpack(stream, diff_id=layer.diff_id)
    return rootfs


def _downloaded(image: Image, maker: _Maker) -> Image:
    """The image with those of its layers that are being downloaded read from the store, once they are there."""

    def local(layer: Layer) -> Layer:
        descriptor, store = layer.blob.descriptor, maker.workshop.store
        download = maker.downloads.get(descriptor.digest)
        if download is None:
            return layer

        def open_when_there() -> BinaryIO:
            download.result()
            return store.open(descriptor)

        return replace(layer, blob=replace(layer.blob, open=open_when_there, path=store.blob_path(descriptor.digest)))

    return replace(image, layers=tuple(local(layer) for layer in image.layers))


def _is_used_from(maker: _Maker, index: int, position: int, *, but_as_base_of: PlannedStage | None = None) -> bool:
    """Whether a stage at or after `position` copies from the stage `index` or starts from its tree."""
    for stage in maker.plan.stages[position:]:
        if _reads(stage, index):
            return True
        if stage is not but_as_base_of and stage.base == StageBase(index=index) and _needs_rootfs(maker.plan, stage):
            return True
    return False


def _discard_unneeded(maker: _Maker, finished: dict[int, _Finished]) -> None:
    """Let go of the trees that no later stage uses; one that a child took over goes when the child's does."""
    for index, item in finished.items():
        if item.rootfs is not None and not _is_used_from(maker, index, maker.position + 1):
            finished[index] = replace(item, rootfs=None)
            if not any(other.rootfs is item.rootfs for other in finished.values()):
                maker.workshop.discard(item.rootfs)


def _carry_out(op: Op, rootfs: Rootfs | None, maker: _Maker) -> Layer:
    if isinstance(op, Copy) and op.link:
        return _linked(op, rootfs, maker)
    assert rootfs is not None
    if isinstance(op, Exec):
        changes = _exec(op, rootfs, maker)
    elif isinstance(op, Copy):
        changes = _copy(op, rootfs, maker)
    else:
        changes = rootfs.make_dir(op)
    return _packed(changes, rootfs, maker)


def _packed(changes: Changes, rootfs: Rootfs, maker: _Maker) -> Layer:
    media_type = _base_image(maker).format.layer
    return rootfs.pack(changes, to=maker.workshop.layers, media_type=media_type, newest=maker.workshop.newest)


def _linked(op: Copy, rootfs: Rootfs | None, maker: _Maker) -> Layer:
    """COPY --link goes to an empty tree, whose layer is then laid over the stage's tree, if anybody needs that."""
    apart = PlainRootfs(maker.workshop.directory / "link")
    try:
        layer = _packed(_copy(op, apart, maker), apart, maker)
    finally:
        apart.remove()
    if rootfs is not None:
        with layer.blob.open() as stream:
            rootfs.unpack(stream, diff_id=layer.diff_id)
    return layer


def _exec(op: Exec, rootfs: Rootfs, maker: _Maker) -> Changes:
    workshop, sandbox = maker.workshop, maker.workshop.sandbox()
    opener = Sources(
        tree=lambda source: _source(source, maker), identity=lambda source: _identity(source, maker), directory=workshop.directory
    )
    with (
        mounted(op, rootfs, opener, sandbox=sandbox, provisions=workshop.provisions) as found,
        rootfs.mountpoints({**runner.provided(sandbox), **found.points}) as places,
    ):
        rootfs.snapshot()
        outcome = runner.run(
            op,
            rootfs,
            found,
            sandbox=sandbox,
            provisions=workshop.provisions,
            places=places,
            directory=workshop.directory,
            output=workshop.output,
        )
        changes = rootfs.diff(ignoring_ctime=outcome.untouched)
    tail = workshop.tail()
    if outcome.code:
        said = f"; it printed last:\n{tail}" if tail else ""
        raise RunError(f"the command failed with exit code {outcome.code}{said}", exit_code=outcome.code)
    return changes


def _copy(op: Copy, rootfs: Rootfs, maker: _Maker) -> Changes:
    if not op.remotes:
        return rootfs.copy(op, _source(op.source, maker))
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
            yield part, _source(op.source, maker)
        elif isinstance(remote, FromUrl):
            yield replace(part, paths=(literal(remote.name),), unpack=remote.unpack), maker.workshop.contexts.remote(remote)
        else:
            yield replace(part, paths=("/",), unpack=False), maker.workshop.contexts.remote(remote)
    if op.files:
        yield replace(op, paths=(), remotes=()), _source(op.source, maker)


def _source(source: CopyFrom, maker: _Maker) -> SourceTree:
    match source:
        case FromContext():
            return maker.workshop.context
        case FromNamedContext():
            return maker.workshop.contexts.named_context(source.name)
        case FromImage():
            return _image_tree(source, maker).as_source()
        case FromStage():
            rootfs = maker.finished[source.index].rootfs
            assert rootfs is not None
            return rootfs.as_source()


def _identity(source: CopyFrom, maker: _Maker) -> str:
    """Tells what a cache mount begins with from what it would have begun with at another time."""
    match source:
        case FromStage():
            image = maker.finished[source.index].image
        case FromImage():
            image = maker.workshop.image_of(source.reference, maker.stage.platform)
        case _:
            return repr(source)
    return " ".join(str(layer.diff_id) for layer in image.layers)


def _image_tree(source: FromImage, maker: _Maker) -> Rootfs:
    """The unpacked tree of an image that COPY reads from, made at its first use in this build."""
    image = _downloaded(maker.workshop.image_of(source.reference, maker.stage.platform), maker)
    directory = maker.workshop.directory / f"image-{image.manifest.descriptor.digest.hex}"
    return PlainRootfs(directory) if directory.exists() else _unpacked(image, directory, maker)
