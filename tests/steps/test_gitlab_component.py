"""The component says what the options table says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.commands import COMMANDS
from builder.flags import flag_of
from builder.options import KanikoOptions
from builder.values import fields
from steps import gitlab_reports
from steps.gitlab_ci import arguments
from steps.gitlab_component import README, TEMPLATE, table, template
from steps.gitlab_inputs import INPUTS

ROOT = Path(__file__).parents[2]


def documents() -> tuple[Any, Any]:
    header, job = yaml.safe_load_all((ROOT / TEMPLATE).read_text())
    return header["spec"]["inputs"], job["$[[ inputs.job-name ]]"]


def test_the_template_and_the_readme_are_of_todays_options() -> None:
    assert (ROOT / TEMPLATE).read_text() == template(), "run make flags"
    assert table() in (ROOT / README).read_text(), "run make flags"


def test_every_flag_of_a_build_is_an_input_but_those_that_do_nothing() -> None:
    tables = [table for table in COMMANDS["build"].tables if table is not KanikoOptions]
    flags = {row.name.replace("_", "-") for table in tables for row in fields(table) if not flag_of(row).hidden}
    assert flags - set(documents()[0]) == {"metadata-file"}


def test_every_input_is_used_once_and_reaches_the_step() -> None:
    inputs, job = documents()
    assert list(job["variables"].values()) == [
        f"$[[ inputs.{name} ]]" for name in inputs if name not in ("job-name", "stage", "builder-image")
    ]
    assert set(job["variables"]) == {row.variable for row in INPUTS[3:]}


def test_with_its_defaults_the_component_gives_the_flags_that_it_says() -> None:
    inputs, job = documents()
    given = {
        variable: str(inputs[value[len("$[[ inputs.") : -len(" ]]")]]["default"])
        .replace("True", "true")
        .replace("False", "false")
        for variable, value in job["variables"].items()
    }
    asked = arguments([], {"CI_PROJECT_DIR": "/p", **given})
    assert asked.argv == ("build", "--git-modes=true", "--destination=$CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA")


def test_the_reports_that_gitlab_takes_are_those_that_are_written() -> None:
    named = documents()[1]["artifacts"]["reports"]
    assert sorted(named.values()) == sorted(f".masu/{name}" for name in (*gitlab_reports.NAMES, gitlab_reports.BILL))


@pytest.mark.parametrize("row", INPUTS, ids=lambda row: row.name)
def test_an_input_fits_gitlabs_limits(row: Any) -> None:
    assert row.options == () or row.default in row.options
    assert len(row.description) < 1024
    assert isinstance(row.default, {"string": str, "boolean": bool, "number": int}[row.type])
