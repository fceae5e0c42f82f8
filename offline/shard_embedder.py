"""Embed the shards of a run one after the other, with the encoder never waiting for files.

While a shard is encoded, the next is read and tokenized and the one before is written: the
encoder's threads get one stream of batches, across both sides and across shards.  Batches are
cut within a shard and a side, so a shard gets the same vectors bit by bit whoever embeds it and
whenever.  Four shards are in memory at most.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder
from app.engines import Device
from app.errors import ConfigurationError, RunConflict
from app.vectors import Vectors
from offline.batches import Batch, BatchEmbedder
from offline.progress import Advance
from offline.run import Run
from offline.shards import Shard, write_shard
from offline.staging import read_staged


@dataclass(frozen=True, slots=True)
class ShardEmbedderSpec:
    """What a process needs to embed shards of a run; it can be pickled and sent to one."""

    run: Path
    """Folder of a run that has its manifest."""
    bundle: Path
    max_batch_tokens: int
    threads: int
    """Batches encoded at once."""
    device: Device = "cpu"


@dataclass(slots=True, eq=False)
class _Job:
    """A shard on its way: what its batches fill, and how far they are."""

    number: int
    passages: Vectors
    queries: Vectors
    """Row by row the queries of a passage, language by language."""
    counts: NDArray[np.int32]
    batches: list[Batch]
    texts_done: int = 0

    def advance(self, texts: int) -> int:
        """Count embedded texts; the passages that this is worth, each text its share of the shard."""
        of = len(self.passages) + len(self.queries)
        before, self.texts_done = self.texts_done, self.texts_done + texts
        return self.texts_done * len(self.passages) // of - before * len(self.passages) // of

    @property
    def is_done(self) -> bool:
        return self.texts_done == len(self.passages) + len(self.queries)


class ShardEmbedder:
    """Embeds shards by number.  Made once a process: opening the encoder takes seconds.

    Args:
        spec: the run, the encoder and how to use it.
        bundle: the opened bundle of the spec, where the caller has it; it saves the check of
            every byte.

    Raises:
        BundleError: the bundle is missing or damaged.
        ConfigurationError: the folder holds no run, or the device is not to be had.
        RunConflict: the run was begun with another encoder.
    """

    def __init__(self, spec: ShardEmbedderSpec, bundle: Bundle | None = None) -> None:
        bundle = bundle or Bundle.open(spec.bundle)
        self._run = Run(spec.run)
        manifest = self._run.manifest()
        if manifest is None:
            raise ConfigurationError(f"{spec.run} holds no run; begin one with `python -m offline embed`")
        if bundle.fingerprint != manifest.encoder.fingerprint:
            raise RunConflict(f"{spec.run} holds a run with another encoder than {spec.bundle}")
        self._manifest = manifest
        encoder = OnnxEncoder(bundle, sides=tuple(Side), device=spec.device)
        self._embedder = BatchEmbedder(encoder, spec.threads, spec.max_batch_tokens)

    def embed(self, numbers: Iterable[int], advance: Advance = lambda passages, texts: None) -> Iterator[int]:
        """Embed shards and write each; yield its number once it is on disk.

        ``advance`` is told of every batch.  What was not yielded when this ends early, by an
        exception or by an interrupt, is to be embedded again.

        Raises:
            VerificationError: the encoder yields values that the run's files cannot hold.
        """
        under_way: deque[_Job] = deque()
        writing: deque[Future[int]] = deque()
        aside = ThreadPoolExecutor(2, thread_name_prefix="shard")  # one prepares, one writes

        def batches() -> Iterator[Batch]:
            for job in self._prepared(numbers, aside):
                under_way.append(job)
                yield from job.batches

        try:
            for batch in self._embedder.run(batches()):
                advance(under_way[0].advance(len(batch)), len(batch))
                if under_way[0].is_done:
                    if writing:
                        yield writing.popleft().result()
                    writing.append(aside.submit(self._write, under_way.popleft()))
            while writing:
                yield writing.popleft().result()
        finally:
            aside.shutdown(cancel_futures=True)

    def run(self, units: Iterable[int]) -> Iterator[int]:
        """As a ``Worker``: shards that are whole, since their worker died after writing them, are left."""
        numbers = list(units)
        missing = self._run.missing_shards(self._manifest, numbers)
        yield from (number for number in numbers if number not in set(missing))
        yield from self.embed(missing)

    def close(self) -> None:
        self._embedder.close()

    def _prepared(self, numbers: Iterable[int], aside: ThreadPoolExecutor) -> Iterator[_Job]:
        """Jobs in order, each prepared while the one before is encoded."""
        ahead: deque[Future[_Job]] = deque()
        for number in numbers:
            ahead.append(aside.submit(self._prepare, number))
            if len(ahead) > 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def _prepare(self, number: int) -> _Job:
        rows = self._manifest.rows(number)
        passages: list[str] = []
        queries: list[str] = []
        counts = np.zeros((len(rows), len(self._manifest.languages)), np.int32)
        with self._run.staging() as staging:
            for row, passage in enumerate(read_staged(staging, rows.start, rows.stop)):
                passages.append(passage.embedded_text)
                for column, code in enumerate(self._manifest.languages):
                    texts = passage.generated_queries.get(code, [])
                    queries += texts
                    counts[row, column] = len(texts)
        passage_vectors, passage_batches = self._embedder.cut(passages, Side.PASSAGE)
        query_vectors, query_batches = self._embedder.cut(queries, Side.QUERY)
        return _Job(number, passage_vectors, query_vectors, counts, passage_batches + query_batches)

    def _write(self, job: _Job) -> int:
        shard = Shard(job.passages, sums_of(job.queries, job.counts), job.counts)
        path, rows = self._run.shard_path(job.number), self._manifest.rows(job.number)
        write_shard(path, shard, self._manifest.run_id, rows, self._manifest.vector_dtype)
        return job.number


def sums_of(vectors: Vectors, counts: NDArray[np.int32]) -> Vectors:
    """Sum consecutive vectors: the first ``counts[0, 0]`` of them, the next ``counts[0, 1]``, ….

    Args:
        vectors: float32 [counts.sum(), dimension].
        counts: int32 [passages, languages].

    Returns:
        float32 [passages, languages, dimension], zeros where the count is 0.
    """
    sums = np.zeros((counts.size, vectors.shape[1]), np.float32)
    lengths = counts.ravel()
    filled = lengths > 0
    if filled.any():
        starts = np.cumsum(lengths) - lengths
        sums[filled] = np.add.reduceat(vectors, starts[filled], axis=0)
    return sums.reshape(*counts.shape, vectors.shape[1])
