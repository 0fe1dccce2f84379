"""Images between registries and the local store: `masu pull` and `push`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from builder import __version__
from builder.errors import StoreError, UsageError, during
from builder.image.digest import Digest
from builder.image.platform import Platform
from builder.image.reference import ARCHIVE_PREFIX, LAYOUT_PREFIX, Reference
from builder.local import look_up, name_of, no_image, opened_store, split_place
from builder.options import CommonOptions, PullOptions, PushOptions, RegistryFlags
from builder.pushing import push
from builder.remotes import connect
from builder.reports import DigestFiles
from builder.retry import Again
from builder.state import State
from builder.store.bundle import Bundle
from builder.store.copy import copy, load, load_all
from builder.store.layout import LayoutStore


def pull_images(
    names: Sequence[str], options: PullOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]
) -> Iterator[Digest]:
    """Copy images from their registries into the store, each under its own name; gives their digests. Raises BuilderError."""
    if options.all_platforms and options.platform:
        raise UsageError("--platform and --all-platforms exclude each other")
    platform = Platform.parse(options.platform) if options.platform else Platform.host()
    remote, again = connect(registry, env), Again(extra=registry.image_download_retry)

    def pull(reference: Reference) -> Digest:
        store = remote(reference.repository)
        source = load_all(store, reference.name) if options.all_platforms else load(store, reference.name, platform)
        with opened_store(common, env) as local:
            return copy(source, to=local, names=[str(reference)]).digest

    for reference in [Reference.parse(name) for name in names]:
        yield again.run(lambda reference=reference: pull(reference), what=f"pulling {reference}")  # type: ignore[misc]


def push_image(
    source: str, options: PushOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]
) -> Digest:
    """Push what `source` means, of an index all platforms: an image of the store, a layout's directory, or an archive.

    An image of the store goes to its own name unless there are destinations. Returns its digest. Raises BuilderError.
    """
    destinations = tuple(Reference.parse(text) for text in options.destination)
    for destination in destinations:
        if destination.digest is not None:
            hint = "give a tag: the image has its digest anyway"
            raise UsageError(f"can't push to the digest of {str(destination)!r}", hint=hint)
    with _found(source, common, env) as (bundle, own):
        references = destinations or own
        if not references:
            raise UsageError(f"where is {source!r} to be pushed to?", hint="give --destination REF")
        files = DigestFiles.of(options, references)
        with during("pushing image"):
            push(bundle, references, remote=connect(registry, env), again=Again(extra=registry.push_retry))
        digest = bundle.manifest.descriptor.digest
        files.write(digest, references, put=lambda url, data: _put(url, data, env))
        return digest


def _put(url: str, data: bytes, env: Mapping[str, str]) -> None:
    from builder.context.http import Web

    Web(env, user_agent=f"masu/{__version__}").put(url, data)


@contextmanager
def _found(source: str, common: CommonOptions, env: Mapping[str, str]) -> Iterator[tuple[Bundle, tuple[Reference, ...]]]:
    """The image, and its name if it has one of its own. A name of the store comes before a file's."""
    state = State.at(common.state_dir, env)
    with opened_store(common, env) as store:
        path, name = _split(source)
        if path is None and _is_stored(store, source):
            yield load_all(store, str(look_up(store, source).digest)), _own(name_of(store, source))
            return
        place = path or Path(source)
        if (place / "index.json").is_file():
            yield load_all(LayoutStore(place), name), ()
        elif place.is_dir() and path is not None:
            raise StoreError(f"no OCI layout at {str(place)!r}", hint="its directory has a file index.json")
        elif path is not None or place.is_file():
            from builder.archived import bundle_of, open_archive

            with state.working_directory(tidy=False) as directory:
                yield bundle_of(open_archive(place, directory), name, directory), ()
        else:
            raise no_image(source)


def _own(name: str | None) -> tuple[Reference, ...]:
    """Where an image of this name can be pushed to: not to a digest, which may be that of an index with other platforms, too."""
    reference = None if name is None else Reference.parse(name)
    return () if reference is None or reference.digest is not None else (reference,)


def _is_stored(store: LayoutStore, source: str) -> bool:
    try:
        look_up(store, source)
    except StoreError:
        return False
    return True


def _split(source: str) -> tuple[Path | None, str]:
    """The path, and the name after it, of what is certainly no name of the store: as in FROM, or a path from `/` or `.` on."""
    for prefix in (LAYOUT_PREFIX, ARCHIVE_PREFIX):
        if source.startswith(prefix):
            return split_place(source.removeprefix(prefix))
    return (Path(source), "") if source.startswith(("/", "./", "../")) else (None, "")
