from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.sandbox.kept import Kept
from builder.sandbox.occupation import Conflict, Occupation, read_journal

Tree = dict[str, str | None]


@pytest.fixture
def slash(tmp_path: Path) -> Path:
    """A container: some files, a mount point in /etc and one in /run, and masu's own directory."""
    slash = tmp_path / "slash"
    write(
        slash,
        {
            "masu/bin/python": "masu",
            "etc/hosts": "mounted",
            "etc/nsswitch.conf": "container",
            "run/secrets/token": "mounted",
            "tmp/": None,
            "job": "container",
        },
    )
    (slash / "masu/workspace").symlink_to("/workspace")
    return slash


@pytest.fixture
def root(slash: Path) -> Path:
    """A stage below masu's directory."""
    root = slash / "masu/state/root"
    write(root, {"etc/hosts": "stage", "etc/passwd": "stage", "run/lock/": None, "usr/bin/sh": "stage", "tmp/x": "stage"})
    return root


def write(root: Path, tree: Tree) -> None:
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.mkdir()
        else:
            path.write_text(text)


def listing(root: Path, *, without: str = "masu") -> Tree:
    found: Tree = {}
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if os.path.join(directory, name) != str(root / without)]
        here = Path(directory).relative_to(root)
        if not names and not files:
            found[f"{here}/"] = None
        found.update({str(here / name): (root / here / name).read_text() for name in files})
    return found


def occupation(slash: Path, root: Path, *more: str) -> Occupation:
    home = slash / "masu/takeover"
    home.mkdir(exist_ok=True)
    kept = Kept.of(["/etc/hosts", "/run/secrets/token", "/masu", *more])
    return Occupation(root=str(root), home=str(home), kept=kept, slash=str(slash), hideable=frozenset({"/etc/hosts"}))


OCCUPIED: Tree = {
    "etc/hosts": "mounted",
    "etc/passwd": "stage",
    "run/lock/": None,
    "run/secrets/token": "mounted",
    "usr/bin/sh": "stage",
    "tmp/x": "stage",
}


def test_a_stage_takes_the_place_and_what_is_kept_stays(slash: Path, root: Path) -> None:
    occupation(slash, root).enter()
    assert listing(slash) == OCCUPIED


def test_afterwards_all_is_as_before(slash: Path, root: Path) -> None:
    before = listing(slash), listing(root)
    times = [os.stat(slash / name).st_mtime_ns for name in ("", "etc", "run", "tmp")]
    stage_times = [os.stat(root / name).st_mtime_ns for name in ("", "etc", "run", "tmp")]
    work = occupation(slash, root)
    work.enter()
    work.leave()
    assert (listing(slash), listing(root)) == before
    assert [os.stat(slash / name).st_mtime_ns for name in ("", "etc", "run", "tmp")] == times
    assert [os.stat(root / name).st_mtime_ns for name in ("", "etc", "run", "tmp")] == stage_times


@pytest.mark.parametrize(
    ("more", "meanwhile"), [((), "."), (("/workspace",), "/workspace"), (("/workspace/volume",), "/workspace")]
)
def test_the_directory_where_an_engine_starts_programs_is_always_there(
    slash: Path, root: Path, more: tuple[str, ...], meanwhile: str
) -> None:
    link = slash / "masu/workspace"
    work = occupation(slash, root, *more)
    work.enter()
    assert os.readlink(link) == meanwhile
    work.leave()
    assert os.readlink(link) == "/workspace"


def test_what_was_made_belongs_to_the_stage(slash: Path, root: Path) -> None:
    before = listing(slash)
    work = occupation(slash, root)
    work.enter()
    write(slash, {"new": "made", "etc/new": "made", "run/secrets/other": "made"})
    shutil.rmtree(slash / "usr")
    os.chmod(slash / "etc", 0o700)
    work.leave()
    assert listing(slash) == before
    assert listing(root) == {
        "etc/hosts": "stage",
        "etc/passwd": "stage",
        "etc/new": "made",
        "run/lock/": None,
        "run/secrets/other": "made",
        "tmp/x": "stage",
        "new": "made",
    }
    assert os.stat(root / "etc").st_mode & 0o777 == 0o700
    assert os.stat(slash / "etc").st_mode & 0o777 == 0o755


def link_run(root: Path) -> None:
    shutil.rmtree(root / "run")
    (root / "run").symlink_to("tmp")


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda root: write(root, {"run/secrets/token": "stage"}), "/run/secrets/token"),
        (lambda root: write(root, {"masu/x": "stage"}), "/masu"),
        (link_run, "/run"),
    ],
)
def test_a_conflict_is_told_before_anything_moves(slash: Path, root: Path, make: Callable[[Path], None], where: str) -> None:
    make(root)
    before = listing(slash), listing(root)
    with pytest.raises(Conflict, match=where):
        occupation(slash, root).enter()
    assert (listing(slash), listing(root)) == before


class Killed(BaseException):
    pass


def kill_at(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process end before its `count`th change of the file system: a rename, mkdir, rmdir, unlink or symlink."""
    left = iter(range(count))

    def dying(call: Callable[..., None]) -> Callable[..., None]:
        def wrapped(*arguments: object, **options: object) -> None:
            if next(left, None) is None:
                raise Killed
            call(*arguments, **options)

        return wrapped

    for name in ("rename", "mkdir", "rmdir", "unlink", "symlink"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))


def killed(step: Callable[[], None], count: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether `step` came to its end before."""
    with monkeypatch.context() as patch:
        kill_at(count, patch)
        try:
            step()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("where", ["enter", "leave", "mend"])
def test_a_kill_at_any_moment_can_be_mended(
    slash: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    before = listing(slash)
    shutil.copytree(slash, tmp_path / "copy", symlinks=True)
    for count in itertools.count(1):
        work = occupation(slash, root)
        if where != "enter":
            work.enter()
        cut_off = killed(work.enter if where == "enter" else work.leave, count, monkeypatch)
        if where == "mend":
            killed(occupation(slash, root).leave, count // 2 + 1, monkeypatch)
        occupation(slash, root).leave()
        assert listing(slash) == before
        assert os.readlink(slash / "masu/workspace") == "/workspace"
        assert read_journal(str(slash / "masu/takeover")) is None
        if not cut_off:
            break
        shutil.rmtree(slash)
        shutil.copytree(tmp_path / "copy", slash, symlinks=True)
    assert count > 10


def test_the_journal_tells_what_is_there(slash: Path, root: Path) -> None:
    work = occupation(slash, root)
    work.enter()
    journal = json.loads((slash / "masu/takeover/journal").read_text())
    assert (journal["phase"], journal["root"]) == ("occupied", str(root))
    assert journal["kept"] == ["/etc/hosts", "/masu", "/run/secrets/token"]
