"""What an instruction sees and changes while a stage is lowered (moby/buildkit, dockerfile2llb/convert.go)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol, Self

from builder.dockerfile import words
from builder.dockerfile.forms import Arguments
from builder.dockerfile.heredoc import Heredoc
from builder.dockerfile.layered import Layered
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem
from builder.image.config import DEFAULT_PATH, Config
from builder.ops import FromImage, FromNamedContext, FromStage, Op
from builder.values import dataclass, field, replace

DEFAULT_SHELL = ("/bin/sh", "-c")
PROXY_ARGS = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
"""Build arguments that every RUN gets without ARG, in this and in lower case."""

NO_VARIABLES = ("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE")
"""Arguments that are for BuildKit alone: ARG makes no variables of them."""

FindSource = Callable[[Line, str], FromStage | FromImage | FromNamedContext]
"""(the instruction, what `from` says) → where that is."""


def _ignore(line: Line, names: Iterable[str], scope: Scope) -> None:
    """For who doesn't want to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One point of a stage.

    `env` is what RUN and expansion see: the config's environment, and over it the arguments declared so far; `args` are these
    arguments in order, as history shows them. `build_args` come from the command line, `global_args` from before the first FROM.
    """

    config: Config
    env: Layered
    args: Layered = field(default_factory=lambda: Layered({}))
    global_args: Mapping[str, str] = field(default_factory=dict)
    build_args: Mapping[str, str] = field(default_factory=dict)
    escape: str = words.DEFAULT_ESCAPE
    cmd_set: bool = False
    find_source: FindSource
    on_unset: Callable[[Line, Iterable[str], Scope], None] = _ignore
    """Told which variables an expansion looked for in vain: the instruction, their names, where."""

    @classmethod
    def start(cls, base: Config | Scope, **fields: Any) -> Scope:
        """At a stage's first instruction: on the config of a base image, or where another stage ended.

        A stage inherits its parent's arguments, but over them the parent's ENV counts again. Triggers don't outlive one FROM.
        """
        parent = base if isinstance(base, Scope) else None
        config = base.config if isinstance(base, Scope) else base
        if not any(entry.startswith("PATH=") for entry in config.env):
            config = replace(config, env=(*config.env, f"PATH={DEFAULT_PATH}"))
        if config.working_dir:
            config = replace(config, working_dir=posixpath.join("/", config.working_dir))
        env = (parent.env if parent else Layered({})).put(dict(_split(entry) for entry in config.env))
        return cls(config=replace(config, on_build=()), env=env, args=parent.args if parent else Layered({}), **fields)

    def expand(self, line: Line, word: str) -> str:
        """`word` of `line` as one word; raises DockerfileError."""
        uses = words.Uses()
        try:
            return words.expand(word, self.env, escape=self.escape, uses=uses)
        except Problem as problem:
            raise line.located(problem) from problem
        finally:
            self._report(line, uses)

    def _report(self, line: Line, uses: words.Uses) -> None:
        if uses.unset:
            self.on_unset(line, uses.unset, self)

    def expand_words(self, line: Line, word: str) -> list[str]:
        try:
            return words.expand_words(word, self.env, escape=self.escape)
        except Problem as problem:
            raise line.located(problem) from problem

    def expand_heredoc(self, line: Line, heredoc: Heredoc) -> Heredoc:
        """A heredoc of COPY or ADD with its body as the file will be."""
        uses = words.Uses()
        try:
            body = words.expand_body(heredoc.body, self.env, uses=uses) if heredoc.expand else heredoc.body
        except Problem as problem:
            raise line.located(problem) from problem
        finally:
            self._report(line, uses)
        return replace(heredoc, content=body, chomp=False)

    def with_config(self, **changes: Any) -> Scope:
        return replace(self, config=replace(self.config, **changes))

    def with_env(self, pairs: Iterable[tuple[str, str]]) -> Scope:
        """ENV: a known key keeps its place in the config."""
        entries, changed = list(self.config.env), dict[str, str]()
        for key, value in pairs:
            entry = f"{key}={value}"
            name, value = _split(entry)
            known = (
                [index for index, old in enumerate(entries) if _split(old)[0] == name]
                if name in self.env or name in changed
                else []
            )
            if known:
                entries[known[0]] = entry
            else:
                entries.append(entry)
            changed[name] = value
        return replace(self.with_config(env=tuple(entries)), env=self.env.put(changed))

    def with_arg(self, key: str, value: str | None) -> Scope:
        """ARG: None declares it without a value, so that it is unset unless ENV set it."""
        env = self.env if value is None or key in NO_VARIABLES else self.env.put({key: value})
        return replace(self, env=env, args=self.args.put({key: value or ""}))

    @property
    def shell(self) -> tuple[str, ...]:
        return self.config.shell or DEFAULT_SHELL

    @property
    def working_dir(self) -> str:
        return self.config.working_dir or "/"

    @property
    def proxy_env(self) -> dict[str, str]:
        """The proxy variables among the build arguments, each in both spellings (llb.ProxyEnv)."""
        given = {key.upper(): value for key, value in sorted(self.build_args.items()) if key.upper() in PROXY_ARGS}
        return {name: given[key] for key in PROXY_ARGS if given.get(key) for name in (key, key.lower())}

    @property
    def args_text(self) -> tuple[str, ...]:
        """The arguments as RUN's history shows them: `|2`, `A=1`, `B=2`."""
        shown = tuple(f"{key}={self.env.get(key, value)}" for key, value in self.args.items())
        return (f"|{len(shown)}", *shown) if shown else ()


def _split(entry: str) -> tuple[str, str]:
    key, _, value = entry.partition("=")
    return key, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """`op` is None when only the config changes; `created_by` is the history string, empty for none."""

    scope: Scope
    op: Op | None = None
    created_by: str = ""


class Instruction(Protocol):
    """One Dockerfile instruction, typed: syntax that knows its line and what it means."""

    form: ClassVar[Any]
    """How its arguments are written: one of the functions in forms.py."""

    @property
    def line(self) -> Line: ...

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Self:
        """Raises Problem for arguments or flags that the instruction can't have."""

    def apply(self, scope: Scope) -> Applied:
        """Raises DockerfileError, or Problem, which the caller gives the line's place."""
