from __future__ import annotations

import stat

import pytest

from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.media import OCI_LAYER_ZSTD
from builder.rootfs.tree import Entry
from builder.saved_mounts.content import ENTRY, Content, File, Pack
from builder.saved_mounts.retention import PACK, choose, deleted, least_used

KB = 1024


def entries(sizes: dict[str, int]) -> dict[str, Entry]:
    """Files of these sizes, together with what a file counts beside its content."""
    return {
        path: Entry(number, 0, size - ENTRY, stat.S_IFREG | 0o644, 0, 0) for number, (path, size) in enumerate(sizes.items(), 1)
    }


def pack(name: str, size: int) -> Pack:
    digest = Digest.of(name.encode())
    return Pack(descriptor=Descriptor(media_type=OCI_LAYER_ZSTD, digest=digest, size=1), diff_id=digest, size=size)


@pytest.mark.parametrize(
    ("limit", "dropped"),
    [
        (500, set()),
        (499, {"old"}),
        (400, {"old"}),
        (399, {"old", "d/a", "d/b"}),
        (292, {"old", "d/a", "d/b", "new"}),
        (0, {"all"}),
    ],
)
def test_what_was_used_least_goes_first_and_directories_as_a_whole(limit: int, dropped: set[str]) -> None:
    files = entries({"new": 100 * KB, "d/a": 4 * KB, "d/b": 4 * KB, "old": 100 * KB, "last": 292 * KB})
    used = {"old": 1, "d/a": 1, "d/b": 2, "new": 3, "last": 4}
    found = least_used(files, used, limit=limit * KB)
    assert found == (set(files) if dropped == {"all"} else dropped)


def test_a_directory_that_is_too_much_is_taken_apart() -> None:
    files = entries({"big/a": 50 * KB, "big/b/c": 5 * KB, "big/b/d": 5 * KB, "x": 40 * KB})
    used = {"big/a": 1, "big/b/c": 2, "big/b/d": 9, "x": 5}
    assert least_used(files, used, limit=99 * KB) == {"big/a"}
    assert least_used(files, used, limit=49 * KB) == {"big/a", "big/b/c"}


def test_a_pack_that_is_half_dead_is_written_anew() -> None:
    files = entries({"a": 100, "b": 100, "c": 100})
    saved = Content(
        packs={"1": pack("1", 200), "2": pack("2", 201)}, files={"a": File("1", 0), "b": File("2", 0), "gone": File("2", 0)}
    )
    chosen = choose(files, saved, {"a", "b"}, frozenset())
    assert chosen.files == {"a": File("1", 0)}
    assert chosen.groups == (("b", "c"),)


def test_many_small_packs_become_one() -> None:
    files = entries({f"{number:02}": 5000 for number in range(17)})
    packs = {path: pack(path, 5000) for path in files}
    saved = Content(packs=packs, files={path: File(path, 0) for path in files})
    assert choose(files, saved, set(files), frozenset()).groups == (tuple(sorted(files)),)
    less = dict(list(files.items())[:16])
    assert choose(less, saved, set(less), frozenset()).groups == ()


def test_packs_end_at_their_size_and_never_between_names_of_one_file() -> None:
    files = entries({"a": PACK - 5000, "b": 4000, "c": PACK * 2, "d": 3000})
    files["e"] = files["b"]
    assert choose(files, Content(), (), frozenset()).groups == (("a",), ("b", "e"), ("c",), ("d",))


@pytest.mark.parametrize(
    ("there", "directories", "expected"),
    [
        ({"a/b/c"}, {"", "a", "a/b"}, ()),
        ({"x"}, {"", "a", "a/b"}, ("a/b/c",)),
        ({"x"}, {"", "a"}, ("a/b",)),
        ({"x"}, {""}, ("a",)),
        ({"a"}, {""}, ()),
        ({"a/b"}, {"", "a"}, ()),
        (set(), {"", "a", "a/b", "a/b/c"}, ()),
    ],
)
def test_deletions_are_told_once_and_not_where_something_else_hides_them(
    there: set[str], directories: set[str], expected: tuple[str, ...]
) -> None:
    assert deleted(there, directories, {("a/b/c", "1"), ("a/b/c", "2")}) == expected
