from __future__ import annotations

import base64
import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.errors import BuilderError, UsageError
from builder.login import Console, log_in
from builder.options import LoginOptions, RegistryFlags
from tests.support.certificates import make_identity
from tests.support.masu import Masu, write_context
from tests.support.registry import RunningRegistry, htpasswd, serve_registry
from tests.support.tokens import TokenServer, serve_tokens

HUB = "https://index.docker.io/v1/"
HELPER = """#!/bin/sh
# Keeps what it is given beside itself, one file an action.
cat > "$0.$1"
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    directory = tmp_path_factory.mktemp("registry")
    with serve_registry(directory, auth=htpasswd(directory, {"ann": "pass:word"})) as running:
        yield running


@pytest.fixture
def masu(tmp_path: Path) -> Masu:
    return Masu(
        state=tmp_path / "state", env={"DOCKER_CONFIG": str(tmp_path / "docker"), "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    )


def config(tmp_path: Path, document: dict[str, Any] | None = None) -> Any:
    path = tmp_path / "docker/config.json"
    if document is not None:
        path.parent.mkdir()
        path.write_text(json.dumps(document))
    return json.loads(path.read_text())


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def test_a_login_is_tried_kept_used_and_forgotten(masu: Masu, registry: RunningRegistry, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", "FROM scratch\nCOPY Dockerfile /\n")
    push = ("build", "-d", f"{registry.host}/app:1", context)
    done = masu("login", "-u", "ann", "--password-stdin", registry.host, input=b"pass:word\n")
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "Login Succeeded"), done.stderr
    assert config(tmp_path) == {"auths": {registry.host: auth("ann:pass:word")}}
    assert stat.S_IMODE((tmp_path / "docker/config.json").stat().st_mode) == 0o600
    assert masu(*push).returncode == 0
    assert masu("logout", registry.host).stdout == f"Removing login credentials for {registry.host}\n"
    assert config(tmp_path) == {"auths": {}}
    assert masu(*push).returncode == 1
    assert masu("logout", registry.host).stdout == f"Not logged in to {registry.host}\n"


def test_a_wrong_password_is_not_kept(masu: Masu, registry: RunningRegistry, tmp_path: Path) -> None:
    done = masu("login", "-u", "ann", "--password-stdin", registry.host, input=b"secret-but-wrong")
    assert done.returncode == 1
    assert f"{registry.host} refuses the user 'ann'" in done.stderr
    assert "secret-but-wrong" not in done.stderr
    assert not (tmp_path / "docker").exists()
    assert masu("login", "--no-verify", "-u", "ann", "--password-stdin", registry.host, input=b"wrong").returncode == 0


def test_a_registry_with_a_token_server_is_asked_there(masu: Masu, tmp_path: Path) -> None:
    tokens = TokenServer(identity=make_identity(tmp_path), users={"ann": "right"})
    with serve_tokens(tokens), serve_registry(tmp_path, auth=tokens.auth) as registry:
        right, wrong = (
            masu("login", "-u", "ann", "--password-stdin", registry.host, input=password.encode())
            for password in ("right", "wrong")
        )
    assert (right.returncode, wrong.returncode) == (0, 1), right.stderr
    assert [asked.user for asked in tokens.asked] == ["ann"]


def test_everything_else_in_the_file_stays(masu: Masu, tmp_path: Path) -> None:
    other = {"auths": {"other.example": auth("u:p"), "https://r.example/v2/": auth("old:old")}, "HttpHeaders": {"A": "b"}, "x": 1}
    config(tmp_path, other)
    assert masu("login", "--no-verify", "-u", "ann", "--password-stdin", "R.example:443", input=b"p").returncode == 0
    assert config(tmp_path) == {**other, "auths": {"other.example": auth("u:p"), "r.example": auth("ann:p")}}
    assert [path.name for path in (tmp_path / "docker").iterdir()] == ["config.json"]


@pytest.mark.parametrize("name", ["", "docker.io", "index.docker.io", HUB])
def test_docker_hub_goes_by_its_own_key(masu: Masu, tmp_path: Path, name: str) -> None:
    words = ("login", "--no-verify", "-u", "ann", "--password-stdin", *([name] if name else []))
    assert masu(*words, input=b"p").returncode == 0
    assert config(tmp_path) == {"auths": {HUB: auth("ann:p")}}


@pytest.mark.parametrize("setting", [{"credsStore": "test"}, {"credHelpers": {"r.example": "test"}, "credsStore": "other"}])
def test_a_helper_that_is_named_keeps_it(masu: Masu, tmp_path: Path, setting: dict[str, Any]) -> None:
    (tmp_path / "bin").mkdir()
    helper = tmp_path / "bin/docker-credential-test"
    helper.write_text(HELPER)
    helper.chmod(0o755)
    config(tmp_path, {**setting, "auths": {"r.example": auth("old:old")}})
    done = masu("login", "--no-verify", "-u", "ann", "--password-stdin", "r.example", input=b"p")
    assert done.returncode == 0, done.stderr
    assert config(tmp_path) == {**setting, "auths": {"r.example": {}}}
    told = json.loads((tmp_path / "bin/docker-credential-test.store").read_text())
    assert told == {"ServerURL": "r.example", "Username": "ann", "Secret": "p"}
    assert masu("logout", "r.example").returncode == 0
    assert (tmp_path / "bin/docker-credential-test.erase").read_text() == "r.example"


def test_a_helper_that_is_missing_keeps_nothing_anywhere(masu: Masu, tmp_path: Path) -> None:
    config(tmp_path, {"credsStore": "missing"})
    done = masu("login", "--no-verify", "-u", "ann", "--password-stdin", "r.example", input=b"p")
    assert (done.returncode, config(tmp_path)) == (1, {"credsStore": "missing"})
    assert "docker-credential-missing" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-u", "ann", "r.example"], "no password for r.example, and no terminal"),
        (["r.example"], "no user name for r.example"),
        (["--password-stdin", "r.example"], "--password-stdin needs --username"),
        (["-u", "ann", "-p", "x", "--password-stdin", "r.example"], "can't be given together"),
        (["-u", "a:b", "-p", "x", "r.example"], "a colon"),
        (["-u", "ann", "-p", "x", "r.example/../x?"], "invalid registry"),
    ],
)
def test_wrong_uses_say_what_to_do(masu: Masu, words: list[str], message: str) -> None:
    done = masu("login", *words)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_password_on_the_command_line_is_warned_of(masu: Masu) -> None:
    done = masu("login", "--no-verify", "-u", "ann", "-p", "on-the-line", "r.example")
    assert done.returncode == 0
    assert "--password-stdin" in done.stderr
    assert "on-the-line" not in done.stdout + done.stderr


def test_at_a_terminal_both_are_asked_for(tmp_path: Path) -> None:
    console = Console(stdin=io.BytesIO(), is_terminal=True, ask=lambda _: "ann", ask_secretly=lambda _: "p")
    log_in("r.example", LoginOptions(no_verify=True), RegistryFlags(), {"HOME": str(tmp_path)}, console)
    document = json.loads((tmp_path / ".docker/config.json").read_text())
    assert document == {"auths": {"r.example": auth("ann:p")}}


def test_a_password_need_not_be_utf_8(tmp_path: Path) -> None:
    console = Console(stdin=io.BytesIO(b"f\xfcnf\n"), is_terminal=False)
    options = LoginOptions(username="ann", password_stdin=True, no_verify=True)
    log_in("r.example", options, RegistryFlags(), {"HOME": str(tmp_path)}, console)
    document = json.loads((tmp_path / ".docker/config.json").read_text())
    assert base64.b64decode(document["auths"]["r.example"]["auth"]) == b"ann:f\xfcnf"


def test_without_a_place_for_it_it_says_so() -> None:
    console = Console(stdin=io.BytesIO(b"p"), is_terminal=False)
    options = LoginOptions(username="ann", password_stdin=True, no_verify=True)
    with pytest.raises(BuilderError, match="neither DOCKER_CONFIG nor HOME"):
        log_in("r.example", options, RegistryFlags(), {}, console)
    with pytest.raises(UsageError):
        log_in("r.example", LoginOptions(), RegistryFlags(), {}, console)


def test_two_logins_at_the_same_time_are_both_kept(masu: Masu, tmp_path: Path) -> None:
    words = ("login", "--no-verify", "-u", "ann", "-p", "x")
    for process in [masu.start(*words, f"r{number}.example") for number in range(4)]:
        process.communicate(timeout=60)
    assert sorted(config(tmp_path)["auths"]) == [f"r{number}.example" for number in range(4)]
