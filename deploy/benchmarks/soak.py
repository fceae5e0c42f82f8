"""Ten minutes at 80 % of the peak: is memory flat, is latency steady, is every request answered?

    .venv/bin/python -m deploy.benchmarks.soak

The peak is that of a closed loop at 32 connections.  The load is an open loop: requests are due at
a fixed rate, and a request's latency begins when it is due, whether or not it could be sent then.
Ends with exit code 1 where memory grows, latency creeps or a request fails.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from deploy.benchmarks.contestants import ours
from deploy.benchmarks.load_client import Answers, closed_loop, open_loop, quantile_ms, run
from deploy.benchmarks.materials import Materials
from deploy.benchmarks.options import common_options, settings_of
from deploy.benchmarks.questions import endless, read_questions
from deploy.benchmarks.server import Server, ServerFailed, Usage, running, usage

_CONNECTIONS = 32
_SAMPLE_S = 2.0
_WINDOW_S = 30.0
_SETTLE_S = 120.0
"""Until caches, pools and arenas have their size; a third of a shorter soak."""
_FLAT_SHARE = 0.01
"""Memory is flat if the line through its samples rises by less than this until the end.

That is the process's own memory.  Pages of mapped files, the encoder's weights first, add to the
resident size when they are read for the first time; their files bound them."""
_CREEP_RATIO = 1.25
"""Latency creeps if the last third's median is above this many times the first third's."""
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Window:
    """Half a minute, or what is left of it at the end."""

    start_s: float
    answers: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int
    resident: int
    """Bytes, the most of its samples; as the next three."""
    own: int
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server held, this long after the load began."""

    at_s: float
    usage: Usage


async def soak(server: Server, questions: Iterator[str], rate: float, seconds: float) -> tuple[Answers, list[Sample]]:
    """The load, and samples of the server taken beside it."""
    began = time.perf_counter()
    samples: list[Sample] = []

    async def watch() -> None:
        while True:
            samples.append(Sample(time.perf_counter() - began, usage(server.pid)))
            await asyncio.sleep(_SAMPLE_S)

    watcher = asyncio.create_task(watch())
    answers = await open_loop(server.target, questions, rate, seconds)
    watcher.cancel()
    return answers, samples


def windows(answers: Answers, samples: list[Sample]) -> list[Window]:
    """By the moment when requests were due."""
    found = []
    for start in np.arange(0, answers.seconds, _WINDOW_S):
        inside = [
            latency
            for due, latency in zip(answers.due_s, answers.latencies_s, strict=True)
            if start <= due < start + _WINDOW_S
        ]
        held = [sample.usage for sample in samples if start <= sample.at_s < start + _WINDOW_S]
        found.append(
            Window(
                start_s=float(start),
                answers=len(inside),
                p50_ms=quantile_ms(inside, 0.5),
                p95_ms=quantile_ms(inside, 0.95),
                p99_ms=quantile_ms(inside, 0.99),
                errors=sum(start <= due < start + _WINDOW_S for due in answers.error_due_s),
                resident=max(each.resident for each in held),
                own=max(each.own for each in held),
                descriptors=max(each.descriptors for each in held),
                threads=max(each.threads for each in held),
            )
        )
    return found


def growth(samples: list[Sample], seconds: float, name: str) -> tuple[float, float]:
    """Bytes a second by the line through a field of the settled samples, and its rise until the end as a share."""
    settled = [sample for sample in samples if sample.at_s >= min(_SETTLE_S, seconds / 3)]
    slope, start = np.polyfit([each.at_s for each in settled], [getattr(each.usage, name) for each in settled], 1)
    held = start + slope * settled[0].at_s
    return float(slope), float(slope * (seconds - settled[0].at_s) / held)


def creep(answers: Answers, name: str, share: float) -> tuple[str, float]:
    """How many times the first third's latency (settled) the last third's is."""
    settle = min(_SETTLE_S, answers.seconds / 3)
    third = (answers.seconds - settle) / 3
    pairs = list(zip(answers.due_s, answers.latencies_s, strict=True))
    first = [latency for due, latency in pairs if settle <= due < settle + third]
    last = [latency for due, latency in pairs if due >= answers.seconds - third]
    return name, quantile_ms(last, share) / quantile_ms(first, share)


def show(found: list[Window], console: Console) -> None:
    table = Table(
        "from, s", "answers", "p50 ms", "p95 ms", "p99 ms", "errors", "memory, MB", "own, MB", "descriptors", "threads"
    )
    for each in found:
        table.add_row(
            f"{each.start_s:.0f}",
            f"{each.answers:,}",
            *(f"{value:.1f}" for value in (each.p50_ms, each.p95_ms, each.p99_ms)),
            str(each.errors),
            f"{each.resident / _MB:,.1f}",
            f"{each.own / _MB:,.1f}",
            str(each.descriptors),
            str(each.threads),
        )
    console.print(table)


def verdict(answers: Answers, samples: list[Sample], console: Console) -> bool:
    """Say whether all is well, and why not."""
    slope, share = growth(samples, answers.seconds, "own")
    flat = share < _FLAT_SHARE
    console.print(
        f"own memory {'is flat' if flat else 'GROWS'}: {60 * slope / _MB:+.2f} MB a minute once settled "
        f"({share:+.2%} until the end)"
    )
    slope, share = growth(samples, answers.seconds, "resident")
    console.print(
        f"resident memory, with the pages of mapped files that were read so far: {60 * slope / _MB:+.2f} MB a minute "
        f"({share:+.2%}); peak {samples[-1].usage.peak / _MB:,.0f} MB"
    )
    ratios = dict(creep(answers, name, quantile) for name, quantile in (("p50", 0.5), ("p99", 0.99)))
    steady = ratios["p50"] < _CREEP_RATIO
    console.print(
        f"latency {'is steady' if steady else 'CREEPS'}: last third / first third: "
        + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    )
    counts = [sample.usage.descriptors for sample in samples]
    console.print(f"descriptors: {counts[len(counts) // 3]} at a third, {counts[-1]} at the end")
    for reason, count in answers.errors.items():
        console.print(f"{count} x {reason}", markup=False)
    lost = answers.errors.total()
    console.print(f"{answers.requests:,} requests, {len(answers.latencies_s):,} answered, {lost:,} failed")
    return flat and steady and not lost


def parse() -> argparse.Namespace:
    parser = common_options(__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--share", type=float, default=0.8, help="of the peak")
    parser.add_argument("--peak-seconds", type=float, default=15)
    parser.add_argument("--rate", type=float, help="requests a second, instead of a share of the peak")
    parser.add_argument("--engine", help="XQG_ENGINE of the service")
    return parser.parse_args()


def main() -> int:
    args = parse()
    console = Console(width=120)
    questions = endless(read_questions(args.questions, args.seed))
    with tempfile.TemporaryDirectory() as scratch:
        materials = Materials(Path(scratch), args.bundle, args.vectors, args.alpha, Path(scratch) / "checkpoint")
        service = ours("xQG", materials, materials.fused, args.engine, settings_of(args.set))
        log = args.output / "logs" / "soak.log"
        with running(service.command, service.environment, service.target, next(questions), log) as server:
            console.print(f"first answer after {server.first_answer_s:.1f} s")
            rate = args.rate
            if rate is None:
                run(closed_loop(server.target, questions, _CONNECTIONS, args.peak_seconds / 3))
                peak = run(closed_loop(server.target, questions, _CONNECTIONS, args.peak_seconds))
                rate = args.share * peak.rate
                console.print(f"peak at {_CONNECTIONS} connections: {peak.rate:.0f} requests/s")
            console.print(f"{args.minutes:g} minutes at {rate:.0f} requests/s")
            answers, samples = run(soak(server, questions, rate, 60 * args.minutes))
    found = windows(answers, samples)
    show(found, console)
    good = verdict(answers, samples, console)
    path = args.output / "soak.json"
    path.write_text(json.dumps({"rate": rate, "windows": [asdict(each) for each in found]}, indent=1))
    console.print(f"figures: {path}")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerFailed as failure:
        raise SystemExit(f"error: {failure}") from failure
