from __future__ import annotations

from builder.dockerfile.layered import Layered


def test_it_says_what_a_dictionary_would_say() -> None:
    plain: dict[str, str] = {}
    layered = Layered({})
    for number in range(300):
        entries = {f"key{number % 170}": str(number), "last": str(number)}
        plain |= entries
        layered = layered.put(entries)
        assert list(layered.items()) == list(plain.items())
    assert len(layered) == len(plain)
    assert "key1" in layered
    assert layered.get("no-such-key") is None


def test_what_was_there_before_does_not_change() -> None:
    before = Layered({"a": "1"})
    after = before.put({"a": "2", "b": "3"})
    assert dict(before) == {"a": "1"}
    assert dict(after) == {"a": "2", "b": "3"}
