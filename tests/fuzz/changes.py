"""Random worlds, and random changes of them: of what steps can see, and of what they can't."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeVar

from tests.fuzz.worlds import CopyFiles, CopyText, Line, Mount, Node, Run, Setting, Stage, World

T = TypeVar("T")
_NAMES = "abcdefgh"
_IMAGES = {"base": "base files;B=1", "same": "base files;B=1", "other": "other files", "more": "more files"}
_MODES = (0o644, 0o600, 0o755)
_DIRECTORY_MODES = (0o755, 0o700, 0o750)
_NOTES = (("#", "said"), ("LABEL", "a=b"), ("EXPOSE", "80"), ("CMD", '["x"]'), ("STOPSIGNAL", "9"), ("VOLUME", "/v"))


# --- worlds ------------------------------------------------------------------------------------------------------------------


def random_world(rng: Random) -> World:
    world = World(tree={"": Node(kind="dir", mode=0o755)}, ignored=["never"], images=dict(_IMAGES), stages=[])
    _grow(world, rng, "", depth=0)
    for number in range(rng.randint(1, 4)):
        base = rng.choice([*(stage.name for stage in world.stages), "base", "base", "more"])
        first: list[Line] = [Run(number=number * 100, word="begin")]
        stage = Stage(name=f"s{number}", base=base, lines=first)
        stage.lines += [_random_line(world, rng, number * 100 + position) for position in range(1, rng.randint(2, 8))]
        world.stages.append(stage)
    world.args = {f"A{number}": "given" for number in range(3) if rng.random() < 0.3}
    return world


def _grow(world: World, rng: Random, directory: str, *, depth: int) -> None:
    for name in _NAMES[: rng.randint(2, 4)]:
        path = f"{directory}/{name}" if directory else name
        if depth < 3 and rng.random() < 0.5:
            world.tree[path] = Node(kind="dir", mode=0o755)
            _grow(world, rng, path, depth=depth + 1)
        elif rng.random() < 0.15:
            world.tree[path] = Node(kind="link", text=rng.choice(_NAMES))
        else:
            world.tree[path] = Node(kind="file", text=rng.choice(("one", "two", "")), mode=rng.choice(_MODES))


def _random_line(world: World, rng: Random, number: int) -> Line:
    stages = [stage.name for stage in world.stages]
    kind = rng.choice(("run", "run", "copy", "copy", "copy", "text", "from", "set", "set"))
    if kind == "run":
        mounts = [_random_mount(world, rng, f"/m{index}") for index in range(rng.choice((0, 0, 1, 2)))]
        form = rng.choice(("shell", "shell", "exec", "heredoc"))
        return Run(number=number, word=rng.choice(("x", "y")), form=form, mounts=mounts)
    if kind == "text":
        return CopyText(body=rng.choice(("text", "more\ntext")), destination=f"/t{number}")
    if kind == "set":
        return _random_setting(rng)
    place = rng.choice((f"/c{number}/", f"c{number}/", f"/$E0/c{number}/"))
    if kind == "from":
        return CopyFiles(source="/out", destination=place, origin=rng.choice([*stages, "other"]))
    flags = {name: value for name, value in (("chown", "5:6"), ("chmod", "600")) if rng.random() < 0.2}
    verb = rng.choice(("COPY", "COPY", "ADD"))
    return CopyFiles(source=_source(world, rng), destination=place, flags=flags, verb=verb, link=rng.random() < 0.15)


def _source(world: World, rng: Random) -> str:
    return rng.choice([path for path, node in world.tree.items() if node.kind in ("dir", "file") and world.visible(path)])


def _random_mount(world: World, rng: Random, target: str) -> Mount:
    of = rng.choice(["context", "context", "cache", "secret", "tmpfs", "image", *["stage"] * bool(world.stages)])
    directories = [path for path, node in world.tree.items() if node.kind == "dir"]
    names = {"context": directories, "stage": [stage.name for stage in world.stages], "image": ["other", "more"]}
    return Mount(of=of, name=rng.choice(names.get(of, ["one", "two"])), target=target)


def _random_setting(rng: Random) -> Setting:
    keyword = rng.choice(("ENV", "ENV", "ARG", "ARG", "USER", "WORKDIR", "SHELL"))
    number = rng.randint(0, 2)
    values = {"USER": ("0", "7", "7:8"), "WORKDIR": ("/w", "v"), "SHELL": ("/bin/sh", "/bin/ash"), "ENV": ("1", "2", "${A0}x")}
    return Setting(keyword=keyword, name=f"{keyword[0]}{number}", value=rng.choice(values.get(keyword, ("1", "2"))))


# --- changes -----------------------------------------------------------------------------------------------------------------


def change(world: World, rng: Random) -> str:
    """Change one thing at random; says what."""
    while True:
        made = rng.choice(CHANGES)
        if made(world, rng):
            return made.__name__


def _pick(items: list[T], rng: Random) -> T | None:
    return rng.choice(items) if items else None


def _paths(world: World, *kinds: str) -> list[str]:
    return [path for path, node in world.tree.items() if path and node.kind in kinds]


def _free(world: World, *kinds: str) -> list[str]:
    """Paths that may go: neither named in the Dockerfile nor above what is, and no other name of a file."""
    named = [line.source for _, line in _lines(world, CopyFiles)]
    named += [mount.name for _, run in _lines(world, Run) for mount in run.mounts if mount.of == "context"]
    named += [node.text for node in world.tree.values() if node.kind == "same"]
    return [path for path in _paths(world, *kinds) if not any(f"{name}/".startswith(f"{path}/") for name in named)]


def _lines(world: World, kind: type[T]) -> list[tuple[Stage, T]]:
    return [(stage, line) for stage in world.stages for line in stage.lines if isinstance(line, kind)]


def content(world: World, rng: Random) -> bool:
    if path := _pick(_paths(world, "file"), rng):
        world.tree[path].text = rng.choice(("eno", "three", "two"))
    return bool(path)


def mode(world: World, rng: Random) -> bool:
    if path := _pick(_paths(world, "file"), rng):
        world.tree[path].mode = rng.choice(_MODES)
    return bool(path)


def mode_of_a_directory(world: World, rng: Random) -> bool:
    path = rng.choice([path for path, node in world.tree.items() if node.kind == "dir"])
    world.tree[path].mode = rng.choice(_DIRECTORY_MODES)
    return True


def name(world: World, rng: Random) -> bool:
    if path := _pick(_free(world, "file", "link", "dir"), rng):
        moved = {old: node for old, node in world.tree.items() if f"{old}/".startswith(f"{path}/")}
        for old in moved:
            del world.tree[old]
        world.tree |= {f"{path}z{old[len(path) :]}": node for old, node in moved.items()}
    return bool(path)


def gone(world: World, rng: Random) -> bool:
    if path := _pick(_free(world, "file", "link", "dir"), rng):
        inside = [old for old in world.tree if f"{old}/".startswith(f"{path}/")]
        for old in inside:
            del world.tree[old]
    return bool(path)


def new(world: World, rng: Random) -> bool:
    directory = rng.choice([path for path, node in world.tree.items() if node.kind == "dir"])
    node = rng.choice((Node(kind="file", text="new"), Node(kind="dir", mode=0o755), Node(kind="link", text="a")))
    world.tree[f"{directory}/new".lstrip("/")] = node
    return True


def link_target(world: World, rng: Random) -> bool:
    if path := _pick(_paths(world, "link"), rng):
        world.tree[path].text += "x"
    return bool(path)


def file_made_a_link(world: World, rng: Random) -> bool:
    if path := _pick(_free(world, "file"), rng):
        world.tree[path] = Node(kind="link", text="b")
    return bool(path)


def hard_link(world: World, rng: Random) -> bool:
    path, other = _pick(_free(world, "file"), rng), _pick(_paths(world, "file"), rng)
    if not path or not other or path == other:
        return False
    world.tree[path] = Node(kind="same", text=other)
    return True


def swapped(world: World, rng: Random) -> bool:
    paths = _paths(world, "file")
    if len(paths) < 2:
        return False
    one, two = rng.sample(paths, 2)
    world.tree[one].text, world.tree[two].text = world.tree[two].text, world.tree[one].text
    return True


def rule(world: World, rng: Random) -> bool:
    world.ignored.append(rng.choice([*_free(world, "file", "dir", "link"), "nothing"]))
    return True


def value(world: World, rng: Random) -> bool:
    if found := _pick(_lines(world, Setting), rng):
        other = _random_setting(rng)
        while other.keyword != found[1].keyword:
            other = _random_setting(rng)
        found[1].value = other.value
    return bool(found)


def argument(world: World, rng: Random) -> bool:
    world.args[f"A{rng.randint(0, 4)}"] = rng.choice(("1", "2", "given"))
    return True


def word(world: World, rng: Random) -> bool:
    rng.choice(_lines(world, Run))[1].word = rng.choice(("x", "y", "z"))
    return True


def form(world: World, rng: Random) -> bool:
    rng.choice(_lines(world, Run))[1].form = rng.choice(("shell", "exec", "heredoc"))
    return True


def body(world: World, rng: Random) -> bool:
    if found := _pick(_lines(world, CopyText), rng):
        found[1].body = rng.choice(("text", "texts", "text\n"))
    return bool(found)


def mount(world: World, rng: Random) -> bool:
    if found := _pick([mount for _, run in _lines(world, Run) for mount in run.mounts], rng):
        part = rng.choice(("target", "name", "detail"))
        if part == "target":
            found.target += "x"
        elif part == "name" and found.of in ("cache", "secret"):
            found.name += "x"
        else:
            found.detail = {"secret": ",mode=0444", "tmpfs": ",size=64k", "cache": ",mode=0700"}.get(found.of, ",rw")
    return bool(found)


def one_mount_more(world: World, rng: Random) -> bool:
    run = rng.choice(_lines(world, Run))[1]
    at_first = World(tree=world.tree, ignored=world.ignored, images=world.images, stages=[])  # no stage may need a later one
    run.mounts.append(_random_mount(at_first, rng, f"/m{len(run.mounts)}"))
    return True


def image(world: World, rng: Random) -> bool:
    chosen = rng.choice(list(world.images))
    files, _, variables = world.images[chosen].partition(";")
    world.images[chosen] = rng.choice((f"{files}x;{variables}", f"{files};{variables} B2=1"))
    return True


def base(world: World, rng: Random) -> bool:
    stages = [stage for stage in world.stages if stage.base in world.images]
    rng.choice(stages).base = rng.choice(("base", "same", "more"))
    return True


def part_of_a_copy(world: World, rng: Random) -> bool:
    if found := _pick(_lines(world, CopyFiles), rng):
        line, part = found[1], rng.choice(("chmod", "chown", "destination", "link", "verb"))
        if part in ("chmod", "chown"):
            line.flags[part] = {"chmod": "640", "chown": "5:7"}[part]
        elif part == "destination":
            line.destination = f"/new{line.destination}"
        elif part == "link":
            line.link = not line.link
        else:
            line.verb = "COPY"
    return bool(found)


def note(world: World, rng: Random) -> bool:
    keyword, text = rng.choice(_NOTES)
    _insert(world, rng, Setting(keyword=keyword, value=text))
    return True


def setting(world: World, rng: Random) -> bool:
    _insert(world, rng, _random_setting(rng))
    return True


def step(world: World, rng: Random) -> bool:
    _insert(world, rng, CopyText(body="inserted", destination="/inserted"))
    return True


def step_less(world: World, rng: Random) -> bool:
    stage = rng.choice(world.stages)
    if len(stage.lines) < 2:
        return False
    del stage.lines[rng.randrange(1, len(stage.lines))]
    return True


def order(world: World, rng: Random) -> bool:
    stage = rng.choice(world.stages)
    if len(stage.lines) < 3:
        return False
    place = rng.randrange(1, len(stage.lines) - 1)
    stage.lines[place : place + 2] = stage.lines[place : place + 2][::-1]
    return True


def unused_stage(world: World, rng: Random) -> bool:
    world.stages.insert(rng.randrange(len(world.stages)), Stage(name="unused", base="more", lines=[Run(number=999, word="u")]))
    return True


def stage_name(world: World, rng: Random) -> bool:
    old = rng.choice(world.stages).name
    for stage in world.stages:
        stage.name = stage.name.replace(old, f"{old}x")
        stage.base = f"{old}x" if stage.base == old else stage.base
    for _, line in _lines(world, CopyFiles):
        line.origin = f"{old}x" if line.origin == old else line.origin
    for _, run in _lines(world, Run):
        for found in run.mounts:
            found.name = f"{old}x" if (found.of, found.name) == ("stage", old) else found.name
    return True


def host(world: World, rng: Random) -> bool:
    world.hosts.append(rng.choice(("x:1.2.3.4", "x:1.2.3.5")))
    return True


def times(world: World, rng: Random) -> bool:
    """Every file is written anew for each build."""
    return True


def _insert(world: World, rng: Random, line: Line) -> None:
    stage = rng.choice(world.stages)
    stage.lines.insert(rng.randint(1, len(stage.lines)), line)


CHANGES: tuple[Callable[[World, Random], bool], ...] = (
    content, mode, mode_of_a_directory, name, gone, new, link_target, file_made_a_link, hard_link, swapped, rule, value, argument,
    word, form, body, mount, one_mount_more, image, base, part_of_a_copy, note, setting, step, step_less, order, unused_stage,
    stage_name, host, times,
)  # fmt: skip
