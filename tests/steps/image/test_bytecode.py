from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from steps.image.bytecode import compile_all


def test_what_is_compiled_is_used_unseen(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    module = tmp_path / "package/module.py"
    module.write_text("print('compiled')\n")
    compile_all(tmp_path)
    module.write_text("print('the source')\n")
    argv = [sys.executable, "-c", "import package.module"]
    done = subprocess.run(argv, cwd=tmp_path, env={}, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "compiled\n"


def test_compiling_twice_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("x = {'a', 'b', 'c'}\n")
    compile_all(tmp_path)
    (compiled,) = tmp_path.rglob("*.pyc")
    before = compiled.read_bytes(), compiled.stat().st_mtime_ns
    compile_all(tmp_path)
    assert (compiled.read_bytes(), compiled.stat().st_mtime_ns) == before
