"""What masu needs around it in its own image, where the container's environment doesn't say otherwise.

While a build runs, `/` may hold another distribution's files, so libraries are shown ours before they look at their own places.
None of it reaches a RUN, whose environment is made from nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from steps import HOME

_OF_VOLUMES = "lost+found"
"""Root's, at the top of a volume that is a disk of its own."""


def completed(env: Mapping[str, str], *, home: Path = HOME, spare: Path = Path("/tmp")) -> dict[str, str]:
    """Variables to set in `env`; `home` is masu's directory, `spare` another that may be writable where `home` is not."""
    state = env.get("MASU_STATE_DIR") or str(_state(env, home, spare))
    found = {
        "MASU_STATE_DIR": state,
        "TMPDIR": str(_temporary(env, home, Path(state))),
        "PATH": ":".join(filter(None, (f"{home}/bin", env.get("PATH")))),
        "GIT_EXEC_PATH": f"{home}/bin",
        "OPENSSL_CONF": env.get("OPENSSL_CONF") or f"{home}/ssl/openssl.cnf",
        "SSL_CERT_DIR": env.get("SSL_CERT_DIR") or f"{home}/ssl/certs",
    }
    bundle = home / "ssl/certs/ca-certificates.crt"
    if not env.get("SSL_CERT_FILE") and bundle.exists():
        found["SSL_CERT_FILE"] = str(bundle)
    return found


def _state(env: Mapping[str, str], home: Path, spare: Path) -> Path:
    """Where state can be kept: in `home`, or on a volume. The first choice if nowhere, for commands that keep none."""
    own = f"masu-{os.getuid()}"
    elsewhere = [Path(env["TMPDIR"], own)] if env.get("TMPDIR") else []
    candidates = (home / "state", *elsewhere, spare / own)
    return next((candidate for candidate in candidates if _is_ours(candidate)), candidates[0])


def _temporary(env: Mapping[str, str], home: Path, state: Path) -> Path:
    """Like `/tmp`, but where no RUN sees it."""
    named = [Path(env["TMPDIR"])] if env.get("TMPDIR") else []
    candidates = (*named, home / "tmp", state / "tmp")
    return next((candidate for candidate in candidates if _is_writable(candidate)), candidates[0])


def _is_ours(directory: Path) -> bool:
    """Whether this user can write it and what is in it, which may be another user's."""
    if not _is_writable(directory):
        return False
    with os.scandir(directory) as entries:
        found = (Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
        return all(_is_writable(path) for path in found if path.name != _OF_VOLUMES)


def _is_writable(directory: Path) -> bool:
    """Made if it can be."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.R_OK | os.W_OK | os.X_OK)
