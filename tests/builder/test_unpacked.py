from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import BuilderError
from builder.image.blob import Blob
from builder.image.config import History
from builder.image.digest import Digest
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER
from builder.options import CommonOptions, UnpackOptions
from builder.store.copy import copy
from builder.store.layout import LayoutStore
from builder.unpacked import unpack_image
from tests.support.samples import sample_image
from tests.support.tree import tree_dump


def entry(name: str, content: str = "", **details: object) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    for key, value in details.items():
        setattr(member, key, value)
    member.size = len(content)
    return member, content.encode()


def layer(entries: Iterable[tuple[tarfile.TarInfo, bytes]]) -> Layer:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return Layer(blob=Blob.of(raw.getvalue(), OCI_LAYER), diff_id=Digest.of(raw.getvalue()))


def stored(state: Path, *layers: Layer) -> None:
    image = sample_image()
    for number, item in enumerate(layers):
        image = image.append(item, History(created_by=str(number)))
    copy(image, to=LayoutStore(state / "store"), names=["docker.io/library/app:latest"])


def unpack(state: Path, directory: Path, *, rootless: bool = False) -> None:
    unpack_image("app", directory, UnpackOptions(rootless=rootless), CommonOptions(state_dir=str(state)), {})


@pytest.mark.parametrize(
    "entries",
    [
        [entry("link", type=tarfile.SYMTYPE, linkname="../../outside"), entry("link/x", "out")],
        [entry("link", type=tarfile.SYMTYPE, linkname="/"), entry("link/outside/x", "out")],
        [entry("../outside/x", "out")],
        [entry("/../outside/x", "out")],
        [entry("x", type=tarfile.LNKTYPE, linkname="../outside/secret")],
        [entry(".wh.."), entry("../.wh.outside")],
    ],
)
def test_nothing_is_written_or_removed_outside(tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    stored(tmp_path / "state", layer(entries))
    try:
        unpack(tmp_path / "state", tmp_path / "a/root")
    except BuilderError:
        pass
    else:
        assert "secret" not in [path.read_text() for path in (tmp_path / "a/root").rglob("*") if path.is_file()]
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["secret"]
    assert (tmp_path / "outside/secret").stat().st_nlink == 1


def test_rootless_gives_every_file_to_the_user(tmp_path: Path) -> None:
    stored(tmp_path / "state", layer([entry("d", type=tarfile.DIRTYPE, uid=5, mode=0o755), entry("d/f", "x", uid=1000, gid=7)]))
    unpack(tmp_path / "state", tmp_path / "mine", rootless=True)
    unpack(tmp_path / "state", tmp_path / "theirs")
    assert [" 1000:7" in text for text in tree_dump(tmp_path / "mine").values()] == [False, False]
    assert [word in text for word, text in zip(("5:0", "1000:7"), tree_dump(tmp_path / "theirs").values(), strict=True)] == [
        True, True,
    ]  # fmt: skip


def test_whiteouts_of_upper_layers_count(tmp_path: Path) -> None:
    stored(tmp_path / "state", layer([entry("a", "1"), entry("b", "2")]), layer([entry(".wh.a")]))
    unpack(tmp_path / "state", tmp_path / "root")
    assert set(tree_dump(tmp_path / "root")) == {"/b"}


def test_a_layer_with_another_diff_id_is_refused(tmp_path: Path) -> None:
    stored(tmp_path / "state", replace(layer([entry("a", "1")]), diff_id=Digest.of(b"another")))
    with pytest.raises(BuilderError, match="diff_id"):
        unpack(tmp_path / "state", tmp_path / "root")
