from __future__ import annotations

from pathlib import Path

import pytest

from builder.cache.mounts import cache_directory, record_path, remove_unused
from builder.cancel import Cancel, Cancelled
from builder.ops import Sharing

SHARED, PRIVATE = Sharing.SHARED, Sharing.PRIVATE


def test_an_identity_has_one_directory_and_it_stays(tmp_path: Path) -> None:
    with cache_directory(tmp_path, ("a", ""), SHARED, Path.mkdir) as first:
        (first / "x").touch()
    with cache_directory(tmp_path, ("a", ""), PRIVATE, Path.mkdir) as second:
        assert (second, (second / "x").exists()) == (first, True)
    with cache_directory(tmp_path, ("a", "seed"), SHARED, Path.mkdir) as other:
        assert other.parent != first.parent


@pytest.mark.parametrize(
    ("held", "wanted", "same"),
    [(SHARED, SHARED, True), (SHARED, PRIVATE, False), (PRIVATE, SHARED, False), (PRIVATE, PRIVATE, False)],
)
def test_what_others_hold_is_shared_or_left_to_them(tmp_path: Path, held: Sharing, wanted: Sharing, same: bool) -> None:
    with (
        cache_directory(tmp_path, ("a",), held, Path.mkdir) as first,
        cache_directory(tmp_path, ("a",), wanted, Path.mkdir) as second,
    ):
        assert (first == second) == same


def test_a_second_directory_is_used_again(tmp_path: Path) -> None:
    def two() -> Path:
        with (
            cache_directory(tmp_path, ("a",), PRIVATE, Path.mkdir),
            cache_directory(tmp_path, ("a",), PRIVATE, Path.mkdir) as second,
        ):
            return second

    assert two() == two()


def test_what_could_not_be_made_is_made_the_next_time(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.mkdir()
        (path / "half").touch()
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"), cache_directory(tmp_path, ("a",), SHARED, fail):
        pass
    with cache_directory(tmp_path, ("a",), SHARED, Path.mkdir) as directory:
        assert list(directory.iterdir()) == []


def test_an_id_is_no_path(tmp_path: Path) -> None:
    with cache_directory(tmp_path / "root", ("../../x",), SHARED, Path.mkdir) as directory:
        assert directory.parent.parent == tmp_path / "root"
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_whoever_waits_for_a_locked_one_can_be_cancelled(tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.set()
    with (
        cache_directory(tmp_path, ("a",), Sharing.LOCKED, Path.mkdir),
        pytest.raises(Cancelled),
        cache_directory(tmp_path, ("a",), Sharing.LOCKED, Path.mkdir, checkpoint=cancel.check),
    ):
        pass


def test_what_is_remembered_of_a_directory_goes_with_it(tmp_path: Path) -> None:
    with cache_directory(tmp_path, ("a",), SHARED, Path.mkdir) as directory:
        record_path(directory).touch()
        assert not remove_unused(directory)
    assert record_path(directory).exists()
    assert remove_unused(directory)
    assert {path.suffix for path in directory.parent.iterdir()} == {".lock"}
