"""Base images that reach the package registries as this machine does: with its apt sources, settings and certificates."""

from __future__ import annotations

from pathlib import Path

from tests.support.masu import Masu, shell, write_context

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEBIAN = """\
FROM {debian}
COPY host /
ENV PIP_CERT=/certificates.crt
"""
SMALL_DEBIAN = f"""\
FROM {{debian}} AS full
COPY host /
RUN rm -rf /usr/share/doc /usr/share/man /usr/share/locale /usr/share/info /usr/share/zoneinfo /var/cache/debconf/*-old
FROM scratch
COPY --from=full / /
ENV PATH={_PATH} PIP_CERT=/certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1
"""
"""One layer with less than half the files: for tests that unpack it often."""
PYTHON = """\
FROM {debian}
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-pip && rm -rf /var/lib/apt/lists/* /var/cache/apt
"""


def make_base(masu: Masu, directory: Path, dockerfile: str, *outputs: str) -> None:
    """Build one of the Dockerfiles above, its name for the base filled in, in `directory` (new)."""
    host = directory / "host"
    host.mkdir(parents=True)
    for name in ("sources.list", "sources.list.d", "apt.conf.d"):
        source = Path("/etc/apt") / name
        if source.exists():
            shell(["cp", "--parents", "-rL", source, host])
    if _CERTIFICATES.exists():
        shell(["cp", "-L", _CERTIFICATES, host / "certificates.crt"])
    done = masu("build", *outputs, write_context(directory, dockerfile))
    assert done.returncode == 0, done.stderr
