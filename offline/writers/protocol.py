"""What a load needs of an engine: a place that holds collections, and a way to fill one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from app.index import IndexContract
from app.passages import Passage
from app.vectors import Vectors

Quantization = Literal["none", "int8"]


@dataclass(frozen=True, slots=True)
class Storage:
    """How an engine keeps a collection.  What it holds is the same, how fast and in what memory is not."""

    quantization: Quantization = "none"
    """``int8`` keeps a byte a dimension in memory to search by; the vectors themselves rescore."""
    on_disk: bool = False
    """The vectors themselves stay on disk, read as they are needed."""
    hnsw_m: int = 16
    """Edges of a passage in the graph; 0 builds none, and every search compares with every passage."""
    hnsw_ef_construct: int = 100
    """Candidates that are looked at for each edge."""
    shards: int | None = None
    """Of a server's collection; None leaves it to the server, as below."""
    replication_factor: int | None = None
    write_consistency_factor: int | None = None


class CollectionWriter(Protocol):
    """Fills one collection that is not live.

    Every method raises ``IndexUnavailable`` where the engine does not answer.
    """

    parallel: int
    """How many writes may be under way at once."""

    async def write(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        """Upsert passages with their fused vectors, float32 [n, dimension]; when it returns, they can be read."""

    async def flush(self) -> None:
        """Make durable what was written: it outlives the process and the machine's next start."""

    async def count(self) -> int:
        """Exact number of passages."""

    async def read_vectors(self, docids: Sequence[str]) -> dict[str, list[float]]:
        """Stored vectors by docid; missing passages are left out."""

    async def build_graph(self) -> None:
        """Build what makes searches fast, and wait until it is there."""

    async def complete(self, contract: IndexContract) -> None:
        """Put the last contract in the place of the first."""

    async def close(self) -> None: ...


class CollectionStore(Protocol):
    """Holds collections and the aliases that point at them.

    Every method raises ``IndexUnavailable`` where the engine does not answer.
    """

    state: Path
    """A folder for what loads into this store have to remember."""

    async def live(self, alias: str) -> str | None:
        """The collection that the alias points at."""

    async def aliases(self, collection: str) -> list[str]:
        """The aliases that point at a collection."""

    async def collections(self) -> list[str]:
        """The names of all collections, whoever made them."""

    async def holds(self, collection: str) -> bool:
        """Whether there is a collection of that name."""

    async def contract(self, collection: str) -> IndexContract | None:
        """What a collection says about itself, None where there is none."""

    def owns(self, contract: IndexContract | None) -> bool:
        """Whether an unfinished collection is this store's to go on with or to replace."""

    def marks_folder(self, collection: str, contract: IndexContract) -> Path:
        """Where the marks of what a collection holds are kept."""

    async def reserve(self, collection: str, payload_bytes: int, contract: IndexContract) -> None:
        """Refuse before the first write what will not fit.

        Raises:
            OutOfSpace: there is too little room on the disk.
        """

    async def create(self, collection: str, contract: IndexContract) -> CollectionWriter:
        """An empty collection, of a name that is free."""

    async def reopen(self, collection: str, contract: IndexContract) -> CollectionWriter | None:
        """A collection as it was left, None where it is damaged."""

    async def drop(self, collection: str) -> None:
        """Remove a collection."""

    async def publish(self, alias: str, collection: str) -> None:
        """Point the alias at the collection, in one atomic step."""

    async def close(self) -> None: ...
