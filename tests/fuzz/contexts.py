"""Made-up build contexts: shell scripts of one line a thing, so that a line can be dropped."""

from __future__ import annotations

import re

from tests.fuzz.draft import MODES, Draft, Tree, shell

_CONTENTS = ("x", "", "hello world", "a\\tb", "#!/bin/sh", "0123456789" * 40)
_FIFO_MODES = ("644", "600", "777", "000")
_PATTERNS = (
    "{}", "/{}", "./{}", "{}/", "{}/*", "{}/**", "**/{}", "!{}", "!**/{}", "! {}", "*", "*/*", "**", "!*", "**/*.txt", "*.*", "?",
    "!?", "[a-c]*", "[^a]", "# {}", "", " {} ", "{}*", "*/{}", "**/{}/**", "!{}/*", "!{}/sub", "{}/sub/..", "!**/*.py",
    "**/d*/**", "a/../{}", "../{}", "!/{}", "**/[!a]", "{}/**/a", "**/**/{}", ".*",
)  # fmt: skip


def write(draft: Draft) -> list[str]:
    """The script's lines; `draft.context` then holds what they make."""
    lines: list[str] = []
    for _ in range(draft.rng.randint(2, 8)):
        kinds = (_file, _file, _file, _directory, _directory, _symlink, _hard_links, _archive, _fifo, _mode)
        lines += draft.pick(kinds)(draft)
    if draft.chance(0.25):
        lines.append(_ignore_file(draft))
    return lines or ["true"]


def _place(draft: Draft) -> str:
    """Where something new comes to lie: at the top, or in a directory."""
    parent = draft.pick(draft.context.directories) + "/" if draft.context.directories and draft.chance(0.5) else ""
    return parent + draft.name()


def _free(draft: Draft) -> str:
    for _ in range(20):
        path = _place(draft)
        if path not in draft.context.everything():
            return path
    return f"free{draft.number()}"


def _file(draft: Draft) -> list[str]:
    path = _free(draft)
    draft.context.files.append(path)
    if draft.chance(0.05):
        return [f"head -c {draft.pick((4096, 32768, 70001))} /dev/zero > {shell('./' + path)}"]
    return [f"printf '{draft.pick(_CONTENTS)}' > {shell('./' + path)}"]


def _directory(draft: Draft) -> list[str]:
    path = _free(draft)
    draft.context.directories.append(path)
    mode = f"-m {draft.pick(MODES[2:8])} " if draft.chance(0.3) else ""
    lines = [f"mkdir {mode}{shell('./' + path)}"]
    for _ in range(draft.rng.randint(0, 3)):
        inner = f"{path}/{draft.name()}"
        if inner in draft.context.everything():
            continue
        if draft.chance(0.3):
            draft.context.directories.append(inner)
            lines.append(f"mkdir {shell('./' + inner)}")
        else:
            draft.context.files.append(inner)
            lines.append(f"echo {draft.number()} > {shell('./' + inner)}")
    return lines


def _symlink(draft: Draft) -> list[str]:
    path = _free(draft)
    known = [name.rpartition("/")[2] for name in draft.context.everything()] or ["a"]
    targets = (
        draft.pick(known), f"../{draft.pick(known)}", f"/{draft.pick(draft.context.everything() or ['a'])}", "nowhere/at all",
        path.rpartition("/")[2], "/data/dir", "/data/file", "../../../etc/passwd", ".", "..", "/", f"./{draft.pick(known)}/",
    )  # fmt: skip
    draft.context.links.append(path)
    return [f"ln -s -- {shell(draft.pick(targets))} {shell('./' + path)}"]


def _hard_links(draft: Draft) -> list[str]:
    first = f"hard{draft.number()}"
    lines = [f"echo {first} > {first}"]
    draft.context.files.append(first)
    for _ in range(draft.rng.randint(1, 2)):
        parent = draft.pick(draft.context.directories) + "/" if draft.context.directories and draft.chance(0.7) else ""
        path = f"{parent}hard{draft.number()}"
        draft.context.files.append(path)
        lines.append(f"ln {first} {shell('./' + path)}")
    return lines


def _fifo(draft: Draft) -> list[str]:
    path = _free(draft)
    draft.context.files.append(path)
    return [f"mkfifo -m {draft.pick(_FIFO_MODES)} {shell('./' + path)}"]


def _mode(draft: Draft) -> list[str]:
    known = [*draft.context.directories, *draft.context.files]
    if not known:
        return []
    path = draft.pick(known)
    mode = draft.pick(MODES[2:8] if path in draft.context.directories else MODES)
    return [f"chmod {mode} {shell('./' + path)}"]


def _archive(draft: Draft) -> list[str]:
    """A tar of a directory of its own, with owners; sometimes with names that begin with `/` or climb."""
    path = _free(draft)
    draft.context.files.append(path)
    inside = [f"{draft.name()}" for _ in range(draft.rng.randint(1, 3))]
    make = "; ".join(f"echo {draft.number()} > {shell('t/' + name)}" for name in inside)
    extra = draft.pick(
        (
            "mkdir -p t/dd/e; echo e > t/dd/e/f",
            "ln -s dd t/l; mkdir t/dd; echo x > t/dd/x",
            "mkdir -m 1777 t/s; echo s > t/s/s; chmod 4711 t/s/s",
            "echo h > t/hard1; ln t/hard1 t/hard2",
            "mkfifo t/p; ln -s nowhere t/dangling",
            "mkdir -p t/data/dir; echo new > t/data/dir/a",
            "chown 1234:5678 t/*; chmod 700 t",
        )
    )
    options = draft.pick(
        (
            "",
            "",
            "",
            "--owner=7 --group=8",
            "-P --transform s,^./,/abs/,",
            "--format=ustar",
            "--format=gnu",
            "-P --transform s,^./,../up/,",
        )
    )
    flags = (draft.pick(("", "", "-z", "-j", "--zstd")), options)
    what = draft.pick((".", ".", ". .", "$(ls -A t | sed 's,^,./,' | grep -v ' ')"))
    return [f"mkdir t; {make}; {extra}; tar {' '.join(filter(None, flags))} -cf {shell('./' + path)} -C t {what}; rm -r t"]


def _ignore_file(draft: Draft) -> str:
    """Without control characters, which Docker's client can't send, and without backslashes: patternmatcher takes them into a
    regular expression (`\\d` is a digit), and where that is none (`\\k`) the second COPY kills the engine."""
    names = [name for name in draft.context.everything() if not re.search(r"[\x00-\x1f\\]|a\[b", name)] or ["a"]
    pieces = [name.rpartition("/")[2] for name in names]
    rules = [
        draft.pick(_PATTERNS).replace("{}", draft.pick(names if draft.chance(0.6) else pieces))
        for _ in range(draft.rng.randint(1, 5))
    ]
    rules = [rule for rule in rules if rule.strip() != "!"]
    return "printf '%s\\n' " + " ".join(map(shell, rules or ["#"])) + " > .dockerignore"


def subtree(draft: Draft, path: str) -> Tree:
    """What is below a directory of the context."""
    return draft.context.below(path)
