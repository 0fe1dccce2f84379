"""buildah: chroot isolation, overlay storage, `build` and `push` counted together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.area import Area
from bench.cases import Case
from bench.contestants.contestant import Contestant
from bench.contestants.peers import System, answer, find_system
from bench.errors import Unavailable
from bench.measure import Measurement, Watch, measure

# It remembers in /var/lib/containers which registry has which blob, whatever its --root: hidden, so that each run is a first one.
_SCRIPT = """\
mkdir -p /var/lib/containers && mount -t tmpfs tmpfs /var/lib/containers || exit
where=$1 context=$2 target=$3
buildah() { command buildah --root "$where/root" --runroot "$where/run" --storage-driver overlay "$@"; }
buildah build --layers=false --isolation chroot --network host --pull-always --tls-verify=false \
  --ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit "nproc=$(ulimit -Hu):$(ulimit -Hu)" \
  --signature-policy "$where/policy.json" --tag "$target" "$context" &&
buildah push --tls-verify=false --signature-policy "$where/policy.json" "$target"
"""
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


@contextmanager
def opened(area: Area) -> Iterator[Contestant]:
    system = find_system("buildah")
    version = answer(*system.prefix, "buildah", "--version")
    if not version:
        raise Unavailable("buildah doesn't run here")
    yield _Buildah(area, system, version.partition(" (")[0].replace(" version", ""))


class _Buildah:
    def __init__(self, area: Area, system: System, version: str) -> None:
        self.version = version
        self._area = area
        self._system = system

    @contextmanager
    def cold(self) -> Iterator[None]:
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
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": inside(where),
            "TMPDIR": inside(where / "tmp"),
            "CONTAINERS_CONF": inside(where / "containers.conf"),
        }
        return measure(argv, env=env, log=self._area.path / "buildah.log", watch=Watch(programs=("buildah", "exe")))
