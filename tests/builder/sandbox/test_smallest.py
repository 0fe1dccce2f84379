from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from builder.image.platform import Platform
from builder.sandbox.smallest import smallest


def test_this_machine_runs_its_own(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(smallest(Platform.host().architecture) or b"")
    program.chmod(0o755)
    assert subprocess.run([program], check=True, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("architecture", "machine", "bits"),
    [
        ("386", 3, 1),
        ("amd64", 62, 2),
        ("arm", 40, 1),
        ("arm64", 183, 2),
        ("ppc64le", 21, 2),
        ("riscv64", 243, 2),
        ("s390x", 22, 2),
    ],
)
def test_each_is_a_whole_file_for_its_machine(architecture: str, machine: int, bits: int) -> None:
    """All of them have been run by qemu once, and end with 0."""
    program = smallest(architecture)
    assert program is not None
    order, word = "<" if program[5] == 1 else ">", "I" if bits == 1 else "Q"
    assert (program[:4], program[4]) == (b"\x7fELF", bits)
    assert struct.unpack_from(f"{order}HH", program, 16) == (2, machine)
    (entry,) = struct.unpack_from(f"{order}{word}", program, 24)
    assert program[entry - 0x10000 :], "the code is in the file"
    assert len(program) < 160


def test_of_others_there_is_none() -> None:
    assert smallest("loong64") is None
