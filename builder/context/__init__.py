"""The build context: a tree that COPY reads, wherever it comes from. One kind of place a file, all of them in SOURCES."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from builder.context.local import BuildContext
from builder.context.source import Archive, Means, Origin, Source, Tree

__all__ = ["SOURCES", "Archive", "BuildContext", "Means", "Origin", "Source", "Tree", "source_of"]

SOURCES: Mapping[str, str] = {
    "local": "local.Local",
    "tar": "tarball.Tarball",
    "git": "git.GitSource",
    "http": "http.HttpSource",
    "gs": "gcs.Gcs",
    "s3": "s3.S3",
    "azure": "azure.Azure",
}
"""Kind → source, loaded when it is used; contexts.py tells from a text which kind it is."""


def source_of(kind: str, means: Means) -> Source:
    """The source of one kind of SOURCES."""
    module, _, name = SOURCES[kind].partition(".")
    made: Callable[[Means], Source] = getattr(import_module(f"{__name__}.{module}"), name)
    return made(means)
