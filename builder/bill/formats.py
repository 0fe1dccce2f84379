"""The files in which package managers write down what is installed, each as packages."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from email.parser import BytesHeaderParser

from builder.bill import rpm
from builder.bill.package import Package, System

Reader = Callable[[str, bytes, System], Iterator[Package]]
"""(the file's path, its content, the distribution) → packages. It may raise ImageError."""

_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
_RPM = r"(var/lib|usr/lib/sysimage|usr/share)/rpm/"
_INSTALLED = "install ok installed"


def _dpkg(path: str, data: bytes, system: System) -> Iterator[Package]:
    """dpkg's status file, or one of a distroless image's status.d (deb822(5))."""
    for paragraph in re.split(rb"\n\s*\n", data):
        fields = _fields(paragraph)
        if fields.get("Status", _INSTALLED) == _INSTALLED and fields.get("Package") and fields.get("Version"):
            yield _distributed(
                "deb", fields["Package"], fields["Version"], fields.get("Architecture", ""), path, system, "debian"
            )


def _apk(path: str, data: bytes, system: System) -> Iterator[Package]:
    """apk's database: a letter, a colon and a value a line, an empty line between packages (apk-package(5))."""
    for paragraph in data.decode("utf-8", "replace").split("\n\n"):
        fields = dict(line.split(":", 1) for line in paragraph.splitlines() if line[1:2] == ":")
        if fields.get("P") and fields.get("V"):
            yield _distributed("apk", fields["P"], fields["V"], fields.get("A", ""), path, system, "alpine")


def _distributed(kind: str, name: str, version: str, architecture: str, path: str, system: System, usual: str) -> Package:
    qualifiers = {"arch": architecture, "distro": system.distro}
    return Package(kind=kind, name=name, version=version, found=path, namespace=system.id or usual, qualifiers=qualifiers)


def _fields(paragraph: bytes) -> Mapping[str, str]:
    """Those that are on one line."""
    lines = paragraph.decode("utf-8", "replace").splitlines()
    pairs = (line.partition(":") for line in lines if line[:1].strip())
    return {key: value.strip() for key, colon, value in pairs if colon}


def _python(path: str, data: bytes, system: System) -> Iterator[Package]:
    """METADATA of a dist-info directory, PKG-INFO of an egg (packaging.python.org, core metadata)."""
    headers = BytesHeaderParser().parsebytes(data)
    name, version = str(headers.get("Name") or "").strip(), str(headers.get("Version") or "").strip()
    if name and version:
        yield Package(kind="pypi", name=re.sub(r"[-_.]+", "-", name).lower(), version=version, found=path)


def _node(path: str, data: bytes, system: System) -> Iterator[Package]:
    """package.json of an installed package; one without name and version is no package of its own."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(document, dict):
        return
    name, version = document.get("name"), document.get("version")
    if isinstance(name, str) and isinstance(version, str) and name and version:
        scope, slash, own = name.rpartition("/")
        yield Package(kind="npm", namespace=scope if slash else "", name=own, version=version, found=path)


READERS: tuple[tuple[re.Pattern[str], Reader], ...] = (
    (re.compile(r"var/lib/dpkg/status"), _dpkg),
    (re.compile(r"var/lib/dpkg/status\.d/[^/]+(?<!\.md5sums)"), _dpkg),
    (re.compile(r"(usr/)?lib/apk/db/installed"), _apk),
    (re.compile(rf"{_RPM}rpmdb\.sqlite"), rpm.packages),
    (re.compile(r"(.*/)?[^/]+\.dist-info/METADATA"), _python),
    (re.compile(r"(.*/)?[^/]+\.egg-info(/PKG-INFO)?"), _python),
    (re.compile(r"(.*/)?node_modules/(@[^/]+/)?[^/@][^/]*/package\.json"), _node),
)
"""Paths of an image, without the first slash, that are read."""

_REFUSED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"{_RPM}Packages"), "it is a Berkeley database, which takes rpm's own library to read"),
    (re.compile(rf"{_RPM}Packages\.db"), "it is of rpm's ndb kind, which takes rpm's own library to read"),
    (re.compile(rf"{_RPM}rpmdb\.sqlite-wal"), "it is of a transaction that was not finished"),
)
"""Paths whose packages are known to be left out, and why; there are none in an empty file."""


def reader_of(path: str) -> Reader | None:
    return next((reader for pattern, reader in READERS if pattern.fullmatch(path)), None)


def is_of_interest(path: str) -> bool:
    return path in _OS_RELEASE or reader_of(path) is not None


def refusal(path: str) -> str:
    """Why the packages of the file are left out; empty for one that is read or of no interest."""
    return next((why for pattern, why in _REFUSED if pattern.fullmatch(path)), "")


def system_of(files: Mapping[str, bytes]) -> System:
    """The distribution that these files tell of."""
    data = next((files[path] for path in _OS_RELEASE if path in files), b"")
    values: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.startswith("#"):
            values[key.strip()] = _unquoted(value)
    return System(id=values.get("ID", ""), version=values.get("VERSION_ID", ""), name=values.get("PRETTY_NAME", ""))


def _unquoted(value: str) -> str:
    """A shell word (os-release(5))."""
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value.strip()
