"""How big the cases are and how often they run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """`base_*`: the big base image; `copied_files`: its COPY; `data_bytes`: the COPY into scratch; `tiny`: busybox for Debian."""

    base_files: int
    base_bytes: int
    copied_files: int
    data_bytes: int
    tiny: bool = False


FULL = Sizes(base_files=80_000, base_bytes=700_000_000, copied_files=2_000, data_bytes=1_000_000_000)
SMALL = Sizes(base_files=400, base_bytes=4_000_000, copied_files=50, data_bytes=8_000_000, tiny=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`contestants` and `cases` are names; `runs` is how often each contestant builds each case."""

    sizes: Sizes
    contestants: tuple[str, ...]
    cases: tuple[str, ...]
    runs: int
