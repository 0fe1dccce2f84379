"""Every fenced block of the documents that a new user reads is run or validated: by a test elsewhere that is named, or here."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import requests
import yaml

from builder.commands import own_words, parser_of
from builder.flags import split_booleans
from builder.foreign import foreign_step
from steps.commands import COMMANDS
from tests.support import validators
from tests.support.dockerfiles import ARM64, lowered
from tests.support.masu import write_context
from tests.support.registry import serve_registry
from tests.support.shared import REPOSITORY
from tests.support.snippets import Snippet, snippets
from tests.support.step_image import STATE

DOCUMENTS = sorted(
    [
        REPOSITORY / "README.md",
        *(path for place in ("plugins", "examples") for path in (REPOSITORY / place).rglob("*.md")),
        *(path for path in (REPOSITORY / "docs").rglob("*.md") if path.name != "checks.md"),  # made from the rules' own cases
    ]
)

GITHUB, GITLAB = "tests/containers/test_github.py", "tests/containers/test_gitlab_local.py"
CLOUD, PODS = "tests/containers/test_cloud_build.py", "tests/containers/test_pods.py"

# Document, how a block of it begins, and who looks at it: a test that runs it, or one of the checks of this file.
ACCOUNTED: tuple[tuple[str, str, str], ...] = (
    ("README.md", "$ make demo", "commands"),
    ("README.md", "$ make test", "commands"),
    ("README.md", '$ export PATH="$PWD/.venv/bin:$PATH"', f"{__name__}::test_the_readmes_first_commands_run"),
    ("README.md", "masu build --context . ", f"{__name__}::test_the_readmes_build_pushes_an_image"),
    ("README.md", "on: push", f"{GITHUB}::test_a_readmes_quick_start_pushes_an_image"),
    ("README.md", "include:", f"{GITLAB}::test_the_projects_readme_brings_a_new_user_to_a_pushed_image"),
    ("README.md", "steps:", f"{CLOUD}::test_the_readmes_build_brings_a_new_user_to_a_pushed_image"),
    ("README.md", "apiVersion: v1", f"{PODS}::test_the_readmes_pod_brings_a_new_user_to_a_pushed_image"),
    ("plugins/github-actions/README.md", "name: image", f"{GITHUB}::test_a_readmes_quick_start_pushes_an_image"),
    ("plugins/github-actions/README.md", "- uses: google-github-actions/auth", "github steps"),
    ("plugins/github-actions/README.md", "- uses: OWNER/masu/plugins", "github steps"),
    (
        "plugins/github-actions/README.md",
        "jobs:",
        f"{GITHUB}::test_the_readmes_job_in_masus_own_image_fetches_logs_in_and_pushes",
    ),
    ("plugins/github-actions/README.md", "- uses: docker://", f"{GITHUB}::test_the_readmes_image_as_an_action_pushes"),
    ("plugins/gitlab/README.md", "include:", "gitlab"),
    ("plugins/gitlab/README.md", "build:", "gitlab"),
    ("plugins/gitlab/README.md", "build-image:", "gitlab"),
    ("examples/cloudbuild/README.md", "steps:", f"{CLOUD}::test_the_readmes_build_brings_a_new_user_to_a_pushed_image"),
    ("examples/cloudbuild/README.md", "gcloud artifacts repositories", "commands"),
    ("examples/kubernetes/README.md", "kubectl create secret", "commands"),
    ("examples/kubernetes/README.md", "kubectl get pods", "commands"),
    ("examples/kubernetes/README.md", "kubectl apply", "commands"),
    ("docs/cache-mounts.md", "masu build --cache-mounts", "commands"),
    ("docs/cache.md", "masu build --cache -d", "commands"),
    ("docs/cache.md", "No cached layer found for cmd", "said"),
    ("docs/credentials.md", 'echo "$TOKEN" | masu login', "commands"),
    ("docs/credentials.md", 'echo "$GITHUB_TOKEN" | masu login', "commands"),
    ("docs/credentials.md", "variables:", "gitlab"),
    ("docs/credentials.md", "apiVersion: v1", "manifests"),
    ("docs/credentials.md", "build:", "gitlab"),
    ("docs/from-kaniko.md", "masu migrate --image", "commands"),
    ("docs/from-kaniko.md", "build:", "gitlab"),
    ("docs/images.md", "masu build -o type=image", "commands"),
    ("docs/images.md", "FROM --platform=$BUILDPLATFORM", "cross-compiling"),
    ("docs/images.md", "masu build --provenance", "commands"),
    ("docs/images.md", "masu build --sbom", "commands"),
    ("docs/performance.md", "# make bench", "commands"),
    ("docs/registries.md", "masu build --registry-mirror", "commands"),
)
ALL = [snippet for document in DOCUMENTS for snippet in snippets(document)]
HERE = ("commands", "cross-compiling", "github steps", "gitlab", "manifests", "said")


def who(snippet: Snippet) -> str:
    """Who looks at it; "" if nobody does."""
    rows = (who for document, begins, who in ACCOUNTED if document == snippet.document and snippet.begins.startswith(begins))
    return next(rows, "")


def name(snippet: Snippet) -> str:
    return f"{snippet.document}:{snippet.line}"


def test_every_block_is_accounted_for_and_every_row_is_of_a_block() -> None:
    assert [f"{name(snippet)}: {snippet.begins}" for snippet in ALL if not who(snippet)] == []
    begun = {(snippet.document, row) for snippet in ALL for row in ACCOUNTED if snippet.begins.startswith(row[1])}
    assert [row for row in ACCOUNTED if (row[0], row) not in begun] == []


TESTS = sorted({who for _, _, who in ACCOUNTED if "::" in who and not who.startswith(__name__)})


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.rpartition("::")[2])
def test_a_test_that_is_named_exists_and_reads_the_document(test: str) -> None:
    file, _, function = test.partition("::")
    source = (REPOSITORY / file).read_text()
    assert f"def {function}(" in source
    assert "README.md" in source


@pytest.mark.parametrize("snippet", [snippet for snippet in ALL if who(snippet) in HERE], ids=name)
def test_a_block_is_valid_by_the_rules_of_its_readers(snippet: Snippet, tmp_path: Path) -> None:
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text(whole(snippet))
    kind = who(snippet)
    if kind == "commands":
        check_commands(snippet)
    elif kind == "cross-compiling":
        assert foreign_step(lowered(snippet.text), lambda platform: platform.matches(ARM64)) is None, "it runs where it is built"
    elif kind == "said":
        assert said_somewhere(snippet.begins)
    elif kind == "gitlab":
        assert validators.gitlab(file, scratch=tmp_path) == []
    elif kind == "manifests":
        assert validators.manifests(file) == []
    else:
        assert validators.github_workflow_as_it_is(file) == []


def whole(snippet: Snippet) -> str:
    """A part of a workflow with the rest of one around it."""
    if who(snippet) == "github steps":
        job = {"runs-on": "ubuntu-24.04", "steps": yaml.safe_load(snippet.text)}
        return yaml.safe_dump({"on": "push", "jobs": {"job": job}}, sort_keys=False)
    return snippet.text


def lines_of(snippet: Snippet) -> list[str]:
    """The commands: those behind a `$` or `#` of a console, every line of a script; lines that go on are one."""
    text = snippet.text.replace("\\\n", " ")
    if snippet.language == "console":
        return [line[2:] for line in text.splitlines() if line.startswith(("$ ", "# "))]
    return [line for line in text.splitlines() if line.strip()]


def check_commands(snippet: Snippet) -> None:
    """masu's flags and the Makefile's targets that are named must be there."""
    targets = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    found = [words for line in lines_of(snippet) for words in simple(line)]
    assert found
    for words in found:
        if words[0] == "masu":
            command = COMMANDS[words[1]]
            own = words[2 : 2 + own_words(words[2:], command)]
            parser_of(words[1], command).parse_args(split_booleans(own, command.tables))
        elif words[0] == "make":
            assert words[1] in targets
        elif words[:2] == ["kubectl", "apply"]:
            files = [word for word in words[2:] if word.endswith(".yaml")]
            check_files(REPOSITORY / snippet.document, files)
        elif words[0] == "tkn":
            files = re.findall(r"File=(\S+)", " ".join(words))
            check_files(REPOSITORY / snippet.document, files)


def check_files(document: Path, named: Sequence[str]) -> None:
    """The files that a command applies are beside the document, or where they are from the repository's root, or elsewhere."""
    assert named
    here = [name for name in named if "://" not in name]
    assert [name for name in here if not (document.parent / name).is_file() and not (REPOSITORY / name).is_file()] == []


def simple(line: str) -> Iterator[list[str]]:
    """The commands of a line without its comment; `…` stands for more that needs no check."""
    words: list[str] = []
    for word in shlex.split(line, comments=True):
        if word in ("|", "&&", ">"):
            yield words
            words = []
        elif word != "…":
            words.append(word)
    if words:
        yield words


def said_somewhere(line: str) -> bool:
    """The line's fixed beginning is in the code."""
    return any("No cached layer found for cmd" in path.read_text() for path in (REPOSITORY / "builder").rglob("*.py")) and bool(
        line
    )


def masu_in_path() -> dict[str, str]:
    return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": "/root", "MASU_STATE_DIR": str(STATE)}


def run(script: str, *, cwd: Path) -> str:
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=cwd, env=masu_in_path(), capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def of_readme(begins: str) -> Snippet:
    return next(snippet for snippet in snippets(REPOSITORY / "README.md") if snippet.begins.startswith(begins))


def test_the_readmes_first_commands_run() -> None:
    export, *commands = lines_of(of_readme("$ export PATH"))
    assert export.startswith("export PATH=")
    base = subprocess.run(
        ["scripts/debian-base"], cwd=REPOSITORY, env=masu_in_path(), capture_output=True, text=True, check=False
    )
    if base.returncode:
        pytest.skip(f"there is no Debian base here: {base.stderr[-300:]}")
    said = run("\n".join(commands), cwd=REPOSITORY)
    assert re.search(r"^hello\b", said, re.MULTILINE), said


def test_the_readmes_build_pushes_an_image(tmp_path: Path) -> None:
    write_context(tmp_path / "context", "FROM scratch\nARG VERSION\nLABEL version=$VERSION\nCOPY Dockerfile /\n")
    (tmp_path / "registry").mkdir()
    with serve_registry(tmp_path / "registry") as registry:
        script = of_readme("masu build --context . ").text.replace("registry.example.com", registry.host)
        run(script, cwd=tmp_path / "context")
        url = f"http://{registry.host}/v2/team/app/manifests/1.0"
        answer = requests.get(url, headers={"Accept": "application/vnd.oci.image.manifest.v1+json"}, timeout=30)
    assert answer.headers["Docker-Content-Digest"] == (tmp_path / "context/digest.txt").read_text()
