"""The results as one table, as verdicts in words, and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.benchmarks.results import LEVELS, Bound, Measured, spread

_MB = 1e6
_PLAIN = ", without xQG"


def without_xqg(name: str) -> str:
    """What a contestant is called that serves plain vectors and is otherwise the one of this name."""
    return name + _PLAIN


def show(measured: list[Measured], bound: Bound, console: Console) -> None:
    """Bound, ours and peers in one table; medians, and from the least to the most in brackets."""
    table = Table(title="requests/s and p50/p99 in ms; median of the repetitions (least-most)")
    table.add_column("")
    for level in LEVELS:
        table.add_column(f"{level} at once", justify="right")
    for name in (
        "of the bound, 8/32",
        "server CPU",
        "client CPU",
        "memory, MB",
        "first answer, s",
        "same 1st/10",
        "errors",
    ):
        table.add_column(name, justify="right")
    for engine in bound.engines():
        best = bound.best(engine)
        alone = f"p50/p99 {median(bound.lone_ms(engine, 'p50_s')):.1f}/{median(bound.lone_ms(engine, 'p99_s')):.1f}"
        table.add_row(
            f"{engine} alone, {best['callers']} x batch {best['batch']}",
            alone,
            "",
            spread(best["rates"]),
            "",
            f"{1e3 * best['cpu_s']:.2f} ms",
        )
    if bound.http.levels[LEVELS[0]]:
        table.add_row(*_row(bound.http, ""))
        for engine in bound.engines():
            combined = bound.combined(engine)
            table.add_row(f"combined bound, {engine}", "", "", f"{combined:,.0f}", "100 %")
    table.add_section()
    for each in _complete(measured):
        engine = each.engine or "onnxruntime"
        known = engine in bound.engines() and bound.http.levels[LEVELS[0]]
        table.add_row(*_row(each, _share(each, bound.combined(engine)) if known else ""))
    console.print(table)
    for each in measured:
        if each.failure is not None:
            console.print(f"{each.name} is left out: {each.failure}", markup=False)
    for each in [bound.http, *measured]:
        for reason, count in each.errors.items():
            console.print(f"{each.name}: {count} x {reason}", markup=False)


def _complete(measured: list[Measured]) -> list[Measured]:
    return [each for each in measured if each.failure is None]


def _row(each: Measured, share: str) -> list[str]:
    last = LEVELS[-1]
    cells = [each.name]
    for level in LEVELS:
        rates = [one.rate for one in each.levels[level]]
        p50, p99 = each.middle(level, "p50_ms"), each.middle(level, "p99_ms")
        cells.append(f"{spread(rates)}\n{p50:.1f}/{p99:.1f}")
    cells += [share, f"{each.middle(last, 'server_cpu_ms'):.2f} ms", f"{each.middle(last, 'client_cpu_ms'):.3f} ms"]
    cells += [f"{median(each.peak_bytes) / _MB:,.0f}", spread(each.first_answer_s, 1)]
    cells.append("/".join(f"{value:.2f}" for value in each.agreement) if each.agreement else "")
    return [*cells, str(sum(each.errors.values()))]


def _share(each: Measured, bound: float) -> str:
    return " / ".join(f"{each.middle(level, 'rate') / bound:.0%}" for level in LEVELS[1:])


def verdicts(measured: list[Measured], bound: Bound) -> Iterator[str]:
    """What the figures say of ours: beside the bound, beside each peer, and with xQG beside without."""
    measured = _complete(measured)
    own = [each for each in measured if each.ours]
    for each in own:
        engine = each.engine or ""
        if _PLAIN not in each.name and engine in bound.engines():
            lone = each.middle(1, "p50_ms") - median(bound.lone_ms(engine, "p50_s"))
            yield f"{each.name}: one client's p50 is {lone:+.2f} ms from raw tokenize + encode + search"
        yield f"{each.name}: p99 at 8 is {each.middle(8, 'p99_ms') / each.middle(8, 'p50_ms'):.2f} times p50"
        for peer in measured:
            if not peer.ours and _PLAIN not in each.name:
                ratios = (f"{each.middle(n, 'rate') / peer.middle(n, 'rate'):.2f}" for n in LEVELS)
                yield f"{each.name}: {' / '.join(ratios)} times {peer.name} at {' / '.join(map(str, LEVELS))}"
    for with_xqg in own:
        for without in own:
            if without.name == without_xqg(with_xqg.name):
                yield from _cost_of_xqg(with_xqg, without)


def _cost_of_xqg(with_xqg: Measured, without: Measured) -> Iterator[str]:
    """Round by round, since the two ran one after the other in each."""
    for level in LEVELS:
        pairs = list(zip(with_xqg.levels[level], without.levels[level], strict=True))
        rates = spread([one.rate / other.rate for one, other in pairs], 3)
        cpu = spread([one.server_cpu_ms / other.server_cpu_ms for one, other in pairs], 3)
        yield f"with xQG / without, {level} at once: requests/s {rates}, CPU per request {cpu}"


def as_json(measured: list[Measured], bound: Bound) -> dict[str, Any]:
    """Everything that was measured, and the combined bounds."""
    known = bound.http.levels[LEVELS[0]]
    combined = {engine: bound.combined(engine) for engine in bound.engines()} if known else {}
    return {
        "contestants": [asdict(each) for each in _complete(measured)],
        "bound": asdict(bound),
        "combined_bound": combined,
    }
