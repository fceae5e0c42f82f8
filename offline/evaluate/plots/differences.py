"""Differences of scores, which have a sign."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize

from offline.evaluate.plots.style import INK, canvas, drawn
from offline.evaluate.report.drawing import Drawing
from offline.evaluate.report.model import MACRO
from offline.evaluate.report.wording import language_name, signed


def forest(title: str, x_label: str, rows: Mapping[str, tuple[float, float, float]]) -> Drawing:
    """A row a language: difference and confidence interval, against a line at 0.

    Args:
        rows: name to difference, low and high end, from the top.
    """
    with canvas(title, 7.2, 1.3 + 0.36 * len(rows)) as (figure, axes):
        for place, (name, (difference, low, high)) in enumerate(rows.items()):
            main = name == MACRO
            colour = INK if main else "#0072B2"
            axes.plot([low, high], [place, place], marker="|", color=colour, linewidth=2.4 if main else 1.6)
            axes.plot(difference, place, marker="D" if main else "s", color=colour, markersize=7 if main else 5.5)
            axes.annotate(
                f"{signed(difference)} [{signed(low)}, {signed(high)}]",
                (1.02, place),
                xycoords=("axes fraction", "data"),
                verticalalignment="center",
                fontweight="bold" if main else "normal",
                annotation_clip=False,
            )
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(range(len(rows)), [language_name(name) for name in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(x_label)
        axes.grid(axis="x")
        return drawn(figure)


def heatmap(
    title: str,
    x_labels: Sequence[str],
    y_labels: Sequence[str],
    values: Sequence[Sequence[float]],
    unit: str,
    *,
    x_label: str = "",
    y_label: str = "",
) -> Drawing:
    """Signed numbers in cells, blue above 0 and red below, the deeper the farther.

    Args:
        values: a row per ``y_labels``, a column per ``x_labels``; NaN leaves a cell empty.
        unit: what the numbers are, written below.
    """
    cells = np.asarray(values, dtype=float)
    most = max((abs(value) for value in chain(*values) if not math.isnan(value)), default=0) or 1
    with canvas(title, 2.4 + 0.72 * len(x_labels), 1.7 + 0.42 * len(y_labels)) as (figure, axes):
        scale, colours = Normalize(-most, most), colormaps["RdBu"]
        axes.pcolormesh(np.ma.masked_invalid(cells), norm=scale, cmap=colours, edgecolors=INK, linewidth=0.4)
        for (row, column), value in np.ndenumerate(cells):
            empty = math.isnan(value)
            axes.text(
                column + 0.5,
                row + 0.5,
                signed(value),
                color=INK if empty else "white" if abs(value) > 0.65 * most else "black",
                horizontalalignment="center",
                verticalalignment="center",
            )
        axes.set_xticks(np.arange(len(x_labels)) + 0.5, [language_name(label).replace(" ", "\n") for label in x_labels])
        axes.set_yticks(np.arange(len(y_labels)) + 0.5, [language_name(label) for label in y_labels])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.invert_yaxis()
        axes.set(xlabel=x_label, ylabel=y_label)
        figure.supxlabel(unit, fontsize=8.5)
        return drawn(figure)
