"""What Kaniko's users say that masu needs not: it is taken, and one line each tells what happens instead."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.govalues import is_bool, parse_bool
from builder.options import CommonOptions, Flag, KanikoOptions
from builder.values import dataclass, fields, replace

log = logging.getLogger(__name__)

DIRECTORY = "/kaniko"
"""Kaniko's own directory, where its image has it."""
_FEATURE = "FF_KANIKO_"

# Every name that the fork's feature flags have had (its README, "Feature Flags"), after `FF_KANIKO_`.
# fmt: off
FEATURES = frozenset({
    "BUILDKIT_ARG_ENV_PRECEDENCE", "CACHE_LOOKAHEAD", "CACHE_PROBE_AFTER_MISS", "CHOWN_ON_IMPLICIT_DIRS", "CLEAN_KANIKO_DIR",
    "COPY_AS_ROOT", "COPY_CHMOD_ON_IMPLICIT_DIRS", "CROSS_REPO_MOUNT", "DEPRECATE_INTER_STAGE_RESTORE", "DISABLE_HTTP2",
    "EXPAND_HEREDOC", "HASH_DIR_FRAMING", "IGNORE_CACHED_MANIFEST", "INFER_CROSS_STAGE_CACHE_KEY", "NO_PROPAGATE_ANNOTATIONS",
    "OCI_SCRATCH_BASE", "OCI_WARMER", "PATH_SCOPED_REGISTRY_AUTH", "PRECOMPILE_DOCKERIGNORE", "PRESERVE_HARDLINKS",
    "PRESERVE_MOUNTED_PATHS", "RELATIVE_LINK_TARGETS", "REPRODUCIBLE_PRESERVE_BASE_LAYERS", "RESOLVE_CACHE_KEY",
    "ROLLING_CACHE_KEY", "RUN_HONOR_GROUP", "RUN_MOUNT_BIND", "RUN_VIA_TINI", "SCOPED_DOCKERIGNORE", "SECUREJOIN_EXTRACTION",
    "SHARED_BASE_CACHE", "SKIP_CACHED_STAGES", "SKIP_RELABEL_RECOMPRESS", "SKIP_WRITE_WHITEOUTS", "UNTAR_SKIP_ROOT",
    "VOLUME_SKIP_MKDIR", "WARMER_CACHE_LOCK",
})
# fmt: on


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of Kaniko's without a flag. `kaniko` as in a Flag; `told` is logged when it is set, a warning if it `warns`."""

    name: str
    kaniko: str
    told: str = ""
    warns: bool = False


VARIABLES = (
    Variable(
        name="SNAPSHOT_TIMEOUT_DURATION",
        kaniko="better: not needed; finding changes has no limit in time, and takes little",
        told="finding changes has no limit in time",
    ),
    Variable(
        name="BENCHMARK_FILE",
        kaniko="different: nothing is written, as in the fork; the log tells how long each instruction took",
        told="no benchmark is written: the log tells how long each instruction took",
        warns=True,
    ),
    Variable(
        name="KANIKO_PRINT_PLAN",
        kaniko="different: not needed; `--dry-run` prints the plan",
        told="--dry-run prints the plan",
        warns=True,
    ),
    Variable(
        name="KANIKO_IGNORE_ASSERTIONS",
        kaniko="different: not needed; there are no such assertions in masu",
        told="there is nothing to be ignored",
    ),
    Variable(
        name="KANIKO_TELEMETRY_ENDPOINT",
        kaniko="different: masu sends nothing to anybody but registries and what a build names",
        told="masu sends no telemetry",
        warns=True,
    ),
    Variable(
        name="KANIKO_TELEMETRY_OMIT_DOCKERFILE",
        kaniko="different: as `KANIKO_TELEMETRY_ENDPOINT`",
        told="masu sends no telemetry",
    ),
    Variable(name="UPSTREAM_CLIENT_TYPE", kaniko="same: the User-Agent is `masu/VERSION,VALUE`"),
    Variable(
        name="DOCKER_CONFIG",
        kaniko="better: a `.dockerconfigjson` in it is read as well, and a RUN can't read it",
    ),
    Variable(name="DOCKER_AUTH_CONFIG", kaniko="same"),
    Variable(name="REGISTRY_AUTH_FILE", kaniko="same"),
    Variable(name="XDG_RUNTIME_DIR", kaniko="same: `containers/auth.json` below it"),
    Variable(name="HTTP_PROXY", kaniko="same: lower case wins"),
    Variable(name="HTTPS_PROXY", kaniko="same: lower case wins"),
    Variable(name="NO_PROXY", kaniko="same: lower case wins; networks (10.0.0.0/8) work, too"),
    Variable(
        name="SSL_CERT_DIR",
        kaniko="better: every file in it is trusted, whatever its name; git and the clouds' libraries trust it, too",
    ),
    Variable(name="SSL_CERT_FILE", kaniko="same"),
    Variable(name="GODEBUG", kaniko="different: not needed; masu speaks HTTP/1.1, which `http2client=0` asks for"),
    Variable(name="container", kaniko="better: not needed; masu builds anywhere"),
    Variable(
        name="FF_KANIKO_*",
        kaniko="better: not needed; masu always does what docker does, which is what these switch on. A name that the fork never "
        "had gets a warning",
    ),
)


def tell(options: KanikoOptions, env: Mapping[str, str]) -> None:
    """Log what is needless among the options and in the environment."""
    for line, is_warning in (*_flags(options), *_variables(env), *_features(env)):
        log.log(logging.WARNING if is_warning else logging.DEBUG, "%s", line)


def moved(options: KanikoOptions, common: CommonOptions, env: Mapping[str, str]) -> tuple[CommonOptions, Mapping[str, str]]:
    """With --kaniko-dir the place of the state, unless --state-dir says it, and of docker's config, if there is one."""
    directory = Path(options.kaniko_dir or DIRECTORY)
    if directory == Path(DIRECTORY):
        return common, env
    if common.state_dir == env.get("MASU_STATE_DIR", ""):
        common = replace(common, state_dir=os.fspath(directory / "state"))
    config = directory / ".docker"
    if (config / "config.json").is_file():
        env = {**env, "DOCKER_CONFIG": os.fspath(config)}
    return common, env


def _flags(options: KanikoOptions) -> Iterator[tuple[str, bool]]:
    for row in fields(options):
        flag: Flag = row.metadata["flag"]
        value = getattr(options, row.name)
        if flag.told and value != row.default:
            yield f"--{row.name.replace('_', '-')} has no effect: {flag.told}", value in flag.warns


def _variables(env: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    for variable in VARIABLES:
        value = env.get(variable.name, "")
        if variable.told and value and not (is_bool(value) and not parse_bool(value)):
            yield f"{variable.name} has no effect: {variable.told}", variable.warns


def _features(env: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    given = sorted(name for name in env if name.startswith(_FEATURE))
    needless = [name for name in given if name.removeprefix(_FEATURE) in FEATURES]
    if needless:
        yield f"{', '.join(needless)}: needless, masu always does what docker does", False
    for name in given:
        if name not in needless:
            yield f"{name} is no feature flag that Kaniko's fork has had, and has no effect", True
