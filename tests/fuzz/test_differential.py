"""Twenty generated cases, always the same; `make fuzz N=500` builds others."""

from __future__ import annotations

import pytest

from tests.fuzz.compare import compare
from tests.fuzz.generate import case_text, generate
from tests.support.bases import Bases
from tests.support.oracle import Docker

FIRST_SEED = 2026


@pytest.mark.oracle
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + 20))
def test_a_generated_case_comes_out_as_from_docker(seed: int, docker: Docker, bases: Bases) -> None:
    case = generate(seed)
    verdict = compare(case, docker, bases, remember=True)
    assert not verdict.kind, f"{verdict.kind}:\n{verdict.text}\n{case_text(case)}"
