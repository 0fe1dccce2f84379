"""The one table of options: a field is a flag. The command line, its help, shell completion, docs and CI inputs are made from it.

A row's name is the field's with `-` for `_`, its kind the field's type (`str`, `bool`, `int`, `timedelta` for a duration as Go
writes it, or a tuple for flags that repeat), its default the field's. To add a flag, add a row, and run `make flags`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """`aliases`: other spellings that stay valid; `env`: a variable with the default; `metavar`: the value's name in the help.

    A variable adds to a flag that repeats. `else_to`: the option that gets the value of a boolean one that is neither true nor
    false. `hidden`: not in the help. `kaniko` is `same`, `better` or `different`, a colon and the reason, where Kaniko has a flag
    of that name; docs/flags.md is made from it. `told` is logged when the flag is given, as a warning for the values `warns`.
    """

    help: str
    short: str = ""
    aliases: tuple[str, ...] = ()
    env: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    else_to: str = ""
    hidden: bool = False
    kaniko: str = ""
    told: str = ""
    warns: tuple[object, ...] = ()


def _flag(default: object, help: str, **details: Any) -> Any:
    return field(default=default, metadata={"flag": Flag(help=help, **details)})


_REPEAT: tuple[str, ...] = ()


# fmt: off
@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """What every command takes."""

    verbosity: str = _flag("info", "how much to log", short="v", metavar="LEVEL",
        choices=("panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"))
    log_format: str = _flag("color", "how log lines look", choices=("text", "color", "json"))
    log_timestamp: bool = _flag(False, "put the time of day in log lines, not the seconds since the start")
    progress: str = _flag("auto", "quiet shows errors only; the others are one plain form",
        choices=("auto", "plain", "tty", "quiet"))
    sandbox: str = _flag("auto", "how RUN is run: auto tries what this machine allows", env="MASU_SANDBOX", metavar="NAME")
    state_dir: str = _flag("", "where the store and work in progress are kept (default $XDG_DATA_HOME/masu)",
        env="MASU_STATE_DIR", metavar="DIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What `masu build` takes beside them."""

    dockerfile: str = _flag("", "path of the Dockerfile, tried as it is, then in the context; - reads standard input "
        "(default Dockerfile in the context)", short="f", aliases=("file",), metavar="PATH")
    context: str = _flag("", "what COPY and ADD read: a directory, a git URL, an archive by http(s):// or tar://, or - for "
        "one on "
        "standard input; also given as an argument (default: the current directory)",
        short="c", env="MASU_CONTEXT", metavar="DIR")
    destination: tuple[str, ...] = _flag(_REPEAT, "push the image under this reference (repeatable)", short="d", metavar="REF")
    tag: tuple[str, ...] = _flag(_REPEAT, "name the image in the local store (repeatable)", short="t", metavar="REF")
    push: bool = _flag(False, "push the names given with --tag as well")
    no_push: bool = _flag(False, "push nothing", env="KANIKO_NO_PUSH")
    build_arg: tuple[str, ...] = _flag(_REPEAT, "set an ARG; KEY alone takes its value from the environment (repeatable)",
        metavar="KEY=VALUE")
    build_context: tuple[str, ...] = _flag(_REPEAT, "a context that takes the place of a stage, an image or a --from: a "
        "directory, "
        "a git or http URL, docker-image://REF, oci-layout://DIR (repeatable)", metavar="NAME=SOURCE")
    secret: tuple[str, ...] = _flag(_REPEAT, "a secret for RUN --mount=type=secret, from a file or an environment variable "
        "(repeatable)", metavar="id=ID[,src=FILE|,env=VAR]")
    ssh: tuple[str, ...] = _flag(_REPEAT, "an ssh agent for RUN --mount=type=ssh: default for $SSH_AUTH_SOCK, a socket, or keys "
        "(repeatable)", metavar="ID[=SOCKET|=KEY[,KEY]]")
    add_host: tuple[str, ...] = _flag(_REPEAT, "a line for the /etc/hosts of every RUN (repeatable)", metavar="NAME:ADDRESS")
    network: str = _flag("default", "the network of a RUN that names none: default and host are this machine's, none is none",
        metavar="NETWORK")
    shm_size: str = _flag("64m", "size of /dev/shm", metavar="BYTES")
    jobs: str = _flag("", "build at most so many stages at the same time (default: one for each CPU)", metavar="N")
    ulimit: tuple[str, ...] = _flag(_REPEAT, "a resource limit for every RUN (repeatable)", metavar="NAME=SOFT[:HARD]")
    allow: tuple[str, ...] = _flag(_REPEAT, "allow what Dockerfiles may not do by themselves: security.insecure (repeatable)",
        metavar="ENTITLEMENT")
    label: tuple[str, ...] = _flag(_REPEAT, "set a label of the image (repeatable)", metavar="KEY=VALUE")
    target: str = _flag("", "build this stage (name or number), not the last", metavar="STAGE")
    custom_platform: str = _flag("", "platform to build for, os/architecture[/variant] (default: this machine's)",
        aliases=("platform", "customPlatform"), metavar="PLATFORM")
    no_cache: bool = _flag(False, "do not use cached layers (no layer is cached yet); =STAGE is --no-cache-filter",
        else_to="no-cache-filter")
    no_cache_filter: tuple[str, ...] = _flag(_REPEAT, "as --no-cache, for this stage alone (repeatable)",
        metavar="STAGE")
    dry_run: bool = _flag(False, "print the plan, build nothing", aliases=("dryrun",))
    check: bool = _flag(False, "run the build checks only: print their warnings, exit with 1 if there are any")
    check_format: str = _flag("text", "how the checks' warnings are printed", choices=("text", "json"))
    call: str = _flag("build", "build, or tell about the Dockerfile: check, outline or targets, which ,format=json may follow",
        metavar="METHOD")

    image_fs_extract_retry: int = _flag(0, "download a base image's layer so often again when that fails, after 1, 2, 4… s",
        metavar="N")
    skip_push_permission_check: bool = _flag(False, "do not try out before the build whether the destinations may be pushed to")

    oci_layout_path: str = _flag("", "write the image as an OCI layout into this directory", metavar="DIR")
    tar_path: str = _flag("", "write the image as a docker archive, as docker save does", aliases=("tarPath",), metavar="FILE")
    digest_file: str = _flag("", "write the manifest's digest to this file", metavar="FILE")
    image_name_with_digest_file: str = _flag("", "write a line repository@digest for each destination", metavar="FILE")
    image_name_tag_with_digest_file: str = _flag("", "write a line repository:tag@digest for each destination", metavar="FILE")
    iidfile: str = _flag("", "write the image id (the config's digest) to this file", metavar="FILE")
    metadata_file: str = _flag("", "write digests and names as JSON to this file", metavar="FILE")


def _same(name: str) -> Any:
    """The row of BuildOptions that has this name."""
    row = next(row for row in fields(BuildOptions) if row.name == name)
    return field(default=row.default, metadata=row.metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOptions:
    """What `masu outline` and `masu targets` take beside them."""

    dockerfile: str = _same("dockerfile")
    context: str = _same("context")
    build_arg: tuple[str, ...] = _same("build_arg")
    build_context: tuple[str, ...] = _same("build_context")
    target: str = _same("target")
    custom_platform: str = _same("custom_platform")
    format: str = _flag("text", "how the answer is printed", choices=("text", "json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFlags:
    """How registries are reached."""

    insecure: bool = _flag(False, "push by plain HTTP")
    insecure_pull: bool = _flag(False, "pull by plain HTTP")
    insecure_registry: tuple[str, ...] = _flag(_REPEAT, "use plain HTTP for this registry host (repeatable)", metavar="HOST")
    skip_tls_verify: bool = _flag(False, "do not check the certificate of the registry pushed to")
    skip_tls_verify_pull: bool = _flag(False, "do not check the certificate of the registries pulled from")
    skip_tls_verify_registry: tuple[str, ...] = _flag(_REPEAT, "do not check this registry host's certificate (repeatable)",
        metavar="HOST")
    registry_certificate: tuple[str, ...] = _flag(_REPEAT, "CA certificate for a registry host (repeatable)", metavar="HOST=FILE")
    registry_client_cert: tuple[str, ...] = _flag(_REPEAT, "client certificate and key (PEM) for a registry host (repeatable)",
        metavar="HOST=CERT,KEY")
    registry_map: tuple[str, ...] = _flag(_REPEAT, "pull from these registries instead, tried in this order, then from the original "
        "(repeatable; several maps with ; between them)", env="KANIKO_REGISTRY_MAP", metavar="HOST=HOST[/PATH]")
    registry_mirror: tuple[str, ...] = _flag(_REPEAT, "a mirror of Docker Hub, as --registry-map docker.io=MIRROR (repeatable)",
        env="KANIKO_REGISTRY_MIRROR", metavar="HOST[/PATH]")
    skip_default_registry_fallback: bool = _flag(False, "pull from the mirrors only, never from the registry they stand for")
    image_download_retry: int = _flag(0, "look for a base image so often again when a registry fails, after 1, 2, 4… s",
        metavar="N")
    push_retry: int = _flag(0, "push so often again when a registry fails, after 1, 2, 4… s", metavar="N")
    push_ignore_immutable_tag_errors: bool = _flag(False, "only warn when a tag can't be moved to the image that was built")

# fmt: on
