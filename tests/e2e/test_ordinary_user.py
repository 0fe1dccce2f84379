"""An ordinary user's build: the same image as root's where a range of ids is mapped, owners recorded where only one is."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.busybox import make_root
from tests.support.images import Image, differences, read_image
from tests.support.masu import Masu, write_context
from tests.support.ordinary_user import OrdinaryUser, ordinary_user

DOCKERFILE = """\
FROM scratch
ADD rootfs.tar /
RUN echo text > /file; mkdir -p /d/e; ln /file /d/link
WORKDIR /home/smith/deep
COPY --chown=smith:wheel Dockerfile mine
COPY --chmod=4711 Dockerfile setuid
RUN rm /etc/group; stat -c '%n %u:%g %a' /file /etc/* /home/smith/deep/* /tmp > /listing
"""
STAGES = """\
FROM scratch AS base
ADD rootfs.tar /
FROM base AS one
RUN --mount=type=cache,id=meeting,target=/m touch /m/one; until [ -e /m/two ]; do :; done; mkdir /1; ln /etc/passwd /1/hard
FROM base AS two
RUN --mount=type=cache,id=meeting,target=/m touch /m/two; until [ -e /m/one ]; do :; done; mkdir -p /2/x; echo 2 > /2/x/y
FROM base
COPY --from=one /1 /1
COPY --from=two /2 /2
RUN echo >> /1/hard; mv /2/x /2/z; rm /etc/passwd
"""
CHANGES_OWNERS = "RUN chown 33:44 /file; chmod 2755 /file\nUSER smith\nRUN id > /tmp/id; touch /tmp/mine\n"


def context(user: OrdinaryUser, dockerfile: str) -> Path:
    root = make_root(user.home / "root")
    (root / "etc/shadow").write_text("x")
    os.chown(root / "etc/shadow", 0, 42)
    os.chown(root / "tmp", 1000, 1000)
    directory = write_context(user.home / "context", dockerfile)
    subprocess.run(["tar", "--mtime=@1000000000", "-C", root, "-cf", directory / "rootfs.tar", "."], check=True)
    return user.own(directory)


def built_by(user: OrdinaryUser, directory: Path) -> Image:
    done = user.masu("build", "--jobs", "2", "--no-push", "--oci-layout-path", user.home / "layout", directory)
    assert done.returncode == 0, done.stderr
    return read_image(user.home / "layout")


def built_by_root(directory: Path, tmp_path: Path) -> Image:
    done = Masu(state=tmp_path / "state")(
        "build", "--jobs", "2", "--no-push", "--oci-layout-path", tmp_path / "layout", directory
    )
    assert done.returncode == 0, done.stderr
    return read_image(tmp_path / "layout")


@pytest.fixture
def ranged() -> Iterator[OrdinaryUser]:
    with ordinary_user(with_range=True) as user:
        yield user


@pytest.fixture
def single() -> Iterator[OrdinaryUser]:
    with ordinary_user(with_range=False) as user:
        yield user


def test_with_a_range_of_ids_the_image_is_the_same_as_roots(ranged: OrdinaryUser, tmp_path: Path) -> None:
    directory = context(ranged, DOCKERFILE + CHANGES_OWNERS)
    assert differences(built_by_root(directory, tmp_path), built_by(ranged, directory)) == []


def test_stages_are_built_at_the_same_time_in_plain_directories_too(ranged: OrdinaryUser, tmp_path: Path) -> None:
    directory = context(ranged, STAGES)
    assert differences(built_by_root(directory, tmp_path), built_by(ranged, directory)) == []


def test_with_one_id_owners_are_recorded(single: OrdinaryUser, tmp_path: Path) -> None:
    directory = context(single, DOCKERFILE)
    found = differences(built_by_root(directory, tmp_path), built_by(single, directory))
    # What a command itself sees of owners is all it can't get right.
    assert {difference.path for difference in found} == {"/listing"}


def test_a_directory_of_files_is_the_users_and_a_tar_has_the_images_owners(single: OrdinaryUser) -> None:
    text = "FROM scratch\nCOPY --chown=5:6 --chmod=4500 Dockerfile /x/file\n"
    directory = single.own(write_context(single.home / "exported", text))
    done = single.masu("build", "-o", single.home / "out", "-o", f"type=tar,dest={single.home}/out.tar", directory)
    assert done.returncode == 0, done.stderr
    status = (single.home / "out/x/file").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (single.uid, single.uid, 0o4500)
    with tarfile.open(single.home / "out.tar") as archive:
        found = archive.getmember("x/file")
    assert (found.uid, found.gid, found.mode) == (5, 6, 0o4500)


def test_with_one_id_becoming_another_user_says_why_it_fails(single: OrdinaryUser) -> None:
    done = single.masu("build", "--no-push", context(single, "FROM scratch\nADD rootfs.tar /\nUSER smith\nRUN true\n"))
    assert done.returncode == 1
    assert "Dockerfile:4" in done.stderr
    assert "one id" in done.stderr


def test_nothing_is_left_behind(ranged: OrdinaryUser) -> None:
    directory = context(ranged, "FROM scratch\nADD rootfs.tar /\nUSER smith\nRUN mkdir /tmp/x; chmod 0 /tmp/x; exit 3\n")
    assert ranged.masu("build", "--no-push", directory).returncode == 3
    assert os.listdir(ranged.home / ".local/share/masu/work") == []
