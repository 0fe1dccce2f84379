from __future__ import annotations

from builder.image.config import DEFAULT_PATH, Config
from builder.image.platform import Platform
from builder.trial import _exec


def test_an_image_without_a_path_gets_the_usual_one() -> None:
    bare = Config(platform=Platform.host())
    assert dict(_exec(bare, ("sh",)).env) == {"PATH": DEFAULT_PATH}
    own = Config(platform=Platform.host(), env=("A=1", "PATH=/bin", "A=2"))
    assert dict(_exec(own, ("sh",)).env) == {"PATH": "/bin", "A": "2"}
