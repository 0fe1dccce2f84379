"""`masu run` in masu's own image, where a command has neither namespaces nor, as nobody, any capability."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.engine import Engine
from tests.support.masu import Masu, add_base

NOBODY = ("--user=1234560000:0", "--cap-drop=ALL", "--security-opt=no-new-privileges")
SCRIPT = """
masu load -i /in/base.tar && masu tag base mine:1
echo from stdin | masu run -i -u 33:44 -e A=b -w /etc --entrypoint sh mine:1 -c 'cat; id -u; id -g; echo $A; pwd; exit 7'
echo $?
masu prune --all && masu ls -q
"""


@pytest.mark.parametrize(("options", "sandbox"), [((), "takeover"), (NOBODY, "traced")], ids=["root", "nobody"])
def test_an_image_is_tried(engine: Engine, debug_image: str, tmp_path: Path, options: tuple[str, ...], sandbox: str) -> None:
    masu = Masu(state=tmp_path / "state")
    add_base(masu, tmp_path)
    assert masu("save", "-o", tmp_path / "in" / "base.tar", "base").returncode == 1, "there is no such directory"
    (tmp_path / "in").mkdir()
    assert masu("save", "-o", tmp_path / "in" / "base.tar", "base").returncode == 0
    tmp_path.chmod(0o755)
    mounted = ("--entrypoint=/busybox/sh", f"--volume={tmp_path / 'in'}:/in:ro")
    done = engine.run(debug_image, "-c", SCRIPT, options=(*options, *mounted))
    assert f"sandbox {sandbox}: chosen" in done.output
    assert "Loaded image: base:latest\n" in done.output
    assert "from stdin\n33\n44\nb\n/etc\n7\n" in done.output, done.output
    assert "deleted image mine:1" in done.output, done.output
