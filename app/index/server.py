"""A Qdrant server, over gRPC unless told otherwise."""

import logging
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient, models

from app.errors import IndexUnavailable, NotReady
from app.index.access import ServerAccess
from app.index.calls import Reader, call, not_there
from app.index.circuit import Circuit
from app.index.contract import IndexContract
from app.index.filters import Condition
from app.index.protocol import Live
from app.passages import METADATA_KEY, QUERIES_KEY, Hit, Passage, from_payload, point_id
from app.vectors import Vectors

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

CONTRACT_KEY = "xqg"
"""Key of the contract in a collection's metadata."""

_GRPC_OPTIONS = (
    # by default a client that lost its server looks for it every two minutes in the end,
    # and hears for a quarter of an hour of none that vanished without a word
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)

_RESCORED = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True, oversampling=2.0))
"""Twice the hits by the quantised vectors, then the closest of them by the vectors themselves."""

_WITHOUT_QUERIES = models.PayloadSelectorExclude(exclude=[QUERIES_KEY])


def warn_of_open_key(url: str, access: ServerAccess) -> None:
    """Log that the key will be sent unencrypted, if it will."""
    if access.api_key and url.startswith("http:"):
        _LOG.warning("the key goes to %s unencrypted: let nobody else into that network, or use https", url)


def connect(url: str, access: ServerAccess) -> AsyncQdrantClient:
    """A client; it connects with its first call."""
    with warnings.catch_warnings():
        # told once, by warn_of_open_key, and not with every client
        warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
        return AsyncQdrantClient(
            url=url,
            api_key=access.api_key,
            prefer_grpc=access.grpc_port > 0,
            grpc_port=access.grpc_port,
            grpc_options=dict(_GRPC_OPTIONS),
            timeout=max(1, round(access.timeout_s)),
            check_compatibility=False,  # it would ask from a thread of its own, and only to warn
        )


class ServerIndex:
    """A ``PassageIndex`` on a collection of a Qdrant server."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        collection: str,
        contract: IndexContract,
        read: Reader,
        quantized: bool = False,
    ) -> None:
        self._client = client
        self._collection = collection
        self._contract = contract
        self._search_params = _RESCORED if quantized else None
        self._read = read

    @classmethod
    async def open(cls, client: AsyncQdrantClient, alias: str, timeout_s: float = 10) -> "ServerIndex":
        """Open the collection that the alias points at now.

        The client is closed by ``close``, not by a failed ``open``.

        Args:
            timeout_s: for a call whose caller sets no deadline.

        Raises as ``look`` does.
        """
        live, quantized = await look(client, alias)
        return cls(client, live.collection, live.contract, Reader(Circuit(), timeout_s), quantized)

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
        def ask() -> Awaitable[models.QueryResponse]:
            return self._client.query_points(
                self._collection,
                query=vector.tolist(),
                limit=limit,
                query_filter=_filter(conditions),
                score_threshold=min_score,
                search_params=self._search_params,
                with_payload=True if with_queries else _WITHOUT_QUERIES,
            )

        points = (await self._ask(ask, deadline)).points
        return [Hit(from_payload(point.payload or {}), point.score) for point in points]

    async def passage(self, docid: str, deadline: float | None = None) -> Passage | None:
        ids = [point_id(docid)]
        records = await self._ask(lambda: self._client.retrieve(self._collection, ids, with_payload=True), deadline)
        return from_payload(records[0].payload or {}) if records else None

    async def count(self, deadline: float | None = None) -> int:
        return (await self._ask(lambda: self._client.count(self._collection, exact=True), deadline)).count

    @property
    def is_failing(self) -> bool:
        return self._read.is_failing

    @property
    def calls_in_flight(self) -> int:
        return self._read.calls_in_flight

    def check_available(self) -> None:
        self._read.check()

    async def check_intact(self) -> None:
        try:
            contract = await read_contract(self._client, self._collection)
        except IndexUnavailable as error:
            if not_there(error):
                raise NotReady(_gone(self._collection)) from error
            raise
        if contract != self._contract:
            raise NotReady(f"the collection {self._collection} was made anew on the server; its load is waited for")

    async def close(self) -> None:
        await self._client.close()

    async def _ask(self, ask: Callable[[], Awaitable[T]], deadline: float | None) -> T:
        try:
            return await self._read(ask, deadline)
        except IndexUnavailable as error:
            if not_there(error):
                raise IndexUnavailable(_gone(self._collection)) from error
            raise


async def look(client: AsyncQdrantClient, alias: str) -> tuple[Live, bool]:
    """What the alias points at, and whether it is quantised.

    Raises:
        IndexUnavailable: the server does not answer.
        NotReady: no such alias, or the collection carries no complete contract.
    """
    collection = await resolve_alias(client, alias)
    if collection is None:
        raise NotReady(f"the server has no collection or alias {alias}; build one with `python -m offline build`")
    try:
        config = (await call(client.get_collection(collection))).config
    except IndexUnavailable as error:
        if not_there(error):  # dropped since the alias was read
            raise NotReady(_gone(collection)) from error
        raise
    contract = _contract(config)
    if contract is None:
        raise NotReady(
            f"the collection {collection} carries no xQG contract; load it with `python -m offline load` "
            "into Qdrant 1.16 or later"
        )
    if not contract.complete:
        raise NotReady(f"the collection {collection} is incomplete; run `python -m offline load` again")
    return Live(collection, contract), config.quantization_config is not None


def _gone(collection: str) -> str:
    return (
        f"the collection {collection} is no longer on the server; run `python -m offline load` again, "
        "and it is served as soon as it is there"
    )


async def resolve_alias(client: AsyncQdrantClient, alias: str) -> str | None:
    """The collection behind an alias, the collection of that very name, or None."""
    aliases = (await call(client.get_aliases())).aliases
    behind = next((entry.collection_name for entry in aliases if entry.alias_name == alias), None)
    if behind is None and await call(client.collection_exists(alias)):
        return alias
    return behind


async def read_contract(client: AsyncQdrantClient, collection: str) -> IndexContract | None:
    """The contract in a collection's metadata; None where there is none that can be read."""
    return _contract((await call(client.get_collection(collection))).config)


def _contract(config: models.CollectionConfig) -> IndexContract | None:
    stored = config.metadata or {}
    try:
        return IndexContract.model_validate(stored[CONTRACT_KEY]) if CONTRACT_KEY in stored else None
    except ValidationError:
        return None


def _filter(conditions: Sequence[Condition]) -> models.Filter | None:
    if not conditions:
        return None
    return models.Filter(
        must=[_translate(condition) for condition in conditions if not condition.negated] or None,
        must_not=[_translate(condition) for condition in conditions if condition.negated] or None,
    )


def _translate(condition: Condition) -> models.FieldCondition | models.Filter:
    key = f"{METADATA_KEY}.{condition.field}"
    if condition.bounds is not None:
        return models.FieldCondition(key=key, range=models.Range(**condition.bounds))
    values = list(condition.any_of)
    if len(values) > 1 and not isinstance(values[0], bool):
        return models.FieldCondition(key=key, match=models.MatchAny(any=values))
    # the server knows no "any of" for bools
    each = [models.FieldCondition(key=key, match=models.MatchValue(value=value)) for value in values]
    return each[0] if len(each) == 1 else models.Filter(should=list(each))
