from __future__ import annotations

import yaml

from steps.github_actions.manual import DIRECTORY, action, filled
from steps.github_actions.table import INPUTS, OUTPUTS

_HINT = "run `make flags`"


def test_the_action_has_what_the_table_says() -> None:
    assert (DIRECTORY / "action.yml").read_text() == action(), _HINT


def test_the_readmes_tables_have_what_the_table_says() -> None:
    text = (DIRECTORY / "README.md").read_text()
    assert filled(text) == text, _HINT
    assert all(f"| `{name}` |" in text for name in (*(item.name for item in INPUTS), *OUTPUTS))


def test_every_input_reaches_the_step_and_no_expression_a_script() -> None:
    document = yaml.safe_load(action())
    (step,) = document["runs"]["steps"]
    assert {item.variable: f"${{{{ inputs.{item.name} }}}}" for item in INPUTS}.items() <= step["env"].items()
    assert "${{" not in step["run"]
    assert set(document["inputs"]) == {*(item.name for item in INPUTS), "docker-run-args", "step-image"}
