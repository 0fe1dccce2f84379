"""Who is measured: one module each, with a context manager `opened(area)` that gives a Contestant or raises Unavailable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from bench.area import Area
from bench.contestants import buildah, container, docker, floor, masu
from bench.contestants.contestant import Contestant

# In the order of their turns.
CONTESTANTS: Mapping[str, Callable[[Area], AbstractContextManager[Contestant]]] = {
    "masu": masu.opened,
    "container": container.opened,
    "docker": docker.opened,
    "buildah": buildah.opened,
    "buildah-oci": buildah.opened_oci,
    "floor": floor.opened,
}
