from __future__ import annotations

import pytest

from builder.errors import ContextError
from builder.rootfs.wildcards import compile_component

# From the table of Go's path/filepath, match_test.go, as facts.
MATCHES = [
    ("abc", "abc", True),
    ("*", "abc", True),
    ("*c", "abc", True),
    ("a*", "a", True),
    ("a*", "ab/c", True),
    ("ab[c]", "abc", True),
    ("ab[b-d]", "abc", True),
    ("ab[e-g]", "abc", False),
    ("ab[^c]", "abc", False),
    ("ab[^b-d]", "abc", False),
    ("ab[^e-g]", "abc", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "ab", False),
    ("a?b", "a☺b", True),
    ("a[^a]b", "a☺b", True),
    ("a???b", "a☺b", False),
    ("[a-ζ]*", "α", True),
    ("*[a-ζ]", "A", False),
    ("[\\]a]", "]", True),
    ("[\\-]", "-", True),
    ("[x\\-]", "x", True),
    ("[x\\-]", "z", False),
    ("[\\-x]", "-", True),
    ("*x", "xxx", True),
    ("[[]", "[", True),
    ("a.c", "abc", False),
    ("[z-a]", "b", False),
    ("[^z-a]", "b", True),
]
MALFORMED = ["[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[^bc", "a[", "a[\\", "\\"]


@pytest.mark.parametrize(("pattern", "name", "matches"), MATCHES)
def test_as_go_matches(pattern: str, name: str, matches: bool) -> None:
    assert bool(compile_component(pattern).fullmatch(name)) is matches


@pytest.mark.parametrize("pattern", MALFORMED)
def test_malformed_as_in_go(pattern: str) -> None:
    with pytest.raises(ContextError, match="malformed wildcard"):
        compile_component(pattern)
