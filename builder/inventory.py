"""The local store's verbs: what is in it, and fetching an image into it."""

from __future__ import annotations

from collections.abc import Mapping

from builder.image.platform import Platform
from builder.image.reference import Reference
from builder.options import CommonOptions, RegistryFlags
from builder.remotes import connect
from builder.state import State
from builder.store.copy import copy, load
from builder.store.layout import LayoutStore


def list_images(common: CommonOptions, env: Mapping[str, str]) -> str:
    """A line for each name: the name and its manifest's digest."""
    names = LayoutStore(State.at(common.state_dir, env).store).names()
    width = max((len(_familiar(name)) for name in names), default=0)
    return "".join(f"{_familiar(name):<{width}}  {descriptor.digest}\n" for name, descriptor in sorted(names.items()))


def pull(name: str, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]) -> str:
    """Copy an image from its registry into the store under its own name; returns its digest. Raises RegistryError."""
    reference = Reference.parse(name)
    image = load(connect(registry, env)(reference.repository), reference.name, Platform.host())
    copy(image, to=LayoutStore(State.at(common.state_dir, env).store), names=[str(reference)])
    return str(image.manifest.descriptor.digest)


def _familiar(name: str) -> str:
    return Reference.parse(name).familiar
