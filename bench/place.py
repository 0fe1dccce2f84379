"""Where figures come from."""

from __future__ import annotations

import os
import platform


def machine(file_system: str) -> str:
    """A line about it."""
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{os.cpu_count()} cores, Linux {kernel}, Python {platform.python_version()}; file system: {file_system}."
