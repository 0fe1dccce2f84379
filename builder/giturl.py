"""Git repositories as users name them (moby/buildkit, frontend/dockerfile/dfgitutil/git_ref.go and util/gitutil/git_url.go)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit, urlunsplit

from builder.errors import ContextError
from builder.values import dataclass, replace
from builder.web import UNESCAPED, shown

_SCHEME = re.compile(r"[a-zA-Z0-9]+(?=://)")
_SCP = re.compile(r"([a-zA-Z0-9\-_]+@[a-zA-Z0-9\-.]+:[^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-fA-F]+")
# git-check-ref-format(1); a leading dash would be an option, and `:` or `+` parts of a refspec.
_BAD_REF = re.compile(r"^[-+/.]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/$|\.$")
_BOOLEANS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
_KNOWN = ("ref", "tag", "branch", "subdir", "checksum", "commit", "keep-git-dir", "submodules", "mtime", "fetch-by-commit")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitUrl:
    """`remote` is what git is given (it may hold a password); `ref` is a branch, tag, full ref or commit, empty for the default.

    `checksum` is the beginning of the commit that has to come; `within` is a ref that has the commit `ref` in its history, if the
    URL names one. None: the URL doesn't say. `commit_times` gives files the time of the commit.
    """

    remote: str
    ref: str = ""
    within: str = ""
    subdir: str = ""
    checksum: str = ""
    keep_git_dir: bool | None = None
    submodules: bool | None = None
    commit_times: bool = False

    @property
    def is_commit(self) -> bool:
        return is_commit(self.ref)


def is_commit(text: str) -> bool:
    return _COMMIT.fullmatch(text) is not None


def parse_git_url(text: str, *, bare_github: bool = False) -> GitUrl | None:
    """None if it is no git repository; with `bare_github` also `github.com/…`, as for build contexts. Raises ContextError."""
    if bare_github and text.startswith("github.com/"):
        text = f"https://{text}"
        return _from_url(text)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _from_scp(text)
    if scheme[0].lower() in ("git", "ssh"):
        return _from_url(text)
    if scheme[0].lower() in ("http", "https") and text.partition("#")[0].partition("?")[0].endswith(".git"):
        return _from_url(text)
    return None


def parse_git_context(text: str, *, method: str) -> GitUrl | None:
    """As `parse_git_url`, for a build context: `git://HOST/…#REF#COMMIT` is Kaniko's, and fetched by `method` (http, https, git).

    Raises ContextError.
    """
    if not text.lower().startswith("git://"):
        return parse_git_url(text, bare_github=True)
    place, _, fragment = text.partition("#")
    ref, mark, commit = fragment.partition("#")
    if ref and mark and not is_commit(commit):
        raise ContextError(f"invalid git URL {shown(place)!r}: after the second # comes a commit, 40 hexadecimal digits")
    url = _from_url(f"{method}{place[3:]}" + (f"#{fragment}" if fragment and not (ref and mark) else ""))
    if not (ref and mark):
        return url
    try:
        check_ref(ref)
    except ValueError as error:
        raise ContextError(f"invalid git URL {shown(place)!r}: {error}") from error
    return replace(url, ref=commit, checksum=commit, within=ref)


def _from_scp(text: str) -> GitUrl | None:
    match = _SCP.fullmatch(text)
    return _checked(match[1], match[2] or "", match[3] or "") if match else None


def _from_url(text: str) -> GitUrl:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:  # whose words may have a part of the password in them
        raise ContextError(f"invalid git URL {shown(text)!r}", hint=UNESCAPED) from error
    if not host or host.startswith("-"):
        raise ContextError(f"invalid git URL {shown(text)!r}: it has no host")
    return _checked(urlunsplit(parts._replace(query="", fragment="")), parts.query, parts.fragment)


def _checked(remote: str, query: str, fragment: str) -> GitUrl:
    try:
        url = _with_query(_with_fragment(GitUrl(remote=remote), fragment), query)
        check_ref(url.ref)
        check_checksum(url.checksum)
    except ValueError as error:
        raise ContextError(f"invalid git URL {shown(remote)!r}: {error}") from error
    return url


def check_ref(ref: str) -> None:
    """Raises ValueError for what can't be one, or would be an option or part of a refspec."""
    if _BAD_REF.search(ref):
        raise ValueError(f"invalid ref {ref!r}")


def check_checksum(checksum: str) -> None:
    """Raises ValueError unless it is empty or the beginning of a commit."""
    if checksum and not _HEX.fullmatch(checksum):
        raise ValueError(f"invalid checksum {checksum!r}: it is the hexadecimal name of a commit, or how that begins")


def _with_fragment(url: GitUrl, fragment: str) -> GitUrl:
    """`ref[:subdir]`, or after a second `#` `ref=…,commit=…,subdir=…`."""
    if not fragment.startswith("#"):
        ref, _, subdir = fragment.partition(":")
        return replace(url, ref=ref, subdir=subdir)
    values: dict[str, str] = {}
    for item in fragment[1:].split(",") if fragment[1:] else ():
        key, equals, value = item.partition("=")
        if not equals or key.lower() not in ("ref", "commit", "subdir"):
            raise ValueError(f"unexpected {item!r} in the fragment (ref, commit and subdir are known)")
        values[key.lower()] = value
    commit = values.get("commit", "")
    return replace(url, ref=values.get("ref", "") or commit, subdir=values.get("subdir", ""), checksum=commit)


def _with_query(url: GitUrl, query: str) -> GitUrl:
    values = {key: found[0] for key, found in _queries(query).items()}
    ref = _agreed("ref", url.ref, _ref_of(values))
    checksum = values.get("checksum", "") or values.get("commit", "") or url.checksum
    if _boolean(values, "fetch-by-commit") and is_commit(checksum):
        ref = checksum
    if values.get("mtime", "checkout") not in ("checkout", "commit"):
        raise ValueError(f"invalid mtime {values['mtime']!r}: it is checkout or commit")
    return replace(
        url,
        ref=ref or checksum,
        subdir=_agreed("subdir", url.subdir, values.get("subdir", "")),
        checksum=checksum,
        keep_git_dir=_boolean(values, "keep-git-dir"),
        submodules=_boolean(values, "submodules"),
        commit_times=values.get("mtime") == "commit",
    )


def _queries(query: str) -> dict[str, list[str]]:
    found = parse_qs(query, keep_blank_values=True)
    for key, values in found.items():
        if key not in _KNOWN:
            raise ValueError(f"unexpected query {key!r} (known are {', '.join(_KNOWN)})")
        if len(values) > 1:
            raise ValueError(f"query {key!r} has several values")
        if not values[0] and key not in ("keep-git-dir", "submodules", "fetch-by-commit"):
            raise ValueError(f"query {key!r} has no value")
    return found


def _ref_of(values: Mapping[str, str]) -> str:
    """What ref, tag and branch say together."""
    ref, tag, branch = (values.get(key, "") for key in ("ref", "tag", "branch"))
    if tag and branch:
        raise ValueError("a branch and a tag at once")
    if tag:
        return _agreed("ref", ref, tag if tag.startswith("refs/tags/") else f"refs/tags/{tag}")
    if branch:
        return _agreed("ref", ref, branch if branch.startswith("refs/heads/") else f"refs/heads/{branch}")
    return ref


def _agreed(what: str, one: str, other: str) -> str:
    if one and other and one != other:
        raise ValueError(f"two values for {what}: {one!r} and {other!r}")
    return one or other


def _boolean(values: Mapping[str, str], key: str) -> bool | None:
    """None if it isn't there; without a value it is true."""
    if key not in values:
        return None
    text = values[key]
    if text and text.lower() not in _BOOLEANS:
        raise ValueError(f"invalid boolean {text!r} for {key}")
    return _BOOLEANS[text.lower()] if text else True
