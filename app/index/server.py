"""A Qdrant server, over gRPC unless told otherwise."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
import httpx
from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from app.errors import IndexUnavailable, NotReady
from app.index.contract import IndexContract
from app.index.filters import Condition
from app.passages import METADATA_KEY, Hit, Passage, from_payload, point_id
from app.vectors import Vectors

T = TypeVar("T")

CONTRACT_KEY = "xqg"
"""Key of the contract in a collection's metadata."""

# The client raises its transports' errors as they are; in-memory mode raises ValueError.
_CLIENT_ERRORS = (ApiException, QdrantException, grpc.RpcError, httpx.HTTPError, OSError, ValueError)

_RESCORED = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True, oversampling=2.0))
"""Twice the hits by the quantised vectors, then the closest of them by the vectors themselves."""


class ServerIndex:
    """A ``PassageIndex`` on a collection of a Qdrant server."""

    def __init__(
        self, client: AsyncQdrantClient, collection: str, contract: IndexContract, quantized: bool = False
    ) -> None:
        self._client = client
        self._collection = collection
        self._contract = contract
        self._search_params = _RESCORED if quantized else None

    @classmethod
    async def open(cls, client: AsyncQdrantClient, alias: str) -> "ServerIndex":
        """Open the collection that the alias points at now.

        The client is closed by ``close``, not by a failed ``open``.

        Raises:
            IndexUnavailable: the server does not answer.
            NotReady: no such alias, or the collection carries no complete contract.
        """
        collection = await resolve_alias(client, alias)
        if collection is None:
            raise NotReady(f"the server has no collection or alias {alias}; build one with `python -m offline build`")
        config = (await call(client.get_collection(collection))).config
        contract = _contract(config)
        if contract is None:
            raise NotReady(
                f"the collection {collection} carries no xQG contract; load it with `python -m offline load` "
                "into Qdrant 1.16 or later"
            )
        if not contract.complete:
            raise NotReady(f"the collection {collection} is incomplete; run `python -m offline load` again")
        return cls(client, collection, contract, config.quantization_config is not None)

    @property
    def collection(self) -> str:
        return self._collection

    @property
    def contract(self) -> IndexContract:
        return self._contract

    async def query(
        self, vector: Vectors, limit: int, conditions: Sequence[Condition] = (), min_score: float | None = None
    ) -> list[Hit]:
        response = await call(
            self._client.query_points(
                self._collection,
                query=vector.tolist(),
                limit=limit,
                query_filter=_filter(conditions),
                score_threshold=min_score,
                search_params=self._search_params,
                with_payload=True,
            )
        )
        return [Hit(from_payload(point.payload or {}), point.score) for point in response.points]

    async def passage(self, docid: str) -> Passage | None:
        records = await call(self._client.retrieve(self._collection, [point_id(docid)], with_payload=True))
        return from_payload(records[0].payload or {}) if records else None

    async def count(self) -> int:
        return (await call(self._client.count(self._collection, exact=True))).count

    async def close(self) -> None:
        await self._client.close()


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """How to reach a Qdrant server besides its URL."""

    api_key: str | None = None
    grpc_port: int = 6334
    """0 uses REST alone, as behind an HTTP proxy."""
    timeout_s: float = 10
    """For one call."""


def connect(url: str, access: ServerAccess) -> AsyncQdrantClient:
    """A client; it connects with its first call."""
    return AsyncQdrantClient(
        url=url,
        api_key=access.api_key,
        prefer_grpc=access.grpc_port > 0,
        grpc_port=access.grpc_port,
        timeout=max(1, round(access.timeout_s)),
        check_compatibility=False,  # it would ask from a thread of its own, and only to warn
    )


async def call(answer: Awaitable[T]) -> T:
    """Await a client call; its errors become ``IndexUnavailable``."""
    try:
        return await answer
    except ResourceExhaustedResponse as error:
        raise IndexUnavailable(
            "Qdrant limits the rate of calls; try again later", retry_after_s=error.retry_after_s
        ) from error
    except grpc.aio.AioRpcError as error:
        remedy = ""
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            remedy = "; is its gRPC port open? XQG_QDRANT_GRPC_PORT names it, and 0 uses REST alone"
        raise IndexUnavailable(f"Qdrant does not answer: {error.details()}{remedy}") from error
    except UnexpectedResponse as error:
        refusal = f"{error.status_code} {error.reason_phrase}: {_said(error)}"
        raise IndexUnavailable(f"Qdrant does not answer as expected: {refusal[:300]}") from error
    except _CLIENT_ERRORS as error:
        reason = " ".join(str(error).split()) or type(getattr(error, "source", error)).__name__
        raise IndexUnavailable(f"Qdrant does not answer as expected: {reason[:300]}") from error


def _said(error: UnexpectedResponse) -> str:
    """What Qdrant says went wrong; a proxy before it may say anything."""
    try:
        return str(error.structured()["status"]["error"])
    except (ValueError, LookupError, TypeError):
        return " ".join(error.content.decode("utf-8", "replace").split())


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
