"""What docker's --output says, as buildx reads it (docs.docker.com/build/exporters)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Self

from builder.errors import UsageError
from builder.govalues import csv_fields, is_bool, parse_bool
from builder.image.reference import Reference, Repository
from builder.options import BuildOptions
from builder.values import dataclass, field, fields, replace

STDOUT = "-"


class Kind(Enum):
    """`IMAGE` is `registry`, too, which only says that it is pushed."""

    IMAGE = "image"
    OCI = "oci"
    DOCKER = "docker"
    LOCAL = "local"
    TAR = "tar"
    CACHEONLY = "cacheonly"


_FILES = ("dest", "platform-split")
_ARCHIVES = ("dest", "tar", "name", "name-canonical")
_KEYS: Mapping[Kind, tuple[str, ...]] = {
    Kind.IMAGE: ("name", "name-canonical", "push", "push-by-digest", "store"),
    Kind.OCI: _ARCHIVES,
    Kind.DOCKER: _ARCHIVES,
    Kind.LOCAL: _FILES,
    Kind.TAR: _FILES,
    Kind.CACHEONLY: (),
}
_OF_IMAGE: Mapping[str, str] = {
    "compression": "compression",
    "compression-level": "compression_level",
    "force-compression": "force_compression",
    "oci-mediatypes": "image_format",
}
"""Keys of images and archives, and the options that say the same of the one image that masu makes."""
_IMAGES = (Kind.IMAGE, Kind.OCI, Kind.DOCKER)
_TRUTHS = frozenset({"platform-split", "tar", "name-canonical", "push", "push-by-digest", "store"})
_INSTEAD: Mapping[str, str] = {
    "rewrite-timestamp": "give --reproducible",
    "insecure": "give --insecure",
    "registry.insecure": "give --insecure",
    "unpack": "leave it out: there is no engine that could have the image unpacked",
    "mode": "leave it out: files are added and overwritten, and none is deleted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One of them. `dest` is a path, `-` for standard output, or empty; `names` are as they were written.

    `of_image` are options of the build with their values, `annotations` values of --annotation. `splits` says whether files are
    in a directory for each platform, None if they are where there are several.
    """

    text: str
    kind: Kind
    dest: str = ""
    names: tuple[str, ...] = ()
    push: bool = False
    by_digest: bool = False
    store: bool = False
    is_layout: bool = False
    splits: bool | None = None
    of_image: Mapping[str, object] = field(default_factory=dict)
    annotations: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """`type=TYPE,KEY=VALUE…`, or only a directory's path, or `-` for a tar on standard output. Raises UsageError."""
        found = _split(text)
        if isinstance(found, str):
            return cls(text=text, kind=Kind.TAR if found == STDOUT else Kind.LOCAL, dest=found)
        kind, is_pushed = _kind(found.pop("type", ""), text)
        own = {key: value for key, value in found.items() if key in _KEYS[kind]}
        others = [(key, value) for key, value in found.items() if key not in own]
        truth = {key: _truth(key, value, text) for key, value in own.items() if key in _TRUTHS}
        is_pushed = truth.get("push", is_pushed)
        return cls(
            text=text,
            kind=kind,
            dest=_dest(kind, found, is_layout=not truth.get("tar", True), text=text),
            names=tuple(name.strip() for name in own.get("name", "").split(",") if name.strip()),
            push=is_pushed,
            by_digest=truth.get("push-by-digest", False),
            store=truth.get("store", kind is Kind.IMAGE and not is_pushed),
            is_layout=not truth.get("tar", True),
            splits=truth.get("platform-split"),
            of_image=_of_image(kind, others, text),
            annotations=tuple(_annotation(key, value) for key, value in others if _is_annotation(key)),
        )


def outputs_of(options: BuildOptions) -> tuple[Output, ...]:
    """Those of --output. Raises UsageError."""
    return tuple(Output.parse(text) for text in dict.fromkeys(options.output))


def settled(options: BuildOptions) -> BuildOptions:
    """The options with what outputs say of the image, and of its names, in the flags that say the same; twice is as once.

    Raises UsageError for outputs that want different images.
    """
    outputs = outputs_of(options)
    pushed, stored, push = list(options.destination), list(options.tag), options.push
    for output in outputs:
        if output.push and not (output.names or options.tag or options.destination):
            raise UsageError(f"--output {output.text!r} has nothing to push", hint="name the image with name= or --tag")
        if output.kind is Kind.IMAGE and not (output.by_digest and (output.push or options.push)):
            is_pushed = output.push or options.push
            pushed += output.names if is_pushed else ()
            stored += output.names if output.store else ()
            push |= output.push and not output.names and bool(options.tag) and not options.no_push
    return replace(
        options,
        destination=tuple(dict.fromkeys(pushed)),
        tag=tuple(dict.fromkeys(stored)),
        push=push,
        annotation=tuple(dict.fromkeys((*options.annotation, *(text for each in outputs for text in each.annotations)))),
        **_agreed(outputs, options),  # type: ignore[arg-type]
    )


def by_digest(options: BuildOptions) -> tuple[Repository, ...]:
    """Where the image is pushed without a tag. Raises UsageError for a name that has one, as docker does."""
    texts = [text for output in _by_digest(options) for text in output.names or options.tag]
    for text in texts:
        if any(mark in text.rpartition("/")[2] for mark in ":@"):
            hint = "name the repository alone: what is pushed by digest has no tag"
            raise UsageError(f"can't push tagged reference {text!r} by digest", hint=hint)
    return tuple(dict.fromkeys(Reference.parse(text).repository for text in texts))


def lends_tags(options: BuildOptions) -> bool:
    """Whether the values of --tag are only repositories, for an output that pushes by digest and has no names of its own."""
    return any(not output.names for output in _by_digest(options))


def _by_digest(options: BuildOptions) -> list[Output]:
    return [output for output in outputs_of(options) if output.by_digest and (output.push or options.push)]


def _split(text: str) -> str | dict[str, str]:
    try:
        found = csv_fields(text)
    except ValueError as error:
        raise UsageError(f"invalid --output {text!r}: {error}", hint="write type=TYPE,dest=PATH, or a path alone") from error
    if found == [text] and text and "=" not in text:
        return text
    pairs = [part.partition("=") for part in found]
    for key, equals, _ in pairs:
        if not equals:
            raise UsageError(
                f"invalid --output {text!r}: {key!r} has no value", hint="write type=TYPE,dest=PATH, or a path alone"
            )
    return {key.strip().lower(): value for key, _, value in pairs}


def _kind(name: str, text: str) -> tuple[Kind, bool]:
    if name == "registry":
        return Kind.IMAGE, True
    if name not in {kind.value for kind in Kind}:
        known = ", ".join(sorted(["registry", *(kind.value for kind in Kind)]))
        what = f"unknown type {name!r}" if name else "type= is missing"
        raise UsageError(f"invalid --output {text!r}: {what}", hint=f"types are {known}; a directory is type=local,dest=DIR")
    return Kind(name), False


def _truth(key: str, value: str, text: str) -> bool:
    if not is_bool(value):
        raise UsageError(f"invalid --output {text!r}: {key}={value} is neither true nor false")
    return parse_bool(value)


def _dest(kind: Kind, given: Mapping[str, str], *, is_layout: bool, text: str) -> str:
    """Archives go to standard output if nothing else is said, but for docker's, which the engine would load."""
    dest = given.get("dest", STDOUT if kind in (Kind.TAR, Kind.OCI) and not is_layout else "")
    is_directory = kind is Kind.LOCAL or is_layout
    if kind not in (Kind.IMAGE, Kind.CACHEONLY) and not dest and (is_directory or "dest" in given):
        raise UsageError(
            f"invalid --output {text!r}: dest= is needed", hint="name a directory" if is_directory else "name a file"
        )
    if is_directory and dest == STDOUT:
        raise UsageError(f"invalid --output {text!r}: a directory can't be standard output", hint="use type=tar")
    return dest


def _of_image(kind: Kind, given: Iterable[tuple[str, str]], text: str) -> dict[str, object]:
    """Raises UsageError for a key that means nothing."""
    found: dict[str, object] = {"image_format": "oci"} if kind is Kind.OCI else {}
    for key, value in given:
        if kind in _IMAGES and key in _OF_IMAGE:
            found[_OF_IMAGE[key]] = _READ[key](key, value, text)
        elif not (kind in _IMAGES and _is_annotation(key)):
            known = (*_KEYS[kind], *(_OF_IMAGE if kind in _IMAGES else ()))
            hint = _INSTEAD.get(key) or (f"known are {', '.join(known)}" if known else "leave it out")
            raise UsageError(f"invalid --output {text!r}: {key}={value} can't be had", hint=hint)
    if kind is Kind.OCI and found["image_format"] != "oci":
        raise UsageError(f"invalid --output {text!r}: it has OCI's media types", hint="leave out oci-mediatypes")
    return found


def _number(key: str, value: str, text: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise UsageError(f"invalid --output {text!r}: {key}={value} is no number") from error


def _compression(key: str, value: str, text: str) -> str:
    known = next(row for row in fields(BuildOptions) if row.name == "compression").metadata["flag"].choices
    if value not in known:
        raise UsageError(f"invalid --output {text!r}: unknown {key} {value!r}", hint=f"known are {', '.join(known)}")
    return value


_READ: Mapping[str, Callable[[str, str, str], object]] = {
    "compression": _compression,
    "compression-level": _number,
    "force-compression": _truth,
    "oci-mediatypes": lambda key, value, text: "oci" if _truth(key, value, text) else "docker",
}


def _is_annotation(key: str) -> bool:
    level, dot, name = key.partition(".")
    return bool(dot and name) and (level == "annotation" or level.startswith(("annotation-", "annotation[")))


def _annotation(key: str, value: str) -> str:
    """`annotation-index.KEY` and `annotation[PLATFORM].KEY` as --annotation has them."""
    head, _, name = key.partition(".")
    level = head.removeprefix("annotation").removeprefix("-")
    level = f"manifest{level}" if level.startswith("[") else level
    return f"{level}:{name}={value}" if level else f"{name}={value}"


def _agreed(outputs: Iterable[Output], options: BuildOptions) -> dict[str, object]:
    """The options that outputs have values for. Raises UsageError where they, or a flag, say something else."""
    found: dict[str, object] = {}
    defaults = {row.name: row.default for row in fields(BuildOptions)}
    for output in outputs:
        for name, value in output.of_image.items():
            given = found.get(name, getattr(options, name))
            if given != value and (name in found or given != defaults[name]):
                hint = "masu makes one image, which all outputs get: build twice"
                flag = name.replace("_", "-")
                raise UsageError(f"--output {output.text!r} wants --{flag} {value}, and others want {given}", hint=hint)
            found[name] = value
    return found
