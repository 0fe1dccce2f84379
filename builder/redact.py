"""Takes secrets out of a stream of bytes before anybody sees it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

_STARS = b"***"
_LEAST = 4  # bytes: what is shorter is no secret, and its stars would be everywhere
_LEAST_LINE = 8
_GLANCE = 32


class Redactor:
    """Puts stars for each secret, but not for the white space around it, and for the long lines of one with several.

    What may be the beginning of a secret is held back until it is clear. `instead` gives what is put if it isn't to be stars.
    """

    def __init__(self, secrets: Iterable[bytes], *, instead: Callable[[bytes], bytes] = lambda secret: _STARS) -> None:
        self._instead = instead
        self._words = sorted({word for secret in secrets for word in _words(secret)}, key=lambda word: (-len(word), word))
        self._pattern = re.compile(b"|".join(re.escape(word) for word in self._words))
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be shown after these bytes have come."""
        if not self._words:
            return chunk
        data, position, shown = self._held + chunk, 0, []
        while True:
            open_end = self._open_end(data, position)
            match = self._pattern.search(data, position)
            if match is None or match.start() >= open_end:
                shown.append(data[position:open_end])
                self._held = data[open_end:]
                return b"".join(shown)
            shown += [data[position : match.start()], self._instead(match[0])]
            position = match.end()

    def flush(self) -> bytes:
        """What was held back, at the end."""
        rest, self._held = self._held, b""
        return self._pattern.sub(lambda match: self._instead(match[0]), rest) if self._words else rest

    def _open_end(self, data: bytes, position: int) -> int:
        """Where the first secret begins that may end in what is still to come; the length of `data` if there is none."""
        return min((start for word in self._words for start in _starts(word, data, position)), default=len(data))


def _words(secret: bytes) -> Iterator[bytes]:
    word = secret.strip()
    if len(word) >= _LEAST:
        yield word
    lines = word.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= _LEAST_LINE)


def _starts(word: bytes, data: bytes, position: int) -> Iterator[int]:
    """The first place from which on all of `data` is the beginning of `word`, but not the whole."""
    start = data.find(word[:1], max(position, len(data) - len(word) + 1))
    while start >= 0:
        if word.startswith(data[start : start + _GLANCE]) and word.startswith(data[start:]):
            yield start
            return
        start = data.find(word[:1], start + 1)
