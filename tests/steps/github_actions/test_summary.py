from __future__ import annotations

from dataclasses import replace

import pytest

from builder.journal import Done, Failure, Warned
from steps.github_actions.summary import bar, size, summary
from steps.outcome import Outcome

_DONE = Done(name="stage 1/1, step 1/1", text="RUN make", file="Dockerfile", line=2, seconds=3.0, cached=False, size=2_500_000)
_OUTCOME = Outcome(
    code=0, metadata={}, images=("a.test/b:1",), pushed=("a.test/b:1",), digest="sha256:00", platform="linux/amd64",
    size=2_500_000, layers=1, seconds=4.2, steps=(_DONE,),
)  # fmt: skip


def test_it_tells_image_digest_size_times_and_what_the_cache_had() -> None:
    missed = replace(_DONE, text="COPY src .", seconds=1.5, reasons=("changed: src/a",))
    text = summary(replace(_OUTCOME, steps=(replace(_DONE, cached=True), missed)))
    for part in (
        "### Pushed: <code>a.test/b&#58;1</code>",
        "sha256&#58;00",
        "2.5 MB in 1 layers, linux/amd64",
        "4.2 s",
        "1 of 2",
    ):
        assert part in text
    assert "| 3.0 s | ████████████████████ | 2.5 MB | hit |" in text
    assert "| 1.5 s | ██████████ | 2.5 MB | missed: changed&#58; src/a |" in text


def test_several_platforms_are_told_apart() -> None:
    steps = tuple(replace(_DONE, platform=platform) for platform in ("linux/amd64", "linux/arm64"))
    text = summary(replace(_OUTCOME, steps=steps, platform="linux/amd64,linux/arm64"))
    assert "2.5 MB in 1 layers, linux/amd64, linux/arm64" in text
    assert "<sub>Dockerfile:2 linux/arm64</sub>" in text


def test_a_failure_has_its_hint_and_the_last_lines() -> None:
    failure = Failure(message="Dockerfile:2: RUN make: exit code 2", hint="try", output="cc: no\nmake: *** [a] Error")
    text = summary(Outcome(code=2, metadata={}, failure=failure))
    assert text.startswith("### Not built: image\n")
    assert "<pre>cc&#58; no\nmake&#58; &#42;&#42;&#42; &#91;a&#93; Error</pre>" in text
    assert "**Hint:** try" in text


@pytest.mark.parametrize(
    "evil", ["| a | b |", "`x`", "<script>alert(1)</script>", "</pre><img src=x>", "![x](http://e.test)", "@user", "\n# x"]
)
def test_what_others_wrote_is_neither_html_nor_markdown(evil: str) -> None:
    failure = Failure(message=evil, hint=evil, output=evil)
    step = replace(_DONE, text=evil, file=evil, reasons=(evil,))
    warned = Warned(file=evil, line=1, end=1, rule=evil, message=evil)
    text = summary(Outcome(code=1, metadata={}, steps=(step,), warnings=(warned,), failure=failure))
    bare = summary(Outcome(code=1, metadata={}, steps=(_DONE,), warnings=(replace(warned, file="", rule="", message=""),)))
    assert evil not in text.replace("\n# x", evil if evil != "\n# x" else "x")
    rows = [line for line in text.splitlines() if line.startswith("| <code>")]
    assert [line.count("|") for line in rows] == [line.count("|") for line in bare.splitlines() if line.startswith("| <code>")]


def test_it_stays_far_below_what_github_takes() -> None:
    step = replace(_DONE, text="RUN " + "x" * 10_000, reasons=("r" * 10_000,))
    failure = Failure(message="m" * 100_000, output="o" * 8_192)
    text = summary(replace(_OUTCOME, steps=(step,) * 5000, images=("a.test/b:1",) * 5000, failure=failure))
    assert len(text.encode()) < 200_000
    assert "4800 more" in text


def test_bars_are_as_long_as_the_times() -> None:
    assert [bar(seconds, 8) for seconds in (8, 4, 0.05, 0)] == ["█" * 20, "█" * 10, "▏", ""]
    assert bar(0, 0) == ""
    assert [size(count) for count in (7, 1500, 2_000_000, 3_100_000_000)] == ["7 B", "1.5 kB", "2.0 MB", "3.1 GB"]
