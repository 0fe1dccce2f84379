"""Two images in a registry that should be the same to the last byte: what isn't, entry by entry, for people to read."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.images import decompress

_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """An image of a registry that speaks plain HTTP."""

    host: str
    repository: str
    tag: str = "1"

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}:{self.tag}"

    def manifest(self) -> bytes:
        return self._get(f"manifests/{self.tag}", {"Accept": ", ".join(_MANIFESTS)})

    def digest(self) -> str:
        """Of the manifest, from its bytes."""
        return f"sha256:{hashlib.sha256(self.manifest()).hexdigest()}"

    def blob(self, digest: str) -> bytes:
        return self._get(f"blobs/{digest}", {})

    def _get(self, path: str, headers: dict[str, str]) -> bytes:
        request = urllib.request.Request(f"http://{self.host}/v2/{self.repository}/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            data: bytes = answer.read()
            return data


def unlike(expected: Remote, found: Remote) -> str:
    """Every entry of a layer and every line of the config that differ; empty if the manifests are the same."""
    if expected.digest() == found.digest():
        return ""
    ours, theirs = (json.loads(image.manifest()) for image in (found, expected))
    lines = list(_documents(_config(expected, theirs), _config(found, ours)))
    if len(ours["layers"]) != len(theirs["layers"]):
        lines.append(f"{len(ours['layers'])} layers instead of {len(theirs['layers'])}")
    for index, (mine, other) in enumerate(zip(ours["layers"], theirs["layers"], strict=False)):
        if mine != other:
            layers = (_layer(image.blob(layer["digest"])) for image, layer in ((expected, other), (found, mine)))
            lines.extend(f"layer {index}: {line}" for line in _documents(*layers))
    return "\n".join(lines) or "the same entries in other bytes"


def _config(image: Remote, manifest: Any) -> dict[str, str]:
    document = json.loads(image.blob(manifest["config"]["digest"]))
    document["rootfs"] = len(document["rootfs"]["diff_ids"])
    return {f"config {key}": json.dumps(value, sort_keys=True) for key, value in document.items()}


def _layer(blob: bytes) -> dict[str, str]:
    """Path → everything that the archive says of it, and where it stands in the order."""
    with tarfile.open(fileobj=io.BytesIO(decompress(blob))) as archive:
        return {member.name: _entry(archive, member) for member in archive}


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = archive.extractfile(member) if member.isfile() else None
    words = [
        f"type {member.type.decode()}", f"{member.mode:04o}", f"{member.uid}:{member.gid}", f"{member.uname}:{member.gname}",
        f"@{member.mtime}", member.linkname, f"{member.devmajor},{member.devminor}" if member.isdev() else "",
        *(f"{key}={value!r}" for key, value in sorted(member.pax_headers.items())),
    ]  # fmt: skip
    if content:
        data = content.read()
        words.append(f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:12]} {data[:200]!r}")
    return " ".join(word for word in words if word)


def _documents(expected: dict[str, str], found: dict[str, str]) -> Iterator[str]:
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            yield f"{name}: {found.get(name, 'missing')}, instead of {expected.get(name, 'nothing')}"
