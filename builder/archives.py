"""Images between archives and the local store: `masu save` and `load`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from builder.archived import images_of, open_archive, receive_archive
from builder.errors import UsageError
from builder.image.platform import Platform
from builder.local import look_up, name_of, opened_store
from builder.options import CommonOptions, LoadOptions, SaveOptions
from builder.state import State
from builder.store.copy import copy, load, load_all
from builder.store.layout import LayoutStore
from builder.store.oci_archive import OciArchiveStore
from builder.store.tarball import TarballStore


def save_images(
    names: Sequence[str], options: SaveOptions, common: CommonOptions, env: Mapping[str, str], stdout: BinaryIO
) -> None:
    """Write the images into one archive, a file or `stdout`; blobs that they share are in it once. Raises BuilderError."""
    if not options.output and stdout.isatty():
        raise UsageError("an archive is not written to a terminal", hint="give --output FILE, or send standard output to a file")
    if options.format == "oci" and options.platform:
        raise UsageError("--format oci saves an image with all its platforms", hint="leave out --platform")
    path, stream = Path(options.output or "standard output"), None if options.output else stdout
    write = _write_oci if options.format == "oci" else _write_docker
    with opened_store(common, env) as store:
        images = [(str(look_up(store, name).digest), name_of(store, name)) for name in names]
        write(store, images, options, path, stream)


def load_images(options: LoadOptions, common: CommonOptions, env: Mapping[str, str], stdin: BinaryIO) -> Iterator[str]:
    """Store every image of an archive under the names that it has there, and tell each as docker does. Raises BuilderError."""
    if not options.input and stdin.isatty():
        raise UsageError("no archive is read from a terminal", hint="give --input FILE, or send the archive to standard input")
    with State.at(common.state_dir, env).working_directory(tidy=False) as directory:
        if options.input:
            archive = open_archive(Path(options.input), directory)
        else:
            archive = receive_archive(stdin, directory, name="standard input")
        for references, bundle in images_of(archive, directory):
            with opened_store(common, env) as store:
                digest = copy(bundle, to=store, names=[str(reference) for reference in references]).digest
            yield from (f"Loaded image: {reference.familiar}" for reference in references)
            if not references:
                yield f"Loaded image ID: {digest}"


_Images = Sequence[tuple[str, str | None]]  # digest, and name if it was given by its name


def _write_docker(store: LayoutStore, images: _Images, options: SaveOptions, path: Path, stream: BinaryIO | None) -> None:
    platform = Platform.parse(options.platform) if options.platform else Platform.host()
    with TarballStore(path, stream) as archive:
        for digest, name in images:
            copy(load(store, digest, platform), to=archive, names=[] if name is None else [name], jobs=1)


def _write_oci(store: LayoutStore, images: _Images, options: SaveOptions, path: Path, stream: BinaryIO | None) -> None:
    with OciArchiveStore(path, stream) as archive:
        for digest, name in images:
            bundle = load_all(store, digest)
            copy(bundle, to=archive, names=[] if name is None else [name], jobs=1)
            if name is None:
                archive.add(bundle.manifest)
