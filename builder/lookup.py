"""Which layers of a plan are cached: asked for before anything is done, and again where only the build itself can tell.

The keys of a stage are known one after the other. What a step reads of another stage is told by that stage's files: by a note in
the cache, if the stage needn't be built, or by its tree when it has been.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from builder.caching import Rules
from builder.contexts import Contexts
from builder.course import Course, courses
from builder.errors import BuilderError, ContextError
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.platform import Platform
from builder.ingredients import Ingredients, Input
from builder.key import CacheKey, base_key, lineage, note_key, op_key, place_key, together
from builder.layer_cache import Cache, Entry
from builder.observed import Observed
from builder.ops import CopyFrom, Exec, FromContext, FromImage, FromNamedContext, FromStage, Op
from builder.plan import ImageBase, Plan, PlannedStage, StageBase, Step
from builder.plan.needs import dependencies, stages_below
from builder.readings import Reading, readings
from builder.reasons import Verdict, recipe, why
from builder.rootfs import SourceTree
from builder.values import dataclass, replace

_MANY_FILES = 1000
"""Where all are told."""

TreeOf = Callable[[CopyFrom], SourceTree]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What keys are made of beside the plan."""

    image_of: Callable[[str, Platform], Image]
    context: SourceTree
    contexts: Contexts

    def tree(self, reading: Reading) -> SourceTree:
        """What is read, if it isn't of a stage or an image."""
        match reading.source:
            case FromContext():
                return self.context
            case FromNamedContext():
                return self.contexts.named_context(reading.source.name)
            case FromStage() | FromImage():
                raise AssertionError(reading.source)
            case _:
                return self.contexts.remote(reading.source)


class Lookup:
    """The layers of one build in the cache. Stages may be built at the same time, each in one thread, after those it reads."""

    def __init__(
        self, plan: Plan, inputs: Inputs, *, cache: Cache, rules: Rules, now: Callable[[], str], subject: str = ""
    ) -> None:
        """`subject` says what is built, so that steps of different images aren't compared with one another."""
        self._plan = plan
        self._subject = subject
        self._inputs = inputs
        self._cache = cache
        self._rules = rules
        self._now = now
        self._observed = Observed(inputs.tree)
        self._notes: dict[CacheKey, str] = {}  # empty for one that isn't there
        self._last: Future[Mapping[CacheKey, Entry]] = Future()
        self._courses = courses(plan)
        self._needed: set[int] = set()

    def survey(self) -> Plan:
        """The plan with the layers that surely are cached, and without the stages that nobody needs then.

        Raises BuilderError for a source that isn't there.
        """
        real = set[int]()
        while True:
            plan = self._surveyed(real)
            self._needed = {stage.index for stage in plan.stages}
            short = {index for index in self._needed if self._courses[index].assumed}
            if not short:
                self._ask_for_last()
                return plan
            real |= short  # they have to be built, and may come out differently
            self._courses = courses(self._plan)

    def _surveyed(self, real: Collection[int]) -> Plan:
        """In stages of `real` results aren't assumed that nobody has."""
        all_courses = list(self._courses.values())
        while True:
            notes = set[CacheKey]()
            new = [(course, position) for course in all_courses for position in self._extend(course, notes)]
            self._ask(new, notes)
            settled = [course for course in all_courses if self._settle(course, assumes=course.stage.index not in real)]
            if not (new or notes or settled):
                return self._with_layers()

    def caches(self, op: Op) -> bool:
        """Whether the layer of this op is kept."""
        return self._rules.caches(op)

    def why(self, stage: PlannedStage, position: int, *, most_files: int = 3) -> tuple[str, ...]:
        """In words, why the step's layer was not in the cache."""
        course = self._courses[stage.index]
        if self._plan.single_layer:
            position = len(course.steps) - 1
        before = self._last.result().get(self._place(course, position))
        ingredients = Ingredients.parse(before.ingredients) if before else None
        return why(course, position, rules=self._rules, before=ingredients, most_files=most_files)

    def verdicts(self) -> tuple[Verdict, ...]:
        """Of every step that changes files, as far as it is known: afterwards all is."""
        return tuple(
            Verdict(
                stage=course.stage,
                number=course.number(position),
                text=step.text,
                is_cached=position in course.made,
                is_known=position < len(course.keys),
                is_needed=course.stage.index in self._needed or position in course.made,
                reasons=() if position in course.made else self.why(course.stage, position, most_files=_MANY_FILES),
            )
            for course in self._courses.values()
            for position, step in enumerate(course.steps)
        )

    def kept(self, *, of_all: bool) -> tuple[Entry, ...]:
        """What the cache has, or gets, of this build: notes, and the layers of all stages or those of the target's image.

        Of other stages' layers there are the diff_ids, so that nobody who has the target's needs to build them.
        """
        entries: dict[CacheKey, Entry] = {}
        below = set(stages_below(self._plan, self._plan.target_index))
        for index, course in self._courses.items():
            whole = of_all or index in below
            entries |= {entry.key: entry if whole else entry.bare for _, entry in sorted(course.kept.items())}
        notes = (Entry(key=key, note=note, created="") for key, note in self._notes.items() if note)  # they don't get old
        return (*entries.values(), *notes)

    def find(self, stage: PlannedStage, position: int, tree_of: TreeOf) -> Layer | None:
        """The layer of a step that would have to be carried out now; `tree_of` gives the trees that the step reads."""
        course = self._begun(stage)
        if self._plan.single_layer:
            return None
        if position >= len(course.keys):
            self._ask([(course, number) for number in self._extend(course, set(), tree_of)], ())
        entry, origin = course.entries.get(position), course.lineage
        if position < len(course.after) or entry is None or entry.layer is None or origin is None:
            return None
        after = self._next(course.op(position), origin, course.keys[position], entry.result)
        if entry.lineage != self._mark(course, position, after):
            return None
        course.made[position], course.kept[position] = entry.layer, entry
        return entry.layer

    def made_at(self, stage: PlannedStage, position: int) -> str:
        """When the step's layer was made, as the cache has it (RFC 3339); empty if it hasn't."""
        kept = self._courses[stage.index].kept
        entry = next(iter(kept.values()), None) if self._plan.single_layer else kept.get(position)
        return entry.created if entry else ""

    def settled(self, image: Image) -> Image:
        """The image of the build, when everything new is in the cache."""
        return self._cache.settled(image)

    def passed(self, stage: PlannedStage, position: int, layer: Layer, *, is_new: bool, tree_of: TreeOf) -> None:
        """The step's layer is this one; one that is new is kept in the cache."""
        course = self._begun(stage)
        if self._plan.single_layer:
            self._passed_together(course, layer, is_new=is_new, tree_of=tree_of)
            return
        if position >= len(course.keys):
            self._extend(course, set(), tree_of)
        op = course.op(position)
        if position == len(course.after):
            assert course.lineage is not None
            course.after.append(self._next(op, course.lineage, course.keys[position], layer.diff_id))
        if is_new and self._is_true(course, position) and self._rules.caches(op):
            mark = self._mark(course, position, course.after[position])
            self._keep(course, position, course.names[position], mark, layer)

    def _passed_together(self, course: Course, layer: Layer, *, is_new: bool, tree_of: TreeOf) -> None:
        while len(course.keys) < len(course.steps):
            self._extend(course, set(), tree_of)
        assert course.last_key is not None
        assert course.origin is not None
        key = together(course.last_key)
        course.after = [lineage(course.origin, key, layer.diff_id)] * len(course.steps)
        if is_new and all(self._is_true(course, position) for position in range(len(course.steps))) and self._rules.runs:
            self._keep(course, len(course.steps) - 1, key, course.after[-1], layer)

    def _is_true(self, course: Course, position: int) -> bool:
        """Whether the step has read what its key tells: others may write to the build context while a build goes on."""
        for reading in readings(course.op(position)):
            if course.is_spoilt:
                break
            match reading.source:
                case FromStage(index=index):
                    course.is_spoilt = self._courses[index].is_spoilt
                case FromContext() | FromNamedContext():
                    course.is_spoilt = self._observed.has_changed(reading, course.op(position).location)
        return not course.is_spoilt

    def _keep(self, course: Course, position: int, key: CacheKey, after: CacheKey, layer: Layer) -> None:
        entry = Entry(
            key=key,
            layer=layer,
            lineage=after,
            created=self._now(),
            text=course.steps[position].text,
            place=self._place(course, position),
            ingredients=recipe(course, position, self._rules).to_text(),
        )
        course.kept[position] = entry
        self._cache.save(entry)

    def _place(self, course: Course, position: int) -> CacheKey:
        stage = course.stage
        return place_key(self._subject, stage.name or stage.index, position, stage.platform)

    def _ask_for_last(self) -> None:
        """What was kept of the steps that aren't there, for `why`; answered while the build goes on."""
        places = [
            self._place(course, position)
            for course in self._courses.values()
            if course.stage.index in self._needed and course.stage.index not in self._rules.fresh
            for position in range(len(course.steps))
            if position not in course.made and self._rules.caches(course.op(position))
        ]
        pool = ThreadPoolExecutor(1, thread_name_prefix="last")
        self._last = pool.submit(self._cache.last, places)
        pool.shutdown(wait=False)

    def _begun(self, stage: PlannedStage) -> Course:
        """Of a stage that is being built: all that it stands on has been."""
        course = self._courses[stage.index]
        self._begin(course)
        return course

    def _begin(self, course: Course) -> None:
        """Find out what the stage begins with, as far as that is known."""
        base = course.stage.base
        if isinstance(base, StageBase):
            parent = self._courses[base.index]
            course.is_spoilt = course.is_spoilt or parent.is_spoilt
            course.start = course.start or parent.last_key
            course.origin = course.origin or parent.end
        elif course.start is None:
            diff_ids = self._inputs.image_of(base.reference, base.platform).config.diff_ids if isinstance(base, ImageBase) else ()
            course.start = course.origin = base_key(diff_ids, course.stage.platform)

    def _extend(self, course: Course, notes: set[CacheKey], tree_of: TreeOf | None = None) -> range:
        """Add the keys that can be known now, and one more with `tree_of`; returns the numbers of their steps.

        Notes to be asked for are added to `notes`.
        """
        self._begin(course)
        before = len(course.keys)
        while course.start is not None and len(course.keys) < len(course.steps):
            position = len(course.keys)
            inputs = self._read(course, position, notes, tree_of if position == before else None)
            if None in inputs:
                break
            parent = course.keys[-1] if course.keys else course.start
            op = course.op(position)
            found, surroundings = [item for item in inputs if item], self._rules.surroundings(op)
            told = [item.digest for item in found]
            course.recipes.append(Ingredients.of(course.steps[position], found, surroundings))
            course.keys.append(op_key(parent, op, told, surroundings))
            apart = base_key((), course.stage.platform)
            course.names.append(op_key(apart, op, told, surroundings) if course.is_apart(position) else course.keys[-1])
        return range(before, len(course.keys))

    def _read(self, course: Course, position: int, notes: set[CacheKey], tree_of: TreeOf | None) -> list[Input | None]:
        """All that a step reads; None for what isn't known yet."""
        step = course.steps[position]
        try:
            return [self._input(reading, notes, tree_of) for reading in readings(course.op(position))]
        except BuilderError as error:
            error.locate(f"{step.location}: {step.text}", file=step.location.file, line=step.location.start)
            raise
        except OSError as error:
            raise ContextError(f"{step.location}: can't read {error.filename!r}: {error.strerror}") from error

    def _input(self, reading: Reading, notes: set[CacheKey], tree_of: TreeOf | None) -> Input | None:
        source, platform = reading.source, self._plan.platform
        if isinstance(source, FromImage):
            image = self._inputs.image_of(source.reference, platform)
            return Input(name=reading.name, digest=base_key(image.config.diff_ids, platform).hex)
        if not isinstance(source, FromStage):
            found = self._observed.fingerprint(reading)
            return Input(name=reading.name, digest=str(found.digest), entries=found.entries)
        digest = self._digest(source, reading, notes, tree_of)
        name = self._courses[source.index].stage.name or str(source.index)
        return Input(name=f"stage {name}", digest=digest) if digest else None

    def _digest(self, source: FromStage, reading: Reading, notes: set[CacheKey], tree_of: TreeOf | None) -> str | None:
        """Of what is read of another stage."""
        end = self._courses[source.index].end
        if tree_of is not None:
            assert end is not None
            digest = str(reading.fingerprint(tree_of(source)).digest)
            is_true = not self._courses[source.index].is_spoilt
            return self._noted(note_key(end, reading.selection), digest) if is_true else digest
        if end is None:
            return None
        key = note_key(end, reading.selection)
        if key not in self._notes:
            notes.add(key)
        return self._notes.get(key) or None

    def _noted(self, key: CacheKey, digest: str) -> str:
        if self._notes.get(key) != digest:
            self._notes[key] = digest
            self._cache.save(Entry(key=key, note=digest, created=self._now()))
        return digest

    def _ask(self, steps: Iterable[tuple[Course, int]], notes: Iterable[CacheKey]) -> None:
        """Look all of it up at once."""
        wanted = {(course.stage.index, position): self._key(course, position) for course, position in steps}
        notes = list(notes)
        found = self._cache.look_up([*(key for key in wanted.values() if key), *notes])
        for (index, position), key in wanted.items():
            if key is not None and key in found:
                course = self._courses[index]
                course.old |= {position} if found[key].is_old else set()
                course.entries |= {} if found[key].is_old else {position: found[key]}
        self._notes |= {key: found[key].note if key in found and not found[key].is_old else "" for key in notes}

    def _key(self, course: Course, position: int) -> CacheKey | None:
        """Under which the step's layer would be; None if it isn't to be looked for."""
        if course.stage.index in self._rules.fresh or not self._rules.caches(course.op(position)):
            return None
        if not self._plan.single_layer:
            return course.names[position]
        return together(course.keys[position]) if position == len(course.steps) - 1 and self._rules.runs else None

    def _settle(self, course: Course, *, assumes: bool) -> bool:
        """Find out which layers surely fit, up to the first command that has to be run; says whether any step was settled."""
        self._begin(course)
        before = len(course.after)
        if self._plan.single_layer:
            self._settle_together(course)
            return len(course.after) > before
        while course.lineage is not None and len(course.after) < len(course.keys):
            position = len(course.after)
            op, entry = course.op(position), course.entries.get(position)
            result = entry.result if entry and (entry.layer or assumes) else None
            after = self._next(op, course.lineage, course.keys[position], result)
            if entry and result and entry.lineage == self._mark(course, position, after):
                course.kept[position] = entry
                course.made |= {position: entry.layer} if entry.layer else {}
                course.assumed |= set() if entry.layer or not isinstance(op, Exec) else {position}
            elif isinstance(op, Exec):
                break
            course.after.append(after)
        return len(course.after) > before

    def _settle_together(self, course: Course) -> None:
        entry = course.entries.get(len(course.steps) - 1)
        if course.after or course.origin is None or entry is None or entry.layer is None or course.last_key is None:
            return
        after = lineage(course.origin, together(course.last_key), entry.layer.diff_id)
        if entry.lineage == after:
            course.made = dict.fromkeys(range(len(course.steps)), entry.layer)
            course.kept = {len(course.steps) - 1: entry}
            course.after = [after] * len(course.steps)

    def _next(self, op: Op, before: CacheKey, key: CacheKey, result: Digest | None) -> CacheKey:
        return lineage(before, key, result if isinstance(op, Exec) else None)

    def _mark(self, course: Course, position: int, after: CacheKey) -> CacheKey:
        """The lineage that an entry has; one that was made apart from what is below it fits on anything."""
        name = course.names[position]
        return lineage(name, name, None) if course.is_apart(position) else after

    def _with_layers(self) -> Plan:
        stages = {index: replace(course.stage, steps=self._steps(course)) for index, course in self._courses.items()}
        plan = replace(self._plan, stages=tuple(stages.values()))
        needs, waiting, needed = dependencies(plan), [plan.target_index, *plan.also], set[int]()
        while waiting:
            index = waiting.pop()
            if index not in needed:
                needed.add(index)
                waiting += needs[index]
        return replace(plan, stages=tuple(stage for index, stage in stages.items() if index in needed))

    def _steps(self, course: Course) -> tuple[Step, ...]:
        made, position, steps = course.made, -1, []
        for step in course.stage.steps:
            position += step.op is not None
            if step.op is None or position not in made:
                steps.append(step)
            elif self._plan.single_layer and position < len(course.steps) - 1:
                steps.append(replace(step, op=None))
            else:
                steps.append(replace(step, made=made[position]))
        return tuple(steps)
