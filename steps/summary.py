"""What came of a build in a few bytes, for platforms that keep no more: the image and its names, or what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from builder.image.reference import Reference
from steps.outcome import Outcome

_CUT = "…"


def document(outcome: Outcome, *, limit: int) -> str:
    """One line of compact JSON in at most `limit` bytes; empty for a build that has no image to tell of.

    `image` is `REPOSITORY@DIGEST`, `digest` the digest, `tags` all names, of which the last are left out where there is no place
    (`more` counts them); only `digest` of an image that no registry has. After a failure: `error`, `hint` and where it happened.
    """
    names = outcome.pushed
    if outcome.failure is not None:
        failure = outcome.failure
        where = {"file": failure.file, "line": failure.line} if failure.line else {}
        return _shortened({"error": failure.message, "hint": failure.hint, **where}, limit)
    if not names:
        return _compact({"digest": outcome.digest}) if outcome.digest else ""
    image = {"image": pinned(names[0], outcome.digest), "digest": outcome.digest}
    for count in range(len(names), -1, -1):
        more = {"more": len(names) - count} if count < len(names) else {}
        text = _compact({**image, "tags": names[:count], **more})
        if len(text.encode()) <= limit:
            return text
    return _compact({"digest": outcome.digest})


def text(outcome: Outcome, *, limit: int) -> str:
    """For people, in at most `limit` bytes: `document` of an image; error, hint and the last lines of what failed otherwise."""
    failure = outcome.failure
    if failure is None:
        return document(outcome, limit=limit)
    lines = [f"error: {failure.message}"]
    lines += [f"hint: {failure.hint}"] if failure.hint else []
    head = cut(_plain("\n".join(lines)), limit)
    left = limit - len(head.encode()) - 1
    tail = _last_lines(_plain(failure.output).splitlines(), left)
    return f"{head}\n{tail}" if tail else head


def pinned(name: str, digest: str) -> str:
    """`REPOSITORY@DIGEST` of a name with a tag."""
    repository = Reference.parse(name).repository
    return f"{repository}@{digest}"


def cut(value: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8 of its beginning, with an ellipsis where something is missing."""
    data = value.encode()
    return value if len(data) <= limit else data[: max(limit - len(_CUT.encode()), 0)].decode(errors="ignore") + _CUT


def _shortened(fields: Mapping[str, object], limit: int) -> str:
    """Its texts are cut until all fits: JSON may need six bytes for one."""
    room = limit
    while True:
        text = _compact({key: cut(_plain(value), room) if isinstance(value, str) else value for key, value in fields.items()})
        if len(text.encode()) <= limit or room < len(_CUT.encode()):
            return text
        room //= 2


def _last_lines(lines: Sequence[str], limit: int) -> str:
    """As many whole lines of the end as have a place."""
    kept: list[str] = []
    for line in reversed(lines):
        limit -= len(line.encode()) + 1
        if limit < 0:
            break
        kept.insert(0, line)
    return "\n".join(kept)


def _compact(value: object) -> str:
    return _plain(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _plain(value: str) -> str:
    """Names of files may be no UTF-8, which Python keeps as halves of characters; a platform takes UTF-8 alone."""
    return value.encode(errors="replace").decode()
