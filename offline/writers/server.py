"""Write a collection of a Qdrant server."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from qdrant_client import AsyncQdrantClient, models
from rich.console import Console

from app.errors import IndexUnavailable
from app.index.contract import FieldType, IndexContract
from app.index.server import CONTRACT_KEY
from app.passages import METADATA_KEY, Passage, point_id, to_payload
from app.vectors import Vectors
from offline.writers.protocol import Storage
from offline.writers.retry import Patience

_DISTANCE = {"cosine": models.Distance.COSINE, "dot": models.Distance.DOT}
_SCHEMA: dict[FieldType, models.PayloadSchemaType] = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.PayloadSchemaType.INTEGER,
    "float": models.PayloadSchemaType.FLOAT,
    "bool": models.PayloadSchemaType.BOOL,
}

_FIRST_LOOK_S, _LAST_LOOK_S = 0.1, 5.0
_TELL_INTERVAL_S = 15.0
_QUIET_S = 600.0
"""The graph of a segment is built in one go, which may show no change for as long."""


class ServerWriter:
    """A ``CollectionWriter`` on a collection of a server."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        collection: str,
        storage: Storage,
        parallel: int,
        patience: Patience,
        console: Console,
    ) -> None:
        self.parallel = parallel
        self._client = client
        self._collection = collection
        self._storage = storage
        self._patience = patience
        self._console = console

    async def create(self, contract: IndexContract) -> None:
        """An empty collection without a graph: one that grows with the upload costs several times the work."""

        async def create() -> None:
            # asked on every attempt: the collection may be there and the answer lost
            if not await self._client.collection_exists(self._collection):
                await self._client.create_collection(self._collection, **_config(contract, self._storage))

        await self._patience(create)
        for field, kind in contract.fields.items():
            # before the graph is built: for filtered searches it gets edges within their values
            key = f"{METADATA_KEY}.{field}"
            await self._patience(
                partial(self._client.create_payload_index, self._collection, key, field_schema=_SCHEMA[kind])
            )

    async def write(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        points = [
            models.PointStruct(id=point_id(passage.docid), vector=vector, payload=to_payload(passage))
            for passage, vector in zip(passages, vectors.tolist(), strict=True)
        ]
        # wait: the answer tells that the points are stored, or why not.  Without, it tells only that
        # they are queued; a queue that fails later would be found at the end and nobody knew where.
        # Uploads beside each other keep the server busy all the same.
        await self._patience(lambda: self._client.upsert(self._collection, points, wait=True))

    async def flush(self) -> None:
        """What the server answered for is in its write-ahead log."""

    async def count(self) -> int:
        return (await self._patience(lambda: self._client.count(self._collection, exact=True))).count

    async def read_vectors(self, docids: Sequence[str]) -> dict[str, list[float]]:
        ids = [point_id(docid) for docid in docids]
        records = await self._patience(
            lambda: self._client.retrieve(self._collection, ids, with_payload=True, with_vectors=True)
        )
        return {
            (record.payload or {})["docid"]: [float(value) for value in record.vector]  # type: ignore[arg-type]
            for record in records
            if isinstance(record.vector, list)
        }

    async def build_graph(self) -> None:
        """Let the server build the graph, and wait until nothing is left to optimise.

        Raises:
            IndexUnavailable: the server says that its optimiser failed.
        """
        graph = models.HnswConfigDiff(m=self._storage.hnsw_m, ef_construct=self._storage.hnsw_ef_construct)
        await self._update(hnsw_config=graph)
        watch, look_s, greens = _Watch(self._console), _FIRST_LOOK_S, 0
        while True:
            info = await self._patience(lambda: self._client.get_collection(self._collection))
            self._refuse_broken(info)
            # green twice: the first may be from before the optimiser saw that there is work
            greens = greens + 1 if info.status is models.CollectionStatus.GREEN else 0
            if greens == 2:
                return
            if info.status is models.CollectionStatus.GREY:  # it waits for an update, as after a restart
                await self._update(optimizers_config=models.OptimizersConfigDiff())
            watch.saw(info)
            await asyncio.sleep(look_s)
            look_s = min(1.5 * look_s, _LAST_LOOK_S)

    def _refuse_broken(self, info: models.CollectionInfo) -> None:
        error = getattr(info.optimizer_status, "error", None)
        if error is not None or info.status is models.CollectionStatus.RED:
            raise IndexUnavailable(
                f"Qdrant cannot build the graph of {self._collection} ({info.status.value}: {error or 'see its log'}); "
                "mend the server and run the same command again, or drop the collection to begin anew"
            )

    async def complete(self, contract: IndexContract) -> None:
        await self._update(metadata={CONTRACT_KEY: contract.model_dump(mode="json")})

    async def close(self) -> None:
        """The connection is the store's."""

    async def _update(self, **changes: Any) -> None:
        await self._patience(partial(self._client.update_collection, self._collection, **changes))


class _Watch:
    """Tells now and then how far a graph is, and that nothing moves where nothing does."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = self._told_at = self._changed_at = time.monotonic()
        self._seen: object = None

    def saw(self, info: models.CollectionInfo) -> None:
        now = time.monotonic()
        state = (info.status, info.indexed_vectors_count, info.segments_count)
        if state != self._seen:
            self._seen, self._changed_at = state, now
        if now - self._told_at < _TELL_INTERVAL_S:
            return
        self._told_at = now
        quiet = f"; nothing has changed for {now - self._changed_at:,.0f} s, see the server's log"
        self._console.print(
            f"building the graph: {info.indexed_vectors_count or 0:,} of {info.points_count or 0:,} passages, "
            f"{info.status.value}, {now - self._began:,.0f} s{quiet if now - self._changed_at > _QUIET_S else ''}"
        )


def _config(contract: IndexContract, storage: Storage) -> dict[str, Any]:
    """Arguments of ``create_collection``."""
    int8 = models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
    )
    return {
        "vectors_config": models.VectorParams(
            size=contract.encoder.dimension,
            distance=_DISTANCE[contract.encoder.similarity],
            on_disk=storage.on_disk or None,
        ),
        "hnsw_config": models.HnswConfigDiff(m=0, ef_construct=storage.hnsw_ef_construct),
        "quantization_config": int8 if storage.quantization == "int8" else None,
        "on_disk_payload": True,  # texts and queries are read for the few hits alone
        "shard_number": storage.shards,
        "replication_factor": storage.replication_factor,
        "write_consistency_factor": storage.write_consistency_factor,
        "metadata": {CONTRACT_KEY: contract.model_dump(mode="json")},
    }
