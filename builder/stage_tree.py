"""The files of one stage, unpacked only when something needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from builder.image.layer import Layer
from builder.rootfs import Rootfs


class StageTree:
    """`layers` are the stage's so far; `make` unpacks those that it has when its tree is first needed."""

    def __init__(self, layers: Iterable[Layer], make: Callable[[Sequence[Layer]], Rootfs]) -> None:
        self.layers = list(layers)
        self._make = make
        self._rootfs: Rootfs | None = None
        self._unpacked = 0  # how many of the layers are in the tree

    def rootfs(self) -> Rootfs:
        """The tree, with every layer."""
        if self._rootfs is None:
            self._rootfs = self._make(tuple(self.layers))
        else:
            for layer in self.layers[self._unpacked :]:
                with layer.blob.open() as stream:
                    self._rootfs.unpack(stream, diff_id=layer.diff_id)
        self._unpacked = len(self.layers)
        return self._rootfs

    def add(self, layer: Layer) -> None:
        """One that was made elsewhere."""
        self.layers.append(layer)

    def grow(self, layer: Layer) -> None:
        """One that was just made of the tree, which has it already."""
        self.layers.append(layer)
        self._unpacked = len(self.layers)
