"""Plots: what is drawn is what was given, the same each time, and looks like its kin."""

import math
import re
import struct
from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib
import pytest

from app.languages import CODES
from offline.evaluate import plots
from offline.evaluate.plots.curves import spread
from offline.evaluate.plots.style import INK, styles_of
from offline.evaluate.report.drawing import Drawing
from tests.offline.evaluate.made_report import draw_all

SVG = "{http://www.w3.org/2000/svg}"


def test_equal_input_gives_equal_bytes_whatever_a_users_matplotlib_settings_are(drawings: dict[str, Drawing]) -> None:
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "svg.fonttype": "none"}):
        before = dict(matplotlib.rcParams)
        assert draw_all() == drawings
        assert dict(matplotlib.rcParams) == before


def test_every_svg_is_whole_without_fonts_scripts_or_other_files(drawings: dict[str, Drawing]) -> None:
    for name, drawing in drawings.items():
        root = ElementTree.fromstring(drawing.svg)  # noqa: S314, our own
        tags = {element.tag for element in root.iter()}
        assert not tags & {f"{SVG}text", f"{SVG}image", f"{SVG}script", f"{SVG}metadata"}, name
        links = [value for e in root.iter() for key, value in e.attrib.items() if key.endswith("href")]
        assert links, name
        assert all(link.startswith("#") for link in links), name


def test_names_with_markup_or_formulas_in_them_are_drawn_as_they_are() -> None:
    drawing = plots.forest(
        "--><script>alert(1)</script>", "$x_", {"</svg>&": (1.0, 0.0, 2.0), "$\\no$": (1.0, 0.0, 2.0)}
    )
    root = ElementTree.fromstring(drawing.inside("plot", "caption"))  # noqa: S314, our own
    assert root.tag == f"{SVG}svg"
    assert f"{SVG}script" not in {element.tag for element in root.iter()}


def test_the_ink_of_an_svg_is_that_of_the_page_around_it(drawings: dict[str, Drawing]) -> None:
    for drawing in drawings.values():
        assert INK not in drawing.svg
        assert "currentColor" in drawing.svg


def test_the_png_is_large_enough_for_print(drawings: dict[str, Drawing]) -> None:
    for drawing in drawings.values():
        width, height = struct.unpack(">II", drawing.png[16:24])
        assert width >= 1000
        assert height >= 500


def test_seven_languages_and_their_average_differ_in_colour_in_marker_and_in_dashes() -> None:
    looks = list(styles_of([*CODES, "macro"]).values())
    for feature in ("colour", "marker"):
        assert len({getattr(look, feature) for look in looks}) == 8
    assert len({look.dashes for look in looks if look.width < 2}) == 7
    assert len({look.width for look in looks}) == 2


def test_a_language_looks_the_same_whatever_is_drawn_beside_it() -> None:
    assert styles_of(["ru", "te"])["te"] == styles_of([*CODES, "macro"])["te"]
    assert styles_of(["en", "ar"])["en"] != styles_of(["en", "ar"])["ar"]


def test_more_series_than_styles_can_be_drawn() -> None:
    assert len(styles_of([f"encoder {n}" for n in range(20)])) == 20


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.1, 0.5, 0.9], [0.1, 0.5, 0.9]),  # far enough apart
        ([0.5, 0.5], [0.45, 0.55]),  # both give way
        ([0.4, 0.5, 0.5, 0.5], [0.325, 0.425, 0.525, 0.625]),  # mean of 0.4, 0.4, 0.3, 0.2 is 0.325
        ([0.99, 1.0], [0.85, 0.95]),  # within the axes
    ],
)
def test_labels_give_way_to_each_other_as_little_as_they_can(given: list[float], expected: list[float]) -> None:
    assert spread(given, 0.1) == pytest.approx(expected)


def test_more_labels_than_fit_keep_their_distance() -> None:
    placed = spread([0.5] * 20, 0.1)
    assert [b - a for a, b in pairwise(placed)] == pytest.approx([0.1] * 19)


def markers(drawing: Drawing) -> int:
    """Points drawn: each uses its marker's outline inside the axes."""
    return len(re.findall(r'<use xlink:href="#m[0-9a-f]+" [^>]*style="fill: #', drawing.svg))


def test_a_line_has_a_point_per_value_and_none_where_there_is_none() -> None:
    whole = plots.lines("t", "x", "y", [0, 1, 2], {"ar": [1, 2, 3], "fi": [2, 3, 4]})
    gap = plots.lines("t", "x", "y", [0, 1, 2], {"ar": [1, 2, 3], "fi": [2, math.nan, math.nan]})
    assert (markers(whole), markers(gap)) == (6, 4)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.lines("t", "x", "y", [0, 1], {"ar": [math.nan, math.nan]}),
        lambda: plots.lines("t", "x", "y", [0.0], {"ar": [50.0]}, x_scale="symlog"),
        lambda: plots.lines("t", "x", "y", list(range(40)), {"ar": [1.0] * 40}, x_scale="symlog"),
        lambda: plots.forest("t", "x", {"macro": (0.0, 0.0, 0.0)}),
        lambda: plots.forest("t", "x", {"ar": (math.nan, math.nan, math.nan)}),
        lambda: plots.paired_bars("t", "y", ["ar"], {"with": [0.3]}, intervals={"with": [(0.1 + 0.2, 0.3)]}),
        lambda: plots.heatmap("t", ["ar"], ["ar"], [[0.0]], "points"),
        lambda: plots.heatmap("t", ["ar"], ["ar"], [[math.nan]], "points"),
        lambda: plots.paired_bars("t", "y", ["ar"], {f"encoder {n}": [1.0] for n in range(9)}),
    ],
)
def test_little_or_much_to_draw_is_drawn(draw: Callable[[], Drawing]) -> None:
    assert draw().png.startswith(b"\x89PNG")
