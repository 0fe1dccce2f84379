"""A fingerprint changes with everything that COPY can see, and with nothing else."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.context.local import open_directory
from builder.errors import BuilderError, ContextError
from builder.ops import Copy, FromContext
from builder.rootfs import Owners, SourceTree
from builder.rootfs.fingerprint import Fingerprint, fingerprint, fingerprint_of
from builder.rootfs.plain import PlainRootfs
from tests.builder.rootfs.conftest import needs_root
from tests.support.tree import make_tree, tree_dump

BIG = 3 << 20


def context(directory: Path) -> Path:
    make_tree(directory, {"a": "one", "d/b": "two", "d/empty": None, "d/link": "-> b", "other": "three"})
    (directory / "big").write_bytes(bytes(BIG))
    return directory


def of(directory: Path, *paths: str, **details: object) -> Fingerprint:
    op = Copy(source=FromContext(), paths=paths or ("/",), destination="/x/", **details)  # type: ignore[arg-type]
    return fingerprint(op, SourceTree(path=directory))


CHANGES = {
    "content": "printf eno > a",
    "content of a large file": f"printf x | dd of=big bs=1 seek={BIG - 1} conv=notrunc",
    "length": "printf 'one!' > a",
    "name": "mv a b",
    "name of a directory": "mv d e",
    "mode": "chmod 755 a",
    "mode of a directory": "chmod 700 d",
    "link target": "ln -sfn empty d/link",
    "link instead of a file": "ln -sf other a",
    "a new file": "touch d/new",
    "a new empty directory": "mkdir d/dir",
    "an empty directory less": "rmdir d/empty",
    "a file instead of a directory": "rmdir d/empty; touch d/empty",
    "a file in the next directory": "mv other d",
    "two contents swapped": "printf three > a; printf one > other",
    "a hard link": "ln -f other a",
    "an attribute": "setfattr -n user.x -v 1 a",
    "a pipe": "rm a; mkfifo -m 644 a",
    "a name that isn't UTF-8": "mv a $(printf '\\377')",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_shows(change: str, tmp_path: Path) -> None:
    root = context(tmp_path)
    before = of(root)
    subprocess.run(["sh", "-c", change], cwd=root, check=True, capture_output=True)
    assert of(root) != before


def test_times_and_places_do_not_show(tmp_path: Path) -> None:
    one, other = context(tmp_path / "one"), context(tmp_path / "elsewhere")
    for path in other.rglob("*"):
        os.utime(path, (time.time() - 10**6,) * 2, follow_symlinks=False)
    assert of(one) == of(other)


def test_only_what_is_copied_counts(tmp_path: Path) -> None:
    root = context(tmp_path)
    some, excluded, pattern = of(root, "a", "d"), of(root, "/", exclude=("other",)), of(root, "d/*")
    (root / "other").write_text("changed")
    assert (of(root, "a", "d"), of(root, "/", exclude=("other",)), of(root, "d/*")) == (some, excluded, pattern)
    (root / "d/b").write_text("changed")
    assert of(root, "a", "d") != some
    assert of(root, "/", exclude=("other",)) != excluded
    assert of(root, "d/*") != pattern


def test_ignored_files_do_not_count(tmp_path: Path) -> None:
    root = context(tmp_path)
    (root / ".dockerignore").write_text("other\n.dockerignore\n")
    op = Copy(source=FromContext(), paths=("/",), destination="/")
    before = fingerprint(op, _ignoring(root))
    (root / "other").write_text("changed")
    assert fingerprint(op, _ignoring(root)) == before
    (root / "a").write_text("changed")
    assert fingerprint(op, _ignoring(root)) != before


def _ignoring(root: Path) -> SourceTree:
    opened = open_directory(root)
    return SourceTree(path=opened.path, ignored=opened.ignored, prunes=opened.prunes)


@needs_root
def test_owners_count_where_copy_keeps_them(tmp_path: Path) -> None:
    root = context(tmp_path / "tree")
    op, stage = Copy(source=FromContext(), paths=("/",), destination="/"), SourceTree(path=root, owners=Owners(tmp_path))
    kept, context_only = fingerprint(op, stage), of(root)
    os.chown(root / "a", 5, 6)
    assert fingerprint(op, stage) != kept
    assert of(root) == context_only


def test_entries_tell_which_file_it_was(tmp_path: Path) -> None:
    root = context(tmp_path)
    before = of(root, "d", "a").entries
    (root / "d/b").write_text("changed")
    after = of(root, "d", "a").entries
    assert sorted(before) == ["a", "d", "d/b", "d/empty", "d/link"]
    assert [path for path in after if after[path] != before[path]] == ["d/b"]


def test_a_source_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="not found"):
        of(context(tmp_path), "nowhere")


def test_a_mounts_source_is_taken_by_its_name(tmp_path: Path) -> None:
    make_tree(tmp_path, {"[d]/a": "one", "d/a": "two"})
    tree = SourceTree(path=tmp_path)
    before = fingerprint_of("/[d]", tree)
    (tmp_path / "d/a").write_text("changed")
    assert fingerprint_of("/[d]", tree) == before
    (tmp_path / "[d]/a").write_text("changed")
    assert fingerprint_of("/[d]", tree) != before


@pytest.mark.parametrize("path", ["/[d]/link/a", "/x[y/a\\b"])
def test_a_mounts_source_may_have_links_and_backslashes_after_a_wildcard(path: str, tmp_path: Path) -> None:
    make_tree(tmp_path, {"[d]/real/a": "one", "[d]/link": "-> real", "x[y/a\\b": "one"})
    tree = SourceTree(path=tmp_path)
    before = fingerprint_of(path, tree)
    make_tree(tmp_path, {"[d]/real/a": "two", "x[y/a\\b": "two"})
    assert fingerprint_of(path, tree) != before


_NAMES = st.sampled_from(["a", "b", "d/a", "d/e/b", "d.md"])
_TREES = st.dictionaries(_NAMES, st.sampled_from(["one", "two", "-> a", None]), max_size=4)
_COPIES = st.sampled_from(
    [
        {"paths": ("/",)},
        {"paths": ("d*",)},
        {"paths": ("/",), "exclude": ("d/e", "*.md")},
        {"paths": ("d/*/b", "a*"), "parents": True},
        {"paths": ("?", "d*")},
    ]
)


@given(_TREES, _TREES, _COPIES)
@settings(max_examples=150, deadline=None)
def test_equal_fingerprints_mean_equal_copies(one: dict[str, str], other: dict[str, str], told: dict[str, object]) -> None:
    op = Copy(source=FromContext(), destination="/x/", **told)  # type: ignore[arg-type]
    (first, copied), (second, again) = _tried(one, op), _tried(other, op)
    assert (first == second) <= (copied == again)


def _tried(tree: dict[str, str], op: Copy) -> tuple[Fingerprint | str, dict[str, str]]:
    """Fingerprint and result of a copy of the tree; a source that isn't there is told by both."""
    with tempfile.TemporaryDirectory() as directory:
        source, target = Path(directory, "source"), Path(directory, "target")
        make_tree(source, {name: text for name, text in tree.items() if not _is_in_the_way(name, tree)})
        rootfs = PlainRootfs(target)
        try:
            digest = fingerprint(op, SourceTree(path=source))
            rootfs.copy(op, SourceTree(path=source))
        except BuilderError as error:
            return str(error), {}
        return digest, tree_dump(target)


def _is_in_the_way(name: str, tree: dict[str, str]) -> bool:
    return any(other.startswith(f"{name}/") for other in tree)


def test_a_mount_of_all_shows_the_mode_of_the_root(tmp_path: Path) -> None:
    context(tmp_path).chmod(0o755)
    mounted, copied = fingerprint_of("/", SourceTree(path=tmp_path)), of(tmp_path)
    tmp_path.chmod(0o700)
    assert fingerprint_of("/", SourceTree(path=tmp_path)) != mounted
    assert of(tmp_path) == copied
