"""What a build works with, whatever it builds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from builder.cancel import Cancel
from builder.contexts import Contexts
from builder.image.growing import Send
from builder.image.image import Image
from builder.image.platform import Platform
from builder.journal import Journal
from builder.log import RunOutput
from builder.provisions import Provisions
from builder.rootfs import Rootfs, SourceTree
from builder.settings import Settings
from builder.store.layout import LayoutStore
from builder.trees import Trees
from builder.values import dataclass, field

if TYPE_CHECKING:
    from builder.layer_cache import Findings
    from builder.lookup import Lookup
    from builder.sandbox import Sandbox
    from builder.saved_mounts.keeper import SavedMounts

ImageOf = Callable[[str, Platform], Image]
"""(reference as the Dockerfile has it, platform) → that image; asked often, answered from memory after the first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What a build works with.

    `directory` is its own and removed afterwards, `store` keeps the blobs of base images, `context` is what COPY reads,
    `contexts` find what is elsewhere, `image_of` finds a base image, `now` is the clock (RFC 3339 text), `output` makes what
    takes the text that the RUNs of one stage print (it gets the stage's name for people, empty if no other is built meanwhile),
    `trees` make its file system, `discard` gets those that nobody needs any more, `provisions` are what every RUN gets,
    `settings` are the user's own, and `cancel` ends everything. `lookup`, if layers are cached, knows them, and `findings` which
    can't be had; `saved_mounts`, if cache mounts are saved, has them. `send`, if the image is to be pushed, sends layers while
    they are made. `journal` is told what has been done; there and in the log stages are of the `platform`, if that is given,
    since others are built as well.
    """

    directory: Path
    store: LayoutStore
    context: SourceTree
    contexts: Contexts
    sandbox: Callable[[], Sandbox]
    image_of: ImageOf
    now: Callable[[], str]
    output: Callable[[str], RunOutput]
    trees: Trees
    discard: Callable[[Rootfs], object]
    provisions: Provisions = field(default_factory=Provisions)
    settings: Settings = field(default_factory=Settings)
    cancel: Cancel = field(default_factory=Cancel)
    lookup: Lookup | None = None
    findings: Findings | None = None
    saved_mounts: SavedMounts | None = None
    journal: Journal = field(default_factory=Journal)
    send: Send | None = None
    platform: Platform | None = None

    @property
    def dating(self) -> Lookup | None:
        """What knows when layers were made, if the image tells that: not when all has one time."""
        return self.lookup if self.settings.epoch is None else None

    @property
    def layers(self) -> Path:
        """Where the files of finished layers are, until the image has been delivered."""
        return self.directory / "layers"
