from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.masu import ROOT

ASK = """
import resource, sys
from builder.sandbox import descriptors
descriptors.allow_many()
print(descriptors.commands(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
for most in map(int, sys.argv[1:]):
    descriptors.lower(most)
    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "most", "told"),
    [
        (64, 256, (), [64, 256]),
        (64, 256, (512, -1, 128, 200), [64, 256, 256, 256, 128, 128]),
        (256, 256, (64,), [256, 256, 64]),
    ],
)
def test_the_limit_of_descriptors(soft: int, hard: int, most: tuple[int, ...], told: list[int]) -> None:
    limited = ["sh", "-c", f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"', "sh"]
    argv = [*limited, sys.executable, "-c", ASK, *map(str, most)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert [int(word) for word in done.stdout.split()] == told
