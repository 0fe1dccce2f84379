from __future__ import annotations

import itertools
import json
import logging
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from builder.errors import RunError
from builder.image.platform import Platform
from builder.image.reference import Reference
from builder.options import RegistryFlags
from builder.remotes import connect
from tests.builder.rootfs.conftest import needs_root
from tests.builder.saved_mounts.machines import Machine, nothing, stored
from tests.support.answers import Answer, serve_answers
from tests.support.tree import make_tree, tree_dump


@pytest.fixture
def machine(tmp_path: Path) -> Callable[..., Machine]:
    """Makes machines that share what is saved."""
    numbers = itertools.count()

    def make(**settings: object) -> Machine:
        return Machine(root=tmp_path / f"machine-{next(numbers)}", layout=tmp_path / "layout", **settings)  # type: ignore[arg-type]

    return make


def every_kind(directory: Path) -> None:
    make_tree(directory, {"file": b"\0\xff" * 9, "a/b/c": "x", "empty": None, "link": "-> a/b", "dangling": "-> /none", "e": ""})
    os.link(directory / "file", directory / "a/hard")
    (directory / os.fsdecode(b"not-\xff-utf8\n")).write_text("odd")
    (directory / ("long" * 50)).write_text("long")
    os.mkfifo(directory / "fifo", 0o600)
    (directory / "a/b/c").chmod(0o4755)
    (directory / "empty").chmod(0o1777)
    os.setxattr(directory / "file", "user.note", b"kept")
    os.utime(directory / "a/b/c", ns=(0, 1_234_567_890_123_456_789))
    os.utime(directory / "a", ns=(0, -1_500_000_000))


def times(directory: Path) -> dict[str, int]:
    return {str(path.relative_to(directory)): path.lstat().st_mtime_ns for path in directory.rglob("*")}


def test_another_machine_finds_files_of_every_kind(machine: Callable[..., Machine]) -> None:
    made = machine().build(every_kind)
    found = machine().build(nothing)
    assert tree_dump(found) == tree_dump(made)
    assert times(found) == times(made)
    assert (found.stat().st_mode, found.stat().st_mtime_ns) == (made.stat().st_mode, made.stat().st_mtime_ns)


@needs_root
def test_owners_devices_and_capabilities_are_kept(machine: Callable[..., Machine]) -> None:
    def command(directory: Path) -> None:
        make_tree(directory, {"d/file": "x"})
        os.mknod(directory / "null", 0o020666, os.makedev(1, 3))
        for path, owner in ((directory, 7), (directory / "d", 1000), (directory / "d/file", 1001)):
            os.chown(path, owner, owner + 1)
        os.setxattr(directory / "d/file", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))

    made = machine().build(command)
    found = machine().build(nothing)
    assert tree_dump(found) == tree_dump(made)
    assert (found.stat().st_uid, found.stat().st_gid) == (7, 8)


def test_only_what_has_changed_is_moved(machine: Callable[..., Machine], tmp_path: Path) -> None:
    machine().build(
        lambda directory: [(directory / f"{number}").write_bytes(os.urandom(100_000)) for number in range(30)] and None
    )
    before = stored(tmp_path / "layout")

    def change(directory: Path) -> None:
        (directory / "7").write_bytes(os.urandom(5000))
        (directory / "8").unlink()

    changed = machine().build(change)
    new = sum(size for name, size in stored(tmp_path / "layout").items() if name not in before)
    assert 5000 < new < 12_000
    assert tree_dump(machine().build(nothing)) == tree_dump(changed)


def test_what_has_not_changed_is_not_saved_again(machine: Callable[..., Machine], tmp_path: Path) -> None:
    first = machine()
    first.build(every_kind)
    before = (tmp_path / "layout/index.json").stat().st_ino
    first.build(nothing)
    machine().build(nothing, lambda directory: os.utime(directory / "a"))
    assert (tmp_path / "layout/index.json").stat().st_ino == before


def test_a_change_that_hides_behind_size_and_time_is_saved(machine: Callable[..., Machine]) -> None:
    def command(text: str) -> Callable[[Path], None]:
        def write(directory: Path) -> None:
            (directory / "file").write_text(text)
            os.utime(directory / "file", (1, 1))

        return write

    first = machine()
    first.build(command("one"))
    first.build(command("two"))
    assert (machine().build(nothing) / "file").read_text() == "two"


@pytest.mark.parametrize("seed", range(2))
def test_any_changes_in_many_builds_on_many_machines_end_in_the_same_tree(machine: Callable[..., Machine], seed: int) -> None:
    chance = random.Random(seed)
    here = machine()
    for _ in range(25):
        here = here if chance.random() < 0.5 else machine()
        tree = here.build(lambda directory: disturb(directory, chance))
    assert tree_dump(machine().build(nothing)) == tree_dump(tree)


def disturb(directory: Path, chance: random.Random) -> None:
    """Make, replace, delete, link and rename at random; names are few, so that kinds follow one another in one place."""
    places = [directory, *(path for path in directory.rglob("*") if path.is_dir() and not path.is_symlink())]
    for _ in range(8):
        place = chance.choice(places)
        path = place / chance.choice("abcd")
        if not place.is_dir() or place.is_symlink():
            continue
        if chance.random() < 0.5 or path.is_symlink() or path.exists():
            subprocess.run(["rm", "-rf", path], check=True)
        action = chance.randrange(6)
        if path.is_symlink() or path.exists():
            continue
        if action == 0:
            path.mkdir()
            places.append(path)
        elif action == 1:
            path.symlink_to(chance.choice(["a", "../b", "/"]))
        elif action == 2 and (files := [other for other in directory.rglob("*") if other.is_file() and not other.is_symlink()]):
            os.link(chance.choice(files), path)
        else:
            path.write_bytes(chance.randbytes(chance.choice([0, 100, 3000])))


def cold(directory: Path) -> None:
    assert list(directory.iterdir()) == []


def test_another_platform_and_another_place_have_nothing(machine: Callable[..., Machine], tmp_path: Path) -> None:
    machine().build(every_kind)
    machine(platform=Platform.parse("linux/arm64")).build(cold)
    Machine(root=tmp_path / "other", layout=tmp_path / "other-layout").build(cold)


def test_an_id_that_is_not_utf_8_is_one(machine: Callable[..., Machine]) -> None:
    identity = ("Gr\udcfc\udcdfe", "", "")
    made = machine(identity=identity).build(every_kind)
    assert tree_dump(machine(identity=identity).build(nothing)) == tree_dump(made)


def test_who_may_only_read_saves_nothing(machine: Callable[..., Machine], tmp_path: Path) -> None:
    machine().build(lambda directory: (directory / "good").touch())
    machine(saves=False).build(lambda directory: (directory / "bad").touch())
    assert [path.name for path in machine().build(nothing).iterdir()] == ["good"]


def test_a_directory_that_is_there_is_not_replaced(machine: Callable[..., Machine]) -> None:
    first, second = machine(), machine()
    first.build(lambda directory: (directory / "one").touch())
    second.build(lambda directory: (directory / "two").touch())
    assert {path.name for path in first.build(nothing).iterdir()} == {"one"}
    assert {path.name for path in machine().build(nothing).iterdir()} == {"one", "two"}


def test_what_another_build_works_in_is_left_to_that(machine: Callable[..., Machine], caplog: pytest.LogCaptureFixture) -> None:
    first = machine()
    directory = first.build(nothing)
    holder = subprocess.Popen(["flock", "-s", f"{directory}.lock", "sh", "-c", "echo; read x"], stdin=-1, stdout=-1)
    assert holder.stdout
    assert holder.stdout.readline()
    first.build(lambda directory: (directory / "half").touch())
    assert "another build is working in it" in caplog.text
    holder.communicate(b"\n")
    machine().build(cold)
    first.build(nothing)
    assert (machine().build(nothing) / "half").exists()


def test_a_command_that_fails_does_not_take_what_was_fetched_before(machine: Callable[..., Machine]) -> None:
    def fail(directory: Path) -> None:
        raise RunError("the command failed", exit_code=1)

    with pytest.raises(RunError):
        machine().build(lambda directory: (directory / "fetched").touch(), fail)
    assert (machine().build(nothing) / "fetched").exists()


def test_an_interrupted_build_saves_nothing(machine: Callable[..., Machine]) -> None:
    def interrupt(directory: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        machine().build(lambda directory: (directory / "fetched").touch(), interrupt)
    machine().build(cold)


def test_machines_that_save_at_the_same_time_leave_the_whole_of_one(machine: Callable[..., Machine]) -> None:
    start = threading.Barrier(4)

    def command(number: int) -> Callable[[Path], None]:
        def write(directory: Path) -> None:
            for name in range(20):
                (directory / f"{name}").write_text(f"{number}")
            start.wait()

        return write

    threads = [threading.Thread(target=machine().build, args=(command(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = machine().build(nothing)
    assert len({path.read_text() for path in found.iterdir()}) == 1
    assert len(list(found.iterdir())) == 20


def test_a_registry_out_of_order_costs_a_warning_and_nothing_that_is_saved(
    machine: Callable[..., Machine], caplog: pytest.LogCaptureFixture
) -> None:
    with serve_answers(lambda question: Answer(status=200 if question.path == "/v2/" else 400)) as registry:
        store = connect(RegistryFlags(insecure=True), {})(Reference.parse(f"{registry.host}/team/cache").repository)
        machine(store=store).build(cold)
    assert {question.method for question in registry.asked} == {"GET"}
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "can't restore the cache mount 'id', which begins anew" in warnings[0]


@pytest.mark.parametrize("gone", ["pack", "index", "manifest"])
def test_what_is_damaged_is_replaced(
    machine: Callable[..., Machine], tmp_path: Path, gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    machine().build(lambda directory: (directory / "old").touch())
    (entry,) = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
    blobs = tmp_path / "layout/blobs/sha256"
    manifest = blobs / entry["digest"].removeprefix("sha256:")
    document = json.loads(manifest.read_text())
    named = {"pack": document["layers"][0], "index": document["config"]}.get(gone, entry)
    (blobs / named["digest"].removeprefix("sha256:")).unlink()
    machine().build(cold, lambda directory: (directory / "new").touch())
    assert "can't restore" in caplog.text
    assert [path.name for path in machine().build(nothing).iterdir()] == ["new"]


def test_a_pack_that_was_deleted_meanwhile_is_written_again(machine: Callable[..., Machine], tmp_path: Path) -> None:
    first = machine()
    first.build(lambda directory: (directory / "one").write_bytes(bytes(9)))
    for path in (tmp_path / "layout/blobs/sha256").iterdir():
        path.unlink()
    first.build(lambda directory: (directory / "two").touch())
    assert {path.name for path in machine().build(nothing).iterdir()} == {"one", "two"}


def write(text: str, directory: Path) -> None:
    (directory / "file").write_text(text)


def test_a_layout_is_tidied_a_day_later(machine: Callable[..., Machine], tmp_path: Path) -> None:
    def manifest() -> str:
        (entry,) = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
        return str(entry["digest"]).removeprefix("sha256:")

    first, seen = machine(), []
    for text in ("one", "two", "three"):
        first.build(partial(write, text))
        seen.append(manifest())
    assert set(seen) <= stored(tmp_path / "layout").keys()
    machine(clock=lambda: time.time_ns() + 2 * 24 * 3600 * 10**9).build(lambda directory: (directory / "more").touch())
    left = stored(tmp_path / "layout").keys()
    assert left & {*seen} == {seen[-1]}, "which the last build itself has restored"
    assert {path.name for path in machine().build(nothing).iterdir()} == {"file", "more"}


def test_what_was_read_last_stays_when_it_is_too_much(machine: Callable[..., Machine], tmp_path: Path) -> None:
    def fill(directory: Path) -> None:
        make_tree(directory, {f"{name}/{part}": os.urandom(20_000) for name in "abcd" for part in "12"})

    machine().build(fill)
    read = machine().build(lambda directory: (directory / "b/1").read_bytes())
    if (read / "b/1").stat().st_atime_ns == (read / "b/1").stat().st_mtime_ns:
        pytest.skip("this filesystem is mounted with noatime")
    day = 24 * 3600 * 10**9
    last = machine(limit=700_000, clock=lambda: time.time_ns() + 2 * day)
    last.build(
        lambda directory: make_tree(directory, {"b/1": (directory / "b/1").read_bytes(), "e": os.urandom(600_000)}) and None
    )
    found = machine().build(nothing)
    assert (found / "e").exists()
    assert (found / "b/1").exists()
    assert len(list(found.iterdir())) < 5
