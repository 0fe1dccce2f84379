from __future__ import annotations

import pytest

from builder.errors import StoreError
from builder.image.digest import Digest
from builder.store.names import find, sniff
from tests.support.samples import sample_image

ONE, TWO = (sample_image(name).manifest.descriptor for name in ("one", "two"))
ENTRIES = [(("latest",), ONE), (("docker.io/library/app:latest", "reg.example:5000/app:v2"), TWO)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("latest", ONE), ("app", TWO), ("app:latest", TWO), ("library/app", TWO), ("reg.example:5000/app:v2", TWO),
        ("other:latest", ONE), ("v2", None), ("other", None), ("1.0", None), ("not a name", None),
        (str(ONE.digest), ONE), (f"reg.example:5000/app:v2@{ONE.digest}", ONE), (str(Digest.of(b"")), None),
    ],
)  # fmt: skip
def test_a_name_means_one_entry(name: str, expected: object) -> None:
    assert find(name, ENTRIES, where="here") == expected


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'"manifests"', b"\x1f\x8b"])
def test_other_blobs_are_no_manifests(data: bytes) -> None:
    with pytest.raises(StoreError, match="neither"):
        sniff(data, Digest.of(data))
