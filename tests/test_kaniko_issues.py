"""docs/kaniko-issues.md names tests that there are."""

from __future__ import annotations

import re

import pytest

from tests.support.shared import REPOSITORY

REFERENCES = re.findall(r"`([\w-]+\.(?:case|py)): ([^`]+)`", (REPOSITORY / "docs/kaniko-issues.md").read_text())


@pytest.mark.parametrize(("file", "name"), REFERENCES)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    texts = [path.read_text() for path in (REPOSITORY / "tests").rglob(file)]
    beginning = f"=== {name}\n" if file.endswith(".case") else f"def {name}("
    assert any(beginning in text for text in texts)


def test_every_row_names_one() -> None:
    rows = [line for line in (REPOSITORY / "docs/kaniko-issues.md").read_text().splitlines() if re.match(r"\| (fork)?#\d", line)]
    assert len(rows) == 35
    assert all(re.search(r"`[\w-]+\.(case|py): ", row) for row in rows)
