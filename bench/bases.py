"""The base images: made here, put into the registry, and kept as files for the floor."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from isal import isal_zlib

from bench.area import Area
from bench.console import say
from bench.data import Material, tree
from bench.errors import BenchError
from bench.registry import Registry

_CACHE = Path(__file__).resolve().parents[1] / ".cache" / "bench"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SUITE = "bookworm"
_UNWANTED = ("var/cache/apt/archives", "var/lib/apt/lists", "var/log", "dev")
_EPOCH = 1_700_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A gzip-compressed tar file and the digest of what it unpacks to."""

    path: Path
    diff_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An image in the registry under `reference`, lowest layer first."""

    reference: str
    layers: tuple[Layer, ...]


def push_base(name: str, layers: tuple[Layer, ...], *, area: Area, registry: Registry) -> Base:
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": {"Env": [_PATH], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"base layer {number}"} for number in range(len(layers))],
    }
    path = area.path / f"{name}.json"
    path.write_text(json.dumps(config))
    registry.put_image(name, "1", config=path, layers=[layer.path for layer in layers])
    return Base(reference=f"{registry.address}/{name}:1", layers=layers)


def debian_layer(area: Area) -> Layer:
    """A debootstrapped Debian, made once and kept in `.cache/bench`."""
    cached = _CACHE / f"{_SUITE}.tar.gz"
    if not cached.exists():
        say(f"making a minimal Debian by debootstrap, once; it is kept in .cache/bench/{cached.name}")
        layer = _written(area.path / "debian.tar.gz", lambda stream: _debootstrap(area.fresh("debootstrap"), stream))
        area.fresh("debootstrap").rmdir()
        cached.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(layer.path, cached.with_suffix(".part"))
        cached.with_suffix(".part").rename(cached)
    with gzip.open(cached, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Layer(path=cached, diff_id=f"sha256:{digest}")


def _debootstrap(root: Path, stream: BinaryIO) -> None:
    if os.geteuid() or not shutil.which("debootstrap"):
        raise BenchError("the Debian base is made by debootstrap, as root: apt-get install debootstrap, or use --small")
    argv = ["debootstrap", "--variant=minbase", _SUITE, str(root), *_mirror()]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise BenchError(f"debootstrap failed: {done.stdout[-1000:]}")
    for name in _UNWANTED:
        shutil.rmtree(root / name)
        (root / name).mkdir()
    tar = ["tar", "-c", "--numeric-owner", "--sort=name", "-C", str(root), "."]
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        shutil.copyfileobj(process.stdout, stream, 1 << 20)


def _mirror() -> list[str]:
    """The Debian mirror that this machine's apt uses, else none: debootstrap knows the official one."""
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        text = path.read_text() if path.is_file() else ""
        if found := re.search(r"^(?:URIs:|deb)\s+(?:\[[^]]*\]\s+)?(http\S+/debian/?)(?:\s|$)", text, re.MULTILINE):
            return [found[1]]
    return []


def busybox_layer(area: Area) -> Layer:
    """Just enough to run `touch`: Debian's static busybox."""
    program = Path("/bin/busybox")
    if not program.exists():
        raise BenchError("the small base is busybox: apt-get install busybox-static")
    return _written(area.path / "busybox.tar.gz", lambda stream: _busybox(program.read_bytes(), stream))


def _busybox(program: bytes, stream: BinaryIO) -> None:
    with _tar(stream) as archive:
        for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            _add_directory(archive, name)
        _add_file(archive, "bin/busybox", program, mode=0o755)
        for name in ("sh", "touch"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname, link.mtime = tarfile.SYMTYPE, "busybox", _EPOCH
            archive.addfile(link)


def big_layer(area: Area, material: Material, *, files: int, total: int) -> Layer:
    """Many files of realistic sizes below /srv/tree."""

    def write(stream: BinaryIO) -> None:
        known: set[str] = set()
        with _tar(stream) as archive:
            for name, content in tree(material, files=files, total=total):
                for parent in _parents(f"srv/tree/{name}"):
                    if parent not in known:
                        known.add(parent)
                        _add_directory(archive, parent)
                _add_file(archive, f"srv/tree/{name}", content, mode=0o644)

    return _written(area.path / "big.tar.gz", write)


def noise_layer(area: Area, name: str, size: int) -> Layer:
    """One file of `size` bytes that don't compress."""
    piece = 1 << 20

    def write(stream: BinaryIO) -> None:
        with _tar(stream) as archive:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = size, _EPOCH
            archive.addfile(member)
            for start in range(0, size, piece):
                archive.fileobj.write(os.urandom(min(piece, size - start)))
            archive.fileobj.write(bytes(-size % tarfile.BLOCKSIZE))

    return _written(area.path / f"{name}.tar.gz", write)


def _parents(name: str) -> Iterator[str]:
    parts = name.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


@contextmanager
def _tar(stream: BinaryIO) -> Iterator[tarfile.TarFile]:
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT, bufsize=1 << 20) as archive:
        yield archive


def _add_directory(archive: tarfile.TarFile, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, _EPOCH
    archive.addfile(member)


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, *, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(content), mode, _EPOCH
    archive.addfile(member, io.BytesIO(content))


def _written(path: Path, write: Callable[[BinaryIO], None]) -> Layer:
    """Compress what `write` writes into `path`."""
    with path.open("wb") as file:
        stream = _Packing(file)
        write(stream)  # type: ignore[arg-type]  # only its write() is called
        stream.finish()
    return Layer(path=path, diff_id=f"sha256:{stream.digest.hexdigest()}")


class _Packing:
    """Hashes and compresses what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._file = file
        self._compressor = isal_zlib.compressobj(2, isal_zlib.DEFLATED, 31)

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self._file.write(self._compressor.compress(data))
        return len(data)

    def finish(self) -> None:
        self._file.write(self._compressor.flush())
