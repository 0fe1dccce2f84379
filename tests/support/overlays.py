"""Tests of overlays: each in a thread with mounts of its own, which go when it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import pytest

from builder.errors import SandboxError
from builder.sandbox import overlayfs

Parameters = ParamSpec("Parameters")


def with_own_mounts(test: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Run the test in a mount namespace (they belong to threads, unshare(2)); skips where that can't be had."""

    @wraps(test)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        raised: list[BaseException] = []

        def body() -> None:
            try:
                overlayfs.enter()
            except SandboxError as error:
                raised.append(pytest.skip.Exception(f"overlays can't be tested here: {error.message}"))
                return
            try:
                test(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - raised again in pytest's own thread
                raised.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if raised:
            raise raised[0]

    return run


def require_overlays(directory: Path) -> None:
    """Skip if the directory can't carry them."""
    reason = overlayfs.unsuitable(directory)
    if reason:
        pytest.skip(f"overlays can't be tested here: {reason}")
