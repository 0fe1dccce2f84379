"""What a CI job has around a build in its container is left alone: its files, its volumes, odd mounts, the next build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.containers.test_kills import LISTING
from tests.support.cases import Case, read_cases
from tests.support.engine import Engine
from tests.support.masu import Masu, write_context
from tests.support.same import Remote, unlike
from tests.support.site import EPOCH, Site
from tests.support.tree import tree_dump

CASES = {case.id: case for case in read_cases(Path(__file__).parent / "cases")}
STAGES = CASES["files/RUN-in-several-stages"]
MOUNTS = CASES["files/files-at-the-places-of-mounts"]


def executor(case: Case, site: Site, name: str) -> tuple[list[str], Remote]:
    """The arguments that build the case, whose context is /case/context, and where the image goes."""
    remote = Remote(host=site.registry, repository=f"jobs/{name}")
    return ["--context=/case/context", "--dockerfile=/case/Dockerfile", EPOCH, f"--destination={remote}"], remote


def expected(case: Case, site: Site, directory: Path) -> Remote:
    directory.mkdir()
    return site.built_on_host(case, directory)


def test_the_files_of_the_job_are_left_alone(engine: Engine, debug_image: str, small_site: Site, tmp_path: Path) -> None:
    STAGES.make_context(tmp_path, small_site.references)
    project = write_context(tmp_path / "project", "FROM scratch\n", {".git/HEAD": "x", "src/main.c": "int main;\n"})
    (project / ".dockerignore").write_text("*\n!src\n")
    before = tree_dump(project, times=True)
    options = [f"--volume={project}:/builds/team/project", f"--volume={tmp_path}:/case:ro"]
    arguments, _ = executor(STAGES, small_site, "alone")
    with engine.container(debug_image, "sh", "-c", "while :; do sleep 1000; done", options=options) as container:
        assert (
            container(
                "sh", "-c", "mkdir /mine; for d in mine etc usr root; do echo kept > /$d/kept; done; ln -s mine /short"
            ).code
            == 0
        )
        listed = container("/busybox/sh", "-c", LISTING, env={"PATH": "/busybox"}).output
        # In the project's own directory, as GitLab's jobs do.
        done = container("sh", "-c", 'cd /builds/team/project && /kaniko/executor "$@"', "sh", *arguments)
        assert done.code == 0, done.output
        assert container("/busybox/sh", "-c", LISTING, env={"PATH": "/busybox"}).output == listed
    assert tree_dump(project, times=True) == before


def test_the_second_build_in_a_container_knows_nothing_of_the_first(
    engine: Engine, debug_image: str, small_site: Site, tmp_path: Path
) -> None:
    want = expected(STAGES, small_site, tmp_path / "host")
    STAGES.make_context(tmp_path, small_site.references)
    arguments, remote = executor(STAGES, small_site, "second")
    other = write_context(
        tmp_path / "other", f"FROM {small_site.references['busybox']}\nRUN echo x | tee /who /first /etc/first\n"
    )
    options = [f"--volume={tmp_path}:/case:ro", f"--volume={other}:/other"]
    with engine.container(debug_image, "sh", "-c", "while :; do sleep 1000; done", options=options) as container:
        for first in (["--context=/other"], ["--context=/other", "--dockerfile=/nowhere"], ["--context=/other", "--cleanup"]):
            container("/kaniko/executor", "--no-push", *first)
            done = container("/kaniko/executor", *arguments)
            assert done.code == 0, done.output
            assert unlike(want, remote) == ""


def test_odd_mounts_are_in_nobodys_way(engine: Engine, image: str, small_site: Site, tmp_path: Path) -> None:
    want = expected(MOUNTS, small_site, tmp_path / "host")
    MOUNTS.make_context(tmp_path, small_site.references)
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("the platform's\n")
    write_context(tmp_path / "tree", "", {"lib/driver.so": "x"})
    places = (
        "/product_uuid",
        "/etc/ssl/certs/ca-certificates.crt",
        "/usr/bin/nvidia-smi",
        "/dev/termination-log",
        "/etc/machine-id",
    )
    trees = ("/usr/lib/x86_64-linux-gnu/gpu", "/var/run/secrets/kubernetes.io/serviceaccount", "/cache", "/data/dir/deep")
    options = [
        f"--volume={tmp_path}:/case:ro",
        "--init",
        "--tmpfs=/mnt/memory",
        *(f"--volume={tmp_path}/file:{at}:ro" for at in places),
    ]
    arguments, remote = executor(MOUNTS, small_site, "odd")
    done = engine.run(image, *arguments, options=[*options, *(f"--volume={tmp_path}/tree:{at}:ro" for at in trees)])
    assert done.code == 0, done.output
    assert unlike(want, remote) == ""


@pytest.fixture
def other_image(engine: Engine, image: str, small_site: Site, tmp_path: Path) -> str:
    """Somebody's own image that /kaniko was copied into, as plug-ins of Drone and Woodpecker do; made by masu."""
    archive = tmp_path / "masu.tar"
    assert engine("save", "--output", archive, image).code == 0
    text = f"FROM {small_site.references['busybox']}\nCOPY --from=docker-archive:{archive} /kaniko /kaniko\nENV FROM=other\n"
    context = write_context(tmp_path / "other", text)
    outputs = ["--no-push", f"--tar-path={tmp_path}/other.tar", "--destination=masu-in-another:1"]
    done = Masu(state=tmp_path / "state")("build", *outputs, context)
    assert done.returncode == 0, done.stderr
    return engine.load(tmp_path / "other.tar")


def test_masu_builds_in_an_image_that_it_was_copied_into(
    engine: Engine, other_image: str, small_site: Site, tmp_path: Path
) -> None:
    want = expected(STAGES, small_site, tmp_path / "host")
    STAGES.make_context(tmp_path, small_site.references)
    arguments, remote = executor(STAGES, small_site, "copied")
    done = engine.run(other_image, *arguments, options=["--entrypoint=/kaniko/executor", f"--volume={tmp_path}:/case:ro"])
    assert done.code == 0, done.output
    assert unlike(want, remote) == ""


def test_dockers_loader_takes_hard_links(engine: Engine, small_site: Site, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", f"FROM {small_site.references['busybox']}\nRUN echo x > /a && ln /a /tmp/b\n")
    masu, archive = Masu(state=tmp_path / "state"), tmp_path / "image.tar"
    done = masu("build", "--no-push", f"--tar-path={archive}", "--destination=hard-links:1", context)
    assert done.returncode == 0, done.stderr
    assert engine.run(engine.load(archive), "stat", "-c", "%h", "/tmp/b").output == "2\n"
