"""The image from cached layers is the image without a cache, to the last byte: every instruction, every kind of cache.

Each case takes two kinds of cache in turn; `make cache-pairs` has all kinds for each.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.elsewhere import serve_elsewhere
from tests.support.masu import Masu, add_base, write_context
from tests.support.registry import serve_registry
from tests.support.tree import make_tar, member

FILES: dict[str, str | bytes] = {
    "src/a": "one\n", "src/sub/b.txt": "two\n", "src/sub/c.md": "three\n", "secret": "hidden\n", ".dockerignore": "secret\n",
    "archive.tar": make_tar(
        (member("d/", type=b"5", mode=0o1777)),
        (member("d/owned", uid=5, gid=6, mode=0o4755, pax_headers={"SCHILY.xattr.user.x": "1"}), b"owned"),
        member("d/same", type=b"1", linkname="d/owned"),
        member("d/link", type=b"2", linkname="nowhere"),
        member("d/pipe", type=b"6"),
    ),
}  # fmt: skip

CONFIG = """\
FROM base
LABEL a=b
ENV MODE=fast
EXPOSE 80
VOLUME /data
WORKDIR /w/x
USER smith
WORKDIR y
STOPSIGNAL 9
HEALTHCHECK --interval=5s CMD true
ONBUILD RUN true
SHELL ["/bin/sh", "-ec"]
ENTRYPOINT ["/bin/sh"]
CMD ["-c", "true"]
"""

COMMANDS = """\
FROM base
ARG VERSION=1
RUN echo $VERSION > /version; ln /version /hard; ln -s version /soft; chmod 4750 /version; chown 5:6 /soft
RUN rm -r /root /version; mkdir /root; echo x > /root/new; touch /etc/.wh.odd 2>/dev/null || true
RUN ["/bin/sh", "-c", "mkdir -p /empty/dir; chmod 1777 /empty"]
SHELL ["/bin/sh", "-ec"]
RUN <<EOF
echo one > /here
cat <<END >> /here
two
END
EOF
USER smith
RUN id > /tmp/id
"""

MOUNTS = """\
FROM base AS tools
RUN echo tool > /tool
FROM base
RUN --mount=type=cache,target=/c cp /etc/passwd /c; cat /c/passwd > /cached
RUN --mount=type=secret,id=token cat /run/secrets/token > /dev/null; echo done > /secretly
RUN --mount=type=tmpfs,target=/t echo x > /t/x
RUN --mount=type=ssh true > /ssh
RUN --mount=type=bind,source=src,target=/s cat /s/a > /bound
RUN --mount=type=bind,from=tools,source=/tool,target=/t1,rw cat /t1 > /tooled; echo more > /t1
RUN --network=none --mount=type=bind,target=/all ls /all > /all-of-it
"""

COPIES = """\
FROM base AS other
RUN mkdir /d; echo x > /d/x; ln /d/x /d/y; chown 7:8 /d/x
FROM base
COPY src /src
COPY --chown=5:6 --chmod=u=rw,go=r src/a /owned
COPY --exclude=*.md src /some
COPY --parents src/*/b.txt /p/
COPY <<EOF <<OTHER /inline/
text
EOF
more
OTHER
COPY --from=other /d /d
COPY --from=base /etc/passwd /passwd
COPY --link src /linked/
COPY --link --from=other /d /linked/d
RUN rm -r /src/sub; ls /linked > /list
"""

ADDS = """\
FROM base
ADD archive.tar /unpacked/
ADD src/a /a
ADD @HTTP@/file.txt /fetched/
ADD --chmod=600 @HTTP@/archive.tgz /kept/
ADD --unpack=true @HTTP@/archive.tgz /unpacked-too/
RUN ls /unpacked > /list
"""

STAGES = """\
FROM base AS one
RUN echo 1 > /one
FROM one AS two
ENV TWO=2
RUN cat /one > /two
FROM scratch AS three
COPY --from=two /two /
FROM one
COPY --from=three / /three/
COPY --from=two /two /
RUN cat /two /three/two > /all
"""

SCRATCH = "FROM scratch\nCOPY src /\nCOPY --link src/a /b\nWORKDIR /w\nENV A=b\n"

CASES = {
    "config": (CONFIG, ()),
    "commands": (COMMANDS, ()),
    "mounts": (MOUNTS, ("--secret=id=token,src={context}/secret",)),
    "copies": (COPIES, ()),
    "adds": (ADDS, ()),
    "stages": (STAGES, ()),
    "scratch": (SCRATCH, ()),
    "one layer": (COMMANDS, ("--single-snapshot",)),
    "zstd": (COPIES, ("--compression=zstd", "--compression-level=9")),
    "estargz": (STAGES, ("--compression=estargz",)),
    "docker's types": (COPIES, ("--image-format=docker",)),
    "an epoch": (STAGES, ("--build-arg=SOURCE_DATE_EPOCH=1000000000",)),
    "annotated": (SCRATCH, ("--annotation=a=b", "--label=c=d")),
}
LISTS = {
    "max list in a registry": "type=registry,ref={host}/{name}:max,mode=max",
    "min list in a registry": "type=registry,ref={host}/{name}:min",
    "max list in a directory": "type=local,{where}={directory}/max,mode=max",
    "min list in a directory": "type=local,{where}={directory}/min",
}


def _path(name: str) -> str:
    return f"case-{list(CASES).index(name)}"


def _in_turn(kinds: dict[str, str], name: str) -> dict[str, str]:
    """The kind that this case is for, or all."""
    names = list(kinds)
    mine = names[list(CASES).index(name) % len(names)]
    return kinds if os.environ.get("MASU_CACHE_PAIRS") else {mine: kinds[mine]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Two machines that have the base image: one fills caches, the other has nothing else."""

    masu: Masu
    host: str
    http: str

    def other(self, directory: Path) -> Masu:
        shutil.copytree(self.masu.state / "store", directory / "store")
        return Masu(state=directory)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("place")
    masu = Masu(state=directory / "state")
    add_base(masu, directory)
    for name in ("registry", "elsewhere"):
        (directory / name).mkdir()
    with serve_registry(directory / "registry") as registry, serve_elsewhere(directory / "elsewhere") as elsewhere:
        yield Place(masu=masu, host=registry.host, http=elsewhere.http)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    digest: str
    config: str
    hits: int
    misses: int


def build(masu: Masu, context: Path, *options: str) -> Image:
    told = context.parent / "metadata"
    done = masu("build", "--metadata-file", told, *options, context)
    assert done.returncode == 0, done.stderr
    metadata = json.loads(told.read_text())
    return Image(
        digest=metadata["containerimage.digest"],
        config=metadata["containerimage.config.digest"],
        hits=done.stderr.count("Using caching version of cmd"),
        misses=done.stderr.count("No cached layer found for cmd"),
    )


@pytest.mark.parametrize("name", CASES)
def test_the_image_from_any_cache_is_the_image_without(place: Place, tmp_path: Path, name: str) -> None:
    dockerfile, given = CASES[name]
    context = write_context(tmp_path / "context", dockerfile.replace("@HTTP@", place.http), FILES)
    options = [option.format(context=context) for option in given] + ["--reproducible", "-t", "x"]
    alone = build(place.masu, context, *options)
    repositories = {"a repository": f"{place.host}/cache/{_path(name)}", "a layout": f"oci:{tmp_path}/layout"}
    words = {"host": place.host, "name": f"lists/{_path(name)}", "directory": tmp_path}
    lists = _in_turn(LISTS, name)
    filled = [f"--cache-to={text.format(where='dest', **words)}" for text in lists.values()]
    for shown, repository in _in_turn(repositories, name).items():
        cache = ["--cache", "--cache-copy-layers", f"--cache-repo={repository}"]
        first = build(place.masu, context, *options, *cache, *filled)
        assert (first.digest, first.hits) == (alone.digest, 0), "the build that fills the caches makes the same image"
        again = build(place.other(tmp_path / shown), context, *options, *cache)
        assert (again.digest, again.misses) == (alone.digest, 0), shown
        assert again.hits or name == "config", shown
        filled = []
    for shown, text in lists.items():
        source = f"--cache-from={text.format(where='src', **words).removesuffix(',mode=max')}"
        found = build(place.other(tmp_path / shown), context, *options, source)
        assert (found.digest, found.misses) == (alone.digest, 0), shown


@pytest.mark.parametrize("name", ["stages", "copies", "scratch"])
def test_the_image_from_an_inline_cache_is_the_image_without(place: Place, tmp_path: Path, name: str) -> None:
    context = write_context(tmp_path / "context", CASES[name][0], FILES)
    alone = build(place.masu, context, "--reproducible", "-t", "x")
    image = f"{place.host}/inline/{name}:1"
    pushed = build(place.masu, context, "--reproducible", "-d", image, "--cache-to=type=inline")
    assert pushed.config == alone.config, "there is an annotation more, and that is all"
    assert pushed.digest != alone.digest
    other = place.other(tmp_path / "other")
    found = build(other, context, "--reproducible", "-t", "x", f"--cache-from={image}")
    assert (found.digest, found.misses) == (alone.digest, 0)
    again = build(other, context, "--reproducible", "-t", "x", f"--cache-from={image}", "--cache-to=type=inline")
    assert again.digest == pushed.digest, "and from one build to the next the annotation is the same"


@pytest.mark.parametrize("name", CASES)
def test_what_comes_from_the_cache_is_the_very_image_that_filled_it(place: Place, tmp_path: Path, name: str) -> None:
    """Without any flag for that: cached layers have the times of when they were made, and so has the image."""
    dockerfile, given = CASES[name]
    context = write_context(tmp_path / "context", dockerfile.replace("@HTTP@", place.http), FILES)
    options = [option.format(context=context) for option in given] + ["-t", "x"]
    cache = ["--cache", "--cache-copy-layers", f"--cache-repo={place.host}/filled/{_path(name)}"]
    first = build(place.masu, context, *options, *cache)
    again = build(place.other(tmp_path / "other"), context, *options, *cache)
    assert (again.misses, again.digest) == (0, first.digest)
