"""The packages of an image: what each is called for everybody (github.com/package-url/purl-spec), and where that was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from builder.values import dataclass, field

_PLAIN = "~"
"""quote() leaves letters, digits and `_.-~` alone; a purl wants no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """`kind` is the purl's type, `namespace` a distribution or npm scope, `found` the file of the image that names it."""

    kind: str
    name: str
    version: str
    found: str
    namespace: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=dict)

    def purl(self) -> str:
        """Its package URL."""
        space = f"{_quoted(self.namespace)}/" if self.namespace else ""
        pairs = "&".join(f"{key}={_quoted(value)}" for key, value in sorted(self.qualifiers.items()) if value)
        return f"pkg:{self.kind}/{space}{_quoted(self.name)}@{_quoted(self.version)}{f'?{pairs}' if pairs else ''}"


def _quoted(text: str) -> str:
    return quote(text, safe=_PLAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What /etc/os-release says (os-release(5)); all empty where there is none."""

    id: str = ""
    version: str = ""
    name: str = ""

    @property
    def distro(self) -> str:
        """As purls name it: `debian-12`."""
        return f"{self.id}-{self.version}" if self.id and self.version else self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All packages that were found, in the order of their purls; `unread` are the files whose packages aren't among them."""

    system: System
    packages: tuple[Package, ...]
    unread: tuple[str, ...] = ()


def by_purl(packages: Iterable[Package]) -> Iterator[tuple[Package, list[str]]]:
    """One for each purl, in their order, with every file that names it."""
    places: dict[str, set[str]] = {}
    known: dict[str, Package] = {}
    for package in packages:
        places.setdefault(package.purl(), set()).add(f"/{package.found}")
        known.setdefault(package.purl(), package)
    return ((package, sorted(places[purl])) for purl, package in known.items())
