"""Reads a built image without any code of `builder/`, and tells two images apart.

An image is an OCI layout directory or a `docker save` tarball. Its layers are laid over one another as the OCI image spec
(layer.md) says, strictly: a wrong digest, a name given twice in a layer, a path through a link or a hard link to nothing
is a `BadImage`.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import zstandard

LONG_AGO = 1_000_000_000
"""Seconds since 1970: times before it were set on purpose (contexts, bases, `touch -d`), later ones are when the build ran."""

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_KINDS = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.LNKTYPE: "hard link", tarfile.SYMTYPE: "symlink",
    tarfile.DIRTYPE: "directory", tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "character device", tarfile.BLKTYPE: "block device",
}  # fmt: skip


class BadImage(Exception):
    """The image breaks the specification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path. `sha256` is the content's; `links` all paths of the same inode, itself included, if there are several."""

    kind: str
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    sha256: str = ""
    target: str = ""
    links: tuple[str, ...] = ()
    xattrs: tuple[tuple[str, str], ...] = ()
    device: tuple[int, int] | None = None
    mtime: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """`files` by absolute path; `layers` the sorted paths each layer has, deletions as `path (deleted)`; no times in `config`."""

    files: Mapping[str, Entry]
    config: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    layers: tuple[tuple[str, ...], ...]

    def without(self, addresses: Mapping[str, str]) -> Image:
        """The same with @NAME@ for the addresses in its history, which change from one run to the next."""

        def plain(value: Any) -> Any:
            for name, address in addresses.items():
                value = value.replace(address, f"@{name.upper()}@") if isinstance(value, str) else value
            return value

        return replace(self, history=tuple({key: plain(value) for key, value in entry.items()} for entry in self.history))

    def to_json(self) -> dict[str, Any]:
        return {
            "files": {path: asdict(entry) for path, entry in self.files.items()},
            "config": self.config,
            "history": list(self.history),
            "layers": self.layers,
        }

    @classmethod
    def from_json(cls, data: Any) -> Image:
        return cls(
            files={path: _entry_from_json(entry) for path, entry in data["files"].items()},
            config=data["config"],
            history=tuple(data["history"]),
            layers=tuple(tuple(layer) for layer in data["layers"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Difference:
    path: str
    field: str
    docker: str
    masu: str

    def __str__(self) -> str:
        return f"{self.path}: {self.field}: docker {self.docker}, masu {self.masu}"


def read_image(path: Path) -> Image:
    """The only image of an OCI layout directory or of a tarball; raises BadImage."""
    if path.is_dir():
        return _read(lambda name: (path / name).read_bytes(), lambda name: (path / name).exists())
    with tarfile.open(path) as archive:
        names = set(archive.getnames())
        return _read(lambda name: _member(archive, name), lambda name: name in names)


def differences(docker: Image, masu: Image) -> list[Difference]:
    """Sorted; but for the build's own times and those of directories, which docker itself sets now and then only."""
    found = [*_file_differences(docker, masu), *_config_differences(docker, masu), *_layer_differences(docker, masu)]
    return sorted(found)


# --- reading -----------------------------------------------------------------------------------------------------------------


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    if stream is None:
        raise BadImage(f"{name} is no file")
    return stream.read()


def _read(read: Callable[[str], bytes], exists: Callable[[str], bool]) -> Image:
    config_bytes, layers = _docker_parts(read) if exists("manifest.json") else _oci_parts(read)
    document = json.loads(config_bytes)
    diff_ids = document["rootfs"]["diff_ids"]
    if len(diff_ids) != len(layers):
        raise BadImage(f"{len(layers)} layers but {len(diff_ids)} diff_ids")
    if len([entry for entry in document.get("history") or () if not entry.get("empty_layer")]) != len(layers):
        raise BadImage("history and layers don't match")
    stack = _Stack()
    paths = tuple(stack.add(_layer(diff_id, load)) for diff_id, load in zip(diff_ids, layers, strict=True))
    history = tuple({key: value for key, value in entry.items() if key != "created"} for entry in document.get("history") or ())
    config = {key: value for key, value in document.items() if key not in ("created", "history", "rootfs")}
    return Image(files=stack.files(), config=config, history=history, layers=paths)


def _docker_parts(read: Callable[[str], bytes]) -> tuple[bytes, list[Callable[[], bytes]]]:
    (image,) = json.loads(read("manifest.json"))
    return read(image["Config"]), [functools.partial(read, name) for name in image["Layers"]]


def _oci_parts(read: Callable[[str], bytes]) -> tuple[bytes, list[Callable[[], bytes]]]:
    if json.loads(read("oci-layout")) != {"imageLayoutVersion": "1.0.0"}:
        raise BadImage("oci-layout has another version")
    (descriptor,) = json.loads(read("index.json"))["manifests"]
    manifest = json.loads(_blob(read, descriptor))
    if manifest.get("mediaType", descriptor["mediaType"]) != descriptor["mediaType"]:
        raise BadImage("the manifest and its descriptor have different media types")
    return _blob(read, manifest["config"]), [functools.partial(_blob, read, layer) for layer in manifest["layers"]]


def _blob(read: Callable[[str], bytes], descriptor: Mapping[str, Any]) -> bytes:
    digest = descriptor["digest"]
    data = read(f"blobs/sha256/{digest.removeprefix('sha256:')}")
    if len(data) != descriptor["size"] or f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise BadImage(f"blob {digest} has other bytes than its descriptor says")
    compression = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}.get(descriptor["mediaType"].rpartition("+")[2])
    if compression and not data.startswith(compression):
        raise BadImage(f"blob {digest} is not compressed as its media type {descriptor['mediaType']} says")
    return data


_parsed: dict[str, tuple[tuple[str, Entry], ...]] = {}


def _layer(diff_id: str, load: Callable[[], bytes]) -> tuple[tuple[str, Entry], ...]:
    """Its entries in order, named as in the tar without `./`; parsed once a process, bases come again and again."""
    if diff_id not in _parsed:
        data = decompress(load())
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != diff_id:
            raise BadImage(f"the layer with the diff_id {diff_id} has other bytes")
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            _parsed[diff_id] = tuple((_path(member), _entry(archive, member)) for member in archive)
    return _parsed[diff_id]


def decompress(data: bytes) -> bytes:
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


def _path(member: tarfile.TarInfo) -> str:
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise BadImage(f"{member.name!r} leaves the root")
    return "/" + "/".join(parts)


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    kind = _KINDS.get(member.type) or ("file" if member.isfile() else f"type {member.type!r}")
    prefix = "SCHILY.xattr."
    xattrs = {key.removeprefix(prefix): value for key, value in member.pax_headers.items() if key.startswith(prefix)}
    content = archive.extractfile(member) if kind == "file" else None
    return Entry(
        kind=kind,
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        size=member.size if kind == "file" else 0,
        sha256=hashlib.file_digest(content, "sha256").hexdigest() if content else "",  # type: ignore[arg-type]
        target=member.linkname if kind in ("symlink", "hard link") else "",
        xattrs=tuple(sorted((key, value.encode("utf-8", "surrogateescape").hex()) for key, value in xattrs.items())),
        device=(member.devmajor, member.devminor) if kind.endswith("device") else None,
        mtime=int(member.mtime),
    )


# --- laying layers over one another ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Inode:
    entry: Entry


@dataclass(slots=True)
class _Stack:
    tree: dict[str, _Inode] = field(default_factory=dict)

    def add(self, layer: tuple[tuple[str, Entry], ...]) -> tuple[str, ...]:
        """Lay one layer on top; deletions first, for they mean the layers below only. Gives the layer's path list."""
        names = [path for path, _ in layer]
        for path in {path for path in names if names.count(path) > 1} if len(set(names)) < len(names) else ():
            raise BadImage(f"{path} is twice in a layer")
        for path in names:
            self._whiteout(path)
        for path, entry in layer:
            if not _name(path).startswith(_WHITEOUT):
                self._put(path, entry)
        return tuple(sorted(_shown(path) for path in names))

    def _whiteout(self, path: str) -> None:
        if _name(path) == _OPAQUE:
            self._remove_below(_parent(path))
        elif _name(path).startswith(_WHITEOUT):
            gone = _join(_parent(path), _name(path).removeprefix(_WHITEOUT))
            self._remove_below(gone)
            self.tree.pop(gone, None)

    def _put(self, path: str, entry: Entry) -> None:
        for parent in _parents(path):
            known = self.tree.setdefault(parent, _Inode(Entry(kind="directory", mode=0o755)))
            if known.entry.kind != "directory":
                raise BadImage(f"{path} lies below {parent}, which is a {known.entry.kind}")
        if entry.kind == "hard link":
            source = self.tree.get(_join("/", entry.target.removeprefix("./").lstrip("/")))
            if source is None or source.entry.kind == "directory":
                raise BadImage(f"{path} is a hard link to {entry.target}, which is no file")
            self._remove_below(path)
            self.tree[path] = source
            return
        if entry.kind != "directory":
            self._remove_below(path)
        self.tree[path] = _Inode(entry)

    def _remove_below(self, path: str) -> None:
        known = self.tree.get(path)
        if path != "/" and (known is None or known.entry.kind != "directory"):
            return
        prefix = path.rstrip("/") + "/"
        for name in [name for name in self.tree if name.startswith(prefix) and name != path]:
            del self.tree[name]

    def files(self) -> dict[str, Entry]:
        names: dict[int, list[str]] = {}
        for path in sorted(self.tree):
            names.setdefault(id(self.tree[path]), []).append(path)
        shared = {key: tuple(paths) for key, paths in names.items() if len(paths) > 1}
        return {path: replace(inode.entry, links=shared.get(id(inode), ())) for path, inode in sorted(self.tree.items())}


def _shown(path: str) -> str:
    name, parent = _name(path), _parent(path)
    if name == _OPAQUE:
        return f"{parent} (emptied)"
    return f"{_join(parent, name.removeprefix(_WHITEOUT))} (deleted)" if name.startswith(_WHITEOUT) else path


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _join(parent: str, name: str) -> str:
    return f"{parent.rstrip('/')}/{name}"


def _parents(path: str) -> Iterator[str]:
    """From the top, without `/`."""
    for index, character in enumerate(path):
        if character == "/" and index:
            yield path[:index]


# --- comparing ---------------------------------------------------------------------------------------------------------------


def _file_differences(docker: Image, masu: Image) -> Iterator[Difference]:
    for path in sorted({*docker.files, *masu.files} - {"/"}):
        ours, theirs = masu.files.get(path), docker.files.get(path)
        if ours is None or theirs is None:
            yield Difference(
                path=path, field="presence", docker=theirs.kind if theirs else "nothing", masu=ours.kind if ours else "nothing"
            )
        elif ours.kind != theirs.kind:
            yield Difference(path=path, field="kind", docker=theirs.kind, masu=ours.kind)
        else:
            yield from _entry_differences(path, theirs, ours)


def _entry_differences(path: str, docker: Entry, masu: Entry) -> Iterator[Difference]:
    for name in ("mode", "uid", "gid", "size", "sha256", "target", "links", "xattrs", "device"):
        theirs, ours = getattr(docker, name), getattr(masu, name)
        if theirs != ours and not (name == "mode" and docker.kind == "symlink"):
            show = oct if name == "mode" else str
            yield Difference(path=path, field=name, docker=show(theirs), masu=show(ours))
    if docker.kind != "directory" and docker.mtime != masu.mtime and min(docker.mtime, masu.mtime) < LONG_AGO:
        yield Difference(path=path, field="mtime", docker=str(docker.mtime), masu=str(masu.mtime))


def _config_differences(docker: Image, masu: Image) -> Iterator[Difference]:
    yield from _value_differences("(config)", "", docker.config, masu.config)
    for index in range(max(len(docker.history), len(masu.history))):
        theirs, ours = ((list(image.history)[index : index + 1] or [{}])[0] for image in (docker, masu))
        yield from _value_differences(f"(history {index})", "", theirs, ours)


def _value_differences(path: str, name: str, docker: Any, masu: Any) -> Iterator[Difference]:
    if isinstance(docker, dict) and isinstance(masu, dict):
        for key in sorted({*docker, *masu}):
            yield from _value_differences(path, f"{name}.{key}" if name else key, docker.get(key), masu.get(key))
    elif docker != masu:
        yield Difference(path=path, field=name, docker=json.dumps(docker), masu=json.dumps(masu))


def _layer_differences(docker: Image, masu: Image) -> Iterator[Difference]:
    """Of what each layer writes; not of its deletions (there are two ways to write them) and the directories on the way."""
    if len(docker.layers) != len(masu.layers):
        yield Difference(path="(layers)", field="number", docker=str(len(docker.layers)), masu=str(len(masu.layers)))
        return
    for index, (theirs, ours) in enumerate(zip(docker.layers, masu.layers, strict=True)):
        for path in sorted(set(theirs) ^ set(ours)):
            if not path.endswith((" (deleted)", " (emptied)")) and not _is_directory(path, docker, masu):
                here, there = ("written" if path in layer else "nothing" for layer in (theirs, ours))
                yield Difference(path=path, field=f"layer {index}", docker=here, masu=there)


def _is_directory(path: str, *images: Image) -> bool:
    return any(path == "/" or (path in image.files and image.files[path].kind == "directory") for image in images)


def _entry_from_json(data: dict[str, Any]) -> Entry:
    known = dict(data)
    known["links"] = tuple(data["links"])
    known["xattrs"] = tuple((key, value) for key, value in data["xattrs"])
    known["device"] = tuple(data["device"]) if data["device"] else None
    return Entry(**known)
