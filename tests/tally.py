"""What becomes of requests while a fault is staged: every one is answered, refused as documented, or lost."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

REFUSALS = {429, 503, 504}
"""Documented answers to a search that was all right."""
_PATIENCE_S = 60.0
"""For what must come; far more than any time limit of a service under test."""


@dataclass
class Tally:
    """The requests of one fault."""

    fault: str
    sent: int = 0
    answered: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    """By status."""
    lost: list[str] = field(default_factory=list)
    """Broken connections, hangs, undocumented statuses, answers that are wrong: what should not be."""

    async def search(self, client: httpx.AsyncClient, fits: Callable[[dict[str, Any]], bool], query: str) -> bool:
        """Send one search and count what comes of it; returns whether it was answered.

        Args:
            fits: whether the body of an answer is right.
        """
        self.sent += 1
        try:
            answer = await client.post("/v1/search", json={"query": query, "top_k": 3})
        except httpx.HTTPError as error:
            self.lost.append(repr(error))
            return False
        self.count(answer, fits)
        return answer.status_code == 200

    def count(self, answer: httpx.Response, fits: Callable[[dict[str, Any]], bool]) -> None:
        """Count an answer that was sent for."""
        if answer.status_code == 200 and fits(answer.json()):
            self.answered += 1
        elif answer.status_code in REFUSALS and _is_documented(answer):
            self.refused[answer.status_code] += 1
        else:
            self.lost.append(f"{answer.status_code} {answer.text}")

    def row(self) -> str:
        statuses = ", ".join(f"{count} x {status}" for status, count in sorted(self.refused.items()))
        refused = f"{self.refused.total()} ({statuses})" if statuses else "0"
        return f"{self.fault:<74} {self.sent:>5} {self.answered:>8}  {refused:<24} {len(self.lost):>4}"

    @staticmethod
    def header() -> str:
        return f"{'fault':<74} {'sent':>5} {'answered':>8}  {'refused':<24} {'lost':>4}"


def _is_documented(answer: httpx.Response) -> bool:
    problem = answer.json()
    return (
        answer.headers["content-type"] == "application/problem+json"
        and int(answer.headers["retry-after"]) >= 1
        and problem["status"] == answer.status_code
        and problem["type"].startswith("urn:xqg:problem:")
        and bool(problem["detail"])
    )


def until(holds: Callable[[], bool]) -> None:
    """Wait for what other threads or processes bring about."""
    gives_up_at = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < gives_up_at, "what was waited for did not come"
        time.sleep(0.01)


@contextmanager
def searching(
    url: str, tally: Tally, fits: Callable[[dict[str, Any]], bool] = lambda _: True, clients: int = 8
) -> Iterator[None]:
    """So many clients search, each one search after the other, until the block ends.

    The first answers are there when the block begins; what was sent is answered when it has ended.
    """
    ending = threading.Event()

    async def one(number: int) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=_PATIENCE_S / 2) as client:
            while not ending.is_set():
                if not await tally.search(client, fits, f"Missä on Eiffel-torni? {number}"):
                    await asyncio.sleep(0.05)

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, range(clients)))

    thread = threading.Thread(target=asyncio.run, args=[all_of_them()])
    thread.start()
    try:
        until(lambda: tally.answered + len(tally.lost) >= clients)
        yield
    finally:
        ending.set()
        thread.join()


def answers_again(tally: Tally) -> None:
    """Wait until searches are answered, more of them than were under way."""
    before = tally.answered
    until(lambda: tally.answered > before + 16)
