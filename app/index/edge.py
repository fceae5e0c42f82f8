"""Qdrant Edge: the engine in process, one folder, one process.

Layout of ``edge:<folder>``: each collection is ``<folder>/<collection>/`` with ``contract.json``
and ``shard/``; an alias is a symbolic link ``<folder>/<alias>`` to its collection, so that a new
index goes live by one atomic rename.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import qdrant_edge
from pydantic import ValidationError

from app.errors import IndexUnavailable, NotReady
from app.index.contract import IndexContract
from app.index.filters import Condition
from app.passages import METADATA_KEY, QUERIES_KEY, Hit, Passage, from_payload, point_id
from app.vectors import Vectors

T = TypeVar("T")

CONTRACT_FILE = "contract.json"
SHARD_FOLDER = "shard"

BOOLS_KEY = "bools"
"""Payload key of the filterable bools as words: qdrant-edge-py 0.9 turns True in a filter into 1,
which matches no bool."""

_RESCORED = qdrant_edge.SearchParams(quantization=qdrant_edge.QuantizationSearchParams(rescore=True, oversampling=2.0))
"""Twice the hits by quantised vectors, then the closest of them by the vectors themselves; an index
that is not quantised does not heed it."""

_WITHOUT_QUERIES = qdrant_edge.PayloadSelector.Exclude([QUERIES_KEY])


def bool_words(values: list[bool]) -> list[str]:
    return ["true" if value else "false" for value in values]


class EdgeIndex:
    """A ``PassageIndex`` on an Edge shard.

    The engine holds the GIL in every call: a thread would run beside nothing, and cost as much as
    a search.  So calls are made where they are awaited, and the event loop stands still meanwhile:
    0.2 ms for a search of a thousand passages, some milliseconds for one of a hundred thousand.
    No deadline cuts a search short.
    An open shard outlives its folder: renamed or removed, its files stay until it is closed.
    """

    is_failing = False  # nobody to leave alone: the engine is in this process
    calls_in_flight = 0  # each has ended before anybody can look

    def __init__(self, collection: str, contract: IndexContract, shard: qdrant_edge.EdgeShard) -> None:
        self._collection = collection
        self._contract = contract
        self._shard = shard

    @classmethod
    def open(cls, folder: Path, alias: str) -> "EdgeIndex":
        """Open the collection that the alias points at now.

        Raises:
            NotReady: nothing is there, the index is incomplete, or another process has it open.
        """
        home, contract = look(folder, alias)
        try:
            shard = engine_call(f"cannot open {home}", lambda: qdrant_edge.EdgeShard.load(str(home / SHARD_FOLDER)))
        except IndexUnavailable as error:
            if "WouldBlock" in error.message:
                raise NotReady(
                    f"another process has {home} open, and an Edge index serves one process; "
                    "stop the other, or use a Qdrant server for several"
                ) from error
            raise NotReady(f"{error.message}; load with --rebuild") from error
        return cls(home.name, contract, shard)

    @property
    def collection(self) -> str:
        return self._collection

    @property
    def contract(self) -> IndexContract:
        return self._contract

    async def query(
        self,
        vector: Vectors,
        limit: int,
        conditions: Sequence[Condition] = (),
        min_score: float | None = None,
        deadline: float | None = None,
        with_queries: bool = False,
    ) -> list[Hit]:
        def ask() -> list[qdrant_edge.ScoredPoint]:
            return self._shard.query(
                qdrant_edge.QueryRequest(
                    limit=limit,
                    query=qdrant_edge.Query.Nearest(vector.tolist()),
                    filter=_filter(conditions),
                    score_threshold=min_score,
                    with_payload=True if with_queries else _WITHOUT_QUERIES,
                    params=_RESCORED,
                )
            )

        points = self._ask(ask)
        return [Hit(from_payload(point.payload or {}), point.score) for point in points]

    async def passage(self, docid: str, deadline: float | None = None) -> Passage | None:
        records = self._ask(lambda: self._shard.retrieve([point_id(docid)], True, False))
        return from_payload(records[0].payload or {}) if records else None

    async def count(self, deadline: float | None = None) -> int:
        return self._ask(lambda: self._shard.count(qdrant_edge.CountRequest(exact=True)))

    def check_available(self) -> None:
        """It always is."""

    async def check_intact(self) -> None:
        """It is, as long as it is open."""

    async def close(self) -> None:
        self._ask(self._shard.close)

    def _ask(self, work: Callable[[], T]) -> T:
        return engine_call(f"failed on {self._collection}", work)


def look(folder: Path, alias: str) -> tuple[Path, IndexContract]:
    """The folder behind the alias and the contract in it.

    Raises:
        NotReady: nothing is there, or the index is incomplete.
    """
    home = (folder / alias).resolve()
    try:
        contract = IndexContract.model_validate_json((home / CONTRACT_FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotReady(f"there is no index {alias} in {folder}; build one with `python -m offline build`") from error
    except (OSError, ValidationError) as error:
        raise NotReady(f"{home / CONTRACT_FILE} cannot be read; run `python -m offline load` again") from error
    if not contract.complete:
        raise NotReady(f"the index {home} is incomplete; run `python -m offline load` again")
    return home, contract


def engine_call(failure: str, work: Callable[[], T]) -> T:
    """Call the engine, which raises plain Exception, and panics over some damaged files.

    Raises:
        IndexUnavailable: it failed; the message begins with ``failure``.
    """
    try:
        return work()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # as which it panics
        raise IndexUnavailable(f"Qdrant Edge {failure}: {error}") from error


def _filter(conditions: Sequence[Condition]) -> qdrant_edge.Filter | None:
    if not conditions:
        return None
    must: list[Any] = [_translate(condition) for condition in conditions if not condition.negated]
    must_not: list[Any] = [_translate(condition) for condition in conditions if condition.negated]
    return qdrant_edge.Filter(must=must or None, must_not=must_not or None)


def _translate(condition: Condition) -> qdrant_edge.FieldCondition:
    key = f"{METADATA_KEY}.{condition.field}"
    if condition.bounds is not None:
        return qdrant_edge.FieldCondition(key=key, range=qdrant_edge.RangeFloat(**condition.bounds))
    values: list[Any] = list(condition.any_of)
    if isinstance(values[0], bool):
        key, values = f"{BOOLS_KEY}.{condition.field}", bool_words(values)
    match = qdrant_edge.MatchValue(values[0]) if len(values) == 1 else qdrant_edge.MatchAny(values)
    return qdrant_edge.FieldCondition(key=key, match=match)
