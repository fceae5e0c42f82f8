"""A plan as lines of text."""

from collections.abc import Iterator
from dataclasses import asdict

from offline.plan.stages import Figure, Unit
from offline.plan.workload import Rates

_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (0, "bytes"))
_SECONDS = ((2 * 86400, 86400, "days"), (2 * 3600, 3600, "hours"), (120, 60, "minutes"), (0, 1, "seconds"))
_WIDTH = 20


def lines(stages: dict[str, list[Figure]], rates: Rates) -> Iterator[str]:
    """The figures by stage, each with its arithmetic, then the rates and where they come from."""
    for stage, figures in stages.items():
        yield stage
        for figure in figures:
            note = f"  ({figure.note})" if figure.note else ""
            value = said(figure.number.value, figure.unit)
            yield f"  {figure.what:{_WIDTH}}{value:>15}  = {figure.number.text}{note}"
    yield "rates"
    for name, rate in asdict(rates).items():
        yield f"  {name.replace('_', ' '):{_WIDTH}}{rate['value']:>15,.10g}  {rate['unit']}; {rate['source']}"


def said(value: float, unit: Unit) -> str:
    """A value as a person says it: ``443 GB``, ``14.6 days``, ``$3,500``."""
    if unit == "bytes":
        least, name = next((least, name) for least, name in _BYTES if value >= least)
        return f"{_three_digits(value / max(least, 1))} {name}"
    if unit == "s":
        size, name = next((size, name) for least, size, name in _SECONDS if value >= least)
        return f"{_three_digits(value / size)} {name}"
    return f"{unit[:1]}{value:,.0f}{unit[1:]}"


def _three_digits(value: float) -> str:
    return f"{value:,.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}"
