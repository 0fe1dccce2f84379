"""What Docker can't be asked about mounts: builds at the same time, agents, limits and rights."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.sandbox.namespaces import Namespaces
from tests.support.busybox import make_root
from tests.support.images import read_image
from tests.support.masu import Masu, add_base, write_context
from tests.support.ordinary_user import OrdinaryUser, ordinary_user


@pytest.fixture(autouse=True)
def _needs_namespaces() -> None:
    if reason := Namespaces().unavailable():
        pytest.skip(f"this machine allows no namespaces: {reason}")


@pytest.fixture
def masu(tmp_path: Path) -> Masu:
    masu = Masu(state=tmp_path / "state")
    add_base(masu, tmp_path / "base")
    return masu


def context(tmp_path: Path, text: str, *, name: str = "context") -> Path:
    return write_context(tmp_path / name, f"FROM base\n{text}\n")


def built(masu: Masu, *arguments: str | Path) -> str:
    done = masu("build", "--no-push", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stderr


class Partner:
    """A build that holds a cache mount until it is told to end; both sides wait on fifos in another cache."""

    def __init__(self, masu: Masu, tmp_path: Path, sharing: str) -> None:
        built(masu, context(tmp_path, "RUN --mount=type=cache,id=fifos,target=/f mkfifo /f/here /f/go", name="fifos"))
        (here,) = (masu.state / "cache-mounts").glob("*/0/here")
        script = "echo mine > /c/partner; echo x > /f/here; read x < /f/go; echo end >> /c/log"
        text = f"RUN --mount=type=cache,id=fifos,target=/f --mount=type=cache,id=c,target=/c,sharing={sharing} {script}"
        self.process = masu.start("build", "--no-push", context(tmp_path, text, name="partner"))
        self._go = here.with_name("go")
        here.read_text()

    def end(self) -> None:
        self._go.write_text("x\n")
        _, error = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, error


@pytest.mark.parametrize(
    ("first", "second", "shares"),
    [("shared", "shared", True), ("shared", "private", False), ("private", "private", False), ("private", "shared", False),
     ("locked", "shared", False), ("locked", "private", False)],
)  # fmt: skip
def test_builds_at_the_same_time_share_a_cache_or_have_one_each(
    masu: Masu, tmp_path: Path, first: str, second: str, shares: bool
) -> None:
    partner = Partner(masu, tmp_path, first)
    said = built(masu, context(tmp_path, f"RUN --mount=type=cache,id=c,target=/c,sharing={second} echo seen: $(ls /c)"))
    partner.end()
    assert ("seen: partner" in said) == shares


@pytest.mark.parametrize("first", ["shared", "private", "locked"])
def test_a_locked_cache_waits_for_the_other_build(masu: Masu, tmp_path: Path, first: str) -> None:
    partner = Partner(masu, tmp_path, first)
    waiting = masu.start(
        "build", "--no-push", context(tmp_path, "RUN --mount=type=cache,id=c,target=/c,sharing=locked echo seen: $(cat /c/log)")
    )
    assert waiting.stderr is not None
    assert any(b"waiting for the cache mount" in line for line in waiting.stderr)
    partner.end()
    _, error = waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    assert b"seen: end" in error


def test_a_killed_build_leaves_its_cache_to_others(masu: Masu, tmp_path: Path) -> None:
    partner = Partner(masu, tmp_path, "locked")
    partner.process.kill()
    partner.process.communicate()
    said = built(masu, context(tmp_path, "RUN --mount=type=cache,id=c,target=/c,sharing=locked echo seen: $(ls /c)"))
    assert "seen: partner" in said


def test_a_cache_is_in_no_image_and_outlives_the_build(masu: Masu, tmp_path: Path) -> None:
    text = "RUN --mount=type=cache,target=/c echo x >> /c/x; wc -l < /c/x"
    for count in "12":
        assert f"\n{count}\n" in built(masu, context(tmp_path, text), "--oci-layout-path", tmp_path / f"out{count}")
        assert "/c" not in read_image(tmp_path / f"out{count}").files
    assert (masu.state / "cache-mounts").stat().st_mode & 0o777 == 0o700


def test_a_link_in_a_cache_leads_nowhere_outside(masu: Masu, tmp_path: Path) -> None:
    text = (
        f"RUN --mount=type=cache,id=l,target=/c ln -s {tmp_path} /c/out; ln -s ../../../../../../.. /c/up\n"
        "RUN --mount=type=cache,id=l,target=/c,source=/up ls -a /c > /listing; cat /listing\n"
        "RUN --mount=type=cache,id=l,target=/c,source=/out ls /c\n"
    )
    done = masu("build", "--no-push", context(tmp_path, text))
    assert done.returncode == 1
    assert "open /out: no such file" in done.stderr
    assert "\nup\n" in done.stderr


def test_an_agent_is_passed_on_for_using_keys_only(masu: Masu, tmp_path: Path) -> None:
    if not shutil.which("ssh-agent"):
        pytest.skip("ssh-agent is not installed")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    text = (
        "USER 1000\n"
        "RUN --mount=type=ssh,uid=1000 --mount=type=ssh,id=none,target=/none "
        "stat -c '%n %F %a %u:%g' $SSH_AUTH_SOCK; ls /none || true\n"
        "RUN --mount=type=ssh,target=/deep/er/agent,mode=0666,required stat -c '%n %F %a %u:%g' $SSH_AUTH_SOCK\n"
    )
    said = built(masu, f"--ssh=default={tmp_path}/key", "--oci-layout-path", tmp_path / "out", context(tmp_path, text))
    assert "/run/buildkit/ssh_agent.0 socket 600 1000:0" in said
    assert "/deep/er/agent socket 666 0:0" in said
    assert not {"/run", "/deep"} & set(read_image(tmp_path / "out").files)


def test_limits_and_sizes_of_the_command_line(masu: Masu, tmp_path: Path) -> None:
    flags = ["--ulimit=nofile=100:200", "--ulimit=core=0", "--shm-size=1m", "--network=none", "--add-host=here:10.0.0.1"]
    text = "RUN ulimit -n; ulimit -Hn; df /dev/shm | tail -n 1 | awk '{ print $2 }'; cat /etc/hosts; wc -l < /proc/net/dev"
    said = built(masu, *flags, context(tmp_path, text))
    assert "\n100\n200\n1024\n" in said
    assert "10.0.0.1\there\n" in said
    assert "\n3\n" in said


def test_what_is_insecure_must_be_allowed(masu: Masu, tmp_path: Path) -> None:
    place = context(
        tmp_path, "RUN --security=insecure grep CapEff /proc/self/status; mkdir /m; mount -t tmpfs none /m && echo mounted"
    )
    done = masu("build", "--no-push", place)
    assert done.returncode == 1
    assert "Dockerfile:2" in done.stderr
    assert "--allow security.insecure" in done.stderr
    assert "\nmounted\n" in built(masu, "--allow=security.insecure", place)


@pytest.fixture(params=[True, False], ids=["with a range of ids", "with one id"])
def user(request: pytest.FixtureRequest) -> Iterator[OrdinaryUser]:
    with ordinary_user(with_range=request.param) as user:
        yield user


EVERY_TYPE = """\
FROM scratch AS base
ADD rootfs.tar /
FROM base AS other
RUN mkdir /out; echo x > /out/x
FROM base
RUN --mount=target=/c --mount=type=tmpfs,target=/t,size=1m --mount=type=cache,target=/k --mount=from=other,source=/out,target=/o \
    --mount=type=secret,id=s --mount=type=secret,id=s,env=S \
    cat /c/own /o/x; \
    touch /t/x /k/x; test "$S" = "$(cat /run/secrets/s)"; touch /c/x || echo refused; stat -c '%n %a %u:%g' /k /c/own
RUN --mount=target=/c,rw --mount=from=other,target=/o,rw rm /c/own; echo y >> /o/out/x; cat /o/out/x; ls /k || true
RUN --mount=target=/c --mount=type=cache,target=/k --mount=from=other,target=/o ls /c/own /k; cat /o/out/x
"""


def test_an_ordinary_user_has_every_mount(user: OrdinaryUser) -> None:
    root = make_root(user.home / "root")
    directory = write_context(user.home / "context", EVERY_TYPE, {"own": "mine\n"})
    subprocess.run(["tar", "-C", root, "-cf", directory / "rootfs.tar", "."], check=True)
    (user.home / "secret").write_text("for-your-eyes-only")
    user.own(user.home)
    done = user.masu(
        "build", "--no-push", "--oci-layout-path", user.home / "out", f"--secret=id=s,src={user.home}/secret", directory
    )
    assert done.returncode == 0, done.stderr
    assert "mine\nx\n" in done.stderr
    assert "refused\n/k 755 0:0\n/c/own 644 0:0\n" in done.stderr
    assert "x\ny\n" in done.stderr
    assert done.stderr.rstrip().count("/c/own") >= 2
    assert not {"/c", "/t", "/k", "/o", "/run"} & set(read_image(user.home / "out").files)
    assert os.listdir(user.home / ".local/share/masu/work") == []
