"""Fill a collection with the fused vectors of a run, and hold what it has against what was meant."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from app.errors import VerificationError
from app.index import IndexContract
from app.passages import Passage
from app.vectors import Vectors
from offline.fuse import fuse
from offline.marks import LoadMarks
from offline.progress import progress
from offline.run import Run, RunManifest
from offline.shards import read_shard
from offline.staging import read_staged
from offline.writers import CollectionWriter

_SAMPLE_PER_SHARD = 4
_SAMPLED_SHARDS = 64
_MARKING_SHARE = 1 / 20
"""Of the time of a load: to make an Edge shard durable takes as long as to write a thousand passages."""


@dataclass(frozen=True, slots=True)
class FusedRun:
    """The passages of a finished embed run with their fused vectors, a shard at a time."""

    run: Run
    manifest: RunManifest
    alpha: float
    keep_queries: bool

    def read(self, staging: sqlite3.Connection, number: int) -> tuple[list[Passage], Vectors]:
        """Passages of a shard, and their vectors, float32 [n, dimension]."""
        rows = self.manifest.rows(number)
        passages = list(read_staged(staging, rows.start, rows.stop))
        if not self.keep_queries:
            passages = [Passage(one.docid, one.title, one.text, one.metadata) for one in passages]
        return passages, self.vectors(number)

    def vectors(self, number: int) -> Vectors:
        """The vectors of a shard alone."""
        shard = read_shard(self.run.shard_path(number))
        return fuse(shard.passages, shard.query_sums, shard.counts, self.alpha)

    def passages_in(self, shards: Sequence[int] | set[int] | range) -> int:
        return sum(len(self.manifest.rows(number)) for number in shards)


@dataclass(frozen=True, slots=True)
class Filling:
    """A collection that is being filled."""

    collection: str
    contract: IndexContract
    writer: CollectionWriter
    marks: LoadMarks


class Checkpoints:
    """Marks shards, as often as costs little: what is written between two marks is written again after a crash."""

    def __init__(self, filling: Filling) -> None:
        self._filling = filling
        self._unmarked: list[int] = []
        self._marked_at = self._cost_s = 0.0

    async def reached(self, shard: int) -> None:
        """A shard was written and read back."""
        self._unmarked.append(shard)
        if (time.monotonic() - self._marked_at) * _MARKING_SHARE >= self._cost_s:
            await self.mark()

    async def mark(self) -> None:
        began = time.monotonic()
        shards, self._unmarked = self._unmarked, []
        await self._filling.writer.flush()
        self._filling.marks.add(shards)
        self._marked_at = time.monotonic()
        self._cost_s = self._marked_at - began


async def fill(filling: Filling, source: FusedRun, share: range, batch_points: int, console: Console) -> set[int]:
    """Write what is not marked of a share of the shards, and mark it; returns the shards that were written.

    As many shards are under way at once as the writer takes writes, and no more are in memory.

    Raises:
        VerificationError: what was read back is not what was written.
        IndexUnavailable: the engine does not answer; what is marked stays.
    """
    marked = filling.marks.shards()
    todo = [number for number in share if number not in marked]
    if not todo:
        return set()
    checkpoints, waiting = Checkpoints(filling), iter(todo)
    total = source.passages_in(share)
    with (
        progress(console, "loading", total, total - source.passages_in(todo)) as advance,
        source.run.staging() as staging,
    ):

        async def upload() -> None:
            for number in waiting:  # each takes the next that none has taken
                passages, vectors = source.read(staging, number)
                for start in range(0, len(passages), batch_points):
                    part = slice(start, start + batch_points)
                    await filling.writer.write(passages[part], vectors[part])
                    advance(len(passages[part]), 0)
                await _verify_sample(filling, passages, vectors)
                await checkpoints.reached(number)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(filling.writer.parallel):
                    group.create_task(upload())
        except BaseExceptionGroup as errors:  # one tells enough
            raise errors.exceptions[0] from None
        await checkpoints.mark()
    return set(todo)


async def verify_count(filling: Filling) -> None:
    """Raises VerificationError where the collection holds more or fewer passages than the run."""
    count, passages = await filling.writer.count(), filling.contract.passages
    if count != passages:
        raise VerificationError(f"{filling.collection} holds {count:,} passages instead of {passages:,}; load again")


async def verify_shards(filling: Filling, source: FusedRun, shards: set[int]) -> None:
    """Read back some passages of some shards: those that another process wrote.

    Raises:
        VerificationError: one is missing, or has another vector.
    """
    ordered = sorted(shards)
    with source.run.staging() as staging:
        for place in np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), _SAMPLED_SHARDS)).astype(int)):
            passages, vectors = source.read(staging, ordered[place])
            await _verify_sample(filling, passages, vectors)


async def _verify_sample(filling: Filling, passages: list[Passage], vectors: Vectors) -> None:
    """Read some of a shard's passages back and compare their vectors with what was written."""
    chosen = np.linspace(0, len(passages) - 1, _SAMPLE_PER_SHARD).astype(int)
    sample = {passages[row].docid: vectors[row] for row in chosen}
    stored = await filling.writer.read_vectors(list(sample))
    for docid, expected in sample.items():
        if docid not in stored:
            raise VerificationError(f"the index lost the passage {docid!r}; load again")
        if filling.contract.encoder.similarity == "cosine":  # Qdrant stores unit vectors for cosine
            expected = expected / np.linalg.norm(expected)
        found = np.asarray(stored[docid], np.float32)
        if found.shape != expected.shape or not np.allclose(found, expected, rtol=1e-3, atol=1e-4):
            raise VerificationError(f"the index holds another vector for {docid!r} than was written; load again")
