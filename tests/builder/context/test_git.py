from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from builder.context import Origin
from builder.context.git import Git
from builder.errors import ContextError
from builder.giturl import GitUrl, parse_git_url
from builder.rootfs import SourceTree
from builder.rootfs.fingerprint import fingerprint_of
from tests.support.answers import Answer, serve_answers
from tests.support.certificates import make_identity
from tests.support.elsewhere import MODIFIED, Elsewhere
from tests.support.everywhere import Reply, serve_everywhere
from tests.support.tree import tree_dump

_ENV = {"PATH": os.environ["PATH"]}


def _url(text: str) -> GitUrl:
    url = parse_git_url(text)
    assert url is not None
    return url


def test_files_have_plain_modes_and_no_repository(elsewhere: Elsewhere, tmp_path: Path) -> None:
    Git(_ENV).check_out(_url(f"{elsewhere.git}/repo.git#dev"), tmp_path / "x")
    modes = {name: text.split()[:2] for name, text in tree_dump(tmp_path / "x").items()}
    assert modes["/f"] == ["file", "0644"]
    assert modes["/d/"] == ["dir", "0755"]
    assert modes["/d/x"] == ["file", "0755"]
    assert not [name for name in modes if ".git/" in name]


@pytest.mark.parametrize(
    ("ref", "content"), [("", "two\n"), ("#v1", "one\n"), ("#light", "one\n"), ("#heads/dev", "one\n"), ("?tag=both", "two\n")]
)
def test_refs(elsewhere: Elsewhere, tmp_path: Path, ref: str, content: str) -> None:
    for name, base in (("daemon", elsewhere.git), ("plain", elsewhere.http)):
        Git(_ENV).check_out(_url(f"{base}/repo.git{ref}"), tmp_path / name)
        assert (tmp_path / name / "f").read_text() == content


def test_a_commit_that_is_no_tip(elsewhere: Elsewhere, tmp_path: Path) -> None:
    """The git daemon refuses to give it by its name."""
    parent = elsewhere.commit("main~1")
    for name, base in (("daemon", elsewhere.git), ("plain", elsewhere.http)):
        Git(_ENV).check_out(_url(f"{base}/repo.git#{parent}"), tmp_path / name)
        assert (tmp_path / name / "f").read_text() == "one\n"


def test_a_sha_that_is_nowhere(elsewhere: Elsewhere, tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=r"does not contain the commit 0{40}"):
        Git(_ENV).check_out(_url(f"{elsewhere.git}/repo.git#{'0' * 40}"), tmp_path / "x")


@pytest.mark.parametrize("ref", ["main", "v1", "v1^{commit}"])
def test_a_checksum_is_the_beginning_of_the_commit_or_tag(elsewhere: Elsewhere, tmp_path: Path, ref: str) -> None:
    checksum = elsewhere.commit(ref)[:9]
    Git(_ENV).check_out(_url(f"{elsewhere.git}/repo.git?ref={ref.partition('^')[0]}&checksum={checksum}"), tmp_path / "x")
    with pytest.raises(ContextError, match=r"expected checksum to match 0123, got [0-9a-f]{40}"):
        Git(_ENV).check_out(_url(f"{elsewhere.git}/repo.git?ref={ref.partition('^')[0]}&checksum=0123"), tmp_path / "y")


def test_a_kept_repository_is_one(elsewhere: Elsewhere, tmp_path: Path) -> None:
    remote = elsewhere.http.replace("//", "//user:hidden@") + "/repo.git"
    Git(_ENV).check_out(_url(f"{remote}?keep-git-dir=true"), tmp_path / "x")

    def git(*arguments: str) -> str:
        command = ["git", "-c", f"safe.directory={tmp_path / 'x'}", *arguments]
        return subprocess.run(command, cwd=tmp_path / "x", check=True, capture_output=True, text=True).stdout.strip()

    assert git("rev-parse", "HEAD") == elsewhere.commit("main")
    assert git("status", "--porcelain") == ""
    assert git("remote", "get-url", "origin") == f"{elsewhere.http}/repo.git"
    assert not any(b"hidden" in path.read_bytes() for path in (tmp_path / "x").rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["repo.git", "super.git"])
def test_a_kept_repository_is_the_same_each_time(elsewhere: Elsewhere, tmp_path: Path, name: str) -> None:
    for number in "12":
        Git(_ENV).check_out(_url(f"{elsewhere.git}/{name}?keep-git-dir=true"), tmp_path / number)
    first, second = (fingerprint_of("/", SourceTree(path=tmp_path / number)) for number in "12")
    assert first.entries == second.entries


def test_submodules(elsewhere: Elsewhere, tmp_path: Path) -> None:
    Git(_ENV).check_out(_url(f"{elsewhere.git}/super.git"), tmp_path / "with")
    Git(_ENV).check_out(_url(f"{elsewhere.git}/super.git?submodules=0"), tmp_path / "without")
    assert (tmp_path / "with/modules/inner/f").read_text() == "two\n"
    assert not (tmp_path / "with/modules/inner/.git").exists()
    assert not any((tmp_path / "without/modules/inner").iterdir())


def test_a_submodule_can_not_be_a_repository_of_this_machine(elsewhere: Elsewhere, tmp_path: Path) -> None:
    script = f"""set -e; git init -q -b main evil; cd evil; echo x > x; git add -A; git commit -qm 1
git -c protocol.file.allow=always submodule add -q {elsewhere.directory}/repo.git stolen; git commit -qm 2"""
    identity = {f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["sh", "-c", script], cwd=elsewhere.directory, env=_ENV | identity, check=True)
    with pytest.raises(ContextError, match="transport 'file' not allowed"):
        Git(_ENV).check_out(_url(f"{elsewhere.git}/evil/.git"), tmp_path / "x")


def test_the_time_of_the_commit(elsewhere: Elsewhere, tmp_path: Path) -> None:
    Git(_ENV).check_out(_url(f"{elsewhere.http}/repo.git?mtime=commit"), tmp_path / "x")
    assert {path.lstat().st_mtime for path in (tmp_path / "x").rglob("*")} == {MODIFIED}


@pytest.mark.parametrize("time", [2**64 - 1, -5])
def test_a_time_that_can_not_be_is_refused(elsewhere: Elsewhere, tmp_path: Path, time: int) -> None:
    script = f"""set -e; git init -q -b main time{time}; cd time{time}; echo x > x; git add -A; tree=$(git write-tree)
who="a <a@b> {time} +0000"
commit=$(printf "tree $tree\\nauthor $who\\ncommitter $who\\n\\n1\\n" | git hash-object -t commit -w --stdin --literally)
git update-ref refs/heads/main $commit"""
    subprocess.run(["sh", "-c", script], cwd=elsewhere.directory, env=_ENV, check=True)
    with pytest.raises(ContextError, match="a time that can't be"):
        Git(_ENV).check_out(_url(f"{elsewhere.git}/time{time}/.git?mtime=commit"), tmp_path / "x")


@pytest.mark.parametrize(
    ("prefix", "secrets", "header"),
    [
        ("user:pass%20word@", {}, b"user:pass word"),
        ("", {"GIT_AUTH_TOKEN": b"tok\n"}, b"x-access-token:tok"),
        ("", {"GIT_AUTH_HEADER": b"Bearer x"}, "Bearer x"),
        ("", {"GIT_AUTH_TOKEN": b"no", "GIT_AUTH_TOKEN.HOST": b"yes"}, b"x-access-token:yes"),
    ],
)
def test_credentials_reach_the_server_and_no_argument(
    elsewhere: Elsewhere, tmp_path: Path, prefix: str, secrets: Mapping[str, bytes], header: bytes | str
) -> None:
    host = elsewhere.http.removeprefix("http://")
    named = {name.replace("HOST", host): value for name, value in secrets.items()}
    spy = tmp_path / "bin"
    spy.mkdir()
    (spy / "git").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/argv\nexec /usr/bin/env PATH="{_ENV["PATH"]}" git "$@"\n')
    (spy / "git").chmod(0o755)
    elsewhere.seen.clear()
    Git({"PATH": f"{spy}:{_ENV['PATH']}"}, secret=named.get).check_out(_url(f"http://{prefix}{host}/repo.git"), tmp_path / "x")
    expected = header if isinstance(header, str) else f"Basic {base64.b64encode(header).decode()}"
    assert {headers.get("Authorization") for _, headers in elsewhere.seen} == {expected}
    arguments = (tmp_path / "argv").read_text()
    assert not any(word in arguments for word in ("pass", "tok", "Bearer", expected))


def test_every_file_of_every_certificate_directory_is_trusted(tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    shutil.copy(identity.certificate_path, tmp_path / "two/ours.crt")
    with serve_everywhere(identity, lambda _: Reply(status=404)) as world:
        env = {**_ENV, "https_proxy": world.proxy}
        for trusted, said in ((f"{tmp_path}/one", "certificate"), (f"{tmp_path}/one:{tmp_path}/two", "not found")):
            with pytest.raises(ContextError, match=said):
                Git({**env, "SSL_CERT_DIR": trusted}).check_out(_url("https://127.0.0.1/x.git"), tmp_path / trusted[-1])


@pytest.mark.parametrize("place", ["http://[", "https://h:99999", "http://h:x"])
def test_a_redirect_to_a_place_that_can_not_be_is_refused(tmp_path: Path, place: str) -> None:
    headers = {"Location": f"{place}/x.git/info/refs?service=git-upload-pack"}
    with serve_answers(lambda _: Answer(status=301, headers=headers)) as server:
        git = Git(_ENV, login=b"ann:p")
        with pytest.raises(ContextError, match="invalid URL"):
            git.check_out(_url(f"http://{server.host}/x.git"), tmp_path / "x")


def test_without_a_git_command_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="there is no git command here"):
        Git({"PATH": str(tmp_path)}).check_out(GitUrl(remote="https://user:hidden@h/x.git"), tmp_path / "x")


def test_a_host_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=r"git repository git://127\.0\.0\.1:9/x: .*refused") as caught:
        Git(_ENV).check_out(_url("git://127.0.0.1:9/x"), tmp_path / "x")
    assert caught.value.hint


def test_a_checkout_tells_where_it_came_from(elsewhere: Elsewhere, tmp_path: Path) -> None:
    remote = f"{elsewhere.git}/repo.git"
    origin = Git(_ENV).check_out(_url(f"{remote}#dev:d"), tmp_path / "x")
    assert origin == Origin(url=f"{remote}#dev", algorithm="sha1", hex=elsewhere.commit("dev"), time=MODIFIED)
    assert Git(_ENV).check_out(_url(remote), tmp_path / "y").url == remote
