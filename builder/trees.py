"""The kind of Rootfs that stages have: overlays where they can be had and the sandbox takes them, else directories."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import dropwhile
from pathlib import Path

from builder.cancel import Cancel
from builder.errors import SandboxError
from builder.image.digest import chain_ids
from builder.image.layer import Layer
from builder.rootfs import Rootfs
from builder.rootfs.layer_trees import ARCHIVE, OUTLINE, LayerTrees
from builder.rootfs.outline import recorded
from builder.rootfs.overlay import OverlayRootfs
from builder.rootfs.plain import PlainRootfs
from builder.sandbox import overlayfs

log = logging.getLogger(__name__)


class Trees:
    """Makes each Rootfs, with what is `kept` between builds where that can be.

    On overlays unless `why_not`, which is asked once, when it matters, has a reason against them, or it doesn't suit the sandbox.
    """

    def __init__(self, kept: LayerTrees | None, suits: Callable[[], bool], why_not: Callable[[], str]) -> None:
        self._kept = kept
        self._suits = suits
        self._why_not = why_not
        self._reason: str | None = None
        self._overlays: list[OverlayRootfs] = []
        self._lock = threading.Lock()

    def make(
        self,
        directory: Path,
        layers: Sequence[Layer],
        *,
        ops: int,
        parent: Rootfs | None = None,
        is_free: bool = False,
        outline: bool = False,
    ) -> Rootfs:
        """One with `layers` unpacked, in the new directory `directory`, for at most `ops` ops.

        A `parent` has just these layers, and is finished; if it `is_free` as well, nobody else will read it. If an `outline` is
        enough, it is one where that is less work.
        """
        if parent is not None and parent.is_outline and not outline:
            parent = None
        if isinstance(parent, PlainRootfs) and is_free:
            return parent
        if isinstance(parent, OverlayRootfs) and _fits(parent.depth, ops):
            return self._noted(parent.child(directory))
        may_gain = bool(layers) or not outline  # else there is nothing to lie on, and nobody looks for what has changed
        if may_gain and self._kept and self._on_overlays() and _fits(len(layers), ops) and self._suits():
            return self._noted(OverlayRootfs.of(directory, overlayfs, layers, self._kept, outline=outline))
        return _plain(directory, layers, self._kept, outline=outline)

    def has(self, layers: Sequence[Layer], *, outline: bool = False) -> bool:
        """Whether these layers, or their outlines if an `outline` is enough, lie unpacked, so that nobody will read them."""
        if self._kept is None:
            return False
        has, diff_ids = self._kept.has, [layer.diff_id for layer in layers]
        if not self._on_overlays():
            return outline and all(has(diff_id, kind=ARCHIVE) for diff_id in diff_ids)
        missing = list(dropwhile(has, chain_ids(diff_ids)))
        return not missing or (outline and all(has(chain, kind=OUTLINE) for chain in missing))

    def close(self) -> None:
        """Unmount everything."""
        with ExitStack() as stack:
            for rootfs in self._overlays:
                stack.callback(rootfs.close)

    def _on_overlays(self) -> bool:
        with self._lock:
            if self._reason is None:
                self._reason = self._why_not()
                log.debug("%s", f"no overlayfs: {self._reason}" if self._reason else "stages are on overlayfs")
            return not self._reason

    def _noted(self, rootfs: OverlayRootfs) -> OverlayRootfs:
        with self._lock:
            self._overlays.append(rootfs)
        return rootfs


@contextmanager
def opened_trees(work: Path, layers: Path, *, wanted: bool, suits: Callable[[], bool], cancel: Cancel) -> Iterator[Trees]:
    """`work` is where stages will lie, `layers` where unpacked ones are kept between builds.

    Overlays are tried if `wanted`, when one is needed, and used if `suits`, which is asked then, too, says that the sandbox can.
    This must be called before any other thread starts.
    """
    reason = _reason(work, layers) if wanted else "the sandbox that was asked for can't use it"
    kept = _kept(layers, cancel)
    trees = Trees(kept, suits, lambda: reason or overlayfs.unsuitable(work))
    try:
        yield trees
    finally:
        trees.close()
        if kept:
            kept.close()


def _kept(layers: Path, cancel: Cancel) -> LayerTrees | None:
    try:
        return LayerTrees(layers, checkpoint=cancel.check)
    except OSError as error:  # no /proc, or a directory that can only be read
        log.debug("nothing unpacked is kept: %s", error)
        return None


def _reason(work: Path, layers: Path) -> str:
    """Why overlays needn't even be tried; what mounts them gets a mount namespace of its own."""
    layers.mkdir(parents=True, exist_ok=True, mode=0o700)
    if layers.stat().st_dev != work.stat().st_dev:
        return f"{str(layers)!r} and {str(work)!r} are on different file systems"
    try:
        overlayfs.enter()
    except SandboxError as error:
        return error.message
    return ""


def _fits(layers: int, ops: int) -> bool:
    """Each op may need two directories, one of them for mount points; and there are two empty ones."""
    return layers + 2 * ops + 2 <= overlayfs.MOST_LAYERS


def _plain(directory: Path, layers: Sequence[Layer], kept: LayerTrees | None, *, outline: bool) -> PlainRootfs:
    """What outlines are made of is kept as soon as a layer is read."""
    rootfs = PlainRootfs(directory, is_outline=outline)
    for number, layer in enumerate(layers):
        if kept is not None and not kept.has(layer.diff_id, kind=ARCHIVE):
            archive = directory.with_name(f"{directory.name}-{number}")
            _unpack(rootfs, layer, archive)
            kept.get(layer.diff_id, partial(_moved, archive), kind=ARCHIVE)
        elif kept is not None and outline:
            with kept.get(layer.diff_id, partial(_made, layer), kind=ARCHIVE).path.open("rb") as stream:
                rootfs.unpack(stream)
        else:
            with layer.blob.open() as stream:
                rootfs.unpack(stream, diff_id=layer.diff_id)
    return rootfs


def _unpack(rootfs: PlainRootfs, layer: Layer, archive: Path) -> None:
    """Put the layer there, and into the new file `archive` what its outline is made of."""
    with layer.blob.open() as stream, recorded(archive) as record:
        rootfs.unpack(stream, diff_id=layer.diff_id, record=record)


def _moved(archive: Path, directory: Path) -> tuple[()]:
    shutil.move(archive, directory / "tree")
    return ()


def _made(layer: Layer, directory: Path) -> tuple[()]:
    """For the case that what was kept a moment ago has gone."""
    rootfs = PlainRootfs(directory / "outline", is_outline=True)
    _unpack(rootfs, layer, directory / "tree")
    rootfs.remove()
    return ()
