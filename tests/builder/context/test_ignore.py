from __future__ import annotations

import pytest

from builder.context.ignore import IgnoreRules
from builder.errors import ContextError

# Mostly the expectations of moby/patternmatcher's own tests: rules, then a path, then whether it is ignored.
CASES = [
    (["**"], "file", True), (["**"], "dir/file", True), (["**/"], "file", True), (["**/**"], "dir/file", True),
    (["dir/**"], "dir/file", True), (["dir/**"], "dir", False), (["dir/**"], "dir/dir2/file", True),
    (["**/dir"], "dir/file", True), (["**/dir2/*"], "dir/dir2/file", True), (["**/dir2/**"], "dir/dir2/dir2/file", True),
    (["**file"], "dir/file", True), (["**/file"], "dir/dir/file", True), (["**/file*"], "dir/dir/file.txt", True),
    (["**/file*txt"], "dir/dir/file.txt", True), (["**/**/*.txt"], "dir/dir/file.txt", True),
    (["**/**/*.txt2"], "dir/dir/file.txt", False), (["a**/*.txt"], "a/file.txt", True), (["a**/*.txt"], "a/dir/file.txt", True),
    (["a/*.txt"], "a/dir/file.txt", False), (["a/*.txt"], "a/file.txt", True), (["a[b-d]e"], "ae", False),
    (["a[b-d]e"], "ace", True), (["a[^b-d]e"], "aze", True), (["abc.def"], "abcdef", False), (["abc.def"], "abc.def", True),
    (["abc.def"], "abcZdef", False), (["abc?def"], "abcZdef", True), (["a\\\\"], "a\\", True),
    (["**/foo/bar"], "foo/bar", True), (["**/foo/bar"], "dir/dir2/foo/bar", True), (["abc/**"], "abc/def/ghi", True),
    (["**/.foo"], "bar.foo", False), (["**/.foo"], "bar/.foo", True), (["a(b)c/def"], "a(b)c/def", True),
    (["a.|)$(}+{bc"], "a.|)$(}+{bc", True), (["dist/*.whl"], "dist/proxy.py-2.4.0rc3.whl", True),
    (["*.go"], "fileutils.go", True), (["*"], "fileutils.go", True), (["docs", "!docs/README.md"], "docs/README.md", False),
    (["docs/", "!docs/README.md"], "docs/x", True), (["docs/*", "!docs/README.md"], "docs", False),
    (["util/docker/web"], "util/docker/web/foo", True), (["util/docker"], "util/docker/web/foo", True),
    (["util/*/web"], "util/docker/web/foo", True), (["!docs", "docs"], "docs/x", True), (["*", "!a"], "a/b/c", False),
    (["*", "!a", "a/b"], "a/b/c", True), (["a", "!a/b", "a/b/c"], "a/b/c/d", True), (["a", "!a/b", "a/b/c"], "a/b/d", False),
    (["**", "!**/keep"], "x/y/keep/z", False), (["node_modules"], "x/node_modules", False),
    (["**/node_modules"], "x/node_modules/y", True), (["?"], "é", True), (["\\!a"], "!a", True), (["\\#a"], "#a", True),
    (["a\\ b"], "a b", True), (["foo/bar", "!foo"], "foo/bar", True), (["."], "a", False), (["/"], "a", False),
    (["./a"], "a", True), (["/a//b/../c/"], "a/c", True), (["../a"], "a", False), (["# a"], "# a", False),
    ([" # a"], "# a", True), (["  a\t"], "a", True), (["a\r"], "a", True), (["*", "! a"], "a", False),
    (["*", "!/a"], "a", False), (["*a*b*c"], "xaxbxbxc", True), (["*a*b*c"], "a/bc", False),
    (["**/a*b/**/c*d"], "x/ab/y/cd", True),
    (["a**b"], "axb", False), (["a**b"], "ab", True), (["a**b"], "ax/b", True), (["**/a/**/a/b"], "a/x/a/y/a/b", True),
    (["*[^b]*b"], "x/b", True), (["*?*?"], "ab", True), (["*?*?"], "a", False), (["**/**/a"], "a", True),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "path", "ignored"), CASES)
def test_as_moby_matches(rules: list[str], path: str, ignored: bool) -> None:
    assert IgnoreRules.parse("\n".join(rules).encode(), file=".dockerignore").ignored(path) is ignored


def test_a_byte_order_mark_and_names_that_are_not_utf_8() -> None:
    rules = IgnoreRules.parse(b"\xef\xbb\xbfa\n\xff*\n", file=".dockerignore")
    assert [rules.ignored(path) for path in ("a", "\udcffx", "x")] == [True, True, False]


BAD = ["!", "! ", "[", "a[", "a[]", "[-]", "[x-]", "[^", "a\\"]


@pytest.mark.parametrize("line", BAD)
def test_a_malformed_line_is_told_with_its_number(line: str) -> None:
    with pytest.raises(ContextError, match=r"^app\.dockerignore:3: "):
        IgnoreRules.parse(f"a\n\n{line}\n".encode(), file="app.dockerignore")


PRUNES = [
    (["a"], "a", True),
    (["*", "!b"], "a", True),
    (["*", "!a/b"], "a", False),
    (["*", "!a/b"], "a/c", True),
    (["*", "!a/b/c"], "a/b", False),
    (["*", "!*/b"], "a", False),
    (["*", "!?x/b"], "a", True),
    (["*", "!**/b"], "a/b/c", False),
    (["*", "!a**"], "b", False),
]


@pytest.mark.parametrize(("rules", "directory", "prunes"), PRUNES)
def test_a_directory_is_skipped_if_nothing_below_can_come_back(rules: list[str], directory: str, prunes: bool) -> None:
    assert IgnoreRules.parse("\n".join(rules).encode(), file="").prunes(directory) is prunes


def test_no_rules_ignore_nothing() -> None:
    assert not IgnoreRules().ignored("a/b")
    assert IgnoreRules().prunes("a")


def test_the_root_is_never_ignored() -> None:
    assert not IgnoreRules.parse(b"**", file="").ignored("")


def test_what_decided_nothing_about_a_directory_is_not_asked_again_for_its_files() -> None:
    """BuildKit's walk keeps no match for `!foo` at foo, which nothing had excluded; so it doesn't bring back foo/bar."""
    assert IgnoreRules.parse(b"foo/bar\n!foo", file="").ignored("foo/bar")
