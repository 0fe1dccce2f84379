"""Made-up RUN commands for busybox: each leaves the same behind on every filesystem, but for what tests/fuzz/known.py tells."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.draft import MODES, Draft, shell

OWNERS = ("app", "app:staff", "0:0", "33:1500", "1000", "web:", ":staff", "65534:65534", "daemon:daemon")


def script(draft: Draft) -> str:
    """One to four commands; in most cases the whole succeeds whatever they do."""
    commands = [draft.pick(_COMMANDS)(draft) for _ in range(draft.rng.randint(1, 4))]
    return "; ".join([*commands, "true"] if draft.chance(0.96) else commands)


def _file(draft: Draft) -> str:
    """A file that no other name is linked to."""
    return draft.pick([path for path in draft.stage.files if not path.rpartition("/")[2].startswith("hard")] or ["/none"])


def _directory(draft: Draft) -> str:
    return draft.pick(draft.stage.directories or ["/data"])


def _lost(draft: Draft, path: str) -> str:
    draft.stage.remove(path)
    return shell(path)


def _new(draft: Draft, kind: list[str]) -> str:
    path = draft.new_path()
    kind.append(path)
    return shell(path)


def _outside(draft: Draft, kind: list[str]) -> str:
    """A new path that lies in nothing that is copied there: what a copy of a directory into itself finds is a matter of luck."""
    path = f"/copy{draft.number()}"
    kind.append(path)
    return path


def _mkdir(draft: Draft) -> str:
    return f"mkdir {draft.pick(('-p', '-p', f'-m {draft.pick(MODES)}'))} {_new(draft, draft.stage.directories)}"


def _write(draft: Draft) -> str:
    return f"echo {draft.number()} > {_new(draft, draft.stage.files)}"


def _append(draft: Draft) -> str:
    return f"echo more >> {shell(_file(draft))}"


def _rewrite(draft: Draft) -> str:
    path = shell(_file(draft))
    return draft.pick(
        (
            f": > {path}",
            f"sed -i s/a/b/ {path}",
            f"truncate -s 3 {path}",
            f"cp -p {path} /tmp/k && cat /tmp/k > {path} && rm /tmp/k",
        )
    )


def _touch(draft: Draft) -> str:
    path = draft.pick((_file(draft), _directory(draft)))
    return f"touch {draft.pick(('', '-d @915148800', '-d @99', '-h -d @1234'))} {shell(path)}".replace("  ", " ")


def _remove(draft: Draft) -> str:
    path = draft.pick(draft.stage.everything())
    return f"rm -rf {_lost(draft, path)}" if path not in ("/tmp", "/data") else "true"


def _remake(draft: Draft) -> str:
    path = _directory(draft)
    if path in ("/tmp", "/data", "/usr/local"):
        return "true"
    draft.stage.remove(path)
    draft.stage.directories.append(path)
    draft.stage.files.append(f"{path}/again")
    return f"rm -r {shell(path)} && mkdir {shell(path)} && echo again > {shell(path)}/again"


def _other_kind(draft: Draft) -> str:
    path = draft.pick([_file(draft), *draft.stage.links])
    quoted = _lost(draft, path)
    kinds = (f"mkdir {quoted}", f"mkfifo {quoted}", f"ln -s /data/dir {quoted}", f"echo new > {quoted}")
    choice = draft.rng.randrange(len(kinds))
    if choice == 0:
        draft.stage.directories.append(path)
    return f"rm -f {quoted} && {kinds[choice]}"


def _move_file(draft: Draft) -> str:
    old = _file(draft)
    return f"mv {_lost(draft, old)} {_new(draft, draft.stage.files)}"


def _move_directory(draft: Draft) -> str:
    old = _directory(draft)
    if old in ("/tmp", "/data", "/usr/local", "/home/app"):
        return "true"
    inside = draft.stage.below(old)
    new = f"{draft.pick(('', '/srv', '/data'))}/moved{draft.number()}"
    quoted = _lost(draft, old)
    draft.stage.directories.append(new)
    draft.stage.put(new, inside)
    return f"mv {quoted} {new}"


def _symlink(draft: Draft) -> str:
    targets = (_file(draft), _directory(draft), "nowhere", "../data/file", ".", "loop")
    return f"ln -s {shell(draft.pick(targets))} {_new(draft, draft.stage.links)}"


def _hard_link(draft: Draft) -> str:
    number = draft.number()
    return f"echo h > /srv/hard{number} && ln /srv/hard{number} {draft.pick(('', '/data', '/tmp'))}/hard{draft.number()}"


def _mode(draft: Draft) -> str:
    path = draft.pick((_file(draft), _directory(draft)))
    return f"chmod {draft.pick(('', '', '-R '))}{draft.pick((*MODES, 'a+x', 'go-rwx', 'u+s,g+s', '+t', 'a=rX'))} {shell(path)}"


def _owner(draft: Draft) -> str:
    path = draft.pick(draft.stage.everything())
    return f"chown {draft.pick(('', '-h ', '-R '))}{draft.pick(OWNERS)} {shell(path)}"


def _copy(draft: Draft) -> str:
    source = draft.pick((_file(draft), _directory(draft)))
    return f"cp {draft.pick(('-a', '-r', '-rL', '-rp'))} {shell(source)} {_outside(draft, draft.stage.files)} 2> /dev/null"


def _fifo(draft: Draft) -> str:
    return f"mkfifo -m {draft.pick(MODES)} {_new(draft, draft.stage.links)}"


def _device(draft: Draft) -> str:
    return f"mknod {_new(draft, draft.stage.links)} c {draft.rng.randint(1, 9)} {draft.rng.randint(0, 300)}"


def _tar(draft: Draft) -> str:
    target = _outside(draft, draft.stage.directories)
    return f"mkdir -p {target}; tar -cf - -C {shell(_directory(draft))} . 2> /dev/null | tar -xf - -C {target} 2> /dev/null"


def _tell(draft: Draft) -> str:
    facts = ("env | sort", "id", "pwd", "umask", 'echo "$0 $# $A $B"', "cat", "ls -A", "echo ~")
    return f"({draft.pick(facts)}) > {_new(draft, draft.stage.files)} 2>&1"


def _list(draft: Draft) -> str:
    """Modes, owners and kinds as a command sees them."""
    found = f"find {shell(_directory(draft))} ! -name 'hard*' -print0 | sort -z | xargs -0 stat -c '%n %a %u %g %F'"
    return f"({found}) > {_new(draft, draft.stage.files)} 2> /dev/null"


def _masked(draft: Draft) -> str:
    return (
        f"umask {draft.pick(('077', '027', '000', '002'))}; mkdir -p /masked/{draft.number()}; echo m > /masked/f{draft.number()}"
    )


def _nothing(draft: Draft) -> str:
    return draft.pick(
        ("true", "echo x > /tmp/gone && rm /tmp/gone", "cat /data/file > /dev/null", "mkdir /tmp/e && rmdir /tmp/e")
    )


_COMMANDS: tuple[Callable[[Draft], str], ...] = (
    _mkdir, _mkdir, _write, _write, _write, _append, _rewrite, _touch, _remove, _remove, _remake, _other_kind, _move_file,
    _move_directory, _symlink, _hard_link, _mode, _mode, _owner, _owner, _copy, _fifo, _device, _tar, _tell, _tell, _list,
    _masked, _nothing,
)  # fmt: skip
