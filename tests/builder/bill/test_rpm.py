"""rpm's database: one that rpm has made, and headers that nobody has."""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from builder.bill.package import System
from builder.bill.rpm import packages
from builder.errors import ImageError
from tests.builder.bill.test_cyclonedx import problems, syft
from tests.support.masu import Masu, write_context

FEDORA = System(id="fedora", version="40")
SPEC = """\
Name: {name}
Version: {version}
Release: 2.fc40
{more}
Summary: a package
License: MIT
%description
A package.
%files
"""
SPECS = (("first", "1.0", "Epoch: 3\nBuildArch: noarch"), ("second", "2.0~rc1+x", "Requires: first"), ("Third.x", "9^1", ""))
DATABASE = "var/lib/rpm/rpmdb.sqlite"


def header(*entries: tuple[int, int, bytes]) -> bytes:
    """Of (tag, type, value), each value once."""
    index, data = b"", b""
    for tag, kind, value in entries:
        data += bytes(-len(data) % 4)
        index += struct.pack(">IIII", tag, kind, len(data), 1)
        data += value
    return struct.pack(">II", len(entries), len(data)) + index + data


NAME, VERSION, RELEASE = (1000, 6, b"odd\x00"), (1001, 6, b"1\x00"), (1002, 6, b"2\x00")
LARGE = struct.pack(">II", 0xFFFFFFFF, 0xFFFFFFFF)


def purls(directory: Path, *headers: bytes | None) -> list[str]:
    path = directory / "rpmdb.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB)")
    connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(header,) for header in headers])
    connection.commit()
    connection.close()
    return [package.purl() for package in packages(DATABASE, path.read_bytes(), FEDORA)]


def test_a_header_is_a_package_and_a_key_is_none(tmp_path: Path) -> None:
    key = header((1000, 6, b"gpg-pubkey\x00"), VERSION, RELEASE)
    whole = header((63, 7, bytes(16)), NAME, VERSION, RELEASE, (1003, 4, b"\x00\x00\x00\x05"), (1022, 6, b"x86_64\x00"))
    odd = header((1000, 8, b"an array\x00"), (1000, 6, b"caf\xe9\x00"), VERSION, RELEASE)
    assert purls(tmp_path, key, whole, odd) == [
        "pkg:rpm/fedora/odd@1-2?arch=x86_64&distro=fedora-40&epoch=5",
        "pkg:rpm/fedora/caf%EF%BF%BD@1-2?distro=fedora-40",
    ]


@pytest.mark.parametrize(
    ("blob", "said"),
    [
        (None, "no header"), (b"", "ends too soon"), (b"\x00" * 7, "ends too soon"), (LARGE, "longer than its row"),
        (header(NAME, VERSION), "no name or version"), (header(), "no name or version"),
        (header(NAME, VERSION, (1002, 6, b"no end")), "has no end"),
        (header(NAME, VERSION, RELEASE, (1003, 4, b"\x05")), "ends too soon"),
        (header(NAME, VERSION, RELEASE)[:-1], "longer than its row"),
        (struct.pack(">IIIIII", 1, 0, 1000, 6, 0xFFFFFFF0, 1), "has no end"),
    ],
)  # fmt: skip
def test_a_damaged_header_is_an_error(blob: bytes | None, said: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=said):
        purls(tmp_path, header(NAME, VERSION, RELEASE), blob)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the database of packages that rpm has made and installed."""
    if not (shutil.which("rpm") and shutil.which("rpmbuild")):
        pytest.skip("rpm is not installed (scripts/install-test-tools does it)")
    top = tmp_path_factory.mktemp("rpm")
    for name, version, more in SPECS:
        (top / f"{name}.spec").write_text(SPEC.format(name=name, version=version, more=more))
    defines = (f"--define=_topdir {top}/top", f"--define=_rpmdir {top}/made")
    run("rpmbuild", "-bb", *defines, *(str(top / f"{name}.spec") for name, *_ in SPECS))
    made = [str(path) for path in (top / "made").rglob("*.rpm")]
    assert len(made) == len(SPECS)
    (top / "root/var/lib/rpm").mkdir(parents=True)
    run("rpm", f"--dbpath={top}/root/var/lib/rpm", "--define=_db_backend sqlite", "--justdb", "--nodeps", "--install", *made)
    return top / "root"


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout


def test_what_rpm_has_installed_is_what_rpm_lists(installed: Path) -> None:
    arguments = (
        f"--dbpath={installed}/var/lib/rpm",
        "--query",
        "--all",
        "--qf=%{NAME} %{EPOCHNUM} %{VERSION}-%{RELEASE} %{ARCH}\n",
    )
    found = {
        f"{package.name} {package.qualifiers['epoch'] or 0} {package.version} {package.qualifiers['arch']}"
        for package in packages(DATABASE, (installed / DATABASE).read_bytes(), FEDORA)
    }
    assert found == set(run("rpm", *arguments).splitlines())
    assert len(found) == len(SPECS)


def test_of_an_image_with_such_a_database_the_bill_has_what_syft_finds(installed: Path, tmp_path: Path) -> None:
    release = "ID=fedora\nVERSION_ID=40\n"
    context = write_context(
        tmp_path / "context", "FROM scratch\nCOPY . /\n", {"etc/os-release": release, ".dockerignore": "Dockerfile"}
    )
    shutil.copytree(installed, context, dirs_exist_ok=True)
    masu, layout = Masu(state=tmp_path / "state"), tmp_path / "layout"
    done = masu("build", "--no-push", f"--oci-layout-path={layout}", f"--sbom-file={tmp_path}/bill.json", context)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "bill.json").read_text()
    assert problems(text) is None
    ours = {unquote(part["purl"]).partition("?")[0] for part in json.loads(text)["components"] if "purl" in part}
    theirs = {unquote(artifact["purl"]).partition("?")[0] for artifact in syft(layout)["artifacts"]}
    assert ours == theirs
    assert len(ours) == len(SPECS)
