from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import SandboxError
from builder.sandbox import overlayfs
from tests.support.overlays import require_overlays, with_own_mounts


def directories(parent: Path, *names: str) -> list[Path]:
    for name in names:
        (parent / name).mkdir()
    return [parent / name for name in names]


@with_own_mounts
def test_a_directory_on_an_overlay_can_carry_none_and_is_told_so(tmp_path: Path) -> None:
    require_overlays(tmp_path)
    lower, upper, work, root = directories(tmp_path, "lower", "upper", "work", "root")
    overlayfs.mount(root, [lower], upper=upper, work=work)
    assert "can't mount an overlay" in overlayfs.unsuitable(root)


@with_own_mounts
def test_trying_leaves_nothing(tmp_path: Path) -> None:
    require_overlays(tmp_path)
    assert overlayfs.unsuitable(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/thread-self/mountinfo").read_text()


@with_own_mounts
def test_as_many_layers_as_are_promised_can_be_mounted(tmp_path: Path) -> None:
    require_overlays(tmp_path)
    lowers = directories(
        tmp_path, *(f"{number}, a name that is long: and needs quoting" for number in range(overlayfs.MOST_LAYERS))
    )
    upper, work, root = directories(tmp_path, "upper", "work", "root")
    (lowers[-1] / "file").write_text("lowest")
    overlayfs.mount(root, lowers, upper=upper, work=work)
    assert (root / "file").read_text() == "lowest"


@with_own_mounts
def test_what_is_not_mounted_can_not_be_unmounted(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="can't unmount"):
        overlayfs.unmount(tmp_path)
