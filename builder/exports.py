"""What --output writes on this machine: an image's files, an archive, a layout."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from builder.errors import StoreError, UsageError
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.platform import Platform
from builder.image.product import Product
from builder.image.reference import DEFAULT_TAG, Reference
from builder.output_flags import STDOUT, Kind, Output
from builder.rootfs.export import export_directory, export_tar
from builder.store.bundle import Bundle
from builder.store.copy import blob_in, copy
from builder.store.layout import LayoutStore
from builder.store.oci_archive import OciArchiveStore
from builder.values import replace

log = logging.getLogger(__name__)

_WRITTEN = {Kind.LOCAL: "the files", Kind.TAR: "a tar of the files", Kind.OCI: "the image", Kind.DOCKER: "the image"}


def check(outputs: Sequence[Output], *, is_terminal: bool) -> None:
    """Raises UsageError for those that can't be written; `is_terminal` says whether standard output is one."""
    to_stdout = [output for output in outputs if output.dest == STDOUT]
    if len(to_stdout) > 1:
        raise UsageError("several outputs can't go to standard output", hint="name files with dest=")
    if to_stdout and is_terminal:
        raise UsageError(
            f"--output {to_stdout[0].text!r} is not written to a terminal",
            hint="name a file with dest=, or send standard output to one",
        )
    for output in outputs:
        if output.kind is Kind.DOCKER and not output.dest:
            hint = "write a file with dest= and load it with docker load, or keep the image in masu's store with --tag NAME"
            raise UsageError(f"--output {output.text!r}: masu has no Docker engine to load the image into", hint=hint)
        is_directory = output.kind is Kind.LOCAL or output.is_layout
        if output.dest and output.dest != STDOUT and _is_other(Path(output.dest), is_directory=is_directory):
            is_now, wanted = ("a file", "a directory") if is_directory else ("a directory", "a file")
            raise UsageError(f"--output {output.text!r}: {output.dest!r} is {is_now}", hint=f"name {wanted}")


def is_stream(output: Output) -> bool:
    """Whether what is written is gone: to standard output, a device or a pipe."""
    path = Path(output.dest)
    return output.dest == STDOUT or (path.exists() and not path.is_file() and not path.is_dir())


def export(output: Output, product: Product, names: Sequence[Reference], *, scratch: Path, stdout: BinaryIO) -> None:
    """Write one of those that have a `dest`; `names` are the image's, `scratch` a directory for what is unpacked meanwhile."""
    if output.kind is Kind.LOCAL:
        export_directory(_trees(output, product), Path(output.dest))
    elif output.is_layout:
        copy(product, to=LayoutStore(Path(output.dest)), names=_tags(names))
    elif output.kind is Kind.TAR:
        with _stream(output.dest, stdout) as out:
            export_tar(_trees(output, product), out, scratch=scratch)
    else:
        _archive(output, _at_hand(product, scratch) if is_stream(output) else product, names, stdout)
    log.info("wrote %s to %s", _WRITTEN[output.kind], "standard output" if output.dest == STDOUT else repr(output.dest))


def _is_other(path: Path, *, is_directory: bool) -> bool:
    return path.is_dir() != is_directory and path.exists()


def _trees(output: Output, product: Product) -> dict[str, Image]:
    splits = product.is_for_several if output.splits is None else output.splits
    return {_directory(image.platform) if splits else "": image for image in product.images}


def _directory(platform: Platform) -> str:
    """As docker calls it."""
    plain = Platform.normalized(os=platform.os, architecture=platform.architecture, variant=platform.variant)
    return str(plain).replace("/", "_")


def _tags(names: Sequence[Reference]) -> list[str]:
    """By which skopeo and umoci look an image up in a layout."""
    return list(dict.fromkeys(name.tag or DEFAULT_TAG for name in names)) or [DEFAULT_TAG]


def _at_hand(product: Product, scratch: Path) -> Product:
    """With all layers on this machine: what is missing is found out before anything is written."""
    store = LayoutStore(scratch / "at-hand")

    def fetched(layer: Layer) -> Layer:
        if layer.blob.path:
            return layer
        store.put(layer.blob)
        return replace(layer, blob=blob_in(store, layer.blob.descriptor))

    images = (replace(image, layers=tuple(map(fetched, image.layers))) for image in product.images)
    return replace(product, images=tuple(images))


def _archive(output: Output, product: Product, names: Sequence[Reference], stdout: BinaryIO) -> None:
    path = Path(output.dest)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _special(output.dest, stdout) as stream, OciArchiveStore(path, stream) as archive:
        # An engine loads an image, and knows no index in docker's archive.
        source = product.images[0] if output.kind is Kind.DOCKER else product
        copy(source, to=archive, names=[str(name) for name in names], jobs=1)
        if not names:
            archive.add(Bundle.of(source).manifest)


@contextmanager
def _stream(dest: str, stdout: BinaryIO) -> Iterator[BinaryIO]:
    """What to write to; a file appears when the context ends without an error."""
    path = Path(os.path.realpath(dest))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _special(dest, stdout) as special, nullcontext(special) if special else temporary.open("xb") as out:
            yield out
            out.flush()
        if special is None:
            temporary.rename(path)
    except OSError as error:
        raise StoreError(f"can't write {dest!r}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _special(dest: str, stdout: BinaryIO) -> Iterator[BinaryIO | None]:
    """Standard output, a device or a pipe, which are written to as they are; None for a file that is to appear whole."""
    path = Path(dest)
    if dest == STDOUT:
        yield stdout
    elif path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
    else:
        yield None
