"""Small indexes of four dimensions, written and opened as loads and services do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from qdrant_client import AsyncQdrantClient
from rich.console import Console

from app.bundle import EncoderIdentity
from app.index import PassageIndex
from app.index.edge import EdgeIndex
from app.index.server import ServerIndex
from app.passages import Passage
from app.vectors import Vectors
from offline.writers import CollectionStore, EdgeStore, ServerStore, Storage
from tests.contracts import IDENTITY, contract

QUIET = Console(quiet=True)
PASSAGES = [
    Passage("a/1", "A", "first", {"topic": "Arts", "year": 1900, "weight": 0.5, "open": True}, {"ar": ["س"]}),
    Passage("b", "", "second", {"topic": "History", "year": 1950, "weight": 1.5, "open": False}),
    Passage("ç d", "D", "third ఈఫిల్", {"topic": ["Arts", "Music"], "year": 2000}),
]
VECTORS = np.array([[1, 0, 0, 0], [0.8, 0.6, 0, 0], [0, 0, 0, 2]], np.float32)


@dataclass
class Engine:
    """A way to write and to open collections in one place."""

    client: AsyncQdrantClient | None = None
    folder: Path | None = None

    def store(self, storage: Storage = Storage()) -> CollectionStore:  # noqa: B008, frozen
        if self.client:
            return ServerStore(self.client, Path("unused"), storage, QUIET)
        return EdgeStore(self.folder or Path(), storage)

    async def open(self, alias: str) -> PassageIndex:
        return (
            await ServerIndex.open(self.client, alias) if self.client else EdgeIndex.open(self.folder or Path(), alias)
        )

    async def release(self, store: CollectionStore) -> None:
        if self.folder:  # an Edge folder has one writer at a time; the server's client goes on
            await store.close()


async def fill(
    engine: Engine,
    alias: str,
    suffix: str = "1",
    passages: Sequence[Passage] = PASSAGES,
    vectors: Vectors = VECTORS,
    identity: EncoderIdentity = IDENTITY,
    storage: Storage = Storage(),  # noqa: B008, frozen
    **said_of_it: Any,
) -> str:
    """Write a collection and make it live; what its contract says may be given."""
    store = engine.store(storage)
    said = contract(**({"encoder": identity, "passages": len(passages)} | said_of_it))
    collection = f"{alias}-{suffix}"
    writer = await store.create(collection, said.model_copy(update={"complete": False}))
    await writer.write(passages, vectors)
    await writer.flush()
    await writer.build_graph()
    await writer.complete(said)
    await writer.close()
    await store.publish(alias, collection)
    await engine.release(store)
    return collection
