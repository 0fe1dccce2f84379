"""Which words are images of Kaniko and its forks, and which of masu's takes the place of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from builder.values import dataclass
from steps import IMAGE

# Google's, also through a mirror or proxy; the forks'; and those who packed it anew.
_NAME = (
    r"(?:kaniko-project/(?:executor|warmer)"
    r"|(?:osscontainertools|mzihlmann|martizih|chainguard|chainguard-forks|bitnami|bitnamilegacy)/kaniko(?:-warmer|/executor|/warmer)?)"
)
_TAG = r"(?:[\w.-]|\$\{\{[^}]*\}\}|\$\{[^}]*\}|\$\w+|\$\[\[[^\]]*\]\])+"
_REFERENCE = re.compile(
    rf"(?<![\w.$}}-])(?P<name>(?:(?:[\w.$:-]|\$\{{[^}}]*\}})+/)*{_NAME})(?![\w/-])(?::(?P<tag>{_TAG}))?(?P<digest>@sha256:[0-9a-f]{{64}})?"
)
_NO_REGISTRY = ("github.com/", "http:", "https:")
_VARIABLE = re.compile(r"\$\{?(?:\{\s*(?:env|vars|inputs|matrix)\.)?(\w+)")
_FOREIGN = re.compile(r"(?<![\w.-])(?:plugins/kaniko(?:-\w+)?|banzaicloud/kaniko-plugin|woodpeckerci/plugin-kaniko)(?![\w-])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An image of Kaniko in a text, at its characters `start` up to `end`. `with_shell` is None if its name doesn't tell."""

    start: int
    end: int
    text: str
    is_warmer: bool
    with_shell: bool | None
    is_pinned: bool
    """By a digest."""
    tag_varies: bool
    """It has a variable in it."""


def found(text: str, variables: Mapping[str, str]) -> Iterator[Found]:
    """Every image of Kaniko; `variables` are those that the file sets, by which a tag may be known."""
    for match in _REFERENCE.finditer(text):
        if match["name"].startswith(_NO_REGISTRY) or text[: match.start()].endswith(("https://", "http://")):
            continue
        tag = _resolved(match["tag"] or "", variables)
        yield Found(
            start=match.start(),
            end=match.end(),
            text=match[0],
            is_warmer=match["name"].endswith("warmer") or tag.startswith("warmer"),
            with_shell=_has_shell(tag, pinned=bool(match["digest"])),
            is_pinned=bool(match["digest"]),
            tag_varies="$" in (match["tag"] or ""),
        )


def of_variable(word: str, variables: Mapping[str, str]) -> str:
    """The word, or the value of the variable or parameter that is all of it."""
    match = re.fullmatch(r"\$[({]?(?:params\.|inputs\.)?(\w+)[)}]?", word)
    return variables.get(match[1], word) if match else word


def foreign(text: str) -> str:
    """The plugin in it that has Kaniko inside and takes its own settings, which masu's image doesn't know; "" if none."""
    match = _FOREIGN.search(text)
    return match[0] if match else ""


def replacement(image: Found, given: str) -> str:
    """The image to take; `given` is what --image says. Unknown means with a shell."""
    return masus(given, with_shell=image.with_shell is not False)


def masus(given: str, *, with_shell: bool) -> str:
    """Masu's image; with masu's own name in it if --image says nothing."""
    name, at, digest = (given or IMAGE).partition("@")
    head, colon, tag = name.rpartition(":")
    if at or (colon and "/" not in tag and not with_shell):
        return name + at + digest
    if colon and "/" not in tag:
        return f"{head}:{tag}" if tag.endswith("debug") else f"{head}:{tag}-debug"
    return f"{name}:debug" if with_shell else f"{name}:latest"


def _has_shell(tag: str, *, pinned: bool) -> bool | None:
    if re.search(r"debug|alpine", tag):
        return True
    return None if "$" in tag or (pinned and not tag) else False


def _resolved(tag: str, variables: Mapping[str, str]) -> str:
    for name in _VARIABLE.findall(tag):
        if name in variables:
            tag = re.sub(rf"\$\{{\{{[^}}]*\b{name}\b[^}}]*\}}\}}|\$\{{{name}[^}}]*\}}|\${name}\b", variables[name], tag)
    return tag
