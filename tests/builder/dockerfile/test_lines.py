from __future__ import annotations

import pytest

from builder.dockerfile.lines import Directives, DockerfileLines, read
from builder.errors import DockerfileError


def texts(data: str | bytes) -> list[str]:
    data = data if isinstance(data, bytes) else data.encode()
    return [line.text for line in read(data, file="Dockerfile").lines]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("RUN a \\\n   b", ["RUN a    b"]),
        ("   RUN a\n\t b", ["RUN a", "b"]),
        ("RUN a \\  \t\nb", ["RUN a b"]),
        ("RUN a\\\\\nRUN b", ["RUN a\\\\", "RUN b"]),
        ("RUN a\\\\\\\nRUN b", ["RUN a\\\\\\", "RUN b"]),
        ("RUN a \\\n# no \\\n  # no\nb", ["RUN a b"]),
        ("RUN a \\\n\n  \t\nb", ["RUN a b"]),
        ("RUN a \\", ["RUN a "]),
        ("# c \\\nRUN a", ["RUN a"]),
        ("RUN a # b", ["RUN a # b"]),
        ("RUN a\r\nRUN b \\\r\nc\r\n", ["RUN a", "RUN b c"]),
        ("RUN\\\n a", ["RUN a"]),
        ("RUN a\u2028b\x0cc\x85d", ["RUN a\u2028b\x0cc\x85d"]),
        (b"\xef\xbb\xbfRUN a", ["RUN a"]),
        (b"RUN \xff\xfe", ["RUN \udcff\udcfe"]),
        ("# escape=`\nRUN a `\n b \\\nRUN c", ["RUN a  b \\", "RUN c"]),
        ("", []),
        ("\n \n#x\n", []),
    ],
)
def test_physical_lines_are_joined_as_buildkit_joins_them(data: str | bytes, expected: list[str]) -> None:
    assert texts(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("# syntax=a/b:1\n#escape = `\nFROM x", Directives(syntax="a/b:1", escape="`")),
        ("# check=skip=all;error=true\n# ESCAPE=`\n", Directives(check="skip=all;error=true", escape="`")),
        ("\ufeff# escape=`\n", Directives(escape="`")),
        ("  # escape=`\n", Directives(escape="`")),
        ("# hello\n# escape=`\n", Directives()),
        ("\n# escape=`\n", Directives()),
        ("# other=1\n# escape=`\n", Directives()),
        ("FROM x\n# escape=`\n", Directives()),
        ("#!/bin/x\n# check=skip=all\n#syntax=a\n# escape=`\n#check=error=true\n", Directives(check="skip=all", syntax="a")),
        ("\ufeff#!\n\n# check=skip=all\n", Directives()),
    ],
)
def test_directives_stand_at_the_very_top(data: str, expected: Directives) -> None:
    assert read(data.encode(), file="f").directives == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("# escape=`\n# escape=`", "f:2: only one escape parser directive can be used"),
        ("# escape=x", "f:1: invalid escape directive 'x'"),
        ("FROM x\nRUN " + "y" * 65_532, "f:2: line is longer than 65535 bytes"),
        ("FROM x\nRUN <<E\na\n", "f:2: unterminated heredoc 'E'"),
    ],
)
def test_what_is_malformed_is_told_with_its_line(data: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        read(data.encode(), file="f")
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("data", "keyword", "flags", "rest"),
    [
        ("run a b", "run", (), "a b"),
        ("COPY --from=a --link b c", "copy", ("--from=a", "--link"), "b c"),
        ("COPY -- --from=a b", "copy", (), "--from=a b"),
        ("RUN x --mount=y", "run", (), "x --mount=y"),
        ("RUN --mount=\"a b\",c='d e' x", "run", ("--mount=a b,c=d e",), "x"),
        ("RUN --a=b\\ c\\\\ x", "run", ("--a=b c\\",), "x"),
        ("RUN --a='b", "run", ("--a=b",), ""),
        ("RUN --", "run", (), ""),
        ("RUN -x", "run", (), "-x"),
        ("RUN\ta", "run", (), "a"),
        ("RUN\u00a0a", "run\u00a0a", (), ""),
        ("CMD", "cmd", (), ""),
    ],
)
def test_keyword_and_flags_are_split_off(data: str, keyword: str, flags: tuple[str, ...], rest: str) -> None:
    (line,) = read(data.encode(), file="f").lines
    assert (line.keyword, line.flags, line.rest) == (keyword, flags, rest)


def test_flags_use_the_chosen_escape_character() -> None:
    (line,) = read(b"# escape=`\nRUN --a=b` c\\d e", file="f").lines
    assert (line.flags, line.rest) == (("--a=b c\\d",), "e")


def test_locations_count_from_one_and_include_continuations_and_heredocs() -> None:
    lines = read(b"# c\nFROM x\n\nRUN a \\\n\n b\nCOPY <<E /\nz\nE\nUSER u\n", file="f").lines
    assert [(line.location.start, line.location.end) for line in lines] == [(2, 2), (4, 6), (7, 9), (10, 10)]


def test_the_records_of_dockerfile_parse_have_their_usual_shape() -> None:
    parser = DockerfileLines(b"# c\nfrom a as b\nRUN --x=y a \\\n  b <<E\nFROM no\nE\n")
    assert parser.structure == [
        {"instruction": "COMMENT", "startline": 0, "endline": 0, "content": "# c\n", "value": "c"},
        {"instruction": "FROM", "startline": 1, "endline": 1, "content": "from a as b\n", "value": "a as b"},
        {
            "instruction": "RUN",
            "startline": 2,
            "endline": 5,
            "content": "RUN --x=y a \\\n  b <<E\nFROM no\nE\n",
            "value": "--x=y a   b <<E",
        },
    ]


def test_dockerfile_parse_rewrites_bases_without_touching_heredocs() -> None:
    parser = DockerfileLines(b"FROM a AS x\nRUN <<E\nFROM no\nE\nFROM b\n")
    assert parser.parent_images == ["a", "b"]
    parser.parent_images = ["a@sha256:1", "b"]
    assert parser.content == "FROM a@sha256:1 AS x\nRUN <<E\nFROM no\nE\nFROM b\n"
