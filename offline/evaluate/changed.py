"""The drill-down: questions that xQG gained or lost, and the fused texts that did it."""

import numpy as np

from app.vectors import Vectors
from offline.evaluate.dataset import Kind
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.ranking import Ranking, ranks_of, unit
from offline.evaluate.report.model import ChangedQuestion, NearText

_CUTOFF = 10
_PER_LANGUAGE = 5
_NEAREST = 3
_SHOWN_CHARS = 600


def changed_questions(
    embedded: EmbeddedDataset, kind: Kind, before: Ranking, after: Ranking, cutoff: int = _CUTOFF
) -> list[ChangedQuestion]:
    """Questions whose relevant passage entered the first ``cutoff`` hits or left them.

    At most five gained and five lost a language, those that moved furthest first.
    """
    moved: dict[tuple[str, str], list[tuple[float, ChangedQuestion]]] = {}
    for row, (a, b) in enumerate(zip(ranks_of(embedded, before), ranks_of(embedded, after), strict=True)):
        was, is_in = a is not None and a <= cutoff, b is not None and b <= cutoff
        if was == is_in:
            continue
        change = "gained" if is_in else "lost"
        distance = abs((a or before.rows.shape[1] + 1) - (b or after.rows.shape[1] + 1))
        entry = _changed(embedded, kind, row, change, a, b)
        moved.setdefault((embedded.dataset.questions[row].lang, change), []).append((distance, entry))
    return [
        entry for key in sorted(moved) for _, entry in sorted(moved[key], key=lambda each: -each[0])[:_PER_LANGUAGE]
    ]


def _changed(
    embedded: EmbeddedDataset, kind: Kind, row: int, change: str, a: int | None, b: int | None
) -> ChangedQuestion:
    question = embedded.dataset.questions[row]
    at, passage = next(
        (at, passage) for at, passage in enumerate(embedded.dataset.passages) if passage.docid in question.relevant
    )
    return ChangedQuestion.model_validate(
        {
            "question": question.id,
            "change": change,
            "rank_a": a,
            "rank_b": b,
            "docid": passage.docid,
            "title": passage.title,
            "text": passage.text[:_SHOWN_CHARS],
            "nearest": nearest_texts(embedded, kind, row, at),
        }
    )


def nearest_texts(embedded: EmbeddedDataset, kind: Kind, question: int, passage: int) -> list[NearText]:
    """The passage's fused texts that lie nearest to a question, best first; none that is left out for it."""
    texts = embedded.texts[kind]
    out = texts.left_out.augmentation_rows[texts.left_out.question_rows == question]
    own = np.setdiff1d(np.flatnonzero(texts.rows == passage), out)
    scores: Vectors = unit(texts.vectors[own]) @ unit(embedded.questions[question : question + 1])[0]
    best = np.argsort(-scores, kind="stable")[:_NEAREST]
    return [
        NearText(lang=texts.texts[own[each]].lang, text=texts.texts[own[each]].text, score=float(scores[each]))
        for each in best
    ]
