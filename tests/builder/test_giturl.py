from __future__ import annotations

import pytest

from builder.errors import ContextError
from builder.giturl import GitUrl, parse_git_context, parse_git_url

_COMMIT = "0123456789" * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org/a/b.git", GitUrl(remote="https://example.org/a/b.git")),
        ("https://example.org/b.git#main", GitUrl(remote="https://example.org/b.git", ref="main")),
        ("https://example.org/b.git#main:sub/dir", GitUrl(remote="https://example.org/b.git", ref="main", subdir="sub/dir")),
        ("https://example.org/b.git#:sub", GitUrl(remote="https://example.org/b.git", subdir="sub")),
        ("https://example.org/b.git##ref=x,subdir=/y", GitUrl(remote="https://example.org/b.git", ref="x", subdir="/y")),
        (f"http://h/b.git##commit={_COMMIT}", GitUrl(remote="http://h/b.git", ref=_COMMIT, checksum=_COMMIT)),
        ("git://h:9/b?ref=x", GitUrl(remote="git://h:9/b", ref="x")),
        ("ssh://git@h/b", GitUrl(remote="ssh://git@h/b")),
        ("git@github.com:a/b.git#v1", GitUrl(remote="git@github.com:a/b.git", ref="v1")),
        ("git@github.com:a/b?tag=v1", GitUrl(remote="git@github.com:a/b", ref="refs/tags/v1")),
        ("http://h/b.git?tag=v1&subdir=d", GitUrl(remote="http://h/b.git", ref="refs/tags/v1", subdir="d")),
        ("http://h/b.git?branch=x&ref=refs/heads/x", GitUrl(remote="http://h/b.git", ref="refs/heads/x")),
        ("http://h/b.git?checksum=abc&ref=x", GitUrl(remote="http://h/b.git", ref="x", checksum="abc")),
        ("http://h/b.git?commit=abc", GitUrl(remote="http://h/b.git", ref="abc", checksum="abc")),
        (
            f"http://h/b.git?ref=x&commit={_COMMIT}&fetch-by-commit=1",
            GitUrl(remote="http://h/b.git", ref=_COMMIT, checksum=_COMMIT),
        ),
        ("http://h/b.git?keep-git-dir&submodules=false", GitUrl(remote="http://h/b.git", keep_git_dir=True, submodules=False)),
        ("http://h/b.git?mtime=commit", GitUrl(remote="http://h/b.git", commit_times=True)),
        ("HTTPS://h/b.git", GitUrl(remote="https://h/b.git")),
        ("http://h/b.git/", None),
        ("http://h/b", None),
        ("http://h/b?x=.git", None),
        ("ftp://h/b.git", None),
        ("github.com/a/b", None),
        ("./x.git", None),
        ("a/b@c:d", None),
    ],
)
def test_a_git_url_is_read_as_buildkit_reads_it(text: str, expected: GitUrl | None) -> None:
    assert parse_git_url(text) == expected


def test_github_needs_no_scheme_in_a_build_context() -> None:
    assert parse_git_url("github.com/a/b#x", bare_github=True) == GitUrl(remote="https://github.com/a/b", ref="x")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http://h/b.git?x=1", "unexpected query 'x'"),
        ("http://h/b.git?ref=a&ref=b", "several values"),
        ("http://h/b.git?ref=", "no value"),
        ("http://h/b.git?ref=a#b", "two values for ref"),
        ("http://h/b.git?tag=a&branch=b", "a branch and a tag"),
        ("http://h/b.git?keep-git-dir=maybe", "invalid boolean"),
        ("http://h/b.git?mtime=never", "invalid mtime"),
        ("http://h/b.git?checksum=xyz", "invalid checksum"),
        ("http://h/b.git##x=1", "unexpected 'x=1'"),
        ("http://h/b.git#--upload-pack=evil", "invalid ref"),
        ("http://h/b.git?ref=-x", "invalid ref"),
        ("http://h/b.git#a..b", "invalid ref"),
        ("http://h/b.git#a%20b~1", "invalid ref"),
        ("ssh://-oProxyCommand=evil/x", "no host"),
        ("git:///x", "no host"),
    ],
)
def test_what_is_wrong_with_a_git_url_is_said(text: str, says: str) -> None:
    with pytest.raises(ContextError, match=says):
        parse_git_url(text)


@pytest.mark.parametrize(
    "url", ["https://user:hidden@h/b.git?x=1&token=hidden", "https://user:hidden/x@h/b.git", "https://user:hidden\u2100@h/b.git"]
)
def test_a_password_is_not_shown(url: str) -> None:
    with pytest.raises(ContextError) as caught:
        parse_git_url(url)
    assert "hidden" not in caught.value.message


COMMIT = "0123456789" * 4


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("git://h/a/b", GitUrl(remote="https://h/a/b")),
        ("git://h/a/b.git#refs/pull/1/head", GitUrl(remote="https://h/a/b.git", ref="refs/pull/1/head")),
        ("git://token@h/a", GitUrl(remote="https://token@h/a")),
        ("git://u:p@h:8443/a#main", GitUrl(remote="https://u:p@h:8443/a", ref="main")),
        (f"git://h/a#{COMMIT}", GitUrl(remote="https://h/a", ref=COMMIT)),
        (f"git://h/a#main#{COMMIT}", GitUrl(remote="https://h/a", ref=COMMIT, checksum=COMMIT, within="main")),
        ("GIT://h/a#main:sub", GitUrl(remote="https://h/a", ref="main", subdir="sub")),
        ("https://h/a.git", GitUrl(remote="https://h/a.git")),
        ("git@h:a/b", GitUrl(remote="git@h:a/b")),
        ("github.com/a/b", GitUrl(remote="https://github.com/a/b")),
        ("https://h/a.tgz", None),
    ],
)
def test_contexts_in_kanikos_spelling_are_fetched_by_https(text: str, url: GitUrl | None) -> None:
    assert parse_git_context(text, method="https") == url


def test_a_second_mark_wants_a_commit() -> None:
    with pytest.raises(ContextError, match="after the second # comes a commit"):
        parse_git_context("git://u:secret@h/a#main#v1", method="https")
