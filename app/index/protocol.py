"""PassageIndex and IndexSource: what the service needs of an index, whichever engine holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.index.contract import IndexContract
from app.index.filters import Condition
from app.passages import Hit, Passage
from app.vectors import Vectors


class PassageIndex(Protocol):
    """An open index.  It stays on the collection that it was opened on, whatever its alias does.

    Every method raises ``IndexUnavailable`` where the engine does not answer, and those that take a
    ``deadline``, a time of the event loop, ``DeadlineExceeded`` where a server does not by then.
    """

    @property
    def collection(self) -> str:
        """The collection behind the alias."""

    @property
    def contract(self) -> IndexContract: ...

    @property
    def is_failing(self) -> bool:
        """Whether the engine failed so often that it is left alone for a moment."""

    @property
    def calls_in_flight(self) -> int:
        """Calls that wait for the engine's answer."""

    async def query(
        self,
        vector: Vectors,
        limit: int,
        conditions: Sequence[Condition] = (),
        min_score: float | None = None,
        deadline: float | None = None,
        with_queries: bool = False,
    ) -> list[Hit]:
        """The nearest passages to a float32 vector [dimension], closest first.

        Args:
            with_queries: whether the passages come with their generated queries.
        """

    async def passage(self, docid: str, deadline: float | None = None) -> Passage | None: ...

    async def count(self, deadline: float | None = None) -> int:
        """Exact number of passages."""

    def check_available(self) -> None:
        """Raises IndexUnavailable where the engine is left alone, before a query is embedded in vain."""

    async def check_intact(self) -> None:
        """Raises NotReady where the collection is gone, or is another under the same name by now."""

    async def close(self) -> None:
        """Let go of it, once what was asked of it has ended."""


@dataclass(frozen=True, slots=True)
class Live:
    """What an alias points at."""

    collection: str
    contract: IndexContract


class IndexSource(Protocol):
    """The place of an alias: where to look at what it points at, and to open it."""

    async def look(self) -> Live:
        """What the alias points at now, without opening it.

        Raises:
            NotReady: nothing, or nothing that is complete.
            IndexUnavailable: the server does not answer.
        """

    async def open(self) -> PassageIndex:
        """Open it, beside others that are open.  Raises as ``look`` does."""

    async def close(self) -> None:
        """Let go of what ``look`` uses; the indexes stay open."""
