from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path

import pytest

from builder.errors import SandboxError
from builder.sandbox import Outcome, Output, Process, View, run_nothing
from builder.sandbox.child import _run
from builder.sandbox.chroot import Chroot


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, 137)])
def test_a_child_that_a_signal_ended_has_a_shells_exit_code(number: int, code: int) -> None:
    """As when a CI runner ends every process of a container, or the kernel one of them for lack of memory."""
    program = f"import os; os.kill(os.getpid(), {int(number)})"
    assert _run([sys.executable, "-c", program], (), output=lambda chunk: None, stdin=None) == code


@pytest.mark.parametrize(("code", "says"), [(126, ""), (143, "ended with exit code 143"), (0, "ended with exit code 0")])
def test_a_sandbox_whose_trial_was_ended_by_something_else_is_not_taken_for_a_good_one(code: int, says: str) -> None:
    class Ending(Chroot):
        def run(self, process: Process, view: View, *, output: Output) -> Outcome:
            return Outcome(code=code)

    with pytest.raises(SandboxError, match=says) if says else contextlib.nullcontext():
        run_nothing(Ending(Path("/nowhere")), View(root=Path("/nowhere"), places={}))
