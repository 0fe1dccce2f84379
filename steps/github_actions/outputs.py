"""The input `outputs`: docker buildx' `--output` (docs.docker.com/build/exporters) as flags of masu's, as far as it can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builder.errors import UsageError
from builder.values import dataclass
from steps.github_actions import lists

_LEAVE = "leave it out, or look for a flag in docs/flags.md"
_INSTEAD_OF = {
    "push-by-digest": "give the image of each platform a tag of its own, and join them by `docker buildx imagetools create`: see "
    "examples/github-actions/platforms.yml",
    "rewrite-timestamp": "write the input reproducible: true",
}
_ALIKE = {"compression": "compression", "compression-level": "compression-level", "force-compression": "force-compression"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Flags, names that the image is to have, and whether it is to be pushed."""

    words: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    push: bool = False

    @classmethod
    def parse(cls, values: Sequence[str]) -> Outputs:
        """Raises UsageError for what masu can't write, with what to do instead."""
        words, names, push = list[str](), list[str](), False
        for value in values:
            given = _attributes(value)
            kind = given.pop("type", "")
            if kind in ("registry", "image"):
                push |= given.pop("push", "false" if kind == "image" else "true") == "true"
            elif kind == "docker" and given.get("dest"):
                words.append(f"--tar-path={given.pop('dest')}")
            elif kind == "oci" and given.get("dest") and given.pop("tar", "true") == "false":
                words.append(f"--oci-layout-path={given.pop('dest')}")
            elif kind != "cacheonly":
                raise UsageError(f"can't honour outputs: {value!r}", hint=_instead(kind))
            names += filter(None, given.pop("name", "").split(","))
            words += _words(given, value)
        return cls(words=tuple(words), names=tuple(names), push=push)


def _attributes(value: str) -> dict[str, str]:
    """`type=image,"name=a,b"` has two names; a path alone is docker's short form of type=local."""
    pairs = [part.partition("=") for part in lists.split(value, "outputs")]
    if not all(equals for _, equals, _ in pairs):
        raise UsageError(f"can't honour outputs: {value!r}", hint=_instead("local"))
    return {key.strip().lower(): text.strip() for key, _, text in pairs}


def _words(given: Mapping[str, str], value: str) -> list[str]:
    words = []
    for key, text in given.items():
        level, dot, name = key.partition(".")
        if key in _ALIKE:
            words.append(f"--{_ALIKE[key]}={text}")
        elif key == "oci-mediatypes":
            words.append(f"--image-format={'oci' if text == 'true' else 'docker'}")
        elif dot and (level == "annotation" or level.startswith("annotation-")):
            kind = level.removeprefix("annotation").removeprefix("-")
            words.append(f"--annotation={f'{kind}:' if kind else ''}{name}={text}")
        elif key != "name-canonical":
            raise UsageError(f"can't honour {key!r} of outputs: {value!r}", hint=_INSTEAD_OF.get(key, _LEAVE))
    return words


def _instead(kind: str) -> str:
    return {
        "local": "masu writes images: write one with type=oci,tar=false,dest=DIR, and its files with masu unpack",
        "tar": "masu writes images: write one with type=docker,dest=FILE, and its files with masu unpack",
        "oci": "write type=oci,tar=false,dest=DIR for a layout, or type=docker,dest=FILE for an archive",
        "docker": "name a file with dest=, or write load: true",
    }.get(kind, "choose from type=registry, type=image, type=docker,dest=FILE and type=oci,tar=false,dest=DIR")
