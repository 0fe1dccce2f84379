"""What stages begin with and read from: images that are being downloaded, finished stages, contexts."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import BinaryIO

from builder.cancel import Cancel
from builder.errors import BuilderError
from builder.image.blob import Blob
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.layer import Layer
from builder.ops import Copy, CopyFrom, FromContext, FromImage, FromNamedContext, FromStage, sources
from builder.plan import ImageBase, Plan, PlannedStage, StageBase, Step
from builder.plan.needs import is_read_once, is_used, needs_contents, needs_rootfs, read_by, runs
from builder.rootfs import Rootfs, SourceTree
from builder.rootfs.wildcards import has_wildcards
from builder.values import dataclass, field, replace
from builder.workshop import Workshop

_DOWNLOADS = 4
_PATIENCE = 0.2  # seconds between two looks at whether the build has been cancelled

Downloads = Mapping[Digest, Future[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A stage's image, and its tree if anything still needs it."""

    image: Image
    rootfs: Rootfs | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """`finished` has the stages that are; a stage asks only for those that it depends on, from whatever thread."""

    plan: Plan
    workshop: Workshop
    downloads: Downloads
    finished: dict[int, Finished] = field(default_factory=dict)
    _images: dict[Digest, Rootfs] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def base_image(self, stage: PlannedStage) -> Image:
        """What the stage begins with."""
        if isinstance(stage.base, StageBase):
            return self.finished[stage.base.index].image
        if isinstance(stage.base, ImageBase):
            return self._downloaded(self.workshop.image_of(stage.base.reference, stage.base.platform))
        return Image.scratch(stage.platform)

    def rootfs(self, stage: PlannedStage, layers: Sequence[Layer], *, outline: bool) -> Rootfs:
        """A tree with these layers, which begin with those of the stage's base, for the stage to change.

        It may be asked for anew when an `outline` turns out not to be enough.
        """
        parent, is_free = None, False
        if isinstance(stage.base, StageBase) and len(layers) == len(self.base_image(stage).layers):
            parent = self.finished[stage.base.index].rootfs
            is_free = not is_used(self.plan, stage.base.index, by=self._unfinished(), but_as_base_of=stage)
        directory = self.workshop.directory / f"{'outline' if outline else 'stage'}-{stage.index}"
        ops = len(stage.steps)
        return self.workshop.trees.make(directory, layers, ops=ops, parent=parent, is_free=is_free, outline=outline)

    def tree(self, source: CopyFrom) -> SourceTree:
        """What a COPY or a mount reads."""
        match source:
            case FromContext():
                return self.workshop.context
            case FromNamedContext():
                return self.workshop.contexts.named_context(source.name)
            case FromImage():
                return self._image_tree(self.workshop.image_of(source.reference, self.plan.platform)).as_source()
            case FromStage():
                return self._stage_tree(source).as_source()

    def source(self, op: Copy) -> SourceTree:
        """What the op reads; of a stage that is read only once nobody needs anything afterwards."""
        if isinstance(op.source, FromStage) and self._empties(op) and is_read_once(self.plan, op.source.index):
            return self._stage_tree(op.source).as_source(for_good=True)
        return self.tree(op.source)

    def _empties(self, op: Copy) -> bool:
        """Whether it may take files away: several paths may lie in one another, and the key of a single layer is made later."""
        is_one = len(op.paths) == 1 and not op.parents and not has_wildcards(op.paths[0])
        return is_one and not (self.plan.single_layer and self.workshop.lookup)

    def _stage_tree(self, source: FromStage) -> Rootfs:
        rootfs = self.finished[source.index].rootfs
        assert rootfs is not None
        assert not rootfs.is_outline
        return rootfs

    def identity(self, source: CopyFrom) -> str:
        """Tells what a cache mount begins with from what it would have begun with at another time."""
        match source:
            case FromStage():
                image = self.finished[source.index].image
            case FromImage():
                image = self.workshop.image_of(source.reference, self.plan.platform)
            case _:
                return repr(source)
        return " ".join(str(layer.diff_id) for layer in image.layers)

    def finish(self, index: int, result: Finished) -> None:
        """Note it, and let go of the trees that no other stage uses; one that a child took over goes when the child's does."""
        self.finished[index] = result
        for other, item in self.finished.items():
            if item.rootfs is not None and not is_used(self.plan, other, by=self._unfinished()):
                self.finished[other] = replace(item, rootfs=None)
                if not any(another.rootfs is item.rootfs for another in self.finished.values()):
                    self.workshop.discard(item.rootfs)

    def _unfinished(self) -> frozenset[int]:
        return frozenset(stage.index for stage in self.plan.stages) - self.finished.keys()

    def _image_tree(self, image: Image) -> Rootfs:
        """The unpacked tree of an image that COPY reads from, made at its first use in this build."""
        digest = image.manifest.descriptor.digest
        with self._lock:
            self.workshop.cancel.check()
            if digest not in self._images:
                directory = self.workshop.directory / f"image-{digest.hex}"
                self._images[digest] = self.workshop.trees.make(directory, self._downloaded(image).layers, ops=0)
            return self._images[digest]

    def _downloaded(self, image: Image) -> Image:
        """The image with those of its layers that are being downloaded read from the store, once they are there."""
        return replace(image, layers=tuple(self._local(layer) for layer in image.layers))

    def local(self, layer: Layer) -> Layer:
        """The layer, which a cache had, read from the store if it is being downloaded, once it is there."""
        findings = self.workshop.findings
        assert findings is not None
        return findings.guarded(self._local(layer))

    def _local(self, layer: Layer) -> Layer:
        descriptor, store, cancel = layer.blob.descriptor, self.workshop.store, self.workshop.cancel
        download = self.downloads.get(descriptor.digest)
        if download is None:
            return layer

        def open_when_there() -> BinaryIO:
            _wait(download, cancel)
            return store.open(descriptor)

        return replace(layer, blob=replace(layer.blob, open=open_when_there, path=store.blob_path(descriptor.digest)))


@contextmanager
def downloading(plan: Plan, workshop: Workshop) -> Iterator[Downloads]:
    """Fetch into the store, at the same time as all else, the layers that will be unpacked and aren't yet.

    What this machine has elsewhere (a layout, an archive) is there before, if it may have to make room for a stage (takeover).
    """
    pool = ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="download")
    try:
        has = workshop.trees.has
        stacks = [layers for layers, outline in _unpacked(plan, workshop) if not has(layers, outline=outline)]
        blobs = {layer.blob.descriptor.digest: layer.blob for layers in stacks for layer in layers}
        downloads = {digest: pool.submit(_download, blob, workshop) for digest, blob in blobs.items()}
        local = [downloads[digest] for digest, blob in blobs.items() if blob.origin is None]
        if local and runs(plan) and workshop.sandbox().moves:
            wait(local)
        yield downloads
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _download(blob: Blob, workshop: Workshop) -> None:
    workshop.settings.again.run(lambda: workshop.store.put(blob), what=f"downloading {blob.descriptor.digest}")


@contextmanager
def located(step: Step) -> Iterator[None]:
    """Errors say which instruction they come from."""
    try:
        yield
    except BuilderError as error:
        error.locate(f"{step.location}: {step.text}", file=step.location.file, line=step.location.start)
        hints = [source.hint for source in (sources(step.op) if step.op else ()) if isinstance(source, FromImage)]
        error.hint = next(filter(None, hints), error.hint)
        raise


def _unpacked(plan: Plan, workshop: Workshop) -> Iterator[tuple[Sequence[Layer], bool]]:
    """The layers that trees are surely made of, and whether as outlines.

    Those of images, and of a stage what is cached up to the first step to be carried out.
    """
    stages = {stage.index: stage for stage in plan.stages}
    for stage in plan.stages:
        if needs_rootfs(plan, stage):
            yield _known_layers(stage, stages, workshop)[0], not needs_contents(plan, stage)
        for step, source in read_by(stage):
            if isinstance(source, FromImage):
                with located(step):
                    yield workshop.image_of(source.reference, plan.platform).layers, False


def _known_layers(stage: PlannedStage, stages: Mapping[int, PlannedStage], workshop: Workshop) -> tuple[list[Layer], bool]:
    """Those with which a stage surely begins, and whether these are all."""
    layers: list[Layer] = []
    if isinstance(stage.base, StageBase):
        layers, are_all = _known_layers(stages[stage.base.index], stages, workshop)
        if not are_all:
            return layers, False
    elif isinstance(stage.base, ImageBase):
        layers = list(workshop.image_of(stage.base.reference, stage.base.platform).layers)
    for step in stage.steps:
        if step.op and step.made is None:
            return layers, False
        layers += [step.made] if step.made else []
    return layers, True


def _wait(download: Future[None], cancel: Cancel) -> None:
    while True:
        cancel.check()
        try:
            return download.result(timeout=_PATIENCE)
        except TimeoutError:
            if download.done():  # the download's own
                raise
