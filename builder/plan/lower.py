"""Lowering: a Dockerfile to the stages its target needs (moby/buildkit, frontend/dockerfile/dockerfile2llb/convert.go)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from builder import ops
from builder.dockerfile import words
from builder.dockerfile.instructions.copy import Copy
from builder.dockerfile.instructions.onbuild import OnBuild
from builder.dockerfile.instructions.run import Run
from builder.dockerfile.lines import Line
from builder.dockerfile.parse import Dockerfile, Stage, parse_trigger
from builder.dockerfile.problem import Problem, nearest, suggest
from builder.dockerfile.scope import Instruction, Scope
from builder.dockerfile.watch import Nobody, Watcher
from builder.errors import BuilderError, DockerfileError, ImageError, UsageError
from builder.image.config import Config
from builder.image.platform import Platform
from builder.image.reference import ARCHIVE_PREFIX, LAYOUT_PREFIX, Reference
from builder.ops import Op
from builder.plan.named import NamedContexts
from builder.plan.values import Base, ImageBase, Plan, PlannedStage, Scratch, StageBase, Step
from builder.values import dataclass, field, replace

_COMMON = ("scratch", "alpine", "busybox", "centos", "debian", "fedora", "golang", "ubuntu")
_INDEX = re.compile(r"[-+]?[0-9]+")
BaseConfig = Callable[[str, Platform], Config]
"""(reference as written, platform) → the config of that image."""


def lower(
    dockerfile: Dockerfile,
    *,
    target: str,
    build_args: Mapping[str, str],
    labels: Mapping[str, str],
    platform: Platform,
    base_config: BaseConfig,
    build_platform: Platform | None = None,
    named: NamedContexts | None = None,
    watch: Watcher | None = None,
    also: Sequence[str] = (),
    every_stage: bool = False,
) -> Plan:
    """What has to be done for `target` (a stage's name or index; empty for the last stage), and for the stages `also`.

    `base_config` is asked once for each image the needed stages begin with. `build_platform` is the one this runs on, `named` are
    the contexts that take the place of stages and images. `watch` is told what is found out on the way, with `every_stage` about
    stages that the target doesn't need, too. Raises
    UsageError for an unknown target and DockerfileError for whatever is wrong in a needed stage; other stages aren't looked at.
    """
    stage = find_target(dockerfile, target)
    global_args = _platform_args(platform, build_platform or Platform.host(), stage.name or "default")
    global_args = {name: build_args.get(name, value) for name, value in global_args.items()}
    watch = watch or Nobody()
    defaults = _defaults(dockerfile, global_args)
    for arg in dockerfile.global_args:
        global_args = arg.apply_globally(global_args, build_args)
    watch.origins(args=global_args, defaults=defaults)
    lowering = _Lowering(
        dockerfile=dockerfile,
        build_args=build_args,
        global_args=global_args,
        platform=platform,
        base_config=base_config,
        named=named or NamedContexts(),
        watch=watch,
    )
    others = dockerfile.stages if every_stage else [find_target(dockerfile, name) for name in also]
    return lowering.run(stage, labels, [other.index for other in others])


def find_target(dockerfile: Dockerfile, target: str) -> Stage:
    """By name (cases ignored; the last one of that name) or index, as Kaniko does; raises UsageError."""
    stages = dockerfile.stages
    if not target:
        return stages[-1]
    for stage in reversed(stages):
        if stage.name == target.lower():
            return stage
    if target.isascii() and target.isdigit() and len(target) < 9 and int(target) < len(stages):
        return stages[int(target)]
    named = [stage.name for stage in stages if stage.name]
    hint = suggest(target, named) or (f"the stages are {', '.join(named)}" if named else "no stage has a name")
    raise UsageError(f"target stage {target!r} is not in {dockerfile.file}", hint=hint)


def _defaults(dockerfile: Dockerfile, args: Mapping[str, str]) -> Mapping[str, str] | None:
    """The global arguments as they are without `--build-arg`; None if that is an error."""
    try:
        for arg in dockerfile.global_args:
            args = arg.apply_globally(args, {})
    except DockerfileError:
        return None
    return args


def _platform_args(target: Platform, build: Platform, stage: str) -> dict[str, str]:
    """The arguments every Dockerfile has: usable in FROM, and in a stage that declares them."""
    args = {"TARGETSTAGE": stage}
    for prefix, platform in (("TARGET", target), ("BUILD", build)):
        args |= {
            f"{prefix}PLATFORM": str(platform),
            f"{prefix}OS": platform.os,
            f"{prefix}OSVERSION": platform.os_version,
            f"{prefix}ARCH": platform.architecture,
            f"{prefix}VARIANT": platform.variant,
        }
    return args


@dataclass(frozen=True, slots=True, kw_only=True)
class _Needed:
    """A stage that will be lowered; `reads` are the stages it copies from, and where.

    `context` is the named context with the files that it begins with. A stage that is `replaced` is its base and nothing more.
    """

    stage: Stage
    base: Base
    triggers: tuple[Instruction, ...] = ()
    reads: tuple[tuple[Line, int], ...] = ()
    context: str | None = None
    replaced: bool = False

    @property
    def depends_on(self) -> list[int]:
        return [index for _, index in self.reads] + ([self.base.index] if isinstance(self.base, StageBase) else [])


@dataclass(slots=True, kw_only=True)
class _Lowering:
    """One run of `lower`."""

    dockerfile: Dockerfile
    build_args: Mapping[str, str]
    global_args: Mapping[str, str]
    platform: Platform
    base_config: BaseConfig
    named: NamedContexts
    watch: Watcher
    configs: dict[ImageBase, Config] = field(default_factory=dict)
    ends: dict[int, Scope] = field(default_factory=dict)

    def run(self, target: Stage, labels: Mapping[str, str], others: list[int]) -> Plan:
        needed: dict[int, _Needed] = {}
        waiting = [*others, target.index]
        while waiting:
            index = waiting.pop()
            if index not in needed:
                needed[index] = self._look_at(self.dockerfile.stages[index])
                waiting += needed[index].depends_on
        self._check_order(needed)
        platforms: dict[int, Platform] = {}
        planned = [self._stage(needed[index], platforms) for index in sorted(needed)]
        plan = Plan(stages=tuple(planned), target_index=target.index, platform=self.platform, also=frozenset(others))
        config = plan.target.config
        labelled = replace(plan.target, config=replace(config, labels={**config.labels, **labels}))
        return replace(plan, stages=tuple(labelled if stage is plan.target else stage for stage in planned))

    def _look_at(self, stage: Stage) -> _Needed:
        """Find out what a stage begins with and reads, the triggers of its base included."""
        platform = self._platform(stage)  # a malformed one is an error whatever the stage begins with
        if stage.name and (key := self.named.find(stage.name, platform)) is not None:
            return _Needed(stage=stage, base=self._named_base(key, stage), context=self._tree(key), replaced=True)
        base, context = self._base(stage)
        if isinstance(base, StageBase):
            expressions = self._on_build(self.dockerfile.stages[base.index])
        else:
            expressions = self._start(base, stage.origin.line).on_build
        triggers = tuple(parse_trigger(expression, stage.origin.line) for expression in expressions)
        names = [(item.line, name) for item in (*triggers, *stage.instructions) for name in _sources(item)]
        found = [(line, self._find_source(line, name)) for line, name in names]
        reads = tuple((line, source.index) for line, source in found if isinstance(source, ops.FromStage))
        return _Needed(stage=stage, base=base, triggers=triggers, reads=reads, context=context)

    def _on_build(self, parent: Stage) -> tuple[str, ...]:
        """What a stage that another one begins with leaves for it to do."""
        key = self.named.find(parent.name, self._platform(parent)) if parent.name else None
        if key is None:
            return tuple(item.expression for item in parent.instructions if isinstance(item, OnBuild))
        base = self._named_base(key, parent)
        return self._start(base, parent.origin.line).on_build

    def _named_base(self, key: str, stage: Stage) -> Scratch | ImageBase:
        image = self.named.image(key)
        return Scratch() if image is None else ImageBase(reference=image, platform=self._platform(stage))

    def _tree(self, key: str) -> str | None:
        """The named context as the tree that it is, unless it is an image."""
        return key if self.named.image(key) is None and not self.named.is_empty(key) else None

    def _base(self, stage: Stage) -> tuple[Base, str | None]:
        """A stage above of exactly that name comes first, then scratch, then a named context (its tree, too), then an image."""
        line = stage.origin.line
        name = self._expand(line, stage.origin.base)
        if not name:
            hint = self._similar_arg(line, stage.origin.base) or "give its variable a value by --build-arg or ARG above all FROMs"
            raise line.error(f"base name {stage.origin.base!r} is blank", hint=hint)
        for other in reversed(self.dockerfile.stages[: stage.index]):
            if other.name and other.name == name:
                return StageBase(index=other.index), None
        if name == ops.SCRATCH:
            return Scratch(), None
        if (key := self.named.find(name, self._platform(stage))) is not None:
            return self._named_base(key, stage), self._tree(key)
        self._check_reference(line, name)
        return ImageBase(reference=name, platform=self._platform(stage)), None

    def _platform(self, stage: Stage) -> Platform:
        line, text = stage.origin.line, stage.origin.platform
        if not text:
            return self.platform
        expanded = self._expand(line, text)
        try:
            return Platform.parse(expanded)
        except ImageError as error:
            hint = self._similar_arg(line, text) or error.hint
            raise line.error(f"invalid platform {expanded!r} from {text!r}", hint=hint) from error

    def _similar_arg(self, line: Line, word: str) -> str:
        """A hint for the first variable of `word` that has no value, if one of a similar name has."""
        uses = words.Uses()
        words.expand(word, self.global_args, escape=line.escape, uses=uses)
        found = (nearest(name, sorted(self.global_args)) for name in uses.unset)
        return next((f"did you mean '${name}'?" for name in found if name), "")

    def _expand(self, line: Line, word: str) -> str:
        try:
            return words.expand(word, self.global_args, escape=line.escape)
        except Problem as problem:
            raise line.located(problem) from problem

    def _check_reference(self, line: Line, name: str) -> None:
        if name.startswith((LAYOUT_PREFIX, ARCHIVE_PREFIX)):
            return
        try:
            Reference.parse(name)
        except ImageError as error:
            stages = [stage.name for stage in self.dockerfile.stages if stage.name]
            raise line.error(str(error), hint=suggest(name, stages) or error.hint) from error

    def _bare(self, item: _Needed) -> Config:
        """The config of a stage that a named context has replaced: that of the image, or nothing at all."""
        if isinstance(item.base, ImageBase):
            return self._start(item.base, item.stage.origin.line)
        return Config(platform=self._platform(item.stage))

    def _start(self, base: Scratch | ImageBase, line: Line) -> Config:
        if isinstance(base, Scratch):
            return Config(platform=self.platform, working_dir="/")
        if base not in self.configs:
            try:
                config = self.base_config(base.reference, base.platform)
            except BuilderError as error:
                where = line.location
                error.locate(f"{where}: FROM {base.reference}", file=where.file, line=where.start)
                similar = nearest(base.reference, [*(stage.name for stage in self.dockerfile.stages if stage.name), *_COMMON])
                error.hint = f"did you mean {similar!r}?" if similar else error.hint
                raise
            self.configs[base] = replace(config, created="", history=(), diff_ids=())
        return self.configs[base]

    def _find_source(self, line: Line, name: str) -> ops.FromStage | ops.FromImage | ops.FromNamedContext:
        """What `--from` means: a stage's index, its name (cases ignored, the last one of that name), a context, an image."""
        try:
            plain = words.expand(name, {}, escape=line.escape) == name
        except Problem:
            plain = False
        if not plain:
            hint = "define a stage with FROM and a global ARG, and name that"
            raise line.error(f"variables are not expanded in --from={name}", hint=hint)
        stages = self.dockerfile.stages
        if _INDEX.fullmatch(name):
            index = int(name[:9])
            if not 0 <= index < len(stages):
                raise line.error(f"invalid stage index {name}", hint=f"the file has the stages 0 to {len(stages) - 1}")
            return ops.FromStage(index=index)
        for stage in reversed(stages):
            if stage.name and stage.name == name.lower():
                return ops.FromStage(index=stage.index)
        if name == ops.SCRATCH:
            return ops.FromNamedContext(name=ops.SCRATCH)
        if (key := self.named.find(name, self.platform)) is not None:
            image = self.named.image(key)
            return ops.FromNamedContext(name=key) if image is None else ops.FromImage(reference=image)
        self._check_reference(line, name)
        similar = suggest(name, (stage.name for stage in stages if stage.name))
        return ops.FromImage(reference=name, hint=f"no stage is called {name!r}; {similar}" if similar else "")

    def _check_order(self, needed: Mapping[int, _Needed]) -> None:
        """A stage reads only from those above it."""
        for index, item in sorted(needed.items()):
            for line, source in item.reads:
                if source < index:
                    continue
                this, that = item.stage.title, needed[source].stage.title
                if _reaches(needed, source, index):
                    raise line.error(f"circular dependency detected on stage {this!r}")
                verb = "mount" if line.name == "RUN" else "copy"
                raise line.error(f"cannot {verb} from stage {that!r}, it needs to be defined before current stage {this!r}")

    def _stage(self, item: _Needed, platforms: dict[int, Platform]) -> PlannedStage:
        stage, base = item.stage, item.base
        platforms[stage.index] = _platform_of(base, platforms, self.platform)
        scope = Scope.start(
            self.ends[base.index] if isinstance(base, StageBase) else self._start(base, stage.origin.line),
            build_args=self.build_args,
            global_args=self.global_args,
            escape=self.dockerfile.directives.escape,
            find_source=self._find_source,
            on_unset=self.watch.unset,
        )
        if item.replaced:
            scope = replace(scope, config=self._bare(item))
        self._announce(item, scope.config)
        steps = [_load(item.context, stage, scope.config)] if item.context else []
        for instruction in () if item.replaced else (*item.triggers, *stage.instructions):
            before = scope
            scope, step = _step(instruction, before)
            self.watch.step(instruction, before=before, after=scope, op=step.op)
            steps.append(step)
        for number in range(bool(item.context), bool(item.context) + len(item.triggers)):
            steps[number] = replace(steps[number], text=f"ONBUILD {steps[number].text}")
        self.ends[stage.index] = scope
        return PlannedStage(
            index=stage.index,
            name=stage.name,
            base=base,
            platform=platforms[stage.index],
            steps=tuple(steps),
            config=scope.config,
        )

    def _announce(self, item: _Needed, config: Config) -> None:
        base = item.base
        self.watch.begin(item.stage, parent=base.index if isinstance(base, StageBase) else None)
        if isinstance(base, ImageBase):
            self.watch.base(item.stage, reference=base.reference, wanted=base.platform, actual=config.platform)


def _load(context: str, stage: Stage, config: Config) -> Step:
    """The files of a named context as the first layer of a stage."""
    location = stage.origin.line.location
    op = ops.Copy(source=ops.FromNamedContext(name=context), paths=("/",), destination="/", location=location)
    created_by = f"local source for {context.partition('::')[0]}"
    return Step(text=f"[context {context}]", location=location, op=op, created_by=created_by, config=config)


def _sources(instruction: Instruction) -> tuple[str, ...]:
    """What an instruction says after `from=`."""
    if isinstance(instruction, Copy):
        return (instruction.source,) if instruction.source else ()
    return instruction.sources if isinstance(instruction, Run) else ()


def _reaches(needed: Mapping[int, _Needed], start: int, goal: int) -> bool:
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        index = waiting.pop()
        if index == goal:
            return True
        if index not in seen:
            seen.add(index)
            waiting += needed[index].depends_on
    return False


def _platform_of(base: Base, platforms: Mapping[int, Platform], default: Platform) -> Platform:
    if isinstance(base, StageBase):
        return platforms[base.index]
    return base.platform if isinstance(base, ImageBase) else default


def _step(instruction: Instruction, scope: Scope) -> tuple[Scope, Step]:
    line = instruction.line
    try:
        applied = instruction.apply(scope)
    except Problem as problem:
        raise line.located(problem) from problem
    if applied.op and any("\0" in text for text in _texts(applied.op)):
        raise line.error("a NUL character can't be part of a command, a variable or a path")
    text = " ".join([line.name, *line.text.split()[1:]]).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    config = applied.scope.config
    return applied.scope, Step(text=text, location=line.location, op=applied.op, created_by=applied.created_by, config=config)


def _texts(op: Op) -> Iterator[str]:
    """What of an op reaches a system call."""
    match op:
        case ops.Exec():
            yield from (*op.argv, op.cwd, *(text for pair in op.env for text in pair))
            yield op.script.name if op.script else ""
            yield from (mount.target or "" for mount in op.mounts)
            yield from (mount.path for mount in op.mounts if isinstance(mount, ops.BindMount | ops.CacheMount))
        case ops.Copy():
            yield from (*op.paths, *(file.name for file in op.files), op.destination)
        case ops.MakeDir():
            yield op.path
