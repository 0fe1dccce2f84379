"""The GitLab component and its table of inputs, made from the options table: `make flags` writes them.

GitLab wants a component in a file of two YAML documents: what it takes, and the job. Values go through variables into the job,
never into its script, so nothing in them is a command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from steps import gitlab_reports
from steps.gitlab_inputs import INPUTS, Input

PLACE = Path("plugins/gitlab")
TEMPLATE, README = PLACE / "templates/build/template.yml", PLACE / "README.md"
_BEGIN, _END = "<!-- inputs: made by `make flags` -->\n", "<!-- end of inputs -->\n"

_HEAD = """\
# masu's component for GitLab CI. Made by `make flags` from the options table; plugins/gitlab/README.md tells how to use it.
spec:
  inputs:
"""

_JOB = """\
---
"$[[ inputs.job-name ]]":
  stage: $[[ inputs.stage ]]
  image:
    name: $[[ inputs.builder-image ]]
    entrypoint: [""]
  interruptible: true
  retry:
    max: 1
    when: [runner_system_failure]
  id_tokens:
    MASU_GOOGLE_ID_TOKEN:
      aud: https://iam.googleapis.com/$[[ inputs.google-workload-identity-provider ]]
    MASU_AWS_ID_TOKEN:
      aud: sts.amazonaws.com
  variables:
{variables}  script:
    - /kaniko/masu step gitlab
  artifacts:
    when: always
    reports:
      dotenv: .masu/{dotenv}
      codequality: .masu/{quality}
      annotations: .masu/{annotations}
      metrics: .masu/{metrics}
      cyclonedx: .masu/{bill}
"""

_ABOUT_THE_JOB = frozenset({"job-name", "stage", "builder-image"})


def template() -> str:
    """The text of template.yml."""
    specs = "".join(_spec(row) for row in INPUTS)
    variables = "".join(f'    {row.variable}: "$[[ inputs.{row.name} ]]"\n' for row in INPUTS if row.name not in _ABOUT_THE_JOB)
    names = {"dotenv": gitlab_reports.DOTENV, "quality": gitlab_reports.QUALITY}
    names |= {"annotations": gitlab_reports.ANNOTATIONS, "metrics": gitlab_reports.METRICS, "bill": gitlab_reports.BILL}
    return _HEAD + specs + _JOB.format(variables=variables, **names)


def _spec(row: Input) -> str:
    lines = [f"description: {_quoted(row.description)}"]
    lines += [] if row.type == "string" else [f"type: {row.type}"]
    lines += [f"default: {_quoted(row.default)}"]
    lines += [f"options: {_quoted(list(row.options))}"] if row.options else []
    return f"    {row.name}:\n" + "".join(f"      {line}\n" for line in lines)


def _quoted(value: object) -> str:
    """JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


def table() -> str:
    """The inputs for the README."""
    return "".join(_table())


def _table() -> Iterator[str]:
    yield "| input | what it does | default |\n| --- | --- | --- |\n"
    for row in INPUTS:
        default = row.default if isinstance(row.default, str) else json.dumps(row.default)
        description = re.sub(r"([|<>*_])", r"\\\1", row.description)
        yield f"| `{row.name}` | {description} | {f'`{default}`' if default else ''} |\n"


def with_table(readme: str) -> str:
    """The README with today's table. Raises ValueError where it has no place for it."""
    head, begin, rest = readme.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{README} has no {_BEGIN.strip()} and {_END.strip()}")
    return f"{head}{begin}\n{table()}\n{end}{tail}"


def main() -> None:
    """Write both below the current directory."""
    TEMPLATE.parent.mkdir(parents=True, exist_ok=True)
    TEMPLATE.write_text(template(), encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
