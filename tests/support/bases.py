"""The base images of the oracle tests: made once a machine, kept in `.cache/bases`, served by a real registry on loopback.

| name | what it is |
|---|---|
| busybox | Debian's static busybox, users and groups, and under /data one file of each kind; two layers, the second deletes |
| zstd | the same, its layers compressed with zstd |
| index | the same behind an image index that has another platform first |
| onbuild | busybox with ONBUILD triggers |
| fields | busybox with every config field set, some of them unknown, and no PATH |
| debian | a debootstrapped Debian with setcap and setfattr |
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import io
import json
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.support.cases import SOME_TIME
from tests.support.elsewhere import serve_elsewhere
from tests.support.registry import serve_registry
from tests.support.shared import REPOSITORY

CACHE = REPOSITORY / ".cache"
SMALL = ("busybox", "zstd", "index", "onbuild", "fields")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OCI = "application/vnd.oci.image"
_SOURCES = ("tests/support/bases.py", "tests/support/cases.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """`digests` by name; `registry` is HOST:PORT. `elsewhere` are the URLs of the servers in elsewhere.py, by name."""

    registry: str
    digests: Mapping[str, str]
    elsewhere: Mapping[str, str]

    def references(self) -> dict[str, str]:
        return {name: f"{self.registry}/{name}:1" for name in self.digests} | dict(self.elsewhere)

    def identity(self, name: str) -> str:
        """What changes when the base does."""
        if name not in self.elsewhere:
            return self.digests[name]
        return hashlib.sha256((REPOSITORY / "tests/support/elsewhere.py").read_bytes()).hexdigest()


@contextlib.contextmanager
def serve_bases(*, debian: bool) -> Iterator[Bases]:
    """Make what isn't made yet (other processes wait) and serve it until the context ends."""
    directory = CACHE / "bases"
    directory.mkdir(parents=True, exist_ok=True)
    wanted = (*SMALL, "debian") if debian else SMALL
    with _locked(directory / "lock"), _serve(directory / "registry") as address:
        digests = {name: _made(directory, name, address) for name in wanted}
    with (
        _serve(directory / "registry") as address,
        tempfile.TemporaryDirectory() as temporary,
        serve_elsewhere(Path(temporary)) as elsewhere,
    ):
        urls = {"http": elsewhere.http, "git": elsewhere.git, "main": elsewhere.commit("main"), "tag": elsewhere.commit("v1")}
        yield Bases(registry=address, digests=digests, elsewhere=urls)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _serve(storage: Path) -> Iterator[str]:
    """A registry of this process alone over the common storage; gives HOST:PORT."""
    storage.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / "data").symlink_to(storage)
        with serve_registry(Path(temporary)) as registry:
            yield registry.host


def _made(directory: Path, name: str, address: str) -> str:
    """The digest of the base; made and pushed unless that was done by this version of this file."""
    busybox = Path("/bin/busybox").read_bytes()
    made_by = hashlib.sha256(busybox + b"".join((REPOSITORY / source).read_bytes() for source in _SOURCES)).hexdigest()
    record = directory / f"{name}.json"
    if name == "debian":
        made_by = hashlib.sha256(_DEBIAN_RECIPE.encode()).hexdigest()
    if record.exists():
        known = json.loads(record.read_text())
        if known["made_by"] == made_by:
            return str(known["digest"])
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        layout = Layout(Path(temporary) / "layout")
        digest = _debian(layout) if name == "debian" else _small(layout, name, busybox)
        target = f"docker://{address}/{name}:1"
        command = ["skopeo", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false", f"oci:{layout.path}", target]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    record.write_text(json.dumps({"made_by": made_by, "digest": digest}))
    return digest


class Layout:
    """An OCI layout directory being written: blobs first, the index last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "blobs/sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (self.path / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def image(
        self, tars: list[bytes], config: Mapping[str, Any], *, compression: str = "gzip", architecture: str = "amd64"
    ) -> dict[str, Any]:
        """Write layers, config and manifest; gives the manifest's descriptor. `config` is its top level without rootfs."""
        compress = zstandard.ZstdCompressor().compress if compression == "zstd" else lambda data: gzip.compress(data, 1, mtime=0)
        layers = [self.blob(compress(data), f"{_OCI}.layer.v1.tar+{compression}") for data in tars]
        diff_ids = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in tars]
        history = [{"created": "2001-02-03T04:05:06Z", "created_by": f"base layer {index}"} for index in range(len(tars))]
        document = {
            "architecture": architecture,
            "os": "linux",
            "created": "2001-02-03T04:05:06Z",
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
            **config,
        }
        described = self.blob(json.dumps(document).encode(), f"{_OCI}.config.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": f"{_OCI}.manifest.v1+json", "config": described, "layers": layers}
        return self.blob(json.dumps(manifest).encode(), f"{_OCI}.manifest.v1+json")

    def index(self, manifests: list[dict[str, Any]]) -> None:
        media_type = f"{_OCI}.index.v1+json"
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}))


# --- the small ones ----------------------------------------------------------------------------------------------------------

_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
app:x:1000:1000:App:/home/app:/bin/sh
web:x:33:1500:Web:/var/www:/bin/sh
nohome:x:1001:1001:No home::/bin/sh
"""
_GROUP = """\
root:x:0:
daemon:x:1:
staff:x:50:app,web
docker:x:999:app
app:x:1000:
web:x:1500:
nohome:x:1001:
"""
_CONFIG: Mapping[str, Any] = {"config": {"Env": [_PATH, "FROM_BASE=base value"], "Cmd": ["sh"]}}
_ONBUILD: Mapping[str, Any] = {
    "config": {
        **_CONFIG["config"],
        "OnBuild": [
            "ARG TRIGGERED=default",
            "COPY trigger.txt /trigger/",
            'RUN echo "$TRIGGERED" > /trigger/ran',
            "ENV ONBUILD=yes",
        ],
    }
}
_FIELDS: Mapping[str, Any] = {
    "author": "The Base <base@example.org>",
    "docker_version": "1.2.3",
    "container": "0123456789",
    "os.version": "5",
    "config": {
        "User": "app",
        "Env": ["FROM_BASE=base value", "EMPTY="],
        "Entrypoint": ["/bin/busybox"],
        "Cmd": ["echo", "from the base"],
        "WorkingDir": "/srv",
        "Labels": {"from": "base", "both": "base"},
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/var/lib/base": {}},
        "StopSignal": "SIGINT",
        "Shell": ["/bin/sh", "-e", "-c"],
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5000000000, "Retries": 4},
        "Hostname": "somewhere",
        "Unknown": "field",
    },
}


def _small(layout: Layout, name: str, busybox: bytes) -> str:
    layers = [_first_layer(busybox), _second_layer()]
    config = {"onbuild": _ONBUILD, "fields": _FIELDS}.get(name, _CONFIG)
    described = layout.image(layers, config, compression="zstd" if name == "zstd" else "gzip")
    if name != "index":
        layout.index([described])
        return str(described["digest"])
    other = layout.image([_second_layer()], {"variant": "v8"}, architecture="arm64")
    platforms = [{"os": "linux", "architecture": "arm64", "variant": "v8"}, {"os": "linux", "architecture": "amd64"}]
    index = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.index.v1+json",
        "manifests": [
            manifest | {"platform": platform} for manifest, platform in zip((other, described), platforms, strict=True)
        ],
    }
    blob = layout.blob(json.dumps(index).encode(), f"{_OCI}.index.v1+json")
    layout.index([blob])
    return str(blob["digest"])


class _Tar:
    """A layer being written; parents have to be added first."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.TarFile(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name: str, *, mode: int = 0o644, owner: tuple[int, int] = (0, 0), data: bytes = b"", **fields: Any) -> None:
        member = tarfile.TarInfo(name)
        member.mode, member.mtime, member.size = mode, SOME_TIME, len(data)
        member.uid, member.gid = owner
        for key, value in fields.items():
            setattr(member, key, value)
        self._tar.addfile(member, io.BytesIO(data))

    def directory(self, name: str, *, mode: int = 0o755, owner: tuple[int, int] = (0, 0)) -> None:
        self.add(name, mode=mode, owner=owner, type=tarfile.DIRTYPE)

    def symlink(self, name: str, target: str) -> None:
        self.add(name, mode=0o777, type=tarfile.SYMTYPE, linkname=target)

    def link(self, name: str, target: str) -> None:
        self.add(name, type=tarfile.LNKTYPE, linkname=target)

    def finish(self) -> bytes:
        self._tar.close()
        return self._buffer.getvalue()


def _first_layer(busybox: bytes) -> bytes:
    tar = _Tar()
    for name in ("bin", "dev", "proc", "sys", "etc", "home", "srv", "usr", "var"):
        tar.directory(name)
    for name in ("usr/bin", "usr/sbin", "usr/local", "usr/local/bin", "var/log"):
        tar.directory(name)
    tar.directory("root", mode=0o700)
    tar.directory("home/app", owner=(1000, 1000))
    tar.directory("tmp", mode=0o1777)
    tar.directory("var/tmp", mode=0o1777)
    tar.directory("var/www", owner=(33, 1500))
    tar.add("bin/busybox", mode=0o755, data=busybox)
    applets = subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in sorted(set(applets) - {"busybox"}):
        tar.symlink(f"bin/{applet}", "busybox")
    tar.add("etc/passwd", data=_PASSWD.encode())
    tar.add("etc/group", data=_GROUP.encode())
    tar.add("etc/shadow", mode=0o640, owner=(0, 42), data=b"root:*::0:::::\n")
    tar.add("home/app/profile", owner=(1000, 1000), data=b"hello from home\n")
    _add_data(tar)
    return tar.finish()


def _add_data(tar: _Tar) -> None:
    """One of each kind under /data."""
    for name in ("data", "data/dir", "data/dir/sub", "data/opaque", "data/opaque/old", "data/from-dir", "data/empty"):
        tar.directory(name)
    tar.add("data/file", data=b"a file\n")
    tar.add("data/hard1", data=b"three names\n")
    tar.link("data/hard2", "data/hard1")
    tar.link("data/hard3", "data/hard1")
    tar.add("data/setuid", mode=0o4755, data=b"#!/bin/sh\n")
    tar.add("data/setgid", mode=0o2755, owner=(0, 50), data=b"#!/bin/sh\n")
    tar.directory("data/sticky", mode=0o1777)
    tar.directory("data/setgid-dir", mode=0o2775, owner=(0, 50))
    tar.directory("data/private", mode=0o700, owner=(1000, 1000))
    tar.add("data/private/key", mode=0o600, owner=(1000, 1000), data=b"secret\n")
    tar.symlink("data/link", "file")
    tar.symlink("data/dirlink", "dir")
    tar.symlink("data/absolute", "/data/dir")
    tar.symlink("data/escaping", "../../../../data/dir")
    tar.symlink("data/dangling", "nowhere/at/all")
    tar.symlink("data/loop", "loop")
    tar.add("data/fifo", type=tarfile.FIFOTYPE)
    for name in ("a", "b", "sub/c"):
        tar.add(f"data/dir/{name}", data=name.encode() + b"\n")
    tar.add("data/gone", data=b"deleted by the second layer\n")
    tar.add("data/opaque/old/file", data=b"below an opaque directory\n")
    tar.add("data/from-file", data=b"becomes a directory\n")
    tar.add("data/from-dir/file", data=b"its directory becomes a file\n")
    tar.add("data/capable", mode=0o755, data=b"#!/bin/sh\n", pax_headers={"SCHILY.xattr.security.capability": _CAP_NET_BIND})
    tar.add("data/" + "long-name-" * 15, data=b"longer than a ustar name\n")
    tar.add("data/größe ☃", data=b"unicode\n")


_CAP_NET_BIND = bytes.fromhex("0100000200040000000000000000000000000000").decode("utf-8", "surrogateescape")
"""`cap_net_bind_service=ep`, as the kernel stores it (VFS_CAP_REVISION_2)."""


def _second_layer() -> bytes:
    tar = _Tar()
    tar.directory("data")
    tar.add("data/.wh.gone")
    tar.directory("data/opaque")
    tar.add("data/opaque/.wh..wh..opq")
    tar.add("data/opaque/new", data=b"new\n")
    tar.directory("data/from-file")
    tar.add("data/from-file/inside", data=b"inside\n")
    tar.add("data/from-dir", data=b"now a file\n")
    return tar.finish()


# --- Debian ------------------------------------------------------------------------------------------------------------------

_DEBIAN_RECIPE = "debootstrap --variant=minbase --include=libcap2-bin,attr bookworm; v1"


def _debian(layout: Layout) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "root"
        command = ["debootstrap", "--variant=minbase", "--include=libcap2-bin,attr", "bookworm", str(root), _mirror()]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            pytest.skip(f"debootstrap failed: {done.stdout[-500:]}")
        for unwanted in ("var/cache/apt/archives", "var/lib/apt/lists", "var/log", "dev"):
            shutil.rmtree(root / unwanted)
            (root / unwanted).mkdir()
        tar = ["tar", "-c", "--numeric-owner", "--sort=name", "--xattrs", "--xattrs-include=*", f"--mtime=@{SOME_TIME}", "."]
        data = subprocess.run(tar, cwd=root, check=True, capture_output=True).stdout
    described = layout.image([data], {"config": {"Env": [_PATH], "Cmd": ["bash"]}})
    layout.index([described])
    return str(described["digest"])


def _mirror() -> str:
    """The mirror that this machine's apt uses."""
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        text = path.read_text() if path.is_file() else ""
        found = re.search(r"^(?:URIs:|deb)\s+(?:\[[^]]*\]\s+)?(\S+/debian/?)(?:\s|$)", text, re.MULTILINE)
        if found:
            return found[1]
    pytest.skip("apt's sources name no Debian mirror to make the Debian base from")


def busybox_is_static() -> bool:
    """Whether /bin/busybox runs without a loader (an ELF file without PT_INTERP), as the package busybox-static has it."""
    path = Path("/bin/busybox")
    data = path.read_bytes() if path.exists() else b""
    if data[:5] != b"\x7fELF\x02":
        return False
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    return all(struct.unpack_from("<I", data, start + index * size)[0] != 3 for index in range(count))
