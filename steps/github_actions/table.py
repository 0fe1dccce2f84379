"""The inputs of the action: every flag of a build under its own name, and the names of the actions that masu takes the place of.

action.yml and the README's table are made from this (`make flags`), and the environment is read by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from builder.flags import default_of, flag_of, is_bool
from builder.options import BuildOptions, CommonOptions, RegistryFlags
from builder.values import Field, dataclass, fields


class Kind(Enum):
    """How an input's text is read."""

    TEXT = "text"
    BOOL = "true or false"
    LINES = "one a line"
    LIST = "one a line, or with commas between them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """`option` is the flag of `masu build` that gets the value as it is; empty where `inputs.py` knows what to do with it."""

    name: str
    help: str
    kind: Kind = Kind.TEXT
    option: str = ""
    default: str = ""

    @property
    def variable(self) -> str:
        return f"INPUT_{self.name.upper()}"


def _row(name: str) -> Field[Any]:
    return next(row for table in _TABLES for row in fields(table) if row.name == name)


_TABLES: tuple[type, ...] = (BuildOptions, RegistryFlags, CommonOptions)

_RENAMED: Mapping[str, tuple[str, Kind]] = {
    "file": ("dockerfile", Kind.TEXT),
    "build-args": ("build_arg", Kind.LINES),
    "labels": ("label", Kind.LINES),
    "annotations": ("annotation", Kind.LINES),
    "build-contexts": ("build_context", Kind.LINES),
    "add-hosts": ("add_host", Kind.LIST),
    "no-cache-filters": ("no_cache_filter", Kind.LIST),
    "cache-repository": ("cache_repo", Kind.TEXT),
    "ssh": ("ssh", Kind.LIST),
}
"""docker/build-push-action's names, and int128/kaniko-action's, for flags of masu's that do the same."""

# fmt: off
_OWN: tuple[Input, ...] = (
    Input(name="context", help="the build context: a directory of the workspace, a git or http URL, or {{defaultContext}} for "
        "the commit itself, which :DIR may follow (default: the workspace)"),
    Input(name="tags", kind=Kind.LIST, help="the image's references, as docker/metadata-action prints them"),
    Input(name="push", kind=Kind.BOOL, help="push the image under all of its tags (default: false, as with "
        "docker/build-push-action; true with image, as with aevea/action-kaniko)"),
    Input(name="load", kind=Kind.BOOL, help="load the image into the runner's Docker engine"),
    Input(name="outputs", kind=Kind.LINES, help="where the image goes: type=registry, type=image,push=true, "
        "type=local,dest=DIR, type=tar|oci|docker,dest=FILE… as docker/build-push-action has it"),
    Input(name="platforms", kind=Kind.LIST, help="the platforms to build for; several make an index (default: the runner's)"),
    Input(name="secrets", kind=Kind.LINES, help="ID=VALUE for RUN --mount=type=secret"),
    Input(name="secret-files", kind=Kind.LINES, help="ID=FILE, as secrets"),
    Input(name="secret-envs", kind=Kind.LIST, help="ID=VARIABLE of the job, as secrets"),
    Input(name="no-cache", kind=Kind.BOOL, help="carry every instruction out, whatever the cache has"),
    Input(name="cache-from", kind=Kind.LINES, help="take layers from these caches; type=gha can't be had and is left out"),
    Input(name="cache-to", kind=Kind.LINES, help="list the layers there when all is built; type=gha is left out"),
    Input(name="allow", kind=Kind.LIST, help="security.insecure; network.host is always allowed"),
    Input(name="pull", kind=Kind.BOOL, help="no effect: registries are always asked what a tag means"),
    Input(name="provenance", help="attach how the image was made, as BuildKit does: true, mode=min or mode=max, which also tells "
        "build arguments and the Dockerfile (default: nothing is attached)"),
    Input(name="attests", kind=Kind.LINES, help="as provenance and sbom: type=provenance,mode=max or type=sbom"),
    Input(name="builder", help="no effect: there is no builder; a warning says so"),
    Input(name="cgroup-parent", help="no effect: masu makes no control groups; a warning says so"),
    Input(name="github-token", default="${{ github.token }}", help="for the commit as context, and at GitHub's own registry "
        "where password is not given"),
    Input(name="registry", help="log in at this registry with username and password (not needed after docker/login-action)"),
    Input(name="username", help="the user's name there (default: who started the workflow)"),
    Input(name="password", help="the password or token there (default: github-token, at ghcr.io or the registry of your GitHub)"),
    Input(name="kaniko-args", help="further flags of masu build, one a line"),
    Input(name="executor", help="no effect: Kaniko's image; a warning says so"),
    Input(name="path", help="as context (aevea/action-kaniko)"),
    Input(name="build_file", help="the Dockerfile, relative to path (aevea/action-kaniko)"),
    Input(name="image", help="the image's name in registry, without a tag (aevea/action-kaniko)"),
    Input(name="tag", help="the tag of image (default: the branch or tag, latest for master; aevea/action-kaniko)"),
    Input(name="tag_with_latest", kind=Kind.BOOL, help="push image under the tag latest, too (aevea/action-kaniko)"),
    Input(name="strip_tag_prefix", help="take this off the beginning of the tag (aevea/action-kaniko)"),
    Input(name="cache_registry", help="as cache-repository; at ghcr.io below the repository's name (aevea/action-kaniko)"),
    Input(name="cache_ttl", help="as cache-ttl (aevea/action-kaniko)"),
    Input(name="cache_directory", help="as cache-dir (aevea/action-kaniko)"),
    Input(name="skip_unchanged_digest", kind=Kind.BOOL, help="the same image from the same input, so that a push of what is "
        "there already changes nothing (aevea/action-kaniko)"),
    Input(name="extra_args", help="further flags of masu build, in shell's words (aevea/action-kaniko)"),
)
# fmt: on

_ELSEWHERE = frozenset(
    {
        "context",
        "destination",
        "tag",
        "push",
        "no_push",
        "output",
        "custom_platform",
        "secret",
        "no_cache",
        "cache_from",
        "cache_to",
        "allow",
        "provenance",
        "attest",
    }
    | {"metadata_file", "bucket"}
    | {option for option, _ in _RENAMED.values()}
)
"""Flags that other inputs stand for, or that mean nothing here."""


def _of_row(row: Field[Any], name: str = "", kind: Kind | None = None) -> Input:
    found = Kind.BOOL if is_bool(row) else Kind.LINES if isinstance(row.default, tuple) else Kind.TEXT
    help = flag_of(row).help.replace(" (repeatable)", "")
    default = default_of(row)
    shown = f"{help} (default {default})" if default and "(default" not in help else help
    option = row.name.replace("_", "-")
    return Input(name=name or option, help=shown, kind=kind or found, option=option)


INPUTS: tuple[Input, ...] = (
    *_OWN,
    *(_of_row(_row(option), name, kind) for name, (option, kind) in _RENAMED.items()),
    *(_of_row(row) for table in _TABLES for row in fields(table) if row.name not in _ELSEWHERE),
)
BY_NAME: Mapping[str, Input] = {item.name: item for item in INPUTS}

OUTPUTS: Mapping[str, str] = {
    "digest": "what the image is pulled by",
    "imageid": "the digest of its config, docker's image id",
    "metadata": "what is known of it, as JSON with docker's keys",
    "image": "its first reference",
    "tags": "all of its references, one a line",
    "image-with-digest": "its first repository, @ and the digest",
    "cache-hit": "true if no instruction had to be carried out",
}
