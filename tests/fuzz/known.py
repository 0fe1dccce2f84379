"""The differences that docs/differences.md explains, as a generated case may show them: by the names that the generator keeps for
them, for it can't name its cases."""

from __future__ import annotations

import re

from tests.support.cases import Case
from tests.support.images import Difference

_HARD_LINK_FIELDS = re.compile(r"links|size|sha256|mode|uid|gid|mtime|layer \d+")
_MOVED_FIELDS = re.compile(r"mtime|xattrs|links")


def heading(case: Case, difference: Difference) -> str:
    """Of the entry that explains it; empty if none does."""
    path, field = difference.path, difference.field
    parts = path.split("/")
    runs = re.search(r"^RUN ", case.sections["Dockerfile"], re.MULTILINE | re.IGNORECASE)
    if path.startswith("(history") and field == "created_by" and _is_healthcheck(difference):
        return "HEALTHCHECK in the history"
    if runs and parts[-1].startswith("hard") and _HARD_LINK_FIELDS.fullmatch(field):
        return "Hard links to files of a lower layer"
    if runs and any(part.startswith("moved") for part in parts) and _MOVED_FIELDS.fullmatch(field):
        return "Directories of a lower layer that a RUN moves"
    if field == "mtime" and re.search(r"\bmv ", case.sections["Dockerfile"]):
        return "Directories of a lower layer that a RUN moves"
    return ""


def failure_heading(case: Case, log: str) -> str:
    """As `heading`, where only docker fails, saying `log`."""
    missing = re.search(r"failed to solve: lstat (/.*): no such file or directory", log)
    if missing and re.search(re.escape(missing[1].lstrip("/")) + r"/[^ ]*[*?\[]", case.sections["Dockerfile"]):
        return "Sources that Docker's client can't ask for"
    if re.search(r'"/[^"]*[*?\[][^"]*": not found', log):  # a link of such a name: it is sent, what it points to isn't
        return "Sources that Docker's client can't ask for"
    return ""


def _is_healthcheck(difference: Difference) -> bool:
    return difference.docker.startswith('"HEALTHCHECK &{') and difference.masu.startswith('"HEALTHCHECK {')
