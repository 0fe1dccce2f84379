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
from builder.store.bundle import Bundle
from builder.store.copy import copy, load, load_all
from builder.store.layout import LayoutStore
from builder.store.oci_archive import OciArchiveStore


def save_images(
    names: Sequence[str], options: SaveOptions, common: CommonOptions, env: Mapping[str, str], stdout: BinaryIO
) -> None:
    """Write the images into one archive, a file or `stdout`; blobs that they share are in it once. Raises BuilderError."""
    if not options.output and stdout.isatty():
        raise UsageError("an archive is not written to a terminal", hint="give --output FILE, or send standard output to a file")
    if options.format == "oci" and options.platform:
        raise UsageError("--format oci saves an image with all its platforms", hint="leave out --platform")
    path, stream = Path(options.output or "standard output"), None if options.output else stdout
    with opened_store(common, env) as store:
        images = [(_chosen(store, name, options), name_of(store, name)) for name in dict.fromkeys(names)]
        with OciArchiveStore(path, stream) as archive:
            for bundle, name in images:
                copy(bundle, to=archive, names=[] if name is None else [name], jobs=1)
                if name is None:
                    archive.add(bundle.manifest)


def _chosen(store: LayoutStore, name: str, options: SaveOptions) -> Bundle:
    """Docker's form has one platform of an index."""
    digest = str(look_up(store, name).digest)
    if options.format == "oci":
        return load_all(store, digest)
    return Bundle.of(load(store, digest, Platform.parse(options.platform) if options.platform else Platform.host()))


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
