"""MicroBatcher: queries that arrive together are embedded together.

A worker that is free takes what is waiting, up to a token budget; while it runs, the next batch
gathers.  A lone query waits for nobody.  This module knows neither ONNX nor HTTP: it turns sized
items into rows of a matrix.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from app.errors import EncodingFailed, NotReady, Overloaded
from app.vectors import Vectors

_LOG = logging.getLogger(__name__)
_WINDOW = 256  # how far a batch looks down the queue
ENCODER_THREADS = "encode"
"""How the names of the encoder's threads begin."""
_GATHER_S = 0.004  # a fraction of a batch; callers that were just answered are back by then


class Sized(Protocol):
    def __len__(self) -> int: ...


Item = TypeVar("Item", bound=Sized)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A vector, float32 [dimension], with the seconds it waited and the seconds its batch took."""

    vector: Vectors
    queue_s: float
    encode_s: float
    batch_queries: int = 1
    """How many were embedded together."""


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item]):
    item: Item
    answer: asyncio.Future[Embedded]
    since: float = field(default_factory=time.perf_counter)


class BatchObserver(Protocol):
    """Told of every batch (the length of each item) and of the queue; metrics, in the service."""

    def batch(self, lengths: Sequence[int]) -> None: ...
    def dropped(self, queries: int) -> None: ...
    def waiting(self, queries: int, tokens: int) -> None: ...


class MicroBatcher(Generic[Item]):
    """Admits items, batches them, and hands each its row.

    Args:
        encode: turns a batch into float32 [n, dimension]; called on ``threads`` threads.
        max_batch_tokens: budget of a batch, padding included.
        max_queue_tokens: what may wait; beyond it items are refused.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[Item]], Vectors],
        *,
        threads: int,
        max_batch_tokens: int,
        max_queue_tokens: int,
        observer: BatchObserver,
    ) -> None:
        self._encode = encode
        self._threads = threads
        self.max_batch_tokens = max_batch_tokens
        self._max_queue_tokens = max_queue_tokens
        self._observer = observer
        self._waiting: list[_Waiting[Item]] = []
        self._queries = 0
        self._tokens = 0
        self._arrived = asyncio.Event()
        self._idle = threads
        self._running = 0
        self._workers: list[asyncio.Task[None]] = []
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=ENCODER_THREADS)

    def start(self) -> None:
        """Begin to work; needs a running event loop."""
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._threads)]

    @property
    def alive(self) -> bool:
        """Whether every worker is at work."""
        return bool(self._workers) and not any(worker.done() for worker in self._workers)

    async def embed(self, item: Item, *, first: bool = False) -> Embedded:
        """Wait for a batch and return this item's row.  Cancelling drops the item.

        Args:
            first: before all that wait, and however much that is: for the readiness of a service
                that is busy, which is not broken.

        Raises:
            Overloaded: too many tokens wait already.
            EncodingFailed: the batch failed; only its own items are told.
            NotReady: the batcher is closed.
        """
        if not self._workers:
            raise NotReady("the service is starting or stopping")
        if not first and self._waiting and self._tokens + len(item) > self._max_queue_tokens:
            raise Overloaded("too many queries are waiting; send this one again later")
        waiting = _Waiting(item, asyncio.get_running_loop().create_future())
        self._waiting.insert(0 if first else len(self._waiting), waiting)
        self._count(1, len(item))
        self._arrived.set()
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            if waiting in self._waiting:  # room for others at once, not when its turn comes
                self._waiting.remove(waiting)
                self._count(-1, -len(waiting.item))
                self._observer.dropped(1)
            raise

    async def close(self) -> None:
        """Stop the workers.  What still waits is refused."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        _refuse(self._waiting)
        self._waiting.clear()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        while True:
            await self._gather()
            batch = self._take()
            if batch:
                self._idle -= 1
                self._running += len(batch)
                try:
                    await self._run(batch)
                finally:
                    self._idle += 1
                    self._running -= len(batch)
                    self._arrived.set()  # those who gather look again
                    _refuse(batch)  # where this worker was stopped at it
            else:
                self._arrived.clear()
                await self._arrived.wait()

    async def _gather(self) -> None:
        """While others run, wait a moment until this worker's share of all queries is there.

        A closed loop of callers would else fall into step: each worker takes the first query that
        comes back from the other's batch, alone.  A query that finds nobody running never waits.
        """
        gives_up_at = asyncio.get_running_loop().time() + _GATHER_S
        while self._waiting and self._running:
            share = -(-(len(self._waiting) + self._running) // self._threads)
            if len(self._waiting) >= share:
                return
            self._arrived.clear()
            try:
                async with asyncio.timeout_at(gives_up_at):
                    await self._arrived.wait()
            except TimeoutError:
                return

    def _take(self) -> list[_Waiting[Item]]:
        """The item that waited longest, with others near it in length that fit the budget together.

        Near in length, so that little of the batch is padding; the oldest first, so that none
        waits for ever.
        """
        if not self._waiting:
            return []
        oldest = len(self._waiting[0].item)
        share = -(-len(self._waiting) // self._idle)  # leave as much to each other worker that is free
        near = sorted(self._waiting[1:_WINDOW], key=lambda waiting: abs(len(waiting.item) - oldest))
        batch, width = [self._waiting[0]], oldest
        for waiting in near:
            width = max(width, len(waiting.item))
            if len(batch) == share or width * (len(batch) + 1) > self.max_batch_tokens:
                break
            batch.append(waiting)
        taken = {id(waiting) for waiting in batch}
        self._waiting = [waiting for waiting in self._waiting if id(waiting) not in taken]
        for waiting in batch:
            self._count(-1, -len(waiting.item))
        return batch

    async def _run(self, batch: list[_Waiting[Item]]) -> None:
        began = time.perf_counter()
        self._observer.batch([len(waiting.item) for waiting in batch])
        try:
            vectors = await self._embed([waiting.item for waiting in batch])
        except Exception as error:
            await self._failed(batch, error)
            return
        took = time.perf_counter() - began
        for waiting, vector in zip(batch, vectors, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(Embedded(vector, began - waiting.since, took, len(batch)))

    async def _embed(self, items: list[Item]) -> Vectors:
        """Raises whatever the encoder raised, as an ``Exception``."""

        def encode() -> Vectors:
            try:
                return self._encode(items)
            except Exception:
                raise
            except BaseException as error:  # it ended the thread's work, and must not end the loop's
                raise RuntimeError(f"the encoder's thread was ended by {error!r}") from error

        vectors = await asyncio.get_running_loop().run_in_executor(self._executor, encode)
        if len(vectors) != len(items):
            raise ValueError(f"{len(vectors)} vectors for {len(items)} queries")
        return vectors

    async def _failed(self, batch: list[_Waiting[Item]], error: Exception) -> None:
        """One query may have spoiled the batch: each gets a run of its own, so that only that one fails."""
        if len(batch) > 1:
            _LOG.warning("a batch of %d queries failed (%r); each is embedded alone", len(batch), error)
            for waiting in batch:
                if not waiting.answer.done():
                    await self._run([waiting])
        elif not batch[0].answer.done():
            _LOG.error("the encoder failed on a query", exc_info=error)
            failure = EncodingFailed("the encoder failed on this query; send it again, or ask in other words")
            failure.__cause__ = error
            batch[0].answer.set_exception(failure)

    def _count(self, queries: int, tokens: int) -> None:
        self._queries += queries
        self._tokens += tokens
        self._observer.waiting(self._queries, self._tokens)


def _refuse(batch: Sequence[_Waiting[Any]]) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(NotReady("the service is stopping"))
