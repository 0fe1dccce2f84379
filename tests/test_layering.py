"""The architecture as a test: a module imports only from rows below its own, and siblings of one row don't know each other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# docs/architecture.md draws the same table. A package counts as one module; `builder` itself has only the version.
ROWS: tuple[frozenset[str], ...] = (
    frozenset(
        {"builder", "builder.errors", "builder.options", "builder.govalues", "builder.redact", "builder.cancel", "builder.values"}
    )
    | {"builder.columns", "builder.locks", "builder.removal", "builder.decoration"},
    frozenset({"builder.image", "builder.ops", "builder.credentials", "builder.process", "builder.log", "builder.state"})
    | {"builder.retry", "builder.web", "builder.giturl", "builder.matcher", "builder.modes", "builder.schedule", "builder.trust"}
    | {"builder.kaniko", "builder.journal"},
    frozenset(
        {"builder.dockerfile", "builder.context", "builder.rootfs", "builder.sandbox", "builder.store", "builder.registry"}
        | {"builder.provisions", "builder.cache", "builder.key"}
    ),
    frozenset(
        {"builder.plan", "builder.remotes", "builder.mounting", "builder.runner", "builder.contexts", "builder.checks"}
        | {
            "builder.trees",
            "builder.reports",
            "builder.readings",
            "builder.cache_flags",
            "builder.output_flags",
            "builder.ingredients",
            "builder.finishing",
            "builder.history",
            "builder.bill",
            "builder.layer_cache",
            "builder.saved_mounts",
            "builder.settings",
            "builder.local",
            "builder.archived",
        }
    ),
    frozenset(
        {
            "builder.executor",
            "builder.attestation",
            "builder.bases",
            "builder.epoch",
            "builder.inputs",
            "builder.outputs",
            "builder.exports",
            "builder.workshop",
            "builder.foreign",
            "builder.supplies",
            "builder.stage_tree",
        }
        | {
            "builder.caching",
            "builder.lookup",
            "builder.observed",
            "builder.course",
            "builder.reasons",
            "builder.cache_exports",
            "builder.pushing",
        }
    ),
    frozenset({"builder.prepared", "builder.about"}),
    frozenset(
        {
            "builder.build",
            "builder.warmer",
            "builder.trial",
            "builder.inventory",
            "builder.review",
            "builder.explain",
            "builder.doctor",
            "builder.login",
        }
    )
    | {"builder.archives", "builder.disk", "builder.naming", "builder.transfer", "builder.unpacked"},
    frozenset({"builder.cli", "builder.commands", "builder.flags", "builder.completion", "builder.__main__"}),
    frozenset({"steps"}),
)
# Within row 1, values may use values; everywhere else siblings don't import each other.
WITHIN_A_ROW = {(1, "builder.credentials", "builder.image"), (1, "builder.credentials", "builder.process")} | {
    (7, "builder.cli", "builder.flags"),
    (7, "builder.cli", "builder.commands"),
    (7, "builder.commands", "builder.flags"),
    (7, "builder.commands", "builder.completion"),
    (7, "builder.completion", "builder.flags"),
    (7, "builder.__main__", "builder.cli"),
    (0, "builder.errors", "builder"),
    (0, "builder.options", "builder.values"),
    (1, "builder.credentials", "builder.retry"),
    (1, "builder.credentials", "builder.trust"),
    (1, "builder.credentials", "builder.web"),
    (5, "builder.about", "builder.prepared"),
    (1, "builder.ops", "builder.giturl"),
    (3, "builder.runner", "builder.mounting"),
    (1, "builder.giturl", "builder.web"),
    (4, "builder.epoch", "builder.inputs"),
    (4, "builder.executor", "builder.supplies"),
    (4, "builder.executor", "builder.stage_tree"),
    (3, "builder.ingredients", "builder.plan"),
    (4, "builder.lookup", "builder.caching"),
    (4, "builder.lookup", "builder.course"),
    (4, "builder.lookup", "builder.observed"),
    (4, "builder.cache_exports", "builder.lookup"),
    (4, "builder.lookup", "builder.reasons"),
    (4, "builder.reasons", "builder.caching"),
    (4, "builder.reasons", "builder.course"),
    (4, "builder.workshop", "builder.lookup"),
    (4, "builder.executor", "builder.workshop"),
    (4, "builder.executor", "builder.foreign"),
    (4, "builder.supplies", "builder.workshop"),
    (4, "builder.outputs", "builder.exports"),
    (4, "builder.outputs", "builder.pushing"),
}


def sources() -> list[Path]:
    return sorted([*(ROOT / "builder").rglob("*.py"), *(ROOT / "steps").rglob("*.py")])


def unit(module: str) -> str:
    """The unit of the table that a module belongs to: `builder.image.digest` → `builder.image`."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "builder" else parts[0]


def row(module: str) -> int:
    return next((number for number, names in enumerate(ROWS) if unit(module) in names), -1)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "builder" else [node.module]
            yield from names
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def violations(module: str, imported: str) -> Iterator[str]:
    if imported == "builder.__version__" or imported.split(".")[0] not in ("builder", "steps") or unit(imported) == unit(module):
        return
    above, below = row(module), row(imported)
    if below > above or (below == above and (above, unit(module), unit(imported)) not in WITHIN_A_ROW):
        yield f"{module} (row {above}) imports {imported} (row {below})"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downward(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    assert row(module) >= 0, f"{module} is in no row of the table"
    assert [line for imported in imports(path) for line in violations(module, imported)] == []


def test_an_upward_import_is_found() -> None:
    assert list(violations("builder.image.digest", "builder.store.layout"))
    assert list(violations("builder.store.layout", "builder.registry.auth"))
    assert not list(violations("builder.store.layout", "builder.image.digest"))


# The one driver that is named after a platform reads that platform's variables: they are where its credentials are.
KNOWS_ITS_PLATFORM = ROOT / "builder/credentials/gitlab.py"


@pytest.mark.parametrize("path", [path for path in sources() if "builder" in path.parts], ids=lambda path: path.name)
def test_the_core_knows_no_platform(path: Path) -> None:
    words = r"GITHUB_|BUILDER_OUTPUT" if path == KNOWS_ITS_PLATFORM else r"GITHUB_|\bCI_[A-Z]|BUILDER_OUTPUT"
    assert not re.search(words, path.read_text(encoding="utf-8"))
