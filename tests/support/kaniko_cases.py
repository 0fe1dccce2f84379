"""Command lines that Kaniko's users write, wrong ones among them, and what shall come of them: data for test_kaniko_cli.py.

In every text `{c}` is a build context (see `CONTEXT`), `{t}` an empty directory and the working directory, `{r}` a registry,
`{denied}` one that wants a login, `{put}` an https server, `{digest}` the digest of what was built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CONTEXT: Mapping[str, str] = {
    "Dockerfile": "FROM scratch\nARG V=none\nLABEL v=$V\nCOPY file /\n",
    "file": "content",
    "other": "FROM scratch\nLABEL other=yes\n",
    "stages": "FROM scratch AS one\nLABEL which=one\nFROM scratch AS two\nLABEL which=two\nFROM scratch\nLABEL which=last\n",
    "tree": "FROM scratch\nCOPY sub /sub\nCOPY file /var/run/pid\nCOPY file /keep\n",
    "fails": "FROM base\nRUN exit 42\n",
    "runs": "FROM base\nRUN echo said; mkdir -p /drop/deep /stay; touch /drop/deep/x /stay/y /drop.log\n",
    "run-secret": "FROM base\nRUN --mount=type=secret,id=x cat /run/secrets/x > /got && test -s /got\n",
    "onto": "FROM {r}/warm:1\nCOPY file /\n",
    "labels": "FROM {r}/warm:1\nLABEL a=b\n",
    "copies-nothing": "FROM scratch\nCOPY missing /\n",
    "broken": "FROM scratch\nRUM x\n",
    "based": "ARG TAG=1\nFROM {r}/warm:$TAG AS first\nCOPY file /\nFROM first\nCOPY --from={r}/warm:1 /Dockerfile /d\n",
    "secret-file": "hidden",
    "sub/Dockerfile": "FROM scratch\nLABEL sub=yes\nCOPY deep /\n",
    "sub/deep": "deep",
    "sub/cache/x": "x",
    "sub/cache.log": "x",
}
LOGIN = '{"auths":{"{denied}":{"auth":"dXNlcjpwYXNzd29yZA=="}}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`line` is given to `program` of the image. `says` and `silent` are about standard error, `out` about standard output.

    `files` are what files hold afterwards (None: there is no such file), `tags` the names in an archive, `layers` all that the
    layers of the layout `{t}/layout` have, `puts` what the server got, `made` other paths; `prepare` are files that are
    there before.
    """

    line: str
    code: int = 0
    program: str = "executor"
    says: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    out: tuple[str, ...] = ()
    files: Mapping[str, str | None] = field(default_factory=dict)
    tags: Mapping[str, list[str]] = field(default_factory=dict)
    layers: tuple[str, ...] | None = None
    puts: Mapping[str, str] = field(default_factory=dict)
    made: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""


def _wrong(line: str, *says: str, **details: object) -> Case:
    return Case(line=line, code=1, says=says, **details)  # type: ignore[arg-type]


def _plan(flags: str, *out: str, **details: object) -> Case:
    return Case(line=f"-c {{c}} --dryrun {flags}", out=out, **details)  # type: ignore[arg-type]


def _told(flags: str, *says: str, **details: object) -> Case:
    """A flag that does nothing, or nothing that can be seen here, and is taken."""
    return Case(line=f"-c {{c}} --no-push -v debug {flags}", says=says, **details)  # type: ignore[arg-type]


_NO_EFFECT = "has no effect"
_TREE = ("keep", "sub/Dockerfile", "sub/cache.log", "sub/cache/x", "sub/deep", "var/run/pid")
_SKIPPED = "Skipping push to container registry due to --no-push flag"

GENERAL = (
    Case(line="--context {c} --no-push", says=("INFO[0000] ", _SKIPPED)),
    Case(line="--context={c} --no-push=true", says=(_SKIPPED,)),
    Case(line="-c={c} --no-push=T"),
    Case(line="-c{c} --no-push=1"),
    Case(line="--no-push --context /nowhere/else --context {c}"),
    _wrong("-c {c} --no-push true", 'unknown command "true"', "--no-push=true"),
    _wrong("-c {c} --no-push --cache true", 'unknown command "true"'),
    _wrong("-c {c} --cache false --no-push", 'unknown command "false"'),
    _wrong("-c {c} --no-push=maybe", "invalid argument 'maybe' for --no-push"),
    _wrong("-c {c} --no-push --nonsense", "unknown flag: --nonsense"),
    _wrong("-c {c} --no-push --nonsense=1", "unknown flag: --nonsense"),
    _wrong("-c {c} --no-pus", "unknown flag: --no-pus", "did you mean --no-push?"),
    _wrong("-c {c} --no-push -z", "unknown flag: -z"),
    _wrong("-c {c} --no-push --destination", "expected one argument"),
    _wrong("-c {c}", "error: you must provide --destination, or use --no-push"),
    _wrong("-c {c} --no-push=false", "you must provide --destination, or use --no-push"),
    _wrong("--cache -c /nowhere", "you must provide --destination, or use --no-push", silent=("nowhere", "cache flags")),
    _wrong("--cache --no-push -c /nowhere", "cache flags invalid", silent=("nowhere",)),
    _wrong("nonsense", "unknown command 'nonsense'"),
    _wrong("--no-push", "/workspace"),
    Case(line="version", out=("masu ",)),
    Case(line="help", out=("Commands:", "warmer")),
    Case(line="--help", out=("--destination", "--snapshot-mode")),
    Case(line="completion bash", out=("complete -o default",)),
)

INPUTS = (
    Case(line="-f {c}/other -c {c} --dry-run", out=("LABEL other=yes",)),
    Case(line="--dockerfile=other -c {c} --dryrun", out=("LABEL other=yes",)),
    Case(line="--dockerfile=mine -c {c} --dryrun", out=("LABEL mine=1",), prepare={"mine": "FROM scratch\nLABEL mine=1\n"}),
    Case(line="-f {put}/Dockerfile -c {c} --dryrun", out=("LABEL fetched=yes",)),
    _wrong("-f missing -c {c} --no-push", "missing"),
    _wrong("-c /nowhere/at/all --no-push", "/nowhere/at/all"),
    Case(line="-c dir://{c} --no-push"),
    Case(line="-c dir://{c} --context-sub-path sub --dryrun", out=("LABEL sub=yes",)),
    Case(line="-c tar://{t}/context.tar.gz --dryrun", out=("LABEL v=$V",), prepare={"context.tar.gz": "<archive>"}),
    Case(line="--context tar://stdin --dryrun", out=("LABEL v=$V",), stdin="<archive>"),
    _wrong("-c {c} -f broken --no-push", "error building image:", "broken:2", "RUM"),
    _wrong("-c {c} -f copies-nothing --no-push", "error building image:", "missing"),
    Case(line="-c {c} -b some-bucket --no-push"),
    Case(line="-c {c} --bucket=some-bucket --no-push"),
    Case(line="-c {c} --git branch=main --git depth=1 --no-push"),
)

OUTPUTS = (
    Case(line="-c {c} -d {r}/a/b:1", says=("Pushing image to {r}/a/b:1", "Pushed {r}/a/b@{digest}"), silent=(_SKIPPED,)),
    Case(line="-c {c} --destination={r}/a", says=("Pushing image to {r}/a", "Pushed {r}/a@{digest}")),
    Case(
        line="-c {c} -d {r}/a:1 --destination {r}/a:2 -d {r}/other:1",
        says=("Pushed {r}/a@{digest}", "Pushed {r}/other@{digest}"),
    ),
    Case(line="-c {c} -d {r}/a:1 --no-push", says=(_SKIPPED,), silent=("Pushing image", "Pushed")),
    Case(line="-c {c} -d nowhere.invalid/a:1 --no-push"),
    _wrong("-c {c} -d UPPER/Case --no-push", "UPPER/Case"),
    _wrong("-c {c} --no-push -d {r}/a@sha256:" + "0" * 64, "can't push to the digest"),
    _wrong("-c {c} -d {denied}/a:1", "error checking push permissions -- make sure you entered the correct tag name", "{denied}"),
    _wrong("-c {c} -d {denied}/a:1 --skip-push-permission-check", "error pushing image:", "{denied}"),
    Case(line="-c {c} --no-push --tar-path x.tar", tags={"x.tar": ["unset-repo/unset-image-name:latest"]}),
    Case(
        line="-c {c} --no-push --tarPath={t}/deep/x.tar -d {r}/a:1 -d debian", tags={"deep/x.tar": ["{r}/a:1", "debian:latest"]}
    ),
    Case(line="-c {c} --tar-path x.tar -d {r}/a:1", tags={"x.tar": ["{r}/a:1"]}, says=("Pushed {r}/a@{digest}",)),
    Case(line="-c {c} --no-push --oci-layout-path layout", layers=("file",)),
    Case(line="-c {c} --no-push --oci-layout-path {t}/layout -d {r}/a:1", layers=("file",)),
    Case(line="-c {c} --no-push --digest-file digest", files={"digest": "{digest}"}),
    Case(line="-c {c} --no-push --digest-file {t}/a/b/digest", files={"a/b/digest": "{digest}"}),
    Case(
        line="-c {c} --no-push -d {r}/a:1 -d {r}/b --image-name-with-digest-file names",
        files={"names": "{r}/a@{digest}\n{r}/b@{digest}\n"},
    ),
    Case(
        line="-c {c} --no-push -d {r}/a:1 -d {r}/b --image-name-tag-with-digest-file=names",
        files={"names": "{r}/a:1@{digest}\n{r}/b:latest@{digest}\n"},
    ),
    Case(
        line="-c {c} --no-push -d {r}/a:1 --image-name-with-digest-file=n --image-name-tag-with-digest-file=nt --digest-file=d",
        files={"n": "{r}/a@{digest}\n", "nt": "{r}/a:1@{digest}\n", "d": "{digest}"},
    ),
    Case(
        line="-c {c} --no-push -d debian -d user/app:2 --image-name-tag-with-digest-file nt --image-name-with-digest-file n",
        files={
            "nt": "index.docker.io/library/debian:latest@{digest}\nindex.docker.io/user/app:2@{digest}\n",
            "n": "index.docker.io/library/debian@{digest}\nindex.docker.io/user/app@{digest}\n",
        },
    ),
    Case(line="-c {c} -d {denied}/a:1 --digest-file d", code=1, files={"d": None}),
    Case(
        line="-c {c} --no-push --digest-file {put}/digest?sig=geheim",
        puts={"/digest?sig=geheim": "{digest}"},
        silent=("geheim",),
    ),
    Case(
        line="-c {c} --no-push -d {r}/a:1 --image-name-tag-with-digest-file {put}/names",
        puts={"/names": "{r}/a:1@{digest}\n"},
    ),
    _wrong("-c {c} --no-push --digest-file {put}/refuse?sig=geheim", "PUT {put}/refuse: 403", silent=("geheim",)),
    _wrong("-c {c} --no-push --digest-file http://127.0.0.1/digest?sig=geheim", "can't write --digest-file", silent=("geheim",)),
    _wrong("-c {c} --no-push --image-name-with-digest-file n", "you must provide --destination if setting"),
    _wrong("-c {c} --no-push --image-name-tag-with-digest-file n", "you must provide --destination if setting"),
    _wrong("-c {c} --no-push --digest-file /proc/none/digest", "/proc/none"),
    Case(
        line="-c {c} -d {r}/a:1 -d {r}/b:2",
        env={"BUILDER_OUTPUT": "{t}"},
        files={"images": '{"name":"{r}/a:1","digest":"{digest}"}\n{"name":"{r}/b:2","digest":"{digest}"}\n'},
    ),
    Case(line="-c {c} -d {r}/a:1 --no-push", env={"BUILDER_OUTPUT": "{t}"}, files={"images": None}),
    Case(line="-c {c} -d {r}/a:1", says=("the image is pushed, but can't be told",), env={"BUILDER_OUTPUT": "{t}/nowhere"}),
)

BUILD = (
    _plan("--build-arg V=1", '"v": "1"'),
    _plan("--build-arg V=a=b,c", '"v": "a=b,c"'),
    _plan("--build-arg V", '"v": "from-env"', env={"V": "from-env"}),
    _plan("--build-arg V", '"v": ""'),
    _plan("--build-arg V=1 --build-arg=V=2", '"v": "2"'),
    _wrong("-c {c} --no-push --build-arg =1", "invalid --build-arg '=1'"),
    _plan("--label a=b --label=c=d=e", '"a": "b"', '"c": "d=e"'),
    _wrong("-c {c} --no-push --label a", "invalid --label 'a'"),
    _plan("-f stages --target one", '"which": "one"'),
    _plan("-f stages --target=TWO", '"which": "two"'),
    _plan("-f stages --target 0", '"which": "one"'),
    _plan("-f stages --target=", '"which": "last"'),
    _plan("-f stages --target two,one", "stage 0 one from scratch", "stage 1 two from scratch", '"which": "two"'),
    _plan("-f stages --target one --target two", "stage 1 two from scratch", '"which": "one"'),
    _wrong("-c {c} -f stages --no-push --target three", "target stage 'three'"),
    _wrong("-c {c} -f stages --no-push --target one,three", "target stage 'three'"),
    _plan("--custom-platform linux/arm64", "for linux/arm64"),
    _plan("--customPlatform=linux/arm/v7", "for linux/arm/v7"),
    _plan("--customPlatform=linux/arm64 --custom-platform linux/386,linux/arm64", "platform linux/arm64", "platform linux/386"),
    _wrong("-c {c} --no-push --custom-platform=a/b/c/d", "platform"),
    Case(line="-c {c} -f run-secret --no-push --secret id=x,src={c}/secret-file"),
    Case(line="-c {c} -f run-secret --no-push --secret id=x,type=file,src={c}/secret-file"),
    Case(line="-c {c} -f run-secret --no-push --secret id=x,env=HIDDEN", env={"HIDDEN": "geheim"}),
    Case(line="-c {c} -f run-secret --no-push --secret id=x,type=env,env=HIDDEN", env={"HIDDEN": "geheim"}),
    Case(line="-c {c} -f run-secret --no-push --secret id=x", env={"x": "geheim"}),
    _wrong("-c {c} --no-push --secret src={c}/secret-file", "no id"),
    _wrong("-c {c} --no-push --secret id=x,type=other", "unsupported type 'other'"),
    _wrong("-c {c} --no-push --secret id=x,src=/nowhere", "/nowhere"),
    Case(line="-c {c} -f fails --no-push", code=42, says=("error building image:", "failed with exit code 42")),
    Case(line="-c {c} -f onto --no-push", says=("Unpacking rootfs as cmd COPY file / requires it.",)),
    Case(line="-c {c} -f labels --no-push", says=("Skipping unpacking as no commands require it.",)),
    Case(line="-c {c} -f runs --no-push", says=("said\n",)),
    Case(line="-c {c} -f runs --no-push --log-format json", says=('"message":"said\\n"',)),
    Case(line="-c {c} -f tree --no-push --oci-layout-path layout", layers=_TREE),
    Case(
        line="-c {c} -f tree --no-push --oci-layout-path layout --ignore-path /sub/cache",
        layers=("keep", "sub/Dockerfile", "sub/cache.log", "sub/deep", "var/run/pid"),
        says=("--ignore-path",),
    ),
    Case(
        line="-c {c} -f tree --no-push --oci-layout-path layout --ignore-path /sub/c* --ignore-path=/keep",
        layers=("sub/Dockerfile", "sub/deep", "var/run/pid"),
    ),
    Case(
        line="-c {c} -f tree --no-push --oci-layout-path layout --ignore-path /*/deep --ignore-path /*/Docker*",
        layers=("keep", "sub/cache.log", "sub/cache/x", "var/run/pid"),
    ),
    Case(line="-c {c} -f runs --no-push --oci-layout-path layout --ignore-path /drop", layers=("drop.log", "stay/y")),
    Case(line="-c {c} -f tree --no-push --oci-layout-path layout --ignore-var-run=false", layers=_TREE),
    Case(line="-c {c} -f tree --no-push --oci-layout-path layout --ignore-var-run", layers=_TREE[:-1]),
    Case(line="-c {c} -f tree --no-push --oci-layout-path layout --whitelist-var-run=true", layers=_TREE[:-1]),
    _wrong("-c {c} --no-push --ignore-path /a/[", "invalid --ignore-path"),
    _wrong("-c {c} --no-push --ignore-path /", "invalid --ignore-path '/'"),
)

TAKEN = (
    _told("--snapshot-mode full", silent=(_NO_EFFECT,)),
    _told("--snapshot-mode=redo", f"--snapshot-mode {_NO_EFFECT}"),
    _told("--snapshot-mode time", f"--snapshot-mode {_NO_EFFECT}"),
    _told("--snapshotMode=redo", f"--snapshot-mode {_NO_EFFECT}"),
    _wrong("-c {c} --no-push --snapshot-mode fast", "invalid argument 'fast' for --snapshot-mode", "full, redo, time"),
    _told("--use-new-run", f"DEBU[0000] --use-new-run {_NO_EFFECT}"),
    _told("--use-new-run=false", silent=(_NO_EFFECT,)),
    _told("--force", f"DEBU[0000] --force {_NO_EFFECT}"),
    _told("--cleanup", f"DEBU[0000] --cleanup {_NO_EFFECT}"),
    _told("", f"--cleanup {_NO_EFFECT}", env={"KANIKO_CLEANUP": "true"}),
    _told("--pre-cleanup", f"--pre-cleanup {_NO_EFFECT}"),
    _told("", f"--pre-cleanup {_NO_EFFECT}", env={"KANIKO_PRE_CLEANUP": "1"}),
    _told("--preserve-context", f"--preserve-context {_NO_EFFECT}"),
    _told("", f"--preserve-context {_NO_EFFECT}", env={"KANIKO_PRESERVE_CONTEXT": "true"}),
    _told("--compressed-caching=false", f"--compressed-caching {_NO_EFFECT}"),
    _told("--compressed-caching", silent=(_NO_EFFECT,)),
    _told("--force-build-metadata", f"--force-build-metadata {_NO_EFFECT}"),
    _told("--skip-unused-stages", silent=(_NO_EFFECT,)),
    _told("--skip-unused-stages=false", f"WARN[0000] --skip-unused-stages {_NO_EFFECT}"),
    _told("--materialize", f"WARN[0000] --materialize {_NO_EFFECT}"),
    Case(line="-c {c} --no-push --kaniko-dir {t}/k", made=("k/state/work",)),
    Case(line="-c {c} --no-push", env={"KANIKO_DIR": "{t}/k"}, made=("k/state/work",)),
    Case(line="-c {c} --no-push --state-dir {t}/s", env={"KANIKO_DIR": "{t}/k"}, made=("s/work",), files={"k": None}),
    Case(
        line="-c {c} -d {denied}/a:1 --kaniko-dir={t}/k",
        says=("Pushed {denied}/a@{digest}",),
        prepare={"k/.docker/config.json": LOGIN},
    ),
    Case(
        line="-c {c} -d {denied}/a:1",
        says=("Pushed {denied}/a@{digest}",),
        prepare={"k/.docker/config.json": LOGIN},
        env={"KANIKO_DIR": "{t}/k"},
    ),
    Case(line="-c {c} -d {denied}/a:1", prepare={"config.json": LOGIN}, env={"DOCKER_CONFIG": "{t}"}),
    Case(line="-c {c} -d {denied}/a:1", env={"DOCKER_AUTH_CONFIG": LOGIN}),
    _told("--single-snapshot --reproducible --image-format oci --compression zstd --compression-level 3"),
    _told("--image-format=docker --compression=gzip --compression-level=-1 --annotation a=b"),
    _wrong("-c {c} --no-push --compression lzma", "lzma"),
    _wrong("-c {c} --no-push --compression-level high", "invalid argument 'high' for --compression-level"),
    _told("--push-retry 3 --image-download-retry=2 --image-fs-extract-retry 1"),
    _wrong("-c {c} --no-push --push-retry often", "invalid argument 'often' for --push-retry"),
    _told("--push-ignore-immutable-tag-errors --skip-push-permission-check --skip-default-registry-fallback"),
    _told("--insecure --insecure-pull --skip-tls-verify --skip-tls-verify-pull"),
    _told("--insecure-registry a.test --insecure-registry=b.test:5000 --skip-tls-verify-registry c.test"),
    _told("--registry-certificate a.test={t}/ca.pem", prepare={"ca.pem": "<certificate>"}),
    _wrong("-c {c} --no-push --registry-certificate a.test", "--registry-certificate"),
    _wrong("-c {c} --no-push --registry-certificate a.test=/nowhere.pem", "/nowhere.pem"),
    _wrong("-c {c} --no-push --registry-client-cert a.test=/nowhere.crt", "--registry-client-cert"),
    _told("--registry-map index.docker.io=mirror.test/hub;gcr.io=mirror.test --registry-mirror mirror.test"),
    _told("", env={"KANIKO_REGISTRY_MAP": "index.docker.io=mirror.test/hub;gcr.io=mirror.test"}),
    _wrong("-c {c} --no-push", "nonsense", env={"KANIKO_REGISTRY_MAP": "nonsense"}),
    _told("", env={"KANIKO_REGISTRY_MIRROR": "mirror.test"}),
    _told("--credential-helpers env --credential-helpers=google"),
    _told("--credential-helpers="),
)

CACHE = (
    _wrong(
        "-c {c} --cache --no-push",
        "error: cache flags invalid: if using cache with --no-push, specify cache repo with --cache-repo",
    ),
    Case(
        line="-c {c} --cache --cache-copy-layers --no-push --cache-repo {r}/cache", says=("No cached layer found for cmd COPY",)
    ),
    Case(
        line="-c {c} --cache --cache-copy-layers --no-push --cache-repo {r}/cache", says=("Using caching version of cmd: COPY",)
    ),
    Case(line="-c {c} --cache=true --no-push --no-push-cache", silent=("cached",)),
    Case(line="-c {c} --cache -d {r}/a:1", says=("Pushed {r}/a@{digest}",)),
    Case(line="-c {c} --cache=false --no-push", silent=("cached",)),
    Case(line="-c {c} --cache --no-push --cache-repo oci:{t}/layers"),
    _wrong("-c {c} --cache --no-push --cache-repo {r}/cache:tag", "it has a tag"),
    _wrong("-c {c} --cache --no-push --cache-repo {r}/CACHE", "{r}/CACHE"),
    _told("--cache-ttl 24h --cache-run-layers=false --cache-copy-layers --cache-dir {t}"),
    _told("--cache-ttl=1h30m"),
    _wrong("-c {c} --no-push --cache-ttl 24", "invalid argument '24' for --cache-ttl", "336h"),
    _wrong("-c {c} --no-push --cache-ttl 14d", "invalid argument '14d' for --cache-ttl"),
)

ENVIRONMENT = (
    Case(line="-c {c}", says=(_SKIPPED,), env={"KANIKO_NO_PUSH": "true"}),
    Case(line="-c {c} -d {r}/a:1", says=(_SKIPPED,), env={"KANIKO_NO_PUSH": "1"}),
    Case(line="-c {c} -d {r}/a:1 --no-push=false", says=("Pushed {r}/a",), env={"KANIKO_NO_PUSH": "true"}),
    Case(line="-c {c} -d {r}/a:1", says=("Pushed {r}/a",), env={"KANIKO_NO_PUSH": "false"}),
    _wrong("-c {c} -d {r}/a:1", "invalid argument 'yes' for KANIKO_NO_PUSH", env={"KANIKO_NO_PUSH": "yes"}, silent=("Pushed",)),
    _told("", f"DEBU[0000] SNAPSHOT_TIMEOUT_DURATION {_NO_EFFECT}", env={"SNAPSHOT_TIMEOUT_DURATION": "90m"}),
    _told("", f"WARN[0000] BENCHMARK_FILE {_NO_EFFECT}", env={"BENCHMARK_FILE": "{t}/bench"}, files={"bench": None}),
    _told("", silent=("BENCHMARK_FILE",), env={"BENCHMARK_FILE": "false"}),
    _told("", f"KANIKO_PRINT_PLAN {_NO_EFFECT}", env={"KANIKO_PRINT_PLAN": "true"}),
    _told("", "masu sends no telemetry", env={"KANIKO_TELEMETRY_ENDPOINT": "https://otel.test"}),
    _told("", "KANIKO_TELEMETRY_OMIT_DOCKERFILE", env={"KANIKO_TELEMETRY_OMIT_DOCKERFILE": "true"}),
    _told("", "KANIKO_IGNORE_ASSERTIONS", env={"KANIKO_IGNORE_ASSERTIONS": "true"}),
    _told(
        "",
        "DEBU[0000] FF_KANIKO_COPY_AS_ROOT, FF_KANIKO_RUN_VIA_TINI: needless",
        env={"FF_KANIKO_RUN_VIA_TINI": "true", "FF_KANIKO_COPY_AS_ROOT": "true"},
    ),
    _told("", "WARN[0000] FF_KANIKO_NO_SUCH is no feature flag", env={"FF_KANIKO_NO_SUCH": "true"}),
    Case(line="-c {c} -d {r}/a:1", env={"UPSTREAM_CLIENT_TYPE": "ci-tool/1"}),
)

LOG = (
    Case(line="-c {c} --no-push --log-format text", says=('level=info msg="Skipping push', 'time="20')),
    Case(line="-c {c} --no-push --log-format=json", says=('{"level":"info","msg":"Skipping push',)),
    Case(line="-c {c} --no-push --log-format color", says=("INFO[0000] Skipping push",)),
    _wrong("-c {c} --no-push --log-format xml", "invalid argument 'xml' for --log-format"),
    Case(line="-c {c} --no-push --log-timestamp", says=("INFO[20",)),
    Case(line="-c {c} --no-push -v debug", says=("DEBU[0000]",)),
    Case(line="-c {c} --no-push --verbosity trace", says=("DEBU[0000]",)),
    Case(line="-c {c} --no-push --verbosity=warn --materialize", says=("WARN[0000]",), silent=("INFO",)),
    Case(line="-c {c} --no-push -v error --materialize", silent=("INFO", "WARN")),
    Case(line="-c {c} --no-push -v fatal --materialize", silent=("INFO", "WARN")),
    Case(line="-c {c} --no-push -v panic", silent=("INFO",)),
    _wrong("-c {c} --no-push -v loud", "invalid argument 'loud' for --verbosity"),
)

WARMER = (
    _wrong("", "you must select at least one image to cache or a dockerfile to parse", program="warmer"),
    Case(line="-i {r}/warm:1 -c {t}/cache", program="warmer", says=("{r}/warm:1", "fetched")),
    Case(line="--image={r}/warm:1 --image {r}/none:1 --cache-dir={t}/cache", program="warmer", says=("WARN[0000]", "{r}/none:1")),
    _wrong("-i {r}/none:1 -i {r}/none:2 -c {t}/cache", "failed to warm any of the given images", program="warmer"),
    Case(line="-i {r}/warm:1 -c {t}/cache -f --cache-ttl 1h --customPlatform=linux/amd64", program="warmer"),
    Case(line="--dockerfile {c}/based --build-arg TAG=1 -c {t}/cache --force", program="warmer", silent=("WARN",)),
    Case(line="-d {c}/based --build-arg TAG=9 -c {t}/cache", program="warmer", says=("{r}/warm:9",)),
    _wrong("-d {t}/none -c {t}/cache", "{t}/none", program="warmer"),
    _wrong("-i {r}/warm:1 -c {t}/cache --cache-ttl 2w", "invalid argument '2w' for --cache-ttl", program="warmer"),
    _wrong("-i {r}/warm:1 -c /proc/none/cache", "can't make the cache directory", program="warmer"),
    _wrong("-i {r}/warm:1 --destination x", "unknown flag: --destination", program="warmer"),
    Case(
        line="-i {r}/warm:1 -c {t}/cache --insecure-pull --skip-tls-verify-pull --insecure-registry a.test "
        "--skip-tls-verify-registry a.test --registry-map a.test=b.test --registry-mirror b.test "
        "--skip-default-registry-fallback -v debug --log-format text --log-timestamp",
        program="warmer",
    ),
    Case(line="version", program="warmer", out=("masu ",)),
)

FORK_VERBS = (
    Case(
        line="login {denied} -u user -p password",
        env={"DOCKER_CONFIG": "{t}"},
        files={"config.json": '{\n\t"auths": {\n\t\t"{denied}": {\n\t\t\t"auth": "dXNlcjpwYXNzd29yZA=="\n\t\t}\n\t}\n}\n'},
    ),
    Case(line="login --username user --password-stdin {denied}", env={"DOCKER_CONFIG": "{t}"}, stdin="<password>"),
    _wrong("login {denied} -u user -p wrong", "{denied}", env={"DOCKER_CONFIG": "{t}"}, files={"config.json": None}),
    Case(line="push image.tar -d {r}/pushed:1", says=("Pushed {r}/pushed@sha256:",), prepare={"image.tar": "<image>"}),
    Case(line="push {t}/image.tar --destination={r}/pushed:1 --destination {r}/twice:1", prepare={"image.tar": "<image>"}),
    _wrong("push {t}/none.tar -d {r}/pushed:1", "{t}/none.tar"),
)

CASES = (*GENERAL, *INPUTS, *OUTPUTS, *BUILD, *TAKEN, *CACHE, *ENVIRONMENT, *LOG, *WARMER, *FORK_VERBS)

# Every flag of upstream 1.24 and of the fork, deprecated spellings and hidden ones too.
# fmt: off
EXECUTOR_FLAGS = (
    "dockerfile", "context", "context-sub-path", "bucket", "destination", "no-push", "no-push-cache", "build-arg", "label",
    "annotation", "target", "skip-unused-stages", "custom-platform", "customPlatform", "snapshot-mode", "snapshotMode",
    "single-snapshot", "use-new-run", "ignore-path", "ignore-var-run", "whitelist-var-run", "reproducible", "force", "cleanup",
    "pre-cleanup", "preserve-context", "materialize", "dryrun", "kaniko-dir", "tar-path", "tarPath", "oci-layout-path",
    "digest-file", "image-name-with-digest-file", "image-name-tag-with-digest-file", "image-format", "compression",
    "compression-level", "compressed-caching", "cache", "cache-repo", "cache-dir", "cache-ttl", "cache-run-layers",
    "cache-copy-layers", "insecure", "skip-tls-verify", "insecure-pull", "skip-tls-verify-pull", "insecure-registry",
    "skip-tls-verify-registry", "registry-certificate", "registry-client-cert", "registry-map", "registry-mirror",
    "skip-default-registry-fallback", "skip-push-permission-check", "push-retry", "image-download-retry",
    "image-fs-extract-retry", "push-ignore-immutable-tag-errors", "credential-helpers", "secret", "git", "force-build-metadata",
    "verbosity", "log-format", "log-timestamp",
)
WARMER_FLAGS = (
    "image", "cache-dir", "force", "cache-ttl", "dockerfile", "build-arg", "customPlatform", "insecure-pull",
    "skip-tls-verify-pull", "insecure-registry", "skip-tls-verify-registry", "registry-certificate", "registry-client-cert",
    "registry-map", "registry-mirror", "skip-default-registry-fallback", "verbosity", "log-format", "log-timestamp",
)
# fmt: on
