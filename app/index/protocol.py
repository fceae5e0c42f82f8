"""PassageIndex: what the service needs of an index, whichever engine holds it."""

from collections.abc import Sequence
from typing import Protocol

from app.index.contract import IndexContract
from app.index.filters import Condition
from app.passages import Hit, Passage
from app.vectors import Vectors


class PassageIndex(Protocol):
    """An open index.  It stays on the collection that it was opened on, whatever its alias does.

    Every method raises ``IndexUnavailable`` where the engine does not answer.
    """

    @property
    def collection(self) -> str:
        """The collection behind the alias."""

    @property
    def contract(self) -> IndexContract: ...

    async def query(
        self, vector: Vectors, limit: int, conditions: Sequence[Condition] = (), min_score: float | None = None
    ) -> list[Hit]:
        """The nearest passages to a float32 vector [dimension], closest first."""

    async def passage(self, docid: str) -> Passage | None: ...

    async def count(self) -> int:
        """Exact number of passages."""

    async def close(self) -> None: ...
