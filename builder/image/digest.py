"""A digest: algorithm and hexadecimal hash, as in the OCI image spec, descriptor.md#digests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from builder.errors import ImageError
from builder.values import dataclass

if TYPE_CHECKING:
    from hashlib import _Hash

_HEX_LENGTH = {"sha256": 64, "sha512": 128}
_PATTERN = re.compile(r"(sha256|sha512):([0-9a-f]+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Digest:
    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """From `sha256:…`; raises ImageError on anything else, so that a digest is always safe as a file name."""
        match = _PATTERN.fullmatch(text)
        if match is None or len(match[2]) != _HEX_LENGTH[match[1]]:
            raise ImageError(f"invalid digest {text!r}", hint="a digest is sha256: followed by 64 hexadecimal digits")
        return cls(algorithm=match[1], hex=match[2])

    @classmethod
    def of(cls, data: bytes) -> Digest:
        return cls(algorithm="sha256", hex=hashlib.sha256(data).hexdigest())

    def hasher(self) -> _Hash:
        """A new hash object of this digest's algorithm."""
        return hashlib.new(self.algorithm)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def chain_ids(diff_ids: Iterable[Digest]) -> Iterator[Digest]:
    """For each layer, from the lowest on, what names it with all below it (OCI image spec, config.md, "Layer ChainID")."""
    chain = None
    for diff_id in diff_ids:
        chain = diff_id if chain is None else Digest.of(f"{chain} {diff_id}".encode())
        yield chain
