"""Builds without building: the layer cache is asked and filled as by a real build, with layers that are made up."""

from __future__ import annotations

import io
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from builder.caching import cache_rules
from builder.context import Means
from builder.contexts import Contexts
from builder.image.blob import Blob
from builder.image.config import Config
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER, Format
from builder.image.platform import Platform
from builder.inputs import open_inputs
from builder.key import CacheKey
from builder.layer_cache import Cache, Entry, ListedCache, TagCache, write_list
from builder.lookup import Inputs, Lookup
from builder.ops import CopyFrom, FromStage
from builder.options import BuildOptions
from builder.plan import NamedContexts, Plan, lower, single_layer
from builder.provisions.from_options import provisions_of
from builder.provisions.secrets import read_secrets
from builder.rootfs import SourceTree
from builder.settings import Settings, platforms_of, read_build_args
from builder.store.layout import LayoutStore
from tests.support.dockerfiles import PATH

_numbers = itertools.count()


def made_up(text: str) -> Layer:
    """A layer of these bytes, which nobody unpacks."""
    return Layer(blob=Blob.of(text.encode(), OCI_LAYER), diff_id=Digest.of(text.encode()))


class Asked:
    """A cache that notes what of other builds it is asked for."""

    def __init__(self, cache: Cache) -> None:
        self.look_up, self.save, self.settled = cache.look_up, cache.save, cache.settled
        self._cache = cache
        self.places: list[CacheKey] = []

    def last(self, places: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        self.places += places
        return self._cache.last(self.places)


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """A project in `directory`; `images` are base images as text: their files, and after a `;` their variables.

    What a stage puts at /out is other after every miss of it, unless `same_output`. Layers of COPY are cached if `copy_layers`.
    With `listed` (min or max) the cache is a list, as --cache-from and --cache-to have it, and not a place with tags.
    """

    directory: Path
    dockerfile: str
    images: dict[str, str] = field(default_factory=dict)
    options: BuildOptions = field(default_factory=BuildOptions)
    same_output: bool = False
    copy_layers: bool = True
    subject: str = "app"
    listed: str = ""
    why: dict[int, str] = field(default_factory=dict)
    asked: Asked | None = None

    @property
    def context(self) -> Path:
        return self.directory / "context"

    def give(self, **options: object) -> None:
        """More options for the next build."""
        self.options = replace(self.options, **options)  # type: ignore[arg-type]

    def swap(self, old: str, new: str) -> None:
        """Another Dockerfile."""
        assert old in self.dockerfile, old
        self.dockerfile = self.dockerfile.replace(old, new)

    def build(self, meanwhile: Callable[[], object] = lambda: None) -> list[int]:
        """The numbers of the steps that had to be carried out: of all that change files, from 1 on, in the Dockerfile's order.

        `why` has the reasons; `meanwhile` is called between the look-up and the first step.
        """
        (self.context / "Dockerfile").write_text(self.dockerfile)
        options = replace(self.options, context=str(self.context), cache=True, cache_copy_layers=self.copy_layers)
        with ExitStack() as stack:
            lookup, plan = self.lookup(options, stack)
            numbers = dict(zip(positions(plan), itertools.count(1), strict=False))
            surveyed = lookup.survey()
            meanwhile()
            self.why = {numbers[place]: why for place, why in self._carried_out(surveyed, lookup)}
            if self.listed and not options.no_push_cache:
                entries = lookup.kept(of_all=self.listed == "max")
                write_list(entries, to=LayoutStore(self.directory / "cache"), name="list")
        return list(self.why)

    def lookup(self, options: BuildOptions, stack: ExitStack) -> tuple[Lookup, Plan]:
        args, named = read_build_args(options.build_arg, {}), NamedContexts.parse(options.build_context)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        means = Means(env={}, user_agent="test", stdin=io.BytesIO(), secret=lambda name: None)
        contexts = Contexts(directory=directory, means=means, named=named.values)
        inputs = open_inputs(options, contexts, stdin=io.BytesIO())
        plan = lower(
            inputs.dockerfile,
            target=(options.target or ("",))[0],
            build_args=args,
            labels=dict(text.split("=") for text in options.label),
            platform=platforms_of(options)[0],
            base_config=lambda reference, platform: self._image(reference, platform).config,
            named=named,
        )
        plan = single_layer(plan) if options.single_snapshot else plan
        secrets = read_secrets(options.secret, {})
        provisions = stack.enter_context(provisions_of(options, {}, build_args=args, secrets=secrets, cache_mounts=directory))
        rules = cache_rules(options, plan, provisions, Settings.of(options, args, plan.target.platform))
        self.asked = Asked(self._cache(options, stack))
        key_inputs = Inputs(image_of=self._image, context=inputs.context, contexts=contexts)
        now = lambda: datetime.now(UTC).isoformat()  # noqa: E731
        return Lookup(plan, key_inputs, cache=self.asked, rules=rules, now=now, subject=self.subject), plan

    def _cache(self, options: BuildOptions, stack: ExitStack) -> Cache:
        platform, ttl, saves = platforms_of(options)[0], options.cache_ttl, not options.no_push_cache
        store, now = LayoutStore(self.directory / "cache"), partial(datetime.now, UTC)
        if self.listed:
            return ListedCache(lambda: store, "list", shown="list", platform=platform, ttl=ttl, now=now)
        return stack.enter_context(TagCache(store, platform=platform, ttl=ttl, saves=saves, now=now))

    def _image(self, reference: str, platform: Platform) -> Image:
        files, _, variables = self.images.get(reference, "base files").partition(";")
        config = Config(platform=platform, env=(PATH, *variables.split()))
        return Image.make(config=config, layers=(made_up(files),), format=Format.OCI)

    def _carried_out(self, plan: Plan, lookup: Lookup) -> Iterator[tuple[tuple[int, int], str]]:
        """As the executor does it."""
        trees: dict[int, SourceTree] = {}
        layers: dict[int, list[Layer]] = {}
        for stage in plan.stages:
            layers[stage.index] = []
            steps = [step for step in stage.steps if step.op]
            for position, step in enumerate(steps):
                is_last = position == len(steps) - 1
                layer = step.made or lookup.find(stage, position, _tree_of(trees))
                is_new = layer is None
                if is_new:
                    yield (stage.index, position), "; ".join(lookup.why(stage, position))
                if layer is None and (is_last or not plan.single_layer):
                    layer = made_up(f"layer {next(_numbers)} {datetime.now(UTC)}")
                if layer:
                    layers[stage.index].append(layer)
                    lookup.passed(stage, position, layer, is_new=is_new, tree_of=_tree_of(trees))
            trees[stage.index] = self._tree(stage.index, layers[stage.index])

    def _tree(self, index: int, layers: list[Layer]) -> SourceTree:
        path = Path(tempfile.mkdtemp(dir=self.directory, prefix=f"stage-{index}-"))
        said = "same" if self.same_output else " ".join(str(layer.diff_id) for layer in layers)
        (path / "out").write_text(f"{said} {index}" if not self.same_output else "same")
        return SourceTree(path=path)


def positions(plan: Plan) -> Iterator[tuple[int, int]]:
    """Stage and position of every step that changes files."""
    for stage in plan.stages:
        yield from ((stage.index, position) for position, _ in enumerate(step for step in stage.steps if step.op))


def _tree_of(trees: Mapping[int, SourceTree]) -> Callable[[CopyFrom], SourceTree]:
    def tree(source: CopyFrom) -> SourceTree:
        assert isinstance(source, FromStage), "only what is in a stage is asked for"
        return trees[source.index]

    return tree
