"""What a load would make live, held to an earlier report before anything is written.

The run's fused vectors are searched exactly.  So the encoder, the queries, their weight and the
corpus are judged, but not the graph and the quantization of the index: ``evaluate --service``
judges those, by the answers of the service itself.
"""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rich.console import Console

from app import __version__
from app.bundle import Bundle, sha256_of
from app.errors import ConfigurationError, ContractMismatch, GateFailed
from app.passages import Passage
from offline.evaluate.dataset import Augmentation, Dataset, Question
from offline.evaluate.gate import Baseline, hold_to
from offline.evaluate.judge import Judge
from offline.evaluate.leaks import find_leaks
from offline.evaluate.ranking import Ranking
from offline.evaluate.report.model import AskedQuestion, System
from offline.evaluate.run_ranking import embed_questions, rank_run
from offline.files import write_atomically
from offline.filling import FusedRun
from offline.load_request import GateRequest
from offline.locks import setup_lock
from offline.staging import read_staged

_GATES = "gates"
"""Folder in a run's folder of what it was held to, and passed."""
_LEAST_PRESENT = 0.5
_PASSAGES_AT_ONCE = 1_000  # with all their queries in memory


async def pass_gate(request: GateRequest, source: FusedRun, console: Console) -> None:
    """Judge a run by the questions of a report, unless that was done before.

    Of several workers of a load one judges, and the others wait for it.

    Raises:
        GateFailed: it regresses; see ``hold_to``.
        ConfigurationError: the report cannot be used, or its questions are not about this corpus.
        ContractMismatch: the run was embedded by another encoder.
    """
    baseline, bundle = Baseline.open(request.report), Bundle.open(request.bundle)
    _check_encoder(source, bundle)
    folder = source.run.folder / _GATES
    what = {
        "report": sha256_of(baseline.path),
        "run_id": source.manifest.run_id,
        "alpha": source.alpha,
        "max_drop": request.max_drop,
        "version": __version__,
    }
    passed = folder / f"{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]}.json"
    with setup_lock(folder, console):
        if passed.is_file():
            console.print(f"held to {baseline.path} before, and passed")
            return
        system, questions = await _measure(baseline, source, bundle, request, console)
        try:
            hold_to(baseline, questions, system, source.manifest.report.passages, request.max_drop, console)
        except GateFailed as error:
            raise GateFailed(f"not loaded, and nothing has changed: {error.message}") from error
        write_atomically(passed, json.dumps(what, indent=1))


async def _measure(
    baseline: Baseline, source: FusedRun, bundle: Bundle, request: GateRequest, console: Console
) -> tuple[System, list[AskedQuestion]]:
    """What the run is as a system, and the questions that it was asked, less those that are fused into a hit."""
    asked = baseline.report.questions
    with source.run.staging() as staging:
        _check_present(staging, baseline, console)
    vectors = await embed_questions(bundle, [each.text for each in asked], request.device, console)
    ranking = await rank_run(source, vectors, baseline.report.depth, console)
    found, places = np.unique(ranking.rows, return_inverse=True)
    questions = [_question(each) for each in asked]
    with source.run.staging() as staging:
        hits, fused = _read_hits(staging, found.tolist(), questions)
    if fused:
        console.print(f"{len(fused):,} questions are among the generated queries of the hits, and are left out")
    kept = [row for row in range(len(asked)) if row not in fused]
    if not kept:
        raise ConfigurationError(f"no question of {baseline.path} can be asked; give a report with other questions")
    dataset = Dataset(baseline.report.dataset.name, {}, hits, [questions[row] for row in kept], {})
    ranking = Ranking(places.reshape(ranking.rows.shape)[kept], ranking.scores[kept])
    metrics = baseline.report.metrics
    scores = Judge(dataset, metrics).scores(ranking, metrics)
    description = f"alpha {source.alpha:g}, run {source.manifest.run_id}"
    return System(
        name="run", encoder=bundle.fingerprint, description=description, alpha=source.alpha, scores=scores, means={}
    ), [asked[row] for row in kept]


def _check_encoder(source: FusedRun, bundle: Bundle) -> None:
    differing = source.manifest.encoder.differences(bundle.encoder)
    if differing:
        name, (run, given) = next(iter(differing.items()))
        raise ContractMismatch(
            f"--gate-bundle {bundle.folder} did not embed {source.run.folder}: {name} is {given!r} in the bundle and "
            f"{run!r} in the run; give the bundle that embedded it"
        )


def _check_present(staging: sqlite3.Connection, baseline: Baseline, console: Console) -> None:
    """Print how many questions have no relevant passage in the corpus.

    Raises:
        ConfigurationError: more than half of those that were judged by one.
    """
    judged = [question for question in baseline.report.questions if question.relevant]
    docids = {docid for question in judged for docid in question.relevant}
    present = {docid for docid in docids if _is_staged(staging, docid)}
    lacking = sum(present.isdisjoint(question.relevant) for question in judged)
    if lacking > _LEAST_PRESENT * len(judged):
        raise ConfigurationError(
            f"{lacking:,} of the {len(judged):,} questions of {baseline.path} have no relevant passage in this corpus, "
            "so it says nothing of it; give a report on this corpus"
        )
    if lacking:
        console.print(f"{lacking:,} questions have no relevant passage in this corpus, and count as misses")


def _is_staged(staging: sqlite3.Connection, docid: str) -> bool:
    return staging.execute("SELECT 1 FROM passages WHERE docid = ?", (docid,)).fetchone() is not None


def _read_hits(
    staging: sqlite3.Connection, rows: Sequence[int], questions: Sequence[Question]
) -> tuple[list[Passage], set[int]]:
    """Passages of these rows without their queries, and the rows of questions whose very words are fused into one.

    Such a question is answered by repetition, whatever else the run holds: rightly, which flatters
    the run, or by another passage, which wrongs it.  A passage that is no hit does neither.
    """
    hits: list[Passage] = []
    fused: set[int] = set()
    for start in range(0, len(rows), _PASSAGES_AT_ONCE):
        part = [next(read_staged(staging, row, row + 1)) for row in rows[start : start + _PASSAGES_AT_ONCE]]
        queries = [
            Augmentation(passage.docid, lang, text)
            for passage in part
            for lang, texts in passage.generated_queries.items()
            for text in texts
        ]
        leaks = find_leaks(Dataset("gate", {}, part, questions, {"queries": queries}), "queries")
        fused.update(leak.question_row for leak in leaks)
        hits += [replace(passage, generated_queries={}) for passage in part]
    return hits, fused


def _question(asked: AskedQuestion) -> Question:
    return Question(asked.id, asked.lang, asked.text, asked.relevant, tuple(asked.answers))
