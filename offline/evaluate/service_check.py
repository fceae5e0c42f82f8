"""The live check: a running service must measure as the same index did offline.

The service fuses every text into its passages, so it is compared with an offline ranking that
does the same.  Where questions were kept from texts that are themselves, ``compare`` measured
something else, and says so.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.errors import ContractMismatch
from offline.evaluate.dataset import Dataset
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.evaluation import Evaluation, Findings
from offline.evaluate.leaks import LeftOut
from offline.evaluate.ranking import Fusion, Ranking
from offline.evaluate.report.model import MACRO, RetrievedPassage, Study, System, Table
from offline.evaluate.report.wording import percent
from offline.evaluate.served import Served
from offline.evaluate.service_client import ServiceClient
from offline.progress import progress

_MOST_HITS = 100  # of one search
_ROUNDING = 1e-9


async def compare_with_service(
    evaluation: Evaluation, embedded: EmbeddedDataset, served: Served, max_drop: float
) -> tuple[Findings, list[str]]:
    """Ask a service every question, and compare its answers with exact search.

    Args:
        max_drop: how much a mean may differ, 0 to 1.

    Returns:
        The study, and where a compared metric of a language, or their average, differs by more, in words.

    Raises:
        ServiceUnavailable: it stopped answering, or went over to another index.
        ContractMismatch: it returns passages that are not in the corpus, or too few.
    """
    whole, kept_apart = _nothing_left_out(embedded)
    is_as_compared = not kept_apart and evaluation.depth <= _MOST_HITS
    evaluation = replace(evaluation, depth=min(evaluation.depth, _MOST_HITS))
    fusion = Fusion("queries", whole.texts["queries"].all(), evaluation.alpha)
    name = f"{embedded.name} + xQG" if is_as_compared else f"{embedded.name} + xQG, as served"
    offline, exact = evaluation.measure_whole(whole, name, fusion)
    found = await _ask(evaluation, served, exact.rows.shape[1])
    ranking = _ranking(evaluation.dataset, found, exact.rows.shape[1], served)
    scores = evaluation.judge.scores(ranking, list(offline.scores))
    live = System(
        name=f"{embedded.name} + xQG, live",
        encoder=offline.encoder,
        description=f"{offline.description}, served by {served.address.url}",
        alpha=offline.alpha,
        scores=scores,
        means=evaluation.means(scores),
        top=found,
    )
    comparisons = evaluation.compare(offline, live)
    differing = differences(offline, live, evaluation.metrics, max_drop)
    study = Study(
        name="service",
        title=f"{embedded.name}: the running service against exact search",
        summary=_summary(evaluation, served, kept_apart, differing, max_drop),
        tables=[agreement(evaluation, exact, ranking), _means(evaluation, offline, live)],
        comparisons=comparisons,
    )
    return Findings(study, [live] if is_as_compared else [offline, live]), differing


def differences(offline: System, live: System, metrics: Sequence[str], max_drop: float) -> list[str]:
    """Where means differ by more than ``max_drop``, either way, in words."""
    return [
        f"{lang} {metric} {percent(mean)} offline and {percent(live.means[metric][lang])} live"
        for metric in metrics
        for lang, mean in offline.means[metric].items()
        if abs(live.means[metric][lang] - mean) > max_drop + _ROUNDING
    ]


def agreement(evaluation: Evaluation, exact: Ranking, live: Ranking) -> Table:
    """How far the hits themselves agree, per language."""
    langs = np.array(evaluation.langs)
    same_first = exact.rows[:, 0] == live.rows[:, 0]
    pairs = list(zip(exact.rows, live.rows, strict=True))
    shared = np.array([len(np.intersect1d(a[:10], b[:10])) / min(10, len(a)) for a, b in pairs])
    furthest = np.array([_furthest(exact, live, row) for row in range(len(pairs))])
    rows = []
    for lang in [*evaluation.dataset.languages, "all"]:
        own = langs == lang if lang != "all" else np.ones(len(langs), np.bool_)
        rows.append(
            [
                lang,
                f"{own.sum():,}",
                percent(float(same_first[own].mean())),
                percent(float((shared[own] == 1).mean())),
                percent(float(shared[own].mean())),
                f"{furthest[own].max():.2g}",
            ]
        )
    return Table(
        title="Hits of the service and of exact search",
        columns=["language", "questions", "first the same, %", "ten the same, %", "of ten shared, %", "scores apart"],
        rows=rows,
        note="ten the same: in whatever order; scores apart: the largest difference of a passage that both return",
    )


def _furthest(exact: Ranking, live: Ranking, row: int) -> float:
    _, a, b = np.intersect1d(exact.rows[row], live.rows[row], return_indices=True)
    return float(np.abs(exact.scores[row, a] - live.scores[row, b]).max(initial=0.0))


async def _ask(evaluation: Evaluation, served: Served, top_k: int) -> list[list[RetrievedPassage]]:
    questions = [question.text for question in evaluation.dataset.questions]
    with progress(evaluation.console, f"asking {served.address.url}", len(questions), unit="questions") as advance:
        async with ServiceClient(served.address) as client:
            return await client.search(questions, top_k, served.index, lambda count: advance(count, 0))


def _ranking(dataset: Dataset, found: list[list[RetrievedPassage]], depth: int, served: Served) -> Ranking:
    row_of = {passage.docid: row for row, passage in enumerate(dataset.passages)}
    rows = np.empty((len(found), depth), np.int64)
    scores = np.empty((len(found), depth), np.float32)
    for number, hits in enumerate(found):
        unknown = [hit.docid for hit in hits if hit.docid not in row_of]
        if unknown or len(hits) != depth:
            what = (
                f"returns {unknown[0]!r}, which is not in the corpus"
                if unknown
                else (f"returns {len(hits)} passages where {depth} are wanted and there")
            )
            raise ContractMismatch(
                f"the service {served.address.url} {what}, for the question {dataset.questions[number].text!r}; load "
                "its index again with --rebuild"
            )
        rows[number] = [row_of[hit.docid] for hit in hits]
        scores[number] = [hit.score for hit in hits]
    return Ranking(rows, scores)


def _nothing_left_out(embedded: EmbeddedDataset) -> tuple[EmbeddedDataset, bool]:
    """The dataset as a service fuses it, and whether ``compare`` fused less."""
    texts = embedded.texts["queries"]
    nothing = LeftOut(np.empty(0, np.int32), np.empty(0, np.int32))
    whole = replace(embedded, texts={"queries": replace(texts, left_out=nothing)})
    return whole, len(texts.left_out.question_rows) > 0


def _means(evaluation: Evaluation, offline: System, live: System) -> Table:
    metrics = list(offline.means)
    rows = [
        [lang]
        + [
            percent(system.means[metric][lang]) if lang in system.means[metric] else ""
            for metric in metrics
            for system in (offline, live)
        ]
        for lang in [*evaluation.dataset.languages, MACRO]
    ]
    columns = [f"{metric}{suffix}" for metric in metrics for suffix in ("", ", live")]
    return Table(title="Means by exact search and live, %", columns=["language", *columns], rows=rows)


def _summary(evaluation: Evaluation, served: Served, kept_apart: bool, differing: list[str], max_drop: float) -> str:
    verdict = (
        f"Differs by more than {100 * max_drop:g} points in: {'; '.join(differing)}."
        if differing
        else (
            f"No compared metric of any language differs by more than {100 * max_drop:g} points: what is served is "
            "what was measured."
        )
    )
    apart = (
        " The comparison without and with xQG keeps questions from texts that are themselves; the service cannot, so "
        "here nothing is left out, and the figures of the two are not to be compared."
        if kept_apart
        else ""
    )
    return (
        f"The same {len(evaluation.langs):,} questions through {served.address.url} ({served.index.collection}), "
        f"{evaluation.depth} hits each, against exact search over the same vectors.{apart} {verdict}"
    )
