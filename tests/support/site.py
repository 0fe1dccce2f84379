"""Builds of one case by masu on the host and by masu's image in containers, pushed to one registry for comparison."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.bases import serve_bases
from tests.support.cases import Case
from tests.support.engine import Engine, Finished
from tests.support.here import PYTHON, SMALL_DEBIAN, make_base
from tests.support.masu import Masu
from tests.support.ordinary_user import OrdinaryUser
from tests.support.profiles import Profile
from tests.support.registry import serve_registry
from tests.support.same import Remote

EPOCH = "--build-arg=SOURCE_DATE_EPOCH=1000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`registry` is HOST:PORT; `references` are the bases in it by name; `masu` builds on the host, in namespaces."""

    registry: str
    references: Mapping[str, str]
    masu: Masu

    def built_on_host(self, case: Case, directory: Path) -> Remote:
        """The image that all others must be like."""
        case.make_context(directory, self.references)
        remote = Remote(host=self.registry, repository=f"host/{case.id.lower()}")
        arguments = self._arguments(case, remote, context=directory / "context", dockerfile=directory / "Dockerfile")
        done = self.masu("build", "--sandbox=namespaces", *arguments)
        assert done.returncode == 0, done.stderr
        return remote

    def built_by(self, user: OrdinaryUser, case: Case, directory: Path) -> tuple[Finished, Remote]:
        """On the host, too, by somebody who isn't root."""
        directory.mkdir()
        case.make_context(directory, self.references)
        remote = Remote(host=self.registry, repository=f"user/{case.id.lower()}")
        arguments = self._arguments(case, remote, context=directory / "context", dockerfile=directory / "Dockerfile")
        done = user.masu("build", *arguments)
        return Finished(code=done.returncode, output=done.stderr), remote

    def built_in_container(
        self, case: Case, directory: Path, *, engine: Engine, image: str, profile: Profile
    ) -> tuple[Finished, Remote]:
        """With the context as a volume at /workspace, as CI platforms have it."""
        directory.chmod(0o755)  # pytest makes it for its own user
        case.make_context(directory, self.references)
        remote = Remote(host=self.registry, repository=f"{profile.name}/{case.id.lower()}")
        options = [f"--volume={directory}/context:/workspace", f"--volume={directory}:/case:ro", *profile.options]
        if profile.read_only:
            (directory / "state").mkdir(mode=0o777)
            (directory / "state").chmod(0o777)
            options += ["--read-only", f"--volume={directory}/state:/kaniko/state"]
        arguments = self._arguments(case, remote, context=Path("/workspace"), dockerfile=Path("/case/Dockerfile"))
        return engine.run(image, *arguments, options=options), remote

    def _arguments(self, case: Case, remote: Remote, *, context: Path, dockerfile: Path) -> list[str]:
        options = [option.replace("{context}", str(context)) for option in case.options(self.references)]
        return [EPOCH, *options, f"--context={context}", f"--dockerfile={dockerfile}", f"--destination={remote}"]


@contextlib.contextmanager
def open_site(*, packages: bool) -> Iterator[Site]:
    """`packages`: with the bases `debian` and `python`, which reach this machine's package registries."""
    with tempfile.TemporaryDirectory(prefix="masu-site-") as temporary, serve_bases(debian=packages) as bases:
        directory = Path(temporary)
        (directory / "registry").mkdir()
        masu = Masu(state=directory / "state")
        with serve_registry(directory / "registry") as registry:
            references = {"busybox": f"{registry.host}/busybox:1"}
            make_base(masu, directory / "busybox", f"FROM {bases.references()['busybox']}\n", f"-d={references['busybox']}")
            if packages:
                references |= _package_bases(masu, directory, registry.host, bases.references()["debian"])
            yield Site(registry=registry.host, references=references, masu=masu)


def _package_bases(masu: Masu, directory: Path, host: str, debian: str) -> dict[str, str]:
    made = {"debian": f"{host}/debian:1", "python": f"{host}/python:1"}
    make_base(masu, directory / "debian", SMALL_DEBIAN.format(debian=debian), f"-d={made['debian']}")
    make_base(masu, directory / "python", PYTHON.format(debian=made["debian"]), f"-d={made['python']}")
    return made
