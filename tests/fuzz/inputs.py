"""Random texts for the parser: bytes, pieces of Dockerfiles put together, and known Dockerfiles with random changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.fuzz.generate import generate
from tests.support.cases import read_cases
from tests.support.shared import REPOSITORY

_PIECES = (
    "FROM ", "from a AS b", "AS", "RUN ", "COPY ", "ADD ", "ENV ", "ARG ", "LABEL ", "ONBUILD ", "CMD ", "ENTRYPOINT ", "SHELL ",
    "USER ", "WORKDIR ", "EXPOSE ", "VOLUME ", "STOPSIGNAL ", "HEALTHCHECK ", "MAINTAINER ", "# syntax=", "# escape=`",
    "# check=skip=all", "\n", "\n\n", "\r\n", " ", "\t", "\\\n", "\\", "`", "\\\\", '"', "'", "$", "${", "}", "${A:-", "${A#",
    "${A%%*", "${A/", "//", "/", ":-", "?", "*", "[", "]", '["a", "b"]', '["', "{", "<<EOF", "<<-EOF", "<<'E O F'", "3<<X",
    "\nEOF\n", "<<", "--from=", "--chown=", "--chmod=", "--mount=", "--mount=type=cache,target=/x",
    "--mount=type=secret,id=a,env=B", "--mount=type=bind,", "--link", "--parents", "--exclude=", "--platform=", "--network=",
    "--interval=", "--checksum=", "--keep-git-dir", "--unpack", "--", "=", "a=b", "A", ",", "0", "99999999999999999999", "-1",
    "80/tcp", "1-70000", "5s", "1h2m", "SIGTERM", "scratch", "a b", ".", "..", "./x/", "https://a/b.git#c:d", "git@a:b",
    "http://a/b", "\0", "\ufeff", "\u00a0", "\u2028", "é", "\udc80", "#", "# a", "CMD true", "NONE", "~", "!", "@", "|", "&&",
    "\x0b", "\x0c", "\x7f", "\U0001f600",
)  # fmt: skip


def known_dockerfiles() -> list[bytes]:
    """Of the `.case` files, of the generator, and of the corpora where they are."""
    cases = read_cases(REPOSITORY / "tests/e2e/cases") + [generate(seed) for seed in range(50)]
    texts = [case.section("Dockerfile", dict.fromkeys(case.bases, "base")).encode() for case in cases]
    corpora: Path = REPOSITORY.parent / "shared/corpora"
    return texts + [path.read_bytes() for path in sorted(corpora.rglob("Dockerfile*")) if path.is_file()]


def random_text(rng: Random, known: Sequence[bytes]) -> bytes:
    kind = rng.randrange(10)
    if kind == 0:
        return rng.randbytes(rng.randint(0, 200))
    if kind < 4:
        begin = rng.choice((b"", b"FROM a\n", b"FROM a\n", b"ARG A=1\nFROM a AS b\n"))
        return begin + "".join(rng.choices(_PIECES, k=rng.randint(1, 30))).encode("utf-8", "surrogateescape")
    if kind == 4:
        return random_line(rng)
    text = rng.choice(known)
    for _ in range(rng.randint(1, 4)):
        text = _changed(rng, text, known)
    return text[:20_000]


def random_line(rng: Random) -> bytes:
    """One instruction with random words, behind a FROM."""
    keyword = rng.choice(
        ("COPY", "ADD", "RUN", "ENV", "ARG", "LABEL", "EXPOSE", "VOLUME", "WORKDIR", "HEALTHCHECK", "ONBUILD COPY")
    )
    return f"FROM a\n{keyword} {random_word(rng)} {random_word(rng)}\n".encode("utf-8", "surrogateescape")


def random_word(rng: Random) -> str:
    return "".join(rng.choices([piece for piece in _PIECES if "\n" not in piece], k=rng.randint(0, 8)))


def _changed(rng: Random, text: bytes, known: Sequence[bytes]) -> bytes:
    start = rng.randint(0, len(text))
    end = min(len(text), start + rng.choice((0, 0, 1, 1, 5, 40)))
    kind = rng.randrange(6)
    if kind == 0:
        return text[:start] + text[end:]
    if kind == 1:
        return text[:start] + rng.randbytes(rng.randint(1, 3)) + text[end:]
    if kind == 2:
        return text[:start] + text[start:end] * rng.randint(2, 5) + text[end:]
    if kind == 3:
        other = rng.choice(known)
        cut = rng.randint(0, len(other))
        return text[:start] + other[cut : cut + 60] + text[end:]
    if kind == 4:
        lines = re.split(rb"(?<=\n)", text)
        rng.shuffle(lines)
        return b"".join(lines)
    return text[:start] + rng.choice(_PIECES).encode("utf-8", "surrogateescape") + text[end:]
