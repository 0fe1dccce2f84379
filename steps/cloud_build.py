"""Google Cloud Build: what a step has pushed is told in $BUILDER_OUTPUT/images, from where the build's results are made."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from builder.errors import BuilderError

_DIRECTORY = "BUILDER_OUTPUT"
_METADATA = "MASU_METADATA_FILE"


def reported(run: Callable[[], int], env: MutableMapping[str, str]) -> int:
    """The exit code of `run`, which builds; where $BUILDER_OUTPUT is set, what it pushed is told there.

    The core says it in a metadata file, which `env` names meanwhile. Raises BuilderError when it can't be told.
    """
    directory = env.get(_DIRECTORY, "")
    if not directory:
        return run()
    with tempfile.TemporaryDirectory(prefix="masu-", dir=env.get("TMPDIR")) as temporary:
        file = Path(env.setdefault(_METADATA, os.path.join(temporary, "metadata.json")))
        code = run()
        if code == 0 and file.is_file():
            write_images(json.loads(file.read_bytes()), Path(directory))
        return code


def write_images(metadata: Any, directory: Path) -> None:
    """One line of JSON for each name that was pushed; nothing is written where nothing was. Raises BuilderError."""
    pushed = metadata.get("masu.pushed") or []
    lines = [json.dumps({"name": name, "digest": metadata["containerimage.digest"]}, separators=(",", ":")) for name in pushed]
    if not lines:
        return
    try:
        (directory / "images").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        message = f"the image is pushed, but can't be told in {str(directory / 'images')!r}: {error.strerror}"
        raise BuilderError(message, hint=f"${_DIRECTORY} names a directory that this step may write") from error
