"""What masu keeps on the disk: `masu du` tells, `masu prune` removes what nothing uses."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from builder.cache import mounts
from builder.columns import columns, human_size
from builder.errors import UsageError
from builder.govalues import parse_duration, parse_size
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.local import familiar
from builder.locks import unless_used
from builder.options import CommonOptions, PruneOptions, UsageOptions
from builder.rootfs import layer_trees
from builder.state import State, abandoned, remove_abandoned
from builder.store import garbage
from builder.store.layout import LayoutStore
from builder.values import dataclass

_PLACES = {
    "store": "store",
    "unreferenced": "  of it unreferenced",
    "layers": "unpacked layers",
    "layer_cache": "cached layers",
    "cache_mounts": "cache mounts",
    "work": "work in progress",
    "total": "total",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ImageUse:
    """Bytes of the blobs that a name leads to; `unique` are those of no other image."""

    name: str
    digest: Digest
    size: int
    unique: int

    @property
    def shared(self) -> int:
        return self.size - self.unique


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unused:
    """What may be removed: `size` in bytes, `used` in seconds since the epoch; a file or directory that is at `path`, or a name.

    `remove` takes the keys of many, for that is no slower than one, and returns the bytes that it has freed. It leaves what
    somebody has begun to use.
    """

    what: str
    size: int
    used: float
    key: Any
    remove: Callable[[list[Any]], int]
    path: Path | None = None

    def __str__(self) -> str:
        return f"{self.what}, {human_size(self.size)}"


def usage(options: UsageOptions, common: CommonOptions, env: Mapping[str, str]) -> str:
    """The bytes of every image, how many of them it shares with others, and those of all else in the state directory."""
    state = State.at(common.state_dir, env)
    store = LayoutStore(state.store)
    images = _images(store)
    sizes = {
        "store": _size(state.store),
        "unreferenced": sum(item.size for item in garbage.unreferenced(store)),
        "layers": _size(state.layers),
        "layer_cache": _size(state.layer_cache),
        "cache_mounts": _size(state.cache_mounts),
        "work": _size(state.work),
        "total": _size(state.root),
    }
    if options.format == "json":
        told = [{"name": use.name, "size": use.size, "shared": use.shared, "unique": use.unique} for use in images]
        return json.dumps({"images": told, "places": sizes}, indent=2) + "\n"
    rows = [(familiar(use.name), human_size(use.size), human_size(use.shared), human_size(use.unique)) for use in images]
    places = [(_PLACES[key], human_size(size)) for key, size in sizes.items()]
    return columns(("IMAGE", "SIZE", "SHARED", "UNIQUE"), rows) + "\n" + columns(("PLACE", "SIZE"), places)


def prune(options: PruneOptions, common: CommonOptions, env: Mapping[str, str], *, now: float, with_work: bool) -> Iterator[str]:
    """Remove what no process can be using, what was not used for longest first; a line for each, and one with the sum.

    `now` is in seconds since the epoch; `with_work`: also what killed builds have left. Raises BuilderError.
    """
    state = State.at(common.state_dir, env)
    before, keep = _before(options, now), _kept(options)
    chosen: dict[Callable[[list[Any]], int], list[_Unused]] = {}
    left = _size(state.root)
    for item in _unused(state, options, with_work=with_work):
        if item.used <= before and left > keep:
            chosen.setdefault(item.remove, []).append(item)
            left -= item.size
    freed = 0
    for remove, items in chosen.items():
        if options.dry_run:
            freed += sum(item.size for item in items)
            yield from (f"would delete {item}\n" for item in items)
            continue
        freed += remove([item.key for item in items])
        yield from (f"deleted {item}\n" for item in items if item.path is None or not item.path.exists())
    yield f"Total reclaimed space: {human_size(freed)}\n"


def _before(options: PruneOptions, now: float) -> float:
    """The moment since which what is to be removed was not used: the earliest of the filters'."""
    moments = [math.inf]
    for text in options.filter:
        key, _, value = text.partition("=")
        try:
            if key != "until":
                raise ValueError(f"unknown filter {key!r}")
            ago = parse_duration(value).total_seconds()
            if ago < 0:
                raise ValueError(f"{value!r} is in the future")
            moments.append(now - ago)
        except ValueError as error:
            raise UsageError(f"invalid --filter {text!r}: {error}", hint="write until=DURATION, as until=24h") from error
    return min(moments)


def _kept(options: PruneOptions) -> float:
    """Bytes; less than there can be if all may go."""
    try:
        return parse_size(options.keep_storage) if options.keep_storage else -math.inf
    except ValueError as error:
        raise UsageError(
            f"invalid --keep-storage {options.keep_storage!r}", hint="give bytes, or a size as 500m or 10g"
        ) from error


def _led_to(store: LayoutStore) -> dict[str, tuple[Digest, Mapping[Digest, Descriptor]]]:
    """Of every name the digest that it means, and all blobs that it leads to."""
    with store.locked(shared=True):
        return {name: (entry.digest, garbage.reachable(store, [entry])) for name, entry in sorted(store.names().items())}


def _images(store: LayoutStore) -> list[_ImageUse]:
    named = _led_to(store)
    users = Counter(digest for blobs in dict(named.values()).values() for digest in blobs)  # each image once
    return [
        _ImageUse(
            name=name,
            digest=digest,
            size=sum(blob.size for blob in blobs.values()),
            unique=sum(blob.size for blob in blobs.values() if users[blob.digest] == 1),
        )
        for name, (digest, blobs) in named.items()
    ]


def _unused(state: State, options: PruneOptions, *, with_work: bool) -> list[_Unused]:
    """What nobody will miss comes first, the rest by its last use."""
    store, cached = LayoutStore(state.store), LayoutStore(state.layer_cache)
    found = [*_blobs(store), *_blobs(cached), *_named(cached, lambda key: f"cached layer {key[:12]}"), *_trees(state.layers)]
    if options.cache_mounts:
        found += _cache_mounts(state.cache_mounts)
    if options.all:
        found += _named(store, lambda name: f"image {familiar(name)}")
    left = [*_parts(store), *_parts(cached), *(_work(state.work) if with_work else ())]
    return [*left, *sorted(found, key=lambda item: item.used)]


def _parts(store: LayoutStore) -> Iterator[_Unused]:
    remove = partial(_freed, lambda path: path.unlink(missing_ok=True))
    for path in garbage.abandoned(store):
        yield _Unused(what=f"half-written {path.name}", size=_size(path), used=0, key=path, remove=remove, path=path)


def _work(work: Path) -> Iterator[_Unused]:
    remove = partial(_freed, lambda _: remove_abandoned(work))
    for path in abandoned(work):
        yield _Unused(what=f"work of a killed build, {path.name}", size=_size(path), used=0, key=path, remove=remove, path=path)


def _blobs(store: LayoutStore) -> Iterator[_Unused]:
    remove = partial(garbage.delete, store)
    for item in garbage.unreferenced(store):
        path = store.blob_path(item.digest)
        yield _Unused(what=f"blob {item.digest}", size=item.size, used=item.used, key=item.digest, remove=remove, path=path)


def _trees(layers: Path) -> Iterator[_Unused]:
    remove = partial(_freed, layer_trees.remove_unused)
    for path, used in layer_trees.unused_trees(layers):
        yield _Unused(what=f"unpacked layer {path.name[:12]}", size=_size(path), used=used, key=path, remove=remove, path=path)


def _cache_mounts(root: Path) -> Iterator[_Unused]:
    remove = partial(_freed, mounts.remove_unused)
    for path, used in mounts.unused_mounts(root):
        what = f"cache mount {path.parent.name[:12]}/{path.name}"
        yield _Unused(what=what, size=_size(path), used=used, key=path, remove=remove, path=path)


def _named(store: LayoutStore, shown: Callable[[str], str]) -> Iterator[_Unused]:
    """Names whose images no process uses, by their last use: what several lead to goes with the last of them."""
    remove = partial(garbage.forget, store)
    named = _led_to(store)
    used = {name: _last_use(store.blob_path(digest)) for name, (digest, _) in named.items()}
    kept = {digest for name, (_, blobs) in named.items() if used[name] is None for digest in blobs}
    unused = sorted(((when, name) for name, when in used.items() if when is not None))
    last = {digest: name for _, name in unused for digest in named[name][1] if digest not in kept}
    for when, name in unused:
        size = sum(blob.size for digest, blob in named[name][1].items() if last.get(digest) == name)
        yield _Unused(what=shown(name), size=size, used=when, key=name, remove=remove)


def _last_use(path: Path) -> float | None:
    """None if it is in use now, or gone."""
    with unless_used(path) as lock:
        return None if lock is None else os.fstat(lock).st_mtime


def _freed(remove: Callable[[Path], object], paths: list[Path]) -> int:
    """The bytes that are not there any more after `remove` of each path."""
    before = sum(_size(path) for path in paths)
    for path in paths:
        remove(path)
    return before - sum(_size(path) for path in paths)


def _size(path: Path) -> int:
    """Bytes on the disk of a file or a tree, files with several names once. What goes meanwhile isn't counted."""
    sizes: dict[tuple[int, int], int] = {}
    waiting = [str(path)]
    while waiting:
        name = waiting.pop()
        try:
            status = os.lstat(name)
            sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
            if os.path.isdir(name) and not os.path.islink(name):
                waiting += [os.path.join(name, entry) for entry in os.listdir(name)]
        except FileNotFoundError:
            continue
    return sum(sizes.values())
