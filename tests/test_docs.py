"""The documentation is a site that builds without a warning, whose links lead somewhere, and which quotes what the code says."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.shared import REPOSITORY

OUTSIDE = sorted(
    path.relative_to(REPOSITORY)
    for path in [
        *REPOSITORY.glob("*.md"),
        *(path for place in ("plugins", "examples", "bench") for path in (REPOSITORY / place).rglob("*.md")),
    ]
)
"""Documents that are no pages of their own."""


def built(source: Path, to: Path) -> subprocess.CompletedProcess[str]:
    """With --quiet it would not be strict: warnings are counted where they are shown."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(to)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=source, env=env, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    done = built(REPOSITORY, directory)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return directory


class Fetched(HTMLParser):
    """What a browser gets by itself for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_style = tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon", "preconnect")
        self.urls += [url for url in (given.get("src"), given.get("href") if is_style else None) if url]


def test_every_document_is_a_page_and_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = {page.relative_to(site).with_suffix(".md").as_posix() for page in site.rglob("*.html") if page.name != "404.html"}
    assert pages == {page.relative_to(REPOSITORY / "docs").as_posix() for page in (REPOSITORY / "docs").rglob("*.md")}
    for page in site.rglob("*.html"):
        parser = Fetched()
        parser.feed(page.read_text())
        assert [url for url in parser.urls if re.match(r"(https?:)?//", url)] == [], page
        assert 'data-md-component="source"' not in page.read_text()  # Material would ask api.github.com


# What is wrong with a page, and a word of what is said about it.
BROKEN = (
    ("[x](nowhere.md)", "nowhere.md"),
    ("[x](flags.md#no-such-heading)", "no-such-heading"),
    ("[x](../nowhere/file.py)", "nowhere/file.py"),
    ("<!-- include: nowhere.md -->", "nowhere.md"),
)


@pytest.mark.parametrize(("text", "word"), BROKEN, ids=[row[1] for row in BROKEN])
def test_a_link_that_leads_nowhere_fails(text: str, word: str, tmp_path: Path) -> None:
    for name in ("docs", "scripts", "mkdocs.yml", "README.md"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    for page in (tmp_path / "docs").rglob("*.md"):
        page.write_text(text if page.name == "index.md" else f"# {page.stem}\n")
    done = built(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert word in done.stdout + done.stderr


def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_hooks", REPOSITORY / "scripts/docs_hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("document", OUTSIDE, ids=str)
def test_links_of_documents_outside_of_the_site_lead_somewhere(document: Path) -> None:
    text = (REPOSITORY / document).read_text()
    hooks().relinked(text, of=document.as_posix(), page="docs/index.md", root=REPOSITORY, site="")


def said() -> Iterator[str]:
    """Every text in the code, with … for what varies."""
    for file in (*(REPOSITORY / "builder").rglob("*.py"), *(REPOSITORY / "steps").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"\{\w+(!r)?\}", "…", node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values]
                yield re.sub(r"\{\w+(!r)?\}", "…", "".join(parts))


def quoted() -> list[str]:
    """The messages of the tables in docs/troubleshooting.md."""
    rows = re.findall(r"^\| (`+)(.*?)\1 \|", (REPOSITORY / "docs/troubleshooting.md").read_text(), re.MULTILINE)
    return [text.strip() for _, text in rows]


def test_every_message_that_troubleshooting_quotes_is_one_of_the_codes() -> None:
    texts = list(said())
    assert len(quoted()) >= 30
    assert [message for message in quoted() if not any(message in text for text in texts)] == []
    assert not any("a message that nobody says" in text for text in texts)


OTHERS = frozenset(
    {
        "denied: permission_denied: write_package", "no space left on the disk", "Argument list too long", "shell not found",
        'exec: "/__e/node20/bin/node": … no such file or directory', 'exec: "sh": executable file not found',
        "CERTIFICATE_VERIFY_FAILED",
        "failed to find one or more images after execution of build steps", "signal: killed", "context deadline exceeded",
        "TIMEOUT",
        'key "…" in the template is not a valid built-in substitution', "OOMKilled", "Evicted", "ephemeral-storage",
        'denied: Permission "artifactregistry.repositories.uploadArtifacts" denied', 'violates PodSecurity "restricted:latest"',
        "ErrImagePull", "ImagePullBackOff", "container has runAsNonRoot and image will run as root",
        "Permission denied",
    }
)  # fmt: skip
"""Messages of the READMEs that masu passes on, or that the platform says of it."""


@pytest.mark.parametrize(
    ("place", "heading"),
    [
        ("plugins/github-actions", "## Troubleshooting"),
        ("plugins/gitlab", "## When it fails"),
        ("examples/cloudbuild", "## When it fails"),
        ("examples/kubernetes", "## When it fails"),
    ],
)
def test_every_message_that_a_platforms_readme_quotes_is_one_of_the_codes(place: str, heading: str) -> None:
    directory = REPOSITORY / place
    section = (directory / "README.md").read_text().partition(f"{heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (.*?) \| ", section, re.MULTILINE)[1:]
    messages = {text for cell in cells for _, text in re.findall(r"(`+)(.*?)\1", cell)}
    scripts = [re.sub(r"\\\n", "", file.read_text()) for file in directory.glob("*.sh")]
    texts = [*said(), *(re.sub(r"\$\w+", "…", text) for text in scripts)]
    assert len(messages) > 10
    assert sorted(message for message in messages - OTHERS if not any(is_said(message, text) for text in texts)) == []


def is_said(message: str, text: str) -> bool:
    """Whether one begins as the other goes on, up to what varies in either."""
    fixed, begins = message.partition("…")[0], text.partition("…")[0]
    return (
        message in text or (len(fixed) >= _TELLING and fixed in text) or (len(begins) >= _TELLING and message.startswith(begins))
    )


_TELLING = 10
"""Characters that no two messages have alike."""
