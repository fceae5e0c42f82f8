"""Why a passage came back: which of its generated queries are closest to the question."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.batcher import Embedded, MicroBatcher
from app.bundle import Side
from app.encoder import OnnxEncoder, Tokens
from app.passages import Passage
from app.vectors import Vectors, cosine


@dataclass(frozen=True, slots=True)
class MatchedQuery:
    """A generated query of a passage, with its similarity to the caller's query."""

    lang: str
    query: str
    score: float


class Explainer:
    """Embeds the generated queries of passages as queries are, and ranks them.  A dozen embeddings a passage."""

    def __init__(self, encoder: OnnxEncoder, batcher: MicroBatcher[Tokens]) -> None:
        self._encoder = encoder
        self._batcher = batcher
        self._turn = asyncio.Semaphore(1)

    async def explain(self, vector: Vectors, passages: Sequence[Passage]) -> list[list[MatchedQuery]]:
        """For each passage its generated queries, closest to the question's vector, float32 [dimension], first.

        One explanation at a time, one passage after the other and a batch of queries at a time, so that it takes its
        turns among the searches.

        Raises:
            Overloaded, EncodingFailed: see their classes.
        """
        async with self._turn:
            return [await self._rank(vector, passage) for passage in passages]

    async def _rank(self, vector: Vectors, passage: Passage) -> list[MatchedQuery]:
        owned = [(lang, text) for lang, texts in passage.generated_queries.items() for text in texts]
        tokens = self._encoder.tokenize([text for _, text in owned], Side.QUERY)
        answers = [answer for some in self._portions(tokens) for answer in await self._embed(some)]
        ranked = [
            MatchedQuery(lang, text, self._similarity(vector, answer.vector))
            for (lang, text), answer in zip(owned, answers, strict=True)
        ]
        return sorted(ranked, key=lambda each: -each.score)

    def _portions(self, tokens: Sequence[Tokens]) -> Iterator[list[Tokens]]:
        """A batch of tokens each: a search that comes meanwhile waits for no more, and the queue has room for it."""
        portion: list[Tokens] = []
        for each in tokens:
            if portion and sum(map(len, portion)) + len(each) > self._batcher.max_batch_tokens:
                yield portion
                portion = []
            portion.append(each)
        if portion:
            yield portion

    async def _embed(self, tokens: Sequence[Tokens]) -> list[Embedded]:
        tasks = [asyncio.ensure_future(self._batcher.embed(each)) for each in tokens]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:  # gather leaves the others running when one fails
                task.cancel()

    def _similarity(self, a: Vectors, b: Vectors) -> float:
        return cosine(a, b) if self._encoder.bundle.encoder.similarity == "cosine" else float(a @ b)
