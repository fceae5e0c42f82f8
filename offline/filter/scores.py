"""Scores of generated queries: how much closer a query is to its own passage than to others.

Round-trip consistency, as in doc2query-- (Gospodinov, MacAvaney, Macdonald, ECIR 2023), with the
bi-encoder that will serve: ``sim(q, own passage) - max sim(q, other passage)`` over a sample of
the corpus.  Above 0, a search among the sample would find the passage by its query.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.bundle import Side
from app.passages import Passage
from app.vectors import Vectors
from offline.batches import BatchEmbedder


def margins(queries: Vectors, own: Vectors, sample: Vectors, is_own: NDArray[np.bool_], cosine: bool) -> Vectors:
    """The score of each query.

    Args:
        queries: E(q), float32 [n, dimension].
        own: E(p) of each query's passage, float32 [n, dimension].
        sample: E(p) of the sampled passages, float32 [m, dimension].
        is_own: whether a sampled passage is the query's own, bool [n, m].
        cosine: compare directions alone, as the encoder's similarity says.

    Returns:
        float32 [n]; with no other passage in the sample, the similarity itself.
    """
    if cosine:
        queries, own, sample = (
            each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-12) for each in (queries, own, sample)
        )
    to_own = np.einsum("nd,nd->n", queries, own)
    to_others = np.where(is_own, -np.inf, queries @ sample.T)
    nearest = to_others.max(axis=1, initial=-np.inf)
    scores: Vectors = (to_own - np.where(np.isfinite(nearest), nearest, 0)).astype(np.float32)
    return scores


class QueryScorer:
    """Scores queries against a fixed sample of passages."""

    def __init__(self, embedder: BatchEmbedder, sample: Sequence[Passage], cosine: bool) -> None:
        self._embedder = embedder
        self._cosine = cosine
        self._docids = np.array([passage.docid for passage in sample])
        self._sample = embedder.embed([passage.embedded_text for passage in sample], Side.PASSAGE, lambda _: None)

    def score(self, passages: Sequence[Passage], owners: Sequence[int], queries: Sequence[str]) -> Vectors:
        """float32 [len(queries)]; ``owners`` are each query's index into ``passages``."""
        own = self._embedder.embed([passage.embedded_text for passage in passages], Side.PASSAGE, lambda _: None)
        asked = self._embedder.embed(queries, Side.QUERY, lambda _: None)
        docids = np.array([passages[owner].docid for owner in owners])
        is_own = docids[:, None] == self._docids[None, :]
        return margins(asked, own[list(owners)], self._sample, is_own, self._cosine)
