"""The same class bodies are given to `dataclasses` and to builder/values.py, and must behave the same."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from builder import values


def _classes(module: Any) -> dict[str, type]:
    @module.dataclass(frozen=True, slots=True, kw_only=True)
    class Plain:
        """Of two fields."""

        one: int
        two: str = "x"
        three: ClassVar[int] = 3

    @module.dataclass(frozen=True, slots=True)
    class Positional:
        one: int
        two: tuple[int, ...] = ()

    @module.dataclass(frozen=True, slots=True, kw_only=True)
    class Empty:
        pass

    @module.dataclass(frozen=True, slots=True, kw_only=True, order=True)
    class Ordered:
        one: int
        two: int = 0

    @module.dataclass(slots=True, kw_only=True)
    class Mutable:
        one: list[int] = module.field(default_factory=list)
        two: int = module.field(default=0, init=False)

        def __post_init__(self) -> None:
            self.two += 1

    @module.dataclass(frozen=True, slots=True, kw_only=True)
    class Hidden:
        secret: bytes = module.field(repr=False)
        note: str = module.field(default="", compare=False)

    @module.dataclass(frozen=True, slots=True, kw_only=True)
    class Own:
        one: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own)

        def __repr__(self) -> str:
            return "own"

        __hash__ = None  # type: ignore[assignment]

    return {made.__name__: made for made in (Plain, Positional, Empty, Ordered, Mutable, Hidden, Own)}


STANDARD = _classes(dataclasses)

ACTS: dict[str, Callable[[dict[str, type]], object]] = {
    "repr": lambda of: repr(of["Plain"](one=1)).rpartition(".")[2],
    "repr without a secret": lambda of: repr(of["Hidden"](secret=b"s")).rpartition(".")[2],
    "its own repr": lambda of: repr(of["Own"](one=1)),
    "equal": lambda of: of["Plain"](one=1) == of["Plain"](one=1, two="x"),
    "different": lambda of: of["Plain"](one=1) == of["Plain"](one=2),
    "of another class": lambda of: of["Plain"](one=1) == of["Ordered"](one=1),
    "two of nothing": lambda of: of["Empty"]() == of["Empty"](),
    "not compared": lambda of: of["Hidden"](secret=b"", note="a") == of["Hidden"](secret=b"", note="b"),
    "equal by its own word": lambda of: of["Own"](one=1) == of["Own"](one=2),
    "same hash": lambda of: hash(of["Plain"](one=1)) == hash(of["Plain"](one=1)),
    "hash of what can change": lambda of: hash(of["Mutable"]()),
    "hash of a list": lambda of: hash(of["Plain"](one=[])),
    "sorted": lambda of: [each.two for each in sorted(of["Ordered"](one=1, two=two) for two in (3, 1, 2))],
    "compared": lambda of: (of["Ordered"](one=1) <= of["Ordered"](one=1), of["Ordered"](one=1) > of["Ordered"](one=0)),
    "order of the unordered": lambda of: of["Plain"](one=1) < of["Plain"](one=2),
    "assigned": lambda of: setattr(of["Plain"](one=1), "one", 2),
    "deleted": lambda of: delattr(of["Plain"](one=1), "one"),
    "a new name": lambda of: setattr(of["Mutable"](), "other", 2),
    "changed": lambda of: _changed(of["Mutable"]()),
    "lists of their own": lambda of: of["Mutable"]().one is of["Mutable"]().one,
    "after init": lambda of: of["Mutable"]().two,
    "not for init": lambda of: of["Mutable"](two=1),
    "missing": lambda of: of["Plain"](),
    "too much": lambda of: of["Plain"](one=1, more=2),
    "by place": lambda of: of["Positional"](1, (2,)).two,
    "not by place": lambda of: of["Plain"](1),
    "matched": lambda of: of["Positional"].__match_args__,  # type: ignore[attr-defined]
    "class variable": lambda of: of["Plain"].three,  # type: ignore[attr-defined]
    "slots": lambda of: of["Plain"].__slots__,  # type: ignore[attr-defined]
    "words": lambda of: of["Plain"].__doc__,
    "copied": lambda of: copy.deepcopy(of["Mutable"](one=[1])).one,
    "replaced": lambda of: dataclasses.replace(of["Plain"](one=1, two="y"), one=2).two,
    "standard fields": lambda of: [(each.name, each.type, each.kw_only) for each in dataclasses.fields(of["Plain"])],
}


def _changed(subject: Any) -> object:
    subject.one += [1]
    return subject.one


def _outcome(act: Callable[[dict[str, type]], object], of: dict[str, type]) -> object:
    try:
        return act(of)
    except (TypeError, AttributeError) as error:
        kinds = (TypeError, AttributeError)
        return next(kind for kind in kinds if isinstance(error, kind))


def _used() -> dict[str, type]:
    """Classes of which many objects have been made."""
    found = _classes(values)
    for made in found.values():
        given = {each.name: 1 for each in values.fields(made) if each.init}
        for _ in range(20):
            made(**given)
    return found


@pytest.mark.parametrize("name", ACTS)
def test_a_class_behaves_as_the_standard_one(name: str) -> None:
    for ours in (_classes(values), _used()):
        assert _outcome(ACTS[name], ours) == _outcome(ACTS[name], STANDARD)


def test_wrong_values_are_refused_in_the_standard_words() -> None:
    for given in ({}, {"one": 1, "more": 2}, {"three": 3}, {"two": "x"}):
        said = []
        for of in (_classes(values), _used(), STANDARD):
            with pytest.raises(TypeError) as error:
                of["Plain"](**given)
            said.append(str(error.value).rpartition(".")[2])
        assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("function", ["replace", "asdict", "fields", "is_dataclass"])
def test_the_functions_do_what_the_standard_ones_do(function: str) -> None:
    def told(module: Any, of: dict[str, type]) -> object:
        subject = of["Plain"](one=(of["Mutable"](one=[1]),))
        found = getattr(module, function)(subject, **({"two": "z"} if function == "replace" else {}))
        named = [each.name for each in found] if function == "fields" else found
        return repr(named).replace(of["Plain"].__qualname__.rpartition(".")[0], "")

    for ours in (_classes(values), _used()):
        assert told(values, ours) == told(dataclasses, STANDARD)


@values.dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    one: int
    two: str = ""


def test_a_value_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(Sent(one=1, two="b"))) == Sent(one=1, two="b")


def test_a_default_that_can_be_changed_is_refused() -> None:
    with pytest.raises(TypeError, match="default_factory"):

        @values.dataclass(slots=True)
        class _Shared:
            one: list[int] = []  # noqa: RUF012


def test_a_build_loads_neither_the_standard_module_nor_what_it_needs() -> None:
    program = "import sys, builder.build; print([name for name in ('dataclasses', 'inspect') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
