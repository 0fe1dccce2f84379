"""Rules about WORKDIR, COPY, ADD and EXPOSE (BuildKit, dockerfile2llb)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from builder.dockerfile import sources
from builder.dockerfile.instructions.add import Add
from builder.dockerfile.instructions.copy import Copy
from builder.dockerfile.instructions.expose import Expose
from builder.dockerfile.instructions.workdir import Workdir
from builder.dockerfile.lint.rule import Hit, Moment, Rule

_ANYTHING = "a name that only a rule for everything excludes"


def _relative_workdir(moment: Moment) -> Iterator[Hit]:
    """Only a first WORKDIR: mending it mends those after it."""
    item = moment.instruction
    if isinstance(item, Workdir) and not moment.placed:
        path = moment.scope.expand(item.line, item.path)
        if not path.startswith("/"):
            yield Hit(line=item.line, detail=f"where WORKDIR {path!r} is depends on the base image: it is relative")


def _ignored_source(moment: Moment) -> Iterator[Hit]:
    item = moment.instruction
    if not moment.ignored or not (isinstance(item, Add) or (isinstance(item, Copy) and not item.source)):
        return
    for word in item.files.paths:
        written = moment.scope.expand(item.line, word)
        path = posixpath.normpath(f"/{written}").lstrip("/")
        if sources.remote(written) is None and moment.ignored(path or _ANYTHING):
            yield Hit(line=item.line, detail=f"{item.line.name} of {written!r}, which .dockerignore excludes")


def _ports(moment: Moment) -> Iterator[tuple[Expose, str, list[str], str]]:
    """Each port of an EXPOSE: address and host's port, protocol."""
    item = moment.instruction
    if isinstance(item, Expose):
        for word in item.ports:
            for spec in moment.scope.expand_words(item.line, word):
                *outside, container = spec.rsplit(":", 2)
                yield item, spec, outside, container.partition("/")[2]


def _protocol(moment: Moment) -> Iterator[Hit]:
    for item, spec, _, protocol in _ports(moment):
        if protocol != protocol.lower():
            yield Hit(line=item.line, detail=f"protocol of {spec!r} is not lower case")


def _published(moment: Moment) -> Iterator[Hit]:
    for item, spec, outside, _ in _ports(moment):
        if any(outside):
            yield Hit(line=item.line, detail=f"EXPOSE {spec!r} has an address or a port of the host, which it can't give")


WORKDIR_RELATIVE_PATH = Rule(
    name="WorkdirRelativePath",
    summary="a stage's first WORKDIR is relative",
    advice="It is relative to what the base image says, which may change with the next version of that image.",
    bad="WORKDIR app",
    good="WORKDIR /app",
    on_step=_relative_workdir,
)
COPY_IGNORED_FILE = Rule(
    name="CopyIgnoredFile",
    summary="COPY or ADD of what .dockerignore excludes",
    advice="The file isn't there for the build. Rules files with exceptions (`!`) aren't judged.",
    bad="COPY secret.txt /",
    good="COPY public.txt /",
    needs="the build context's .dockerignore",
    on_step=_ignored_source,
)
EXPOSE_PROTO_CASING = Rule(
    name="ExposeProtoCasing",
    summary="the protocol of EXPOSE has capital letters",
    advice="Write tcp, udp or sctp.",
    bad="EXPOSE 80/TCP",
    good="EXPOSE 80/tcp",
    on_step=_protocol,
)
EXPOSE_INVALID_FORMAT = Rule(
    name="ExposeInvalidFormat",
    summary="EXPOSE with an address or a host's port",
    advice="EXPOSE says what the container listens on; where that is reached is said when it is run (`docker run --publish`).",
    bad="EXPOSE 127.0.0.1:80:8080",
    good="EXPOSE 8080",
    on_step=_published,
)
