"""Write a collection of a Qdrant server."""

from collections.abc import Sequence

from qdrant_client import AsyncQdrantClient, models

from app.errors import RunConflict
from app.index.contract import FieldType, IndexContract
from app.index.server import CONTRACT_KEY, call, read_contract, resolve_alias
from app.passages import METADATA_KEY, Passage, point_id, to_payload
from app.vectors import Vectors

_DISTANCE = {"cosine": models.Distance.COSINE, "dot": models.Distance.DOT}
_SCHEMA: dict[FieldType, models.PayloadSchemaType] = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.PayloadSchemaType.INTEGER,
    "float": models.PayloadSchemaType.FLOAT,
    "bool": models.PayloadSchemaType.BOOL,
}


class ServerWriter:
    """A ``CollectionWriter`` on a server."""

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client
        self._collection = ""

    async def live(self, alias: str) -> str | None:
        collection = await resolve_alias(self._client, alias)
        if collection == alias:
            raise RunConflict(
                f"{alias} is a collection on the server, so it cannot be an alias; give another --collection"
            )
        return collection

    async def contract(self, collection: str) -> IndexContract | None:
        if not await call(self._client.collection_exists(collection)):
            return None
        return await read_contract(self._client, collection)

    async def reserve(self, payload_bytes: int, contract: IndexContract) -> None:
        """The server answers for its own disk: a write that does not fit is refused there."""

    async def begin(self, collection: str, contract: IndexContract) -> None:
        self._collection = collection
        await call(self._client.delete_collection(collection))
        await call(
            self._client.create_collection(
                collection,
                vectors_config=models.VectorParams(
                    size=contract.encoder.dimension, distance=_DISTANCE[contract.encoder.similarity]
                ),
                metadata={CONTRACT_KEY: contract.model_dump(mode="json")},
            )
        )
        for field, kind in contract.fields.items():
            await call(
                self._client.create_payload_index(collection, f"{METADATA_KEY}.{field}", field_schema=_SCHEMA[kind])
            )

    async def write(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        points = [
            models.PointStruct(id=point_id(passage.docid), vector=vector, payload=to_payload(passage))
            for passage, vector in zip(passages, vectors.tolist(), strict=True)
        ]
        await call(self._client.upsert(self._collection, points, wait=True))

    async def finish(self, contract: IndexContract) -> None:
        await call(
            self._client.update_collection(self._collection, metadata={CONTRACT_KEY: contract.model_dump(mode="json")})
        )

    async def count(self) -> int:
        return (await call(self._client.count(self._collection, exact=True))).count

    async def read_vectors(self, docids: Sequence[str]) -> dict[str, list[float]]:
        ids = [point_id(docid) for docid in docids]
        records = await call(self._client.retrieve(self._collection, ids, with_payload=True, with_vectors=True))
        return {
            (record.payload or {})["docid"]: [float(value) for value in record.vector]  # type: ignore[arg-type]
            for record in records
            if isinstance(record.vector, list)
        }

    async def publish(self, alias: str, collection: str) -> None:
        steps: list[models.AliasOperations] = [
            models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=alias))
        ]
        if await self.live(alias) is not None:  # both steps in one request: the server applies them as one
            steps.insert(0, models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias)))
        await call(self._client.update_collection_aliases(change_aliases_operations=steps))

    async def close(self) -> None:
        await self._client.close()
