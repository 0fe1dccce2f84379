"""What masu makes of a case, to be held against the oracle's answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support.bases import Bases
from tests.support.cases import Case
from tests.support.images import Image, read_image
from tests.support.masu import Masu
from tests.support.oracle import build_arguments, context_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """`image` is None if the build failed; `layout` is the directory it was written to."""

    image: Image | None
    exit_code: int
    log: str
    layout: Path


def build_case(case: Case, bases: Bases, work: Path) -> Built:
    """Build with nothing cached, below the directory `work`."""
    layout = work / "layout"
    with context_of(case, bases) as directory:
        arguments = build_arguments(case, bases, directory)
        output: list[str | Path] = ["--no-push", "--oci-layout-path", layout, "--insecure-registry", bases.registry]
        # As docker does; masu's own default for a git:// context is Kaniko's, https.
        done = Masu(state=work / "state", env={"GIT_PULL_METHOD": "git"})("build", *output, *arguments)
    image = read_image(layout).without(bases.elsewhere) if done.returncode == 0 else None
    return Built(image=image, exit_code=done.returncode, log=done.stdout + done.stderr, layout=layout)
