"""Write a collection: Qdrant in process (Edge) or a Qdrant server, behind one protocol."""

from collections.abc import Sequence
from typing import Protocol

from app.index import IndexContract, IndexLocation, ServerAccess
from app.index.server import connect
from app.passages import Passage
from app.vectors import Vectors
from offline.writers.edge import EdgeWriter
from offline.writers.server import ServerWriter

__all__ = ["CollectionWriter", "EdgeWriter", "ServerWriter", "open_writer"]


class CollectionWriter(Protocol):
    """Fills one fresh collection and makes it live.

    Every method raises ``IndexUnavailable`` where the engine does not answer.
    """

    async def live(self, alias: str) -> str | None:
        """The collection that the alias points at."""

    async def contract(self, collection: str) -> IndexContract | None:
        """What a collection says about itself, None where there is none."""

    async def reserve(self, payload_bytes: int, contract: IndexContract) -> None:
        """Refuse before the first write what will not fit.

        Raises:
            OutOfSpace: there is too little room on the disk.
        """

    async def begin(self, collection: str, contract: IndexContract) -> None:
        """Drop what a killed load left under that name and create it empty."""

    async def write(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        """Upsert passages with their fused vectors, float32 [n, dimension]."""

    async def finish(self, contract: IndexContract) -> None:
        """Make durable what was written, and mark the collection complete."""

    async def count(self) -> int: ...

    async def read_vectors(self, docids: Sequence[str]) -> dict[str, list[float]]:
        """Stored vectors by docid; missing passages are left out."""

    async def publish(self, alias: str, collection: str) -> None:
        """Point the alias at the collection, in one atomic step."""

    async def close(self) -> None: ...


def open_writer(location: IndexLocation, access: ServerAccess) -> CollectionWriter:
    """The writer for a location; a server is connected to lazily."""
    if location.folder is not None:
        return EdgeWriter(location.folder)
    return ServerWriter(connect(str(location.url), access))
