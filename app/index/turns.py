"""ThreadTurns: blocking calls of one turn of the event loop go to a thread together.

The queries of a batch are embedded at once and so come to the index at once.  Each handed to a
thread by itself would cost two wake-ups, which take longer than a search of a small index.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class _Call(NamedTuple):
    work: Callable[[], Any]
    answer: asyncio.Future[Any]


class ThreadTurns:
    """Runs blocking calls on ``threads`` threads of its own."""

    def __init__(self, threads: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._due: list[_Call] = []

    async def run(self, work: Callable[[], T]) -> T:
        """Await a call; raises what it raises.  One that is cancelled before its turn is not made."""
        loop = asyncio.get_running_loop()
        call = _Call(work, loop.create_future())
        self._due.append(call)
        if len(self._due) == 1:
            loop.call_soon(self._hand_over, loop)
        result: T = await call.answer
        return result

    def close(self) -> None:
        """Blocks until the calls under way have ended."""
        self._executor.shutdown()

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        calls, self._due = self._due, []

        def make() -> None:
            outcomes = [_outcome(call) for call in calls]
            loop.call_soon_threadsafe(_settle, calls, outcomes)

        try:
            self._executor.submit(make)
        except RuntimeError as error:  # closed meanwhile
            _settle(calls, [(None, error)] * len(calls))


_Outcome = tuple[Any, BaseException | None]


def _outcome(call: _Call) -> _Outcome:
    if call.answer.cancelled():
        return None, None
    try:
        return call.work(), None
    except BaseException as error:  # the caller's, whatever it is
        return None, error


def _settle(calls: Sequence[_Call], outcomes: Sequence[_Outcome]) -> None:
    for call, (result, error) in zip(calls, outcomes, strict=True):
        if call.answer.done():
            continue
        if error is None:
            call.answer.set_result(result)
        else:
            call.answer.set_exception(error)
