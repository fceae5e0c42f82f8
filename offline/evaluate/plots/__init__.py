"""Plots that the studies draw; the caller says in words what each shows (``Plot.alt``).

Values are shown as they are given, so they have the unit that the label names.  Names of series, groups
and rows that are language codes, or ``macro``, are written out.
"""

from offline.evaluate.plots.bars import paired_bars
from offline.evaluate.plots.curves import lines
from offline.evaluate.plots.differences import forest, heatmap

__all__ = ["forest", "heatmap", "lines", "paired_bars"]
