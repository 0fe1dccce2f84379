"""Reading an image from the mirrors of its registry, the registry itself last; writing goes to the registry alone.

A mirror that is not there, hasn't the image or denies it is passed over, with a line in the log; so is one that is busy or out of
order, which is asked again, and patiently, if nobody else has the image. Content with another digest than the one asked for is an
error wherever it comes from: whoever sends that must not be able to choose what is tried next.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from builder.errors import RegistryError, UsageError
from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.growing import Growing
from builder.image.reference import DEFAULT_HOST, Reference, Repository, registry_host
from builder.retry import TRANSIENT
from builder.values import dataclass, field

if TYPE_CHECKING:  # the options are read before anything speaks HTTP
    from builder.registry.repository import RemoteRepository

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """`host` as in references; `prefix` comes before a repository's path, empty or without slashes at its ends."""

    host: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str, *, where: str) -> Mirror:
        """`host[/path]`; raises UsageError that names the option `where`."""
        host, _, prefix = text.strip().strip("/").partition("/")
        if not host or "://" in text or "=" in text:
            raise UsageError(f"invalid mirror {text!r} in {where}", hint="write host[:port][/path], without https://")
        return cls(host=registry_host(host), prefix=prefix)

    def repository(self, original: Repository) -> Repository:
        """Where this mirror has it; a Docker Hub image of one word keeps its `library/`."""
        return Repository(host=self.host, path=f"{self.prefix}/{original.path}" if self.prefix else original.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrors:
    """The mirrors by the host (in lower case) they stand for, in the order they are tried.

    `fallback`: the host itself is tried last.
    """

    by_host: Mapping[str, Sequence[Mirror]] = field(default_factory=dict)
    fallback: bool = True

    @classmethod
    def parse(cls, *, maps: Sequence[str], mirrors: Sequence[str], fallback: bool) -> Mirrors:
        """`maps` are `orig=new[/prefix][;orig2=…]`, `mirrors` stand for Docker Hub and follow those; empty ones are none, as of a
        variable that isn't set. Raises UsageError.
        """
        found: dict[str, list[Mirror]] = {}
        for entry in (entry for text in maps for entry in text.split(";") if entry.strip()):
            original, equals, new = entry.strip().partition("=")
            if not equals or not original or "/" in original:
                raise UsageError(
                    f"invalid --registry-map {entry!r}", hint="write original-host=new-host[/path], several with ; between them"
                )
            found.setdefault(registry_host(original).lower(), []).append(Mirror.parse(new, where="--registry-map"))
        for text in (text for text in mirrors if text.strip()):
            found.setdefault(DEFAULT_HOST, []).append(Mirror.parse(text, where="--registry-mirror"))
        return cls(by_host={host: tuple(dict.fromkeys(items)) for host, items in found.items()}, fallback=fallback)

    def places(self, original: Repository) -> tuple[Repository, ...]:
        """Where to look, in this order; `original` itself may be among them."""
        mirrored = [mirror.repository(original) for mirror in self.by_host.get(original.host.lower(), ())]
        return tuple(dict.fromkeys([*mirrored, *([original] if self.fallback or not mirrored else [])]))


class Unreachable:
    """The hosts that did not answer in this build: not to be waited for again. Threads share it."""

    def __init__(self) -> None:
        self._hosts: set[str] = set()
        self._lock = threading.Lock()

    def note(self, host: str) -> None:
        with self._lock:
            self._hosts.add(host)

    def __contains__(self, host: str) -> bool:
        with self._lock:
            return host in self._hosts


class MirroredRepository:
    """A Store that is read from `places`, of which there is at least one, and written to `original`; threads share it."""

    def __init__(self, original: RemoteRepository, *, places: Sequence[RemoteRepository], unreachable: Unreachable) -> None:
        self._original = original
        self._places = tuple(places)
        self._unreachable = unreachable

    def has(self, descriptor: Descriptor) -> bool:
        *mirrors, last = self._places
        return any(self._surely_has(place, descriptor) for place in mirrors) or last.has(descriptor)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        return self._first(lambda place: place.open(descriptor), f"{self._original.repository}@{descriptor.digest}")

    def resolve(self, name: str) -> Descriptor:
        return self.locate(name)[1]

    def put(self, blob: Blob) -> None:
        self._original.put(blob)

    def follow(self, growing: Growing) -> None:
        self._original.follow(growing)

    def tag(self, name: str, manifest: Blob) -> None:
        self._original.tag(name, manifest)

    def referrers(self, digest: Digest) -> tuple[Mapping[str, Any], ...]:
        """Of the original: mirrors seldom have what is not an image."""
        return self._original.referrers(digest)

    def check_push(self) -> None:
        self._original.check_push()

    def locate(self, name: str) -> tuple[ServedRepository, Descriptor]:
        """Who has an image of this name, and its manifest or index. Raises what the last of the places does."""
        reference = Reference.parse(name) if "/" in name else None
        own = reference.name if reference and reference.repository == self._original.repository else name

        def found(place: RemoteRepository) -> tuple[ServedRepository, Descriptor]:
            here = [each.repository for each in self._places].index(place.repository)
            rest = self._places[here:]
            reader = MirroredRepository(self._original, places=rest, unreachable=self._unreachable)
            return ServedRepository(repository=place.repository, reader=reader), place.resolve(own)

        return self._first(found, f"{self._original.repository}{'@' if ':' in own else ':'}{own}")

    def _first(self, action: Callable[[RemoteRepository], T], what: str) -> T:
        """The result at the first place that has one; only the last place's failure counts."""
        *mirrors, last = self._places
        busy = []
        for place in mirrors:
            if place.repository.host in self._unreachable:
                continue
            try:
                self._reach(place)
                return place.hastily(action)
            except RegistryError as error:
                log.warning("can't read %s from %s: %s; trying the next registry", what, place.repository, error.message)
                busy += [place] if error.status in TRANSIENT else []
        try:
            return action(last)
        except RegistryError as error:
            if not busy:
                raise
            log.warning("can't read %s from %s: %s; trying again where it may be had", what, last.repository, error.message)
            return _first_of(busy, action, otherwise=error)

    def _surely_has(self, mirror: RemoteRepository, descriptor: Descriptor) -> bool:
        """False also of one that can't tell."""
        if mirror.repository.host in self._unreachable:
            return False
        try:
            self._reach(mirror)
            return mirror.hastily(lambda place: place.has(descriptor))
        except RegistryError as error:
            log.debug("can't tell whether %s has %s: %s", mirror.repository, descriptor.digest, error.message)
            return False

    def _reach(self, place: RemoteRepository) -> None:
        """Not as patiently as when there is nowhere else to go: a mirror that is down would hold up every build."""
        try:
            place.reach()
        except RegistryError as error:
            if error.status not in TRANSIENT:
                self._unreachable.note(place.repository.host)
            raise


def _first_of(places: Sequence[RemoteRepository], action: Callable[[RemoteRepository], T], *, otherwise: RegistryError) -> T:
    """The result at the first place that has one; raises `otherwise`."""
    for place in places:
        try:
            return action(place)
        except RegistryError as error:
            log.warning("%s: %s", place.repository, error.message)
    raise otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRepository:
    """A Store: `repository` is where an image's manifest came from, and so where its blobs can be mounted from.

    What it lacks after all, `reader` finds elsewhere.
    """

    repository: Repository
    reader: MirroredRepository

    def has(self, descriptor: Descriptor) -> bool:
        return self.reader.has(descriptor)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        return self.reader.open(descriptor)

    def resolve(self, name: str) -> Descriptor:
        return self.reader.resolve(name)

    def put(self, blob: Blob) -> None:
        self.reader.put(blob)

    def tag(self, name: str, manifest: Blob) -> None:
        self.reader.tag(name, manifest)
