"""Scores over something that is varied."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter
from scipy.optimize import isotonic_regression

from offline.evaluate.plots.style import INK, canvas, drawn, styles_of
from offline.evaluate.report.drawing import Drawing
from offline.evaluate.report.model import MACRO
from offline.evaluate.report.wording import language_name

_LABEL_GAP = 0.062
"""Least distance of two labels at the ends of lines, of the height of the axes."""
_MOST_TICKS = 12
"""Of the x axis, and markers of a line."""
_BASELINE, _MARK = (0, (1, 3)), (0, (6, 3))
"""Dashes."""


def lines(
    title: str,
    x_label: str,
    y_label: str,
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    baseline: Mapping[str, float] | None = None,
    x_scale: Literal["linear", "symlog"] = "linear",
    marked_x: float | None = None,
    baseline_label: str = "without xQG",
    marked_label: str = "in use",
) -> Drawing:
    """A line a series over ``x``, each named at its end.

    Args:
        x: ascending; ``symlog`` takes values from 0 and sets 0 beside powers of ten.
        series: name to a value per ``x``; NaN leaves a gap.
        baseline: name of a series to the value that it is measured against, a thin line of its colour.
        marked_x: where a vertical line stands.
    """
    with canvas(title, 7.2, 4.4) as (figure, axes):
        for name, look in styles_of(list(series)).items():
            front = 3 if name == MACRO else 2
            axes.plot(
                x,
                series[name],
                color=look.colour,
                linestyle=look.dashes,
                linewidth=look.width,
                marker=look.marker,
                markevery=math.ceil(len(x) / _MOST_TICKS),
                markeredgecolor=INK,
                markeredgewidth=0.5,
                zorder=front,
            )
            if baseline and name in baseline:
                axes.axhline(baseline[name], color=look.colour, linestyle=_BASELINE, linewidth=1.2, zorder=front)
        if x_scale == "symlog":
            least = min((value for value in x if value > 0), default=1)
            axes.set_xscale("symlog", linthresh=least, linscale=0.5)
            axes.set_xlim(-0.2 * least, 1.15 * (x[-1] or least))
        if len(x) <= _MOST_TICKS:
            axes.xaxis.set_major_locator(FixedLocator(list(x)))
            axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        if marked_x is not None:
            axes.axvline(marked_x, color=INK, linestyle=_MARK, linewidth=1, zorder=1)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.grid(axis="y")
        _name_at_ends(axes, x, series)
        keys = [(_BASELINE, baseline_label)] * bool(baseline) + [(_MARK, marked_label)] * (marked_x is not None)
        if keys:
            handles = [Line2D([], [], color=INK, linestyle=dashes, linewidth=1.2) for dashes, _ in keys]
            figure.legend(handles, [label for _, label in keys], loc="outside lower center", ncols=len(keys))
        return drawn(figure)


def _name_at_ends(axes: Axes, x: Sequence[float], series: Mapping[str, Sequence[float]]) -> None:
    ends = {
        name: [(place, value) for place, value in zip(x, values, strict=True) if not math.isnan(value)][-1:]
        for name, values in series.items()
    }
    named = sorted(((name, *end[0]) for name, end in ends.items() if end), key=lambda entry: entry[2])
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    heights = spread([(value - low) / (high - low) for _, _, value in named], _LABEL_GAP)
    looks = styles_of(list(series))
    for (name, place, value), height in zip(named, heights, strict=True):
        axes.annotate(
            language_name(name),
            (place, value),
            (1.06, height),
            textcoords="axes fraction",
            verticalalignment="center",
            fontweight="bold" if name == MACRO else "normal",
            arrowprops={
                "arrowstyle": "-",
                "color": looks[name].colour,
                "linewidth": 0.8,
                "relpos": (0, 0.5),
                "shrinkA": 2,
                "shrinkB": 4,
            },
            annotation_clip=False,
        )


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Positions at least ``gap`` apart, in the same order, as near to the ascending given ones as can be.

    Least squares under that constraint is isotonic regression of the positions less the gaps below them.
    They are kept half a gap within 0 and 1 where they fit.
    """
    if not positions:
        return []
    gaps = gap * np.arange(len(positions))
    fitted = isotonic_regression(np.asarray(positions) - gaps).x
    least, most = gap / 2, 1 - gap / 2 - gaps[-1]
    return list(np.clip(fitted, least, max(least, most)) + gaps)
