"""The files of one stage, unpacked only when something needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from builder.errors import OutlineError
from builder.image.layer import Layer
from builder.rootfs import Rootfs

_Result = TypeVar("_Result")


class StageTree:
    """`layers` are the stage's so far; `make` unpacks those that it has when its tree is first needed.

    It is told whether an outline is enough: that is so as long as `outline` says so and no op has needed more.
    """

    def __init__(self, layers: Iterable[Layer], make: Callable[[Sequence[Layer], bool], Rootfs], *, outline: bool) -> None:
        self.layers = list(layers)
        self._make = make
        self._outline = outline
        self._rootfs: Rootfs | None = None
        self._unpacked = 0  # how many of the layers are in the tree

    def rootfs(self) -> Rootfs:
        """The tree, with every layer."""
        if self._rootfs is None:
            self._rootfs = self._make(tuple(self.layers), self._outline)
        else:
            for layer in self.layers[self._unpacked :]:
                with layer.blob.open() as stream:
                    self._rootfs.unpack(stream, diff_id=layer.diff_id)
        self._unpacked = len(self.layers)
        return self._rootfs

    def change(self, act: Callable[[Rootfs], _Result]) -> _Result:
        """What `act` makes of the tree; it is called again, with a whole tree of the same layers, if an outline wasn't enough."""
        rootfs = self.rootfs()
        try:
            return act(rootfs)
        except OutlineError:
            self._outline, self._rootfs = False, None
            return act(self.rootfs())

    def add(self, layer: Layer) -> None:
        """One that was made elsewhere."""
        self.layers.append(layer)

    def grow(self, layer: Layer) -> None:
        """One that was just made of the tree, which has it already."""
        self.layers.append(layer)
        self._unpacked = len(self.layers)
