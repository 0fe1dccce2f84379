"""What current Docker engines make of `--chmod`, as found by building."""

from __future__ import annotations

import pytest

from builder.modes import Change

DIRECTORY, PROGRAM, FILE = 0o700, 0o4751, 0o644


@pytest.mark.parametrize(
    ("text", "directory", "program", "file"),
    [
        ("755", 0o755, 0o755, 0o755),
        ("07777", 0o7777, 0o7777, 0o7777),
        ("00000000644", 0o644, 0o644, 0o644),
        ("u=rwX,go=rX", 0o755, 0o755, 0o644),
        ("+x", 0o711, 0o4751, 0o755),
        ("a+w", 0o722, 0o4773, 0o666),
        ("g+s,o-r", 0o2700, 0o6751, 0o2640),
        ("a=,u+rw,+t", 0o1600, 0o1600, 0o1600),
        ("go=u", 0o777, 0o4777, 0o666),
        ("go+X", 0o711, 0o4751, 0o644),
        ("a-x+X", 0o711, 0o4751, 0o644),
        ("-s", 0o700, 0o751, 0o644),
        ("ug+s,+t", 0o7700, 0o7751, 0o7644),
        ("o+s,o+t", 0o700, 0o4751, 0o644),
        ("=rX", 0o555, 0o555, 0o444),
        ("u-w-r", 0o100, 0o4151, 0o044),
        ("-X", 0o600, 0o4640, 0o644),
        ("u=g=o", 0o000, 0o4151, 0o444),
        ("g=u+w,+w", 0o772, 0o4773, 0o666),
        ("+rwxst", 0o1700, 0o5751, 0o1644),
    ],
)
def test_modes_change(text: str, directory: int, program: int, file: int) -> None:
    change = Change.parse(text)
    assert change.apply(DIRECTORY, directory=True) == directory
    assert change.apply(PROGRAM, directory=False) == program
    assert change.apply(FILE, directory=False) == file


@pytest.mark.parametrize(
    "text", ["", "8", "07778", "10000", "u", "rwxr-xr-x", "u=rwz", "u+x,", ",u+x", "u+s,t", "+644", "0_7", "u +x", "٧"]
)
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no mode"):
        Change.parse(text)
