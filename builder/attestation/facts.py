"""What a plan, and what was fetched for it, tell of how an image was made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from builder.attestation.provenance import Facts, Material, Wish
from builder.attestation.statement import purl
from builder.bill import Contents
from builder.context import Origin
from builder.giturl import parse_git_url
from builder.image.image import Image
from builder.image.platform import Platform
from builder.image.reference import ARCHIVE_PREFIX, LAYOUT_PREFIX, Reference
from builder.ops import (
    SCRATCH,
    Copy,
    CopyFrom,
    Exec,
    FromContext,
    FromImage,
    FromNamedContext,
    Network,
    Op,
    Remote,
    SecretMount,
    SshMount,
    sources,
)
from builder.options import BuildOptions
from builder.plan import Plan
from builder.plan.values import ImageBase
from builder.redact import Redactor
from builder.values import dataclass
from builder.web import shown

ImageOf = Callable[[str, Platform], Image]
ContentsOf = Callable[[Image], Contents]
OriginOf = Callable[[Remote | str], Origin | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Of a build: its options, the image's names, the Dockerfile, where the context came from, and what finds what was read.

    `source` is empty for a context of this machine. Times are RFC 3339 text. No text of `secrets` is told.
    """

    options: BuildOptions
    names: tuple[Reference, ...]
    entry_point: str
    dockerfile: bytes
    source: str
    origin: Origin | None
    build_args: Mapping[str, str]
    named: Mapping[str, str]
    image_of: ImageOf
    contents_of: ContentsOf
    origin_of: OriginOf
    invocation: str
    started: str
    finished: str
    secrets: tuple[bytes, ...] = ()


def facts_of(plan: Plan, about: Circumstances) -> Facts:
    """All stages of the plan count, cached or not. Raises BuilderError where an image can't be found again."""
    ops = [step.op for stage in plan.stages for step in stage.steps if step.op]
    runs = [op for op in ops if isinstance(op, Exec)]
    read = [source for op in ops for source in sources(op)]
    local = _locals(about, read)
    fetched, is_all_known = _fetched(ops, read, about)
    is_complete = is_all_known and not local and (about.origin is not None or not about.source)
    return Facts(
        source=about.origin.url if about.origin else about.source,
        digest={about.origin.algorithm: about.origin.hex} if about.origin else {},
        entry_point=about.entry_point,
        dockerfile=about.dockerfile,
        arguments=_arguments(about),
        secrets=_wishes(mount for run in runs for mount in run.mounts if isinstance(mount, SecretMount)),
        agents=_wishes(mount for run in runs for mount in run.mounts if isinstance(mount, SshMount)),
        locals=local,
        materials=tuple(dict.fromkeys((*_images(plan, read, about.image_of), *fetched))),
        platform=str(Platform.host()),
        has_all_materials=is_complete,
        is_hermetic=is_complete and all(run.network is Network.NONE for run in runs),
        invocation=about.invocation,
        started=about.started,
        finished=about.finished,
    )


def _images(plan: Plan, read: Iterable[CopyFrom], image_of: ImageOf) -> Iterator[Material]:
    """Those that stages begin with, and that files are taken from."""
    for stage in plan.stages:
        if isinstance(stage.base, ImageBase):
            yield _image(stage.base.reference, stage.base.platform, image_of)
    for source in read:
        if isinstance(source, FromImage):
            yield _image(source.reference, plan.platform, image_of)


def _image(text: str, platform: Platform, image_of: ImageOf) -> Material:
    digest = image_of(text, platform).manifest.descriptor.digest
    if text.startswith((LAYOUT_PREFIX, ARCHIVE_PREFIX)):  # whose place on this machine is nobody's business
        name = quote(text.rpartition("/")[2].partition("@")[0].partition(":")[0], safe="~")
        uri = f"pkg:oci/{name}@{quote(str(digest), safe='~')}?platform={quote(str(platform), safe='~')}"
    else:
        uri = purl(Reference.parse(text), platform)
    return Material(uri=uri, algorithm=digest.algorithm, hex=digest.hex)


def _fetched(ops: Iterable[Op], read: Sequence[object], about: Circumstances) -> tuple[tuple[Material, ...], bool]:
    """Repositories and files of the web; and whether all are known."""
    remotes: list[Remote | str] = [remote for op in ops if isinstance(op, Copy) for _, remote in op.remotes]
    remotes += [name for name in _named(read) if _is_remote(about.named[name])]
    found = [about.origin_of(remote) for remote in dict.fromkeys(remotes)]
    known = (Material(uri=each.url, algorithm=each.algorithm, hex=each.hex) for each in (about.origin, *found) if each)
    return tuple(known), all(found)


def _locals(about: Circumstances, read: Sequence[object]) -> tuple[str, ...]:
    """As buildx calls what it sends."""
    found = {name for name in _named(read) if _is_directory(about.named[name])}
    if not (about.source or about.origin):
        found |= {"dockerfile", *(("context",) if FromContext() in read else ())}
    return tuple(sorted(found))


def _named(read: Iterable[object]) -> Iterator[str]:
    return (source.name for source in read if isinstance(source, FromNamedContext) and source.name != SCRATCH)


def _is_remote(text: str) -> bool:
    return text.startswith(("http://", "https://")) or parse_git_url(text) is not None


def _is_directory(text: str) -> bool:
    return "://" not in text and not _is_remote(text)


def _wishes(mounts: Iterable[SecretMount | SshMount]) -> tuple[Wish, ...]:
    """One for each id, which isn't optional if any mount needs it."""
    needed: dict[str, bool] = {}
    for mount in mounts:
        needed[mount.id] = needed.get(mount.id, False) or mount.required
    return tuple(Wish(id=id, is_optional=not required) for id, required in sorted(needed.items()))


def _arguments(about: Circumstances) -> dict[str, str]:
    """As BuildKit's frontend is given them (frontend/dockerui/config.go); with stars for secrets, wherever they got in."""
    options = about.options
    labels = (text.partition("=") for text in options.label)
    found = {
        **{f"build-arg:{key}": value for key, value in about.build_args.items()},
        **{f"label:{key}": value for key, _, value in labels},
        "target": ",".join(options.target),
        "no-cache": ",".join(options.no_cache_filter),
        "add-hosts": ",".join(host.replace(":", "=", 1) for host in options.add_host),
        "force-network-mode": options.network if options.network != "default" else "",
        "ulimit": ",".join(options.ulimit),
        **{f"context:{name}": _shown(text, name) for name, text in about.named.items()},
    }
    kept = {key: value for key, value in found.items() if value or key.startswith(("build-arg:", "label:"))}
    if options.no_cache:
        kept["no-cache"] = ""
    return {key: _without(about.secrets, value) for key, value in sorted(kept.items())}


def _shown(text: str, name: str) -> str:
    """A named context: a directory by its name only, an address without what may be secret."""
    if _is_directory(text):
        return f"local:{name}"
    return shown(text) if _is_remote(text) else text


def _without(secrets: Iterable[bytes], text: str) -> str:
    redactor = Redactor(secrets)
    return (redactor.feed(os.fsencode(text)) + redactor.flush()).decode("utf-8", "surrogateescape")
