from __future__ import annotations

import pytest

from builder.columns import columns, human_size


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert columns(("A", "LONG"), [("1234", "x"), ("", "yy")]) == "A      LONG\n1234   x\n       yy\n"


def test_nothing_in_a_cell_moves_the_cursor() -> None:
    assert columns(("A",), [("x\x1b[2J\r\ny",)]) == "A\nx?[2J??y\n"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (1234, "1.23kB"), (999_600, "1MB"), (45_600_000, "45.6MB"), (10**18, "1e+03PB")],
)
def test_sizes_are_written_as_docker_does(size: int, text: str) -> None:
    assert human_size(size) == text
