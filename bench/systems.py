"""What lies below the bases: Debian by debootstrap, made once and kept in `.cache/bench`, and a busybox for trying out."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from bench.archives import Layer, add_directory, add_file, add_link, tar_into, written
from bench.area import Area
from bench.console import say
from bench.errors import BenchError

PACKAGES = "/srv/packages"  # in `dev`: what is to be installed without a network
_CACHE = Path(__file__).resolve().parents[1] / ".cache" / "bench"
_SUITE = "bookworm"
_UNWANTED = ("var/cache/apt/archives", "var/lib/apt/lists", "var/log", "dev")
_SPEEDUP = "etc/dpkg/dpkg.cfg.d/speedup"  # as the official images have it: a layer that is half written is thrown away anyway
_APPLETS = ("sh", "cat", "mkdir", "tar", "touch", "true")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """`included`: packages beside the minimal ones; `packages`: these and what they need lie in PACKAGES, not installed."""

    file: str
    included: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


_RECIPES: Mapping[str, _Recipe] = {
    "debian": _Recipe(file=f"{_SUITE}.tar.gz"),
    "dev": _Recipe(file=f"{_SUITE}-dev.tar.gz", included=("gcc", "libc6-dev"), packages=("curl",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A layer, how many files there are in it and their bytes."""

    layer: Layer
    files: int
    size: int


def fetch_systems(area: Area) -> None:
    """Make those that aren't kept yet: needs the network, minutes, and root; raises BenchError."""
    for name, recipe in _RECIPES.items():
        kept = _CACHE / recipe.file
        if not kept.exists():
            say(f"making the system {name} by debootstrap, once; it is kept in .cache/bench/{kept.name}")
            root = area.fresh("debootstrap")
            layer = written(area.path / "system.tar.gz", partial(_debootstrap, recipe, root))
            shutil.rmtree(root)
            _CACHE.mkdir(parents=True, exist_ok=True)
            shutil.move(layer.path, kept.with_suffix(".part"))
            kept.with_suffix(".part").rename(kept)


def debian(name: str) -> System:
    """One of `fetch_systems`: `debian`, or `dev` with a C compiler."""
    path = _CACHE / _RECIPES[name].file
    with gzip.open(path, "rb") as stream:
        hashing = _Hashing(stream)
        with tarfile.open(fileobj=hashing, mode="r|", bufsize=1 << 20) as archive:  # type: ignore[call-overload]
            sizes = [member.size for member in archive if member.isfile()]
        hashing.read_rest()
    layer = Layer(path=path, diff_id=f"sha256:{hashing.digest.hexdigest()}")
    return System(layer=layer, files=len(sizes), size=sum(sizes))


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Hashing:
    """Hashes what is read through it."""

    def __init__(self, stream: _Readable) -> None:
        self.digest = hashlib.sha256()
        self._stream = stream

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.digest.update(data)
        return data

    def read_rest(self) -> None:
        while self.read(1 << 20):
            pass


def _debootstrap(recipe: _Recipe, root: Path, stream: BinaryIO) -> None:
    if os.geteuid() or not shutil.which("debootstrap"):
        raise BenchError("the Debian base is made by debootstrap, as root: apt-get install debootstrap, or use --small")
    included = [f"--include={','.join(recipe.included)}"] if recipe.included else []
    _run("debootstrap", "--variant=minbase", *included, _SUITE, root, *_mirror())
    (root / _SPEEDUP).write_text("force-unsafe-io\n")
    packages = root / PACKAGES.lstrip("/")
    if recipe.packages:
        (packages / "partial").mkdir(parents=True)
        download = ["install", "-y", "--no-install-recommends", "--download-only", *recipe.packages]
        _run("chroot", root, "apt-get", "-o", f"Dir::Cache::archives={PACKAGES}", *download)
        shutil.rmtree(packages / "partial")
        (packages / "lock").unlink()
    for name in _UNWANTED:
        shutil.rmtree(root / name)
        (root / name).mkdir()
    tar = ["tar", "-c", "--numeric-owner", "--sort=name", "-C", str(root), "."]
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        shutil.copyfileobj(process.stdout, stream, 1 << 20)
    if process.returncode:
        raise BenchError(f"tar failed with {process.returncode}")


def _run(*argv: str | Path) -> None:
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{argv[0]} failed: {done.stdout[-1000:]}")


def _mirror() -> list[str]:
    """The Debian mirror that this machine's apt uses, else none: debootstrap knows the official one."""
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        text = path.read_text() if path.is_file() else ""
        if found := re.search(r"^(?:URIs:|deb)\s+(?:\[[^]]*\]\s+)?(http\S+/debian/?)(?:\s|$)", text, re.MULTILINE):
            return [found[1]]
    return []


def busybox(area: Area) -> System:
    """Just enough to run `touch` and `tar`: Debian's static busybox."""
    program = Path("/bin/busybox")
    if not program.exists():
        raise BenchError("the small base is busybox: apt-get install busybox-static")
    content = program.read_bytes()
    layer = written(area.path / "busybox.tar.gz", lambda stream: _busybox(content, stream))
    return System(layer=layer, files=1, size=len(content))


def _busybox(program: bytes, stream: BinaryIO) -> None:
    with tar_into(stream) as archive:
        for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            add_directory(archive, name)
        add_file(archive, "bin/busybox", program, mode=0o755)
        for name in _APPLETS:
            add_link(archive, f"bin/{name}", "busybox")
