from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.github_actions.commands import Groups, command, harmless, output
from tests.support.runner import Obeyed, obeyed, outputs

_HOSTILE = [
    "plain",
    "",
    "100 % of %0A and %25",
    "a\r\nb\n\nc",
    "masu_0\nmasu_0\n",
    "x=y<<z\n::error::no\n##[error]no",
    "ünïcödé ☃",
    "a\n::add-mask::x\nb::c::d",
]


@pytest.mark.parametrize("text", _HOSTILE)
def test_what_a_command_says_is_read_back_by_the_runner(text: str) -> None:
    line = command("error", text, file=f"a,b:{text}", line=3, title=text)
    (read,) = obeyed(line)
    expected = {"file": f"a,b:{text}", "line": "3", "title": text}
    assert read == Obeyed(name="error", data=text, properties={key: value for key, value in expected.items() if value})


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"))))
def test_values_of_any_text_are_read_back_by_the_runner(values: list[str]) -> None:
    file = "".join(output(f"name-{number}", value) for number, value in enumerate(values))
    assert outputs(file) == {f"name-{number}": value for number, value in enumerate(values)}


def test_a_value_that_ends_earlier_values_can_t_be_made() -> None:
    first = output("a", "x")
    assert outputs(output("a", first) + output("b", "y")) == {"a": first, "b": "y"}


@pytest.mark.parametrize(
    "text",
    [
        "::error::x",
        "  ::error::x",
        "a\n::set-env name=a::b",
        "a\r::error::x",
        "x ##[error]y",
        "##[add-mask]z",
        "\t::stop-commands::w",
    ],
)
def test_nothing_in_a_harmless_text_is_obeyed(text: str) -> None:
    assert obeyed(text)
    assert not obeyed(harmless(text))


@given(st.lists(st.sampled_from(["::", ":", "error", "##[", "##", "[", "\n", "\r", " ", "\u2028", "\u00a0", "x"])))
def test_nothing_in_any_harmless_text_is_obeyed(parts: list[str]) -> None:
    assert not obeyed(harmless("".join(parts)))


def test_a_commands_output_is_obeyed_in_nothing_and_what_comes_after_is() -> None:
    groups = Groups()
    before, after = groups.shield()
    hostile = "::error::a\n##[error]b\n::stop-commands::c\n::c::\n::set-env name=PATH::/evil\n"
    assert [entry.name for entry in obeyed(before + hostile + after + groups.ends(""))] == ["stop-commands", "endgroup"]
    assert groups.shield()[0] != before


@pytest.mark.parametrize("title", ["RUN <<EOF\n::error::x\nEOF", "RUN " + "x" * 5000, ""])
def test_a_group_has_one_line_for_a_name(title: str) -> None:
    (group,) = obeyed(Groups().begins("stage 1/1, step 1/2", title))
    assert group.name == "group"
    assert group.data.startswith("[stage 1/1, step 1/2] ")
    assert len(group.data) < 300
    assert "\n" not in group.data
