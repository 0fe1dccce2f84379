"""What becomes of py-spy's samples."""

from __future__ import annotations

from pathlib import Path

from bench.profile import parsed, report

ROOT = Path(__file__).resolve().parents[2]
TREE = f"{ROOT}/builder/rootfs/tree.py"
RAW = f"""\
process 1:"python -m builder";main ({ROOT}/builder/cli.py:10);walk ({TREE}:20) 30
process 1:"python -m builder";main ({ROOT}/builder/cli.py:12);walk ({TREE}:25);walk ({TREE}:3) 50
process 2:"python";thread (0x7F);_load (<frozen importlib._bootstrap>:7);join (/usr/lib/python3.11/posixpath.py:71) 20
process 2:"python";thread (0x7F);_worker (concurrent/futures/thread.py:81) 900
"""


def test_a_function_is_one_whatever_its_line_and_process_and_waiting_is_none() -> None:
    assert parsed(RAW) == {
        ("main (builder/cli.py)", "walk (builder/rootfs/tree.py)"): 30,
        ("main (builder/cli.py)", "walk (builder/rootfs/tree.py)", "walk (builder/rootfs/tree.py)"): 50,
        ("_load (<frozen importlib._bootstrap>)", "join (posixpath.py)"): 20,
    }


def test_a_function_that_calls_itself_counts_once_a_sample() -> None:
    lines = list(report(parsed(RAW), rows=1))
    assert lines[0].startswith("0.5 s")
    assert lines[-1] == "| `walk (builder/rootfs/tree.py)` | 80.0% | 80.0% |"
