"""Scores side by side."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from offline.evaluate.plots.style import INK, canvas, drawn, styles_of
from offline.evaluate.report.drawing import Drawing
from offline.evaluate.report.wording import language_name

_MOST_WITH_NUMBERS = 2
"""Series of which the numbers above the bars do not run into each other."""


def paired_bars(
    title: str,
    y_label: str,
    groups: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    intervals: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Drawing:
    """Bars side by side in every group, from 0.

    Args:
        series: name to a value per group.
        intervals: name of a series to the low and high end per group.
    """
    with canvas(title, 7.2, 4.2) as (figure, axes):
        width = 0.84 / len(series)
        for number, (name, look) in enumerate(styles_of(list(series)).items()):
            places = [group + width * (number - (len(series) - 1) / 2) for group in range(len(groups))]
            bars = axes.bar(
                places,
                series[name],
                width,
                yerr=_reach(series[name], intervals[name]) if intervals and name in intervals else None,
                error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 2.5},
                label=language_name(name),
                color=look.colour,
                hatch=look.hatch,
                edgecolor=INK,
            )
            if len(series) <= _MOST_WITH_NUMBERS:
                axes.bar_label(bars, fmt="%.1f", fontsize=7, padding=2)
        axes.set_xticks(range(len(groups)), [language_name(group).replace(" ", "\n") for group in groups])
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel(y_label)
        axes.grid(axis="y")
        figure.legend(loc="outside lower center", ncols=min(len(series), 3))
        return drawn(figure)


def _reach(values: Sequence[float], intervals: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """How far the intervals reach below and above the values, [2, groups]."""
    ends = np.asarray(intervals, dtype=float)
    return np.maximum([values - ends[:, 0], ends[:, 1] - values], 0)  # rounding may leave a value outside
