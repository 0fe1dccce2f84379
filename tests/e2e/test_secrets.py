"""A secret is in no layer, config, history, log or file of masu's; neither are the registry's credentials in reach of a RUN."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.sandbox.namespaces import Namespaces
from tests.support.masu import Masu, add_base, write_context

SECRET = "xyzzy-8f1d2c-plugh"
PEM = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7bq9\n-----END KEY-----\n"
USES = """\
RUN --mount=type=secret,id=file --mount=type=secret,id=variable,env=TOKEN test "$TOKEN" = "$(cat /run/secrets/file)"
RUN --mount=type=secret,id=file,target=/etc/deep/token,mode=0444 cat /etc/deep/token; cat /etc/deep/token >&2; echo done
RUN --mount=type=secret,id=variable,env=TOKEN echo "token: $TOKEN"; env; set -x; : "$TOKEN"
RUN --mount=type=secret,id=pem cat /run/secrets/pem; grep MII /run/secrets/pem
RUN --mount=type=secret,id=file dd if=/run/secrets/file bs=1 2>/dev/null
"""


@pytest.fixture(autouse=True)
def _needs_namespaces() -> None:
    if reason := Namespaces().unavailable():
        pytest.skip(f"this machine allows no namespaces: {reason}")


@pytest.fixture
def masu(tmp_path: Path) -> Masu:
    masu = Masu(state=tmp_path / "state", env={"MY_TOKEN": SECRET})
    add_base(masu, tmp_path / "base")
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "key.pem").write_text(PEM)
    return masu


def options(tmp_path: Path) -> list[str]:
    files = {"file": f"src={tmp_path}/secret", "variable": "env=MY_TOKEN", "pem": f"src={tmp_path}/key.pem"}
    return [f"--secret=id={id},{source}" for id, source in files.items()]


def found_in(directory: Path) -> Iterator[Path]:
    """The files below a directory that have a secret in them, compressed or not."""
    words = [SECRET.encode(), base64.b64encode(SECRET.encode()), b"MIIEpAIBAAKCAQEA7bq9"]
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            texts = [data, gzip.decompress(data) if data[:2] == b"\x1f\x8b" else b""]
            if any(word in text for word in words for text in texts):
                yield path


def assert_clean(masu: Masu, tmp_path: Path, log: str) -> None:
    assert SECRET not in log
    assert "MIIEp" not in log
    assert list(found_in(masu.state)) == []
    assert list(found_in(tmp_path / "out")) == []


def test_a_secret_is_nowhere_afterwards(masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", f"FROM base\n{USES}")
    outputs = ["--tag=result", f"--oci-layout-path={tmp_path}/out/layout", f"--tar-path={tmp_path}/out/x.tar", "-v=trace"]
    (tmp_path / "out").mkdir()
    done = masu("build", "--no-push", *outputs, *options(tmp_path), context)
    assert done.returncode == 0, done.stderr
    assert "token: ***\n" in done.stderr
    assert_clean(masu, tmp_path, done.stdout + done.stderr)


def test_nor_after_a_run_that_fails(masu: Masu, tmp_path: Path) -> None:
    failing = 'RUN --mount=type=secret,id=variable,env=TOKEN echo "wrong token $TOKEN"; exit 3\n'
    (tmp_path / "out").mkdir()
    done = masu(
        "build", "--no-push", "-v=trace", *options(tmp_path), write_context(tmp_path / "context", f"FROM base\n{USES}{failing}")
    )
    assert done.returncode == 3
    assert "it printed last" in done.stderr
    assert "wrong token ***" in done.stderr
    assert_clean(masu, tmp_path, done.stdout + done.stderr)


def test_nor_in_the_plan_or_in_json_logs(masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", f"FROM base\n{USES}")
    (tmp_path / "out").mkdir()
    for flags in (["--dry-run"], ["--no-push", "--log-format=json"]):
        done = masu("build", *flags, *options(tmp_path), context)
        assert done.returncode == 0, done.stderr
        assert_clean(masu, tmp_path, done.stdout + done.stderr)


def pattern(word: str) -> str:
    """For grep, and not found in the command that has it."""
    return f"[{word[0]}]{word[1:12]}"


def test_a_run_sees_only_the_secrets_that_it_asks_for(masu: Masu, tmp_path: Path) -> None:
    search = (
        "RUN cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline > /seen 2>/dev/null; env >> /seen; test -s /seen; "
        f"if grep -q -r '{pattern(SECRET)}' /seen /tmp /etc /root /dev/shm; then exit 9; fi; "
        "if [ -e /run/secrets ]; then exit 8; fi\n"
    )
    context = write_context(tmp_path / "context", f"FROM base\n{search}")
    done = masu("build", "--no-push", *options(tmp_path), context)
    assert done.returncode == 0, done.stderr


def test_a_run_finds_no_registry_credentials(masu: Masu, tmp_path: Path) -> None:
    auth = base64.b64encode(f"user:{SECRET}".encode()).decode()
    config = json.dumps({"auths": {"registry.example.com": {"auth": auth}}})
    (masu.state / ".docker").mkdir()
    (masu.state / ".docker/config.json").write_text(config)
    env = {"DOCKER_AUTH_CONFIG": config, "DOCKER_CONFIG": str(masu.state / ".docker")}
    search = (
        "RUN cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/self/mountinfo > /seen 2>/dev/null; env >> /seen; "
        f"if grep -q '{pattern(auth)}' /seen; then exit 9; fi; "
        f"for root in /proc/[0-9]*/root /proc/[0-9]*/cwd; do if [ -e $root{masu.state}/.docker ]; then exit 8; fi; done; "
        f"if [ -e {masu.state} ]; then exit 7; fi\n"
    )
    context = write_context(tmp_path / "context", f"FROM base\n{search}")
    done = Masu(state=masu.state, env=env)("build", "--no-push", context)
    assert done.returncode == 0, done.stderr


def test_what_is_missing_or_too_large_is_said_before_anything_runs(masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", "FROM base\nRUN echo started\n")
    (tmp_path / "large").write_bytes(bytes((500 << 10) + 1))
    for source, said in (("src=/nope", "'/nope'"), ("env=NOPE", "'NOPE'"), (f"src={tmp_path}/large", "larger than 512000 bytes")):
        done = masu("build", "--no-push", f"--secret=id=x,{source}", context)
        assert done.returncode == 1
        assert said in done.stderr
        assert "started" not in done.stderr


def test_the_search_itself_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text(f"x{SECRET}")
    (tmp_path / "packed").write_bytes(gzip.compress(SECRET.encode()))
    (tmp_path / "none").write_bytes(zlib.compress(b"x"))
    assert sorted(path.name for path in found_in(tmp_path)) == ["packed", "plain"]
