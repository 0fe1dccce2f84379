"""What the CI files of Kaniko's users do with its image works with masu's (see the idioms in docs/step-image.md)."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.busybox import make_root
from tests.support.certificates import Identity, make_identity
from tests.support.elsewhere import serve_elsewhere
from tests.support.engine import Engine
from tests.support.masu import write_context
from tests.support.registry import htpasswd, serve_registry

# What GitLab's runner starts in a container before it sends the script (gitlab-runner, shells/bash.go).
_DETECT = """if [ -x /usr/local/bin/bash ]; then exec /usr/local/bin/bash; elif [ -x /usr/bin/bash ]; then exec /usr/bin/bash
elif [ -x /bin/bash ]; then exec /bin/bash; elif [ -x /usr/local/bin/sh ]; then exec /usr/local/bin/sh
elif [ -x /usr/bin/sh ]; then exec /usr/bin/sh; elif [ -x /bin/sh ]; then exec /bin/sh
elif [ -x /busybox/sh ]; then exec /busybox/sh; else echo shell not found; exit 1; fi"""


def piped(engine: Engine, image: str, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the script as GitLab's runner does: on the standard input of what it starts."""
    argv = engine.argv("run", "--rm", "--interactive", "--network=host", *options, image, "sh", "-c", _DETECT)
    return subprocess.run(argv, env=engine.env(), input=script, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("entrypoint", [(), ("--entrypoint=",)], ids=["masus-entrypoint", "no-entrypoint"])
def test_a_gitlab_job_builds_in_the_debug_image(
    entrypoint: tuple[str, ...], engine: Engine, debug_image: str, tmp_path: Path
) -> None:
    write_context(tmp_path / "group/project", "FROM scratch\nADD root.tar /\nRUN echo made > /made\n")
    subprocess.run(["tar", "-C", make_root(tmp_path / "root"), "-cf", tmp_path / "group/project/root.tar", "."], check=True)
    script = """
        set -eu
        mkdir -p /kaniko/.docker
        echo "{\\"auths\\":{}}" > /kaniko/.docker/config.json
        /kaniko/executor --context "$CI_PROJECT_DIR" --dockerfile "$CI_PROJECT_DIR/Dockerfile" --no-push \
          --destination example/image:1 --tar-path "$CI_PROJECT_DIR/image.tar"
        echo after the build; ls /bin/sh /busybox/sh "$CI_PROJECT_DIR/Dockerfile"
    """
    volume = f"--volume={tmp_path}:/builds"
    done = piped(engine, debug_image, script, *entrypoint, volume, "--env=CI_PROJECT_DIR=/builds/group/project")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-4:] == ["after the build", "/bin/sh", "/builds/group/project/Dockerfile", "/busybox/sh"]
    name = engine.load(tmp_path / "group/project/image.tar")
    try:
        assert engine.run(name, "cat", "/made").output == "made\n"
    finally:
        engine("rmi", "--force", name)


def test_the_exit_code_of_a_run_is_the_steps(engine: Engine, image: str, tmp_path: Path) -> None:
    write_context(tmp_path, "FROM scratch\nADD root.tar /\nRUN exit 42\n")
    subprocess.run(["tar", "-C", make_root(tmp_path / "root"), "-cf", tmp_path / "root.tar", "."], check=True)
    assert engine.run(image, "--no-push", options=[f"--volume={tmp_path}:/workspace"]).code == 42


def test_nothing_of_the_steps_environment_reaches_a_run(engine: Engine, image: str, tmp_path: Path) -> None:
    write_context(tmp_path, "FROM scratch\nADD root.tar /\nRUN env | sort\n")
    subprocess.run(["tar", "-C", make_root(tmp_path / "root"), "-cf", tmp_path / "root.tar", "."], check=True)
    done = engine.run(image, "--no-push", options=[f"--volume={tmp_path}:/workspace", "--env=CI_JOB_TOKEN=secret"])
    assert done.code == 0, done.output
    assert not [word for word in ("kaniko", "CI_JOB_TOKEN", "PYTHON", "LD_", "TMPDIR", "SSL_", "OPENSSL") if word in done.output]


def test_without_a_shell_the_default_image_says_which_one_to_take(engine: Engine, image: str) -> None:
    done = piped(engine, image, "echo never\n")
    assert done.returncode == 1
    assert "debug image" in done.stderr


def test_the_warmer_ends_with_1_only_if_it_could_warm_nothing(engine: Engine, image: str) -> None:
    done = engine.run(image, "--cache-dir=/cache", "--image=127.0.0.1:1/nobody/there", options=["--entrypoint=/kaniko/warmer"])
    assert (done.code, "failed to warm any of the given images" in done.output) == (1, True)


@pytest.mark.parametrize("user", ["0:0", "1234560000:0"])
def test_a_build_takes_its_base_from_what_the_warmer_has_put_on_a_volume(
    user: str, engine: Engine, image: str, tmp_path: Path
) -> None:
    write_context(tmp_path / "base", "FROM scratch\nCOPY Dockerfile /\n")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with serve_registry(tmp_path) as registry:
        name, volumes = f"{registry.host}/base:1", [f"--volume={tmp_path}/base:/workspace:ro", f"--user={user}"]
        assert engine.run(image, f"--destination={name}", options=volumes).code == 0
        options = [f"--volume={tmp_path}/cache:/cache", "--entrypoint=/kaniko/warmer", f"--user={user}"]
        warmed = engine.run(image, f"--image={name}", options=options)
        assert (warmed.code, "fetched" in warmed.output) == (0, True), warmed.output
        write_context(tmp_path / "top", f"FROM {name}\nCOPY Dockerfile /top\n")
        for path in (registry.directory / "data").rglob("data"):
            if path.read_bytes()[:2] == b"\x1f\x8b":  # a layer
                path.unlink()
        options = [f"--volume={tmp_path}/cache:/cache:ro", f"--volume={tmp_path}/top:/workspace:ro", f"--user={user}"]
        done = engine.run(image, "--cache", "--no-push", "--no-push-cache", options=options)
    assert done.code == 0, done.output


def test_credentials_and_certificates_are_taken_where_kaniko_users_put_them(
    engine: Engine, debug_image: str, tmp_path: Path
) -> None:
    identity = make_identity(tmp_path)
    write_context(tmp_path / "context", "FROM scratch\nCOPY Dockerfile /\n")
    auth = base64.b64encode(b"user:password").decode()
    tls = {"certificate": str(identity.certificate_path), "key": str(identity.key_path)}
    with serve_registry(tmp_path, auth=htpasswd(tmp_path, {"user": "password"}), tls=tls) as registry:
        config = json.dumps({"auths": {f"https://{registry.host}": {"auth": auth}}})
        trust = "cat /ca.pem >> /kaniko/ssl/certs/additional-ca-cert-bundle.crt"
        login = f"mkdir -p /kaniko/.docker; echo '{config}' > /kaniko/.docker/config.json"
        push = f"/kaniko/executor --context=/workspace --destination={registry.host}/image:1"
        volumes = (f"--volume={identity.certificate_path}:/ca.pem:ro", f"--volume={tmp_path}/context:/workspace:ro")
        done = [piped(engine, debug_image, script, *volumes) for script in (f"{login}; {push}", f"{trust}; {login}; {push}")]
    assert "CERTIFICATE_VERIFY_FAILED" in done[0].stderr
    assert done[1].returncode == 0, done[1].stderr
    assert f"Pushed {registry.host}/image@sha256:" in done[1].stderr


def test_a_mounted_kubernetes_secret_is_a_login(engine: Engine, image: str, tmp_path: Path) -> None:
    write_context(tmp_path / "context", "FROM scratch\nCOPY Dockerfile /\n")
    auth = base64.b64encode(b"user:password").decode()
    with serve_registry(tmp_path, auth=htpasswd(tmp_path, {"user": "password"})) as registry:
        (tmp_path / "secret").mkdir()
        (tmp_path / "secret/.dockerconfigjson").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
        volumes = (f"--volume={tmp_path}/context:/workspace:ro", f"--volume={tmp_path}/secret:/kaniko/.docker:ro")
        done = engine.run(image, f"--destination={registry.host}/image:1", options=volumes)
    assert done.code == 0, done.output


@pytest.mark.parametrize("user", ["0:0", "1234560000:0"])
def test_repositories_are_fetched_with_the_images_own_git(user: str, engine: Engine, image: str, tmp_path: Path) -> None:
    with serve_elsewhere(tmp_path) as elsewhere:
        plain, submodule = "FROM scratch\nCOPY d/x /\n", "FROM scratch\nCOPY modules/inner/d/x /\n"
        wanted = {
            f"{elsewhere.git}/repo.git#v1": plain,
            f"{elsewhere.http}/repo.git": plain,
            f"{elsewhere.http}/super.git": submodule,
        }
        for url, dockerfile in wanted.items():
            options = ("--rm", "--interactive", "--network=host", f"--user={user}", "--env=GIT_PULL_METHOD=git")
            argv = engine.argv("run", *options, image, f"--context={url}", "--no-push", "--dockerfile=-")
            done = subprocess.run(
                argv, env=engine.env(), input=dockerfile.encode(), capture_output=True, check=False, timeout=300
            )
            assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def served_by_tls(directory: Path, identity: Identity) -> Iterator[str]:
    """The URL of a server of these files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=str(directory)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate_path, identity.key_path)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_git_trusts_what_the_image_trusts(engine: Engine, debug_image: str, tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    (tmp_path / "served").mkdir()
    with serve_elsewhere(tmp_path / "served"), served_by_tls(tmp_path / "served", identity) as url:
        build = f"printf 'FROM scratch\\nCOPY f /' | /kaniko/executor --context {url}/repo.git --dockerfile - --no-push"
        trust = "cat /ca.pem >> /kaniko/ssl/certs/additional-ca-cert-bundle.crt"
        volume = f"--volume={identity.certificate_path}:/ca.pem:ro"
        done = [piped(engine, debug_image, script, volume) for script in (build, f"{trust}; {build}")]
    assert "certificate verification failed" in done[0].stderr
    assert done[1].returncode == 0, done[1].stderr
