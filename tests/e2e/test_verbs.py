"""The local store's verbs, as a user types them, with the programs of others on the other side."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from builder.store.copy import copy
from builder.store.layout import LayoutStore
from tests.support.engine import Engine, start_docker_engine, start_podman_engine
from tests.support.fsck import check_layout
from tests.support.masu import Masu, add_base, shell, write_context
from tests.support.ordinary_user import ordinary_user
from tests.support.registry import RunningRegistry, serve_registry
from tests.support.samples import ARM64, sample_image, sample_index
from tests.support.tree import tree_dump

DOCKERFILE = """\
FROM base
RUN mkdir -p /d/empty && echo one > /d/one && ln /d/one /d/two && ln -s /etc/passwd /d/link && chown 33:44 /d/one
RUN rm -r /d/empty && mkfifo /d/fifo && chmod 2750 /d
CMD ["cat", "/d/one"]
"""


@pytest.fixture(scope="module")
def masu(tmp_path_factory: pytest.TempPathFactory) -> Masu:
    """With `base` and `app:1`, made from it."""
    directory = tmp_path_factory.mktemp("verbs")
    masu = Masu(state=directory / "state")
    add_base(masu, directory)
    done = masu("build", "-t", "app:1", write_context(directory / "app", DOCKERFILE))
    assert done.returncode == 0, done.stderr
    return masu


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with serve_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def need(tool: str) -> str:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    return tool


def told(masu: Masu, *arguments: str | Path, input: bytes | None = None) -> str:
    """What the command prints; it must succeed."""
    done = masu(*arguments, input=input)
    assert done.returncode == 0, done.stderr
    return done.stdout


def digest(masu: Masu, name: str) -> str:
    return str(json.loads(told(masu, "inspect", name))["digest"])


def empty(tmp_path: Path) -> Masu:
    """With a store that nothing was put in."""
    return Masu(state=tmp_path / "other")


# --- names -------------------------------------------------------------------------------------------------------------------


def test_an_image_is_known_by_its_names_and_by_the_beginnings_of_its_digests(masu: Masu) -> None:
    image = json.loads(told(masu, "inspect", "app:1"))
    for name in ("app:1", "docker.io/library/app:1", image["digest"], image["digest"][7:13], image["id"][7:15], image["id"]):
        assert json.loads(told(masu, "inspect", name)) == image, name
    assert image["names"] == ["docker.io/library/app:1"]
    assert [entry["name"] for entry in json.loads(told(masu, "ls", "--format=json"))] == [
        "docker.io/library/app:1", "docker.io/library/base:latest",
    ]  # fmt: skip
    assert image["digest"][7:19] in told(masu, "ls", "-q").split()


def test_the_exact_bytes_can_be_had(masu: Masu) -> None:
    image = json.loads(told(masu, "inspect", "app:1"))
    assert "sha256:" + hashlib.sha256(told(masu, "inspect", "--raw", "app:1").encode()).hexdigest() == image["digest"]
    assert "sha256:" + hashlib.sha256(told(masu, "inspect", "--config", "app:1").encode()).hexdigest() == image["id"]


def test_a_tag_is_one_more_name_and_rm_takes_it_away(masu: Masu) -> None:
    told(masu, "tag", "app:1", "localhost:5000/team/app")
    assert digest(masu, "localhost:5000/team/app:latest") == digest(masu, "app:1")
    refused = masu("rm", digest(masu, "app:1"))
    assert (refused.returncode, "2 names" in refused.stderr) == (1, True)
    assert told(masu, "rm", "localhost:5000/team/app") == "Untagged: localhost:5000/team/app:latest\n"
    assert "localhost:5000" not in told(masu, "ls")
    assert told(masu, "run", "app:1") == "one\n"


def test_history_is_dockers_table(masu: Masu) -> None:
    lines = told(masu, "history", "app:1").splitlines()
    assert re.split(r" {2,}", lines[0]) == ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]
    assert [re.split(r" {2,}", line)[2][:14] for line in lines[1:4]] == ['CMD ["cat" "/d', "RUN /bin/sh -c", "RUN /bin/sh -c"]
    entries = json.loads(told(masu, "history", "--format=json", "app:1"))
    assert entries[0]["size"] == 0
    assert entries[1]["size"] > 0
    assert "mkfifo /d/fifo && chmod 2750 /d" in told(masu, "history", "--no-trunc", "app:1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tag", "nothing", "x"], "no image 'nothing'"),
        (["tag", "app:1", "x@sha256:" + "0" * 64], "a new name has a tag"),
        (["tag", "app:1", "UPPER"], "lower case"),
        (["rm", "app:1", "nothing"], "no image 'nothing'"),
        (["inspect", "deadbeef"], "masu pull"),
        (["inspect", "--raw", "--config", "app:1"], "exclude"),
        (["history", "nothing"], "no image"),
        (["save", "-o", "/nowhere/x.tar", "app:1"], "/nowhere"),
        (["save", "--format=tar", "app:1"], "tar"),
        (["load", "-i", "/etc/passwd"], "/etc/passwd"),
        (["load", "-i", "/nowhere"], "/nowhere"),
        (["push", "./nowhere"], "'nowhere'"),
        (["push", "nothing"], "no image 'nothing'"),
        (["push", "./", "-d", "localhost:1/x"], "no OCI layout at '.'"),
        (["push", "app:1", "-d", "localhost:1/x@sha256:" + "0" * 64], "can't push to the digest"),
        (["unpack", "app:1", "/etc"], "not empty"),
        (["prune", "--filter", "label=x"], "until="),
        (["prune", "--filter", "until=soon"], "until="),
        (["prune", "--filter", "until=-1h"], "in the future"),
        (["save", "-o", ".", "app:1"], "Is a directory"),
        (["prune", "--keep-storage", "much"], "much"),
        (["pull", "--all-platforms", "--platform=arm64", "x"], "exclude"),
        (["run", "-w", "relative", "app:1"], "relative"),
        (["run", "-e", "=x", "app:1"], "KEY=VALUE"),
    ],
)
def test_wrong_use_is_a_sentence_and_changes_nothing(masu: Masu, tmp_path: Path, arguments: list[str], said: str) -> None:
    before = told(masu, "ls")
    done = masu(*arguments, input=b"", cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr, said in done.stderr) == (1, False, True), done.stderr
    assert told(masu, "ls") == before


# --- registries --------------------------------------------------------------------------------------------------------------


def test_an_image_is_pushed_and_pulled_again(masu: Masu, registry: RunningRegistry, tmp_path: Path) -> None:
    name, insecure = f"{registry.host}/team/app:1", f"--insecure-registry={registry.host}"
    files = [f"--digest-file={tmp_path}/digest", f"--image-name-with-digest-file={tmp_path}/name"]
    assert told(masu, "push", "app:1", "-d", name, insecure, *files).strip() == digest(masu, "app:1")
    assert (tmp_path / "digest").read_text() == digest(masu, "app:1")
    assert (tmp_path / "name").read_text() == f"{registry.host}/team/app@{digest(masu, 'app:1')}\n"
    other = empty(tmp_path)
    assert told(other, "pull", insecure, name).strip() == digest(masu, "app:1")
    assert told(other, "run", name) == "one\n"
    assert json.loads(told(masu, "inspect", "--remote", insecure, name))["digest"] == digest(masu, "app:1")
    told(other, "tag", name, f"{registry.host}/own/name:2")
    told(other, "push", insecure, f"{registry.host}/own/name:2")
    raw = shell([need("skopeo"), "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/own/name:2"])
    assert raw == told(masu, "inspect", "--raw", "app:1")


def test_an_index_goes_and_comes_with_all_its_platforms(registry: RunningRegistry, tmp_path: Path) -> None:
    images = [sample_image("shared", "a"), sample_image("shared", "b", platform=ARM64)]
    layout = LayoutStore(tmp_path / "layout")
    for image in images:
        copy(image, to=layout, names=[])
    layout.tag("v1", sample_index(images))
    name, insecure, other = f"{registry.host}/multi:1", f"--insecure-registry={registry.host}", empty(tmp_path)
    pushed = told(other, "push", str(tmp_path / "layout"), "-d", name, insecure).strip()
    assert pushed == str(layout.resolve("v1").digest)
    assert told(other, "pull", "--all-platforms", insecure, name).strip() == pushed
    assert json.loads(told(other, "ls", "--format=json"))[0]["platforms"] == ["linux/amd64", "linux/arm64"]
    assert json.loads(told(other, "inspect", "--platform=arm64", name))["platform"] == "linux/arm64"
    for form, expected in (("--format=oci", pushed), ("--platform=arm64", str(images[1].manifest.descriptor.digest))):
        told(other, "save", form, "-o", tmp_path / "saved.tar", name)
        told(empty(tmp_path / form), "load", "-i", tmp_path / "saved.tar")
        assert digest(empty(tmp_path / form), name) == expected
    one = told(other, "pull", "--platform=arm64", insecure, name).strip()
    assert one == str(images[1].manifest.descriptor.digest)
    assert told(other, "inspect", str(images[1].manifest.descriptor.digest)[7:19])
    assert check_layout(other.state / "store") == 1


@pytest.mark.parametrize("form", ["docker", "docker.gz", "oci", "layout"])
def test_archives_and_layouts_of_skopeo_are_pushed(masu: Masu, registry: RunningRegistry, tmp_path: Path, form: str) -> None:
    told(masu, "save", "--format=oci", "-o", tmp_path / "app.tar", "app:1")
    targets = {"oci": f"oci-archive:{tmp_path}/x:app:1", "layout": f"oci:{tmp_path}/x:v1"}
    shell([need("skopeo"), "copy", f"oci-archive:{tmp_path}/app.tar", targets.get(form, f"docker-archive:{tmp_path}/x:app:1")])
    if form == "docker.gz":
        shell(["gzip", tmp_path / "x"])
        (tmp_path / "x.gz").rename(tmp_path / "x")
    name, insecure = f"{registry.host}/from/{form}:1", f"--insecure-registry={registry.host}"
    told(empty(tmp_path), "push", f"{tmp_path}/x", "-d", name, insecure)
    other = empty(tmp_path / "new")
    told(other, "pull", insecure, name)
    assert told(other, "run", name) == "one\n"
    sizes = [layer["mediaType"] for layer in json.loads(told(other, "inspect", name))["manifest"]["layers"]]
    assert all(media_type.endswith("gzip") for media_type in sizes), "docker's uncompressed layers are compressed"


# --- archives ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_skopeo_reads_an_archive_with_several_images(masu: Masu, tmp_path: Path, form: str) -> None:
    told(masu, "save", f"--format={form}", "-o", tmp_path / "both.tar", "app:1", "base")
    with tarfile.open(tmp_path / "both.tar") as archive:
        names = archive.getnames()
    assert len(names) == len(set(names)), "what both have is there once"
    kind = {"docker": "docker-archive", "oci": "oci-archive"}[form]
    full = {"docker": ("app:1", "base:latest"), "oci": ("docker.io/library/app:1", "docker.io/library/base:latest")}
    layers = [
        len(json.loads(shell([need("skopeo"), "inspect", f"{kind}:{tmp_path}/both.tar:{name}"]))["Layers"]) for name in full[form]
    ]
    assert layers == [3, 1]


@pytest.mark.parametrize("form", ["docker", "oci"])
@pytest.mark.parametrize("start", [start_docker_engine, start_podman_engine])
def test_engines_load_an_archive_and_run_the_image(masu: Masu, tmp_path: Path, form: str, start: Callable[[], Engine]) -> None:
    engine = start()
    told(masu, "tag", "app:1", "masu-verbs/app:1")
    told(masu, "save", f"--format={form}", "-o", tmp_path / "app.tar", "masu-verbs/app:1")
    try:
        loaded = engine("load", "--input", tmp_path / "app.tar")
        assert "masu-verbs/app:1" in loaded.output, loaded.output
        assert engine.run("masu-verbs/app:1").output == "one\n"
    finally:
        engine("image", "rm", "--force", "masu-verbs/app:1")
        told(masu, "rm", "masu-verbs/app:1")


@pytest.mark.parametrize("squeeze", [bytes, gzip.compress, lambda data: zstandard.ZstdCompressor().compress(data)])
def test_what_docker_saves_is_loaded_from_standard_input(masu: Masu, tmp_path: Path, squeeze: Callable[[bytes], bytes]) -> None:
    engine, name = start_docker_engine(), "masu-verbs/saved:1"
    told(masu, "tag", "app:1", name)
    told(masu, "save", "-o", tmp_path / "in.tar", name)
    told(masu, "rm", name)
    engine.load(tmp_path / "in.tar")
    try:
        assert engine("save", "--output", tmp_path / "out.tar", name).code == 0
    finally:
        engine("image", "rm", "--force", name)
    other = empty(tmp_path)
    assert told(other, "load", input=squeeze((tmp_path / "out.tar").read_bytes())) == f"Loaded image: {name}\n"
    assert told(other, "run", name) == "one\n"
    assert check_layout(other.state / "store") == 1
    assert list((other.state / "work").iterdir()) == []


def test_save_writes_to_standard_output_and_load_reads_it(masu: Masu, tmp_path: Path) -> None:
    argv, environment = masu.argv("save", "app:1", "base"), masu.environment()
    archive = subprocess.run(argv, env=environment, capture_output=True, check=True).stdout
    other = empty(tmp_path)
    assert told(other, "load", input=archive) == "Loaded image: app:1\nLoaded image: base:latest\n"
    assert digest(other, "app:1") == digest(masu, "app:1")


def test_an_image_without_a_name_is_known_by_its_digest(masu: Masu, tmp_path: Path) -> None:
    told(masu, "save", "--format=oci", "-o", tmp_path / "x.tar", digest(masu, "app:1")[7:19])
    other = empty(tmp_path)
    assert told(other, "load", "-i", tmp_path / "x.tar") == f"Loaded image ID: {digest(masu, 'app:1')}\n"
    told(other, "tag", digest(masu, "app:1")[:15], "named:1")
    assert told(other, "run", "named:1") == "one\n"


@pytest.mark.parametrize("name", ["../../etc:1", "a" * 300 + ":1", "UPPER:1", "x:1\nroot", "-v:1", "/:1"])
def test_hostile_names_in_an_archive_are_refused(tmp_path: Path, name: str) -> None:
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}}).encode()
    documents = {"c.json": config, "manifest.json": json.dumps([{"Config": "c.json", "RepoTags": [name], "Layers": []}]).encode()}
    with tarfile.open(tmp_path / "x.tar", "w") as out:
        for path, data in documents.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    other = empty(tmp_path)
    done = other("load", "-i", tmp_path / "x.tar")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert told(other, "ls").count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) in (["other", "x.tar"], ["x.tar"])


# --- unpack ------------------------------------------------------------------------------------------------------------------


def test_unpacked_it_is_what_umoci_unpacks(masu: Masu, tmp_path: Path) -> None:
    told(masu, "save", "--format=oci", "-o", tmp_path / "app.tar", "app:1")
    shell([need("skopeo"), "copy", f"oci-archive:{tmp_path}/app.tar", f"oci:{tmp_path}/layout:v1"])
    shell([need("umoci"), "unpack", "--image", f"{tmp_path}/layout:v1", tmp_path / "bundle"])
    told(masu, "unpack", "app:1", tmp_path / "ours")
    ours = tree_dump(tmp_path / "ours", times=True)
    assert ours == tree_dump(tmp_path / "bundle/rootfs", times=True)
    assert ours["/d/one"].startswith("file 0644 33:44")


def test_an_ordinary_user_unpacks_without_owners(masu: Masu, tmp_path: Path) -> None:
    told(masu, "save", "--format=oci", "-o", tmp_path / "app.tar", "app:1")
    with ordinary_user(with_range=False) as user:
        archive = user.own(Path(shutil.copy(tmp_path / "app.tar", user.home)))
        assert user.masu("load", "-i", archive).stdout == "Loaded image: app:1\n"
        refused = user.masu("unpack", "app:1", user.home / "root")
        assert (refused.returncode, "--rootless" in refused.stderr) == (1, True)
        done = user.masu("unpack", "--rootless", "app:1", user.home / "root")
        assert done.returncode == 0, done.stderr
        owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in (user.home / "root").rglob("*")}
        assert owners == {(user.uid, user.uid)}
        assert (user.home / "root/d/two").read_text() == "one\n"


# --- run ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sandbox", ["namespaces", "chroot"])
def test_run_takes_dockers_options_under_each_sandbox(masu: Masu, sandbox: str) -> None:
    options = ["-i", "-e", "A=a b", "-eB=c", "--env=HOME", "-u", "33:44", "-w/d", "--entrypoint=sh"]
    script = 'echo "$A $B $HOME"; id -u; id -g; pwd; cat; exit 7'
    done = masu("run", f"--sandbox={sandbox}", *options, "app:1", "-c", script, input=b"from stdin\n")
    assert done.stdout == f"a b c {masu.state}\n33\n44\n/d\nfrom stdin\n", done.stderr
    assert done.returncode == 7


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["app:1"], "one\n"),
        (
            ["app:1", "echo", "--help", "-v", "--progress=x", "--log-timestamp=false"],
            "--help -v --progress=x --log-timestamp=false\n",
        ),
        (["-v", "debug", "app:1", "echo", "x"], "x\n"),
        (["app:1", "--", "echo", "-n", "x"], "x"),
        (["app:1", "sh", "-c", "cat"], ""),
    ],
)
def test_what_follows_the_image_is_the_commands_own(masu: Masu, words: list[str], output: str) -> None:
    assert told(masu, "run", *words, input=b"not for a command without -i\n") == output


# --- the disk ----------------------------------------------------------------------------------------------------------------


def test_prune_and_rm_leave_a_running_build_what_it_uses(masu: Masu, tmp_path: Path) -> None:
    """The build waits for standard input of its RUN's making: a file that the test makes in a cache mount."""
    told(masu, "save", "--format=oci", "-o", tmp_path / "base.tar", "base")
    other = empty(tmp_path)
    told(other, "load", "-i", tmp_path / "base.tar")
    wait = "RUN --mount=type=cache,target=/c echo is-running; until [ -e /c/go ]; do sleep 0.1; done; echo done > /result\n"
    child = other.start("build", "-t", "late", write_context(tmp_path / "context", f"FROM base\n{wait}"))
    assert child.stderr is not None
    while b"is-running" not in (line := child.stderr.readline()):
        assert line, "the build ended early"
    told(other, "rm", "base")
    pruned = told(other, "prune", "--all", "--cache-mounts")
    assert "Total reclaimed space: 0B" in pruned, pruned
    (mount,) = other.state.glob("cache-mounts/*/0")
    (mount / "go").touch()
    assert child.wait(timeout=60) == 0
    child.stderr.close()
    assert child.stdout is not None
    child.stdout.close()
    assert told(other, "run", "late", "cat", "/result") == "done\n"
    assert check_layout(other.state / "store") == 1
    assert "deleted cache mount" in told(other, "prune", "--cache-mounts")
    assert "no image 'base'" in other("inspect", "base").stderr


def test_du_tells_what_prune_then_frees(masu: Masu, tmp_path: Path) -> None:
    told(masu, "save", "--format=oci", "-o", tmp_path / "all.tar", "app:1", "base")
    other = empty(tmp_path)
    told(other, "load", "-i", tmp_path / "all.tar")
    told(other, "run", "app:1")
    used = json.loads(told(other, "du", "--format=json"))
    app, base = used["images"]
    assert app["shared"] == base["size"] - base["unique"] > 1_000_000
    assert used["places"]["layers"] > 1_000_000
    assert "TOTAL" in told(other, "du").upper()
    assert told(other, "prune", "--filter=until=1h") == "Total reclaimed space: 0B\n"
    assert "would delete unpacked layer" in told(other, "prune", "--dry-run")
    assert "deleted unpacked layer" in told(other, "prune")
    assert json.loads(told(other, "du", "--format=json"))["places"]["layers"] < 100_000
    assert set(other.state.joinpath("store/blobs/sha256").iterdir())
    told(other, "prune", "--all")
    assert list(other.state.joinpath("store/blobs/sha256").iterdir()) == []


@contextmanager
def mounted_read_only(path: Path) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    subprocess.run(["mount", "--bind", "-o", "ro", path, path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_store_that_can_only_be_read_is_read(masu: Masu, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shell(["cp", "-a", masu.state, copied])
    with mounted_read_only(copied):
        reader = Masu(state=copied)
        assert digest(reader, "app:1") == digest(masu, "app:1")
        told(reader, "save", "-o", tmp_path / "x.tar", "app:1")
        done = reader("tag", "app:1", "other:1")
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert f"can't write to store '{copied}/store'" in done.stderr
        assert "--state-dir" in done.stderr
