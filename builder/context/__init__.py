"""The build context: a tree that COPY reads, wherever it comes from. One kind of place a file, all of them in SOURCES."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from builder.context.azure import Azure, is_blob
from builder.context.gcs import Gcs
from builder.context.git import GitSource
from builder.context.local import BuildContext, Local
from builder.context.s3 import S3
from builder.context.source import Archive, Means, Source, Tree
from builder.context.tarball import Tarball

__all__ = ["SOURCES", "Archive", "BuildContext", "Means", "Source", "Tree", "is_blob"]


def _http(means: Means) -> Source:
    from builder.context.http import HttpSource  # not every build pays for requests

    return HttpSource(means)


SOURCES: Mapping[str, Callable[[Means], Source]] = {
    "local": Local,
    "tar": Tarball,
    "git": GitSource,
    "http": _http,
    "gs": Gcs,
    "s3": S3,
    "azure": Azure,
}
"""Kind → source; contexts.py tells from a text which kind it is."""
