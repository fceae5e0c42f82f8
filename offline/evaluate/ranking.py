"""Exact search over fused vectors, each question kept from what it must not see."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.vectors import Vectors
from offline.evaluate.dataset import Kind
from offline.evaluate.embedded import EmbeddedDataset, EmbeddedTexts
from offline.fuse import fuse

_SCORES_AT_ONCE = 32_000_000  # of questions times passages; 128 MB


@dataclass(frozen=True, slots=True)
class Fusion:
    """What is fused into the passages."""

    kind: Kind
    selected: NDArray[np.bool_]
    """Over the texts of the kind: which ones, bool [texts]."""
    alpha: float
    places: NDArray[np.int64] | None = None
    """Place of each text among those of its passage and language, int64 [texts], where only the first
    so many are selected: the next one stands in for one that is left out."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The first hits of every question, best first; equal scores in corpus order."""

    rows: NDArray[np.int64]
    """Rows of passages, int64 [questions, depth]."""
    scores: Vectors
    """float32 [questions, depth]."""


def rank(embedded: EmbeddedDataset, fusion: Fusion | None, depth: int) -> Ranking:
    """Search exactly, so that the figures tell of the vectors alone.

    A text that is left out for a question, being that question itself or a translation of it, is
    taken out of its passage's sum while that question is asked, and only then: with each tested
    question so left out, all others may be fused (leave-one-out).

    Args:
        fusion: None for the passages as they are.
        depth: hits per question; fewer where there are fewer passages.
    """
    passages, own = embedded.passages, _OwnVectors.none(embedded.passages.shape[1])
    if fusion is not None:
        passages, own = _fused(embedded, embedded.texts[fusion.kind], fusion)
    questions = embedded.questions
    if embedded.is_cosine:
        passages, questions = unit(passages), unit(questions)
        own = _OwnVectors(own.questions, own.passages, unit(own.vectors))
    depth = min(depth, len(passages))
    rows = np.empty((len(questions), depth), np.int64)
    scores = np.empty((len(questions), depth), np.float32)
    step = max(1, _SCORES_AT_ONCE // len(passages))
    for start in range(0, len(questions), step):
        block = questions[start : start + step] @ passages.T
        own.overwrite(block, questions, start)
        found = best_columns(block, depth)
        rows[start : start + step] = found
        scores[start : start + step] = np.take_along_axis(block, found, axis=1)
    return Ranking(rows, scores)


@dataclass(frozen=True, slots=True)
class _OwnVectors:
    """Passages as single questions see them; one row per pair."""

    questions: NDArray[np.int64]
    passages: NDArray[np.int64]
    vectors: Vectors

    @classmethod
    def none(cls, dimension: int) -> "_OwnVectors":
        nothing = np.empty(0, np.int64)
        return cls(nothing, nothing, np.empty((0, dimension), np.float32))

    def overwrite(self, block: Vectors, questions: Vectors, start: int) -> None:
        """Put the pairs' scores into the scores of questions ``start`` and following."""
        here = (self.questions >= start) & (self.questions < start + len(block))
        asked, found = self.questions[here], self.passages[here]
        block[asked - start, found] = np.einsum("pd,pd->p", questions[asked], self.vectors[here])


def _fused(embedded: EmbeddedDataset, texts: EmbeddedTexts, fusion: Fusion) -> tuple[Vectors, _OwnVectors]:
    passages, selected = embedded.passages, fusion.selected
    sums = np.zeros_like(passages)
    np.add.at(sums, texts.rows[selected], texts.vectors[selected])
    counts = np.bincount(texts.rows[selected], minlength=len(passages))
    asked = texts.left_out.question_rows.astype(np.int64)
    out = texts.left_out.augmentation_rows.astype(np.int64)
    asked, out = asked[selected[out]], out[selected[out]]
    gone = np.ones(len(out), np.float32)
    if fusion.places is not None:
        asking, standing_in = _stand_ins(texts, selected, fusion.places, asked, out)
        asked, out = np.concatenate([asked, asking]), np.concatenate([out, standing_in])
        gone = np.concatenate([gone, -np.ones(len(standing_in), np.float32)])
    pairs, pair_of = np.unique(np.stack([asked, texts.rows[out]], axis=1), axis=0, return_inverse=True)
    less = np.zeros((len(pairs), passages.shape[1]), np.float32)
    np.add.at(less, pair_of.ravel(), gone[:, None] * texts.vectors[out])
    fewer = np.bincount(pair_of.ravel(), weights=gone, minlength=len(pairs)).astype(np.int64)
    of, found = pairs[:, 0], pairs[:, 1]
    own = _fuse(passages[found], sums[found] - less, counts[found] - fewer, fusion.alpha)
    return _fuse(passages, sums, counts, fusion.alpha), _OwnVectors(of, found, own)


def _stand_ins(
    texts: EmbeddedTexts,
    selected: NDArray[np.bool_],
    places: NDArray[np.int64],
    asked: NDArray[np.int64],
    out: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of question and text: for each text that is left out, the next of its passage and language.

    So every question finds its own passage with as many texts as it finds others with, as long as
    there are any; with fewer it would be less like a question than they.
    """
    beyond: dict[tuple[int, str], list[int]] = {}
    for text in np.flatnonzero(~selected)[np.argsort(places[~selected], kind="stable")].tolist():
        beyond.setdefault((int(texts.rows[text]), str(texts.langs[text])), []).append(text)
    left_out = set(zip(texts.left_out.question_rows.tolist(), texts.left_out.augmentation_rows.tolist(), strict=True))
    pairs: dict[tuple[int, int], None] = {}
    for question, text in zip(asked.tolist(), out.tolist(), strict=True):
        for next_text in beyond.get((int(texts.rows[text]), str(texts.langs[text])), ()):
            if (question, next_text) not in left_out and (question, next_text) not in pairs:
                pairs[question, next_text] = None
                break
    found = np.array(list(pairs), np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _fuse(passages: Vectors, sums: Vectors, counts: NDArray[np.int64], alpha: float) -> Vectors:
    return fuse(passages, sums[:, None, :], counts[:, None].astype(np.int32), alpha)


def unit(vectors: Vectors) -> Vectors:
    """Each row at length 1; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, 1e-12)
    return unit


def best_columns(scores: Vectors, depth: int) -> NDArray[np.int64]:
    """Columns of each row's highest scores, int64 [rows, depth]; equal scores by column."""
    least = -np.partition(-scores, depth - 1, axis=1)[:, depth - 1 : depth]  # the score of the last place
    above, tied = scores > least, scores == least
    room = depth - above.sum(axis=1, keepdims=True)
    found = np.nonzero(above | (tied & (tied.cumsum(axis=1) <= room)))[1].reshape(-1, depth)
    order = np.argsort(-np.take_along_axis(scores, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)
