from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.image.digest import Digest
from builder.image.reference import Reference
from builder.options import BuildOptions
from builder.outputs import Outputs
from builder.reports import DigestFiles

_DIGEST = Digest.of(b"x")
_NAMED = (Reference.parse("debian"), Reference.parse("a.test:5000/b/c:1"))
_NAMES = f"index.docker.io/library/debian@{_DIGEST}\na.test:5000/b/c@{_DIGEST}\n"
_TAGGED = f"index.docker.io/library/debian:latest@{_DIGEST}\na.test:5000/b/c:1@{_DIGEST}\n"


def nothing(url: str, data: bytes) -> None:
    raise AssertionError(f"nothing is sent to {url}")


def test_the_three_files_have_kanikos_bytes(tmp_path: Path) -> None:
    files = DigestFiles(digest=f"{tmp_path}/d", name=f"{tmp_path}/n", name_and_tag=f"{tmp_path}/t")
    files.write(_DIGEST, _NAMED, put=nothing)
    assert [(tmp_path / name).read_text() for name in "dnt"] == [str(_DIGEST), _NAMES, _TAGGED]


def test_directories_on_the_way_are_private_and_files_are_not(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        DigestFiles(digest=f"{tmp_path}/a/b/d").write(_DIGEST, (), put=nothing)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/d")]
    assert modes == [0o700, 0o700, 0o644]


def test_a_url_gets_what_a_file_would_have(tmp_path: Path) -> None:
    sent: list[tuple[str, bytes]] = []
    files = DigestFiles(digest="https://a.test/d", name_and_tag="https://a.test/t")
    files.write(_DIGEST, _NAMED, put=lambda url, data: sent.append((url, data)))
    assert sent == [("https://a.test/d", str(_DIGEST).encode()), ("https://a.test/t", _TAGGED.encode())]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (BuildOptions(digest_file="gs://bucket/x"), "can't write --digest-file to 'gs://bucket/x'"),
        (BuildOptions(digest_file="http://a.test/x?secret"), "to 'http://a.test/x'"),
        (BuildOptions(image_name_with_digest_file="x"), "--destination if setting --image-name-with-digest-file"),
        (BuildOptions(image_name_tag_with_digest_file="x"), "--destination if setting --image-name-tag-with-digest-file"),
    ],
)
def test_files_that_could_not_be_written_are_refused_before_anything_is_built(options: BuildOptions, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        DigestFiles.of(options, ())
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("row", ["digest_file", "iidfile", "metadata_file", "sbom_file", "tar_path", "oci_layout_path"])
def test_a_path_where_something_else_is_is_refused_before_anything_is_built(row: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = f"{tmp_path}/file" if row == "oci_layout_path" else str(tmp_path)
    values = {"no_push": True, row: (path,) if row == "metadata_file" else path}
    option, kind = row.replace("_", "-"), "file" if row == "oci_layout_path" else "directory"
    with pytest.raises(UsageError, match=f"--{option} '{path}': it is a {kind}"):
        Outputs.of(BuildOptions(**values))  # type: ignore[arg-type]
