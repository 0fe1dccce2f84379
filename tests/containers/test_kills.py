"""A build in a container may be killed at any moment: the next one finds the container as it was, and makes the right image."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import Container, Engine
from tests.support.masu import write_context
from tests.support.same import Remote, unlike
from tests.support.site import EPOCH, Site

ROUNDS = 20
_SECONDS = 60
KILLED = """\
FROM {base}
RUN echo 1 > /killed-1; mkdir -p /etc/killed /usr/local/killed; rm -r /srv; /busybox-killed 2>/dev/null; usleep 100000
COPY . /killed-2/
RUN (while :; do echo x >> /killed-3; usleep 1000; done) & usleep 200000; mv /home /killed-home; echo x > /etc/passwd
RUN rm -rf /data /var; echo 4 > /killed-4; cp -r /bin /killed-bin; usleep 200000; cp -r /usr /killed-usr
RUN usleep 100000; rm -rf /killed*; echo 5 > /killed-5
"""
NEXT = """\
FROM {base}
RUN ls / /etc /usr/local /data > /tmp/listing; echo next > /etc/next; rm -r /usr/local; usleep 10000
COPY file /srv/
RUN cat /etc/passwd > /passwd && test ! -e /killed-1
"""
LISTING = r"""
find / \( -path /proc -o -path /sys -o -path /dev -o -path /kaniko \) -prune -o -type f -print0 | xargs -0 md5sum | sort -k 2
find / \( -path /proc -o -path /sys -o -path /dev -o -path /kaniko \) -prune -o -print0 | xargs -0 stat -c '%n %f %u:%g %N' | sort
"""


@pytest.fixture
def container(engine: Engine, debug_image: str, small_site: Site, tmp_path: Path) -> Iterator[Container]:
    """A job's container: a shell as its first process, files of its own, volumes at its top and in the midst of /usr."""
    base = small_site.references["busybox"]
    files = {"file": "1\n", "killed": KILLED.format(base=base), "next": NEXT.format(base=base)}
    context = write_context(tmp_path / "context", "FROM scratch\n", files)
    write_context(tmp_path / "volume", "", {"kept": "on a volume\n"})
    volumes = [f"--volume={context}:/workspace", *(f"--volume={tmp_path}/volume:{path}" for path in ("/top", "/usr/share/deep"))]
    with engine.container(debug_image, "sh", "-c", "while :; do sleep 1000; done", options=volumes) as started:
        made = (
            "mkdir -p /builds/job /etc/job /usr/share/mine; echo mine | tee /builds/job/file /etc/job/file > /usr/share/mine/file"
        )
        assert started("sh", "-c", made).code == 0
        yield started


def listing(container: Container) -> str:
    """Every file of the container with its content, and everything else with its kind, mode and owner."""
    done = container("/busybox/sh", "-c", LISTING, env={"PATH": "/busybox"})
    assert "/builds/job/file" in done.output, done.output
    return done.output


def build(name: str, destination: Remote) -> list[str]:
    return ["/kaniko/executor", "--context=/workspace", f"--dockerfile=/workspace/{name}", EPOCH, f"--destination={destination}"]


def kill(container: Container, argv: list[str], *, after: float, whole: bool) -> None:
    """Start a program in the container and kill it after so many seconds, with `whole` and everything that it has started."""
    process = container.start("/busybox/sh", "-c", 'echo $$; exec "$@"', "sh", *argv)
    assert process.stdout
    pid = _on_host(container, int(process.stdout.readline()))
    time.sleep(after)
    victims = [other for other in processes(container) if other != container.pid()] if whole else [pid]
    for victim in victims:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it had ended
    process.communicate(timeout=_SECONDS)


def processes(container: Container) -> Iterator[int]:
    """All of the container, as the host counts."""
    namespace = os.readlink(f"/proc/{container.pid()}/ns/pid")
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{name}/ns/pid") == namespace:
                yield int(name)
        except (FileNotFoundError, PermissionError):
            continue  # it has ended, or is none of ours


def _on_host(container: Container, pid: int) -> int:
    for candidate in processes(container):
        status = Path(f"/proc/{candidate}/status").read_text()
        if any(line.startswith("NSpid:") and line.split()[-1] == str(pid) for line in status.splitlines()):
            return candidate
    raise AssertionError(f"the container has no process {pid}")


@pytest.mark.parametrize("whole", [False, True], ids=["masu-alone", "with-its-commands"])
def test_a_build_after_a_killed_one_is_like_any_other(container: Container, small_site: Site, whole: bool) -> None:
    seed = os.environ.get("SEED") or os.urandom(4).hex()
    clean, again, never = (Remote(host=small_site.registry, repository=f"kills/{name}") for name in ("clean", "again", "never"))
    before = listing(container)
    done = container(*build("next", clean))
    assert done.code == 0, done.output
    assert "sandbox takeover: chosen" in done.output
    start = time.monotonic()
    assert container(*build("killed", never)).code == 0
    duration = time.monotonic() - start
    assert listing(container) == before
    for moment in sorted(random.Random(seed).uniform(0, duration) for _ in range(ROUNDS // 2)):
        kill(container, build("killed", never), after=moment, whole=whole)
        done = container(*build("next", again))
        assert done.code == 0, f"SEED={seed}, killed after {moment:.3f} s: {done.output}"
        assert unlike(clean, again) == "", f"SEED={seed}, killed after {moment:.3f} s"
        changed = set(listing(container).splitlines()) ^ set(before.splitlines())
        assert not changed, f"SEED={seed}, killed after {moment:.3f} s"
