"""The cases of BuildKit's parser_heredoc_test.go."""

from __future__ import annotations

import pytest

from builder.dockerfile.heredoc import Heredoc, heredoc_word, heredocs_in
from builder.dockerfile.lines import read
from builder.dockerfile.problem import Problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN ls", []),
        ("USER <<INVALID", []),
        ('RUN "<<NO"', []),
        ("RUN '<<NO'", []),
        ("RUN cat <<<NO", []),
        ('RUN ["<<NO"]', []),
        ('RUN <<E "', []),
        ("RUN <<E\nE", [Heredoc(name="E")]),
        ("RUN 3<<E\nE", [Heredoc(name="E", descriptor=3)]),
        ("RUN << E\nE", [Heredoc(name="E")]),
        ("RUN <<  E  > foo\nE", [Heredoc(name="E")]),
        ("RUN <<- E\nE", [Heredoc(name="E", chomp=True)]),
        ("RUN << -E\n-E", [Heredoc(name="-E")]),
        ("RUN <<E\n\ta\nE", [Heredoc(name="E", content="\ta\n")]),
        ("RUN cat <<E >${A:0:3}\na\nE", [Heredoc(name="E", content="a\n")]),
        ("RUN <<E ${A^^}", []),
        ("RUN <<-E\n\ta\n\tE", [Heredoc(name="E", content="\ta\n", chomp=True)]),
        ("RUN <<-'E'\n$A\nE", [Heredoc(name="E", content="$A\n", chomp=True, expand=False)]),
        ("RUN <<E\n# c \\\nRUN\nE", [Heredoc(name="E", content="# c \\\nRUN\n")]),
        ("RUN --mount=type=cache,target=/f <<E\na\nE", [Heredoc(name="E", content="a\n")]),
        ("COPY <<X <<Y /dest\nY\nX\nX\nY\n", [Heredoc(name="X", content="Y\n"), Heredoc(name="Y", content="X\n")]),
        ("COPY <<file.txt /dest\na\nfile.txt", [Heredoc(name="file.txt", content="a\n")]),
        ("ADD <<E /\nE", [Heredoc(name="E")]),
        ("ONBUILD RUN <<E\nE", [Heredoc(name="E")]),
        ("onbuild copy <<E /x\na\nE", [Heredoc(name="E", content="a\n")]),
        ("RUN <<eo'f'\neof", [Heredoc(name="eof", expand=False)]),
        ("RUN <<eo\\'f\neo'f", [Heredoc(name="eo'f")]),
        ("RUN <<'e'o\\'f\neo'f", [Heredoc(name="eo'f", expand=False)]),
        ("RUN <<'one two'\na\none two", [Heredoc(name="one two", content="a\n", expand=False)]),
        ("RUN <<$EOF\n$EOF", [Heredoc(name="$EOF")]),
        ("RUN <<E \\\n b\nc\r\nE\r\n", [Heredoc(name="E", content="c\r\n")]),
    ],
)
def test_heredocs_are_found_and_read(text: str, expected: list[Heredoc]) -> None:
    (line,) = read(text.encode(), file="Dockerfile").lines
    assert list(line.heredocs) == expected


@pytest.mark.parametrize("word", ["", "E", "<<", "<<-", "<E", "<<<E", "<<E sh"])
def test_other_words_are_no_heredocs(word: str) -> None:
    assert heredoc_word(word) is None


@pytest.mark.parametrize("word", ["<<'E", '<<"E', "<<E'", '<<E"'])
def test_quotes_have_to_match(word: str) -> None:
    with pytest.raises(Problem):
        heredoc_word(word)


def test_leading_tabs_go_from_the_body_only_with_a_dash() -> None:
    assert Heredoc(name="E", content="\t\ta\n\tb\n", chomp=True).body == "a\nb\n"
    assert Heredoc(name="E", content="\ta\n").body == "\ta\n"


def test_a_line_without_heredocs_has_none() -> None:
    assert heredocs_in("RUN a < b << ") == ()
