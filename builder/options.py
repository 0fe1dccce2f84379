"""The one table of options: a field is a flag. The command line, its help, shell completion, docs and CI inputs are made from it.

A row's name is the field's with `-` for `_`, its kind the field's type (`str`, `bool`, `int`, `timedelta` for a duration as Go
writes it, or a tuple for flags that repeat), its default the field's. To add a flag, add a row, and run `make flags`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from builder.values import dataclass, field, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """`aliases`: other spellings that stay valid; `env`: a variable with the default; `metavar`: the value's name in the help.

    A variable adds to a flag that repeats. `any_case`: one of the `choices` may be written in capitals. `else_to`: the option
    that gets the value of a boolean one that is neither true nor false. `hidden`: not in the help. `kaniko` is `same`, `better`
    or `different`, a colon and the reason, where Kaniko has a flag of that name; docs/flags.md is made from it. `told` is logged
    when the flag is given, as a warning for the values `warns`.
    """

    help: str
    short: str = ""
    aliases: tuple[str, ...] = ()
    env: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    any_case: bool = False
    else_to: str = ""
    hidden: bool = False
    kaniko: str = ""
    told: str = ""
    warns: tuple[object, ...] = ()


def _flag(default: object, help: str, **details: Any) -> Any:
    return field(default=default, metadata={"flag": Flag(help=help, **details)})


_REPEAT: tuple[str, ...] = ()
_TWO_WEEKS = timedelta(weeks=2)


# fmt: off
@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """What every command takes."""

    verbosity: str = _flag("info", "how much to log", short="v", metavar="LEVEL",
        choices=("panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"), any_case=True,
        kaniko="same: in capitals, too; trace logs what debug does")
    log_format: str = _flag("color", "how log lines look", choices=("text", "color", "json"),
        kaniko="better: colours on a terminal only, where Kaniko always writes them; json is for what a RUN prints "
        "and for the last error, too, with `severity` and `message` for log collectors")
    log_timestamp: bool = _flag(False, "put the time of day in log lines, not the seconds since the start", kaniko="same")
    progress: str = _flag("auto", "quiet shows errors only; the others are one plain form",
        choices=("auto", "plain", "tty", "quiet"))
    sandbox: str = _flag("auto", "how RUN is run: auto tries what this machine allows", env="MASU_SANDBOX", metavar="NAME",
        choices=("auto", "namespaces", "takeover", "traced", "chroot"))
    state_dir: str = _flag("", "where the store and work in progress are kept (default $XDG_DATA_HOME/masu)",
        env="MASU_STATE_DIR", metavar="DIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What `masu build` takes beside them."""

    dockerfile: str = _flag("", "path or URL of the Dockerfile, tried as it is, then in the context; - reads standard input "
        "(default Dockerfile in the context)", short="f", aliases=("file",), env="MASU_DOCKERFILE", metavar="PATH",
        kaniko="better: - is standard input; without the flag `dockerfile` is found, too; the step image takes Dockerfile in the "
        "current directory, if there is one, before the context's, as Kaniko does; masu's own command doesn't")
    context: str = _flag("", "what COPY and ADD read: a directory, a git URL, an archive at gs://, s3://, http(s):// or "
        "tar://, or - for one on standard input; also given as an argument (default: the current directory)",
        short="c", env="MASU_CONTEXT", metavar="DIR",
        kaniko="same: /workspace is the default of the step image; masu's own command takes the current directory")
    git_modes: bool = _flag(False, "give files of the build context the modes that git knows, 0755 and 0644, whatever umask they "
        "were checked out under; files that were closed to others since stay so", env="MASU_GIT_MODES")
    context_sub_path: str = _flag("", "a directory below the build context that takes its place", metavar="PATH",
        kaniko="better: counts for a plain directory, too, where Kaniko ignores it; links and .. can't lead out of the context")
    bucket: str = _flag("", "the build context is context.tar.gz of this Google Cloud Storage bucket, or at this URL",
        short="b", metavar="BUCKET", hidden=True, kaniko="same: it counts without --context, or when that has :// in it; "
        "elsewhere a warning says that it doesn't")
    git: tuple[str, ...] = _flag(_REPEAT, "how a git context is fetched: branch=, single-branch=, recurse-submodules=, "
        "insecure-skip-tls=, depth= (repeatable)", metavar="KEY=VALUE", kaniko="different: submodules are fetched unless "
        "recurse-submodules=false, the depth is 1 unless given, and an unknown key is an error")
    destination: tuple[str, ...] = _flag(_REPEAT, "push the image under this reference (repeatable)", short="d", metavar="REF",
        kaniko="same: names in an archive or layout, too; not needed where another output is asked for, or --tag")
    tag: tuple[str, ...] = _flag(_REPEAT, "name the image in the local store (repeatable)", short="t", metavar="REF")
    push: bool = _flag(False, "push the names given with --tag as well")
    no_push: bool = _flag(False, "push nothing", env="KANIKO_NO_PUSH", kaniko="better: the command line wins over "
        "KANIKO_NO_PUSH, and a value of it that is no boolean is an error: Kaniko takes it for false, and pushes")
    build_arg: tuple[str, ...] = _flag(_REPEAT, "set an ARG; KEY alone takes its value from the environment (repeatable)",
        metavar="KEY=VALUE", kaniko="same")
    build_context: tuple[str, ...] = _flag(_REPEAT, "a context that takes the place of a stage, an image or a --from: a "
        "directory, "
        "a git or http URL, docker-image://REF, oci-layout://DIR (repeatable)", metavar="NAME=SOURCE")
    secret: tuple[str, ...] = _flag(_REPEAT, "a secret for RUN --mount=type=secret, from a file or an environment variable "
        "(repeatable)", metavar="id=ID[,src=FILE|,env=VAR]",
        kaniko="better: it is in memory while the RUN runs, in no file, and `***` in what the RUN prints")
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
    label: tuple[str, ...] = _flag(_REPEAT, "set a label of the image (repeatable)", metavar="KEY=VALUE",
        kaniko="same: of the final image only, as in the fork")
    target: tuple[str, ...] = _flag(_REPEAT, "build this stage (name or number), not the last; of several, also with commas "
        "between them, all are built and the first is the image (repeatable)", metavar="STAGE",
        kaniko="same: as in the fork; upstream takes one")
    custom_platform: tuple[str, ...] = _flag(_REPEAT, "platform to build for, os/architecture[/variant]; of several, also with "
        "commas between them, there is an image each, and an index that is named (repeatable; default: this machine's)",
        aliases=("platform", "customPlatform"), metavar="PLATFORM",
        kaniko="better: several can be built at once; the variant counts, FROM --platform is obeyed, and a wrong one is an "
        "error, no panic")
    no_cache: bool = _flag(False, "carry every instruction out, whatever --cache has; =STAGE is --no-cache-filter",
        else_to="no-cache-filter")
    no_cache_filter: tuple[str, ...] = _flag(_REPEAT, "as --no-cache, for this stage alone (repeatable)",
        metavar="STAGE")
    dry_run: bool = _flag(False, "print the plan, build nothing", aliases=("dryrun",),
        kaniko="same: the plan has masu's own form, on standard output")
    ignore_path: tuple[str, ...] = _flag(_REPEAT, "leave changes of this path and below it out of the layers; *, ? and [ match "
        "within a name (repeatable)", metavar="PATH",
        kaniko="better: COPY and ADD obey it as RUN does, wildcards work at every depth, and the log tells what was left out")
    ignore_var_run: bool = _flag(False, "as --ignore-path /var/run", aliases=("whitelist-var-run",),
        kaniko="different: only if given. No RUN of masu's sees the container's /var/run, so there is nothing to be kept out; "
        "docker keeps an image's own /var/run, and so does masu")
    cache: bool = _flag(False, "take layers from the cache, put new ones there, and take base images from --cache-dir",
        kaniko="better: all layers are looked up at once, before anything is downloaded; what is cached is not unpacked unless "
        "something that isn't needs it; stages that nothing needs then are left out")
    cache_repo: str = _flag("", "where cached layers are kept: a repository, or oci:DIR (default: DESTINATION/cache)",
        metavar="REPOSITORY", kaniko="better: without a destination there is one in the state directory; Kaniko's own "
        "entries are left alone and not used")
    cache_dir: str = _flag("/cache", "base images that masu warmer has put here are not downloaded (with --cache)", metavar="DIR",
        kaniko="better: an OCI layout that many may read and write; FROM with a digest needs no registry then")
    cache_ttl: timedelta = _flag(_TWO_WEEKS, "do not use what has been cached for longer", metavar="DURATION",
        kaniko="same: of base images the time since they were warmed counts")
    cache_run_layers: bool = _flag(True, "cache the layers of RUN", kaniko="same")
    cache_copy_layers: bool = _flag(False, "cache the layers of COPY, ADD and WORKDIR", kaniko="same: as in the fork; without it "
        "a COPY is done again, and the RUN after it found in the cache all the same")
    cache_from: tuple[str, ...] = _flag(_REPEAT, "take layers from this cache, too, in the order given: a reference, or "
        "type=registry,ref=REF or type=local,src=DIR (repeatable)", metavar="CACHE")
    cache_to: tuple[str, ...] = _flag(_REPEAT, "when all is built, list the layers there for --cache-from: as there, or "
        "type=local,dest=DIR or type=inline; with mode=max those of all stages (repeatable)", metavar="CACHE")
    no_push_cache: bool = _flag(False, "read the cache only",
        kaniko="same: with it --no-push needs no --cache-repo, as in the fork")
    cache_mounts: str = _flag("", "where the directories of RUN --mount=type=cache are saved, and restored from when this "
        "machine has none: a repository, or oci:DIR", metavar="REPOSITORY")
    cache_mounts_limit: str = _flag("5g", "save at most so much of each cache mount, what was used last", metavar="BYTES")
    check: bool = _flag(False, "run the build checks only: print their warnings, exit with 1 if there are any")
    check_format: str = _flag("text", "how the checks' warnings are printed", choices=("text", "json"))
    call: str = _flag("build", "build, or tell about the Dockerfile: check, outline or targets, which ,format=json may follow",
        metavar="METHOD")

    image_fs_extract_retry: int = _flag(0, "download a base image's layer so often again when that fails, after 1, 2, 4… s",
        metavar="N", kaniko="better: only what failed is done again, broken downloads go on")
    skip_push_permission_check: bool = _flag(False, "do not try out before the build whether the destinations may be pushed to",
        kaniko="better: the check runs while the build is planned")

    image_format: str = _flag("", "docker or oci: the media types of the image (default: those of the base image, else oci)",
        choices=("", "docker", "oci"), metavar="FORMAT",
        kaniko="different: an image from scratch is oci, as docker's own builder makes it; upstream writes "
        "docker's types there, and has no such flag")
    compression: str = _flag("gzip", "how new layers are compressed", choices=("gzip", "zstd", "estargz", "uncompressed"),
        kaniko="better: estargz and uncompressed, too; zstd is written faster, on all processors")
    compression_level: int = _flag(-1, "0 to 9 for gzip and estargz, 0 to 22 for zstd; -1 is fast", metavar="N",
        kaniko="same: -1 means level 1 for gzip and 3 for zstd")
    force_compression: bool = _flag(False, "compress the base image's layers anew as well, unless they are as --compression says")
    reproducible: bool = _flag(False, "the same image from the same input: every time in new layers and in the config is that of "
        "SOURCE_DATE_EPOCH, or 1970", kaniko="better: the base image's layers keep their bytes and so their digests, the date is "
        "1970 and not the year 1, and no layer is held in memory")
    single_snapshot: bool = _flag(False, "put all that a stage changes into one layer", aliases=("squash",),
        kaniko="better: the image is that of the stage with a layer for each step, deletions included")
    annotation: tuple[str, ...] = _flag(_REPEAT, "annotate the manifest, or what the level says: manifest, index, "
        "manifest-descriptor or index-descriptor (repeatable)", metavar="[LEVEL:]KEY=VALUE",
        kaniko="better: levels, as docker buildx has them")

    output: tuple[str, ...] = _flag(_REPEAT, "where the image goes, as docker buildx has it: a directory for its files, - for a "
        "tar of them on standard output, or type=local|tar|oci|docker,dest=PATH, type=registry or "
        "type=image,name=REF,push=true[,push-by-digest=true] (repeatable)", short="o", metavar="OUTPUT")
    oci_layout_path: str = _flag("", "write the image as an OCI layout into this directory", metavar="DIR",
        kaniko="better: the image has its tag as name; a relative path is relative to where masu was started")
    tar_path: str = _flag("", "write the image as a docker archive, as docker save does", aliases=("tarPath",), metavar="FILE",
        kaniko="same: names and order of the files, too; directories on the way are made")
    digest_file: str = _flag("", "write the manifest's digest to this file, or PUT it to this https:// URL", metavar="FILE",
        kaniko="better: written when the push has succeeded: a file means that the image is there")
    image_name_with_digest_file: str = _flag("", "write a line repository@digest for each destination, as --digest-file",
        metavar="FILE", kaniko="better: as --digest-file; and it has no tags if both files are asked for")
    image_name_tag_with_digest_file: str = _flag("", "write a line repository:tag@digest for each destination, as --digest-file",
        metavar="FILE", kaniko="better: as --digest-file")
    iidfile: str = _flag("", "write the image id (the config's digest) to this file", metavar="FILE")
    metadata_file: tuple[str, ...] = _flag(_REPEAT, "write digests and names as JSON to this file (repeatable)", metavar="FILE",
        env="MASU_METADATA_FILE")
    provenance: str = _flag("", "attach how the image was made, as BuildKit does: true, mode=min or mode=max, which also tells "
        "build arguments and the Dockerfile; version=v1, builder-id=URL (default: nothing is attached)", metavar="HOW")
    sbom: str = _flag("", "attach which packages are in the image, as SPDX 2.3: true or false", metavar="HOW")
    attest: tuple[str, ...] = _flag(_REPEAT, "as --provenance and --sbom (repeatable)",
        metavar="type=provenance|sbom[,KEY=VALUE]")
    sbom_file: str = _flag("", "write which packages are in the image to this file, as CycloneDX 1.5 in JSON", metavar="FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class KanikoOptions:
    """What Kaniko's users give and masu needs not, but for `kaniko_dir`: taken, checked, and told that it does nothing."""

    kaniko_dir: str = _flag("/kaniko", "keep state below this directory, and find the login in .docker below it, if it is there",
        env="KANIKO_DIR", metavar="DIR", kaniko="different: nothing is moved there; masu's state goes to DIR/state unless "
        "--state-dir is given, and DIR/.docker/config.json is the login if there is one")
    snapshot_mode: str = _flag("full", "no effect: changes are found exactly, and without reading files",
        aliases=("snapshotMode",), choices=("full", "redo", "time"),
        kaniko="better: inode, ctime, size, mode and owner tell what has changed: as exact as full, without reading files",
        told="changes are found by inode, ctime, size, mode and owner in every mode")
    use_new_run: bool = _flag(False, "no effect: nothing is read to find changes", kaniko="better: as --snapshot-mode",
        told="changes are found without reading files anyway")
    compressed_caching: bool = _flag(True, "no effect: layers go through memory in chunks",
        kaniko="better: a layer is never in memory, whatever the value", told="layers are never held in memory anyway")
    skip_unused_stages: bool = _flag(True, "no effect: only stages that the target needs are built",
        kaniko="better: always, as docker and the fork; upstream builds every stage before the target",
        told="only the stages that --target needs are built; name others with --target to have them built", warns=(False,))
    force_build_metadata: bool = _flag(False, "no effect: metadata is history, not layers",
        kaniko="better: ENV, LABEL and the like have a history entry and no layer, as docker's",
        told="metadata is in the image's history, without layers, as docker has it")
    force: bool = _flag(False, "no effect: masu builds anywhere",
        kaniko="better: a build never touches the file system it runs in",
        told="masu needs no container to build in, and changes nothing outside of its own directory")
    cleanup: bool = _flag(False, "no effect: nothing is left behind", env="KANIKO_CLEANUP",
        kaniko="better: builds can follow one another in a container without it", told="a build leaves nothing behind anyway")
    pre_cleanup: bool = _flag(False, "no effect: stages begin with their base only", env="KANIKO_PRE_CLEANUP",
        kaniko="better: what is in the container never gets into an image", told="stages begin with their base image only anyway")
    preserve_context: bool = _flag(False, "no effect: the container's files stay", env="KANIKO_PRESERVE_CONTEXT",
        kaniko="better: nothing in the container is touched", told="nothing in the container is touched anyway")
    materialize: bool = _flag(False, "no effect: the image isn't left in /",
        kaniko="different: the container's / stays as it is; masu run tries the image, masu unpack writes its files",
        told="the image isn't put into /: keep it with --tag NAME and use masu run NAME or masu unpack", warns=(True,))


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmerOptions:
    """What `masu warmer` takes beside registry flags and the common ones."""

    image: tuple[str, ...] = _flag(_REPEAT, "put this image into the cache (repeatable)", short="i", metavar="REF",
        kaniko="same")
    cache_dir: str = _flag("/cache", "directory of the cache: an OCI layout", short="c", metavar="DIR",
        kaniko="better: an OCI layout that many may read and write at the same time; Kaniko's own files there are left alone")
    force: bool = _flag(False, "download again what is there", short="f", kaniko="same")
    cache_ttl: timedelta = _flag(_TWO_WEEKS, "download again what has been there for longer", metavar="DURATION",
        kaniko="better: Kaniko keeps what is too old, and its builds don't use it")
    dockerfile: str = _flag("", "put the images that this Dockerfile names with FROM, COPY --from and mounts into the cache",
        short="d", metavar="PATH", kaniko="better: ARGs before FROM are expanded, stages aren't taken for images")
    build_arg: tuple[str, ...] = _flag(_REPEAT, "set an ARG of the Dockerfile; KEY alone takes its value from the environment "
        "(repeatable)", metavar="KEY=VALUE", kaniko="same")
    custom_platform: str = _flag("", "platform whose images are wanted (default: this machine's)",
        aliases=("platform", "customPlatform"), metavar="PLATFORM", kaniko="same")


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
    target: tuple[str, ...] = _same("target")
    custom_platform: tuple[str, ...] = _same("custom_platform")
    format: str = _flag("text", "how the answer is printed", choices=("text", "json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFlags:
    """How registries are reached."""

    insecure: bool = _flag(False, "push by plain HTTP", kaniko="same")
    insecure_pull: bool = _flag(False, "pull by plain HTTP", kaniko="same")
    insecure_registry: tuple[str, ...] = _flag(_REPEAT, "use plain HTTP for this registry host (repeatable)", metavar="HOST",
        kaniko="same")
    skip_tls_verify: bool = _flag(False, "do not check the certificate of the registry pushed to",
        kaniko="same")
    skip_tls_verify_pull: bool = _flag(False, "do not check the certificate of the registries pulled from",
        kaniko="better: it counts for pulling, in Kaniko --skip-tls-verify does")
    skip_tls_verify_registry: tuple[str, ...] = _flag(_REPEAT, "do not check this registry host's certificate (repeatable)",
        metavar="HOST", kaniko="same")
    registry_certificate: tuple[str, ...] = _flag(_REPEAT, "CA certificate for a registry host (repeatable)", metavar="HOST=FILE",
        kaniko="same")
    registry_client_cert: tuple[str, ...] = _flag(_REPEAT, "client certificate and key (PEM) for a registry host (repeatable)",
        metavar="HOST=CERT,KEY", kaniko="better: the files are checked at the start")
    registry_map: tuple[str, ...] = _flag(_REPEAT, "pull from these registries instead, in this order, from the original last "
        "(repeatable; several maps with ; between them)", env="KANIKO_REGISTRY_MAP", metavar="HOST=HOST[/PATH]",
        kaniko="better: a blob that a mirror lacks comes from the next place; a wrong digest is an error, not a reason to go on")
    registry_mirror: tuple[str, ...] = _flag(_REPEAT, "a mirror of Docker Hub, as --registry-map docker.io=MIRROR (repeatable)",
        env="KANIKO_REGISTRY_MIRROR", metavar="HOST[/PATH]", kaniko="better: as --registry-map")
    skip_default_registry_fallback: bool = _flag(False, "pull from the mirrors only, never from the registry they stand for",
        kaniko="same")
    image_download_retry: int = _flag(0, "look for a base image so often again when a registry fails, after 1, 2, 4… s",
        metavar="N", kaniko="better: single requests are tried 5 times before that")
    push_retry: int = _flag(0, "push so often again when a registry fails, after 1, 2, 4… s", metavar="N",
        kaniko="better: single requests are tried 5 times before that, and broken uploads go on")
    credential_helpers: tuple[str, ...] = _flag(_REPEAT, 'ask these for credentials after the docker config, in this order; "" '
        "for none (repeatable; default env, google, ecr, acr, gitlab)", metavar="NAME",
        kaniko="better: an unknown name is refused; the fork has it")
    push_ignore_immutable_tag_errors: bool = _flag(False, "only warn when a tag can't be moved to the image that was built",
        kaniko="better: a tag that means the image already is no error without it; more registries are known")


_PLATFORM = "of an image for several platforms take this one, os/architecture[/variant] (default: this machine's)"


def _platform() -> Any:
    return _flag("", _PLATFORM, metavar="PLATFORM")


def _json_or_text() -> Any:
    return _flag("text", "how the answer is printed", choices=("text", "json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """What `masu ls` takes."""

    quiet: bool = _flag(False, "print the short digests only", short="q")
    format: str = _json_or_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOptions:
    """What `masu pull` takes."""

    platform: str = _platform()
    all_platforms: bool = _flag(False, "fetch an image for several platforms as a whole, with its index")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginOptions:
    """What `masu login` takes."""

    username: str = _flag("", "the user's name (default: asked for)", short="u", metavar="NAME")
    password: str = _flag("", "the password; others see it in the list of processes, --password-stdin is better", short="p",
        metavar="PASSWORD")
    password_stdin: bool = _flag(False, "read the password from standard input")
    no_verify: bool = _flag(False, "keep the login without trying it at the registry")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOptions:
    """What `masu push` takes."""

    destination: tuple[str, ...] = _flag(_REPEAT, "push under this reference, not under its own name (repeatable)", short="d",
        metavar="REF")
    digest_file: str = _same("digest_file")
    image_name_with_digest_file: str = _same("image_name_with_digest_file")
    image_name_tag_with_digest_file: str = _same("image_name_tag_with_digest_file")


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveOptions:
    """What `masu save` takes."""

    output: str = _flag("", "the archive to write (default: standard output, unless that is a terminal)", short="o",
        metavar="FILE")
    format: str = _flag("docker", "docker: one platform of each image; oci: all of them", choices=("docker", "oci"))
    platform: str = _platform()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What `masu load` takes."""

    input: str = _flag("", "the archive to read (default: standard input)", short="i", metavar="FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectOptions:
    """What `masu inspect` takes."""

    format: str = _flag("json", "how the answer is printed", choices=("json",))
    raw: bool = _flag(False, "print the manifest or index, byte for byte")
    config: bool = _flag(False, "print the image config, byte for byte")
    remote: bool = _flag(False, "look into the registry, not into the store")
    referrers: bool = _flag(False, "print what refers to the image in its registry, as signatures and SBOMs do: an OCI index")
    platform: str = _platform()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryOptions:
    """What `masu history` takes."""

    no_trunc: bool = _flag(False, "print whole ids and commands")
    format: str = _json_or_text()
    platform: str = _platform()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackOptions:
    """What `masu unpack` takes."""

    rootless: bool = _flag(False, "give every file to the user who unpacks, as an ordinary user must")
    platform: str = _platform()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveOptions:
    """What `masu rm` takes."""

    force: bool = _flag(False, "of an image that is given by its digest remove all names", short="f")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageOptions:
    """What `masu du` takes."""

    format: str = _json_or_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneOptions:
    """What `masu prune` takes."""

    all: bool = _flag(False, "remove images with names as well, unless a build uses them", short="a")
    cache_mounts: bool = _flag(False, "remove the directories of RUN --mount=type=cache as well")
    keep_storage: str = _flag("", "remove only until so much is left, what was not used for longest first", metavar="SIZE")
    filter: tuple[str, ...] = _flag(_REPEAT, "until=DURATION: remove only what was not used for so long, as 24h (repeatable)",
        metavar="FILTER")
    dry_run: bool = _flag(False, "tell what would be removed, and remove nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionOptions:
    """What `masu version` takes."""

    format: str = _json_or_text()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What `masu run` takes."""

    interactive: bool = _flag(False, "let the command read standard input", short="i")
    env: tuple[str, ...] = _flag(_REPEAT, "set a variable; KEY alone takes its value from the environment (repeatable)",
        short="e", metavar="KEY=VALUE")
    user: str = _flag("", "run as this user, name or number, with :GROUP after it", short="u", metavar="USER")
    workdir: str = _flag("", "the working directory", short="w", metavar="DIR")
    entrypoint: str = _flag("", "instead of the image's ENTRYPOINT; its CMD is left out as well", metavar="PROGRAM")
    platform: str = _platform()

# fmt: on
