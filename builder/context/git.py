"""Checks out git repositories with the `git` command (moby/buildkit, source/git/source.go).

A repository and its URL are hostile: git gets no configuration but ours, no prompt, no transport but http, https, ssh and git, no
hooks, and no argument that could be an option. Credentials reach it through its environment only.
"""

from __future__ import annotations

import base64
import logging
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from builder import process
from builder.context.gitoptions import GitOptions
from builder.context.source import Means, Origin, Tree
from builder.errors import ContextError
from builder.giturl import GitUrl, check_ref, parse_git_context
from builder.retry import Retry
from builder.trust import Trust
from builder.values import replace
from builder.web import Secret, no_secret, shown

if TYPE_CHECKING:
    from builder.context.http import Web

log = logging.getLogger(__name__)

_SECONDS = 3600
_SHA1 = 40  # digits
_FIRST_PAGE = "/info/refs?service=git-upload-pack"
_MOST_REDIRECTS = 10
_DEFAULT_BRANCH = re.compile(r"ref: refs/heads/(\S+)\tHEAD")
_TIME = re.compile(r"[0-9]{1,12}")
_NO_SHALLOW = ("--depth", "shallow")
_GITHUB = ("https://github.com/", "https://www.github.com/")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_PASSED_ON = ("PATH", "GIT_EXEC_PATH", "SSH_AUTH_SOCK", *(f"{name}_proxy" for name in ("http", "https", "no", "all")))
_EXPIRE = ("reflog", "expire", "--all", "--expire=now")
_CONFIG = {
    "init.defaultBranch": "master",
    "core.hooksPath": "/dev/null",
    "advice.detachedHead": "false",
    "credential.helper": "",
    "http.lowSpeedLimit": "1",  # bytes a second
    "http.lowSpeedTime": "120",  # seconds
    "submodule.recurse": "false",
}
"""A server that sends nothing for two minutes is given up."""


class GitSource:
    """A repository as the build context, in docker's spellings and Kaniko's; GIT_TOKEN and the like are for its own host only."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def fetch(self, text: str, directory: Path) -> Tree:
        means, options = self._means, self._means.git
        method = pull_method(means.env)
        url = parse_git_context(text, method=method)
        if url is None:
            raise ContextError(f"{shown(text)!r} is no git repository")
        if options.branch and not url.ref:
            url = replace(url, ref=_valid(options.branch))
        if options.submodules is not None and url.submodules is None:
            url = replace(url, submodules=options.submodules)
        if url.keep_git_dir is None:
            url = replace(url, keep_git_dir=means.keep_git_dir)
        git = Git(means.env, secret=means.secret, login=_login(means.env), options=options, retry=means.retry)
        try:
            origin = git.check_out(url, directory)
        except ContextError as error:
            if text.lower().startswith("git://") and "GIT_PULL_METHOD" not in means.env:
                error.hint += "; it is fetched by https, as Kaniko does: GIT_PULL_METHOD=git means git's own protocol"
            raise
        # docker ignores nothing of a repository; in Kaniko .dockerignore counts for every context.
        has_rules = text.lower().startswith("git://") and method != "git"
        return Tree(root=directory, subdir=url.subdir, has_rules=has_rules, origin=origin)


def pull_method(env: Mapping[str, str]) -> str:
    """How a `git://` context is fetched: by https as Kaniko does, or as GIT_PULL_METHOD says. Raises ContextError."""
    method = env.get("GIT_PULL_METHOD") or "https"
    if method not in ("https", "http", "git"):
        raise ContextError(f"invalid GIT_PULL_METHOD {method!r}", hint="set it to https, http, or git for git's own protocol")
    return method


class Git:
    """`env` gives PATH, proxies, CA files and an ssh agent; `secret` may know GIT_AUTH_TOKEN and GIT_AUTH_HEADER[.<host>].

    `login` (user:password) is for the whole host of the repository that is checked out.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        *,
        secret: Secret = no_secret,
        login: bytes = b"",
        options: GitOptions | None = None,
        retry: Retry | None = None,
    ) -> None:
        self._env = env
        self._secret = secret
        self._login = login
        self._options = options or GitOptions()
        self._retry = retry or Retry()
        # In one file: what git makes of a directory depends on the TLS library of its curl, and it takes no list of them.
        self._authorities = Trust.of(env).bundle() if any(env.get(name) for name in _CERTIFICATES) else None

    def check_out(self, url: GitUrl, to: Path) -> Origin:
        """Put the files of one commit into the new directory `to`, submodules too, modes 644 and 755; raises ContextError."""
        origin = f"{shown(url.remote)}#{url.ref}" if url.ref else shown(url.remote)
        if shutil.which("git", path=self._env.get("PATH")) is None:
            raise ContextError(f"can't fetch {shown(url.remote)}: there is no git command here", hint="install git")
        url = self._settled(url)
        files = () if self._authorities is None else (self._authorities.fileno(),)
        repository = _Repository(url, to, self._environment(url), depth=self._options.depth, files=files)
        commit = repository.fetch()
        if url.submodules is not False:
            repository.fetch_submodules()
        keeps = url.keep_git_dir and _is_whole(url)
        if keeps:
            repository.forget_status()
        time = repository.time()
        if url.commit_times:
            repository.set_times(time)
        if not keeps:
            _remove_git_dirs(to)
        return Origin(url=origin, algorithm="sha1" if len(commit) == _SHA1 else "sha256", hex=commit, time=time)

    def _settled(self, url: GitUrl) -> GitUrl:
        """With the URL that a server redirects to, if credentials go there.

        git asks for the first page there without them, but sends them with the next request, whatever host that is.
        """
        for _ in range(_MOST_REDIRECTS):
            header, _scoped = self._authorization(url.remote)
            if not header or self._options.insecure:
                return url
            target = self._web().location(_without_password(url.remote) + _FIRST_PAGE, {"Authorization": header})
            if not target.endswith(_FIRST_PAGE):
                return url
            place = target.removesuffix(_FIRST_PAGE)
            if not _is_same_server(url.remote, place):
                message = f"git repository {shown(url.remote)}: the server sends us on to {shown(place)}"
                raise ContextError(message, hint="credentials go to no other host: give that URL, if it is the right one")
            user, mark, _host = urlsplit(url.remote).netloc.rpartition("@")
            parts = urlsplit(place)
            url = replace(url, remote=urlunsplit(parts._replace(netloc=user + mark + parts.netloc.rpartition("@")[2])))
        raise ContextError(f"git repository {shown(url.remote)}: the server redirects again and again")

    def _web(self) -> Web:
        from builder.context.http import Web

        return Web(self._env, user_agent="git/2 masu", retry=self._retry)

    def _environment(self, url: GitUrl) -> dict[str, str]:
        """Everything git gets to see of ours."""
        names = [name for passed in _PASSED_ON for name in dict.fromkeys((passed, passed.upper()))]
        env = {name: self._env[name] for name in names if name in self._env}
        config = dict(_CONFIG)
        header, scope = self._authorization(url.remote)
        if header:
            config[f"http.{scope}.extraHeader"] = f"Authorization: {header}"
            config[f"http.{scope}.followRedirects"] = "false"
        for number, (key, value) in enumerate(config.items()):
            env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        if self._authorities is not None:
            env["GIT_SSL_CAINFO"] = f"/proc/self/fd/{self._authorities.fileno()}"
        if self._options.insecure:
            env["GIT_SSL_NO_VERIFY"] = "1"
        return env | {
            "GIT_CONFIG_COUNT": str(len(config)),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "HOME": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_ALLOW_PROTOCOL": "http:https:ssh:git",
            "GIT_SSH_COMMAND": f"ssh -F {os.devnull} -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
            "LC_ALL": "C",
        }

    def _authorization(self, remote: str) -> tuple[str, str]:
        """The header, and the URL it is for: a URL's own password first, then the login, then secrets, the host's own first."""
        if not remote.startswith(("http://", "https://")):
            return "", ""
        parts = urlsplit(remote)
        if parts.username is not None:
            return _basic(os.fsencode(f"{unquote(parts.username)}:{unquote(parts.password or '')}")), _scope(remote)
        if self._login:
            return _basic(self._login), f"{parts.scheme}://{parts.netloc}/"
        for suffix in (f".{parts.netloc}", ""):
            if header := self._secret(f"GIT_AUTH_HEADER{suffix}"):
                return header.decode("latin-1").strip(), _scope(remote)
            if token := self._secret(f"GIT_AUTH_TOKEN{suffix}"):
                return _basic(b"x-access-token:" + token.strip()), _scope(remote)
        return "", ""


class _Repository:
    """One checkout under way, its repository in `.git` below it; git inherits `files`, which `env` names."""

    def __init__(self, url: GitUrl, directory: Path, env: Mapping[str, str], *, depth: int, files: Sequence[int]) -> None:
        self._url = url
        self._files = files
        self._depth = (f"--depth={depth}",) if depth else ()
        self._remote = _without_password(url.remote)
        self._directory = directory
        self._env = env

    def fetch(self) -> str:
        """Fetch what the URL names, make sure that it is what `checksum` says, and check it out; gives the commit."""
        self._git("init", "--quiet", "--template=", "--", str(self._directory), inside=False)
        self._git("remote", "add", "--", "origin", self._remote)
        ref = self._url.ref if self._url.is_commit else self._find(self._url.ref or self._default_branch())
        if self._url.is_commit:
            self._fetch_commit(ref)
        else:
            self._fetch("--no-tags", "--update-head-ok", "--refmap=", "origin", f"+{ref}:{ref}")
        self._check(ref)
        self._git("checkout", "--quiet", "--detach", f"{ref}^{{commit}}")
        self._git(*_EXPIRE)
        (self._directory / ".git/FETCH_HEAD").unlink(missing_ok=True)
        return self._git("rev-parse", "--verify", "HEAD").strip()

    def fetch_submodules(self) -> None:
        if (self._directory / ".gitmodules").is_file():
            arguments = ("submodule", "--quiet", "update", "--init", "--recursive")
            if not self._succeeds(*arguments, "--depth=1") and (done := self._run(*arguments)).returncode:
                hint = f"{_hint(done.stderr)}; or leave submodules out: --git recurse-submodules=false, ?submodules=false in ADD"
                raise self._error(f"its submodules can't be fetched: {_last_words(done)}", hint=hint)

    def forget_status(self) -> None:
        """Leave no times and inodes of this checkout in what is kept of the repository: the same commit is the same files."""
        self._git("read-tree", "HEAD")
        if self._url.submodules is not False and (self._directory / ".gitmodules").is_file():
            for command in (("read-tree", "HEAD"), _EXPIRE):
                self._git("submodule", "--quiet", "foreach", "--recursive", "git", *command)

    def time(self) -> int | None:
        """The commit's; None for one that can't be."""
        told = self._git("log", "-1", "--format=%ct").strip()
        return int(told) if _TIME.fullmatch(told) else None

    def set_times(self, seconds: int | None) -> None:
        """Give every file the time of the commit."""
        if seconds is None:
            raise self._error("the commit has a time that can't be", hint="leave out ?mtime=commit")
        for path, directories, files in os.walk(self._directory):
            for name in (*directories, *files):
                os.utime(os.path.join(path, name), (seconds, seconds), follow_symlinks=False)

    def _find(self, ref: str) -> str:
        """The full name of a ref: of a branch before a tag, as git checkout prefers."""
        found = {line.partition("\t")[2] for line in self._git("ls-remote", "--", self._remote, ref).splitlines()}
        plain = ref.removeprefix("refs/")
        branch, tag = (f"refs/{kind}/{ref.removeprefix(f'refs/{kind}/')}" for kind in ("heads", "tags"))
        for name in (f"refs/{plain}", branch, tag):
            if name in found:
                return name
        raise self._error(f"repository does not contain ref {ref}", hint="it is a branch, a tag, or the 40 digits of a commit")

    def _default_branch(self) -> str:
        match = _DEFAULT_BRANCH.search(self._git("ls-remote", "--symref", "--", self._remote, "HEAD"))
        if match is None:
            raise self._error("could not find default branch", hint="name a branch or tag after a #")
        return f"refs/heads/{match[1]}"

    def _fetch_commit(self, commit: str) -> None:
        """By its name, which not every server allows; else everything, in which it should be."""
        if not self._succeeds("fetch", "--quiet", *self._depth, "--no-tags", "origin", commit):
            within = [self._find(self._url.within)] if self._url.within else []
            self._git("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*", *within)
            if not self._succeeds("cat-file", "-e", f"{commit}^{{commit}}"):
                raise self._error(f"repository does not contain the commit {commit}")

    def _fetch(self, *arguments: str) -> None:
        """The newest commit only; the plain http protocol can't do that."""
        done = self._run("fetch", "--quiet", *self._depth, *arguments)
        if done.returncode and any(word in done.stderr.decode(errors="replace") for word in _NO_SHALLOW):
            done = self._run("fetch", "--quiet", *arguments)
        self._checked(done)

    def _check(self, ref: str) -> None:
        wanted = self._url.checksum.lower()
        if not wanted:
            return
        commits = [self._git("rev-parse", "--verify", ref + suffix).strip() for suffix in ("", "^{commit}")]
        if not any(commit.startswith(wanted) for commit in commits):
            got = " or ".join(dict.fromkeys(commits))
            raise self._error(f"expected checksum to match {self._url.checksum}, got {got}", hint="the branch or tag has moved")

    def _git(self, *arguments: str, inside: bool = True) -> str:
        return self._checked(self._run(*arguments, inside=inside)).stdout.decode(errors="replace")

    def _succeeds(self, *arguments: str) -> bool:
        return self._run(*arguments).returncode == 0

    def _run(self, *arguments: str, inside: bool = True) -> process.Finished:
        place = ["-C", str(self._directory)] if inside else []
        return process.run(["git", *place, *arguments], env=self._env, timeout=_SECONDS, pass_fds=self._files, umask=0o022)

    def _checked(self, done: process.Finished) -> process.Finished:
        if done.returncode:
            raise self._error(_last_words(done), hint=_hint(done.stderr))
        return done

    def _error(self, message: str, *, hint: str = "") -> ContextError:
        return ContextError(f"git repository {shown(self._remote)}: {message}", hint=hint)


def _login(env: Mapping[str, str]) -> bytes:
    """What Kaniko's variables say: a token is a user without a password (pkg/buildcontext/git.go)."""
    if token := env.get("GIT_TOKEN"):
        return os.fsencode(f"{token}:")
    if "GIT_USERNAME" in env or "GIT_PASSWORD" in env:
        return os.fsencode(f"{env.get('GIT_USERNAME', '')}:{env.get('GIT_PASSWORD', '')}")
    return b""


def _valid(branch: str) -> str:
    try:
        check_ref(branch)
    except ValueError as error:
        raise ContextError(f"--git branch={branch}: {error}") from error
    return branch


def _is_same_server(one: str, other: str) -> bool:
    """The same, or its https instead of its http."""
    here, there = urlsplit(one), urlsplit(other)
    if here.hostname != there.hostname:
        return False
    upgraded = (here.scheme, here.port, there.scheme, there.port) == ("http", None, "https", None)
    return upgraded or (here.scheme, here.port) == (there.scheme, there.port)


def _is_whole(url: GitUrl) -> bool:
    return os.path.normpath(f"/{url.subdir}") == "/"


def _scope(remote: str) -> str:
    """Where credentials count: the whole of GitHub, for the sake of submodules, else this repository (actions/checkout)."""
    return next((prefix for prefix in _GITHUB if remote.startswith(prefix)), _without_password(remote))


def _without_password(remote: str) -> str:
    if not remote.startswith(("http://", "https://")):
        return remote
    parts = urlsplit(remote)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _basic(credentials: bytes) -> str:
    return f"Basic {base64.b64encode(credentials).decode()}"


def _last_words(done: process.Finished) -> str:
    said = done.stderr.decode(errors="replace").strip().splitlines()[-5:]
    return "; ".join(said) or f"git failed with exit code {done.returncode}"


def _hint(stderr: bytes) -> str:
    if b"could not read Username" in stderr or b"Authentication failed" in stderr or b"401" in stderr or b"403" in stderr:
        return (
            "the server wants to know who asks: set GIT_TOKEN, or GIT_USERNAME and GIT_PASSWORD, or give a secret GIT_AUTH_TOKEN"
        )
    if b"Permission denied (publickey" in stderr:
        return "an ssh agent that holds the key is needed (SSH_AUTH_SOCK)"
    return "check the URL, and that the host can be reached from here"


def _remove_git_dirs(directory: Path) -> None:
    """The repository, and in submodules the files that say where theirs is."""
    shutil.rmtree(directory / ".git")
    for path, directories, files in os.walk(directory):
        if ".git" in files:
            os.unlink(os.path.join(path, ".git"))
        if ".git" in directories:
            shutil.rmtree(os.path.join(path, ".git"))
            directories.remove(".git")
