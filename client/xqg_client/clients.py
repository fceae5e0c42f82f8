"""XqgClient and AsyncXqgClient: the same calls, blocking and not."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from xqg_client import calls
from xqg_client.answers import Explanation, Info, Passage, Readiness, SearchResult
from xqg_client.calls import Outcome, Search, Steps
from xqg_client.connection import options, reaching
from xqg_client.retry import Retry

T = TypeVar("T")

TIMEOUT_S = 15.0
"""More than the service gives a search by default, so that it is the service that says what was slow."""
RETRY = Retry()


class XqgClient:
    """Blocking.  Keeps its connections, so make one and share it, between threads too; close it, or use ``with``.

    Args:
        base_url: of the service, as ``http://localhost:8000``, with a path where a proxy adds one, and a user
            and password where it asks for them.
        api_key: where the service asks for one; empty is none.
        timeout_s: for one request to connect, and between two parts of its answer.
        retry: how often 429 and 503 are asked again.

    Every call raises ``ServiceProblem`` where the service says no, ``ServiceUnreachable`` where
    nobody answers, and ``UnexpectedAnswer`` where somebody else does.
    """

    def __init__(
        self, base_url: str, *, api_key: str | None = None, timeout_s: float = TIMEOUT_S, retry: Retry = RETRY
    ) -> None:
        self._http = httpx.Client(**options(base_url, api_key, timeout_s))
        self._retry = retry

    def search(
        self,
        query: str,
        *,
        top_k: int = 10,
        lang: str | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002, the parameter's public name
        min_score: float | None = None,
        explain: bool = False,
    ) -> SearchResult:
        """The passages closest to a question; see ``Search`` for the options."""
        item = Search(query, top_k, lang, filter or {}, min_score, explain)
        return self._run(calls.search(self._retry, item))

    def search_batch(self, searches: Iterable[Search]) -> list[Outcome]:
        """One result or one ``ServiceProblem`` for each search, in order; ``explain`` is refused in a batch.

        64 go in a request, and one request after another.  Raises only where none of the 64 is answered.
        """
        return self._run(calls.search_batch(self._retry, searches))

    def explain(self, query: str, docid: str, *, lang: str | None = None) -> Explanation:
        """Why a passage is close to a question; ``ServiceProblem`` with status 404 where there is no such passage.

        For one hit, when somebody asks; ``search`` with ``explain`` does the same for its first hits at once.
        """
        return self._run(calls.explain(self._retry, query, docid, lang))

    def passage(self, docid: str) -> Passage:
        """A stored passage; ``ServiceProblem`` with status 404 where there is none."""
        return self._run(calls.passage(self._retry, docid))

    def info(self) -> Info:
        """What runs there."""
        return self._run(calls.info(self._retry))

    def ready(self) -> Readiness:
        """Whether searches can be answered now; asked once."""
        return self._run(calls.ready())

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, steps: Steps[T]) -> T:
        try:
            ask = next(steps)
            while True:
                time.sleep(ask.after_s)
                with reaching(self._http.base_url):
                    response = self._http.request(ask.method, ask.path, json=ask.body)
                ask = steps.send(response)
        except StopIteration as end:
            answer: T = end.value
            return answer


class AsyncXqgClient:
    """``XqgClient`` for asyncio, in one event loop; close it with ``aclose``, or use ``async with``."""

    def __init__(
        self, base_url: str, *, api_key: str | None = None, timeout_s: float = TIMEOUT_S, retry: Retry = RETRY
    ) -> None:
        self._http = httpx.AsyncClient(**options(base_url, api_key, timeout_s))
        self._retry = retry

    async def search(
        self,
        query: str,
        *,
        top_k: int = 10,
        lang: str | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002, the parameter's public name
        min_score: float | None = None,
        explain: bool = False,
    ) -> SearchResult:
        """See ``XqgClient.search``."""
        item = Search(query, top_k, lang, filter or {}, min_score, explain)
        return await self._run(calls.search(self._retry, item))

    async def search_batch(self, searches: Iterable[Search]) -> list[Outcome]:
        """See ``XqgClient.search_batch``."""
        return await self._run(calls.search_batch(self._retry, searches))

    async def explain(self, query: str, docid: str, *, lang: str | None = None) -> Explanation:
        """See ``XqgClient.explain``."""
        return await self._run(calls.explain(self._retry, query, docid, lang))

    async def passage(self, docid: str) -> Passage:
        """See ``XqgClient.passage``."""
        return await self._run(calls.passage(self._retry, docid))

    async def info(self) -> Info:
        """See ``XqgClient.info``."""
        return await self._run(calls.info(self._retry))

    async def ready(self) -> Readiness:
        """See ``XqgClient.ready``."""
        return await self._run(calls.ready())

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, steps: Steps[T]) -> T:
        try:
            ask = next(steps)
            while True:
                await asyncio.sleep(ask.after_s)
                with reaching(self._http.base_url):
                    response = await self._http.request(ask.method, ask.path, json=ask.body)
                ask = steps.send(response)
        except StopIteration as end:
            answer: T = end.value
            return answer
