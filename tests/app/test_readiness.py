"""Readiness: what it must notice, with faults that the test stages."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from app.batcher import Embedded
from app.bundle import Bundle
from app.encoder import OnnxEncoder, Tokens
from app.errors import InvalidRequest, NotReady
from app.metrics import Metrics
from app.passages import Hit
from app.query_cache import QueryCache
from app.retriever import Retriever, Search
from app.vectors import Vectors
from tests.contracts import contract


class StagedBatcher:
    """Embeds at once with the real encoder; ``fault`` says what goes wrong."""

    def __init__(self, encoder: OnnxEncoder, fault: str) -> None:
        self._encoder = encoder
        self._fault = fault
        self.alive = fault != "dead"

    async def embed(self, tokens: Tokens, *, first: bool = False) -> Embedded:
        assert first
        (vector,) = self._encoder.encode([tokens], "query")  # type: ignore[arg-type]
        return Embedded(-vector if self._fault == "wrong vectors" else vector, 0, 0)


class StagedIndex:
    collection = "passages-1"

    def __init__(self, count: int, keeps_queries: bool = True) -> None:
        self._count = count
        self.contract = contract(passages=3, keeps_queries=keeps_queries)

    async def query(
        self, vector: Vectors, limit: int, *_: object, deadline: float, with_queries: bool = False
    ) -> Sequence[Hit]:
        assert np.isfinite(vector).all()
        return []

    async def count(self, deadline: float) -> int:
        return self._count


class Keeper:
    def __init__(self, index: StagedIndex) -> None:
        self._index = index

    @contextmanager
    def lease(self) -> Iterator[StagedIndex]:
        yield self._index


def retriever(encoder: OnnxEncoder, fault: str = "", count: int = 3, keeps_queries: bool = True) -> Retriever:
    return Retriever(
        encoder, StagedBatcher(encoder, fault), Keeper(StagedIndex(count, keeps_queries)), 10, QueryCache(0, Metrics())
    )  # type: ignore[arg-type]


async def test_a_service_whose_parts_are_well_is_ready(encoder: OnnxEncoder) -> None:
    assert await retriever(encoder).check_ready() == 3


async def test_those_who_ask_at_once_share_one_check(encoder: OnnxEncoder) -> None:
    asked = retriever(encoder)
    assert await asyncio.gather(*(asked.check_ready() for _ in range(5))) == [3] * 5
    assert asked._next_canary == 1
    assert await asked.check_ready() == 3
    assert asked._next_canary == 2


@pytest.mark.parametrize(
    ("fault", "count", "complaint"),
    [
        ("wrong vectors", 3, r"embeds the \w\w canary wrongly"),
        ("dead", 3, "an encoder thread has stopped"),
        ("", 2, "holds 2 passages, not 3"),
    ],
)
async def test_what_is_wrong_is_said(encoder: OnnxEncoder, fault: str, count: int, complaint: str) -> None:
    with pytest.raises(NotReady, match=complaint):
        await retriever(encoder, fault, count).check_ready()


async def test_explain_needs_an_index_that_keeps_its_queries(encoder: OnnxEncoder, demo_bundle: Bundle) -> None:
    with pytest.raises(InvalidRequest, match="without its generated queries"):
        await retriever(encoder, keeps_queries=False).search(Search("x", explain=True))
    with pytest.raises(InvalidRequest, match="without its generated queries"):
        await retriever(encoder, keeps_queries=False).explain("x", "Agra")
