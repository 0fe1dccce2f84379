"""plugins/github-actions/action.yml and the tables of its README, made from the table of inputs. `make flags` writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from steps.github_actions.table import INPUTS, OUTPUTS, Input

DIRECTORY = Path(__file__).parents[2] / "plugins/github-actions"
_STEP_IMAGE = Input(
    name="step-image", help="masu's image, which is run (default: ghcr.io/ and the action's repository and version)"
)
_RUN_ARGUMENTS = Input(name="docker-run-args", help="further arguments of docker run, one a line (int128/kaniko-action)")
_HEAD = """\
# Made by `make flags` from steps/github_actions/table.py.
name: masu build and push
description: Build container images from Dockerfiles without a daemon and without privileges, and push them
author: masu
branding:
  icon: box
  color: orange
"""
_RUNS = """\
runs:
  using: composite
  steps:
    - id: run
      shell: bash
      run: exec bash "$GITHUB_ACTION_PATH/run.sh"
      env:
        MASU_ACTION_REPOSITORY: ${{ github.action_repository }}
        MASU_ACTION_REF: ${{ github.action_ref }}
        MASU_IMAGE: ${{ inputs.step-image }}
        MASU_DOCKER_RUN_ARGS: ${{ inputs.docker-run-args }}
        MASU_SECRET_ENVS: ${{ inputs.secret-envs }}
        MASU_SSH: ${{ inputs.ssh }}
        MASU_JOB_CONTAINER: ${{ job.container.id }}
        MASU_JOB_NETWORK: ${{ job.container.network }}
"""


def action() -> str:
    """The text of action.yml."""
    inputs = "".join(_input(item) for item in _all())
    outputs = "".join(
        f"  {name}:\n    description: {json.dumps(help)}\n    value: ${{{{ steps.run.outputs.{name} }}}}\n"
        for name, help in OUTPUTS.items()
    )
    passed = "".join(f"        {item.variable}: ${{{{ inputs.{item.name} }}}}\n" for item in INPUTS)
    return f"{_HEAD}inputs:\n{inputs}outputs:\n{outputs}{_RUNS}{passed}"


def tables() -> dict[str, str]:
    """The README's tables by the names of their places."""
    rows = [(f"`{item.name}`", item.help, item.kind.value) for item in _all()]
    outputs = [(f"`{name}`", help) for name, help in OUTPUTS.items()]
    return {"inputs": _table(("input", "what it does", "read as"), rows), "outputs": _table(("output", "what it is"), outputs)}


def filled(text: str) -> str:
    """The README with its tables made anew."""
    for name, table in tables().items():
        begin, end = f"<!-- {name}: made by make flags -->\n", f"<!-- end of {name} -->\n"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return text


def write() -> None:
    """Both files, in their places."""
    (DIRECTORY / "action.yml").write_text(action(), encoding="utf-8")
    readme = DIRECTORY / "README.md"
    readme.write_text(filled(readme.read_text(encoding="utf-8")), encoding="utf-8")


def _all() -> tuple[Input, ...]:
    return (*INPUTS, _RUN_ARGUMENTS, _STEP_IMAGE)


def _input(item: Input) -> str:
    default = f"    default: {json.dumps(item.default)}\n" if item.default else ""
    return f"  {item.name}:\n    description: {json.dumps(item.help, ensure_ascii=False)}\n{default}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    write()
