"""Speed of the service beside the bound and beside what users pick instead, in one run.

    make demo
    python3 -m venv var/venv-peers
    var/venv-peers/bin/pip install -r deploy/benchmarks/peers/requirements.txt
    .venv/bin/python -m deploy.benchmarks.service --peers-venv var/venv-peers

README.md beside this file says what is measured and how to read it.  Each repetition starts and
stops every contestant in turn, so that a machine that slows down slows all.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from app.cores import usable_cores
from deploy.benchmarks import plot, report
from deploy.benchmarks.bound import ENGINES
from deploy.benchmarks.contestants import Contestant, canned, ours, peers
from deploy.benchmarks.materials import Materials, Reference
from deploy.benchmarks.measure import PROGRESS, Plan, measure, measure_levels
from deploy.benchmarks.options import common_options, settings_of
from deploy.benchmarks.questions import endless, read_questions
from deploy.benchmarks.results import Bound, Measured
from deploy.benchmarks.server import ROOT, ServerFailed, running

_SAMPLE = 50
"""Questions whose answers are compared with the exact ones; none of them is part of the load."""


def parse() -> argparse.Namespace:
    parser = common_options(__doc__)
    parser.add_argument("--peers-venv", type=Path, help="virtualenv with peers/requirements.txt; without it no peers")
    parser.add_argument("--infinity-venv", type=Path, help="virtualenv with peers/requirements-infinity.txt")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("var/benchmarks/multilingual-e5-small"),
        help="the encoder for sentence-transformers; written if it is not there, 0.5 GB",
    )
    parser.add_argument("--engine", nargs="+", choices=list(ENGINES), help="XQG_ENGINE of ours; each is a contestant")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="leave out the rest; any wrong name lists all")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of each level")
    parser.add_argument("--warm-up", type=float, default=2, help="unreported seconds before each level")
    parser.add_argument("--bound-seconds", type=float, default=3, help="of each cell of the bound's grid")
    return parser.parse_args()


def field(args: argparse.Namespace, materials: Materials) -> dict[str, Callable[[], Contestant]]:
    """All that can be measured, by short name, in the order of the table."""
    settings = settings_of(args.set)
    found: dict[str, Callable[[], Contestant]] = {}
    for engine in args.engine or [None]:
        suffix, name = (f"-{engine}", f"ours, {engine}") if engine else ("", "ours")
        found[f"ours{suffix}"] = partial(ours, name, materials, materials.fused, engine, settings)
        found[f"plain{suffix}"] = partial(ours, report.without_xqg(name), materials, materials.plain, engine, settings)
    if args.peers_venv:
        infinity = program(args.infinity_venv, "infinity_emb") if args.infinity_venv else None
        found |= peers(materials, program(args.peers_venv, "python"), infinity)
    return found


def program(venv: Path, name: str) -> Path:
    """The absolute path, with links as they are: a virtualenv's Python is one."""
    path = (venv / "bin" / name).absolute()
    if not path.is_file():
        raise SystemExit(f"error: there is no {path}; deploy/benchmarks/README.md has the commands that make it")
    return path


def chosen(known: list[str], only: list[str] | None) -> list[str]:
    unknown = set(only or []) - set(known)
    if unknown:
        raise SystemExit(f"error: --only {' '.join(sorted(unknown))}: give some of {' '.join(known)}")
    return [name for name in known if only is None or name in only]


def raw_parts(args: argparse.Namespace, materials: Materials) -> dict[str, Any]:
    """``bound.py`` in a process of its own, so that its engines hold no memory of this one's."""
    command = [sys.executable, "-m", "deploy.benchmarks.bound", "--bundle", materials.bundle]
    command += ["--corpus", materials.fused.folder, "--seconds", args.bound_seconds, "--seed", args.seed]
    command += ["--questions", args.questions.absolute()] if args.questions else []
    done = subprocess.run(  # noqa: S603, this very Python
        list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    parts: dict[str, Any] = json.loads(done.stdout)
    return parts


def write(results: dict[str, Any], output: Path, console: Console) -> None:
    output.mkdir(parents=True, exist_ok=True)
    path = output / "service.json"
    path.write_text(json.dumps(results, indent=1))
    console.print(f"figures: {path}")
    picture = path.with_suffix(".png")
    try:
        plot.draw(json.loads(path.read_text()), picture)
        console.print(f"plot: {picture}")
    except ImportError:
        console.print(
            f"no plot: matplotlib is not installed; `pip install matplotlib`, or with the peers' Python: "
            f"python -m deploy.benchmarks.plot {path} {picture}"
        )


def main() -> None:
    args = parse()
    texts = read_questions(args.questions, args.seed)
    sample, texts = texts[:_SAMPLE], texts[_SAMPLE:]
    plan = Plan(args.warm_up, args.seconds, args.output / "logs")
    bound = Bound(usable_cores())
    with tempfile.TemporaryDirectory() as scratch:
        materials = Materials(Path(scratch), args.bundle, args.vectors, args.alpha, args.checkpoint)
        makers = field(args, materials)
        names = chosen(["bound", *makers], args.only)
        contestants = [makers[name]() for name in names if name != "bound"]
        measured = [Measured(each.name, each.ours) for each in contestants]
        reference = Reference.of(sample, materials.bundle)
        askers = [endless(texts) for _ in contestants]
        http, http_questions = canned(materials), endless(texts)
        for repetition in range(args.repeat):
            PROGRESS.rule(f"repetition {repetition + 1} of {args.repeat}")
            if "bound" in names:
                bound.parts.append(raw_parts(args, materials))
                log = plan.logs / http.log
                with running(http.command, http.environment, http.target, next(http_questions), log) as server:
                    measure_levels(server, bound.http, http_questions, plan)
            turns = list(zip(contestants, measured, askers, strict=True))
            for contestant, result, questions in turns if repetition % 2 == 0 else reversed(turns):
                if result.failure is None:
                    try:
                        measure(contestant, result, reference, questions, plan)
                    except ServerFailed as failure:  # the others go on
                        result.failure = str(failure)
                        PROGRESS.print(f"{result.name}: {result.failure}", markup=False)
    console = Console(width=200)
    console.print(f"{len(texts):,} questions, {usable_cores()} cores, client on the same machine")
    report.show(measured, bound, console)
    for verdict in report.verdicts(measured, bound):
        console.print(verdict, highlight=False)
    write(report.as_json(measured, bound), args.output, console)


if __name__ == "__main__":
    try:
        main()
    except ServerFailed as failure:
        raise SystemExit(f"error: {failure}") from failure
