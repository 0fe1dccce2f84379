"""Runs the rules while a Dockerfile is lowered, and keeps what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from builder.dockerfile.instructions.workdir import Workdir
from builder.dockerfile.lines import Line
from builder.dockerfile.lint.choice import Choice
from builder.dockerfile.lint.rule import Base, Hit, Moment, Origin, Rule
from builder.dockerfile.lint.variables import UNDEFINED_VAR, undefined
from builder.dockerfile.parse import Dockerfile, Stage
from builder.dockerfile.scope import Instruction, Scope
from builder.image.platform import Platform
from builder.ops import Location, Op
from builder.values import dataclass, field

_MOST_SUGGESTIONS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One warning; `str()` is its line in a log."""

    rule: Rule
    detail: str
    location: Location

    def __str__(self) -> str:
        return f"{self.location}: warning: {self.rule.name}: {self.detail}"


@dataclass(slots=True, kw_only=True)
class Linter:
    """Used for one Dockerfile, once for each platform; a watcher of plan.lower.

    `ignored` tells what of the context COPY doesn't see. Of an image in `unknown` nothing is known: rules that need it are left
    out.
    """

    dockerfile: Dockerfile
    rules: tuple[Rule, ...]
    choice: Choice = field(default_factory=Choice)
    ignored: Callable[[str], bool] | None = None
    unknown: set[str] = field(default_factory=set)
    _found: dict[tuple[str, int, str], Finding] = field(default_factory=dict)
    _seen: dict[type, Line] = field(default_factory=dict)
    _placed: dict[int, bool] = field(default_factory=dict)
    _based: dict[int, bool] = field(default_factory=dict)
    _stage: int = 0
    _suggested: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for rule in self.rules:
            self._add(rule, rule.on_file(self.dockerfile))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """By line; never two that say the same of one line."""
        order = {rule.name: number for number, rule in enumerate(self.rules)}
        return tuple(sorted(self._found.values(), key=lambda each: (each.location.start, order[each.rule.name], each.detail)))

    def origins(self, *, args: Mapping[str, str], defaults: Mapping[str, str] | None) -> None:
        """All FROMs: `args` are the variables that they see, `defaults` what these are without `--build-arg`."""
        declared = frozenset(args) | {name for arg in self.dockerfile.global_args for name, _ in arg.defaults}
        for stage in self.dockerfile.stages:
            origin = Origin(instruction=stage.origin, args=args, declared=declared, defaults=defaults)
            for rule in self.rules:
                self._add(rule, rule.on_from(origin))

    def begin(self, stage: Stage, *, parent: int | None) -> None:
        """The instructions of this stage follow; it continues the stage `parent`, or begins with an image or nothing."""
        self._stage, self._seen = stage.index, {}
        self._placed[stage.index] = parent is not None and self._placed[parent]
        self._based[stage.index] = parent is None or self._based[parent]

    def base(self, stage: Stage, *, reference: str, wanted: Platform, actual: Platform) -> None:
        """The stage begins with this image."""
        if reference in self.unknown:
            self._based[stage.index] = False
            return
        base = Base(line=stage.origin.line, reference=reference, wanted=wanted, actual=actual)
        for rule in self.rules:
            self._add(rule, rule.on_base(base))

    def step(self, instruction: Instruction, *, before: Scope, after: Scope, op: Op | None) -> None:
        moment = Moment(
            instruction=instruction,
            scope=before,
            seen=self._seen,
            placed=self._placed[self._stage],
            based=self._based[self._stage],
            ignored=self.ignored,
        )
        for rule in self.rules:
            self._add(rule, rule.on_step(moment))
        self._seen[type(instruction)] = instruction.line
        if isinstance(instruction, Workdir):
            self._placed[self._stage] = True

    def unset(self, line: Line, names: Iterable[str], scope: Scope) -> None:
        if not self._based[self._stage]:
            return
        for name in names:
            similar = name in self._suggested or len(self._suggested) < _MOST_SUGGESTIONS
            self._suggested |= {name} if similar else set()
            self._add(UNDEFINED_VAR, undefined(line, [name], scope, similar=similar))

    def _add(self, rule: Rule, hits: Iterator[Hit]) -> None:
        for hit in hits:
            lines = [hit.line, hit.cause] if hit.cause else [hit.line]
            place = hit.line.location
            start, end = hit.lines or (place.start, place.end)
            if self.choice.allows(rule, *(Choice.above(line.comments) for line in lines)):
                finding = Finding(rule=rule, detail=hit.detail, location=Location(file=place.file, start=start, end=end))
                self._found.setdefault((rule.name, start, hit.detail), finding)
