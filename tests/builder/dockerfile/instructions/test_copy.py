from __future__ import annotations

import pytest

from builder.giturl import GitUrl
from builder.ops import Copy, FromContext, FromImage, FromStage, FromUrl
from tests.support.dockerfiles import failure, history, lowered, steps


def op(text: str) -> Copy:
    found = steps(text)[-1].op
    assert isinstance(found, Copy)
    return found


_DIGEST = f"sha256:{'0' * 64}"
_KEPT = GitUrl(remote="ssh://x/y", ref="v1", subdir="d", checksum="ab", keep_git_dir=True)


@pytest.mark.parametrize(
    ("text", "paths", "destination", "created_by"),
    [
        ("COPY a b /c", ("a", "b"), "/c", "COPY a b /c # buildkit"),
        ('COPY ["a b", "c", "/d/"]', ("a b", "c"), "/d/", "COPY a b c /d/ # buildkit"),
        ("COPY ['a', 'b']", ("[a,",), "/b]", "COPY [a, b] # buildkit"),
        ("COPY a* ./", ("a*",), "/", "COPY a* ./ # buildkit"),
        ("WORKDIR /w\nCOPY . .", (".",), "/w/", "COPY . . # buildkit"),
        ("WORKDIR /w\nCOPY a b", ("a",), "/w/b", "COPY a b # buildkit"),
        ("WORKDIR /w\nCOPY a b/", ("a",), "/w/b/", "COPY a b/ # buildkit"),
        ("WORKDIR /w\nCOPY a b/.", ("a",), "/w/b/", "COPY a b/. # buildkit"),
        ("WORKDIR /w/v\nCOPY a ..", ("a",), "/w", "COPY a .. # buildkit"),
        ("COPY a /b/../c/./d/", ("a",), "/c/d/", "COPY a /b/../c/./d/ # buildkit"),
        ("COPY a //b/..", ("a",), "/", "COPY a //b/.. # buildkit"),
        ("WORKDIR /w\nCOPY a $NONE", ("a",), "/w/", "COPY a  # buildkit"),
        ("ENV A='x y'\nCOPY $A ${A}z /", ("x y", "x yz"), "/", "COPY x y x yz / # buildkit"),
        ("COPY a\\ b /", ("a",), "/", ""),
    ],
)
def test_sources_and_destination(text: str, paths: tuple[str, ...], destination: str, created_by: str) -> None:
    if not created_by:  # quotes and escapes don't hold words together; JSON does
        assert op(text).paths == ("a", "b")
        return
    found = op(text)
    assert (found.paths, found.destination, history(text)[-1]) == (paths, destination, created_by)


def test_owner_and_mode_are_expanded_and_told_in_history() -> None:
    text = "ARG U=7\nCOPY --chmod=0${U}55 --chown=$U:g --from=x a /b"
    found = op(text)
    assert (found.chown, found.chmod) == ("7:g", "0755")
    assert history(text)[-1] == "COPY --chown=7:g --chmod=0755 a /b # buildkit"


def test_copy_does_not_unpack_and_add_does() -> None:
    assert (op("COPY a /").unpack, op("ADD a /").unpack) == (False, True)
    assert history("ADD --chown=u a /") == ["ADD --chown=u a / # buildkit"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", FromContext()),
        ("--from=one", FromStage(index=0)),
        ("--from=ONE", FromStage(index=0)),
        ("--from=0", FromStage(index=0)),
        ("--from=1", FromStage(index=1)),
        ("--from=alpine:3", FromImage(reference="alpine:3")),
    ],
)
def test_a_source_is_a_stage_an_index_or_an_image(source: str, expected: object) -> None:
    (step,) = lowered(f"FROM a AS one\nFROM b\nFROM c\nCOPY {source} x /").target.steps
    assert isinstance(step.op, Copy)
    assert step.op.source == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("COPY a", "COPY needs at least two arguments"),
        ("ADD", "ADD needs at least two arguments"),
        ('COPY ["a"]', "COPY needs at least two arguments"),
        ("COPY --fron=a b c", "did you mean '--from'?"),
        ("ADD --from=a b c", "unknown flag '--from'"),
        ("COPY --checksum=a b c", "unknown flag '--checksum'"),
        ("COPY --link=maybe b c", "true or false"),
        ("COPY --from=$X a /b", "variables are not expanded in --from=$X"),
        ("COPY --from=1 a /b", "invalid stage index 1"),
        ("COPY --from=-1 a /b", "invalid stage index -1"),
        ("COPY --from=Nope a /b", "invalid reference"),
        ("COPY http://x/y /b", "COPY can't take 'http://x/y'"),
        ("COPY git@x:y /b", "COPY can't take 'git@x:y'"),
        ("COPY --chmod=999 a /b", "invalid mode --chmod=999"),
        ("COPY --chmod=10000 a /b", "invalid mode --chmod=10000"),
        ("COPY ${A?no} a /b", "A: no"),
        ("COPY <<A <<B\na\nA\nb\nB", "a heredoc as its destination"),
        ("COPY <<A/B /b\nA/B", "the heredoc 'A/B' can't be a file of that name"),
        ("COPY <<.. /b\n..", "the heredoc '..' can't be a file of that name"),
        (f"ADD <<{'a' * 256} /b\n{'a' * 256}", "can't be a file of that name"),
        ("COPY <<A /b\n${{ x }}\nA", "bad substitution"),
        ("COPY <<A /b\n${X?no}\nA", "X: no"),
        ("COPY --chmod=u=rwz a /b", "invalid mode --chmod=u=rwz"),
        ("ADD --chmod=+ax a /b", "invalid mode --chmod=+ax"),
        ("COPY --exclude=a --exclude=[ a /b", "malformed pattern --exclude=["),
        ("COPY --exclude=! a /b", "malformed pattern --exclude=!"),
        ("COPY --link --chown=app a /b", "--chown=app can't be looked up with --link"),
        ("COPY --link --chown=1:app a /b", "--chown=1:app can't be looked up with --link"),
        ("ADD https://x/y.git?z=1 /b", "unexpected query 'z'"),
        ("ADD https://x/y.git#--upload-pack=z /b", "invalid ref"),
        ("ADD https://x/%2e%2e /b", "no file can be called '..'"),
        ("ADD https://x/a%00b /b", "no file can be called"),
        ("ADD --checksum=sha256:x https://x/y /b", "invalid digest 'sha256:x'"),
        ("ADD --checksum=xyz https://x/y.git /b", "invalid checksum 'xyz'"),
        ("ADD --checksum=sha256:x a /b", "checksum requires HTTP(S) or Git sources"),
        ("ADD --checksum=sha256:x https://x/y https://x/z /b", "checksum can't be specified for multiple sources"),
        ("ADD --checksum=ab https://x/y.git?checksum=cd /b", "checksum mismatch 'ab' != 'cd'"),
        ("ADD --keep-git-dir https://x/y.git?keep-git-dir=0 /b", "inconsistent keep-git-dir configuration"),
    ],
)
def test_what_can_not_be_copied_is_refused(text: str, message: str) -> None:
    said = failure(f"FROM a\n{text}")
    assert said.startswith("Dockerfile:2: ")
    assert message in said


def test_flags_that_say_no_are_not_refused() -> None:
    assert op("COPY --link=false --parents=false a /b").paths == ("a",)


def test_heredocs_are_files_behind_the_paths() -> None:
    text = "ENV V=1\nCOPY <<A x <<-'B' <<./C --y /d/\n$V \\$V\nA\n\t$V\nB\n./C"
    found = op(text)
    assert (found.paths, found.destination) == (("x", "--y"), "/d/")
    assert [(file.name, file.content) for file in found.files] == [("A", "1 $V\n"), ("B", "$V\n"), ("C", "")]
    assert history(text)[-1] == "COPY x --y <<A <<B <<./C /d/ # buildkit"


def test_the_same_heredoc_twice_has_the_last_body() -> None:
    found = op("COPY <<E <<E /\n1\nE\n2\nE")
    assert [(file.name, file.content) for file in found.files] == [("E", "2\n")] * 2


def test_a_heredoc_in_json_is_an_empty_file() -> None:
    found = op('ADD ["<<E", "/x"]')
    assert [(file.name, file.content) for file in found.files] == [("E", "")]


def test_flags_reach_the_op_but_only_some_the_history() -> None:
    text = "COPY --link --parents --exclude=a --exclude=!b --chown=1 a/./b /c"
    found = op(text)
    assert (found.link, found.parents, found.exclude) == (True, True, ("a", "!b"))
    assert history(text) == ["COPY --parents --chown=1 a/./b /c # buildkit"]


@pytest.mark.parametrize("flags", ["--link=false", "--link --chmod=644", "--chmod=go= --link --chown=app"])
def test_a_mode_makes_link_a_plain_copy(flags: str) -> None:
    assert not op(f"COPY {flags} a /b").link


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("ADD https://x/a/b /", FromUrl(url="https://x/a/b", name="b")),
        ("ADD https://x/a%20b/?q /", FromUrl(url="https://x/a%20b/?q", name="a b")),
        ("ADD http://x /", FromUrl(url="http://x", name="__unnamed__")),
        ("ADD http://x/%zz /", FromUrl(url="http://x/%zz", name="__unnamed__")),
        ("ADD --unpack http://x/a /", FromUrl(url="http://x/a", name="a", unpack=True)),
        (f"ADD --checksum={_DIGEST} http://x/a /", FromUrl(url="http://x/a", name="a", checksum=_DIGEST)),
        ("ADD git@x.org:y/z /", GitUrl(remote="git@x.org:y/z")),
        ("ADD --keep-git-dir --checksum=ab ssh://x/y#v1:d /", _KEPT),
        ("ADD ssh://x/y?keep-git-dir=1&ref=v1&subdir=d&checksum=ab /", _KEPT),
    ],
)
def test_add_fetches(text: str, remote: object) -> None:
    found = op(text)
    assert found.remotes == ((found.paths[0], remote),)


def test_unpack_is_for_local_archives_when_false() -> None:
    assert (op("ADD --unpack=false a /").unpack, op("ADD --unpack a /").unpack) == (False, True)
