"""Makes another blob of a layer's tar: with another compression, or as eStargz."""

from __future__ import annotations

from pathlib import Path

from builder.errors import RootfsError
from builder.image.digest import Digest
from builder.image.encoding import TOC_DIGEST
from builder.image.layer import Layer
from builder.image.media import MediaType
from builder.rootfs import estargz
from builder.rootfs.decompress import ReadAhead
from builder.rootfs.pipeline import Pipeline
from builder.rootfs.unpack import explained
from builder.values import replace


def recompressed(layer: Layer, *, to: Path, media_type: MediaType, level: int | None = None) -> Layer:
    """The same tar, compressed as `media_type` says, in the directory `to`. Raises RootfsError when it has another diff_id."""
    with layer.blob.open() as stream, explained(), Pipeline(to, media_type, level=level) as pipeline:
        with ReadAhead(stream) as chunks:
            for chunk in chunks:
                pipeline.write(chunk)
        done = pipeline.finish()
    if done.diff_id != layer.diff_id:
        raise RootfsError(f"layer has the diff_id {done.diff_id}, expected {layer.diff_id}")
    return Layer(blob=done.blob, diff_id=done.diff_id)


def as_estargz(layer: Layer, *, to: Path, media_type: MediaType, level: int | None = None) -> Layer:
    """The layer's files as eStargz, in the directory `to`; `media_type` is that of gzip layers. Raises RootfsError.

    Its tar has two files more, and so another diff_id (stargz-snapshotter, docs/estargz.md).
    """
    hasher = layer.diff_id.hasher()
    with layer.blob.open() as stream, explained(), Pipeline(to, media_type, level=level, members=True) as pipeline:
        with ReadAhead(stream, hasher=hasher) as chunks:
            toc = estargz.write(chunks, pipeline)
        done = pipeline.finish()
    if hasher.hexdigest() != layer.diff_id.hex:
        raise RootfsError(f"layer has the diff_id {layer.diff_id.algorithm}:{hasher.hexdigest()}, expected {layer.diff_id}")
    annotations = {TOC_DIGEST: str(Digest.of(toc)), _PLAIN_SIZE: str(done.plain_size)}
    blob = replace(done.blob, descriptor=replace(done.blob.descriptor, annotations=annotations))
    return Layer(blob=blob, diff_id=done.diff_id)


_PLAIN_SIZE = "io.containers.estargz.uncompressed-size"
