"""An outline gives what the whole tree gives: the same layers, the same errors."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from builder.cancel import Cancel
from builder.errors import RootfsError
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER
from builder.ops import Copy, FromContext, MakeDir
from builder.rootfs import Rootfs, SourceTree
from builder.rootfs.left import WORTHWHILE
from builder.rootfs.owner import Owners
from builder.rootfs.plain import PlainRootfs
from builder.sandbox import overlayfs
from builder.stage_tree import StageTree
from builder.trees import Trees, opened_trees
from builder.values import replace
from tests.support.layers import EPOCH, entries, layer_of
from tests.support.overlays import with_own_mounts
from tests.support.tree import make_tar, make_tree, member, tree_dump

Op = Copy | MakeDir
Member = tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]
PASSWD = b"root:x:0:0::/root:/bin/sh\nann:x:5:6::/:\n"
LONG = PASSWD * (WORTHWHILE // len(PASSWD) + 1)
"""So much that it isn't copied into an outline."""


def packed(*members: Member) -> Layer:
    return layer_of(make_tar(*members))


@dataclass(slots=True, kw_only=True)
class Stage:
    """Carries out ops on `layers`; `made` are the trees that were needed for it."""

    trees: Trees
    directory: Path
    layers: Sequence[Layer]
    context: Path
    outline: bool
    made: list[Rootfs] = field(default_factory=list)

    def make(self, layers: Sequence[Layer], outline: bool) -> Rootfs:
        place = self.directory / f"tree-{len(self.made)}"
        self.made.append(self.trees.make(place, layers, ops=9, outline=outline))
        return self.made[-1]

    def results(self, ops: Sequence[Op]) -> list[str]:
        """A text for each op's layer, up to the first that fails, and what it says."""
        self.directory.mkdir()
        tree, found = StageTree(self.layers, self.make, outline=self.outline), list[str]()
        source = SourceTree(path=self.context, owners=Owners(self.directory))
        try:
            for op in ops:
                layer = tree.change(lambda rootfs, op=op: self.layer(op, rootfs, source))  # type: ignore[misc]
                tree.grow(layer)
                found.append("\n".join([f"{op}", str(layer.diff_id), *entries(layer)]))
        except RootfsError as error:
            found.append(error.message)
        return found

    def layer(self, op: Op, rootfs: Rootfs, source: SourceTree) -> Layer:
        changes = rootfs.copy(op, source, leave=self.outline) if isinstance(op, Copy) else rootfs.make_dir(op)
        return rootfs.pack(changes, to=self.directory, media_type=OCI_LAYER, newest=EPOCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """The whole tree's results, those of the outline, and the trees that this has needed."""

    whole: list[str]
    outline: list[str]
    made: list[Rootfs]


def both(directory: Path, layers: Sequence[Layer], ops: Sequence[Op], *, on_overlays: bool = False) -> Both:
    context = directory / "context"
    work = directory / "work"
    work.mkdir()
    with opened_trees(work, directory / "layers", wanted=on_overlays, suits=lambda: True, cancel=Cancel()) as trees:
        outline = Stage(trees=trees, directory=work / "outline", layers=layers, context=context, outline=True)
        with_outline = outline.results(ops)
        whole = Stage(trees=trees, directory=work / "whole", layers=layers, context=context, outline=False)
        return Both(whole=whole.results(ops), outline=with_outline, made=outline.made)


def copy(*paths: str, to: str, chown: str | None = None, unpack: bool = False) -> Copy:
    return Copy(source=FromContext(), paths=paths, destination=to, chown=chown, unpack=unpack)


def add(path: str, to: str) -> Copy:
    return copy(path, to=to, unpack=True)


BASE = (
    packed(
        member("./", type=tarfile.DIRTYPE, mode=0o751, mtime=3),
        member("app", type=tarfile.DIRTYPE, mode=0o2710, uid=7, gid=8, mtime=11, pax_headers={"SCHILY.xattr.user.k": "v"}),
        (member("app/file", mode=0o640), b"content"),
        member("app/again", type=tarfile.LNKTYPE, linkname="app/file"),
        member("app/gone", type=tarfile.DIRTYPE, mode=0o700),
        (member("app/gone/file"), b"x"),
        member("app/emptied", type=tarfile.DIRTYPE, mode=0o711),
        (member("app/emptied/file"), b"x"),
        member("link", type=tarfile.SYMTYPE, linkname="/app"),
        member("to-file", type=tarfile.SYMTYPE, linkname="app/file"),
        (member("etc/passwd"), PASSWD),
    ),
    packed(member("app/.wh.gone"), member("app/emptied/.wh..wh..opq"), (member("later/file"), b"y")),
)
CONTEXT: dict[str, str | bytes | None] = {
    "f": "new",
    "d/file": "1",
    "d/sub/file": "2",
    "file/x": "3",
    "much/file": LONG + b"much",
    "more/file": LONG + b"more",
    "links.tar": make_tar((member("own"), b"o"), member("two", type=tarfile.LNKTYPE, linkname="own")),
    "theirs.tar": make_tar(member("two", type=tarfile.LNKTYPE, linkname="app/file"), (member("app/z"), b"z")),
}
CASES: list[tuple[str, tuple[Op, ...], str]] = [
    ("into a directory, which keeps what it is", (copy("f", to="/app/"),), "app b'5' 2710 7:8"),
    ("through a link", (copy("d", to="/link/new"),), "app/new/sub/file"),
    ("through a link to a file", (copy("f", to="/to-file"),), "app/file"),
    ("over one name of a file", (copy("f", to="/app/again"),), "app/again b'0' 644"),
    ("to where something was", (copy("f", to="/app/gone/f"),), "app/gone b'5' 2755 0:8"),
    ("a directory over one", (copy("d", to="/app/emptied"),), "app/emptied b'5' 711"),
    ("a directory over a file", (copy("d", to="/app/file"),), "can't copy a directory over"),
    ("a tree with a directory over a file", (copy(".", to="/app"),), "can't copy a directory over"),
    ("below a file", (copy("f", to="/later/file/f"),), "Not a directory"),
    ("a user", (copy("f", to="/f", chown="ann"),), "f b'0' 644 5:6"),
    ("a user who was copied", (copy("users", to="/etc/passwd"), copy("f", to="/f", chown="eve")), "f b'0' 644 70:80"),
    ("WORKDIR", (MakeDir(path="/app/new/er", user="ann"),), "app/new/er b'5' 2755 5:6"),
    ("WORKDIR that is there", (MakeDir(path="/link"), copy("f", to="/f")), "f b'0' 644"),
    ("WORKDIR on a file", (MakeDir(path="/to-file"),), "can't make the directory"),
    ("an archive", (add("links.tar", "/app"),), "app/two b'1'"),
    ("much", (copy("much", to="/app"),), "app/file b'0' 644"),
    ("much over much", (copy("much/file", "more/file", to="/app/"),), "app/file b'0' 644"),
    ("little over much", (copy("much/file", "d/file", to="/app/"),), "app/file b'0' 644"),
    ("much over little, in two steps", (copy("d/file", to="/app/"), copy("more/file", to="/app/")), "app/file b'0' 644"),
    ("names of one file", (copy("names", to="/app/"),), "app/b b'1'"),
    ("a long table of users", (copy("long", to="/etc/passwd"),), "etc/passwd b'0' 644"),
]  # fmt: skip


@pytest.fixture
def context(tmp_path: Path) -> Path:
    made = make_tree(tmp_path / "context", CONTEXT | {"users": b"eve:x:70:80::/:\n", "long": LONG, "names/b": LONG})
    for name in ("c", "a"):
        os.link(made / "names/b", made / "names" / name)
    return made


@pytest.mark.parametrize(("ops", "shows"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.usefixtures("context")
def test_an_outline_is_enough(ops: tuple[Op, ...], shows: str, tmp_path: Path) -> None:
    done = both(tmp_path, BASE, ops)
    assert done.outline == done.whole
    assert shows in done.outline[-1]
    assert [rootfs.is_outline for rootfs in done.made] == [True]


LINKED = packed(member("etc/passwd", type=tarfile.SYMTYPE, linkname="/store/names"), (member("store/names"), PASSWD))
HARD = packed((member("etc/names"), PASSWD), member("etc/passwd", type=tarfile.LNKTYPE, linkname="etc/names"))


@pytest.mark.parametrize(
    ("layers", "ops", "shows"),
    [
        ((LINKED,), (copy("f", to="/f", chown="ann"),), "f b'0' 644 5:6"),
        ((HARD,), (MakeDir(path="/w", user="ann"),), "w b'5' 755 5:6"),
        (BASE, (add("theirs.tar", "/"),), "two b'0' 640 0:0 7"),
        ((), (copy("long", to="/etc/passwd"), copy("f", to="/f", chown="ann")), "f b'0' 644 5:6"),
    ],
)
@pytest.mark.usefixtures("context")
def test_a_whole_tree_is_made_when_an_outline_is_not_enough(
    layers: tuple[Layer, ...], ops: tuple[Op, ...], shows: str, tmp_path: Path
) -> None:
    done = both(tmp_path, layers, (copy("d", to="/before/"), *ops))
    assert done.outline == done.whole
    assert shows in done.outline[-1]
    assert [rootfs.is_outline for rootfs in done.made] == [True, False]


def test_an_outline_has_all_names_and_no_contents(tmp_path: Path) -> None:
    replaced = (
        (member("f"), b"1"),
        member("f", type=tarfile.SYMTYPE, linkname="etc"),
        (member("g"), b"2"),
        member("h", mode=0o4755),
    )
    layers = (*BASE, packed(*replaced, member("etc/group", type=tarfile.FIFOTYPE)))
    with opened_trees(tmp_path, tmp_path / "layers", wanted=False, suits=lambda: True, cancel=Cancel()) as trees:
        outline, whole = (trees.make(tmp_path / str(kind), layers, ops=1, outline=kind) for kind in (True, False))
    shown, expected = (tree_dump(rootfs.path, times=True) for rootfs in (outline, whole))
    files = {name for name, entry in expected.items() if entry.startswith(("file", "fifo")) and name != "/etc/passwd"}
    assert {name: "" if name in files else entry for name, entry in shown.items()} == {
        name: "" if name in files else entry for name, entry in expected.items()
    }
    assert all("empty" in shown[name] for name in files)
    assert len({os.lstat(outline.path / name[1:]).st_ino for name in files}) < len(files)


@pytest.mark.parametrize("outline_first", [True, False])
def test_what_an_outline_is_made_of_is_kept_when_a_layer_is_read_for_whatever(outline_first: bool, tmp_path: Path) -> None:
    unreadable = [replace(layer, blob=replace(layer.blob, open=pytest.fail)) for layer in BASE]
    found = list[dict[str, str]]()
    for layers, outline in ((BASE, outline_first), (unreadable, True)):
        with opened_trees(tmp_path, tmp_path / "layers", wanted=False, suits=lambda: True, cancel=Cancel()) as trees:
            rootfs = trees.make(tmp_path / f"tree-{len(found)}", layers, ops=1, outline=outline)
            found.append(tree_dump(rootfs.path, times=True))
            assert (trees.has(layers), trees.has(layers, outline=True)) == (False, True)
    assert found[0].keys() == found[1].keys()
    assert found[1]["/etc/passwd"] == found[0]["/etc/passwd"]


def test_an_outline_is_not_made_of_the_wrong_layer(tmp_path: Path) -> None:
    wrong = replace(BASE[0], blob=BASE[1].blob)
    with opened_trees(tmp_path, tmp_path / "layers", wanted=False, suits=lambda: True, cancel=Cancel()) as trees:
        with pytest.raises(RootfsError, match="expected"):
            trees.make(tmp_path / "outline", [wrong], ops=1, outline=True)
        assert not trees.has([wrong], outline=True)


@with_own_mounts
def test_an_outline_is_made_only_of_what_lies_not_unpacked(tmp_path: Path) -> None:
    reason = overlayfs.unsuitable(tmp_path)
    if reason:
        pytest.skip(f"overlays can't be tested here: {reason}")
    unreadable = replace(BASE[0], blob=replace(BASE[0].blob, open=pytest.fail))
    with opened_trees(tmp_path, tmp_path / "layers", wanted=True, suits=lambda: True, cancel=Cancel()) as trees:
        trees.make(tmp_path / "whole", BASE[:1], ops=1)
        rootfs = trees.make(tmp_path / "outline", (unreadable, BASE[1]), ops=1, outline=True)
        assert (rootfs.is_outline, (rootfs.path / "app/file").read_text()) == (True, "content")
        assert [trees.has(BASE, outline=outline) for outline in (True, False)] == [True, False]


_DIRECTORIES, _FILES = ("a", "b", "etc"), ("f", "g", "passwd")


class Dice:
    """Random layers, contexts and ops over few names, so that they meet."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._files: list[str] = []

    def path(self, names: Sequence[str] = (*_DIRECTORIES, *_FILES)) -> str:
        """A last name of `names`, mostly."""
        last = self.random.choice(names if self.random.random() < 0.9 else (*_DIRECTORIES, *_FILES))
        return "/".join([*self.random.choices(_DIRECTORIES, k=self.random.randint(0, 2)), last])

    def layers(self, directory: Path) -> list[Layer]:
        """Some that can be unpacked over one another."""
        found, rootfs = [packed((member("etc/passwd"), PASSWD))], PlainRootfs(directory / "tried")
        while len(found) < self.random.randint(3, 5):
            layer = packed(*(self.member() for _ in range(self.random.randint(1, 4))))
            with suppress(RootfsError), layer.blob.open() as stream:
                rootfs.unpack(stream)
                found.append(layer)
        return found

    def member(self) -> Member:
        random, path, directory = self.random, self.path(_FILES), self.path(_DIRECTORIES)
        fields = {"uid": random.randint(0, 2), "gid": random.randint(0, 2), "mtime": random.randint(1, 99)}
        kinds: list[Callable[[], Member]] = [
            lambda: member(directory, type=tarfile.DIRTYPE, mode=random.choice((0o755, 0o700, 0o2755, 0o1777)), **fields),
            lambda: member(path, type=tarfile.SYMTYPE, linkname=random.choice((self.path(), f"/{self.path()}", "..")), **fields),
            lambda: member(f"{os.path.dirname(path)}/.wh.{os.path.basename(path)}".lstrip("/")),
            lambda: member(f"{directory}/.wh..wh..opq"),
            lambda: self.file(path, **fields),
            lambda: self.file("etc/passwd", **fields),
            lambda: member(path, type=tarfile.LNKTYPE, linkname=random.choice(self._files or ["none"]), **fields),
        ]
        return random.choices(kinds, weights=(6, 3, 1, 1, 6, 1, 1))[0]()

    def file(self, path: str, **fields: object) -> Member:
        self._files.append(path)
        content = self.random.choice((PASSWD, PASSWD.replace(b"5:6", b"7:8"), b""))
        return member(path, mode=self.random.choice((0o644, 0o755)), **fields), content

    def context(self, directory: Path) -> None:
        """Nothing is written through a link: it leads to this machine's own files."""
        directory.mkdir()
        for _ in range(self.random.randint(3, 8)):
            path = directory / self.path(_FILES)
            if path.resolve() != directory.resolve() / path.relative_to(directory):
                continue
            with suppress(OSError):  # something may be in the way
                path.parent.mkdir(parents=True, exist_ok=True)
                if self.random.random() < 0.2:
                    path.symlink_to("/" + self.path())
                elif self.random.random() < 0.3:
                    path.write_bytes(make_tar(*(self.member() for _ in range(3))))
                else:
                    path.write_bytes(self.random.choice((PASSWD, PASSWD, LONG)))

    def op(self, context: Path) -> Op:
        random = self.random
        if random.random() < 0.2:
            return MakeDir(path=f"/{self.path()}", user=random.choice(("", "ann", "3")))
        found = sorted(str(path.relative_to(context)) for path in context.rglob("*") if path.exists() and not path.is_symlink())
        return Copy(
            source=FromContext(),
            paths=(random.choice([*found, "."]),),
            destination=random.choice(("/", f"/{self.path(_FILES)}", f"/{self.path(_DIRECTORIES)}/")),
            chown=random.choice((None, "ann", "0:ann", "4:4")),
            chmod=random.choice((None, "0700")),
            unpack=random.random() < 0.4,
            parents=random.random() < 0.2,
        )


def rolled(seed: int, directory: Path, *, on_overlays: bool = False) -> Both:
    dice = Dice(seed)
    layers = dice.layers(directory)
    dice.context(directory / "context")
    ops = [dice.op(directory / "context") for _ in range(4)]
    return both(directory, layers, ops, on_overlays=on_overlays)


_COUNT = int(os.environ.get("MASU_OUTLINES", "60"))


@pytest.mark.parametrize("seed", range(_COUNT))
def test_random_ops_on_an_outline_give_the_layers_of_the_whole_tree(seed: int, tmp_path: Path) -> None:
    done = rolled(seed, tmp_path)
    assert done.outline == done.whole


@pytest.mark.parametrize("seed", range(_COUNT // 3))
@with_own_mounts
def test_they_do_on_overlays(seed: int, tmp_path: Path) -> None:
    reason = overlayfs.unsuitable(tmp_path)
    if reason:
        pytest.skip(f"overlays can't be tested here: {reason}")
    done = rolled(seed, tmp_path, on_overlays=True)
    assert done.outline == done.whole
