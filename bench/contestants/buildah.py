"""buildah with overlay storage, `build` and `push` counted together; RUN in a chroot or in a container of runc's.

crun, which it prefers, refuses a machine whose control groups are of both versions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.area import Area
from bench.cases import Case, Reuse
from bench.contestants.contestant import Contestant, cache_of
from bench.contestants.peers import System, answer, find_system
from bench.errors import Unavailable
from bench.measure import Measurement, Watch, measure

# It remembers in /var/lib/containers which registry has which blob, whatever its --root: hidden, so that each run is a first one.
_SCRIPT = """\
mkdir -p /var/lib/containers && mount -t tmpfs tmpfs /var/lib/containers || exit
where=$1 context=$2 target=$3
shift 3
buildah() { command buildah --root "$where/root" --runroot "$where/run" --storage-driver overlay "$@"; }
buildah build "$@" --runtime runc --network host --pull-always --tls-verify=false \
  --ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit "nproc=$(ulimit -Hu):$(ulimit -Hu)" \
  --signature-policy "$where/policy.json" --tag "$target" "$context" &&
buildah push --tls-verify=false --signature-policy "$where/policy.json" "$target"
"""
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


@contextmanager
def opened(area: Area) -> Iterator[Contestant]:
    """RUN in a chroot."""
    yield _opened(area, "chroot")


@contextmanager
def opened_oci(area: Area) -> Iterator[Contestant]:
    """RUN in a container, buildah's default."""
    yield _opened(area, "oci")


def _opened(area: Area, isolation: str) -> Contestant:
    system = find_system("buildah")
    version = answer(*system.prefix, "buildah", "--version")
    if not version:
        raise Unavailable("buildah doesn't run here")
    version = version.partition(" (")[0].replace(" version", "")
    return _Buildah(area, system, isolation, version=f"{version} ({isolation})")


class _Buildah:
    def __init__(self, area: Area, system: System, isolation: str, *, version: str) -> None:
        self.version = version
        self._isolation = isolation
        self._area = area
        self._system = system

    @contextmanager
    def machine(self, case: Case) -> Iterator[None]:
        directory = self._area.fresh("buildah")
        (directory / "policy.json").write_text(_POLICY)
        (directory / "containers.conf").write_text(f'[engine]\nhelper_binaries_dir = ["{self._system.path(directory)}"]\n')
        (directory / "netavark").symlink_to("/bin/true")  # it wants to find its network helper even for the host's network
        (directory / "tmp").mkdir()
        yield
        self._area.fresh("buildah")

    def build(self, case: Case, target: str) -> Measurement:
        inside = self._system.path
        where = self._area.path / "buildah"
        argv = [*self._system.prefix, "bash", "-c", _SCRIPT, "bash", inside(where), inside(case.context), target]
        argv += ["--isolation", self._isolation, *_flags(case, target)]
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": inside(where),
            "TMPDIR": inside(where / "tmp"),
            "CONTAINERS_CONF": inside(where / "containers.conf"),
        }
        return measure(argv, env=env, log=self._area.path / "buildah.log", watch=Watch(programs=("buildah", "exe")))


def _flags(case: Case, target: str) -> tuple[str, ...]:
    match case.reuse:
        case Reuse.NOTHING:
            return ("--layers=false",)
        case Reuse.MACHINE:
            return ("--layers",)
        case Reuse.REGISTRY:
            return ("--layers", "--cache-from", cache_of(target), "--cache-to", cache_of(target))
