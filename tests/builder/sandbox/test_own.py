from __future__ import annotations

from pathlib import Path

from builder.sandbox.own import own_directory


def test_a_directory_with_interpreter_and_loader_is_masus_own(tmp_path: Path) -> None:
    for name in ("bin/python3.11", "lib/ld-linux-aarch64.so.1"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert own_directory(f"{tmp_path}/bin/python3.11") == tmp_path
    (tmp_path / "lib/ld-linux-aarch64.so.1").unlink()
    assert own_directory(f"{tmp_path}/bin/python3.11") is None


def test_the_systems_directories_are_not_whatever_lies_in_them() -> None:
    assert own_directory("/usr/bin/python3.11") is None
    assert own_directory("/bin/python3") is None
