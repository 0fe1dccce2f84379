"""Kaniko's command line: each case of kaniko_cases.py is given to the step image's entrypoint, in a process of its own."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from builder.commands import COMMANDS
from builder.flags import flag_of, option_of
from builder.image.platform import Platform
from builder.store.copy import load
from builder.store.layout import LayoutStore
from tests.support.forks import Forks
from tests.support.kaniko_cases import CASES, CONTEXT, EXECUTOR_FLAGS, WARMER_FLAGS, Case
from tests.support.masu import Masu, add_base, write_context
from tests.support.puts import Puts, serve_puts
from tests.support.registry import htpasswd, serve_registry

_BUILT = re.compile(r"built (sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the cases need beside a directory of their own."""

    forks: Forks
    state: Path
    context: Path
    files: dict[str, Path]
    puts: Puts
    names: dict[str, str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two registries, one with a login, `base` in the store and `warm:1` in the first registry."""
    root = tmp_path_factory.mktemp("site")
    masu = Masu(state=root / "state")
    add_base(masu, root / "base")
    with ExitStack() as stack:
        (root / "open").mkdir()
        (root / "closed").mkdir()
        first = stack.enter_context(serve_registry(root / "open"))
        denied = stack.enter_context(serve_registry(root / "closed", auth=htpasswd(root, {"user": "password"})))
        puts = stack.enter_context(serve_puts(root, b"FROM scratch\nLABEL fetched=yes\n"))
        names = {"r": first.host, "denied": denied.host, "put": puts.url, "c": str(root / "context")}
        context = root / "context"
        write_context(context, CONTEXT["Dockerfile"], {name: fill(text, names) for name, text in CONTEXT.items()})
        with tarfile.open(root / "context.tar.gz", "w:gz") as tar:
            tar.add(context, arcname=".")
        warm = write_context(root / "warm", "FROM scratch\nCOPY Dockerfile /\n")
        assert masu("build", "-d", f"{first.host}/warm:1", "--tar-path", root / "image.tar", warm).returncode == 0
        forks = stack.enter_context(Forks())
        (root / "password").write_text("password")
        files = {"<archive>": root / "context.tar.gz", "<certificate>": puts.certificate}
        files |= {"<image>": root / "image.tar", "<password>": root / "password"}
        yield Site(forks=forks, state=masu.state, context=context, files=files, puts=puts, names=names)


def fill(text: str, names: dict[str, str]) -> str:
    """The text with the places of `names` filled; other braces stay."""
    return re.sub(r"\{(\w+)\}", lambda match: names.get(match[1], match[0]), text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.program} {case.line} {' '.join(case.env)}")
def test_a_command_line_of_kanikos_users(site: Site, tmp_path: Path, case: Case) -> None:
    work = tmp_path / "work"
    work.mkdir()
    names = {**site.names, "t": str(work)}
    for name, text in case.prepare.items():
        _prepare(work / name, fill(text, names), site)
    site.puts.received.clear()
    code = site.forks.run(
        [f"/kaniko/{case.program}", *fill(case.line, names).split()],
        _environment(site, tmp_path) | {name: fill(value, names) for name, value in case.env.items()},
        cwd=work,
        stdin=site.files.get(case.stdin, Path("/dev/null")),
        out=tmp_path / "out",
        err=tmp_path / "err",
    )
    out, err = (tmp_path / "out").read_text(), re.sub(r"\[\d{4}\] ", "[0000] ", (tmp_path / "err").read_text(errors="replace"))
    assert (code, "Traceback" in err) == (case.code, False), err
    names["digest"] = match[1] if (match := _BUILT.search(err)) else ""
    assert [word for word in case.says if fill(word, names) not in err] == [], err
    assert [word for word in case.silent if fill(word, names) in err] == [], err
    assert [word for word in case.out if fill(word, names) not in out] == [], out
    _check_results(case, work, names, site.puts)


def _prepare(path: Path, text: str, site: Site) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(site.files[text].read_bytes() if text in site.files else text.encode())


def _environment(site: Site, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "MASU_STATE_DIR": str(site.state),
        "SSL_CERT_FILE": str(site.puts.certificate),
    }


def _check_results(case: Case, work: Path, names: dict[str, str], puts: Puts) -> None:
    for name, text in case.files.items():
        path = work / name
        assert (path.read_text() if path.exists() else None) == (None if text is None else fill(text, names)), name
    for name, tags in case.tags.items():
        with tarfile.open(work / name) as tar:
            member = tar.extractfile("manifest.json")
            assert member is not None
            assert [image["RepoTags"] for image in json.load(member)] == [[fill(tag, names) for tag in tags]]
    if case.layers is not None:
        assert _content(LayoutStore(work / "layout")) == set(case.layers)
    assert (
        puts.received.items()
        >= {fill(path, names): ("text/plain", fill(text, names)) for path, text in case.puts.items()}.items()
    )
    assert [name for name in case.made if not (work / name).exists()] == []


def _content(layout: LayoutStore) -> set[str]:
    """The files that are in the layers of the only image, those of `base` left out."""
    found: set[str] = set()
    for layer in load(layout, "", Platform.host()).layers:
        with layer.blob.open() as stream, tarfile.open(fileobj=stream, mode="r|*") as tar:
            names = {member.name for member in tar if not member.isdir()}
            found |= set() if "bin/busybox" in names else names
    return found


@pytest.mark.parametrize(("command", "flags"), [("build", EXECUTOR_FLAGS), ("warmer", WARMER_FLAGS)])
def test_every_flag_of_kanikos_is_taken_and_compared_in_the_manual(command: str, flags: tuple[str, ...]) -> None:
    rows = [row for table in COMMANDS[command].tables for row in fields(table)]
    known = {name for row in rows if flag_of(row).kaniko for name in (option_of(row)[2:], *flag_of(row).aliases)}
    assert set(flags) - known == set()


def test_every_flag_of_kanikos_is_in_a_command_line() -> None:
    given = {word.removeprefix("--").partition("=")[0] for case in CASES for word in case.line.split() if word.startswith("--")}
    short = {word[:2] for case in CASES for word in case.line.split() if re.match(r"-[a-z]", word)}
    assert {"-c", "-d", "-f", "-b", "-v", "-i"} <= short
    assert {*EXECUTOR_FLAGS, *WARMER_FLAGS} - given - {"dry-run"} == set()
    assert len(CASES) >= 120
