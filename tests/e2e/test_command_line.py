"""masu as a command: what it prints and writes, its exit codes, and what is left when it is stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fsck import check_layout
from tests.support.masu import Masu, add_base, write_context


@pytest.fixture(scope="module")
def masu(tmp_path_factory: pytest.TempPathFactory) -> Masu:
    """With a busybox image called `base` in its store."""
    directory = tmp_path_factory.mktemp("masu")
    masu = Masu(state=directory / "state")
    add_base(masu, directory)
    return masu


def work(masu: Masu) -> list[str]:
    return os.listdir(masu.state / "work")


def test_an_image_is_built_listed_and_run(masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path, 'FROM base\nRUN echo hello > /greeting\nENTRYPOINT ["cat"]\nCMD ["/greeting"]\n')
    assert masu("build", "-t", "mine", context).returncode == 0
    assert "mine:latest" in masu("ls").stdout
    assert masu("run", "mine").stdout == "hello\n"
    assert masu("run", "mine", "/etc/passwd").stdout.startswith("root:")


def test_what_cannot_be_printed_is_no_success(masu: Masu) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            masu.argv("ls"), env=masu.environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr.partition("\n")[0]) == (1, "error: disk full, no space left on device")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(masu.argv("ls"), env=masu.environment(), stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_run_passes_the_exit_code_on(masu: Masu) -> None:
    assert masu("run", "base", "sh", "-c", "exit 9").returncode == 9


def test_the_files_tell_the_digests(masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", "FROM base\nCOPY Dockerfile /\n")
    out = tmp_path / "out"
    files = {
        "digest-file": out / "digest",
        "iidfile": out / "iid",
        "image-name-with-digest-file": out / "named",
        "image-name-tag-with-digest-file": out / "tagged",
        "metadata-file": out / "meta",
    }
    flags = [f"--{flag}={path}" for flag, path in files.items()]
    done = masu(
        "build", "--no-push", "-d", "x.example/a/b:1", "-d", "alpine", "--oci-layout-path", tmp_path / "layout", *flags, context
    )
    assert done.returncode == 0, done.stderr
    digest, iid, named, tagged, meta = (path.read_text() for path in files.values())
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    assert named == f"x.example/a/b@{digest}\nindex.docker.io/library/alpine@{digest}\n"
    assert tagged == f"x.example/a/b:1@{digest}\nindex.docker.io/library/alpine:latest@{digest}\n"
    index = json.loads((tmp_path / "layout/index.json").read_text())
    assert [entry["digest"] for entry in index["manifests"]] == [digest]
    assert json.loads(meta)["containerimage.digest"] == digest
    assert json.loads(meta)["containerimage.config.digest"] == iid
    manifest = json.loads((tmp_path / "layout/blobs/sha256" / digest.removeprefix("sha256:")).read_text())
    assert manifest["config"]["digest"] == iid


def test_a_failing_run_gives_its_exit_code_and_its_last_words(masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path, "FROM base\n\nRUN echo before; echo oh no >&2; exit 42\n")
    done = masu("build", "-t", "x", "--progress=quiet", context)
    assert done.returncode == 42
    assert "Dockerfile:3" in done.stderr
    assert "oh no" in done.stderr
    assert work(masu) == []


@pytest.mark.parametrize(
    ("dockerfile", "flags", "said"),
    [
        ("FROM base\nRUM x\n", (), ["Dockerfile:2", "unknown instruction", "RUN"]),
        ("FROM base\nCOPY nothing /\n", (), ["nothing", "not found"]),
        ("FROM base\nCOPY --from=biuld /a /b\nFROM base AS build\n", ("--target=0",), ["Dockerfile:2", "biuld"]),
        ("FROM base\nCOPY --form=x /a /b\n", (), ["Dockerfile:2", "--form", "--from"]),
        ("FROM Bad:Reference:x\n", (), ["Dockerfile:1", "Bad:Reference:x"]),
        ("FROM base\nRUN --mount=type=cache,tagret=/x true\n", (), ["Dockerfile:2", "tagret"]),
        ("FROM base\nRUN <<EOF\ntrue\n", (), ["Dockerfile:2", "EOF"]),
        ("FROM base\nRUN --device=gpu true\n", (), ["Dockerfile:2", "--device"]),
        ("FROM base\nADD https://example.com/x /\n", (), ["Dockerfile:2", "https://example.com/x"]),
        ("FROM base\nUSER nobody-here\nRUN true\n", (), ["nobody-here"]),
        ("", (), ["no instructions"]),
        ("FROM base\n", ("--target=x",), ["target", "'x'"]),
        ("FROM base\n", ("-d", "UPPER/case"), ["UPPER/case"]),
        ("FROM base\n", ("--custom-platform=a/b/c/d",), ["platform"]),
        ("FROM base\n", ("--sandbox=jail",), ["jail", "namespaces"]),
        ("FROM oci-layout:///nowhere\n", (), ["/nowhere"]),
    ],
)
def test_bad_input_gets_a_sentence_and_exit_code_1(
    masu: Masu, tmp_path: Path, dockerfile: str, flags: tuple[str, ...], said: list[str]
) -> None:
    done = masu("build", "-t", "x", *flags, write_context(tmp_path, dockerfile))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert [word for word in said if word not in done.stderr] == [], done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["biuld"], "unknown command"),
        (["bake"], "masu build --target NAME"),
        (["build", "-d", "tests=a.test/b:1", "."], "--target STAGE --destination REF"),
        (["build", "."], "you must provide --destination"),
        (["build", "-t", "x", "/no/such/context"], "not a directory"),
        (["build", "-t", "x", "-f", "nope", "."], "no Dockerfile"),
        (["build", "-t", "x", "--push", "--no-push", "."], "exclude"),
        (["build", "-t", "x", "--label=x", "."], "KEY=VALUE"),
        (["build", "-t", "x", "--registry-certificate=x", "."], "HOST="),
        (["run", "nothing-of-that-name"], "nothing-of-that-name"),
        (["build", "--no-push", "--digest-file", "/proc/no/digest", "."], "/proc/no"),
    ],
)
def test_wrong_use_gets_a_sentence_and_exit_code_1(masu: Masu, tmp_path: Path, arguments: list[str], said: str) -> None:
    write_context(tmp_path, "FROM base\n")
    done = masu(*arguments, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert said in done.stderr


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    done = Masu(state=Path("/proc/no"))("build", "-t", "x", write_context(tmp_path, "FROM scratch\nCOPY Dockerfile /\n"))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "/proc/no" in done.stderr


def test_dry_run_prints_the_plan_and_does_nothing(masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path, "FROM base AS one\nRUN exit 1\nFROM scratch\nCOPY --from=one /a /b\n")
    done = masu("build", "--dry-run", context)
    assert done.returncode == 0
    assert "exit 1" in done.stdout


def test_a_dockerfile_may_come_from_standard_input(masu: Masu, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    done = masu("build", "-t", "stdin", "-f", "-", tmp_path, input=b"FROM base\nCOPY file /\n")
    assert done.returncode == 0, done.stderr
    assert masu("run", "stdin", "cat", "/file").stdout == "content"


@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
def test_a_stopped_build_leaves_nothing_but_word_of_what_it_was_at(
    masu: Masu, tmp_path: Path, number: int, code: int, word: str
) -> None:
    context, told = (
        write_context(tmp_path / "context", "FROM base\nRUN echo is-running; sleep 1000\n"),
        tmp_path / "metadata.json",
    )
    child = masu.start("build", "-t", "x", "--log-format=json", "--metadata-file", told, context)
    assert child.stderr is not None
    while line := child.stderr.readline():
        if json.loads(line)["message"] == "is-running\n":
            break
    child.send_signal(number)
    *_, last = [json.loads(line)["message"] for line in child.stderr]
    assert (child.wait(timeout=60), last) == (code, f"masu: {word}")
    assert work(masu) == []
    assert str(masu.state) not in Path("/proc/self/mountinfo").read_text()
    failure = json.loads(told.read_text())["masu.failure"]
    what = "[stage 1/1, step 1/1] RUN echo is-running; sleep 1000"
    assert failure["message"] == f"{word} by {signal.Signals(number).name} during {what}"


def test_builds_side_by_side_share_a_store(masu: Masu, tmp_path: Path) -> None:
    contexts = [write_context(tmp_path / str(number), f"FROM base\nRUN echo {number} > /n\n") for number in range(4)]
    children = [masu.start("build", "-t", f"many:{number}", context) for number, context in enumerate(contexts)]
    assert [child.wait(timeout=120) for child in children] == [0] * 4
    assert [masu("run", f"many:{number}", "cat", "/n").stdout for number in range(4)] == [f"{number}\n" for number in range(4)]


def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", state], check=True)
    try:
        context = write_context(tmp_path / "context", "FROM scratch\nCOPY big /\n", {"big": os.urandom(8 << 20)})
        done = Masu(state=state)("build", "-t", "x", context)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert re.search(r"disk full|no space", done.stderr, re.IGNORECASE)
        assert os.listdir(state / "work") == []
    finally:
        subprocess.run(["umount", state], check=True)


def test_help_and_completion_know_every_command(masu: Masu) -> None:
    commands = re.findall(r"^  (\w+) ", masu("help").stdout, re.MULTILINE)
    assert {"build", "run", "ls", "pull"} <= set(commands)
    assert all(masu("help", command).returncode == 0 for command in commands)
    for shell in ("bash", "zsh", "fish"):
        script = masu("completion", shell).stdout
        assert all(command in script for command in commands)
        assert "destination" in script
    assert subprocess.run(["bash", "-n"], input=masu("completion", "bash").stdout, text=True, check=False).returncode == 0


@pytest.mark.parametrize("arguments", [["--version"], ["version"]])
def test_the_version_is_told(masu: Masu, arguments: list[str]) -> None:
    assert re.fullmatch(r"masu \d+\.\d+\.\d+\n", masu(*arguments).stdout)


@pytest.mark.parametrize(
    ("form", "pattern"),
    [("text", r'^time="\S+" level=info msg='), ("json", r'^\{"level":"info","msg":'), ("color", r"^INFO\[\d{4}\] ")],
)
def test_log_lines_have_kanikos_forms(masu: Masu, tmp_path: Path, form: str, pattern: str) -> None:
    done = masu("build", "-t", "x", f"--log-format={form}", write_context(tmp_path, "FROM base\nCOPY Dockerfile /\n"))
    assert done.returncode == 0
    assert re.search(pattern, done.stderr)


@pytest.mark.parametrize(
    ("module", "closed"), [("builder", "<&-"), ("builder", ">&-"), ("builder", "2>&-"), ("steps", "<&- >&- 2>&-")]
)
def test_it_needs_no_standard_streams(masu: Masu, tmp_path: Path, module: str, closed: str) -> None:
    """What is printed goes nowhere then, not into a file that happens to be open."""
    context = write_context(tmp_path / "context", "FROM base\nRUN echo printed\nCOPY . /\n")
    words = [sys.executable, "-m", module, "build", "--no-push", f"--oci-layout-path={tmp_path}/made", context]
    argv = ["sh", "-c", f'"$@" {closed}', "sh", *map(str, words)]
    done = subprocess.run(argv, env=masu.environment(), capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    check_layout(tmp_path / "made")
