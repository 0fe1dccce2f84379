"""How big the cases are and how often they run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """`base_*`: the big base image, whole; `copied_files`: sources; `data_bytes`: the big COPY; `modules`: files of node_modules;
    `tiny`: busybox for Debian, and nothing is installed or compiled; `seed`: of the data."""

    base_files: int
    base_bytes: int
    copied_files: int
    data_bytes: int
    modules: int
    tiny: bool = False
    seed: int = 20_26


FULL = Sizes(base_files=80_000, base_bytes=1_200_000_000, copied_files=2_000, data_bytes=1_000_000_000, modules=60_000)
SMALL = Sizes(base_files=400, base_bytes=4_000_000, copied_files=50, data_bytes=8_000_000, modules=300, tiny=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`contestants` and `cases` are names; `runs` is how often each contestant builds each case."""

    sizes: Sizes
    contestants: tuple[str, ...]
    cases: tuple[str, ...]
    runs: int
