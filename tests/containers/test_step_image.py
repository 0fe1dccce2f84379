"""The step image by itself: what is in it, that it needs nothing else, and how it behaves as a container's first process."""

from __future__ import annotations

import json
import signal
import tarfile
import time
import zlib
from pathlib import Path

import pytest

from tests.support.busybox import make_root
from tests.support.engine import Engine
from tests.support.masu import write_context
from tests.support.step_image import step_image

NOBODY = ("--user=1234560000:0", "--cap-drop=ALL", "--security-opt=no-new-privileges")
SHELL = ("--entrypoint=/busybox/sh",)


def test_its_config_is_kanikos(engine: Engine, image: str, debug_image: str) -> None:
    config, debug = (json.loads(engine("inspect", "--format={{json .Config}}", name).output) for name in (image, debug_image))
    assert config["Entrypoint"] == ["/kaniko/executor"]
    assert config["WorkingDir"] == "/kaniko/workspace"
    assert dict(variable.split("=", 1) for variable in config["Env"]) == {
        "HOME": "/root",
        "USER": "root",
        "PATH": "/usr/local/bin:/kaniko",
        "SSL_CERT_DIR": "/kaniko/ssl/certs",
        "DOCKER_CONFIG": "/kaniko/.docker/",
        "DOCKER_CREDENTIAL_GCR_CONFIG": "/kaniko/.config/gcloud/docker_credential_gcr_config.json",
        "TMPDIR": "/kaniko/tmp",
    }
    assert "PATH=/usr/local/bin:/kaniko:/busybox" in debug["Env"]
    assert debug["Volumes"] == {"/busybox": {}}


def test_it_is_small(engine: Engine) -> None:
    with step_image(debug=True).open("rb") as archive:
        compressor, size = zlib.compressobj(level=6), 0
        while chunk := archive.read(1 << 20):
            size += len(compressor.compress(chunk))
    assert size < 80e6


def test_nothing_but_a_few_places_is_outside_its_directory(image: str) -> None:
    found: dict[str, tuple[int, str]] = {}
    with tarfile.open(step_image(debug=False)) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        for layer in json.load(manifest)[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as tar:
                found |= {f"/{member.name}": (member.mode, member.linkname) for member in tar if member.name.count("/") < 2}
    outside = {path: what for path, what in found.items() if not path.startswith("/kaniko/")}
    assert outside == {
        "/etc": (0o755, ""),
        "/etc/nsswitch.conf": (0o644, ""),
        "/kaniko": (0o777, ""),
        "/run": (0o755, ""),
        "/tmp": (0o1777, ""),
        "/var": (0o755, ""),
        "/var/run": (0o777, "/run"),
        "/workspace": (0o755, ""),
    }
    assert {path: found[f"/kaniko/{path}"][0] for path in ("state", "tmp", ".docker")} == {
        "state": 0o1777,
        "tmp": 0o1777,
        ".docker": 0o777,
    }


_STALE = """
import pathlib, sys
sources = [path for path in pathlib.Path("/kaniko").rglob("*.py")]
compiled = {path: path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc" for path in sources}
print(len(sources), [str(path) for path, code in compiled.items() if code.read_bytes()[4:8] != bytes([1, 0, 0, 0])])
"""


def test_all_its_python_is_compiled_to_be_trusted_unseen(engine: Engine, debug_image: str) -> None:
    """Each file's flags say so (PEP 552)."""
    done = engine.run(debug_image, "-BIS", "-c", _STALE, options=["--entrypoint=/kaniko/bin/python3.11"])
    count, _, stale = done.output.partition(" ")
    assert (int(count) > 500, stale.strip()) == (True, "[]")


def test_it_starts_fast(engine: Engine, debug_image: str) -> None:
    script = "for n in 1 2 3 4 5 6 7 8 9 10; do /kaniko/executor --version >/dev/null; done; times"
    done = engine.run(debug_image, "-c", script, options=SHELL)
    user, system = done.output.splitlines()[-1].split()  # of the children: 0m0.51s 0m0.12s
    seconds = sum(float(part[2:-1]) + 60 * int(part[0]) for part in (user, system)) / 10
    assert seconds < 0.15


_PROBE = """
import ctypes, glob, importlib, os, socket, sys
sys.path.append("/kaniko/lib/python3.11/site-packages")
sys.argv[0] = "executor"
from steps import entrypoint
assert entrypoint.run(["executor", "version"], os.environ) == 0
for path in glob.glob("/kaniko/lib/python3.11/lib-dynload/*.so"):
    importlib.import_module(os.path.basename(path).partition(".")[0])
for name in ("builder.build", "builder.context.http", "builder.registry.transport", "isal.igzip", "zstandard", "requests"):
    importlib.import_module(name)
from builder.trust import Trust
Trust.of(os.environ).context()
ctypes.CDLL(None)
try:
    socket.getaddrinfo("no-such-host.invalid", 80)
except socket.gaierror:
    pass
code = [line for line in open("/proc/self/maps") if "/" in line and "x" in line.split()[1]]
foreign = {line.split()[-1] for line in code if " /kaniko/" not in line}
print("foreign:", sorted(foreign))
"""


def test_no_code_of_the_system_is_loaded_even_where_there_is_one(engine: Engine, debug_image: str, tmp_path: Path) -> None:
    """A distribution that names its own libraries in all the places where a loader and a C library look."""
    (tmp_path / "etc").mkdir()
    options = [*SHELL, "--volume=/lib:/lib:ro", "--volume=/usr:/usr:ro", f"--volume={tmp_path}/etc:/etc"]
    (tmp_path / "etc/ld.so.preload").write_text("/usr/lib/no-such-library.so\n")
    (tmp_path / "etc/nsswitch.conf").write_text("hosts: files myhostname mymachines mdns4_minimal dns\npasswd: files systemd\n")
    (tmp_path / "etc/probe.py").write_text(_PROBE)
    done = engine.run(debug_image, "-c", "/kaniko/bin/python3.11 -IS /etc/probe.py", options=options)
    assert "foreign: []" in done.output, done.output
    assert "no-such-library" not in done.output


@pytest.mark.parametrize("options", [(), ("--read-only", *NOBODY)], ids=["root", "nobody"])
def test_whatever_is_started_begins_in_the_workspace(
    options: tuple[str, ...], engine: Engine, debug_image: str, tmp_path: Path
) -> None:
    """Also where `docker run` mounts something there."""
    context = write_context(tmp_path / "context", "FROM scratch\n", {"file": "content"})
    empty = engine.run(debug_image, "-c", "pwd; ls", options=[*SHELL, *options])
    mounted = engine.run(debug_image, "-c", "pwd; cat file", options=[*SHELL, *options, f"--volume={context}:/workspace"])
    assert (empty.output, mounted.output) == ("/workspace\n", "/workspace\ncontent")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_it_at_once(number: signal.Signals, code: int, engine: Engine, image: str) -> None:
    with engine.container(image, "--context=tar://stdin", "--no-push", options=["--interactive"]) as container:
        _await_handler(container.pid(), number)
        assert engine("kill", f"--signal={number.name}", container.name).code == 0
        assert engine("wait", container.name, timeout=60).output.strip() == str(code)


def _await_handler(pid: int, number: int) -> None:
    """Until the process catches this signal: before that, the kernel keeps it from a container's first process."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
        if int(caught, 16) >> (number - 1) & 1:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} doesn't catch signal {number}")


@pytest.mark.parametrize(
    ("path", "said"), [("Dockerfile", "can't read the Dockerfile '/workspace/Dockerfile': P"), ("file", "can't copy 'file': P")]
)
def test_a_context_of_another_user_is_said_to_be_one(path: str, said: str, engine: Engine, image: str, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", "FROM scratch\nCOPY file /\n", {"file": "content"})
    (context / path).chmod(0o600)
    done = engine.run(image, "--no-push", options=[*NOBODY, f"--volume={context}:/workspace:ro"])
    assert done.code == 1
    assert said in done.output
    assert "hint: the user that masu runs as may not" in done.output


def test_anybody_can_build_with_a_read_only_root(engine: Engine, image: str, tmp_path: Path) -> None:
    write_context(tmp_path / "context", "FROM scratch\nCOPY file /\n", {"file": "content"})
    options = ["--read-only", *NOBODY, f"--volume={tmp_path}/context:/workspace:ro"]
    for volume in ("--tmpfs=/kaniko/state", "--tmpfs=/tmp"):
        done = engine.run(image, "--no-push", options=[*options, volume])
        assert done.code == 0, done.output
    done = engine.run(image, "--no-push", options=options)
    assert done.code == 1
    assert "can't keep state in '/kaniko/state': Read-only file system" in done.output
    assert "--state-dir" in done.output


def test_its_directory_works_in_another_image(engine: Engine, image: str, tmp_path: Path) -> None:
    """As plugins of Drone and Woodpecker take Kaniko's."""
    make_root(tmp_path / "root")
    dockerfile = f"FROM {image} AS masu\nFROM scratch\nCOPY root /\nCOPY --from=masu /kaniko /kaniko\n"
    write_context(tmp_path, dockerfile, {"small/Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
    name = "masu-test-elsewhere"
    done = engine("build", "--tag", name, tmp_path)
    assert done.code == 0, done.output
    try:
        assert engine.run(name, "/kaniko/executor", "version").output.startswith("masu ")
        arguments = ("/kaniko/executor", "--no-push", "--context=/small")
        done = engine.run(name, *arguments, options=[f"--volume={tmp_path}/small:/small:ro"])
        assert done.code == 0, done.output
    finally:
        engine("rmi", "--force", name)
