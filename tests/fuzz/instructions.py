"""Made-up instructions: a table of weights, a function each. A new instruction or flag is a row here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tests.fuzz import commands, expressions
from tests.fuzz.draft import MODES, Draft, Tree
from tests.fuzz.expressions import json_array, literal, needs_json, unmatched

_USERS = ("app", "root", "1000", "1000:50", "app:staff", "33", "65534:65534", "web", "0", "nohome")
_LABELS = ("a", "org.example.x", "with-dash", '"quo ted"', "größe", "B")
_OLD_VALUES = ("one  two", 'q "uo te" d', "$A b", "x")
_SHELLS = ('["/bin/sh", "-c"]', '["/bin/busybox", "sh", "-c"]', '["/bin/sh", "-uc"]')
_AUTHORS = ("Some One <a@b>", "größe", '$A "q"')
_SYMBOLIC_MODES = ("u+x", "go-w", "a=rX", "u=rwX,go=rX", "g+s", "+t", "u=g", "ugo+rw,o-x")
_PLAIN = re.compile(r"[!-Z^-~]+")  # Docker reads flags as Latin-1
_EXCLUSIONS = ("{}", "*", "**/{}", "!{}", "*.txt", "{}/*", "**/*.txt", "[a-c]*", "?", "/{}", "!*", "*/{}", "**")
_BODIES = (
    "plain",
    "$A ${B:-none} \\$A",
    "\"quo\" 'ted'",
    "\\n \\\\ \\x",
    "\tindented",
    "",
    "# no remark",
    "größe ${A#f*}",
    "$(no command)",
)
_DESTINATIONS = (
    "/",
    ".",
    "./",
    "",
    "/data/dir",
    "/data/dir/",
    "/data/dirlink",
    "/data/dirlink/",
    "/data/absolute/x",
    "/data/link",
)


def copy(draft: Draft) -> str:
    """COPY from the context or from a stage before."""
    origin = draft.pick(sorted(draft.stages)) if draft.stages and draft.chance(0.4) else ""
    flags = [f"--from={origin}"] if origin else []
    return _copied(draft, "COPY", flags, draft.stages[origin] if origin else draft.context)


def add(draft: Draft) -> str:
    return _copied(draft, "ADD", [], draft.context)


def _copied(draft: Draft, keyword: str, flags: list[str], tree: Tree) -> str:
    if draft.chance(0.25):
        flags.append(f"--chown={draft.pick((*commands.OWNERS, '$A', 'nobody-there', '7:app'))}")
    if draft.chance(0.2):
        flags.append(f"--chmod={draft.pick(MODES) if draft.chance(0.7) else draft.pick(_SYMBOLIC_MODES)}")
    if draft.chance(0.1):
        flags += [f"--exclude={literal(draft, pattern)}" for pattern in _exclusions(draft, tree)]
    draft.rng.shuffle(flags)
    known = [*tree.directories, *tree.files, *(tree.links if draft.chance(0.15) else ())] or ["."]
    paths = [draft.pick(known) for _ in range(draft.pick((1, 1, 1, 2, 3)))]
    if draft.chance(0.15):
        paths = [draft.pick((".", "./", "/", "./."))] if not flags or not flags[0].startswith("--from") else paths
    destination = _destination(draft, many=len(paths) > 1)
    sources = [_source(draft, path) for path in paths]
    _arrive(draft, tree, paths, destination)
    words = [literal(draft, word) for word in (*sources, destination)]
    words = [word if not draft.chance(0.05) else f"{word}$NOWHERE" for word in words]
    if draft.chance(0.15) or any(map(needs_json, words)):
        return " ".join([keyword, *flags, json_array(words)])
    return " ".join([keyword, *flags, *words])


def _exclusions(draft: Draft, tree: Tree) -> list[str]:
    names = [path.rpartition("/")[2] for path in tree.everything() if _PLAIN.fullmatch(path) and not needs_json(path)]
    patterns = [draft.pick(_EXCLUSIONS).replace("{}", draft.pick(names or ["a"])) for _ in range(draft.rng.randint(1, 2))]
    return [pattern for pattern in patterns if pattern != "!"]


def _source(draft: Draft, path: str) -> str:
    form = draft.rng.randrange(12)
    path = re.sub(r"[\x00-\x1f\\]|^[ !]| $", "?", path)  # what the client of Docker sends wrongly: docs/differences.md
    exact = unmatched(path, marks="[") if draft.chance(0.85) else path
    if form == 0:
        return f"/{exact.lstrip('/')}"
    if form == 1:
        return f"{exact}/"
    if form == 2:
        return f"./x/../{exact.lstrip('/')}"
    if form == 3:
        return f"../{exact.lstrip('/')}"
    parent, slash, name = path.rpartition("/")
    if form < 7:
        return (
            parent
            + slash
            + draft.pick(("*", f"{unmatched(name[:1])}*", "?*", "[a-z]*", "[^a]*", f"*{unmatched(name[-1:])}", "none-*"))
        )
    if form == 7 and parent:
        return f"*/{unmatched(name)}" if not path.startswith("/") else f"/*/{unmatched(name)}"
    return exact


def _destination(draft: Draft, *, many: bool) -> str:
    kind = draft.rng.randrange(10)
    if kind < 2:
        return draft.pick(_DESTINATIONS)
    if kind < 5:
        path = draft.pick(draft.stage.directories or ["/new"])
    elif kind == 5 and draft.chance(0.3):
        path = draft.pick(draft.stage.everything() or ["/new"])
    else:
        path = draft.new_path() if draft.chance(0.7) else f"rel{draft.number()}"
    return f"{path}/" if draft.chance(0.8 if many else 0.4) else path


def _arrive(draft: Draft, tree: Tree, paths: list[str], destination: str) -> None:
    """Remember what lies at the destination now, roughly: absolute ones only."""
    if not destination.startswith("/") or len(destination) < 2:
        return
    place = destination.rstrip("/")
    for path in paths:
        if path in tree.directories:
            draft.stage.directories.append(place)
            draft.stage.put(place, tree.below(path))
        elif destination.endswith("/"):
            draft.stage.directories.append(place)
            draft.stage.files.append(f"{place}/{path.rpartition('/')[2]}")
        elif place not in draft.stage.directories:
            draft.stage.files.append(place)


def run(draft: Draft) -> str:
    if not draft.runs:
        return copy(draft)
    text = commands.script(draft)
    if draft.chance(0.1) and "\n" not in text:
        return f"RUN {json_array(['/bin/sh', '-c', text])}"
    return f"RUN {text}"


def heredoc(draft: Draft) -> str:
    """COPY or ADD of files that stand in the Dockerfile, or a script for RUN."""
    word = draft.pick(("<<{}", "<<-{}", "<<'{}'", '<<"{}"', "<<-'{}'"))
    if draft.runs and draft.chance(0.4):
        begin = ["#!/bin/sh"] if draft.chance(0.3) else []
        return "\n".join([f"RUN {word.format('EOF')}", *begin, *commands.script(draft).split("; "), "EOF"])
    names = draft.some(("EOF", "one.txt", "two", "_3"), 2)
    destination = (
        draft.pick((*draft.stage.directories, "/here")) + "/" if len(names) > 1 or draft.chance(0.5) else draft.new_path()
    )
    flags = draft.pick(("", "", "--chmod=755 ", "--chown=app:staff ", "--chmod=u=rw,go= "))
    lines = [f"{draft.pick(('COPY', 'ADD'))} {flags}{' '.join(map(word.format, names))} {destination}"]
    if needs_json(destination):
        return "LABEL no=heredoc"
    for name in names:
        lines += [*draft.some(_BODIES, 4), name]
    return "\n".join(lines)


def workdir(draft: Draft) -> str:
    kind = draft.rng.randrange(8)
    if kind < 2:
        path = draft.pick(draft.stage.directories or ["/w"])
    elif kind < 4:
        path = f"/w{draft.number()}/deep er"
    elif kind == 4:
        path = draft.pick(("rel", "..", "../up", ".", "a/./b", "./c/../d"))
    elif kind == 5:
        path = draft.pick(("/data/dirlink/x", "/data/absolute", "/data/escaping/y", "//double//slash/", "/x/../y/./z/"))
    elif kind == 6:
        return f"WORKDIR /v{draft.number()}/{expressions.variable(draft)}"
    else:
        path = f"/odd/{draft.name(odd=1)}"
    return f"WORKDIR {literal(draft, path)}" if "\n" not in path else "WORKDIR /plain"


def env(draft: Draft) -> str:
    if draft.chance(0.1):
        return f"ENV {draft.pick(('A', 'B', 'FOO'))} {draft.pick(_OLD_VALUES)}"
    return f"ENV {_pairs(draft, ('A', 'B', 'FOO', 'EMPTY', 'ZED'))}"


def arg(draft: Draft) -> str:
    if draft.chance(0.3):
        return f"ARG {draft.pick(('A', 'B', 'TARGETARCH', 'BUILD_ARG', 'FOO'))}"
    return f"ARG {_pairs(draft, ('A', 'B', 'FOO', 'BUILD_ARG'))}"


def label(draft: Draft) -> str:
    return f"LABEL {_pairs(draft, _LABELS)}"


def _pairs(draft: Draft, names: tuple[str, ...]) -> str:
    return " ".join(f"{name}={expressions.value(draft)}" for name in draft.some(names, 3))


def user(draft: Draft) -> str:
    return f"USER {draft.pick(_USERS) if draft.chance(0.97) else draft.pick(('$A', 'nobody-there', '${UNSET:-app}'))}"


def expose(draft: Draft) -> str:
    ports = ("80", "443/tcp", "53/udp", "8000-8002", "9/SCTP", "${UNSET:-81}", "127.0.0.1:1:2", "65535", "7-7/udp", "80")
    return "EXPOSE " + " ".join(draft.some(ports, 4))


def volume(draft: Draft) -> str:
    paths = [
        draft.pick(draft.stage.directories or ["/v"]) if draft.chance(0.5) else draft.pick(("/v", "rel", "/a b", "/v/", "$A/v"))
        for _ in "12"
    ]
    form = any(map(needs_json, paths)) or draft.chance(0.4)
    return f"VOLUME {json_array(paths)}" if form else f"VOLUME {' '.join(paths)}"


def command(draft: Draft) -> str:
    keyword = draft.pick(("CMD", "CMD", "ENTRYPOINT"))
    forms = (
        "echo $A 'x y'",
        '["a", "b c", "$A"]',
        "['not', 'json']",
        "[]",
        '["a" "b"]',
        "exec  spaced   out",
        '["größe\\n\\u0001", "\\\\"]',
        "",
    )
    return f"{keyword} {draft.pick(forms)}".rstrip()


def shell(draft: Draft) -> str:
    return f"SHELL {draft.pick(_SHELLS)}"


def healthcheck(draft: Draft) -> str:
    flags = draft.some(
        ("--interval=5s", "--timeout=1m30s", "--start-period=1.5h", "--retries=3", "--start-interval=2s", "--interval=0"), 3
    )
    flags = [] if len({flag.partition("=")[0] for flag in flags}) < len(flags) else flags
    test = draft.pick(("CMD true", 'CMD ["/bin/true", "x"]', "CMD echo $A", "cmd lower"))
    return "HEALTHCHECK NONE" if draft.chance(0.2) else " ".join(["HEALTHCHECK", *flags, test])


def stopsignal(draft: Draft) -> str:
    return f"STOPSIGNAL {draft.pick(('SIGTERM', '9', 'SIGRTMIN+3', 'INT', 'sigquit', '${UNSET:-SIGHUP}'))}"


def onbuild(draft: Draft) -> str:
    return f"ONBUILD {draft.pick((env, label, workdir, arg, user, command))(draft)}"


def maintainer(draft: Draft) -> str:
    return f"MAINTAINER {draft.pick(_AUTHORS)}"


INSTRUCTIONS: Mapping[Callable[[Draft], str], int] = {
    copy: 34, add: 10, run: 26, heredoc: 4, workdir: 8, env: 7, arg: 6, label: 3, user: 4, expose: 2, volume: 2, command: 3,
    shell: 1, healthcheck: 1, stopsignal: 1, onbuild: 1, maintainer: 1,
}  # fmt: skip
"""How often each comes."""
