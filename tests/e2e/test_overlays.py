"""Stages on overlays, from outside: the same images as in plain directories, and bases that are unpacked once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.masu import Masu, add_base, write_context
from tests.support.overlays import require_overlays, with_own_mounts

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED: overlays are for root")

TEXT = """
FROM base AS tools
RUN mkdir -p /t/a && echo tool > /t/a/tool && ln /t/a/tool /t/again && chown -R 5:6 /t && chmod 2755 /t/a
FROM base
WORKDIR /work/deep
COPY . .
RUN mkdir -p /conf/skel /conf/sub && echo c > /conf/skel/c && echo c > /conf/sub/c
RUN echo more >> file && ln file hard && mv /conf /config && mkdir /conf && rm -r /config/skel
COPY --from=tools /t /t
RUN --mount=type=bind,from=tools,source=/t,target=/mnt,rw touch /mnt/x && echo 1 >> /t/again && chmod 0755 /bin
COPY --link file /linked/file
RUN mv /t/a /t/b && mv /t/b /t/a && rm -r /work && mkdir /work && mv /linked /work
"""
OUTLINED = """
FROM base AS below
COPY --chown=nobody file /etc/new/
FROM below AS link
COPY --link file /apart
COPY . /bin/sub
FROM link
WORKDIR /etc/new/er
ADD file /bin/echo
"""
EPOCH = ("--build-arg", "SOURCE_DATE_EPOCH=1000000000")


@pytest.fixture
def masu(tmp_path: Path) -> Masu:
    masu = Masu(state=tmp_path / "state")
    add_base(masu, tmp_path / "base")
    return masu


@pytest.mark.parametrize("text", [TEXT, OUTLINED])
@with_own_mounts
def test_an_overlay_and_a_plain_directory_give_the_same_digest(text: str, masu: Masu, tmp_path: Path) -> None:
    require_overlays(masu.state)
    context, digests = write_context(tmp_path / "c", text, {"file": "f"}), {}
    for sandbox, kind in (("namespaces", "stages are on overlayfs"), ("chroot", "no overlayfs")):
        file = tmp_path / sandbox
        done = masu("build", "-v", "debug", "--sandbox", sandbox, "--no-push", "--digest-file", file, *EPOCH, context)
        assert done.returncode == 0, done.stderr
        assert kind in done.stderr
        digests[sandbox] = file.read_text()
    assert digests["namespaces"] == digests["chroot"]


@with_own_mounts
def test_a_base_that_lies_unpacked_is_neither_read_nor_downloaded(masu: Masu, tmp_path: Path) -> None:
    require_overlays(masu.state)
    context = write_context(tmp_path / "c", "FROM base\nRUN test -e /bin/sh\n")
    assert masu("build", "--no-push", context).returncode == 0
    biggest = max((masu.state / "store/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    biggest.write_bytes(b"damaged")
    assert masu("build", "--no-push", context).returncode == 0
    shutil.rmtree(masu.state / "layers")
    assert masu("build", "--no-push", context).returncode != 0


@with_own_mounts
def test_a_stage_that_only_copies_unpacks_an_outline_and_the_next_that_runs_something_all(masu: Masu, tmp_path: Path) -> None:
    require_overlays(masu.state)
    texts = ("FROM base\nCOPY file /bin/\n", "FROM base AS a\nCOPY file /bin/\nFROM a\nRUN test -s /bin/sh -a -s /bin/file\n")
    for text, outline in zip((texts[0], texts[0], texts[1], texts[0]), (True, False, False, False), strict=True):
        done = masu("build", "-v", "debug", "--no-push", write_context(tmp_path / "c", text, {"file": "f"}))
        assert done.returncode == 0, done.stderr
        assert ("only an outline" in done.stderr) is outline
    names = sorted(path.name.partition("-")[2] for path in (masu.state / "layers").glob("*/*-*[1e]"))
    assert names == ["1", "1-outline"]


@with_own_mounts
def test_stages_with_one_base_begin_where_it_ended(masu: Masu, tmp_path: Path) -> None:
    require_overlays(masu.state)
    text = "FROM base AS a\nRUN echo a > /a\nFROM a AS b\nRUN echo b >> /a\nFROM a AS c\nRUN echo c >> /a\n"
    checks = "FROM a\nCOPY --from=b /a /b\nCOPY --from=c /a /c\nRUN test \"$(cat /a /b /c | tr -d '\\n')\" = aabac\n"
    done = masu("build", "--no-push", "--jobs", "3", write_context(tmp_path / "c", text + checks))
    assert done.returncode == 0, done.stderr


@with_own_mounts
def test_more_layers_than_files_may_be_open_at_first(masu: Masu, tmp_path: Path) -> None:
    """masu may have more when it asks for more; the commands get what it began with."""
    require_overlays(tmp_path)
    context = write_context(tmp_path / "context", "FROM base\n" + "".join(f"COPY f /{n}\n" for n in range(60)), {"f": "x"})
    assert masu("build", "-c", context, "-t", "many").returncode == 0
    write_context(
        context, "FROM many\nRUN ulimit -Sn > /soft && ulimit -Hn > /hard && [ $(cat /soft /59 | tr -d '\\n') = 48x ]\n"
    )
    argv = ["sh", "-c", 'ulimit -Sn 48; exec "$@"', "sh", *masu.argv("build", "-c", context, "-t", "more")]
    done = subprocess.run(argv, env=masu.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
