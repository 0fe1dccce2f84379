from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.bill.formats import READERS, is_of_interest, reader_of, refusal, system_of
from builder.bill.package import System
from builder.errors import ImageError

DEBIAN = System(id="debian", version="12")
STATUS = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u8
Description: GNU C Library
 Version: not this one

Package: gone
Status: deinstall ok config-files
Version: 1

Package: adduser
Status: install ok installed
Architecture: all
Version: 1:3.134~a
"""
APK = b"C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:ld-musl.so\n\nP:busybox\nV:1.36.1-r29\nA:x86_64\n"


def purls(path: str, data: bytes, system: System = DEBIAN) -> list[str]:
    reader = reader_of(path)
    assert reader, path
    return [package.purl() for package in reader(path, data, system)]


@pytest.mark.parametrize(
    ("path", "data", "expected"),
    [
        ("var/lib/dpkg/status", STATUS, ["pkg:deb/debian/libc6@2.36-9%2Bdeb12u8?arch=amd64&distro=debian-12",
                                         "pkg:deb/debian/adduser@1%3A3.134~a?arch=all&distro=debian-12"]),
        ("var/lib/dpkg/status.d/base", b"Package: base-files\nVersion: 12.4\nArchitecture: amd64\n",
         ["pkg:deb/debian/base-files@12.4?arch=amd64&distro=debian-12"]),
        ("lib/apk/db/installed", APK, ["pkg:apk/debian/musl@1.2.5-r0?arch=x86_64&distro=debian-12",
                                       "pkg:apk/debian/busybox@1.36.1-r29?arch=x86_64&distro=debian-12"]),
        ("usr/lib/python3/Foo_Bar-1.0.dist-info/METADATA", b"Metadata-Version: 2\nName: Foo_Bar\nVersion: 1.0\n\nName: x\n",
         ["pkg:pypi/foo-bar@1.0"]),
        ("a/x.egg-info", b"Name: x\nVersion: 1!2+local\n", ["pkg:pypi/x@1%212%2Blocal"]),
        ("app/node_modules/@a/b/package.json", b'{"name": "@a/b", "version": "1.2.3"}', ["pkg:npm/%40a/b@1.2.3"]),
        ("app/node_modules/c/package.json", b'{"name": "c", "version": "1.2.3-rc.1"}', ["pkg:npm/c@1.2.3-rc.1"]),
        ("app/node_modules/c/package.json", b'{"type": "module"}', []), ("app/node_modules/c/package.json", b"[" * 100000, []),
        ("app/node_modules/c/package.json", b"\xff", []), ("a/b.egg-info", b"", []), ("var/lib/dpkg/status", b"", []),
    ],
)  # fmt: skip
def test_what_package_managers_write_down_is_read(path: str, data: bytes, expected: list[str]) -> None:
    assert purls(path, data) == expected


@pytest.mark.parametrize(
    "path",
    [
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/status.d/x.md5sums",
        "app/package.json",
        "node_modules/c/lib/package.json",
        "x/METADATA",
    ],
)
def test_what_only_looks_like_it_is_left_alone(path: str) -> None:
    assert not is_of_interest(path)


@pytest.mark.parametrize("path", ["usr/lib/sysimage/rpm/Packages.db", "var/lib/rpm/Packages", "usr/share/rpm/rpmdb.sqlite-wal"])
def test_databases_that_only_rpm_reads_are_refused(path: str) -> None:
    assert refusal(path)
    assert not is_of_interest(path)


def test_the_distribution_is_what_os_release_says() -> None:
    text = b'# comment\nID=alpine\nVERSION_ID="3.20"\nPRETTY_NAME=\'Alpine "x"\'\nBROKEN="\n'
    assert system_of({"usr/lib/os-release": text}) == System(id="alpine", version="3.20", name='Alpine "x"')
    assert system_of({}).distro == ""


@given(data=st.binary(), reader=st.sampled_from([reader for _, reader in READERS]))
def test_no_content_makes_a_reader_fail(data: bytes, reader: object) -> None:
    """But with the error that leaves the file out."""
    assert callable(reader)
    with contextlib.suppress(ImageError):
        for package in reader("a/b", data, DEBIAN):
            assert package.purl().startswith("pkg:")
