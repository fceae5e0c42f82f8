"""One repetition: start a contestant, load it at every level, stop it."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from deploy.benchmarks.contestants import Contestant
from deploy.benchmarks.load_client import Answers, closed_loop, run
from deploy.benchmarks.materials import Reference
from deploy.benchmarks.results import LEVELS, Level, Measured
from deploy.benchmarks.server import Server, ServerFailed, ask_once, running, usage

PROGRESS = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long each level is loaded, unreported and reported, and where the servers' logs go."""

    warm_up_s: float
    seconds: float
    logs: Path


def measure(
    contestant: Contestant, measured: Measured, reference: Reference, questions: Iterator[str], plan: Plan
) -> None:
    """Add a repetition; in the first, compare answers with the exact ones.

    Raises:
        ServerFailed: it did not come up, or not with the engine asked for.
    """
    with running(
        contestant.command, contestant.environment, contestant.target, next(questions), plan.logs / contestant.log
    ) as server:
        if contestant.ours:
            measured.engine = _engine(server)
            if contestant.engine not in (None, measured.engine):
                raise ServerFailed(f"it runs on {measured.engine}, not on {contestant.engine}")
        if measured.agreement is None:
            answers = [contestant.docids(ask_once(server.target, text)) for text in reference.questions]
            measured.agreement = reference.agreement(contestant.passages.corpus, answers)
        measure_levels(server, measured, questions, plan)


def measure_levels(server: Server, measured: Measured, questions: Iterator[str], plan: Plan) -> None:
    """A closed loop at each level, after one that is not reported."""
    measured.first_answer_s.append(server.first_answer_s)
    for connections in LEVELS:
        run(closed_loop(server.target, questions, connections, plan.warm_up_s))
        before = usage(server.pid).cpu_s
        answers = run(closed_loop(server.target, questions, connections, plan.seconds))
        level = _level(answers, usage(server.pid).cpu_s - before)
        measured.levels[connections].append(level)
        for reason, count in answers.errors.items():
            measured.errors[reason] = measured.errors.get(reason, 0) + count
        PROGRESS.print(f"{measured.name}, {connections} at once: {level.rate:,.0f}/s, p50 {level.p50_ms:.1f} ms")
    measured.peak_bytes.append(usage(server.pid).peak)


def _level(answers: Answers, server_cpu_s: float) -> Level:
    per_request = 1e3 / max(1, answers.requests)
    return Level(
        rate=answers.rate,
        p50_ms=answers.quantile_ms(0.5),
        p95_ms=answers.quantile_ms(0.95),
        p99_ms=answers.quantile_ms(0.99),
        max_ms=answers.quantile_ms(1),
        errors=answers.errors.total(),
        server_cpu_ms=per_request * server_cpu_s,
        client_cpu_ms=per_request * answers.client_cpu_s,
    )


def _engine(server: Server) -> str:
    """The first word of what the service says that it runs on, as in ``onnxruntime 1.31.1``."""
    with urllib.request.urlopen(f"http://{server.target.host}:{server.target.port}/v1/info", timeout=30) as answer:
        engine: str = json.load(answer)["encoder"]["engine"]
    return engine.split()[0]
