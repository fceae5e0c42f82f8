"""Retriever.search(): the one use case."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.batcher import Embedded, MicroBatcher
from app.bundle import Side
from app.encoder import OnnxEncoder, Tokens
from app.errors import DeadlineExceeded, InvalidRequest, NotReady
from app.explainer import Explainer, MatchedQuery
from app.index.filters import parse_filter
from app.index.protocol import PassageIndex
from app.keeper import IndexKeeper
from app.passages import Hit, Passage
from app.query_cache import QueryCache
from app.spans import NoSpans, Spans
from app.vectors import cosine

_READY_COSINE = 0.999  # a canary's vector may move this far across machines and providers
_MATCHED_QUERIES = 3
EXPLAINED_HITS = 20  # of one search, closest first: each takes a dozen embeddings


@dataclass(frozen=True, slots=True)
class Search:
    """What a caller asks for."""

    query: str
    top_k: int = 10
    filter: Mapping[str, Any] = field(default_factory=dict)
    min_score: float | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, closest first, and what it took; times in seconds."""

    hits: list[Hit]
    matched_queries: list[list[MatchedQuery]]
    """For the first ``EXPLAINED_HITS``, their closest generated queries; empty without ``explain``."""
    truncated: bool
    queue_s: float
    tokenize_s: float
    encode_s: float
    search_s: float
    total_s: float
    index: PassageIndex
    """The index that every hit came from."""


class Retriever:
    """Embeds a query and asks the index; one await chain from the route to the engine."""

    def __init__(
        self,
        encoder: OnnxEncoder,
        batcher: MicroBatcher[Tokens],
        keeper: IndexKeeper,
        timeout_s: float,
        cache: QueryCache,
        spans: Spans = NoSpans(),  # noqa: B008, stateless
    ) -> None:
        self.encoder = encoder
        self._batcher = batcher
        self._keeper = keeper
        self._timeout_s = timeout_s
        self._spans = spans
        self._cache = cache
        self._canaries = [canary for canary in encoder.bundle.manifest.canaries if canary.side is Side.QUERY]
        self._next_canary = 0
        self._explainer = Explainer(encoder, batcher)
        self._checking: asyncio.Task[int] | None = None

    @property
    def index(self) -> PassageIndex:
        """The open index, to look at.

        Raises:
            XqgError: there is none, with the reason (503).
        """
        return self._keeper.index

    @property
    def index_refused(self) -> str | None:
        """Why the index that the alias points at is not the open one."""
        return self._keeper.refused

    async def search(self, search: Search) -> SearchResult:
        """Answer one search.

        Raises:
            InvalidRequest: the filter or ``explain`` does not fit the index.
            Overloaded, NotReady, IndexUnavailable, EncodingFailed: see their classes.
            DeadlineExceeded: it took longer than the time limit; nothing more is done for it.
        """
        async with self._in_time("ask again later or with a smaller top_k") as (index, deadline):
            return await self._search(search, index, deadline)

    async def _search(self, search: Search, index: PassageIndex, deadline: float | None) -> SearchResult:
        began = time.perf_counter()
        conditions = parse_filter(search.filter, index.contract.fields)
        if search.explain:
            _check_explainable(index)
        read = time.perf_counter()
        with self._spans.stage("tokenize"):
            (tokens,) = self.encoder.tokenize([search.query], Side.QUERY)
        tokenize_s = time.perf_counter() - read
        with self._spans.stage("embed", {"xqg.query.tokens": len(tokens)}):
            embedded = await self._embed(tokens)
            self._spans.embedded(embedded)
        asked = time.perf_counter()
        with self._spans.stage("search", {"xqg.collection": index.collection, "xqg.top_k": search.top_k}):
            hits = await index.query(
                embedded.vector, search.top_k, conditions, search.min_score, deadline, with_queries=search.explain
            )
        search_s = time.perf_counter() - asked
        matched = []
        if search.explain:
            passages = [hit.passage for hit in hits[:EXPLAINED_HITS]]
            ranked = await self._explainer.explain(embedded.vector, passages)
            matched = [each[:_MATCHED_QUERIES] for each in ranked]
        return SearchResult(
            hits=hits,
            matched_queries=matched,
            truncated=tokens.truncated,
            queue_s=embedded.queue_s,
            tokenize_s=tokenize_s,
            encode_s=embedded.encode_s,
            search_s=search_s,
            total_s=time.perf_counter() - began,
            index=index,
        )

    async def _embed(self, tokens: Tokens) -> Embedded:
        embedded = self._cache.get(tokens)
        if embedded is None:
            embedded = await self._batcher.embed(tokens)
            self._cache.put(tokens, embedded)
        return embedded

    async def passage(self, docid: str) -> Passage | None:
        """The passage of that docid."""
        async with self._in_time() as (index, deadline):
            return await index.passage(docid, deadline)

    async def explain(self, query: str, docid: str) -> list[MatchedQuery] | None:
        """The generated queries of one passage, closest to a query first; None where there is no such passage.

        Raises:
            InvalidRequest: the index was loaded without its generated queries.
            XqgError: as ``search``.
        """
        async with self._in_time() as (index, deadline):
            _check_explainable(index)
            passage = await index.passage(docid, deadline)
            if passage is None:
                return None
            (tokens,) = self.encoder.tokenize([query], Side.QUERY)
            embedded = await self._embed(tokens)
            (ranked,) = await self._explainer.explain(embedded.vector, [passage])
            return ranked

    @asynccontextmanager
    async def _in_time(self, advice: str = "ask again later") -> AsyncIterator[tuple[PassageIndex, float | None]]:
        """One index, from the filter to the last hit, and the deadline of what is asked of it."""
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                with self._keeper.lease() as index:
                    yield index, limit.when()
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer within {self._timeout_s:g} s; {advice}") from error

    async def check_ready(self) -> int:
        """Embed a canary (the next one at each call), ask the index, and return its passage count.

        Raises:
            XqgError: something does not hold, in words for the operator (503).
        """
        # those who ask while others do get the same answer: a probe costs an embedding and a count
        if self._checking is None or self._checking.done():
            self._checking = asyncio.ensure_future(self._check())
            # looked at, should nobody wait any more
            self._checking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._checking)

    async def _check(self) -> int:
        with self._keeper.lease() as index:
            return await self._ask_canary(index)

    async def _ask_canary(self, index: PassageIndex) -> int:
        if not self._batcher.alive:
            raise NotReady("an encoder thread has stopped; restart the service")
        canary = self._canaries[self._next_canary % len(self._canaries)]
        self._next_canary += 1
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                (tokens,) = self.encoder.tokenize([canary.text], Side.QUERY)
                # busy is not broken: out of rotation, a service would only load the others
                embedded = await self._batcher.embed(tokens, first=True)
                await index.query(embedded.vector, 1, deadline=limit.when())
                count = await index.count(limit.when())
        except (TimeoutError, DeadlineExceeded) as error:
            raise NotReady(f"the canary was not answered within {self._timeout_s:g} s") from error
        likeness = cosine(embedded.vector, np.asarray(canary.vector, np.float32))
        if not likeness >= _READY_COSINE:
            raise NotReady(
                f"the encoder embeds the {canary.lang} canary wrongly (cosine {likeness:.4f}); restart the service"
            )
        index.contract.check_count(count, index.collection)
        return count


def _check_explainable(index: PassageIndex) -> None:
    if not index.contract.keeps_queries:
        raise InvalidRequest("explain: this index was loaded without its generated queries")
