"""Why a passage came back: which of its generated queries are closest to the question."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from app.batcher import MicroBatcher
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

        One explanation at a time and one passage after the other, so that it takes its turns among the searches.

        Raises:
            Overloaded, EncodingFailed: see their classes.
        """
        async with self._turn:
            return [await self._rank(vector, passage) for passage in passages]

    async def _rank(self, vector: Vectors, passage: Passage) -> list[MatchedQuery]:
        owned = [(lang, text) for lang, texts in passage.generated_queries.items() for text in texts]
        tokens = self._encoder.tokenize([text for _, text in owned], Side.QUERY)
        tasks = [asyncio.ensure_future(self._batcher.embed(each)) for each in tokens]
        try:
            answers = await asyncio.gather(*tasks)
        finally:
            for task in tasks:  # gather leaves the others running when one fails
                task.cancel()
        ranked = [
            MatchedQuery(lang, text, self._similarity(vector, answer.vector))
            for (lang, text), answer in zip(owned, answers, strict=True)
        ]
        return sorted(ranked, key=lambda each: -each.score)

    def _similarity(self, a: Vectors, b: Vectors) -> float:
        return cosine(a, b) if self._encoder.bundle.encoder.similarity == "cosine" else float(a @ b)
