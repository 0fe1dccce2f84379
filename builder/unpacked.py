"""`masu unpack`: the root filesystem of an image in a directory."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from builder.errors import RootfsError, UsageError
from builder.image.platform import Platform
from builder.local import look_up, opened_store
from builder.options import CommonOptions, UnpackOptions
from builder.rootfs import Owners, export
from builder.store.copy import load

log = logging.getLogger(__name__)


def unpack_image(name: str, directory: Path, options: UnpackOptions, common: CommonOptions, env: Mapping[str, str]) -> None:
    """Unpack the image into a directory that is new or empty; nothing is written outside of it. Raises BuilderError.

    With `rootless` every file belongs to the user, who may read and write them all; else owners are as in the image.
    """
    if os.geteuid() != 0 and not options.rootless:
        raise UsageError("only root can give files their owners", hint="give --rootless to have them all belong to you")
    platform = Platform.parse(options.platform) if options.platform else Platform.host()
    with opened_store(common, env) as store:
        image = load(store, str(look_up(store, name).digest), platform)
        _make_empty(directory)
        owners = Owners(directory)
        export.unpack_image(image, directory, owners, chown=(0, 0) if options.rootless else None)
    if not options.rootless and not owners.plain:
        log.warning("the kernel refuses some owners, devices or capabilities: not all files are as in the image")


def _make_empty(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        empty = not any(directory.iterdir())
    except OSError as error:
        raise RootfsError(f"can't unpack into {str(directory)!r}: {error.strerror}") from error
    if not empty:
        raise UsageError(f"directory {str(directory)!r} is not empty", hint="give a new directory, or an empty one")
