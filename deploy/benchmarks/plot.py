"""The table as a picture, from the JSON that ``service.py`` writes; needs matplotlib.

python -m deploy.benchmarks.plot var/benchmarks/service.json var/benchmarks/service.png
"""

import argparse
import json
from pathlib import Path
from statistics import median
from typing import Any

_HEIGHT_IN = 0.55
"""Of one contestant."""
_COLOURS = ("#9db8d2", "#4a7fb5", "#173f66")


def draw(results: dict[str, Any], output: Path) -> None:
    """Bars of requests a second per contestant and level, whiskers from least to most, bounds as lines.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    contestants = results["contestants"][::-1]
    levels = list(contestants[0]["levels"])
    figure = Figure(figsize=(10, 1.5 + _HEIGHT_IN * len(contestants)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(levels)
    for place, level in enumerate(levels):
        rates = [[one["rate"] for one in each["levels"][level]] for each in contestants]
        middles = [median(each) for each in rates]
        reach = [
            [middle - min(each) for middle, each in zip(middles, rates, strict=True)],
            [max(each) - middle for middle, each in zip(middles, rates, strict=True)],
        ]
        rows = [row - height * (place - (len(levels) - 1) / 2) for row in range(len(contestants))]
        axes.barh(rows, middles, height, xerr=reach, color=_COLOURS[place], ecolor="#555555", label=f"{level} at once")
    for number, (engine, rate) in enumerate(results["combined_bound"].items()):
        axes.axvline(rate, color="#b03030", linestyle=("--", ":")[number % 2], label=f"combined bound, {engine}")
    axes.set_yticks(range(len(contestants)), [each["name"] for each in contestants])
    axes.set_xlabel("requests/s, median of the repetitions (whiskers: least to most)")
    figure.legend(loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(output, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("output", type=Path, help=".png or .svg")
    args = parser.parse_args()
    try:
        draw(json.loads(args.results.read_text()), args.output)
    except ImportError as error:
        raise SystemExit(
            "error: the plot needs matplotlib: pip install matplotlib, or use the peers' Python"
        ) from error


if __name__ == "__main__":
    main()
