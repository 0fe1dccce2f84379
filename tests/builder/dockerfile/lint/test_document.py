"""docs/checks.md is made from the table: `python -m tests.builder.dockerfile.lint.test_document` writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.dockerfile.lint import RULES, Rule
from tests.support.check_cases import CheckCase, masu_checks

_ALONE = [rule for rule in RULES if rule.name != "InvalidBaseImagePlatform"]  # that one needs images
DOCUMENT = Path(__file__).parents[4] / "docs/checks.md"
HEAD = """\
# Build checks

masu looks for what is probably not meant in a Dockerfile: BuildKit's rules, under BuildKit's names. They run in every build, over
all that is built; each finding is one warning in the log, and none is given twice for a line:

```
Dockerfile:3: warning: StageNameCasing: stage name 'Base' is not lower case
```

`masu build --check` (or `--call check`) runs them alone, over all stages, or those that `--target` needs. It exits with 1 if
something was found or the Dockerfile is wrong, else with 0. `--check-format json` prints it in the form of docker's
`--call=check,format=json`.

Nothing is downloaded for it but the configs of base images. Where a registry doesn't answer, a note says so and the rules that
need the base image are left out for its stages; the others run.

| in the Dockerfile | effect |
|---|---|
| `# check=skip=RULE,RULE` in the first lines | these rules don't run; `all` for all of them |
| `# check=error=true` | warnings make the build fail, with exit code 1, before anything is built |
| `# check=experimental=RULE` | this experimental rule runs; `all` for all of them |
| `# check=skip=RULE` right above an instruction | the rule doesn't run for this instruction |

Options are put together with `;`: `# check=skip=JSONArgsRecommended;error=true`. `--build-arg BUILDKIT_DOCKERFILE_CHECK=skip=…`
takes the place of the directive in the first lines.

What is found is compared with docker's own checks, Dockerfile by Dockerfile (`tests/e2e/checks`); where docker finds something
else, `tests/e2e/known_check_differences.py` says why. One difference is meant: a comment above an instruction counts for every
rule, in BuildKit not for those that look at the whole file.

"""


def document() -> str:
    return HEAD + "\n".join(_section(rule) for rule in RULES)


def _section(rule: Rule) -> str:
    notes = [f"Needs {rule.needs}."] if rule.needs else []
    notes += ["Experimental: it has to be asked for."] if rule.experimental else []
    lines = [f"## {rule.name}", "", f"{rule.summary[0].upper()}{rule.summary[1:]}. {rule.advice}", *notes, ""]
    return "\n".join([*lines, "```dockerfile", "# instead of", rule.bad, "# write", rule.good, "```", ""])


def test_the_document_is_what_the_table_says() -> None:
    assert DOCUMENT.read_text() == document(), f"write it anew: python -m {__name__}"


@pytest.mark.parametrize("rule", _ALONE, ids=lambda rule: rule.name)
def test_the_bad_example_is_found_and_the_good_one_is_fine(rule: Rule, tmp_path: Path) -> None:
    assert rule.name in _found(rule, rule.bad, tmp_path / "bad")
    assert rule.name not in _found(rule, rule.good, tmp_path / "good")


def _found(rule: Rule, example: str, directory: Path) -> set[str]:
    directory.mkdir()
    text = example if "FROM" in example else f"FROM scratch\n{example}"
    sections = {"Dockerfile": f"# check=experimental=all\n{text}\n", "ignore": "secret.txt\n"}
    case = CheckCase(rule=rule.name, name="example", sections=sections, finds=())
    return {name for _, name in masu_checks(case, directory, {}).found}


if __name__ == "__main__":
    DOCUMENT.write_text(document())
