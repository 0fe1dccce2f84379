"""--parents and --exclude. The first table is BuildKit's own (moby/buildkit, dockerfile_parents_test.go), as facts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.errors import ContextError
from builder.ops import Copy, FromContext
from builder.rootfs import SourceTree
from builder.rootfs.plain import PlainRootfs
from tests.builder.rootfs.conftest import needs_root
from tests.support.tree import make_tree, tree_dump

SOURCE: dict[str, str | bytes | None] = {
    "test/a/b/c/d/foo": "",
    "test/a/b/c/d/e/bay": "",
    "test/a/b2/c/d/e/bar": "",
    "test/a/b/c2/d/e/baz": "",
    "test/a/b/c2/d/e2/baz": "",
    "foo1/foo2/bar": "",
    "foo1/foo2/baz": "",
    "foo1/link": "-> foo2",
}


def copied(rootfs: PlainRootfs, source: Path, *sources: str, **flags: object) -> set[str]:
    """The files and the directories that hold none, below /out."""
    op = Copy(source=FromContext(), paths=sources, destination="/out/", **flags)  # type: ignore[arg-type]
    rootfs.copy(op, SourceTree(path=source))
    found = {path.removeprefix("/out/") for path in tree_dump(rootfs.path) if path.startswith("/out/")}
    return {path for path in found if not (path.endswith("/") or not path) or not any(_is_below(other, path) for other in found)}


def _is_below(path: str, directory: str) -> bool:
    return path != directory and path.startswith(directory)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["foo1/foo2/bar"], {"foo1/foo2/bar"}),
        (["foo1/foo2/ba*"], {"foo1/foo2/bar", "foo1/foo2/baz"}),
        (["/test/a/b/./c/d"], {"c/d/foo", "c/d/e/bay"}),
        (["/test/a/b/c/d/."], {"test/a/b/c/d/foo", "test/a/b/c/d/e/bay"}),
        (["./test/a/b/c/d"], {"test/a/b/c/d/foo", "test/a/b/c/d/e/bay"}),
        (["/test/a/./b/./c"], {"b/c/d/foo", "b/c/d/e/bay"}),
        (["/test/a/./*/c"], {"b/c/d/foo", "b/c/d/e/bay", "b2/c/d/e/bar"}),
        (["/test/a/b*/./c/**/e"], {"c/d/e/bay", "c/d/e/bar"}),
        (["/test/a/b/c*/./d/**/baz", "/test/a/b*/./c/**/bar"], {"d/e/baz", "d/e2/baz", "c/d/e/bar"}),
        (["/test/a/b2*/d"], {""}),
        (["/test/a/b/./c3*"], {""}),
        (["/nothing*/./x"], {""}),
    ],
)
def test_parents_as_in_buildkit(rootfs: PlainRootfs, tmp_path: Path, sources: list[str], expected: set[str]) -> None:
    if sources == ["/nothing*/./x"]:  # no directory at all: not even the destination is made
        expected = set()
    assert copied(rootfs, make_tree(tmp_path / "source", SOURCE), *sources, parents=True) == expected


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["**/ba?"], {"foo1/foo2/bar", "foo1/foo2/baz", "test/a/b/c/d/e/bay", "test/a/b2/c/d/e/bar"}),
        (["foo1/li*"], {"foo1/link"}),
        (["foo1/link"], {"foo1/link"}),
        (["foo1/./foo2"], {"foo2/bar", "foo2/baz"}),
        (["foo1/link/./bar"], {"bar"}),
        (["foo1/../foo1/foo2/bar"], {"foo1/foo2/bar"}),
        (["../foo1/foo2/bar"], {"foo1/foo2/bar"}),
        (["test/a/**/e2"], {"test/a/b/c2/d/e2/baz"}),
    ],
)
def test_parents_of_other_shapes(rootfs: PlainRootfs, tmp_path: Path, sources: list[str], expected: set[str]) -> None:
    found = copied(rootfs, make_tree(tmp_path / "source", SOURCE), *sources, parents=True)
    assert {path for path in found if "c2/d/e" not in path or "e2" in sources[0]} == expected


@pytest.mark.parametrize("path", ["test/nonexistent-file", "foo1/./nothing", "nothing/./foo2", "foo1/foo2/bar/./x"])
def test_parents_needs_a_plain_path_to_exist(rootfs: PlainRootfs, tmp_path: Path, path: str) -> None:
    with pytest.raises(ContextError, match="not found"):
        copied(rootfs, make_tree(tmp_path / "source", SOURCE), path, parents=True)


def test_parents_without_what_is_excluded(rootfs: PlainRootfs, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "source", SOURCE)
    assert copied(rootfs, source, "test/a/b", parents=True, exclude=("**/e*", "**/foo")) == {"test/a/b/c/d/", "test/a/b/c2/d/"}


@needs_root
def test_parents_that_are_made_are_the_sources_those_that_exist_get_its_mode(rootfs: PlainRootfs, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "source", {"a/b/c": ""})
    (source / "a").chmod(0o1750)
    (source / "a/b").chmod(0o711)
    make_tree(rootfs.path, {"there/a": None})
    os.chown(rootfs.path / "there/a", 7, 8)
    for destination in ("/there", "/new"):
        op = Copy(source=FromContext(), paths=("a/b/c",), destination=destination, parents=True, chown="5:6")
        rootfs.copy(op, SourceTree(path=source))
    assert tree_dump(rootfs.path) == {
        "/new/": "dir 0755 5:6",
        "/new/a/": "dir 1750 5:6",
        "/new/a/b/": "dir 0711 5:6",
        "/new/a/b/c": "file 0644 5:6 empty",
        "/there/": "dir 0755",
        "/there/a/": "dir 1750 7:8",
        "/there/a/b/": "dir 0711 5:6",
        "/there/a/b/c": "file 0644 5:6 empty",
    }


EXCLUDED: list[tuple[list[str], set[str]]] = [
    (["foo1", "test"], {""}),
    (["foo1/foo2", "test"], {"foo1/link"}),
    (["**/ba*", "test"], {"foo1/foo2/", "foo1/link"}),
    (["*", "!foo1/foo2/bar"], {"foo1/foo2/bar"}),
    (["test", "foo1", "!foo1/foo2", "foo1/foo2/baz"], {"foo1/foo2/bar"}),
]


@pytest.mark.parametrize(("patterns", "expected"), EXCLUDED)
def test_excluded(rootfs: PlainRootfs, tmp_path: Path, patterns: list[str], expected: set[str]) -> None:
    assert copied(rootfs, make_tree(tmp_path / "source", SOURCE), ".", exclude=tuple(patterns)) == expected


def test_what_is_excluded_below_is_not_read(rootfs: PlainRootfs, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "source", SOURCE)
    seen: list[str] = []

    def ignored(path: str) -> bool:
        seen.append(path)
        return False

    op = Copy(source=FromContext(), paths=(".",), destination="/out/", exclude=("test",))
    rootfs.copy(op, SourceTree(path=source, ignored=ignored))
    assert not [path for path in seen if path.startswith("test/")]
