"""Embed many texts fast: sorted by length, cut at a token budget, one batch per core."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from app.bundle import Side
from app.encoder import OnnxEncoder, Tokens
from app.vectors import Vectors


def token_batches(tokens: Sequence[Tokens], max_batch_tokens: int) -> Iterator[list[int]]:
    """Indices into ``tokens``, longest first, in batches of at most that many padded tokens.

    Neighbours in length share a batch, so little is padding.  A text longer than the budget is
    a batch of its own.
    """
    batch: list[int] = []
    width = 0
    for index in sorted(range(len(tokens)), key=lambda i: (-len(tokens[i]), i)):
        width = width or len(tokens[index])
        if batch and width * (len(batch) + 1) > max_batch_tokens:
            yield batch
            batch, width = [], len(tokens[index])
        batch.append(index)
    if batch:
        yield batch


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Texts to encode in one run of the graph, and where their vectors go."""

    side: Side
    tokens: list[Tokens]
    rows: list[int]
    """Rows of ``vectors`` that these texts fill."""
    vectors: Vectors
    """Of the whole list that the texts come from, float32 [texts, dimension]."""

    def __len__(self) -> int:
        return len(self.tokens)


class BatchEmbedder:
    """Embeds lists of texts on ``workers`` threads, each running one batch at a time."""

    def __init__(self, encoder: OnnxEncoder, workers: int, max_batch_tokens: int) -> None:
        self._encoder = encoder
        self._max_batch_tokens = max_batch_tokens
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="embed")

    def embed(self, texts: Sequence[str], side: Side, on_progress: Callable[[int], None]) -> Vectors:
        """float32 [len(texts), dimension]; ``on_progress`` is told how many texts were embedded."""
        vectors, batches = self.cut(texts, side)
        for batch in self.run(batches):
            on_progress(len(batch))
        return vectors

    def cut(self, texts: Sequence[str], side: Side) -> tuple[Vectors, list[Batch]]:
        """Tokenize, and cut into batches: float32 [len(texts), dimension], and the batches that fill it."""
        tokens = self._encoder.tokenize(texts, side)
        vectors = np.zeros((len(texts), self._encoder.bundle.encoder.dimension), np.float32)
        cuts = token_batches(tokens, self._max_batch_tokens)
        return vectors, [Batch(side, [tokens[row] for row in rows], rows, vectors) for rows in cuts]

    def run(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Fill the vectors of every batch, and yield each when that is done, in order.

        ``batches`` may be endless: two a thread are drawn ahead, enough that none is idle while
        the caller looks at what is done, and few enough that Ctrl-C is quick.
        """
        under_way: deque[Future[Batch]] = deque()
        for batch in batches:
            under_way.append(self._pool.submit(self._fill, batch))
            if len(under_way) > 2 * self._workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()

    def _fill(self, batch: Batch) -> Batch:
        batch.vectors[batch.rows] = self._encoder.encode(batch.tokens, batch.side)
        return batch

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
