"""Builds of the alias ``passages`` for the demo encoder, told apart by their docids, and moves between them."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.bundle import EncoderIdentity
from app.index import ServerAccess
from app.index.server import connect
from app.passages import Passage
from tests.filled import Engine, fill

ALIAS = "passages"
PASSAGES = 12


@dataclass(frozen=True)
class Builds:
    """An Edge folder or a server, and what is built there."""

    encoder: EncoderIdentity
    folder: Path | None = None
    url: str | None = None

    @property
    def location(self) -> str:
        """As ``XQG_INDEX`` and ``--index`` take it."""
        return self.url or f"edge:{self.folder}"

    def build(self, letter: str, passages: int = PASSAGES, **encoder_changes: Any) -> str:
        """Fill a collection and make it live; every docid in it begins with the letter."""
        random = np.random.default_rng(0)
        vectors = random.normal(size=(passages, self.encoder.dimension)).astype(np.float32)
        content = [Passage(f"{letter}-{number}", "", "text") for number in range(passages)]
        identity = self.encoder.model_copy(update=encoder_changes)

        return self._run(
            lambda engine: fill(
                engine, ALIAS, letter, content, vectors, identity, build_id=letter, run_id=f"run of {letter}", fields={}
            )
        )

    def move(self, letter: str) -> str:
        """Make a build live that was before."""

        async def publish(engine: Engine) -> str:
            store = engine.store()
            await store.publish(ALIAS, f"{ALIAS}-{letter}")
            await engine.release(store)
            return f"{ALIAS}-{letter}"

        return self._run(publish)

    def _run(self, work: Callable[[Engine], Coroutine[Any, Any, str]]) -> str:
        async def run() -> str:
            if self.url is None:
                return await work(Engine(folder=self.folder))
            client = connect(self.url, ServerAccess(grpc_port=0))
            try:
                return await work(Engine(client=client))
            finally:
                await client.close()

        return asyncio.run(run())


def of_one_index(answer: dict[str, Any]) -> bool:
    """Whether the hits are those of the index that the answer names, and of no other."""
    letter = answer["index"]["collection"].removeprefix(f"{ALIAS}-")
    return (
        answer["index"]["run_id"] == f"run of {letter}"
        and len(answer["hits"]) == 3
        and all(hit["docid"].startswith(f"{letter}-") for hit in answer["hits"])
    )
