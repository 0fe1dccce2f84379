"""Pushing an image to all its destinations at once, and trying out beforehand whether that is allowed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, Self, runtime_checkable

from builder.errors import BuilderError, CacheError, RegistryError, during
from builder.image.growing import GivenUp, Growing
from builder.image.image import Image
from builder.image.product import Product
from builder.image.reference import DEFAULT_TAG, Reference, Repository
from builder.remotes import Remote
from builder.retry import Again
from builder.store.bundle import Bundle
from builder.store.copy import copy

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 4
_WORTH_IT = 4 << 20  # bytes; fewer are sent in no time when all is ready
# Kaniko's sentence, which people look for in logs.
_CHECKING = (
    "checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, "
    "and try again"
)


@runtime_checkable
class Checked(Protocol):
    """A store that can tell whether it may be written to."""

    def check_push(self) -> None:
        """Raises RegistryError if it may not; leaves nothing behind."""
        ...


def push(image: Image | Product | Bundle, references: Sequence[Reference], *, remote: Remote, again: Again) -> None:
    """Push to every repository and tag; several repositories at once. When some fail the others are completed all the same.

    A reference that is only the image's own digest adds no tag.

    Raises CacheError if a cached layer can't be had, else RegistryError: that of the only destination as it is, or one that names
    those that failed.
    """
    by_repository = _by_repository(references)
    bundle = image if isinstance(image, Bundle) else Bundle.of(image)
    digest = bundle.manifest.descriptor.digest

    def push_to(repository: Repository) -> None:
        names = by_repository[repository]
        store, tags = remote(repository), [name.tag or DEFAULT_TAG for name in names if name.tag or name.digest != digest]
        for name in names:
            log.info("Pushing image to %s", name)
        pushed = again.run(lambda: copy(bundle, to=store, names=tags), what=f"pushing to {repository}")
        for name in names:
            log.info("Pushed %s@%s", name.repository.indexed, pushed.digest)

    failed = _failures(push_to, list(by_repository))
    lost = next((error for error in failed.values() if isinstance(error, CacheError)), None)
    if lost:
        raise lost
    if failed and len(by_repository) == 1:
        raise next(iter(failed.values()))
    if failed:
        raise _several(failed, of=len(by_repository))


@runtime_checkable
class Following(Protocol):
    """A store that takes a blob while it is being written."""

    def follow(self, growing: Growing) -> None:
        """Raises BuilderError, and GivenUp if the blob never is whole."""
        ...


class Ahead:
    """Sends layers while they are made, and while what comes after them is; `settle` waits until all are sent.

    What fails is only logged: it is sent when the image is pushed, and what then fails is told.
    """

    def __init__(self, references: Sequence[Reference], *, remote: Remote) -> None:
        self._repositories = list(_by_repository(references))
        self._remote = remote
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="ahead")
        self._begun: list[Growing] = []
        self._running: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for growing in self._begun:
            growing.give_up()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def send(self, growing: Growing) -> None:
        """To every repository."""
        self._begun.append(growing)
        self._running += [self._pool.submit(self._follow, repository, growing) for repository in self._repositories]

    def settle(self) -> None:
        """Wait until everything is where it belongs, or has failed."""
        for future in self._running:
            future.result()

    def _follow(self, repository: Repository, growing: Growing) -> None:
        store = self._remote(repository)
        try:
            if isinstance(store, Following) and growing.has(_WORTH_IT):
                store.follow(growing)
        except GivenUp:
            log.debug("a layer for %s was given up", repository)
        except BuilderError as error:
            log.debug("a layer could not be sent to %s while it was made: %s", repository, error.message)


@contextmanager
def pushable(references: Sequence[Reference], *, remote: Remote) -> Iterator[Callable[[], None]]:
    """Begin to ask every repository whether it may be pushed to; the function given waits for the answers.

    It raises RegistryError for the first repository, in the order of the references, that may not.
    """
    repositories = list(_by_repository(references))
    pool = ThreadPoolExecutor(max_workers=_MOST_AT_ONCE, thread_name_prefix="probe")
    try:
        running = [pool.submit(_check, remote, repository) for repository in repositories]
        yield lambda: _raise_first(running)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _by_repository(references: Sequence[Reference]) -> dict[Repository, list[Reference]]:
    found: dict[Repository, list[Reference]] = {}
    for reference in references:
        found.setdefault(reference.repository, []).append(reference)
    return found


def _failures(action: Callable[[Repository], None], repositories: Sequence[Repository]) -> dict[Repository, BuilderError]:
    """What the action raised for which repository; each one's is ended before this returns."""
    failed: dict[Repository, BuilderError] = {}
    pool = ThreadPoolExecutor(max_workers=_MOST_AT_ONCE, thread_name_prefix="push")
    try:
        running = {repository: pool.submit(action, repository) for repository in repositories}
        for repository, future in running.items():
            try:
                future.result()
            except BuilderError as error:
                if len(repositories) > 1 and not isinstance(error, CacheError):
                    log.error("failed to push to destination %s: %s", repository, error.message)
                failed[repository] = error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return failed


def _several(failed: dict[Repository, BuilderError], *, of: int) -> BuilderError:
    told = "; ".join(f"{repository}: {error.message}" for repository, error in failed.items())
    first = next(iter(failed.values()))
    return RegistryError(
        f"failed to push to {len(failed)} of {of} destinations, the others have the image: {told}", hint=first.hint
    )


def _check(remote: Remote, repository: Repository) -> None:
    store = remote(repository)
    if not isinstance(store, Checked):
        return
    try:
        store.check_push()
    except BuilderError as error:
        error.locate(f"checking push permission for {str(repository)!r}")
        raise


def _raise_first(running: Sequence[Future[None]]) -> None:
    with during(_CHECKING):
        for future in running:
            future.result()
