from __future__ import annotations

import signal
import sys

import pytest

from builder.sandbox.child import _run


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, 137)])
def test_a_child_that_a_signal_ended_has_a_shells_exit_code(number: int, code: int) -> None:
    """As when a CI runner ends every process of a container, or the kernel one of them for lack of memory."""
    program = f"import os; os.kill(os.getpid(), {int(number)})"
    assert _run([sys.executable, "-c", program], (), output=lambda chunk: None, stdin=None) == code
