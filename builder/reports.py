"""The files that tell other programs what was built: Kaniko's digest files, docker's --iidfile and --metadata-file."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from builder.errors import UsageError
from builder.image.digest import Digest
from builder.image.product import Product
from builder.image.reference import DEFAULT_TAG, Reference
from builder.journal import Journal
from builder.options import BuildOptions
from builder.values import dataclass

log = logging.getLogger(__name__)

Put = Callable[[str, bytes], None]
"""Sends the bytes to the URL by HTTP PUT."""

_URL = "https://"


class DigestFileOptions(Protocol):
    """Options that have Kaniko's three files."""

    @property
    def digest_file(self) -> str: ...

    @property
    def image_name_with_digest_file(self) -> str: ...

    @property
    def image_name_tag_with_digest_file(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestFiles:
    """Kaniko's three files, each a path, an https:// URL or empty; byte for byte what Kaniko writes."""

    digest: str = ""
    name: str = ""
    name_and_tag: str = ""

    @classmethod
    def of(cls, options: DigestFileOptions, named: Sequence[Reference]) -> DigestFiles:
        """`named` are the names that the image will have. Raises UsageError for a file that could not be written."""
        files = {
            "--digest-file": options.digest_file,
            "--image-name-with-digest-file": options.image_name_with_digest_file,
            "--image-name-tag-with-digest-file": options.image_name_tag_with_digest_file,
        }
        for option, path in files.items():
            if "://" in path and not path.startswith(_URL):
                hint = "give a file's path or an https:// URL"
                raise UsageError(f"can't write {option} to {path.partition('?')[0]!r}", hint=hint)
            check_file(option, path)
            if path and option != "--digest-file" and not named:
                raise UsageError(f"you must provide --destination if setting {option}")
        digest, name, name_and_tag = files.values()
        return cls(digest=digest, name=name, name_and_tag=name_and_tag)

    def write(self, digest: Digest, named: Sequence[Reference], *, put: Put) -> None:
        """Write those that were asked for. Raises ContextError when a server doesn't take one."""
        tagged = [(name.repository.indexed, _tag(name, digest)) for name in named]
        _write(self.digest, str(digest), put)
        _write(self.name, "".join(f"{repository}@{digest}\n" for repository, _ in tagged), put)
        _write(self.name_and_tag, "".join(f"{repository}{tag}@{digest}\n" for repository, tag in tagged), put)


def check_file(option: str, path: str) -> None:
    """Raises UsageError for a file that the option can't write, since a directory is there."""
    if path and Path(path).is_dir():
        raise UsageError(f"{option} {path!r}: it is a directory", hint="name a file")


def _tag(name: Reference, digest: Digest) -> str:
    """With the colon before it; empty for an image that was pushed by digest."""
    return "" if not name.tag and name.digest == digest else f":{name.tag or DEFAULT_TAG}"


def write_build_files(
    product: Product,
    named: Sequence[Reference],
    pushed: Sequence[Reference],
    options: BuildOptions,
    facts: Mapping[str, object],
) -> None:
    """--iidfile and --metadata-file, which has `facts` as well."""
    for path, text in _build_files(product, named, pushed, options, facts):
        write_file(Path(path), text)


def _build_files(
    product: Product,
    named: Sequence[Reference],
    pushed: Sequence[Reference],
    options: BuildOptions,
    facts: Mapping[str, object],
) -> Iterator[tuple[str, str]]:
    if options.iidfile:
        yield options.iidfile, str(product.id)
    for path in options.metadata_file:
        yield path, _json({**_metadata(product, named, pushed), **facts})


def write_facts(paths: Sequence[str], facts: Mapping[str, object]) -> None:
    """--metadata-file where there is no image: the build failed, or only looked."""
    for path in paths:
        write_file(Path(path), _json(facts))


@contextmanager
def failure_told(paths: Sequence[str], journal: Journal) -> Iterator[None]:
    """What ends the build is in the metadata files, too; one that can't be written then is a warning."""
    try:
        yield
    except BaseException as error:
        try:
            write_facts(paths, journal.facts(journal.failure(error)))
        except OSError as trouble:
            log.warning("can't write the metadata file %r: %s", trouble.filename, trouble.strerror)
        raise


def _json(facts: Mapping[str, object]) -> str:
    return json.dumps(facts, indent=2) + "\n"


def _write(where: str, text: str, put: Put) -> None:
    if where.startswith(_URL):
        put(where, text.encode())
    elif where:
        write_file(Path(where), text)


def write_file(path: Path, text: str) -> None:
    """In place, since it may be a device or a mount as /dev/termination-log is; directories on the way are its owner's alone."""
    for parent in reversed(path.parents):
        parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _metadata(product: Product, named: Sequence[Reference], pushed: Sequence[Reference]) -> dict[str, object]:
    """The keys that docker's --metadata-file has, and ours.

    `masu.pushed` are the names under which registries have it now, `masu.size` the bytes of its `masu.layers` as stored. Of
    several platforms there is no config that could be named, as with docker.
    """
    config = {"containerimage.config.digest": str(product.id)} if not product.is_for_several else {}
    return {
        **config,
        "containerimage.descriptor": product.named.descriptor.to_json(),
        "containerimage.digest": str(product.named.descriptor.digest),
        "image.name": ",".join(str(reference) for reference in named),
        "masu.pushed": [str(reference) for reference in pushed],
        "masu.size": product.size,
        "masu.layers": len(product.layers),
        "masu.platform": ",".join(str(image.platform) for image in product.images),
    }
