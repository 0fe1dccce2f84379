"""Directories, repositories, web servers and layouts that mean harm: a clear error, bounded memory, nothing written outside."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.hostile.arena import Arena
from tests.hostile.images import FILE
from tests.hostile.registry import MANIFEST, Evil, digest, image
from tests.hostile.tars import OUTSIDE
from tests.support.masu import write_context

STARS = "*a" * 200 + "b\n"

# .dockerignore, a part of what is said; empty: it is fast enough.
RULES: Mapping[str, tuple[str, str]] = {
    "stars": (STARS, ""),
    "stars-of-one": ("*?" * 500 + "b\n", ""),
    "double-stars": ("**/a/" * 200 + "b\n", ""),
    "double-stars-that-guess": ("a**b" * 50, "too many **"),
    "classes-that-guess": ("*[^b]" * 50 + "x", "too many **"),
    "many-lines": ("".join(f"*{number}*x\n" for number in range(500)), ""),
    "long-line": ("x" * (1 << 20), ""),
    "unclosed": ("[" * 1000, "within a character class"),
}


@pytest.mark.parametrize("name", RULES)
def test_hostile_ignore_files(name: str, arena: Arena, tmp_path: Path) -> None:
    rules, says = RULES[name]
    files = {f"{'a' * 240}{number}": "" for number in range(20)} | {"/".join(["a"] * 200) + "/x": ""}
    write_context(tmp_path, "FROM scratch\nCOPY . /\n", {**files, ".dockerignore": rules})
    ended = arena.masu("build", "--no-push", str(tmp_path))
    assert (ended.code, says in ended.stderr) == (1 if says else 0, True), ended.stderr[-2000:]


GIT: Mapping[str, tuple[str, str]] = {
    "option-as-host": ("git://-oProxyCommand=touch@OUTSIDE@/x/y.git", "no host"),
    "option-as-ssh-host": ("ssh://-oProxyCommand=touch@OUTSIDE@/y.git", "no host"),
    "option-as-ref": ("https://127.0.0.1:9/x.git#--upload-pack=touch@OUTSIDE@/z", "invalid ref"),
    "refspec-as-ref": ("https://127.0.0.1:9/x.git#+refs/*", "invalid ref"),
    "option-as-second-ref": ("git://127.0.0.1:9/x.git#main#--upload-pack=x", "40 hexadecimal digits"),
    "option-before-a-commit": (f"git://127.0.0.1:9/x.git#-x#{'0' * 40}", "invalid ref"),
    "ext-transport": ("ext::sh -c touch% @OUTSIDE@/x", "not a directory"),
    "file-transport": ("file:///etc/x.git", "no build contexts like"),
    "newline": ("https://127.0.0.1:9/x.git#a\nb", "error"),
}


@pytest.mark.parametrize("name", GIT)
def test_hostile_git_urls(name: str, arena: Arena) -> None:
    url, says = GIT[name]
    ended = arena.masu("build", "--no-push", f"--context={url.replace('@OUTSIDE@', OUTSIDE)}")
    assert (ended.code, says in ended.stderr) == (1, True), ended.stderr[-2000:]


@contextmanager
def serve(body: Callable[[], Iterator[bytes]], headers: Mapping[str, str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for piece in body():
                    self.wfile.write(piece)
            except ConnectionError:
                pass  # it has seen enough

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/x"
        server.shutdown()


def _text() -> Iterator[bytes]:
    """A comment without end."""
    for _ in range(4096):
        yield b"# " + b"x" * (1 << 20) + b"\n"


WEB: Mapping[str, tuple[list[str], Callable[[], Iterator[bytes]], Mapping[str, str], str]] = {
    "endless-dockerfile": (["--dockerfile=@URL@", "empty"], _text, {}, "too large for a Dockerfile"),
    "endless-context": (["--context=@URL@"], _text, {}, "too large for a Dockerfile"),
    "length-beyond-all": (["--context=@URL@"], _text, {"Content-Length": "9" * 17}, "too large"),
    "length-that-is-none": (["--context=@URL@"], _text, {"Content-Length": "-5"}, "error"),
    "dockerfile-of-zeros": (["--dockerfile=@URL@", "empty"], lambda: iter([bytes(1 << 20)]), {}, "error"),
    "gzip-that-is-none": (["--context=@URL@"], lambda: iter([b"x" * 1000]), {"Content-Encoding": "gzip"}, "error"),
}


@pytest.mark.parametrize("name", WEB)
def test_hostile_web_servers(name: str, arena: Arena) -> None:
    arguments, body, headers, says = WEB[name]
    with serve(body, headers) as url:
        ended = arena.masu("build", "--no-push", *(text.replace("@URL@", url) for text in arguments))
    assert (ended.code, says in ended.stderr) == (1, True), ended.stderr[-2000:]


def _layout(directory: Path, case: Evil, *, name: str = "") -> Path:
    """An OCI layout of the case; the manifest's digest is what `name` says if that is given."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)
    for data in (*case.blobs.values(), case.manifest):
        (blobs / digest(data).removeprefix("sha256:")).write_bytes(data)
    entry = {"mediaType": MANIFEST, "digest": name or digest(case.manifest), "size": len(case.manifest)}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return directory


def _sized(size: int) -> Evil:
    case = image([FILE])
    return replace(case, manifest=case.manifest.replace(f'"size": {len(FILE)}'.encode(), f'"size": {size}'.encode()))


LAYOUTS: Mapping[str, tuple[Callable[[Path], Path], str]] = {
    "size-too-large": (lambda path: _layout(path, _sized(1 << 50)), "bytes"),
    "size-beyond-all": (lambda path: _layout(path, _sized(10**30)), "bytes"),
    "digest-leads-out": (lambda path: _layout(path, image([FILE]), name="sha256:../../index.json"), "digest"),
    "index-deep": (lambda path: _with(path, "index.json", b"[" * 100_000), "error"),
    "index-huge": (lambda path: _as_sparse(path / "index.json", _layout(path, image([FILE]))), "more than 67108864 bytes"),
    "blob-huge-by-digest": (lambda path: _by_digest(_layout(path, image([FILE]))), "neither a manifest nor an index"),
    "index-list": (lambda path: _with(path, "index.json", b"[]"), "error"),
    "index-is-a-directory": (lambda path: _as_directory(path, "index.json"), "error"),
    "blob-is-a-fifo": (lambda path: _as_fifo(path, digest(FILE)), "error"),
    "blob-is-a-link-to-a-device": (lambda path: _as_link(path, digest(FILE), "/dev/zero"), "error"),
    "blob-is-a-link-out": (lambda path: _as_link(path, digest(FILE), "/etc/passwd"), "error"),
}


def _with(path: Path, name: str, data: bytes) -> Path:
    (_layout(path, image([FILE])) / name).write_bytes(data)
    return path


def _as_sparse(file: Path, layout: Path) -> Path:
    os.truncate(file, 8 << 30)
    return layout


def _by_digest(layout: Path) -> Path:
    """A name for the layout that means a file of many bytes."""
    name = digest(FILE)
    _as_sparse(layout / "blobs/sha256" / name.removeprefix("sha256:"), layout)
    return Path(f"{layout}@{name}")


def _as_directory(path: Path, name: str) -> Path:
    file = _layout(path, image([FILE])) / name
    file.unlink()
    file.mkdir()
    return path


def _as_fifo(path: Path, name: str) -> Path:
    blob = _layout(path, image([FILE])) / "blobs/sha256" / name.removeprefix("sha256:")
    blob.unlink()
    os.mkfifo(blob)
    return path


def _as_link(path: Path, name: str, target: str) -> Path:
    blob = _layout(path, image([FILE])) / "blobs/sha256" / name.removeprefix("sha256:")
    blob.unlink()
    blob.symlink_to(target)
    return path


@pytest.mark.parametrize("name", LAYOUTS)
def test_hostile_layouts(name: str, arena: Arena, tmp_path: Path) -> None:
    make, says = LAYOUTS[name]
    layout = make(tmp_path / "layout")
    context = write_context(tmp_path / "context", f"FROM oci-layout://{layout}\nRUN true\n")
    ended = arena.masu("build", "--no-push", str(context), seconds=20)
    assert (ended.code, says in ended.stderr) == (1, True), ended.stderr[-2000:]
