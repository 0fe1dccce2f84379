"""Made-up words of the Dockerfile language: variables with operators, quotes, escapes."""

from __future__ import annotations

import json

from tests.fuzz.draft import Draft

VARIABLES = ("A", "B", "FOO", "EMPTY", "FROM_BASE", "TARGETARCH", "UNSET")
_TEXTS = ("foobarbaz", "a/b/c", "x.tar.gz", "1", "", "v1.2.3", "größe", "a-b_c", "*", "a=b", "c:d", ".", "@", "foo,bar")
_PATTERNS = ("*", "?", "f*", "*a", "ba", "b?r", "*.*", ".", "\\*", "x", "foo*baz", "", "/", "**", "o", "größe", "a*b*")


def value(draft: Draft, *, depth: int = 0) -> str:
    """A word without blanks outside quotes; it nearly always expands."""
    return "".join(_piece(draft, depth) for _ in range(draft.rng.randint(1, 3) if depth == 0 else 1))


def _piece(draft: Draft, depth: int) -> str:
    escape = draft.escape
    kind = draft.rng.randrange(12 if depth == 0 else 7)  # words are split before variables are seen: quotes don't nest
    if kind < 3:
        return draft.pick(_TEXTS)
    if kind < 7:
        return variable(draft, depth=depth)
    if kind == 7:
        return '"' + draft.pick(_TEXTS) + " " + variable(draft, depth=1) + f"{escape}$A {escape}x'" + '"'
    if kind == 8:
        return f"'{draft.pick(_TEXTS)} $A \"{escape}'"
    if kind == 9:
        return escape + draft.pick(("$", '"', "'", " ", "n", escape, "A", "{"))
    if kind == 10:
        return draft.pick(("$.", "$@", "$1", "${1}", "$?", "$$", "$-", "\\", "`"))
    return draft.pick(("${A}", "$A$B", "${A}b", "$A_b", "${B}${A}"))


def variable(draft: Draft, *, depth: int = 0) -> str:
    name = draft.pick(VARIABLES)
    operator = draft.pick(
        ("", "", "", ":-", "-", ":+", "+", "#", "##", "%", "%%", "/", "//", "?" if draft.chance(0.03) else ":-")
    )
    if not operator:
        return f"${{{name}}}" if draft.chance(0.5) else f"${name}"
    if operator in ("/", "//"):
        pattern = draft.pick(_PATTERNS).replace("/", "\\/")
        return f"${{{name}{operator}{pattern}/{draft.pick(('', 'r', 'foo', '$B', 'x*'))}}}"
    if operator[0] in "#%":
        return f"${{{name}{operator}{draft.pick(_PATTERNS)}}}"
    word = (
        value(draft, depth=depth + 1)
        if depth < 2 and draft.chance(0.5)
        else draft.pick(("word", "", "$A", "a-b", "'q'", "${B}c"))
    )
    return f"${{{name}{operator}{word}}}"


def literal(draft: Draft, text: str) -> str:
    """A word that expands to `text`."""
    return "".join(draft.escape + char if char in (draft.escape, "$", "'", '"') else char for char in text)


def unmatched(text: str, *, marks: str = "*?[") -> str:
    """A wildcard that matches `text` only, as far as `marks` mean themselves."""
    return "".join(f"[{char}]" if char in marks else char for char in text)


def needs_json(word: str) -> bool:
    """Whether it can't be a word between blanks."""
    return not word or any(char in word for char in " \t\n") or word.startswith(("--", "#", "["))


def json_array(words: list[str]) -> str:
    return json.dumps(words, ensure_ascii=False)
