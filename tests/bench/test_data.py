"""The data are the same each time and of the sizes asked for."""

from __future__ import annotations

import zlib

from bench.data import Material, tree


def test_a_tree_is_the_same_each_time() -> None:
    first, second = (list(tree(Material.make(7), files=50, total=100_000)) for _ in range(2))
    assert first == second


def test_a_tree_has_the_files_and_about_the_bytes_asked_for() -> None:
    found = list(tree(Material.make(7), files=1000, total=3_000_000))
    assert len({name for name, _ in found}) == 1000
    assert 2_500_000 < sum(len(content) for _, content in found) <= 3_000_000


def test_text_compresses_as_text_does_and_noise_does_not() -> None:
    material = Material.make(7)
    assert 0.25 < len(zlib.compress(material.text)) / len(material.text) < 0.55
    assert len(zlib.compress(material.noise)) > 0.99 * len(material.noise)
