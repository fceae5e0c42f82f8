"""Blocking calls of one turn of the event loop, together on a thread."""

import asyncio
import threading

import pytest

from app.index.turns import ThreadTurns


async def test_calls_of_one_turn_share_a_thread_and_each_gets_its_own_outcome() -> None:
    turns = ThreadTurns(2, "test")
    threads: set[int] = set()

    def work(number: int) -> int:
        threads.add(threading.get_ident())
        if number == 2:
            raise ValueError("two")
        return number

    results = await asyncio.gather(*(turns.run(lambda n=n: work(n)) for n in range(5)), return_exceptions=True)  # type: ignore[misc]
    assert [str(result) for result in results] == ["0", "1", "two", "3", "4"]
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    turns.close()


async def test_a_call_that_is_cancelled_before_its_turn_is_not_made() -> None:
    turns = ThreadTurns(1, "test")
    gate, made = threading.Event(), []
    blocking = asyncio.create_task(turns.run(gate.wait))
    await asyncio.sleep(0)
    gone = asyncio.create_task(turns.run(lambda: made.append("gone")))
    stays = asyncio.create_task(turns.run(lambda: made.append("stays")))
    await asyncio.sleep(0)
    gone.cancel()
    gate.set()
    await asyncio.gather(blocking, stays)
    assert made == ["stays"]
    turns.close()


async def test_a_call_after_the_close_fails_and_does_not_hang() -> None:
    turns = ThreadTurns(1, "test")
    turns.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        await turns.run(lambda: None)
