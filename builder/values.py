"""Value classes as the standard library's dataclasses are, which cost next to nothing until they are used.

A build imports some two hundred of them and makes objects of a third. `dataclasses` writes, compiles and runs six methods of
each at import: half of the time that masu needed to start. Here a class shares its methods with all others, and its `__init__`
is compiled when some of its objects have been made. What this project uses of https://docs.python.org/3/library/dataclasses.html
works, the rest is refused. Type checkers take it for that module, whose own functions work on what is made here.
"""

from __future__ import annotations

from operator import attrgetter, ge, gt, le, lt
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import Field, asdict, dataclass, field, fields, is_dataclass, replace
else:
    _MISSING = object()
    _FEW = 8
    """Objects of a class that are made before its `__init__` is compiled, which takes as long as making forty without."""

    _NOTHING = MappingProxyType({})

    class Field:
        """What is known of one field; `default` is `_MISSING` where there is none."""

        __slots__ = ("compare", "default", "default_factory", "init", "metadata", "name", "repr", "type")

        def __init__(self, default, default_factory, init, repr, compare, metadata):
            self.name, self.type = "", ""
            self.default, self.default_factory = default, default_factory
            self.init, self.repr, self.compare, self.metadata = init, repr, compare, MappingProxyType(metadata)

    def field(
        *, default=_MISSING, default_factory=_MISSING, init=True, repr=True, compare=True, metadata=_NOTHING
    ):  # as in dataclasses
        return Field(default, default_factory, init, repr, compare, metadata)

    def dataclass(*, frozen=False, slots, kw_only=False, order=False):
        """For classes with slots, of no base but object."""
        if not slots:
            raise TypeError("only classes with slots are made here")
        return lambda cls: _made(cls, frozen, kw_only, order)

    def fields(subject):
        """In the order of the class; raises TypeError for what isn't one of ours, nor an object of one."""
        return (subject if isinstance(subject, type) else type(subject))._fields_

    def is_dataclass(subject):
        """Whether it is one of ours, or an object of one."""
        return hasattr(subject if isinstance(subject, type) else type(subject), "_fields_")

    def replace(subject, /, **changes):
        """A new object with these values in place of `subject`'s."""
        cls = type(subject)
        for each in cls._fields_:
            if each.init and each.name not in changes:
                changes[each.name] = getattr(subject, each.name)
        return cls(**changes)

    def asdict(subject):
        """Names and values, of values within too; everything else is left as it is, containers are copied."""
        if is_dataclass(subject):
            return {each.name: asdict(getattr(subject, each.name)) for each in subject._fields_}
        if isinstance(subject, list | tuple):
            return type(subject)(map(asdict, subject))
        if isinstance(subject, dict):
            return {asdict(name): asdict(value) for name, value in subject.items()}
        return subject

    def _made(cls, frozen, kw_only, order):
        """The class anew, with slots: a class can't be given them later."""
        annotations = getattr(cls, "__annotations__", {})
        namespace = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
        found = tuple(_field(name, annotation, namespace) for name, annotation in annotations.items() if _is_field(annotation))
        compared = tuple(each.name for each in found if each.compare)
        methods = {
            "__qualname__": cls.__qualname__,
            "__slots__": tuple(each.name for each in found),
            "__match_args__": () if kw_only else tuple(each.name for each in found if each.init),
            "_fields_": found,
            "_compared_": attrgetter(*(compared or ("__class__",))),
            "__dataclass_fields__": _StandardFields(kw_only),
            "__init__": _first_init(kw_only, frozen),
            "__repr__": _repr,
            "__eq__": _eq,
            "__hash__": _hash if frozen else None,
            "__getstate__": _getstate,
            "__setstate__": _setstate,
            **({"__setattr__": _setattr, "__delattr__": _delattr} if frozen else {}),
            **(_ORDER if order else {}),
        }
        if namespace.get("__hash__") is None:  # Python's own doing where a class says what equal is
            namespace.pop("__hash__", None)
        return type(cls)(cls.__name__, cls.__bases__, methods | namespace)

    def _is_field(annotation):
        return not str(annotation).startswith(("ClassVar", "typing.ClassVar"))

    def _field(name, annotation, namespace):
        """Takes the default out of the class, where the slot is to be."""
        given = namespace.pop(name, _MISSING)
        found = given if isinstance(given, Field) else field(default=given)
        if isinstance(found.default, list | dict | set):
            raise TypeError(f"the default of {name!r} can be changed: give a default_factory")
        found.name, found.type = name, annotation
        return found

    class _StandardFields:
        """What the functions of `dataclasses` look for, made when they do."""

        __slots__ = ("_kw_only",)

        def __init__(self, kw_only):
            self._kw_only = kw_only

        def __get__(self, subject, cls):
            import dataclasses

            standard = [(each.name, each.type, _standard(each)) for each in cls._fields_]
            return dataclasses.make_dataclass(cls.__name__, standard, kw_only=self._kw_only).__dataclass_fields__

    def _standard(each):
        import dataclasses

        given = {"default": each.default, "default_factory": each.default_factory}
        given = {name: value for name, value in given.items() if value is not _MISSING}
        return dataclasses.field(init=each.init, repr=each.repr, compare=each.compare, metadata=each.metadata, **given)

    def _first_init(kw_only, frozen):
        """An `__init__` for a few objects; then, and for what it doesn't understand, it puts the compiled one in its place."""
        left, put = _FEW, object.__setattr__ if frozen else setattr

        def first(self, *args, **given):
            nonlocal left
            left -= 1
            cls = type(self)
            if args or left < 0 or not _is_whole(cls._fields_, given):
                cls.__init__ = _compiled(cls, kw_only, frozen)
                cls.__init__(self, *args, **given)
                return
            for each in cls._fields_:
                put(self, each.name, given[each.name] if each.name in given else _default(each))
            if hasattr(cls, "__post_init__"):
                self.__post_init__()

        return first

    def _is_whole(found, given):
        """Whether there are values for all fields that need one, and for no others."""
        for each in found:
            if each.default is _MISSING and each.default_factory is _MISSING and each.name not in given:
                return False
        return given.keys() <= {each.name for each in found if each.init}

    def _default(each):
        return each.default if each.default_factory is _MISSING else each.default_factory()

    def _compiled(cls, kw_only, frozen):
        known = {"_MISSING": _MISSING}
        parameters, body = [], []
        for each in cls._fields_:
            known[f"_set_{each.name}"] = cls.__dict__[each.name].__set__
            value = each.name
            if each.default_factory is not _MISSING:
                known[f"_make_{each.name}"] = each.default_factory
                made = f"_make_{each.name}()"
                value = f"{made} if {each.name} is _MISSING else {each.name}" if each.init else made
            known[f"_default_{each.name}"] = _MISSING if each.default_factory is not _MISSING else each.default
            if each.init:
                optional = each.default is not _MISSING or each.default_factory is not _MISSING
                parameters.append(f"{each.name}=_default_{each.name}" if optional else each.name)
            elif each.default is not _MISSING:
                value = f"_default_{each.name}"
            body.append(f"_set_{each.name}(self, {value})" if frozen else f"self.{each.name} = {value}")
        if hasattr(cls, "__post_init__"):
            body.append("self.__post_init__()")
        star = ["*"] if kw_only and parameters else []
        lines = [f"def __init__({', '.join(['self', *star, *parameters])}):", *(body or ["pass"])]
        exec("\n ".join(lines), known)  # of the names of our own fields
        return known["__init__"]

    def _repr(self):
        shown = (f"{each.name}={getattr(self, each.name)!r}" for each in self._fields_ if each.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self._compared_(self) == self._compared_(other)

    def _hash(self):
        return hash(self._compared_(self))

    def _setattr(self, name, value):
        raise AttributeError(f"cannot assign to field {name!r}")

    def _delattr(self, name):
        raise AttributeError(f"cannot delete field {name!r}")

    def _getstate(self):
        return [getattr(self, each.name) for each in self._fields_]

    def _setstate(self, state):
        for each, value in zip(self._fields_, state, strict=True):
            object.__setattr__(self, each.name, value)

    def _ordered(compare):
        def method(self, other):
            if other.__class__ is not self.__class__:
                return NotImplemented
            return compare(self._compared_(self), self._compared_(other))

        return method

    _ORDER = {f"__{compare.__name__}__": _ordered(compare) for compare in (lt, le, gt, ge)}


__all__ = ["Field", "asdict", "dataclass", "field", "fields", "is_dataclass", "replace"]
