"""A request to a registry, before it is known how the host is reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from builder.image.reference import Repository
from builder.values import dataclass, field


class Body(Protocol):
    """What is sent piece by piece; its length is known before, in bytes."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[memoryview]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`path` follows `/v2/<repository>/`, or is a whole URL that the registry gave (an upload's Location).

    `expected` are the statuses to return; all others become errors. A `body` without a length is sent chunked (RFC 9112, 7.1). A
    request that isn't `repeatable` raises Transient for what may pass, instead of being tried again. `also` are scopes beyond the
    repository's own.
    """

    method: str
    repository: Repository
    path: str
    expected: frozenset[int] = frozenset({200})
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Body | Iterable[memoryview] | None = None
    push: bool = False
    lax: bool = False
    repeatable: bool = True
    also: frozenset[str] = frozenset()

    @property
    def scopes(self) -> frozenset[str]:
        """None without a repository's path: what is asked is the registry itself."""
        if not self.repository.path:
            return self.also
        pull = f"repository:{self.repository.path}:pull"
        return frozenset({pull, f"repository:{self.repository.path}:push"} if self.push else {pull}) | self.also

    @property
    def trusts_as_push(self) -> bool:
        """Whether the options for pushing say how the host is reached; `lax` asks for that on a pull."""
        return self.push or self.lax
