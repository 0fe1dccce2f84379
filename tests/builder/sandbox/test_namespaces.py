from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from builder.errors import SandboxError
from builder.flags import flag_of
from builder.options import CommonOptions
from builder.sandbox import SANDBOXES, Bind, Mount, Process, View, choose
from builder.sandbox.namespaces import Namespaces
from builder.values import fields
from tests.support.busybox import make_root

PLACES = {"/proc": "/proc", "/sys": "/sys", "/dev": "/dev"}


@pytest.fixture(scope="module", autouse=True)
def _needs_namespaces() -> None:
    if reason := Namespaces().unavailable():
        pytest.skip(f"this machine allows no namespaces: {reason}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


def run(root: Path, script: str, *, uid: int = 0, groups: tuple[int, ...] = (), mounts: tuple[Mount, ...] = (),
        isolate_network: bool = False, cwd: str = "/") -> tuple[int, str]:  # fmt: skip
    process = Process(
        argv=("sh", "-c", script), env={"PATH": "/bin"}, cwd=cwd, uid=uid, gid=uid, groups=groups, isolate_network=isolate_network
    )
    output: list[bytes] = []
    code = Namespaces().run(process, View(root=root, places=PLACES, mounts=mounts), output=output.append).code
    return code, b"".join(output).decode()


@pytest.mark.parametrize(
    ("script", "code"), [("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("no-such-program", 127), ("/tmp", 126)]
)
def test_the_exit_code_is_the_commands_own(root: Path, script: str, code: int) -> None:
    assert run(root, script)[0] == code


@pytest.mark.parametrize(("argv", "code"), [(("nope",), 127), (("/etc/passwd",), 126), (("/bin/missing",), 127)])
def test_what_cannot_be_executed_says_so(root: Path, argv: tuple[str, ...], code: int) -> None:
    output: list[bytes] = []
    process = Process(argv=argv, env={"PATH": "/bin"}, cwd="/")
    assert Namespaces().run(process, View(root=root, places=PLACES), output=output.append).code == code
    assert argv[0].encode() in b"".join(output)


def test_the_root_is_the_whole_world(root: Path) -> None:
    assert run(root, "ls /..")[1].split() == sorted(path.name for path in root.iterdir())


def test_proc_shows_only_the_sandbox(root: Path) -> None:
    assert len(run(root, "ps -o pid")[1].split()) < 6


def test_devices_work(root: Path) -> None:
    code, text = run(
        root, "echo x > /dev/null; ls -l /dev/fd /dev/stdin >/dev/null; cat /dev/zero | true; ls /dev/pts /dev/shm; echo ok"
    )
    assert (code, text.split()[-1]) == (0, "ok")


def test_a_user_has_exactly_its_groups(root: Path) -> None:
    assert run(root, "id -u; id -g; id -G", uid=1000, groups=(1000, 10))[1].split() == ["1000", "1000", "1000", "10"]


def test_root_has_dockers_capabilities(root: Path) -> None:
    text = run(root, "grep -E 'CapEff|CapBnd' /proc/self/status")[1]
    assert [line.split()[1] for line in text.splitlines()] == ["00000000a80425fb"] * 2


def test_kernel_settings_cannot_be_changed(root: Path) -> None:
    assert run(root, "echo 1 > /proc/sys/vm/drop_caches")[0] != 0


def test_a_missing_working_directory_is_made(root: Path) -> None:
    assert run(root, "pwd", cwd="/a/b")[1].strip() == "/a/b"
    assert (root / "a/b").stat().st_mode & 0o777 == 0o755


def test_a_bind_shows_a_host_file_and_can_be_read_only(root: Path, tmp_path: Path) -> None:
    (tmp_path / "host").write_text("from outside\n")
    (root / "etc/hosts").touch()
    bind = Bind(source=tmp_path / "host", target="/etc/hosts", read_only=True)
    code, text = run(root, "cat /etc/hosts; echo no > /etc/hosts", mounts=(bind,))
    assert "from outside" in text
    assert code != 0
    assert (root / "etc/hosts").read_text() == ""


def test_without_network_there_is_only_loopback(root: Path) -> None:
    text = run(root, "cat /proc/net/dev; ip addr show lo", isolate_network=True)[1]
    names = [line.split(":")[0].strip() for line in text.split("1: lo")[0].splitlines() if ":" in line]
    assert "lo" in names
    assert not any(name.startswith(("eth", "en")) for name in names)
    assert "UP" in text


def test_a_daemon_left_behind_ends_with_the_command(root: Path) -> None:
    seconds = 10_000_000 + os.getpid()  # nobody else sleeps as long
    assert run(root, f"sleep {seconds} & setsid sleep {seconds} & echo started")[1] == "started\n"
    assert f"sleep\0{seconds}".encode() not in _all_command_lines()


def test_nothing_stays_mounted(root: Path) -> None:
    run(root, "true")
    assert str(root) not in Path("/proc/self/mountinfo").read_text()
    assert not list((root / "proc").iterdir())


def test_an_interrupt_kills_everything_inside(root: Path) -> None:
    """The fifo is held open for writing inside: reading it ends only when every process there is gone."""
    os.mkfifo(root / "tmp/alive")
    script = (
        "import os, pathlib; from builder.sandbox import Process, View; from builder.sandbox.namespaces import Namespaces\n"
        "process = Process(argv=('sh', '-c', 'exec 9>/tmp/alive; echo ready >&9; sleep 4711'), env={'PATH': '/bin'}, cwd='/')\n"
        f"Namespaces().run(process, View(root=pathlib.Path({str(root)!r}), places={PLACES!r}), output=print)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with (root / "tmp/alive").open("rb") as alive:
        assert alive.readline() == b"ready\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert alive.read() == b""


def test_sandboxes_run_side_by_side(root: Path) -> None:
    codes: list[int] = []
    threads = [threading.Thread(target=lambda number=number: codes.append(run(root, f"exit {number}")[0])) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == list(range(8))


def test_a_broken_root_is_a_sandbox_error(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="proc"):
        run(tmp_path, "true")


def test_auto_chooses_what_the_machine_allows(tmp_path: Path) -> None:
    assert choose("auto", tmp_path).name == "namespaces"


def test_the_option_names_all_sandboxes() -> None:
    row = next(row for row in fields(CommonOptions) if row.name == "sandbox")
    assert flag_of(row).choices == ("auto", *SANDBOXES)


def _all_command_lines() -> bytes:
    lines = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                lines.append(Path(f"/proc/{entry}/cmdline").read_bytes())
            except OSError:  # it has just ended
                continue
    return b"\n".join(lines)
