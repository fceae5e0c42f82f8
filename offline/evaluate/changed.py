"""The drill-down: questions that xQG gained or lost, and the fused texts that did it."""

import numpy as np

from app.vectors import Vectors
from offline.evaluate.dataset import Kind
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.judge import Judge
from offline.evaluate.ranking import Ranking, unit
from offline.evaluate.report.model import ChangedQuestion, NearText

_CUTOFF = 10
_PER_LANGUAGE = 5
_NEAREST = 3
_SHOWN_CHARS = 600


def changed_questions(
    judge: Judge, embedded: EmbeddedDataset, kind: Kind, before: Ranking, after: Ranking
) -> list[ChangedQuestion]:
    """Questions that came to be answered within the first ten hits, or ceased to be.

    At most five gained and five lost a language, those that moved furthest first.
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
        entry = ChangedQuestion(
            question=question.id,
            change="gained" if is_now else "lost",
            rank_a=a,
            rank_b=b,
            docid=found.docid,
            title=found.title,
            text=found.text[:_SHOWN_CHARS],
            nearest=nearest_texts(embedded, kind, row, passage),
        )
        moved.setdefault((question.lang, entry.change), []).append((abs((a or beyond) - (b or beyond)), entry))
    return [
        entry for key in sorted(moved) for _, entry in sorted(moved[key], key=lambda each: -each[0])[:_PER_LANGUAGE]
    ]


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
