"""Pictures for docs/: SVG, the same from the same figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "masu", "font.size": 9, "font.family": "sans-serif"}
_INCH_PER_BAR = 0.16


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points of `unit` and value; `line`, two of its own, is what they are to lie on; `top`: the scale's end, 0 to fit."""

    title: str
    unit: str
    points: Sequence[tuple[float, float]]
    line: Sequence[tuple[float, float]] = ()
    top: float = 0


def draw_bars(path: Path, bars: Mapping[str, Mapping[str, float]], *, marks: Mapping[str, float], label: str) -> None:
    """`bars`: a value by group and by name, drawn in the order given; `marks`: a group's limit, as a line across it."""
    names = list(dict.fromkeys(name for group in bars.values() for name in group))
    step = len(names) + 1
    figure = _figure(width=8, height=1.2 + _INCH_PER_BAR * step * len(bars))
    axes = figure.subplots()
    for offset, name in enumerate(names):
        places = [step * number + offset for number, group in enumerate(bars.values()) if name in group]
        axes.barh(places, [group[name] for group in bars.values() if name in group], height=0.9, label=name)
    for number, group_name in enumerate(bars):
        if limit := marks.get(group_name):
            axes.vlines(limit, step * number - 0.6, step * number + 0.6, colors="black", linewidth=2)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_yticks([step * number + (len(names) - 1) / 2 for number in range(len(bars))], list(bars))
    axes.invert_yaxis()
    axes.set_xlabel(label)
    figure.legend(loc="outside upper center", ncols=len(names))
    _save(figure, path)


def draw_curves(path: Path, rows: Sequence[Sequence[Curve]]) -> None:
    """A panel each; rows are of the same length."""
    figure = _figure(width=3 * len(rows[0]), height=2.6 * len(rows))
    panels = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for row, curves in zip(panels, rows, strict=True):
        for axes, curve in zip(row, curves, strict=True):
            _draw_curve(axes, curve)
    _save(figure, path)


def _draw_curve(axes: Axes, curve: Curve) -> None:
    if curve.line:
        axes.plot([x for x, _ in curve.line], [y for _, y in curve.line], color="grey", linewidth=1)
    axes.plot([x for x, _ in curve.points], [y for _, y in curve.points], "o")
    axes.set_title(curve.title)
    axes.set_xlabel(curve.unit)
    axes.set_ylim(0, curve.top or 1.1 * max(y for _, y in curve.points))
    axes.set_xlim(0, 1.1 * max(x for x, _ in curve.points))


def _figure(*, width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BenchError("plots need matplotlib: pip install 'masu[bench]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):  # type: ignore[arg-type]  # its keys are a literal type
        figure.savefig(path, format="svg", metadata={"Date": None})
