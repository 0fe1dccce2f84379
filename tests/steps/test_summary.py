from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps import summary
from steps.outcome import Outcome

_DIGEST = "sha256:" + "0" * 64
_HOSTILE = ["a\nb", '"}', "\x00\x1b[31m", "\udcff", "€" * 5000, "%0A::error::x", "\u2028", ""]


def failed(message: str, hint: str, output: str = "") -> Outcome:
    return Outcome.of(1, {"masu.failure": {"message": message, "hint": hint, "file": "Dockerfile", "line": 2, "output": output}})


@pytest.mark.parametrize("count", [1, 30, 100])
def test_the_digest_is_told_whatever_becomes_of_the_names(count: int) -> None:
    names = [f"us-docker.pkg.dev/my-project/my-repository/application:{number:0100}" for number in range(count)]
    text = summary.document(Outcome.of(0, {"containerimage.digest": _DIGEST, "masu.pushed": names}), limit=4000)
    told = json.loads(text)
    assert (told["image"], told["digest"]) == (f"us-docker.pkg.dev/my-project/my-repository/application@{_DIGEST}", _DIGEST)
    assert (told["tags"], told.get("more", 0)) == (names[: len(told["tags"])], count - len(told["tags"]))
    assert len(text) <= 4000


@pytest.mark.parametrize("message", _HOSTILE)
@pytest.mark.parametrize("hint", _HOSTILE)
def test_a_failure_is_one_line_of_json_that_fits_whatever_it_quotes(message: str, hint: str) -> None:
    text = summary.document(failed(message, hint), limit=4000)
    told = json.loads(text)
    assert "\n" not in text
    assert len(text.encode()) <= 4000
    assert told["line"] == 2
    assert told["error"].rstrip("…") == message.encode(errors="replace").decode()[: len(told["error"].rstrip("…"))]


@given(st.text(), st.text(), st.text(), st.integers(min_value=300, max_value=4096))
def test_both_forms_always_fit_and_are_utf_8(message: str, hint: str, output: str, limit: int) -> None:
    for form in (summary.document, summary.text):
        assert len(form(failed(message * 50, hint * 50, output * 50), limit=limit).encode()) <= limit


def test_nothing_is_told_of_a_build_without_an_image() -> None:
    assert summary.document(Outcome.of(0, {"masu.seconds": 1.0}), limit=4000) == ""
