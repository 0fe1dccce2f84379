"""An immutable mapping that grows cheaply: an instruction that adds a variable doesn't copy all those before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_MOST_LATELY = 64


class Layered(Mapping[str, str]):
    """What was put lately lies over what was put before; keys keep the place they first had. Nothing is changed in place."""

    __slots__ = ("_before", "_lately")

    def __init__(self, before: Mapping[str, str], lately: Mapping[str, str] | None = None) -> None:
        self._before = before
        self._lately: Mapping[str, str] = lately or {}

    def put(self, entries: Mapping[str, str]) -> Layered:
        """A new mapping with these entries as well."""
        lately = {**self._lately, **entries}
        if len(lately) <= _MOST_LATELY:
            return Layered(self._before, lately)
        return Layered({**self._before, **lately})

    def __getitem__(self, key: str) -> str:
        return self._lately[key] if key in self._lately else self._before[key]

    def __contains__(self, key: object) -> bool:
        return key in self._lately or key in self._before

    def __iter__(self) -> Iterator[str]:
        yield from self._before
        yield from (key for key in self._lately if key not in self._before)

    def __len__(self) -> int:
        return sum(1 for _ in self)
