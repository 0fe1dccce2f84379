from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from builder.errors import BuilderError
from builder.image.blob import Blob
from builder.image.config import History
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER
from builder.rootfs.export import export_directory, export_tar
from tests.support.samples import AMD64, sample_image
from tests.support.tree import make_tar, make_tree, member, tree_dump

DIRECTORY, LINK, HARD = {"type": tarfile.DIRTYPE}, {"type": tarfile.SYMTYPE}, {"type": tarfile.LNKTYPE}


def image(*layers: bytes) -> Image:
    made = sample_image(platform=AMD64)
    for raw in layers:
        layer = Layer(blob=Blob.of(raw, OCI_LAYER), diff_id=Digest.of(raw))
        made = made.append(layer, History(created_by="test"))
    return made


def tarred(*images: Image, scratch: Path) -> dict[str, tarfile.TarInfo]:
    out = io.BytesIO()
    trees = {str(number) if len(images) > 1 else "": each for number, each in enumerate(images)}
    export_tar(trees, out, scratch=scratch)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        return {info.name: info for info in tar}


FILES = make_tar(
    member("d/", uid=5, gid=6, mode=0o2750, mtime=7, **DIRECTORY),
    (member("d/a", uid=7, mode=0o4755, mtime=8), b"a"),
    member("d/b", linkname="d/a", **HARD),
    member("link", linkname="/d", **LINK),
    (member("gone"), b"x"),
)
LATER = make_tar(member(".wh.gone"), (member("link/c"), b"c"))


def test_files_are_added_and_overwritten_and_nothing_else_is_touched(tmp_path: Path) -> None:
    make_tree(tmp_path / "out", {"d/old": "old", "d/a/full": "was a directory", "gone": "mine", "link": "-> /etc", "e": None})
    export_directory({"": image(FILES, LATER)}, tmp_path / "out")
    assert tree_dump(tmp_path / "out") == {
        "/d/": "dir 2750",
        "/d/a": "file 4755 ca978112 <1>",
        "/d/b": "file 4755 ca978112 <1>",
        "/d/c": "file 0644 2e7d2c03",
        "/d/old": "file 0644 " + Digest.of(b"old").hex[:8],
        "/e/": "dir 0755",
        "/gone": "file 0644 " + Digest.of(b"mine").hex[:8],
        "/link": "symlink /d",
    }
    assert (tmp_path / "out/d").stat().st_mtime == 7


def test_a_directory_is_made_with_those_on_the_way(tmp_path: Path) -> None:
    export_directory({"linux_amd64": image(FILES), "linux_s390x": image(LATER)}, tmp_path / "a/b")
    assert sorted(path.name for path in (tmp_path / "a/b").iterdir()) == ["linux_amd64", "linux_s390x"]


def test_links_that_are_there_lead_nowhere(tmp_path: Path) -> None:
    make_tree(tmp_path, {"outside/a": "mine", "out/d": "-> ../outside"})
    export_directory({"": image(FILES)}, tmp_path / "out")
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["a"]
    assert (tmp_path / "outside/a").read_text() == "mine"
    assert not (tmp_path / "out/d").is_symlink()


@pytest.mark.parametrize("raw", [make_tar((member("../x"), b"x")), make_tar(member("x", linkname="../outside", **HARD))])
def test_after_an_error_nothing_is_left(tmp_path: Path, raw: bytes) -> None:
    make_tree(tmp_path, {"outside": "secret", "out/mine": "mine"})
    with pytest.raises(BuilderError):
        export_directory({"": image(raw)}, tmp_path / "out")
    assert set(tree_dump(tmp_path / "out")) == {"/mine"}
    assert (tmp_path / "outside").stat().st_nlink == 1


def test_a_directory_that_can_t_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BuilderError, match="can't write files to"):
        export_directory({"": image(FILES)}, tmp_path / "file/out")


def test_a_tar_has_the_owners_of_the_image(tmp_path: Path) -> None:
    found = tarred(image(FILES, LATER), scratch=tmp_path)
    assert list(found) == ["d", "d/a", "d/b", "d/c", "link"]
    assert [(info.uid, info.gid, info.mode, info.mtime) for info in (found["d"], found["d/a"])] == [
        (5, 6, 0o2750, 7), (7, 0, 0o4755, 8),
    ]  # fmt: skip
    assert (found["d/b"].type, found["d/b"].linkname) == (tarfile.LNKTYPE, "d/a")
    assert list(tmp_path.iterdir()) == []


def test_a_tar_of_several_platforms_has_a_directory_for_each(tmp_path: Path) -> None:
    found = tarred(image(LATER), image(FILES), scratch=tmp_path)
    assert list(found) == ["0", "0/link", "0/link/c", "1", "1/d", "1/d/a", "1/d/b", "1/gone", "1/link"]
    assert found["1/d/b"].linkname == "1/d/a"


def test_a_reader_that_goes_is_told(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb", buffering=0) as out, pytest.raises(BuilderError, match="can't write the tar: Broken pipe"):
        export_tar({"": image(FILES)}, out, scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []
