"""The job summary, in GitHub's Markdown: what came out, where the time went, what the cache had, and why it failed if it did."""

from __future__ import annotations

import html
from collections.abc import Iterator

from builder.journal import Done, Failure
from steps.outcome import Outcome

_BAR = 20  # characters of the longest
_TEXT, _REASON = 120, 200
_ROWS, _NAMES = 200, 50
_EIGHTHS = " ▏▎▍▌▋▊▉"


def summary(outcome: Outcome) -> str:
    """Far below the 1 MiB that GitHub takes, whatever was built; everything that others wrote is escaped."""
    return "\n".join([*_head(outcome), *_failed(outcome.failure), *_steps(outcome), *_warnings(outcome), ""])


def _head(outcome: Outcome) -> Iterator[str]:
    name = _code(outcome.images[0]) if outcome.images else "image"
    done = "Pushed" if outcome.pushed else "Built" if outcome.digest else "Checked"
    yield f"### {'Not built' if outcome.failure else done}: {name}\n"
    rows = [("image", _code(image)) for image in outcome.images[:_NAMES]]
    if len(outcome.images) > _NAMES:
        rows.append(("", f"and {len(outcome.images) - _NAMES} more names"))
    if outcome.digest:
        rows.append(("digest", _code(outcome.digest)))
        rows.append(("size", f"{size(outcome.size)} in {outcome.layers} layers, {outcome.platform.replace(',', ', ')}"))
    if outcome.seconds:
        rows.append(("time", f"{outcome.seconds:.1f} s"))
    if outcome.steps:
        rows.append(("cache", f"{sum(step.cached for step in outcome.steps)} of {len(outcome.steps)} instructions"))
    if rows:
        yield "| | |\n|---|---|"
        yield from (f"| {key} | {value} |" for key, value in rows)
        yield ""


def _failed(failure: Failure | None) -> Iterator[str]:
    if failure is None:
        return
    yield f"{_block(failure.message[:2000])}\n"
    if failure.hint:
        yield f"**Hint:** {_escaped(failure.hint)}\n"
    if failure.output:
        yield f"What it printed last:\n\n{_block(failure.output)}\n"


def _steps(outcome: Outcome) -> Iterator[str]:
    if not outcome.steps:
        return
    longest = max(1.0, *(step.seconds for step in outcome.steps))  # seconds: below that nothing is worth a long bar
    yield f"<details{' open' if len(outcome.steps) <= 30 else ''}><summary>Instructions</summary>\n"
    yield "| instruction | time | | layer | cache |\n|---|---:|---|---:|---|"
    for step in outcome.steps[:_ROWS]:
        where = f"{_escaped(step.file)}:{step.line} {_escaped(step.platform)}".strip()
        yield (
            f"| {_code(_cut(step.text, _TEXT))} <sub>{where}</sub> | {step.seconds:.1f} s | {bar(step.seconds, longest)} "
            f"| {size(step.size) if step.size else ''} | {_cached(step)} |"
        )
    if len(outcome.steps) > _ROWS:
        yield f"\n…and {len(outcome.steps) - _ROWS} more"
    yield "\n</details>\n"


def _warnings(outcome: Outcome) -> Iterator[str]:
    if not outcome.warnings:
        return
    count = len(outcome.warnings)
    yield f"<details><summary>{count} warning{'s' if count > 1 else ''} of the build checks</summary>\n"
    for warned in outcome.warnings[:_ROWS]:
        yield f"- {_code(f'{warned.file}:{warned.line}')} {_code(warned.rule)}: {_escaped(_cut(warned.message, _REASON))}"
    yield "\n</details>\n"


def _cached(step: Done) -> str:
    if step.cached:
        return "hit"
    return f"missed: {_escaped(_cut('; '.join(step.reasons), _REASON))}" if step.reasons else ""


def bar(seconds: float, longest: float) -> str:
    """A bar of eighths of characters, as long as the time is in proportion to the longest."""
    eighths = round(seconds / longest * _BAR * 8) if longest else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def size(count: int) -> str:
    """Bytes for people, in powers of 1000."""
    for unit, limit in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count} B"


def _cut(text: str, most: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def _code(text: str) -> str:
    return f"<code>{_escaped(text)}</code>"


def _block(text: str) -> str:
    """Lines as they are."""
    return "<pre>" + "\n".join(_escaped(line) or "&#8203;" for line in text.splitlines()) + "</pre>"


def _escaped(text: str) -> str:
    """Neither HTML nor Markdown, nor the end of a table's cell or of a line."""
    escaped = html.escape(" ".join(text.splitlines())).replace("|", "&#124;").replace("`", "&#96;").replace("\\", "&#92;")
    for char in "*_[]~:@":
        escaped = escaped.replace(char, f"&#{ord(char)};")
    return escaped
