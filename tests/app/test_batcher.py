"""The batcher, with an encoder whose timing the test holds in its hands."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from app.batcher import MicroBatcher
from app.errors import EncodingFailed, NotReady, Overloaded
from app.vectors import Vectors


class Observer:
    """Keeps what the batcher tells."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.dropped_queries = 0
        self.waiting_queries = 0
        self.waiting_tokens = 0

    def batch(self, lengths: Sequence[int]) -> None:
        self.batches.append(len(lengths))

    def dropped(self, queries: int) -> None:
        self.dropped_queries += queries

    def waiting(self, queries: int, tokens: int) -> None:
        self.waiting_queries = queries
        self.waiting_tokens = tokens


class HeldEncoder:
    """Embeds a text as its length; every batch waits at the gate, which starts open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.seen: list[list[str]] = []
        self.shut_after_next = False

    def open_once(self) -> None:
        """Let the batch at the gate through, and shut it behind."""
        self.shut_after_next = True
        self.gate.set()

    def __call__(self, batch: Sequence[str]) -> Vectors:
        self.seen.append(list(batch))
        self.entered.release()
        assert self.gate.wait(30)
        if self.shut_after_next:
            self.shut_after_next = False
            self.gate.clear()
        if "poison" in batch:
            raise RuntimeError("a poisoned batch")
        if "exit" in batch:
            sys.exit("the thread is told to end")
        return np.array([[len(text)] for text in batch], np.float32)


@asynccontextmanager
async def running(encoder: HeldEncoder, observer: Observer, **limits: int) -> AsyncIterator[MicroBatcher[str]]:
    settings = {"threads": 1, "max_batch_tokens": 100, "max_queue_tokens": 1000} | limits
    batcher: MicroBatcher[str] = MicroBatcher(encoder, observer=observer, **settings)
    batcher.start()
    try:
        yield batcher
    finally:
        encoder.gate.set()
        await batcher.close()


async def until_entered(encoder: HeldEncoder) -> None:
    """Wait until a batch is inside the encoder."""
    assert await asyncio.to_thread(encoder.entered.acquire, timeout=30)


async def submit(batcher: MicroBatcher[str], *texts: str) -> list[asyncio.Task[float]]:
    async def one(text: str) -> float:
        return float((await batcher.embed(text)).vector[0])

    tasks = [asyncio.create_task(one(text)) for text in texts]
    await asyncio.sleep(0)
    return tasks


async def test_a_lone_item_waits_for_nobody() -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer()) as batcher:
        answer = await batcher.embed("four")
    assert answer.vector.tolist() == [4]
    assert encoder.seen == [["four"]]


async def test_what_arrives_while_a_batch_runs_is_the_next_batch() -> None:
    encoder, observer = HeldEncoder(), Observer()
    async with running(encoder, observer) as batcher:
        encoder.gate.clear()
        first = await submit(batcher, "a")
        await until_entered(encoder)
        others = await submit(batcher, "bb", "ccc", "dddd")
        assert (observer.waiting_queries, observer.waiting_tokens) == (3, 9)
        encoder.gate.set()
        assert await asyncio.gather(*first, *others) == [1, 2, 3, 4]
    assert encoder.seen == [["a"], ["bb", "ccc", "dddd"]]
    assert observer.batches == [1, 3]
    assert observer.waiting_tokens == 0


async def test_batches_are_cut_at_the_budget_with_padding_counted() -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer(), max_batch_tokens=12) as batcher:
        encoder.gate.clear()
        first = await submit(batcher, "a")
        await until_entered(encoder)
        texts = ["bbbb", "cc", "dd", "e", "f" * 30, "g"]
        others = await submit(batcher, *texts)
        encoder.gate.set()
        assert await asyncio.gather(*first, *others) == [1, 4, 2, 2, 1, 30, 1]
    # three rows of four fill the budget; thirty are over it alone
    assert encoder.seen[1:] == [["bbbb", "cc", "dd"], ["e", "g"], ["f" * 30]]


async def test_the_oldest_goes_first_with_those_nearest_to_it_in_length() -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer(), max_batch_tokens=12) as batcher:
        encoder.gate.clear()
        first = await submit(batcher, "-")
        await until_entered(encoder)
        others = await submit(batcher, "a" * 6, "b", "c" * 5, "d", "e" * 6)
        encoder.gate.set()
        await asyncio.gather(*first, *others)
    # in order of arrival the short ones would pad every batch to six
    assert encoder.seen[1:] == [["a" * 6, "e" * 6], ["b", "d"], ["c" * 5]]


@pytest.mark.parametrize("spoiling", ["poison", "exit"])
async def test_a_query_that_spoils_its_batch_fails_alone(spoiling: str) -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer()) as batcher:
        encoder.gate.clear()
        first = await submit(batcher, "good")
        await until_entered(encoder)
        others = await submit(batcher, "before", spoiling, "beside")
        encoder.gate.set()
        results = await asyncio.gather(*first, *others, return_exceptions=True)
        assert results[:2] + results[3:] == [4, 6, 6]
        assert isinstance(results[2], EncodingFailed)
        assert (await batcher.embed("after")).vector.tolist() == [5]
        assert batcher.alive


async def test_closing_while_a_spoiled_batch_is_taken_apart_leaves_nobody_waiting() -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer()) as batcher:
        encoder.gate.clear()
        first = await submit(batcher, "good")
        await until_entered(encoder)
        others = await submit(batcher, "poison", "second", "third")
        encoder.open_once()
        await first[0]
        await until_entered(encoder)  # the three, shut in
        encoder.open_once()
        await until_entered(encoder)  # the first of them alone, shut in
        await batcher.close()
        async with asyncio.timeout(30):
            results = await asyncio.gather(*others, return_exceptions=True)
        assert [type(result) for result in results] == [NotReady] * 3


async def test_an_item_whose_caller_went_away_is_not_embedded() -> None:
    encoder, observer = HeldEncoder(), Observer()
    async with running(encoder, observer) as batcher:
        encoder.gate.clear()
        first = await submit(batcher, "a")
        await until_entered(encoder)
        gone, stays = await submit(batcher, "gone", "stays")
        gone.cancel()
        await asyncio.sleep(0)
        encoder.gate.set()
        assert await asyncio.gather(*first, stays) == [1, 5]
    assert encoder.seen == [["a"], ["stays"]]
    assert observer.dropped_queries == 1


@pytest.mark.parametrize("beside", ["stays", "poison"])
async def test_a_caller_that_goes_away_while_its_batch_runs_harms_nobody(beside: str) -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer()) as batcher:
        encoder.gate.clear()
        blocker = await submit(batcher, "a")
        await until_entered(encoder)
        gone, other = await submit(batcher, "gone", beside)
        encoder.open_once()
        await blocker[0]
        await until_entered(encoder)  # now the two are inside, and the gate is shut
        gone.cancel()
        encoder.gate.set()
        (result,) = await asyncio.gather(other, return_exceptions=True)
        assert result == 5 if beside == "stays" else isinstance(result, EncodingFailed)
        async with asyncio.timeout(30):
            assert (await batcher.embed("after")).vector.tolist() == [5]
        assert batcher.alive


async def test_the_time_in_the_queue_and_the_time_in_the_encoder_are_told_apart() -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer()) as batcher:
        encoder.gate.clear()
        first = asyncio.create_task(batcher.embed("a"))
        await until_entered(encoder)
        second = asyncio.create_task(batcher.embed("b"))
        await asyncio.sleep(0.05)
        encoder.gate.set()
        held, waited = await first, await second
    assert held.encode_s >= 0.05 > held.queue_s
    assert waited.queue_s >= 0.05 > waited.encode_s


async def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer(), max_queue_tokens=10) as batcher:
        encoder.gate.clear()
        first = await submit(batcher, "a")
        await until_entered(encoder)
        waiting = await submit(batcher, "b" * 10)
        with pytest.raises(Overloaded) as caught:
            await batcher.embed("c")
        assert caught.value.retry_after_s == 1
        encoder.gate.set()
        assert await asyncio.gather(*first, *waiting) == [1, 10]


async def test_an_item_larger_than_the_queue_is_taken_when_nothing_waits() -> None:
    async with running(HeldEncoder(), Observer(), max_queue_tokens=10) as batcher:
        assert (await batcher.embed("x" * 50)).vector.tolist() == [50]


async def test_two_threads_run_two_batches_at_once() -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer(), threads=2) as batcher:
        encoder.gate.clear()
        first = await submit(batcher, "a")
        await until_entered(encoder)
        second = await submit(batcher, "bb")
        await until_entered(encoder)  # while the first is still inside
        encoder.gate.set()
        assert await asyncio.gather(*first, *second) == [1, 2]


async def test_free_threads_share_what_waits() -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer(), threads=2) as batcher:
        assert sorted(await asyncio.gather(*await submit(batcher, "a", "bb", "ccc", "dddd"))) == [1, 2, 3, 4]
    assert sorted(map(len, encoder.seen)) == [2, 2]


async def test_closing_refuses_what_waits_and_what_comes_later() -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer()) as batcher:
        encoder.gate.clear()
        running_one = await submit(batcher, "a")
        await until_entered(encoder)
        waiting = await submit(batcher, "b")
        await batcher.close()
        results = await asyncio.gather(*running_one, *waiting, return_exceptions=True)
        assert [type(result) for result in results] == [NotReady, NotReady]
        with pytest.raises(NotReady):
            await batcher.embed("c")
        assert not batcher.alive


async def test_what_is_cancelled_makes_room_at_once() -> None:
    encoder, observer = HeldEncoder(), Observer()
    async with running(encoder, observer, max_queue_tokens=10) as batcher:
        encoder.gate.clear()
        first = await submit(batcher, "a")
        await until_entered(encoder)
        (gone,) = await submit(batcher, "b" * 10)
        gone.cancel()
        await asyncio.sleep(0)
        assert observer.waiting_tokens == 0
        after = await submit(batcher, "c" * 10)
        encoder.gate.set()
        assert await asyncio.gather(*first, *after) == [1, 10]


async def test_an_encoder_that_loses_a_row_fails_its_batch_and_no_worker() -> None:
    encoder = HeldEncoder()
    batcher: MicroBatcher[str] = MicroBatcher(
        lambda batch: encoder(batch)[1:], threads=1, max_batch_tokens=100, max_queue_tokens=100, observer=Observer()
    )
    batcher.start()
    for _ in range(2):
        with pytest.raises(EncodingFailed):
            await batcher.embed("a")
    assert batcher.alive
    await batcher.close()


class SeparatelyHeldEncoder(HeldEncoder):
    """Each batch waits at a gate of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: list[threading.Event] = []

    def __call__(self, batch: Sequence[str]) -> Vectors:
        gate = threading.Event()
        self.gates.append(gate)
        self.seen.append(list(batch))
        self.entered.release()
        assert gate.wait(30)
        return np.array([[len(text)] for text in batch], np.float32)


async def two_batches_of_two(batcher: MicroBatcher[str], encoder: SeparatelyHeldEncoder) -> list[asyncio.Task[float]]:
    """Run two batches, and let the first of them through."""
    tasks = await submit(batcher, "a", "b", "c", "d")
    await until_entered(encoder)
    await until_entered(encoder)
    assert sorted(encoder.seen) == [["a", "b"], ["c", "d"]]
    encoder.gates[0].set()
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return tasks


async def test_a_query_that_comes_while_others_run_waits_for_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.batcher._GATHER_S", 30)
    encoder = SeparatelyHeldEncoder()
    async with running(encoder, Observer(), threads=2) as batcher:
        tasks = await two_batches_of_two(batcher, encoder)
        tasks += await submit(batcher, "e")  # two run still: the share of three is two
        tasks += await submit(batcher, "f")
        await until_entered(encoder)
        assert encoder.seen[2:] == [["e", "f"]]
        for gate in encoder.gates:
            gate.set()
        await asyncio.gather(*tasks)


async def test_a_query_that_waits_for_its_share_in_vain_goes_alone() -> None:
    encoder = SeparatelyHeldEncoder()
    async with running(encoder, Observer(), threads=2) as batcher:
        tasks = await two_batches_of_two(batcher, encoder)
        tasks += await submit(batcher, "e")
        await until_entered(encoder)
        assert encoder.seen[2:] == [["e"]]
        for gate in encoder.gates:
            gate.set()
        await asyncio.gather(*tasks)


async def test_a_first_item_goes_before_all_that_wait_however_many() -> None:
    encoder = HeldEncoder()
    async with running(encoder, Observer(), max_batch_tokens=5, max_queue_tokens=10) as batcher:
        encoder.gate.clear()
        others = await submit(batcher, "inside")
        await until_entered(encoder)
        others += await submit(batcher, "first", "again")
        with pytest.raises(Overloaded):
            await batcher.embed("refused")
        canary = asyncio.create_task(batcher.embed("canary", first=True))
        await asyncio.sleep(0)
        encoder.gate.set()
        await asyncio.gather(canary, *others)
    assert encoder.seen == [["inside"], ["canary"], ["first"], ["again"]]


async def test_what_is_given_up_leaves_nothing_behind_while_the_encoder_hangs() -> None:
    encoder, observer = HeldEncoder(), Observer()
    async with running(encoder, observer) as batcher:
        encoder.gate.clear()
        hangs = await submit(batcher, "hangs")
        await until_entered(encoder)
        for task in await submit(batcher, *["gone"] * 20):
            task.cancel()
        await asyncio.sleep(0)
        assert (observer.dropped_queries, observer.waiting_tokens) == (20, 0)
        assert batcher._waiting == []
        encoder.gate.set()
        await hangs[0]
