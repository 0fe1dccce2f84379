"""The files that platforms read are valid by the platforms' own schemas, and name what there is."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.shared import REPOSITORY

CLOUDBUILD = REPOSITORY / "cloudbuild.yaml"


def test_cloudbuild_is_valid() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.cloudbuild", str(CLOUDBUILD)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_cloudbuild_lints_tests_and_builds_in_this_order_with_targets_of_the_makefile() -> None:
    text = CLOUDBUILD.read_text()
    assert re.findall(r"- id: (\w+)", text) == ["lint", "test", "image", "load"]
    used = re.findall(r"script: make (\w+)", text)
    targets = re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert used == ["check", "test", "image"]
    assert set(used) <= set(targets)


def test_cloudbuild_loads_the_archives_that_make_image_writes_under_the_names_it_pushes() -> None:
    text = CLOUDBUILD.read_text()
    script = (REPOSITORY / "scripts/make-image").read_text()
    targets = re.findall(r"--input build/(\w+)\.tar", text)
    assert targets == ["default", "debug"]
    assert all(re.search(rf"\[{target}\]=\$name", script) for target in targets)
    assert re.findall(r"^  - (\$_IMAGE:\S+)", text, re.MULTILINE) == ["$_IMAGE:$_TAG", "$_IMAGE:$_TAG-debug"]
