"""Deterministic data: text that compresses as text does, noise that doesn't, and trees of files of realistic sizes."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

_CORPUS = 4_000_000  # bytes of text and of noise that small files are cut from
_PIECE = 64_000
_BIG_FILE = 16_000_000
_WORDS = 6_000
_COMPRESSIBLE = 0.85  # of the small files
_SPREAD = 1.5  # sigma of the log-normal sizes: half of the files are smaller than a third of the mean
_FOLDER = 12  # files a directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Cuts data from a corpus made once."""

    random: random.Random
    text: bytes
    noise: bytes

    @classmethod
    def make(cls, seed: int) -> Material:
        source = random.Random(seed)
        return cls(random=source, text=_text(source, _CORPUS), noise=source.randbytes(_CORPUS))

    def small_file(self, size: int) -> bytes:
        corpus = self.text if self.random.random() < _COMPRESSIBLE else self.noise
        start = self.random.randrange(max(1, len(corpus) - size))
        return corpus[start : start + size]

    def text_file(self, size: int) -> Iterator[bytes]:
        """Pieces in random order, so that no compressor finds them again in its window."""
        for left in range(size, 0, -_PIECE):
            start = self.random.randrange(len(self.text) - _PIECE)
            yield self.text[start : start + min(left, _PIECE)]

    def sizes(self, count: int, total: int) -> list[int]:
        """`count` file sizes, log-normal, of about `total` bytes together."""
        drawn = [self.random.lognormvariate(0, _SPREAD) for _ in range(count)]
        scale = total / sum(drawn)
        return [min(int(size * scale), _CORPUS // 2) for size in drawn]


def _text(source: random.Random, size: int) -> bytes:
    """Words as frequent as words are (Zipf), with punctuation and lines."""
    words = ["".join(source.choices(string.ascii_lowercase, k=source.randint(2, 11))) for _ in range(_WORDS)]
    weights = list(accumulate(1 / rank for rank in range(1, _WORDS + 1)))
    chosen = source.choices(words, cum_weights=weights, k=size // 4)
    lines = (" ".join(chosen[start : start + 9]) for start in range(0, len(chosen), 9))
    return ";\n".join(lines).encode()[:size]


def tree(material: Material, *, files: int, total: int) -> Iterator[tuple[str, bytes]]:
    """Relative paths, in order, with contents: `files` of them, `total` bytes."""
    for number, size in enumerate(material.sizes(files, total)):
        folder = number // _FOLDER
        yield f"part{folder // 64:04}/package{folder % 64:02}/file{number % _FOLDER:02}.txt", material.small_file(size)


def write_tree(directory: Path, material: Material, *, files: int, total: int) -> None:
    for name, content in tree(material, files=files, total=total):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_program(directory: Path, *, functions: int = 200) -> None:
    """A C program in two files, one of them of so many functions."""
    directory.mkdir(parents=True)
    numbers = range(functions)
    bodies = (f"int f{n}(int x) {{ for (int i = 0; i < x; i++) x ^= i * {n + 3} + (x >> 3); return x; }}" for n in numbers)
    (directory / "functions.c").write_text("".join(f"{body}\n" for body in bodies))
    declared = "".join(f"int f{n}(int);\n" for n in numbers)
    total = " + ".join(f"f{n}(argc)" for n in numbers)
    (directory / "main.c").write_text(f"{declared}int main(int argc, char **argv) {{ return (argv[0] == 0) + ({total}) % 7; }}\n")


def write_mixed(directory: Path, material: Material, *, total: int) -> None:
    """Files of 16 MB, every other one text, the others noise."""
    directory.mkdir(parents=True)
    for number, left in enumerate(range(total, 0, -_BIG_FILE)):
        size = min(left, _BIG_FILE)
        pieces = [material.random.randbytes(size)] if number % 2 else material.text_file(size)
        with (directory / f"data{number:03}").open("wb") as file:
            file.writelines(pieces)
