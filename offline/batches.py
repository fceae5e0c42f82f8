"""Embed many texts fast: sorted by length, cut at a token budget, one batch per core."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

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


class BatchEmbedder:
    """Embeds lists of texts on ``workers`` threads, each running one batch at a time."""

    def __init__(self, encoder: OnnxEncoder, workers: int, max_batch_tokens: int) -> None:
        self._encoder = encoder
        self._max_batch_tokens = max_batch_tokens
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="embed")

    def embed(self, texts: Sequence[str], side: Side, on_progress: Callable[[int], None]) -> Vectors:
        """float32 [len(texts), dimension]; ``on_progress`` is told how many texts were embedded."""
        tokens = self._encoder.tokenize(texts, side)
        vectors = np.zeros((len(texts), self._encoder.bundle.encoder.dimension), np.float32)

        def run(batch: list[int]) -> tuple[list[int], Vectors]:
            return batch, self._encoder.encode([tokens[index] for index in batch], side)

        for batch, embedded in self._in_order(run, token_batches(tokens, self._max_batch_tokens)):
            vectors[batch] = embedded
            on_progress(len(batch))
        return vectors

    def _in_order(
        self, run: Callable[[list[int]], tuple[list[int], Vectors]], batches: Iterable[list[int]]
    ) -> Iterator[tuple[list[int], Vectors]]:
        """Like ``Executor.map``, but with few batches under way, so that Ctrl-C is quick."""
        source = iter(batches)
        under_way = [self._pool.submit(run, batch) for batch in islice(source, self._workers + 1)]
        while under_way:
            done = under_way.pop(0).result()
            under_way += [self._pool.submit(run, batch) for batch in islice(source, 1)]
            yield done

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
