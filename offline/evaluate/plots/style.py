"""How plots look: distinguishable by the colour-blind, in black and white, on light and on dark paper."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.languages import CODES
from offline.evaluate.report.drawing import Drawing
from offline.evaluate.report.model import MACRO

INK = "#1b1e23"
"""Of everything that is no data: the text colour of the page, in an SVG."""
_DOTS_PER_INCH = 160
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "xqg",  # equal input, equal ids
    "font.size": 9.5,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.alpha": 0.18,
    "grid.color": INK,
    "hatch.color": INK,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollar signs
    "xtick.color": INK,
    "ytick.color": INK,
}

Dashes = str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class SeriesStyle:
    """What tells one series from the others, three times over."""

    colour: str
    marker: str
    dashes: Dashes
    hatch: str
    width: float = 1.6


# Colours of Okabe and Ito, Color Universal Design (2008), grey in the place of yellow, which white paper swallows.
_STYLES = (
    SeriesStyle("#E69F00", "o", "-", ""),
    SeriesStyle("#0072B2", "s", (0, (5, 1.5)), "///"),
    SeriesStyle("#009E73", "^", (0, (1, 1.2)), "..."),
    SeriesStyle("#CC79A7", "D", (0, (6, 1.5, 1, 1.5)), "\\\\\\"),
    SeriesStyle("#56B4E9", "v", (0, (9, 2)), "xxx"),
    SeriesStyle("#D55E00", "P", (0, (3, 1, 1, 1, 1, 1)), "---"),
    SeriesStyle("#7F7F7F", "X", (0, (3, 3)), "+++"),
)
_MACRO = SeriesStyle(INK, "*", "-", "", 2.8)


def styles_of(names: Sequence[str]) -> dict[str, SeriesStyle]:
    """A style a series; a language looks the same in every plot, and the average is the bold line."""
    own = {code: look for code, look in zip(CODES, _STYLES, strict=True) if code in names}
    free = cycle([look for look in _STYLES if look not in own.values()] or _STYLES)
    return {name: _MACRO if name == MACRO else own[name] if name in own else next(free) for name in names}


@contextmanager
def canvas(title: str, width_in: float, height_in: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure to draw in, and a house style that neither a user's matplotlibrc nor other figures touch."""
    with style.context(["default", _SETTINGS]):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        axes = figure.subplots()
        axes.set_title(title, fontweight="bold")
        yield figure, axes


def drawn(figure: Figure) -> Drawing:
    """The figure's files; equal figures give equal bytes.

    The ink of an SVG is ``currentColor`` on no ground, so that it is black on white paper and light on
    a dark page; a PNG has a white ground.
    """
    svg, png = io.StringIO(), io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(svg, format="svg", transparent=True, metadata=nothing)
    figure.savefig(png, format="png", dpi=_DOTS_PER_INCH, facecolor="white", metadata={"Software": None})
    return Drawing(svg.getvalue().replace(INK, "currentColor"), png.getvalue())
