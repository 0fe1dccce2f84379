from __future__ import annotations

import pytest

from builder.errors import UsageError
from builder.rootfs.ignored import IgnoredPaths
from builder.rootfs.tree import Changes

_CHANGES = Changes(written=("", "a", "a/b", "a/b/c", "ab", "var/run/x", "é/y"), deleted=("a/gone", "gone"))


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        ([], "|a|a/b|a/b/c|ab|var/run/x|é/y|a/gone|gone"),
        (["/a"], "|ab|var/run/x|é/y|gone"),
        (["a/"], "|ab|var/run/x|é/y|gone"),
        (["/a/b", "/gone"], "|a|ab|var/run/x|é/y|a/gone"),
        (["/*/b"], "|a|ab|var/run/x|é/y|a/gone|gone"),
        (["/a?"], "|a|a/b|a/b/c|var/run/x|é/y|a/gone|gone"),
        (["/[a-z]/*/c"], "|a|a/b|ab|var/run/x|é/y|a/gone|gone"),
        (["/?/y"], "|a|a/b|a/b/c|ab|var/run/x|a/gone|gone"),
        (["/a/b/c/d", "/A"], "|a|a/b|a/b/c|ab|var/run/x|é/y|a/gone|gone"),
        (["/*"], ""),
    ],
)
def test_a_path_and_what_is_below_it_is_left_out(texts: list[str], kept: str) -> None:
    found = IgnoredPaths.of(texts).without(_CHANGES)
    assert "|".join((*found.written, *found.deleted)) == kept


@pytest.mark.parametrize("text", ["", "/", ".", "/a/../b", "/a/[", "/a/\\"])
def test_what_names_no_path_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid --ignore-path"):
        IgnoredPaths.of([text])
