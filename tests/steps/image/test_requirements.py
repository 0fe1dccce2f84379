from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.shared import REPOSITORY


def test_the_image_carries_what_the_project_needs_with_hashes() -> None:
    text = (REPOSITORY / "steps/image/requirements.txt").read_text()
    pinned = {name: Version(version) for name, version in re.findall(r"^([a-z0-9-]+)==(\S+) \\$", text, re.MULTILINE)}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"]["azure"])]
    assert {need.name for need in wanted} <= set(pinned)
    assert [need for need in wanted if pinned[need.name] not in need.specifier] == []
    assert all("--hash=sha256:" in part for part in re.split(r"^\S+==", text, flags=re.MULTILINE)[1:])
