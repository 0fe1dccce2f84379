"""Archives for `masu load` that mean harm."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Callable, Mapping
from typing import Any

import zstandard

from tests.hostile.tars import OUTSIDE, bomb, end, header
from tests.support.tree import make_tar, member

CONFIG = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}
_DIGEST = "sha256:" + "0" * 64
_OCI = "application/vnd.oci.image."
_LAYOUT = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}


def archive(files: Mapping[str, bytes]) -> bytes:
    return make_tar(*((member(name), data) for name, data in files.items()))


def docker(*, config: object = CONFIG, names: object = ("app:1",), layers: object = (), **files: bytes) -> bytes:
    """As docker save before version 25."""
    manifest = json.dumps([{"Config": "c.json", "RepoTags": names, "Layers": layers}]).encode()
    return archive(
        {"c.json": config if isinstance(config, bytes) else json.dumps(config).encode(), **files, "manifest.json": manifest}
    )


def layout(*entries: Any, **files: bytes) -> bytes:
    return archive({**_LAYOUT, "index.json": json.dumps({"manifests": list(entries)}).encode(), **files})


def entry(**more: object) -> dict[str, object]:
    return {"mediaType": _OCI + "manifest.v1+json", "digest": _DIGEST, "size": 10, **more}


def _linked(kind: bytes, target: str) -> bytes:
    """The config is a link to a file of the machine."""
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["app:1"], "Layers": []}]).encode()
    return make_tar(member("c.json", type=kind, linkname=target), (member("manifest.json"), manifest))


def _many_layers(count: int) -> bytes:
    """One compressed layer of 2 MB, so often that reading it each time would take hours."""
    config = {**CONFIG, "rootfs": {"type": "layers", "diff_ids": [_DIGEST] * count}}
    return docker(config=config, layers=["l"] * count, l=gzip.compress(b"")[:10] + bytes(2 << 20))


# Name → the archive, a part of what is said when it is refused; an empty text: it may be taken, for it does no harm.
ARCHIVES: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "can't read archive"),
    "no-archive": (lambda: b"GIF89a" + bytes(5000), "can't read archive"),
    "no-image": (lambda: archive({"readme": b"x"}), "is not an image archive"),
    "truncated": (lambda: docker()[:700], "error"),
    "truncated-gzip": (lambda: gzip.compress(docker())[:60], "can't unpack archive"),
    "damaged-zstd": (lambda: b"\x28\xb5\x2f\xfd" + b"\xff" * 1000, "can't unpack archive"),
    "gzip-bomb": (lambda: bomb(lambda data: gzip.compress(data, 1), 4), "disk full"),
    "zstd-bomb": (lambda: bomb(zstandard.ZstdCompressor(level=1).compress, 16), "disk full"),
    "huge-manifest": (lambda: archive({"manifest.json": b"[" + b" " * (5 << 20) + b"]"}), "bytes"),
    "deep-manifest": (lambda: archive({"manifest.json": b"[" * 1_000_000}), "malformed archive"),
    "deep-index": (lambda: archive({**_LAYOUT, "index.json": b'{"manifests":' * 100_000}), "malformed archive"),
    "deep-config": (lambda: docker(config=b'{"a":' * 100_000), "malformed archive"),
    "config-of-another-type": (lambda: docker(config=[]), "malformed archive"),
    "config-outside": (
        lambda: archive({"manifest.json": b'[{"Config": "../../etc/passwd", "Layers": []}]'}),
        "malformed archive",
    ),
    "config-is-a-link-outside": (lambda: _linked(b"2", "/etc/passwd"), "malformed archive"),
    "config-is-a-hard-link-outside": (lambda: _linked(b"1", "/etc/passwd"), "malformed archive"),
    "config-is-a-link-to-itself": (lambda: _linked(b"2", "c.json"), "malformed archive"),
    "config-is-a-device": (lambda: _linked(b"4", ""), "malformed archive"),
    "names-of-another-type": (lambda: docker(names={"a": 1}), "no list of names"),
    "names-that-lead-out": (lambda: docker(names=[f"../../..{OUTSIDE}/canary:1"]), "invalid reference"),
    "names-with-control-characters": (lambda: docker(names=["a\x1b[2J:1"]), "invalid reference"),
    "layers-that-are-not-there": (lambda: docker(layers=["l"]), "malformed archive"),
    "more-layers-than-diff-ids": (lambda: docker(layers=["l"] * 3, l=b"x"), "diff_ids"),
    "a-layer-very-often": (lambda: _many_layers(3000), ""),
    "digest-outside": (lambda: layout(entry(digest=f"sha256:../../..{OUTSIDE}/canary")), "invalid digest"),
    "digest-of-nothing": (lambda: layout(entry()), "has no blob"),
    "blob-with-another-digest": (lambda: layout(entry(size=2), **{f"blobs/sha256/{'0' * 64}": b"{}"}), "has the digest"),
    "blob-of-another-size": (lambda: layout(entry(size=3), **{f"blobs/sha256/{'0' * 64}": b"{}"}), "ends 1 bytes before"),
    "negative-size": (lambda: layout(entry(size=-1)), "invalid descriptor"),
    "huge-size": (
        lambda: layout(entry(size=1 << 62), **{f"blobs/sha256/{'0' * 64}": b"{}"}),
        "too large",
    ),
    "entries-of-another-type": (lambda: layout("x"), "invalid descriptor"),
    "manifests-of-another-type": (lambda: archive({**_LAYOUT, "index.json": b'{"manifests": 7}'}), "malformed archive"),
    "too-many-images": (lambda: layout(*(entry() for _ in range(2000))), "more than 1000 images"),
    "too-many-files": (lambda: tarfile.TarInfo("x").tobuf() * 60_000, "more than 50000 files"),
    "member-with-a-huge-size": (lambda: header(b"manifest.json", size=b"\x80" + b"\xff" * 11) + end(), "can't read archive"),
}
