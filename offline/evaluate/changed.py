"""The drill-down: questions that xQG gained or lost, and the fused texts that did it."""

import numpy as np
from numpy.typing import NDArray

from app.vectors import Vectors
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.judge import Judge
from offline.evaluate.ranking import Fusion, Ranking, unit
from offline.evaluate.report.model import ChangedQuestion, NearText

_CUTOFF = 10
_NEAREST = 3
_SHOWN_CHARS = 600


def changed_questions(
    judge: Judge, embedded: EmbeddedDataset, fusion: Fusion, before: Ranking, after: Ranking
) -> list[ChangedQuestion]:
    """Questions that came to be answered within the first ten hits, or ceased to be.

    By language, gained before lost, those whose passage moved furthest first.
    """
    moved: dict[tuple[str, str], list[tuple[int, ChangedQuestion]]] = {}
    beyond = before.rows.shape[1] + 1
    for row, (a, b) in enumerate(zip(judge.ranks(before), judge.ranks(after), strict=True)):
        was, is_now = (rank is not None and rank <= _CUTOFF for rank in (a, b))
        if was == is_now:
            continue
        best, ranking = (b, after) if is_now else (a, before)
        passage = int(ranking.rows[row, (best or 0) - 1])
        question = embedded.dataset.questions[row]
        found = embedded.dataset.passages[passage]
        rank_a, rank_b = (_rank_of(passage, each.rows[row]) for each in (before, after))
        entry = ChangedQuestion(
            question=question.id,
            change="gained" if is_now else "lost",
            rank_a=rank_a,
            rank_b=rank_b,
            docid=found.docid,
            title=found.title,
            text=found.text[:_SHOWN_CHARS],
            nearest=nearest_texts(embedded, fusion, row, passage),
        )
        distance = abs((rank_a or beyond) - (rank_b or beyond))
        moved.setdefault((question.lang, entry.change), []).append((distance, entry))
    return [entry for key in sorted(moved) for _, entry in sorted(moved[key], key=lambda each: -each[0])]


def _rank_of(passage: int, rows: NDArray[np.int64]) -> int | None:
    places = np.flatnonzero(rows == passage)
    return int(places[0]) + 1 if len(places) else None


def nearest_texts(embedded: EmbeddedDataset, fusion: Fusion, question: int, passage: int) -> list[NearText]:
    """The passage's fused texts that lie nearest to a question, best first; none that is left out for it."""
    texts = embedded.texts[fusion.kind]
    out = texts.left_out.augmentation_rows[texts.left_out.question_rows == question]
    own = np.setdiff1d(np.flatnonzero((texts.rows == passage) & fusion.selected), out)
    scores: Vectors = unit(texts.vectors[own]) @ unit(embedded.questions[question : question + 1])[0]
    best = np.argsort(-scores, kind="stable")[:_NEAREST]
    return [
        NearText(lang=texts.texts[own[each]].lang, text=texts.texts[own[each]].text, score=float(scores[each]))
        for each in best
    ]
